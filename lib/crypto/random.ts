/**
 * Randomness as a parameter: everything that draws takes a `RandomBytes`, so that test vectors can fix it.
 * @module
 */

import type { Bytes } from "../bytes/writer.ts";

/** Draws `lengthBytes` random bytes. */
export type RandomBytes = (lengthBytes: number) => Bytes;

/**
 * Draws from the system's generator; what everything outside of tests uses.
 * @param lengthBytes 0 to 65,536
 * @returns fresh random bytes
 */
export function secureRandom(lengthBytes: number): Bytes {
  return crypto.getRandomValues(new Uint8Array(lengthBytes));
}
