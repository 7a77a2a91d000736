/**
 * The safety number of two people (PROTOCOL §1): 60 digits that are the same on both screens exactly when both programs
 * hold the same four keys, so that people who read it to each other know that nobody sits between them.
 *
 * ```
 * K     IDs 32 || IDd 32
 * h_0   u16be 0 || K || id 32
 * h_i   SHA-512(h_(i-1) || K), for i = 1 to 5,200: the first round hashes 162 bytes, every later one 128
 * half  the first 30 bytes of h_5200 as six u40be, each modulo 100,000, in five digits
 * ```
 *
 * The number is both halves, the one that sorts first in front. The rounds make it dear to look for another key with
 * the same half. Compute it from the keys that decrypt, never from what a relay says.
 * @module
 */

import { ByteReader } from "../bytes/reader.ts";
import { type Bytes, concat, u16be } from "../bytes/writer.ts";
import { assertDhPublicKey } from "../crypto/dh.ts";
import { sha512 } from "../crypto/hash.ts";
import { assertSignPublicKey } from "../crypto/sign.ts";
import type { Certificate } from "./certificate.ts";
import { identityId } from "./identity.ts";

/** Digits of a safety number. */
export const SAFETY_NUMBER_DIGITS = 60;

const VERSION = 0;
const ROUNDS = 5_200;
const HALF_BYTES = 30;
const GROUP_DIGITS = 5;
const GROUPS_PER_ROW = 4;
const NUMBER_PATTERN = /^\d{60}$/;
const HALF_PATTERN = /^\d{30}$/;

/** The keys of one side; a certificate has them. */
export type SafetyKeys = Pick<Certificate, "signPublic" | "dhPublic">;

/**
 * Computes the safety number of two people; takes a fifth of a second.
 * @param own our keys
 * @param peer the keys of the peer's sessions
 * @returns 60 digits, the same whoever is `own`
 * @throws {AuthError} when a key is one that no honest party has
 */
export async function safetyNumber(own: SafetyKeys, peer: SafetyKeys): Promise<string> {
  return joinSafetyHalves(await safetyHalf(own), await safetyHalf(peer));
}

/**
 * Computes one side of all its safety numbers: slow on purpose, and the same for every peer.
 * @param keys whose side
 * @returns 30 digits
 * @throws {AuthError} when a key is one that no honest party has
 */
export async function safetyHalf(keys: SafetyKeys): Promise<string> {
  assertSignPublicKey(keys.signPublic);
  assertDhPublicKey(keys.dhPublic);
  const both = concat(keys.signPublic, keys.dhPublic);
  // The id is computed, not taken from whoever calls: a number must never vouch for another id than that of its keys.
  let hash: Bytes = concat(u16be(VERSION), both, await identityId(keys.signPublic, keys.dhPublic));
  for (let round = 1; round <= ROUNDS; round++) hash = await sha512(concat(hash, both));
  return digitsOf(hash.subarray(0, HALF_BYTES));
}

/**
 * Joins two halves to a safety number.
 * @param a one side's 30 digits
 * @param b the other's
 * @returns 60 digits
 * @throws {RangeError} when one of them is not 30 digits
 */
export function joinSafetyHalves(a: string, b: string): string {
  if (!HALF_PATTERN.test(a) || !HALF_PATTERN.test(b)) {
    throw new RangeError("Cannot join halves: one is not 30 digits");
  }
  return a < b ? a + b : b + a;
}

/**
 * Spells a safety number for people: twelve groups of five, four in a row.
 * @param digits 60 digits
 * @returns three rows
 * @throws {RangeError} when it is not 60 digits
 */
export function spellSafetyNumber(digits: string): string[] {
  if (!NUMBER_PATTERN.test(digits)) {
    throw new RangeError(`Cannot spell safety number: it is not ${SAFETY_NUMBER_DIGITS} digits`);
  }
  const groups = digits.match(/\d{5}/g) ?? [];
  return [0, 1, 2].map((row) => groups.slice(row * GROUPS_PER_ROW, (row + 1) * GROUPS_PER_ROW).join(" "));
}

function digitsOf(bytes: Uint8Array): string {
  const reader = new ByteReader(bytes, "safety number");
  let digits = "";
  while (reader.remaining > 0) {
    // A u40 does not overflow: it is below 2^53.
    const value = reader.u8() * 2 ** 32 + reader.u32();
    digits += `${value % 100_000}`.padStart(GROUP_DIGITS, "0");
  }
  return digits;
}
