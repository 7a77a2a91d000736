/**
 * What ties the encryption between two people to the direct link that they talk over (PROTOCOL §5):
 *
 * ```
 * nonce = first 16 bytes of SHA-256(label("direct") || lv(h 32))
 * ```
 *
 * where h is the hash of the link's Noise handshake. The listener's live bundle carries the nonce in place of one that a
 * requester drew, so that it serves one link and no other.
 * @module
 */

import { type Bytes, concat, label, lv } from "../bytes/writer.ts";
import { sha256, SHA256_BYTES } from "../crypto/hash.ts";
import { BUNDLE_NONCE_BYTES } from "./bundle.ts";

/**
 * Gives the nonce of the live bundle that is made for a link.
 * @param handshakeHash h, 32 bytes
 * @returns 16 bytes, public
 * @throws {RangeError} when h has another length
 */
export async function directNonce(handshakeHash: Bytes): Promise<Bytes> {
  if (handshakeHash.length !== SHA256_BYTES) {
    throw new RangeError(`Cannot name link: its hash has ${handshakeHash.length} bytes, not ${SHA256_BYTES}`);
  }
  return (await sha256(concat(label("direct"), lv(handshakeHash)))).slice(0, BUNDLE_NONCE_BYTES);
}

/**
 * Gives the name by which both sides know a box.
 * @param box the whole box
 * @returns its SHA-256, 32 bytes, the `boxHash` of whoever opens it
 */
export function boxHashOf(box: Bytes): Promise<Bytes> {
  return sha256(box);
}
