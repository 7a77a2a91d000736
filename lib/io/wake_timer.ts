/**
 * A timer for a moment of the clock on the wall, which can jump: it looks at the clock every minute, so a clock that is
 * set forward is noticed, and one that was set back and is right again as well.
 * @module
 */

import { nowMs } from "./clock.ts";

/** The longest time between two looks. A timer of the system takes no more than 24 days, and fires at once beyond. */
const LOOK_EVERY_MS = 60_000;

/** One moment at a time. */
export class WakeTimer {
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * Fires once when the clock has reached a moment; what was set before is forgotten.
   * @param atMs the moment, in milliseconds since 1970 (UTC); one that has passed is reached at once
   * @param fire what to do then
   */
  set(atMs: number, fire: () => void): void {
    this.clear();
    const leftMs = atMs - nowMs();
    this.#timer = setTimeout(
      () => nowMs() < atMs && leftMs > LOOK_EVERY_MS ? this.set(atMs, fire) : fire(),
      Math.min(Math.max(0, leftMs), LOOK_EVERY_MS),
    );
  }

  /** Fires no more. */
  clear(): void {
    clearTimeout(this.#timer);
  }
}
