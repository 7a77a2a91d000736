/**
 * The steps of a chain beyond where its state stands, each derived once. A message key follows from the chain and the
 * number alone, whatever becomes of the messages before it: so keys can be derived, and bodies opened, while the state
 * still waits for the tags of earlier messages; and a sender that sends junk far ahead makes us walk there once.
 *
 * Nothing is kept here that does not follow from the state's chain key, and nothing is stored. Its owner forgets each
 * step when the state has passed it.
 * @module
 */

import type { Bytes } from "../bytes/writer.ts";
import { Mutex } from "../crypto/mutex.ts";
import { type ChainPosition, stepChain } from "./chain_key.ts";

/** One step of a chain. Secret. */
export interface ChainStep {
  /** The key of its message. */
  readonly messageKey: Bytes;
  /** The chain key after it. */
  readonly chainKey: Bytes;
}

/** The steps of one chain from its state on; as many as its owner asks for, which bounds its jumps. */
export class ChainAhead {
  readonly #mutex = new Mutex();
  readonly #steps = new Map<number, ChainStep>();
  #tip: ChainPosition;

  /**
   * Starts with none.
   * @param from where the state stands
   */
  constructor(from: ChainPosition) {
    this.#tip = from;
  }

  /**
   * Walks to a step.
   * @param n its number; whether it may be so far ahead is for the caller to check
   * @returns the step, `undefined` when it was forgotten
   */
  reach(n: number): Promise<ChainStep | undefined> {
    return this.#mutex.run(async () => {
      while (this.#tip.n <= n) {
        const step = await stepChain(this.#tip.chainKey);
        this.#steps.set(this.#tip.n, step);
        this.#tip = { chainKey: step.chainKey, n: this.#tip.n + 1 };
      }
      return this.#steps.get(n);
    });
  }

  /**
   * Gives a step that was reached and not forgotten.
   * @param n its number
   * @returns the step
   * @throws {TypeError} when it is not there
   */
  at(n: number): ChainStep {
    const step = this.#steps.get(n);
    if (step === undefined) throw new TypeError(`Cannot find step ${n} of a chain: it was not reached, or forgotten`);
    return step;
  }

  /**
   * Forgets the first steps, once the state has passed them.
   * @param n the first number to keep
   */
  forgetBelow(n: number): void {
    for (const known of this.#steps.keys()) {
      if (known < n) this.#steps.delete(known);
    }
  }
}
