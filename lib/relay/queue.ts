/**
 * A first-in, first-out queue that costs a constant amount an item, and whose items can be read by place.
 * `Array.shift` moves everything that is left; this one moves an offset and tidies up when half of it is empty.
 * @module
 */

/** Below this, tidying up costs more than the few empty places. */
const TIDY_FROM = 64;

/** The queue. Its owner bounds it. */
export class Queue<Item> {
  #items: (Item | undefined)[] = [];
  #start = 0;

  /** How many items wait. */
  get length(): number {
    return this.#items.length - this.#start;
  }

  /**
   * Puts an item at the end.
   * @param item what waits
   */
  push(item: Item): void {
    this.#items.push(item);
  }

  /**
   * Looks at an item without taking it.
   * @param index 0 for the first
   * @returns the item, or `undefined` when there is none at that place
   */
  at(index: number): Item | undefined {
    return index < 0 ? undefined : this.#items[this.#start + index];
  }

  /**
   * Takes the first item.
   * @returns the item, or `undefined` when none waits
   */
  shift(): Item | undefined {
    if (this.length === 0) return undefined;
    const item = this.#items[this.#start];
    this.#items[this.#start] = undefined;
    this.#start++;
    if (this.#start >= TIDY_FROM && this.#start * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#start);
      this.#start = 0;
    }
    return item;
  }
}
