/**
 * HKDF-SHA256 (RFC 5869) and HMAC-SHA256 and HMAC-SHA512 (RFC 2104).
 * @module
 */

import type { Bytes } from "../bytes/writer.ts";

/** The longest output of HKDF-SHA256: 255 blocks of 32 bytes (RFC 5869 §2.3). */
const HKDF_OUTPUT_MAX_BYTES = 255 * 32;

/** What HKDF takes beside its input key. */
export interface HkdfOptions {
  /** Salt of any length; 32 zeros are the RFC's default. */
  readonly salt: Bytes;
  /** A label that says what the output is for. */
  readonly info: Bytes;
  /** How many bytes to derive, 1 to 8,160. */
  readonly lengthBytes: number;
}

/** Input keying material that is imported once and derived from often. */
export interface HkdfKey {
  /** Only `crypto.subtle` can use it. */
  readonly handle: CryptoKey;
}

/**
 * Imports input keying material.
 * @param inputKey any length
 * @returns the key for {@linkcode hkdfFrom}
 */
export async function importHkdfKey(inputKey: Bytes): Promise<HkdfKey> {
  return { handle: await crypto.subtle.importKey("raw", inputKey, "HKDF", false, ["deriveBits"]) };
}

/**
 * Derives key bytes with HKDF-SHA256.
 * @param inputKey input keying material of any length
 * @param options salt, label and output length
 * @returns `lengthBytes` bytes
 * @throws {RangeError} when the output length is out of range
 */
export async function hkdf(inputKey: Bytes, options: HkdfOptions): Promise<Bytes> {
  return await hkdfFrom(await importHkdfKey(inputKey), options);
}

/**
 * Derives key bytes with HKDF-SHA256 from material that was imported before.
 * @param key the imported material
 * @param options salt, label and output length
 * @returns `lengthBytes` bytes
 * @throws {RangeError} when the output length is out of range
 */
export async function hkdfFrom({ handle }: HkdfKey, options: HkdfOptions): Promise<Bytes> {
  const { salt, info, lengthBytes } = options;
  if (!Number.isInteger(lengthBytes) || lengthBytes < 1 || lengthBytes > HKDF_OUTPUT_MAX_BYTES) {
    throw new RangeError(`Cannot derive key: ${lengthBytes} bytes is not 1 to ${HKDF_OUTPUT_MAX_BYTES}`);
  }
  return new Uint8Array(
    await crypto.subtle.deriveBits({ name: "HKDF", hash: "SHA-256", salt, info }, handle, lengthBytes * 8),
  );
}

/**
 * Computes HMAC-SHA256.
 * @param key 1 byte or more
 * @param data any length
 * @returns 32 bytes
 */
export function hmacSha256(key: Bytes, data: Bytes): Promise<Bytes> {
  return hmac("SHA-256", key, data);
}

/**
 * Computes HMAC-SHA512.
 * @param key 1 byte or more
 * @param data any length
 * @returns 64 bytes
 */
export function hmacSha512(key: Bytes, data: Bytes): Promise<Bytes> {
  return hmac("SHA-512", key, data);
}

/**
 * Computes HMAC-SHA256 of two texts under one key, which is imported once.
 * @param key at least 1 byte
 * @param first what to authenticate
 * @param second what else
 * @returns 32 bytes for each
 */
export async function hmacSha256Both(key: Bytes, first: Bytes, second: Bytes): Promise<readonly [Bytes, Bytes]> {
  const imported = await importHmacKey("SHA-256", key);
  return await Promise.all([hmacWith(imported, first), hmacWith(imported, second)]);
}

async function hmac(hash: "SHA-256" | "SHA-512", key: Bytes, data: Bytes): Promise<Bytes> {
  return await hmacWith(await importHmacKey(hash, key), data);
}

function importHmacKey(hash: "SHA-256" | "SHA-512", key: Bytes): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", key, { name: "HMAC", hash }, false, ["sign"]);
}

async function hmacWith(key: CryptoKey, data: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, data));
}
