/**
 * SHA-256 and SHA-512 (FIPS 180-4).
 * @module
 */

import type { Bytes } from "../bytes/writer.ts";

/** Bytes of a SHA-256 digest. */
export const SHA256_BYTES = 32;
/** Bytes of a SHA-512 digest. */
export const SHA512_BYTES = 64;

/**
 * Hashes with SHA-256.
 * @param data any length
 * @returns 32 bytes
 */
export async function sha256(data: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", data));
}

/**
 * Hashes with SHA-512.
 * @param data any length
 * @returns 64 bytes
 */
export async function sha512(data: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest("SHA-512", data));
}
