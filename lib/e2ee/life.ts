/**
 * The byte that says how long an identity lives, in certificates and key files.
 * @module
 */

import { DecodeError } from "../bytes/errors.ts";
/** Whether an identity outlives its run: an ephemeral one is forgotten at exit and never becomes a known peer. */
export type Life = "lasting" | "ephemeral";

const LIFE_BYTES = { lasting: 1, ephemeral: 2 } as const satisfies Record<Life, number>;

/**
 * Encodes a life.
 * @param life the life
 * @returns 1 or 2
 */
export function lifeToByte(life: Life): number {
  return LIFE_BYTES[life];
}

/**
 * Decodes a life.
 * @param byte 1 or 2
 * @returns the life
 * @throws {DecodeError} when it is another number
 */
export function lifeFromByte(byte: number): Life {
  if (byte === LIFE_BYTES.lasting) return "lasting";
  if (byte === LIFE_BYTES.ephemeral) return "ephemeral";
  throw new DecodeError(`Cannot decode life: ${byte} is unknown`);
}
