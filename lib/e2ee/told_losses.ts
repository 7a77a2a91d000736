/**
 * Messages of a room that were told as lost when they were given up: the number of their author's next message would
 * tell them once more (PROTOCOL 3.17). Kept in memory alone.
 * @module
 */

import type { Fingerprint } from "./identity.ts";
import { SENDERS_MAX } from "./room_counters.ts";

interface Author {
  /** The place of the last message that was opened in its turn. */
  openedSeq: number;
  /** Messages placed after it that were told as lost. */
  lost: number;
}

/** What was told of each author. */
export class ToldLosses {
  readonly #authors = new Map<Fingerprint, Author>();

  /**
   * Takes in that a message was told as lost.
   * @param author whose
   * @param seq its place in the stream
   */
  tell(author: Fingerprint, seq: number): void {
    const known = this.#of(author);
    // What was opened after it did not miss it, for it waited then.
    if (seq > known.openedSeq) known.lost++;
  }

  /**
   * Takes in that a message was opened in its turn.
   * @param author whose
   * @param seq its place in the stream
   * @returns how many messages right before it were told as lost
   */
  open(author: Fingerprint, seq: number): number {
    const known = this.#of(author);
    const { lost } = known;
    known.lost = 0;
    known.openedSeq = Math.max(known.openedSeq, seq);
    return lost;
  }

  #of(author: Fingerprint): Author {
    const known = this.#authors.get(author) ?? { openedSeq: 0, lost: 0 };
    this.#authors.delete(author);
    this.#authors.set(author, known);
    for (const oldest of this.#authors.keys()) {
      if (this.#authors.size <= SENDERS_MAX) break;
      this.#authors.delete(oldest);
    }
    return known;
  }
}
