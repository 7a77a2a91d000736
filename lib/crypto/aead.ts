/**
 * AES-256-GCM (NIST SP 800-38D) with 96-bit nonces and 128-bit tags.
 * @module
 */

import { AuthError } from "../bytes/errors.ts";
import type { Bytes } from "../bytes/writer.ts";

/** Bytes of a key. */
export const AEAD_KEY_BYTES = 32;
/** Bytes of a nonce. */
export const AEAD_NONCE_BYTES = 12;
/** Bytes that sealing adds. */
export const AEAD_TAG_BYTES = 16;

/** A key that is imported once and used often. */
export interface AeadKey {
  /** Only `crypto.subtle` can use it. */
  readonly handle: CryptoKey;
}

/** What a seal is bound to beside its key. */
export interface AeadOptions {
  /** 12 bytes, never used twice under one key. */
  readonly nonce: Bytes;
  /** Authenticated, not encrypted. */
  readonly aad: Bytes;
}

/**
 * Imports a key.
 * @param keyBytes exactly 32 bytes
 * @returns the key for {@linkcode aeadSeal} and {@linkcode aeadOpen}
 * @throws {RangeError} when the length is another
 */
export async function importAeadKey(keyBytes: Bytes): Promise<AeadKey> {
  if (keyBytes.length !== AEAD_KEY_BYTES) {
    throw new RangeError(`Cannot import key: it has ${keyBytes.length} bytes, not ${AEAD_KEY_BYTES}`);
  }
  return { handle: await crypto.subtle.importKey("raw", keyBytes, "AES-GCM", false, ["encrypt", "decrypt"]) };
}

/**
 * Encrypts and authenticates.
 * @param key an imported key
 * @param plaintext any length
 * @param options the nonce (the caller makes sure that it is fresh) and the additional data
 * @returns ciphertext || 16-byte tag
 * @throws {RangeError} when the nonce is not 12 bytes
 */
export async function aeadSeal(key: AeadKey, plaintext: Bytes, options: AeadOptions): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.encrypt(gcmParams(options), key.handle, plaintext));
}

/**
 * Verifies and decrypts.
 * @param key an imported key
 * @param sealed ciphertext || 16-byte tag
 * @param options the nonce and the additional data that it was sealed with
 * @returns the plaintext, only if the tag verifies
 * @throws {AuthError} when it does not, or when there is no room for a tag
 * @throws {RangeError} when the nonce is not 12 bytes
 */
export async function aeadOpen(key: AeadKey, sealed: Bytes, options: AeadOptions): Promise<Bytes> {
  const params = gcmParams(options);
  if (sealed.length < AEAD_TAG_BYTES) throw new AuthError("Cannot open: there is no room for a tag");
  try {
    return new Uint8Array(await crypto.subtle.decrypt(params, key.handle, sealed));
  } catch (cause) {
    throw new AuthError("Cannot open: the tag does not verify", { cause });
  }
}

function gcmParams(options: AeadOptions) {
  if (options.nonce.length !== AEAD_NONCE_BYTES) {
    throw new RangeError(`Cannot use nonce: it has ${options.nonce.length} bytes, not ${AEAD_NONCE_BYTES}`);
  }
  return { name: "AES-GCM", iv: options.nonce, additionalData: options.aad, tagLength: AEAD_TAG_BYTES * 8 };
}
