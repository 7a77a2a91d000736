/**
 * Sealing one message under its own key (PROTOCOL §0.5):
 *
 * ```
 * salt 16 | C 32 | AES-256-GCM(K, iv 0^12, aad, padded plaintext) || tag 16
 * ```
 *
 * where `K 32 || C 32 = HKDF(salt, mk, label("msg"))`. The random salt makes (K, iv) fresh even when a state that was
 * rolled back uses `mk` again; C commits the ciphertext to its key (not to the aad).
 * @module
 */

import { AuthError } from "../bytes/errors.ts";
import { equalBytes } from "../bytes/equal.ts";
import { type Bytes, concat, label } from "../bytes/writer.ts";
import { AEAD_NONCE_BYTES, AEAD_TAG_BYTES, aeadOpen, aeadSeal, importAeadKey } from "../crypto/aead.ts";
import { hkdf } from "../crypto/kdf.ts";
import { type RandomBytes, secureRandom } from "../crypto/random.ts";
import { pad, PADDED_MAX_BYTES, PADDED_SIZES, unpad } from "./padding.ts";

/** Bytes of a message key. */
export const MESSAGE_KEY_BYTES = 32;
/** Bytes that sealing adds to a padded plaintext. */
export const SEAL_OVERHEAD_BYTES = 64;
/** The longest plaintext that can be sealed. */
export const SEAL_PLAINTEXT_MAX_BYTES = 32_764;
/** The longest sealed message. */
export const SEALED_MAX_BYTES = 32_832;

const SALT_BYTES = 16;
const COMMITMENT_BYTES = 32;
/** All zero: each K is used once, for the salt in front of it is fresh. */
const IV = new Uint8Array(AEAD_NONCE_BYTES);

/** What a message is sealed with beside its key. */
export interface SealOptions {
  /** Authenticated, not encrypted. */
  readonly aad: Bytes;
  /** Where the salt comes from; fixed only in tests. */
  readonly random?: RandomBytes;
}

/**
 * Pads, encrypts and authenticates.
 * @param messageKey 32 bytes, secret
 * @param plaintext at most 32,764 bytes
 * @param options the additional data
 * @returns salt || C || ciphertext || tag
 * @throws {RangeError} when the key has another length or the plaintext is too long
 */
export async function seal(messageKey: Bytes, plaintext: Bytes, options: SealOptions): Promise<Bytes> {
  const padded = pad(plaintext);
  const salt = (options.random ?? secureRandom)(SALT_BYTES);
  const { key, commitment } = await deriveKeys(messageKey, salt);
  const ciphertext = await aeadSeal(await importAeadKey(key), padded, { nonce: IV, aad: options.aad });
  return concat(salt, commitment, ciphertext);
}

/**
 * Verifies, decrypts and takes the padding off.
 * @param messageKey 32 bytes, secret
 * @param sealed what {@linkcode seal} returned
 * @param options the same additional data
 * @returns the plaintext, only if commitment, tag and padding are right
 * @throws {AuthError} when one of them is not; which one is not told apart by class
 * @throws {RangeError} when the key has another length
 */
export async function open(messageKey: Bytes, sealed: Bytes, options: { readonly aad: Bytes }): Promise<Bytes> {
  assertSealedSize(sealed.length);
  const salt = sealed.slice(0, SALT_BYTES);
  const { key, commitment } = await deriveKeys(messageKey, salt);
  const ciphertextStart = SALT_BYTES + COMMITMENT_BYTES;
  if (!equalBytes(commitment, sealed.subarray(SALT_BYTES, ciphertextStart))) {
    throw new AuthError("Cannot open: the key commitment does not match");
  }
  const ciphertext = sealed.slice(ciphertextStart);
  return unpad(await aeadOpen(await importAeadKey(key), ciphertext, { nonce: IV, aad: options.aad }));
}

/** Lengths are public, and checking them first saves the work on what cannot be a sealed message. */
function assertSealedSize(lengthBytes: number): void {
  const paddedBytes = lengthBytes - SALT_BYTES - COMMITMENT_BYTES - AEAD_TAG_BYTES;
  if (paddedBytes > PADDED_MAX_BYTES || !PADDED_SIZES.includes(paddedBytes)) {
    throw new AuthError(`Cannot open: ${lengthBytes} bytes is not the size of a sealed message`);
  }
}

async function deriveKeys(messageKey: Bytes, salt: Bytes): Promise<{ key: Bytes; commitment: Bytes }> {
  if (messageKey.length !== MESSAGE_KEY_BYTES) {
    throw new RangeError(`Cannot use message key: it has ${messageKey.length} bytes, not ${MESSAGE_KEY_BYTES}`);
  }
  const both = await hkdf(messageKey, { salt, info: label("msg"), lengthBytes: MESSAGE_KEY_BYTES + COMMITMENT_BYTES });
  return { key: both.slice(0, MESSAGE_KEY_BYTES), commitment: both.slice(MESSAGE_KEY_BYTES) };
}
