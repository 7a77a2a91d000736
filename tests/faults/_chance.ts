/**
 * Chance that can be had again: the same seed draws the same.
 * @module
 */

/** Draws numbers from a seed. */
export class Chance {
  #state: number;

  /**
   * Begins anew.
   * @param seed any text
   */
  constructor(seed: string) {
    // FNV-1a: texts that differ in one letter begin elsewhere.
    this.#state = [...seed].reduce(
      (hash, letter) => Math.imul(hash ^ (letter.codePointAt(0) ?? 0), 16_777_619),
      2_166_136_261,
    );
  }

  /**
   * Draws a number from 0 to below 1 (mulberry32).
   * @returns the number
   */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  /**
   * Draws a whole number.
   * @param from the least
   * @param to the most
   * @returns the number
   */
  between(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1));
  }

  /**
   * Draws one of several.
   * @param items at least one
   * @returns the one
   */
  one<T>(items: readonly T[]): T {
    return items[this.between(0, items.length - 1)] as T;
  }

  /**
   * Draws by weight.
   * @param weights what may come, and how often beside the others
   * @returns the one
   */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K {
    const entries = Object.entries(weights) as [K, number][];
    let left = this.next() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    return entries.find(([, weight]) => (left -= weight) < 0)?.[0] ?? (entries[0] as [K, number])[0];
  }
}
