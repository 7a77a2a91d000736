/**
 * How people write and read fingerprints. A fingerprint is always whole: whatever is shorter names nobody.
 * @module
 */

import type { Fingerprint } from "../wire/messages.ts";

/** 256 bits in base32. */
const FINGERPRINT_PATTERN = /^[A-Z2-7]{52}$/;

/**
 * Spells a fingerprint for people who compare it: thirteen groups of four.
 * @param fingerprint 52 characters of base32
 * @returns the same with spaces
 */
export function spellFingerprint(fingerprint: Fingerprint): string {
  return fingerprint.replace(/(.{4})(?=.)/g, "$1 ");
}

/**
 * Reads a fingerprint as people copy it: in either case, with spaces or dashes anywhere.
 * @param text what was typed
 * @returns the fingerprint, `undefined` when it is none; a name is never one, names are shorter
 */
export function readFingerprint(text: string): Fingerprint | undefined {
  const letters = text.replace(/[\s-]/g, "").toUpperCase();
  return FINGERPRINT_PATTERN.test(letters) ? letters : undefined;
}
