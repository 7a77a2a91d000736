/**
 * Who seems to have lost what they were given: their client was put back to an earlier state, or began a new session
 * although the one before worked. What it lacks is for others to find out, by comparing numbers.
 * @module
 */

import type { Fingerprint } from "../wire/messages.ts";

/** Of how many people that is remembered; of one who was forgotten it is taken for one loss more. */
const LOSSES_MAX = 8_192;

/** How often who has lost something. */
export class Losses {
  readonly #counts = new Map<Fingerprint, number>();

  /**
   * Tells how often somebody has.
   * @param who by fingerprint
   * @returns a number; what was given to them while it was another is to be given again
   */
  of(who: Fingerprint): number {
    return this.#counts.get(who) ?? 0;
  }

  /**
   * Counts one more.
   * @param who by fingerprint
   */
  count(who: Fingerprint): void {
    const count = this.of(who) + 1;
    this.#counts.delete(who);
    this.#counts.set(who, count);
    const [oldest] = this.#counts.keys();
    if (this.#counts.size > LOSSES_MAX && oldest !== undefined) this.#counts.delete(oldest);
  }
}
