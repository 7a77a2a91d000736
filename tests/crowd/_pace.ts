/**
 * How far everybody has read, and waiting for it. The crowd writes as fast as its slowest member reads, whatever machine
 * it runs on: a clock that drove it would only find out how fast the machine is.
 * @module
 */

/** How far somebody has read: how many messages had been seen by anybody when theirs was first seen. */
export interface Reader {
  /** Whether they are there to read. */
  readonly isIn: boolean;
  /** How far they are. */
  readonly position: number;
}

/** The messages that anybody has printed, and who waits for more. */
export class Pace {
  /** The number of each message, from 1, in the order in which they were first printed by anybody. */
  readonly #seen = new Map<string, number>();
  readonly #waiting = new Set<() => void>();
  #failure: { readonly error: unknown } | undefined;

  /** How many messages were printed by anybody. */
  get seen(): number {
    return this.#seen.size;
  }

  /**
   * Takes in that somebody printed a message.
   * @param id its id
   * @returns its number
   */
  print(id: string): number {
    const number = this.#seen.get(id) ?? this.#seen.size + 1;
    this.#seen.set(id, number);
    return number;
  }

  /**
   * Tells how far the slowest is behind.
   * @param readers everybody
   * @returns how many messages were printed by anybody since the last one that the slowest of those who are there printed
   */
  lag(readers: readonly Reader[]): number {
    const positions = readers.filter(({ isIn }) => isIn).map(({ position }) => position);
    return this.seen - Math.min(this.seen, ...positions);
  }

  /** Lets those who wait look again; to be called with every line that anybody printed. */
  beat(): void {
    for (const look of this.#waiting) look();
  }

  /**
   * Ends all waiting.
   * @param error why
   */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.beat();
  }

  /**
   * Waits until something holds.
   * @param holds tells whether it does
   * @returns nothing, once it does
   */
  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (this.#failure === undefined && !holds()) return;
        this.#waiting.delete(look);
        if (this.#failure === undefined) resolve();
        else reject(this.#failure.error);
      };
      this.#waiting.add(look);
      look();
    });
  }
}
