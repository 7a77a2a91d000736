/**
 * A token bucket: so many at once, so many a second afterwards. It never waits; it says yes or no.
 * @module
 */

/** How much a budget allows. */
export interface BudgetOptions {
  /** How many at once. */
  readonly burst: number;
  /** How many come back a second. */
  readonly perSecond: number;
}

/** The bucket, full at first. */
export class Budget {
  readonly #options: BudgetOptions;
  #left: number;
  #lastMs = 0;

  /**
   * Starts full.
   * @param options how much it allows
   */
  constructor(options: BudgetOptions) {
    this.#options = options;
    this.#left = options.burst;
  }

  /**
   * Takes one, if there is one.
   * @param nowMs the time; going back gives nothing
   * @param spare how many are to be left
   * @returns whether it was there
   */
  take(nowMs: number, spare = 0): boolean {
    this.#refill(nowMs);
    if (this.#left < 1 + spare) return false;
    this.#left--;
    return true;
  }

  /**
   * Tells whether nothing is missing.
   * @param nowMs the time
   * @returns whether it allows as much as one that was just made
   */
  isFull(nowMs: number): boolean {
    this.#refill(nowMs);
    return this.#left >= this.#options.burst;
  }

  #refill(nowMs: number): void {
    const passedMs = Math.max(0, nowMs - this.#lastMs);
    this.#lastMs = Math.max(this.#lastMs, nowMs);
    this.#left = Math.min(this.#options.burst, this.#left + passedMs * this.#options.perSecond / 1000);
  }
}
