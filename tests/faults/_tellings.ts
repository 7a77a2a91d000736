/**
 * What people were told of messages that somebody does not read.
 * @module
 */

import type { Books, Message, PutBack } from "./_books.ts";

/** For so long somebody who was named may lack keys: they are tried again after half a minute. */
const KEYLESS_FOR_MS = 60_000;

/** Whether a message that is missing is told as missing. */
export class Tellings {
  /** Where authors were told of readers without keys. */
  readonly #keyless: { readonly at: number; readonly who: string; readonly text: string }[] = [];
  /** Since when readers were told that they cannot read an author, by both. */
  readonly #unread = new Map<string, number>();
  readonly #books: Books;

  /**
   * Collects what was told.
   * @param books the history
   */
  constructor(books: Books) {
    this.#books = books;
    const authors = new Set(books.wrote.map(({ who }) => who));
    for (const [at, { who, what, fields }] of books.all.entries()) {
      const text = String(fields["text"] ?? "");
      const code = what === "notice" ? fields["code"] : what;
      if (code === "keysMissing") this.#keyless.push({ at, who, text });
      if (code !== "cannotOpen" && code !== "stranger" && code !== "gap") continue;
      const from = fields["from"] ?? [...authors].find((author) => names(text, author));
      if (!isAboutPutBack(books.putBacks, { at, who, about: `${from}` })) continue;
      const key = from === undefined ? who : `${who} ${from}`;
      if (!this.#unread.has(key)) this.#unread.set(key, at);
    }
  }

  /**
   * Tells whether somebody was told that a message is not read.
   * @param message the message
   * @param reader who has not shown it
   * @returns whether its author was told of keys that its reader lacks, or, after an old copy was put back, its reader of
   * what cannot be opened
   */
  covers({ from, talk, firstAt, line }: Message, reader: string): boolean {
    const atMs = this.#books.all[firstAt]?.atMs ?? 0;
    const isKeyless = talk.startsWith("#") && this.#keyless.some(({ at, who, text }) => {
      if (who !== from || !names(text, reader) || at > firstAt) return false;
      return line === undefined || atMs - (this.#books.all[at]?.atMs ?? 0) < KEYLESS_FOR_MS;
    });
    return isKeyless || this.#unread.has(`${reader} ${from}`) || this.#unread.has(reader);
  }
}

/**
 * Tells whether something was told by, or of, one who had an old copy put back before.
 * @param putBacks the old copies
 * @param told when, by whom, and about whom
 * @returns whether it was
 */
export function isAboutPutBack(
  putBacks: readonly PutBack[],
  { at, who, about }: { readonly at: number; readonly who: string; readonly about: string },
): boolean {
  return putBacks.some((each) => each.at < at && (each.who === who || names(about, each.who)));
}

function names(text: string, name: string): boolean {
  return text.split(/[^a-z]+/).includes(name);
}
