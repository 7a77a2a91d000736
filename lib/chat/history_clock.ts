/**
 * The time by which history grows old. Clocks jump: one that starts in 1970, or that is set a year ahead for a minute,
 * must not empty somebody's history. So this time only ever goes forward, and it follows the machine's clock but for
 * jumps, which it believes late:
 *
 * - a step ahead of at most a day counts at once;
 * - a longer one, and any step back, waits. Once the clock has run on for a day from there it is believed: a step ahead
 *   then counts in full, and a step back is forgotten, so that from there on all counts as before;
 * - a step that takes back one that waits cancels it.
 *
 * Whoever is away for months has their old entries for a day longer, and nobody loses any to a clock that was wrong for
 * less. Pure: it is given the time.
 * @module
 */

import { DecodeError } from "../bytes/errors.ts";
import { ByteReader } from "../bytes/reader.ts";
import { type Bytes, concat, lvCat, u64be, u8 } from "../bytes/writer.ts";
import { readVersion, STATE_VERSION } from "../e2ee/state_fields.ts";

/** The longest step that counts at once. */
export const CLOCK_STEP_MAX_MS: number = 24 * 60 * 60 * 1_000;
/** How far a clock must run on after a jump until it is believed. */
export const CLOCK_HOLD_MS: number = CLOCK_STEP_MAX_MS;

/** Where the time stands. */
export interface ClockState {
  /** The time of the history, in milliseconds since 1970 (UTC) by a clock that was never wrong. */
  readonly countedMs: number;
  /** What the machine's clock said last. */
  readonly wallMs: number;
  /** A jump that waits: ahead when it is positive. */
  readonly waitingMs: number;
  /** How far the clock ran on since that. */
  readonly heldMs: number;
}

/** The time of a history. */
export class HistoryClock {
  #state: ClockState;

  /**
   * Goes on where an earlier run stood.
   * @param nowMs what the machine's clock says
   * @param state of the earlier run, if there was one
   */
  constructor(nowMs: number, state?: ClockState) {
    this.#state = state ?? { countedMs: nowMs, wallMs: nowMs, waitingMs: 0, heldMs: 0 };
    this.note(nowMs);
  }

  /** Where it stands. */
  get state(): ClockState {
    return this.#state;
  }

  /**
   * Takes in what the machine's clock says.
   * @param nowMs in milliseconds since 1970 (UTC)
   * @returns the time of the history; it never decreases
   */
  note(nowMs: number): number {
    let { countedMs, waitingMs, heldMs } = this.#state;
    const stepMs = nowMs - this.#state.wallMs;
    if (stepMs >= 0) heldMs += stepMs;
    const cancels = waitingMs !== 0 && Math.sign(stepMs) === -Math.sign(waitingMs) && !isCalm(stepMs);
    if (waitingMs !== 0 && heldMs >= CLOCK_HOLD_MS && !cancels) {
      countedMs += Math.max(0, waitingMs);
      [waitingMs, heldMs] = [0, 0];
    }
    if (isCalm(stepMs)) countedMs += stepMs;
    else {
      waitingMs += stepMs;
      heldMs = 0;
      if (isCalm(waitingMs)) { // what is left of a jump that was taken back is the time that went by
        countedMs += waitingMs;
        waitingMs = 0;
      }
    }
    this.#state = { countedMs, wallMs: nowMs, waitingMs, heldMs };
    return countedMs;
  }
}

function isCalm(stepMs: number): boolean {
  return stepMs >= 0 && stepMs <= CLOCK_STEP_MAX_MS;
}

/**
 * Encodes where a clock stands: `version 1 | lv(counted 8) | lv(wall 8) | lv(ahead 8) | lv(back 8) | lv(held 8)`.
 * @param state where
 * @returns bytes
 */
export function encodeClock({ countedMs, wallMs, waitingMs, heldMs }: ClockState): Bytes {
  const numbers = [countedMs, wallMs, Math.max(0, waitingMs), Math.max(0, -waitingMs), heldMs];
  return concat(u8(STATE_VERSION), lvCat(...numbers.map(u64be)));
}

/**
 * Decodes where a clock stands.
 * @param bytes what {@linkcode encodeClock} gave
 * @returns the state
 * @throws {DecodeError} when it is anything else
 */
export function decodeClock(bytes: Bytes): ClockState {
  const reader = new ByteReader(bytes, "clock");
  readVersion(reader, "clock");
  const number = () => new ByteReader(reader.lvExactly(8), "clock").u64();
  const [countedMs, wallMs, ahead, back, heldMs] = [number(), number(), number(), number(), number()];
  reader.end();
  if (ahead !== 0 && back !== 0) throw new DecodeError("Cannot decode clock: a jump has two directions");
  return { countedMs, wallMs, waitingMs: ahead === 0 ? -back : ahead, heldMs };
}
