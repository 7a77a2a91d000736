/**
 * Message keys of messages that have not come yet (Double Ratchet §2.6), as plain data with bounds (PROTOCOL §3): an
 * attacker, or a peer that went mad, can make us work and store only so much.
 * @module
 */

import { equalBytes } from "../bytes/equal.ts";
import type { Bytes } from "../bytes/writer.ts";

/** Message keys skipped by one message within one chain; a larger gap needs a new session. */
export const SKIP_MAX_PER_JUMP = 1_000;
/** Skipped keys kept in one session; the oldest go first. */
export const SKIPPED_MAX = 2_000;
/** Receiving chains before the current one whose skipped keys are kept. */
export const OLD_CHAINS_MAX = 5;
/** How long a skipped key is kept. */
export const SKIPPED_KEEP_MS: number = 7 * 24 * 60 * 60 * 1_000;

/** The key of one message that has not come yet, of a chain that is known. */
export interface SkippedMessageKey {
  /** Its number in the chain. */
  readonly n: number;
  /** 32 bytes, secret. */
  readonly messageKey: Bytes;
  /** When it was skipped, in milliseconds since 1970 (UTC). */
  readonly sinceMs: number;
}

/** The same, in a session, which has many chains. */
export interface SkippedKey extends SkippedMessageKey {
  /** The peer's ratchet key of its chain, 32 bytes. */
  readonly ratchetPublic: Bytes;
}

/**
 * Finds the key of a late message.
 * @param skipped the keys
 * @param ratchetPublic from the message's header
 * @param n from the message's header
 * @returns the key, or `undefined`
 */
export function findSkippedKey(
  skipped: readonly SkippedKey[],
  ratchetPublic: Bytes,
  n: number,
): SkippedKey | undefined {
  return skipped.find((key) => key.n === n && equalBytes(key.ratchetPublic, ratchetPublic));
}

/**
 * Drops keys that are too old, of chains that are no longer kept, or too many.
 * @param skipped the keys, oldest first
 * @param chains the ratchet keys of the chains that are kept
 * @param nowMs the time now, in milliseconds since 1970 (UTC)
 * @returns those that stay
 */
export function pruneSkippedKeys(
  skipped: readonly SkippedKey[],
  chains: readonly Bytes[],
  nowMs: number,
): readonly SkippedKey[] {
  if (skipped.length === 0) return skipped;
  const kept = skipped.filter((key) =>
    nowMs - key.sinceMs <= SKIPPED_KEEP_MS && chains.some((chain) => equalBytes(chain, key.ratchetPublic))
  );
  return kept.slice(-SKIPPED_MAX);
}
