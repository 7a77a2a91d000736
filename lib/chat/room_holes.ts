/**
 * How many messages a room's stream has left out (PROTOCOL 3.17). Places that are left out held messages or ops. Ops are
 * fetched, and which of them were there is known once the stream passes by a later op or was read to its end: one that it
 * passed by itself was not left out. Until then no more is told than is missing for certain. Kept in memory alone.
 * @module
 */

/** The places that one room's stream left out. */
export class RoomHoles {
  /** Ops that were fetched and that the stream has neither passed by nor left out, as far as is known. */
  #ahead: { readonly first: number; readonly last: number } | undefined;
  /** Places left out since the last op that the stream passed by. */
  #places = 0;
  /** Messages told as missing since then. */
  #told = 0;

  /**
   * Takes in that an op was fetched that the stream has not passed by.
   * @param epoch its number; they come in order
   */
  fetched(epoch: number): void {
    this.#ahead = { first: this.#ahead?.first ?? epoch, last: epoch };
  }

  /**
   * Takes in that places were left out, and what came behind them.
   * @param places how many
   * @param epoch the number of the event behind them, if it is an op
   * @returns how many messages are missing for certain that were not told before
   */
  took(places: number, epoch?: number): number {
    this.#places += places;
    const { first, last } = this.#ahead ?? { first: 1, last: 0 };
    if (epoch === undefined) {
      const told = this.#tell(last - first + 1);
      if (this.#ahead === undefined) this.#settle();
      return told;
    }
    // Ops are in the stream in their order: those before this one that did not pass by were left out.
    const told = this.#tell(Math.max(0, Math.min(epoch, last + 1) - first));
    this.#settle();
    this.#ahead = epoch >= last ? undefined : { first: Math.max(first, epoch + 1), last };
    return told;
  }

  /**
   * Takes in that the stream was read to its end: the ops that did not pass by were left out.
   * @returns how many messages are missing that were not told before
   */
  caughtUp(): number {
    return this.#ahead === undefined ? 0 : this.took(0, this.#ahead.last + 1);
  }

  /**
   * Takes in that messages were told as missing because of what their author says: they are not told once more.
   * @param count how many
   */
  toldOf(count: number): void {
    if (this.#places > 0) this.#told += count;
  }

  /** Begins anew, with nothing left out. */
  forget(): void {
    this.#ahead = undefined;
    this.#settle();
  }

  #tell(ops: number): number {
    const count = Math.max(0, this.#places - ops - this.#told);
    this.#told += count;
    return count;
  }

  #settle(): void {
    this.#places = 0;
    this.#told = 0;
  }
}
