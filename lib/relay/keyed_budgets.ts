/**
 * Token buckets by name, a bounded number of them: what somebody spends stays spent when they link again.
 * @module
 */

import { Budget, type BudgetOptions } from "./budget.ts";

/**
 * Names that are remembered: four times the links there can be. Of more, the one goes that was used longest ago of those
 * that have their whole budget again, so that nobody gets more by using many; without one, the one used longest ago.
 */
export const BUDGETS_MAX = 16_384;
/** How many are looked at for one that has its whole budget again. */
const LOOKED_AT_MAX = 256;

/** The buckets. */
export class KeyedBudgets {
  readonly #options: BudgetOptions;
  /** The one used longest ago first. */
  readonly #budgets = new Map<string, Budget>();

  /**
   * Starts with every bucket full.
   * @param options how much each allows
   */
  constructor(options: BudgetOptions) {
    this.#options = options;
  }

  /**
   * Takes one from a bucket, if there is one.
   * @param key whose bucket
   * @param nowMs the time
   * @param spare how many are to be left
   * @returns whether it was there
   */
  take(key: string, nowMs: number, spare = 0): boolean {
    const budget = this.#budgets.get(key) ?? new Budget(this.#options);
    this.#budgets.delete(key);
    this.#budgets.set(key, budget);
    if (this.#budgets.size > BUDGETS_MAX) this.#budgets.delete(this.#dispensable(nowMs));
    return budget.take(nowMs, spare);
  }

  #dispensable(nowMs: number): string {
    let oldest: string | undefined;
    let looked = 0;
    for (const [key, budget] of this.#budgets) {
      oldest ??= key;
      if (budget.isFull(nowMs)) return key;
      if (++looked >= LOOKED_AT_MAX) break;
    }
    return oldest ?? "";
  }
}
