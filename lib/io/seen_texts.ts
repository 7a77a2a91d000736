/**
 * Which private texts somebody at a terminal has seen: those that are on the screen when a key is pressed. What has
 * scrolled away before that was perhaps never looked at.
 * @module
 */

import stringWidth from "string-width";
import type { SafeText } from "../cli/safe_text.ts";
import type { EventId } from "../wire/messages.ts";

/** Texts that may wait to be seen: a screen holds no more. */
const UNSEEN_MAX = 1_000;

/** How large a terminal is, in characters; at least 1 each. */
export interface ScreenSize {
  /** How wide. */
  readonly columns: number;
  /** How high. */
  readonly rows: number;
}

/** The texts of one screen that nobody has seen yet. */
export class SeenTexts {
  /** Of each text, the row in which it ends, counted from the first that was ever printed. */
  readonly #unseen = new Map<EventId, number>();
  #row = 0;

  /**
   * Notes that lines were printed.
   * @param lines what stands on the screen now
   * @param columns how wide that is
   * @param id the text's, when it is one that somebody is told of
   */
  printed(lines: readonly SafeText[], columns: number, id?: EventId): void {
    for (const line of lines) this.#row += Math.max(1, Math.ceil(stringWidth(line) / columns));
    if (id !== undefined) this.#unseen.set(id, this.#row);
    const [oldest] = this.#unseen.keys();
    if (this.#unseen.size > UNSEEN_MAX && oldest !== undefined) this.#unseen.delete(oldest);
  }

  /**
   * Notes that a key was pressed.
   * @param rows how high the screen is, the row that is typed in included
   * @returns the texts that stand on it and were not seen before, in order
   */
  seen(rows: number): EventId[] {
    if (this.#unseen.size === 0) return [];
    const seen = [...this.#unseen].filter(([, row]) => row > this.#row - (rows - 1)).map(([id]) => id);
    this.#unseen.clear();
    return seen;
  }
}
