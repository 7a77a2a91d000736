/**
 * The secret that a private relay's handshake mixes in, out of the token of its invitation (PROTOCOL 2.6).
 * @module
 */

import { type Bytes, label } from "../bytes/writer.ts";
import { hkdf } from "../crypto/kdf.ts";
import { PSK_BYTES } from "../noise/handshake_state.ts";

/** Bytes of a token: 128 bits, which nobody guesses. */
export const INVITE_TOKEN_BYTES = 16;

/**
 * Derives the psk of a token.
 * @param token 16 random bytes
 * @returns 32 bytes
 * @throws {RangeError} when the token has another length
 */
export async function invitePsk(token: Bytes): Promise<Bytes> {
  if (token.length !== INVITE_TOKEN_BYTES) {
    throw new RangeError(`Cannot derive psk: a token of ${token.length} bytes is not ${INVITE_TOKEN_BYTES}`);
  }
  return await hkdf(token, { salt: new Uint8Array(32), info: label("invite"), lengthBytes: PSK_BYTES });
}
