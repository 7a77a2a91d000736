/**
 * Typing a code: the editor of `masked_editor.ts`, but shown, and Tab completes the word that was begun. Does no I/O.
 * @module
 */

import type { Key } from "./keys.ts";
import { MaskedEditor, type MaskedEvent } from "./masked_editor.ts";
import { safeText } from "./safe_text.ts";

/** Letters that Tab needs to go by: the list has over a hundred words for most single letters. */
const START_MIN_LETTERS = 2;
/** The last part of what was typed, if it can be the start of a word. */
const LAST_PART = /[a-z]+$/i;

/** Edits one code. */
export class CodeEditor {
  readonly #words: readonly string[];
  readonly #editor = new MaskedEditor();

  /**
   * Starts with an empty line.
   * @param words what codes are made of, in lower case
   */
  constructor(words: readonly string[]) {
    this.#words = words;
  }

  /**
   * Takes one key.
   * @param key what the person did
   * @returns what came of it, in order; `full` also when Tab finds nothing to add
   */
  handle(key: Key): MaskedEvent[] {
    if (key.kind !== "press" || key.key !== "tab") return this.#editor.handle(key);
    const added = this.#completion();
    return added === "" ? [{ kind: "full" }] : this.#editor.handle({ kind: "text", text: added });
  }

  /**
   * Shows the end of the line.
   * @param maxColumns the columns there are
   * @returns what fits, without controls
   */
  view(maxColumns: number): string {
    const { text } = this.#editor;
    // A code is ASCII; of anything else the question is asked again, so a column a character is near enough.
    return maxColumns <= 0 ? "" : safeText(text.slice(-Math.floor(maxColumns)));
  }

  /** What all words that begin like the last part have in common after it; a dash behind the only one. */
  #completion(): string {
    const [start = ""] = LAST_PART.exec(this.#editor.text) ?? [];
    if (start.length < START_MIN_LETTERS) return "";
    const fitting = this.#words.filter((word) => word.startsWith(start.toLowerCase()));
    const [first, ...others] = fitting;
    if (first === undefined) return "";
    if (others.length === 0) return first.slice(start.length) + "-";
    let length = first.length;
    while (!others.every((word) => word.startsWith(first.slice(0, length)))) length--;
    return first.slice(start.length, length);
  }
}
