/**
 * Typing what nobody may read over a shoulder: one `•` for each character as people count them. It is the editor of
 * lines (`line_editor.ts`) with a cursor that stays at the end, for a cursor among dots helps nobody. Does no I/O.
 * @module
 */

import type { Key, KeyName } from "./keys.ts";
import { LineEditor } from "./line_editor.ts";

/** What came of a key. */
export type MaskedEvent =
  /** Enter: what was typed, perhaps empty; the editor is empty again. */
  | { readonly kind: "line"; readonly text: string }
  /** The number of dots may have changed. */
  | { readonly kind: "changed" }
  /** Something did not fit. */
  | { readonly kind: "full" }
  /** Ctrl-C, or Ctrl-D on an empty line: the person gives up. */
  | { readonly kind: "givenUp" };

/** What stands for one character. */
export const MASK = "•";

const SEGMENTER = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** Keys that change the end of the line, or leave it; what others do could not be seen. */
const KEYS: ReadonlySet<KeyName> = new Set<KeyName>([
  "enter",
  "backspace",
  "ctrl-u",
  "ctrl-w",
  "alt-backspace",
  "ctrl-c",
  "ctrl-d",
]);

/** Edits one line that is not shown. */
export class MaskedEditor {
  /** One line each: `LineEditor` remembers what was entered, and this must not be remembered. */
  #editor = new LineEditor();

  /** What was typed so far; whoever shows it has said that it may be seen. */
  get text(): string {
    return this.#editor.text;
  }

  /**
   * Takes one key.
   * @param key what the person did
   * @returns what came of it, in order
   */
  handle(key: Key): MaskedEvent[] {
    if (key.kind === "press" && !KEYS.has(key.key)) return [];
    return this.#editor.handle(key).flatMap((event): MaskedEvent[] => {
      switch (event.kind) {
        case "line":
          this.#editor = new LineEditor();
          return [event];
        case "changed":
        case "full":
          return [event];
        case "interrupt":
        case "end":
          return [{ kind: "givenUp" }];
        case "redraw":
          return [];
      }
    });
  }

  /**
   * Shows how much was typed.
   * @param maxColumns the columns there are; any number, also 0
   * @returns a dot for each grapheme, at most half as many as there are columns: some terminals draw a dot two wide
   */
  view(maxColumns: number): string {
    const count = [...SEGMENTER.segment(this.#editor.text)].length;
    return MASK.repeat(Math.max(0, Math.min(count, Math.floor(maxColumns / 2))));
  }
}
