/**
 * PBKDF2-HMAC-SHA256 (RFC 8018 §5.2): makes a key of what a person can remember, slowly.
 * @module
 */

import type { Bytes } from "../bytes/writer.ts";

/** What PBKDF2 takes beside the password. */
export interface Pbkdf2Options {
  /** Salt of any length. */
  readonly salt: Bytes;
  /** How often the function runs for each block, 1 to 2^32 - 1. */
  readonly iterations: number;
  /** How many bytes to derive, 1 or more; above 32 each further block costs as much as the first. */
  readonly lengthBytes: number;
}

/**
 * Derives key bytes from a password.
 * @param password 1 byte or more, secret
 * @param options salt, iterations and output length
 * @returns `lengthBytes` bytes
 * @throws {RangeError} when the password is empty or a number is out of range
 */
export async function pbkdf2Sha256(password: Bytes, options: Pbkdf2Options): Promise<Bytes> {
  const { salt, iterations, lengthBytes } = options;
  if (password.length === 0) throw new RangeError("Cannot derive key: the password is empty");
  if (!Number.isInteger(iterations) || iterations < 1 || iterations > 0xffffffff) {
    throw new RangeError(`Cannot derive key: ${iterations} iterations is not 1 to 2^32 - 1`);
  }
  if (!Number.isSafeInteger(lengthBytes) || lengthBytes < 1) {
    throw new RangeError(`Cannot derive key: ${lengthBytes} bytes is not 1 or more`);
  }
  const key = await crypto.subtle.importKey("raw", password, "PBKDF2", false, ["deriveBits"]);
  const algorithm = { name: "PBKDF2", hash: "SHA-256", salt, iterations };
  return new Uint8Array(await crypto.subtle.deriveBits(algorithm, key, lengthBytes * 8));
}
