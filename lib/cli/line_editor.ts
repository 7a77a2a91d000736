/**
 * One line of typing: keys in, events out, and a view of one row. It moves and deletes by grapheme cluster, so that an
 * emoji or an accented letter is one character. Does no I/O.
 *
 * Pasted line breaks become spaces and never submit: what a person sends is what they saw before pressing Enter.
 * @module
 */

import stringWidth from "string-width";
import type { Key, KeyName } from "./keys.ts";
import { safeText } from "./safe_text.ts";

/** What came of a key. */
export type EditorEvent =
  /** Enter: the line, perhaps empty; the editor is empty again. */
  | { readonly kind: "line"; readonly text: string }
  /** The text or the cursor changed. */
  | { readonly kind: "changed" }
  /** Something did not fit into `LINE_MAX_BYTES`; what fitted was taken. */
  | { readonly kind: "full" }
  /** Ctrl-L: the screen is to be drawn again. */
  | { readonly kind: "redraw" }
  /** Ctrl-C. */
  | { readonly kind: "interrupt" }
  /** Ctrl-D on an empty line. */
  | { readonly kind: "end" };

/** One row that shows the line around the cursor. */
export interface EditorView {
  /** What to print, without controls, at most `width - 1` columns. */
  readonly text: string;
  /** The column of the cursor, 0 to `width - 1`. */
  readonly cursorColumn: number;
}

/** UTF-8 bytes of one line: twice what a message may hold, so that too much is refused with words, not cut. */
export const LINE_MAX_BYTES = 32_768;

/** Lines that Up brings back; nobody walks further, and at most 16 MiB even if every line is full. */
export const HISTORY_MAX_LINES = 500;

const SEGMENTER = new Intl.Segmenter(undefined, { granularity: "grapheme" });
const ENCODER = new TextEncoder();
const WORD = /[\p{L}\p{N}\p{M}_]/u;

/** Edits one line at a time and remembers the earlier ones. */
export class LineEditor {
  /** The line as grapheme clusters. */
  #clusters: string[] = [];
  /** How many clusters stand before the cursor. */
  #cursor = 0;
  readonly #history: string[] = [];
  /** Which line of the history is shown; its length for the line being typed. */
  #historyIndex = 0;
  /** The line being typed while the history is shown. */
  #draft = "";

  /** The line as it is now. */
  get text(): string {
    return this.#clusters.join("");
  }

  /**
   * Takes one key.
   * @param key what the person did
   * @returns what came of it, in order; nothing for a key without a meaning here
   */
  handle(key: Key): EditorEvent[] {
    switch (key.kind) {
      case "text":
        return this.#insert(oneLine(key.text), false);
      case "paste":
        return this.#insert(oneLine(key.text.replace(/[\r\n]+$/, "")), key.isCut);
      case "press":
        return this.#press(key.key);
    }
  }

  /**
   * Shows the line on one row, scrolled so that the cursor is on it.
   * @param width the columns there are; any number, also 0
   * @returns the row and the cursor's place on it
   */
  view(width: number): EditorView {
    // The cursor after the last character needs a column of its own; writing the last one would wrap.
    const room = Math.max(0, Math.floor(width) - 1);
    const after = fit(this.#clusters.slice(this.#cursor, this.#cursor + room), Math.floor(room / 3));
    const before = fit(this.#clusters.slice(0, this.#cursor).slice(-room || Infinity).reverse(), room - after.columns);
    const rest = fit(this.#clusters.slice(this.#cursor, this.#cursor + room), room - before.columns);
    return { text: before.cells.reverse().join("") + rest.cells.join(""), cursorColumn: before.columns };
  }

  #press(key: KeyName): EditorEvent[] {
    switch (key) {
      case "enter":
        return this.#submit();
      case "ctrl-c":
        return [{ kind: "interrupt" }];
      case "ctrl-d":
        return this.#clusters.length === 0 ? [{ kind: "end" }] : this.#remove(this.#cursor, this.#cursor + 1);
      case "ctrl-l":
        return [{ kind: "redraw" }];
      case "up":
      case "ctrl-p":
        return this.#recall(this.#historyIndex - 1);
      case "down":
      case "ctrl-n":
        return this.#recall(this.#historyIndex + 1);
      default:
        return this.#pressMoving(key) ?? this.#pressRemoving(key) ?? [];
    }
  }

  #pressMoving(key: KeyName): EditorEvent[] | undefined {
    switch (key) {
      case "left":
      case "ctrl-b":
        return this.#move(this.#cursor - 1);
      case "right":
      case "ctrl-f":
        return this.#move(this.#cursor + 1);
      case "home":
      case "ctrl-a":
        return this.#move(0);
      case "end":
      case "ctrl-e":
        return this.#move(this.#clusters.length);
      case "alt-b":
      case "alt-left":
      case "ctrl-left":
        return this.#move(this.#wordStart(isWord));
      case "alt-f":
      case "alt-right":
      case "ctrl-right":
        return this.#move(this.#wordEnd());
      default:
        return undefined;
    }
  }

  #pressRemoving(key: KeyName): EditorEvent[] | undefined {
    switch (key) {
      case "backspace":
        return this.#remove(this.#cursor - 1, this.#cursor);
      case "delete":
        return this.#remove(this.#cursor, this.#cursor + 1);
      case "ctrl-k":
        return this.#remove(this.#cursor, this.#clusters.length);
      case "ctrl-u":
        return this.#remove(0, this.#cursor);
      case "ctrl-w":
        return this.#remove(this.#wordStart(isNotSpace), this.#cursor);
      case "alt-backspace":
        return this.#remove(this.#wordStart(isWord), this.#cursor);
      case "alt-d":
      case "alt-delete":
      case "ctrl-delete":
        return this.#remove(this.#cursor, this.#wordEnd());
      default:
        return undefined;
    }
  }

