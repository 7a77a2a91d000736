/**
 * The state of one side of a Double Ratchet, as plain data (Double Ratchet §3.2). Secret as a whole.
 * @module
 */

import type { Bytes } from "../bytes/writer.ts";
import type { DhKeyPair } from "../crypto/dh.ts";
import { pruneSkippedKeys, type SkippedKey } from "./skipped_keys.ts";

/** The chain that we send on. */
export interface SendingChain {
  /** `CKs`, 32 bytes, secret. */
  readonly chainKey: Bytes;
  /** `Ns`, the number of the next message. */
  readonly n: number;
}

/** The chain that we receive on. */
export interface ReceivingChain {
  /** `DHr`, the peer's ratchet key, 32 bytes. */
  readonly ratchetPublic: Bytes;
  /** `CKr`, 32 bytes, secret. */
  readonly chainKey: Bytes;
  /** `Nr`, the number of the next message. */
  readonly n: number;
}

/** One side of a session. */
export interface RatchetState {
  /** 16 bytes, public. */
  readonly sessionId: Bytes;
  /** What every message is bound to, 32 bytes. */
  readonly ad: Bytes;
  /** `RK`, 32 bytes, secret. */
  readonly rootKey: Bytes;
  /** `DHs`, our ratchet pair. */
  readonly own: DhKeyPair;
  /** `undefined` until the responder has received. */
  readonly sending: SendingChain | undefined;
  /** `undefined` until something was received. */
  readonly receiving: ReceivingChain | undefined;
  /** `PN`, the length of our previous sending chain. */
  readonly previousN: number;
  /** Ratchet keys of the peer's last chains before the current one, oldest first. */
  readonly oldPublics: readonly Bytes[];
  /** `MKSKIPPED`, oldest first. */
  readonly skipped: readonly SkippedKey[];
}

/** With what a ratchet starts. */
export interface RatchetStart {
  /** The agreed key, 32 bytes, secret. */
  readonly rootKey: Bytes;
  /** What every message is bound to, 32 bytes. */
  readonly ad: Bytes;
  /** 16 bytes. */
  readonly sessionId: Bytes;
}

/**
 * Makes the state of a side that has neither sent nor received.
 * @param start the agreed keys
 * @param own our first ratchet pair
 * @returns the state
 */
export function emptyState(start: RatchetStart, own: DhKeyPair): RatchetState {
  const { rootKey, ad, sessionId } = start;
  return {
    sessionId,
    ad,
    rootKey,
    own,
    sending: undefined,
    receiving: undefined,
    previousN: 0,
    oldPublics: [],
    skipped: [],
  };
}

/**
 * Drops skipped keys that are past their bounds; part of every commit.
 * @param state the state
 * @param nowMs the time now, in milliseconds since 1970 (UTC)
 * @returns the state with those that stay
 */
export function pruneState(state: RatchetState, nowMs: number): RatchetState {
  const { receiving, oldPublics } = state;
  const chains = receiving === undefined ? oldPublics : [...oldPublics, receiving.ratchetPublic];
  return { ...state, skipped: pruneSkippedKeys(state.skipped, chains, nowMs) };
}
