/**
 * What was said in a room since each of its last heads, as one number for each count of messages (PROTOCOL
 * 3.17): what a member claims to have read can be held against what we have read ourselves. It tells that
 * somebody was told another story; it does not tell whom the relay lied to. Who knows that messages are missing claims to
 * have read nothing until the next head: their tally cannot fit any more, and the gap was told.
 * @module
 */

import { decodeHex, encodeHex } from "@std/encoding/hex";
import { equalBytes } from "../bytes/equal.ts";
import type { Bytes } from "../bytes/writer.ts";
import { Tally, type TallyState } from "./tally.ts";

/** How many heads are looked back on: as many as a message of an open room may be behind. */
export const TALLY_HEADS_MAX = 65;
/** How many counts are kept of all of them together: some minutes of a room that never stops, 40 bytes each. */
export const TALLY_COUNTS_MAX = 4_096;

/** What a message says that its sender had read. */
export interface TallyClaim {
  /** How many messages since the message's head. */
  readonly count: number;
  /** T after them, 32 bytes. */
  readonly digest: Bytes;
}

/**
 * How a claim compares: `same`; `unknown`, we look back no further; `behind`, its sender read messages that we were not
 * given; `differs`, the same number of other messages.
 */
export type TallyVerdict =
  | { readonly kind: "same" | "unknown" | "differs" }
  | { readonly kind: "behind"; readonly missing: number };

/** The tallies of one room. */
export class RoomTally {
  readonly #tally: Tally;
  /** T after 0, 1, 2, … messages, by head in hexadecimal, oldest head first; a head taken up later has holes. */
  readonly #digests = new Map<string, (Bytes | undefined)[]>();
  #kept = 0;
  #isBroken: boolean;

  /**
   * Goes on where a state stands.
   * @param state of the current head
   * @param isBroken whether messages since that head are known to be missing
   */
  constructor(state: TallyState, isBroken = false) {
    this.#tally = new Tally(state);
    this.#isBroken = isBroken;
    if (!isBroken) this.#note(state);
  }

  /** Whether messages since the current head are known to be missing. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** What we may claim to have read. */
  get claim(): TallyClaim {
    const { headKey, count, digest } = this.#tally.state;
    return this.#isBroken ? { count: 0, digest: new Uint8Array(decodeHex(headKey)) } : { count, digest };
  }

  /** Notes that messages since the current head are missing: until the next one nothing is compared with it. */
  break(): void {
    this.#isBroken = true;
    const { headKey } = this.#tally.state;
    this.#kept -= this.#digests.get(headKey)?.filter((one) => one !== undefined).length ?? 0;
    this.#digests.delete(headKey);
  }

  /** All that there is to store: of the current head alone. */
  get state(): TallyState {
    return this.#tally.state;
  }

  /**
   * Counts a message that was placed.
   * @param messageHash its `roomMessageHash`, 32 bytes
   */
  async add(messageHash: Bytes): Promise<void> {
    const state = await this.#tally.add(messageHash);
    if (!this.#isBroken) this.#note(state);
  }

  /**
   * Starts anew, for an op was placed.
   * @param head the new head, 32 bytes
   */
  async reset(head: Bytes): Promise<void> {
    const state = await this.#tally.reset(head);
    this.#isBroken = false;
    this.#note(state);
  }

  /**
   * Holds what a member says against what we read.
   * @param head the message's head, 32 bytes
   * @param claim what it says
   * @param before how many messages since that head were placed before it; without it, all that were count
   * @returns how they compare
   */
  compare(head: Bytes, claim: TallyClaim, before?: number): TallyVerdict {
    const digests = this.#digests.get(encodeHex(head));
    if (digests === undefined) return { kind: "unknown" };
    const missing = claim.count - (before ?? digests.length - 1);
    if (missing > 0) return { kind: "behind", missing };
    const own = digests[claim.count];
    if (own === undefined) return { kind: "unknown" };
    return { kind: equalBytes(own, claim.digest) ? "same" : "differs" };
  }

  #note({ headKey, count, digest }: TallyState): void {
    const digests = this.#digests.get(headKey) ?? [];
    digests[count] = digest;
    this.#digests.set(headKey, digests);
    this.#kept++;
    for (const [key, old] of this.#digests) {
      if (key === headKey) break;
      if (this.#digests.size <= TALLY_HEADS_MAX && this.#kept <= TALLY_COUNTS_MAX) return;
      this.#kept -= old.filter((one) => one !== undefined).length;
      this.#digests.delete(key);
    }
    // One head alone can fill it: then its oldest counts go.
    for (let i = Math.max(0, count - this.#kept); this.#kept > TALLY_COUNTS_MAX && i < count; i++) {
      if (digests[i] === undefined) continue;
      digests[i] = undefined;
      this.#kept--;
    }
  }
}
