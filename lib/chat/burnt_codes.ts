/**
 * Codes that one try was made with (PROTOCOL §5): each counts once, whatever became of it, also over a restart. A relay
 * in the middle would have another guess each time a person types the same code again.
 * @module
 */

/** How long a code is remembered: twice as long as one lives. */
export const BURNT_KEEP_MS: number = 20 * 60 * 1_000;
/** How many are remembered: more than anybody types in that time. */
export const BURNT_MAX = 256;

/** A code that is used up. Secret while it is remembered: it tells what somebody else may still believe in. */
export interface BurntCode {
  /** As it is written. */
  readonly code: string;
  /** Until when it is remembered, in milliseconds since 1970 (UTC). */
  readonly untilMs: number;
}

/** The used codes of one client. */
export class BurntCodes {
  readonly #untilMs = new Map<string, number>();
  readonly #changed = new Set<string>();

  /**
   * Starts with those of earlier runs.
   * @param stored what {@linkcode takeChanges} gave
   */
  constructor(stored: readonly BurntCode[] = []) {
    for (const { code, untilMs } of stored) this.#untilMs.set(code, untilMs);
  }

  /**
   * Uses a code up.
   * @param code as it is written
   * @param nowMs the time now
   */
  burn(code: string, nowMs: number): void {
    for (const [old, untilMs] of this.#untilMs) {
      if (untilMs > nowMs && this.#untilMs.size < BURNT_MAX) continue;
      this.#untilMs.delete(old);
      this.#changed.add(old);
    }
    this.#untilMs.set(code, nowMs + BURNT_KEEP_MS);
    this.#changed.add(code);
  }

  /**
   * Tells whether a code is used up.
   * @param code as it is written
   * @param nowMs the time now; a clock that was set back changes nothing
   * @returns whether one try was made with it of late
   */
  isBurnt(code: string, nowMs: number): boolean {
    return (this.#untilMs.get(code) ?? -Infinity) > nowMs;
  }

  /**
   * Tells what a store is to keep that was not told before.
   * @returns codes, by `untilMs: 0` those to forget
   */
  takeChanges(): BurntCode[] {
    const changes = [...this.#changed].map((code) => ({ code, untilMs: this.#untilMs.get(code) ?? 0 }));
    this.#changed.clear();
    return changes;
  }
}
