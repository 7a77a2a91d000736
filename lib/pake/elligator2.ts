/**
 * The Elligator 2 map to Curve25519 (RFC 9380 §6.7.1, Z = 2), u-coordinate only: turns a hash into a point that nobody
 * knows the logarithm of, which CPace takes as its generator (PROTOCOL §5). With A = 486662 and p = 2^255 - 19:
 *
 * ```
 * v = -A / (1 + 2 r^2)      e = (v^3 + A v^2 + v)^((p - 1) / 2), 1 or -1
 * u = v      when e = 1     u = -v - A      when e = -1
 * ```
 *
 * `crypto.subtle` has no such map, so this is the one place that computes in BigInt. The steps are the same for every
 * input, their time is not: BigInt is not constant-time. Map only what is used once (PROTOCOL §8).
 * @module
 */

import type { Bytes } from "../bytes/writer.ts";

const P = 2n ** 255n - 19n;
const A = 486_662n;
/** 1/2 modulo p. */
const HALF = (P + 1n) / 2n;
const FIELD_BYTES = 32;
const FIELD_BITS = 255n;

/**
 * Maps a field element to the curve.
 * @param element 32 bytes, little endian; the top bit is ignored and the rest is reduced modulo p (RFC 7748 §5)
 * @returns the u-coordinate of a point on the curve, 32 bytes, in its canonical spelling; 0 for 0, which no hash gives
 * @throws {RangeError} when the length is another
 */
export function elligator2(element: Bytes): Bytes {
  if (element.length !== FIELD_BYTES) {
    throw new RangeError(`Cannot map to the curve: ${element.length} bytes is not ${FIELD_BYTES}`);
  }
  const r = mod(decodeLittleEndian(element) & ((1n << FIELD_BITS) - 1n));
  // Never a division by zero: -1/2 is no square modulo p.
  const v = mod(-A * power(1n + 2n * r * r, P - 2n));
  const e = power(((v + A) * v + 1n) * v, (P - 1n) / 2n);
  // Both cases in one formula, so that no branch tells which it was.
  return encodeLittleEndian(mod(e * v - (1n - e) * A * HALF));
}

/** The exponent is public and decides alone which steps are taken. */
function power(base: bigint, exponent: bigint): bigint {
  const factor = mod(base);
  let result = 1n;
  for (const bit of exponent.toString(2)) {
    result = result * result % P;
    if (bit === "1") result = result * factor % P;
  }
  return result;
}

function mod(value: bigint): bigint {
  const rest = value % P;
  return rest < 0n ? rest + P : rest;
}

function decodeLittleEndian(bytes: Bytes): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

function encodeLittleEndian(value: bigint): Bytes {
  const bytes = new Uint8Array(FIELD_BYTES);
  for (let i = 0, rest = value; i < FIELD_BYTES; i++, rest >>= 8n) bytes[i] = Number(rest & 0xffn);
  return bytes;
}