  #insert(typed: string, isCut: boolean): EditorEvent[] {
    const free = LINE_MAX_BYTES - lengthBytes(this.text);
    const text = lengthBytes(typed) <= free ? typed : longestPrefix(typed, free);
    const events: EditorEvent[] = [];
    if (text !== "") {
      const before = this.#clusters.slice(0, this.#cursor).join("") + text;
      this.#replace(before + this.#clusters.slice(this.#cursor).join(""), before.length);
      events.push({ kind: "changed" });
    }
    if (isCut || text !== typed) events.push({ kind: "full" });
    return events;
  }

  #remove(from: number, to: number): EditorEvent[] {
    if (from >= to || from < 0 || from >= this.#clusters.length) return [];
    const before = this.#clusters.slice(0, from).join("");
    this.#replace(before + this.#clusters.slice(to).join(""), before.length);
    return [{ kind: "changed" }];
  }

  /** Cuts the whole text anew: neighbours can join across an edit, as a letter and an accent do. */
  #replace(text: string, cursorOffset: number): void {
    this.#clusters = [];
    this.#cursor = 0;
    for (const { segment, index } of SEGMENTER.segment(text)) {
      this.#clusters.push(segment);
      if (index < cursorOffset) this.#cursor = this.#clusters.length;
    }
  }

  #move(to: number): EditorEvent[] {
    if (to < 0 || to > this.#clusters.length || to === this.#cursor) return [];
    this.#cursor = to;
    return [{ kind: "changed" }];
  }

  #submit(): EditorEvent[] {
    const text = this.text;
    if (text.trim() !== "" && text !== this.#history.at(-1)) this.#history.push(text);
    if (this.#history.length > HISTORY_MAX_LINES) this.#history.shift();
    this.#historyIndex = this.#history.length;
    this.#draft = "";
    this.#replace("", 0);
    return [{ kind: "line", text }];
  }

  #recall(index: number): EditorEvent[] {
    if (index < 0 || index > this.#history.length) return [];
    if (this.#historyIndex === this.#history.length) this.#draft = this.text;
    this.#historyIndex = index;
    const text = this.#history[index] ?? this.#draft;
    this.#replace(text, text.length);
    return [{ kind: "changed" }];
  }

  #wordStart(belongs: (cluster: string) => boolean): number {
    let at = this.#cursor;
    while (at > 0 && !belongs(this.#clusters[at - 1] as string)) at--;
    while (at > 0 && belongs(this.#clusters[at - 1] as string)) at--;
    return at;
  }

  #wordEnd(): number {
    let at = this.#cursor;
    while (at < this.#clusters.length && !isWord(this.#clusters[at] as string)) at++;
    while (at < this.#clusters.length && isWord(this.#clusters[at] as string)) at++;
    return at;
  }
}

/** Takes clusters as long as they fit; one that shows nothing takes no column. */
function fit(clusters: readonly string[], room: number): { cells: string[]; columns: number } {
  const cells: string[] = [];
  let columns = 0;
  for (const cluster of clusters) {
    const cell = safeText(cluster);
    const width = stringWidth(cell);
    if (columns + width > room) break;
    cells.push(cell);
    columns += width;
  }
  return { cells, columns };
}

function oneLine(text: string): string {
  return text.replace(/\r\n|[\n\r\v\f\x85\u2028\u2029\t]/g, " ").replace(/\p{Cc}/gu, "");
}

function longestPrefix(text: string, maxBytes: number): string {
  let used = 0;
  let end = 0;
  for (const { segment, index } of SEGMENTER.segment(text)) {
    used += lengthBytes(segment);
    if (used > maxBytes) break;
    end = index + segment.length;
  }
  return text.slice(0, end);
}

function lengthBytes(text: string): number {
  return ENCODER.encode(text).length;
}

function isWord(cluster: string): boolean {
  return WORD.test(cluster);
}

function isNotSpace(cluster: string): boolean {
  return /\S/.test(cluster);
}
