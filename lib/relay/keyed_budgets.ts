/**
 * Token buckets by name, a bounded number of them: what somebody spends stays spent when they link again.
 * @module
 */

import { Budget, type BudgetOptions } from "./budget.ts";

/** Names that are remembered: four times the links there can be; of more, the one used longest ago starts anew. */
export const BUDGETS_MAX = 16_384;

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
   * @returns whether it was there
   */
  take(key: string, nowMs: number): boolean {
    const budget = this.#budgets.get(key) ?? new Budget(this.#options);
    this.#budgets.delete(key);
    this.#budgets.set(key, budget);
    for (const oldest of this.#budgets.keys()) {
      if (this.#budgets.size <= BUDGETS_MAX) break;
      this.#budgets.delete(oldest);
    }
    return budget.take(nowMs);
  }
}
