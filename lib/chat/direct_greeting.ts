/**
 * The first plaintext each way on a direct link: nothing but the JSON head
 *
 * ```
 * {"kind":"direct","link":"<h in hexadecimal>"}
 * ```
 *
 * and an empty text (PROTOCOL §5). It proves, under the keys that will carry every text, that both mean the same link:
 * whoever stands between two links has two hashes h.
 * @module
 */

import { encodeHex } from "@std/encoding/hex";
import * as v from "valibot";
import { AuthError, DecodeError } from "../bytes/errors.ts";
import type { Bytes } from "../bytes/writer.ts";
import { decodePlaintext, encodePlaintext } from "../e2ee/plaintext.ts";

const HEAD = v.object({
  kind: v.literal("direct"),
  link: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
});

/**
 * Encodes a greeting.
 * @param handshakeHash h of the link, 32 bytes
 * @returns the plaintext to seal
 */
export function encodeGreeting(handshakeHash: Bytes): Bytes {
  return encodePlaintext({ head: { kind: "direct", link: encodeHex(handshakeHash) }, text: "" });
}

/**
 * Checks the other side's greeting.
 * @param plaintext what was opened
 * @param handshakeHash h of our link, 32 bytes
 * @throws {DecodeError} when it is no greeting
 * @throws {AuthError} when it names another link
 */
export function checkGreeting(plaintext: Bytes, handshakeHash: Bytes): void {
  const { head, text } = decodePlaintext(plaintext);
  const result = v.safeParse(HEAD, head, { abortEarly: true });
  if (!result.success || text !== "") throw new DecodeError("Cannot decode greeting: it has another shape");
  if (result.output.link !== encodeHex(handshakeHash)) {
    throw new AuthError("Cannot talk here: the greeting was made for another link");
  }
}
