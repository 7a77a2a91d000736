/**
 * What a history says of lines and messages, in tables for the checker. Knows nothing of how Sotto works, and imports
 * nothing of it.
 * @module
 */

import type { Happening } from "./_history.ts";

/** A line that a client was given to send. */
export interface Wrote {
  /** Its place in the history. */
  readonly at: number;
  readonly who: string;
  readonly run: number;
  /** The room, or `writer>reader`. */
  readonly talk: string;
  readonly ref: number;
  readonly text: string;
}

/** A line that its client called accepted. */
export interface Accepted {
  readonly at: number;
  readonly who: string;
  readonly run: number;
  readonly talk: string;
  readonly id: string;
  /** Missing for lines of an earlier process. */
  readonly ref: number | undefined;
  /** As that of what is shown. */
  readonly isAgain: boolean;
}

/** A message that a client showed. */
export interface Shown {
  readonly at: number;
  readonly who: string;
  readonly run: number;
  readonly talk: string;
  readonly from: string;
  readonly id: string;
  readonly text: string;
  /** Whether it is said to be shown once more because its process may have been killed before it was. */
  readonly isAgain: boolean;
}

/** The end of a process by force. */
export interface Kill {
  readonly at: number;
  readonly who: string;
  readonly run: number;
}

/** An old copy that took the place of what a client kept. */
export interface PutBack {
  /** When it was put back. */
  readonly at: number;
  /** When it was made. */
  readonly copiedAt: number;
  readonly who: string;
}

/** A message, as all that is known of it. */
export interface Message {
  readonly id: string;
  readonly from: string;
  readonly talk: string;
  /** The line that it was, if that is known. */
  readonly line: Wrote | undefined;
  /** When it was first called accepted or shown. */
  readonly firstAt: number;
  /** When it was written; if its line is not known, when the first was that it may be. */
  readonly writtenAt: number;
}

/** The tables. */
export interface Books {
  readonly all: readonly Happening[];
  /** Whether it came to its end, and was not given up before. */
  readonly isWhole: boolean;
  readonly wrote: readonly Wrote[];
  readonly accepted: readonly Accepted[];
  readonly shown: readonly Shown[];
  readonly kills: readonly Kill[];
  readonly putBacks: readonly PutBack[];
  /** Written lines by their text; no two have the same. */
  readonly byText: ReadonlyMap<string, Wrote>;
  /** Written lines by their author and its number. */
  readonly byRef: ReadonlyMap<string, Wrote>;
  /** By id: all that was accepted, or shown by anybody. */
  readonly messages: ReadonlyMap<string, Message>;
  /** Who has to read a talk: who was in it from the beginning, and stayed. */
  readonly readers: ReadonlyMap<string, ReadonlySet<string>>;
  /** From when on they have to. */
  readonly gatheredAt: number;
}

/**
 * Makes the tables of a history.
 * @param history what happened, in order; what follows `givenUp` is left out
 * @returns the tables
 */
export function booksOf(history: readonly Happening[]): Books {
  // What is done to clear up after a run that came to nothing says nothing of Sotto.
  const end = history.findIndex(({ what }) => what === "givenUp");
  const all = end === -1 ? history : history.slice(0, end);
  const wrote: Wrote[] = [];
  const accepted: Accepted[] = [];
  const shown: Shown[] = [];
  const kills: Kill[] = [];
  const putBacks: PutBack[] = [];
  const copies = new Map<string, number>();
  const readers = new Map<string, Set<string>>();
  let gatheredAt = Infinity;
  for (const [at, { who, run, what, fields }] of all.entries()) {
    const [to, text, ref] = [String(fields["to"]), String(fields["text"]), fields["ref"] as number | undefined];
    const talk = to.startsWith("@") ? `${who}>${to.slice(1)}` : to;
    switch (what) {
      case "wrote":
        wrote.push({ at, who, run, talk, ref: ref as number, text });
        break;
      case "accepted":
        accepted.push({ at, who, run, talk, id: String(fields["id"]), ref, isAgain: fields["again"] === true });
        break;
      case "shown": {
        const from = String(fields["from"]);
        const isAgain = fields["again"] === true;
        const where = to.startsWith("@") ? `${from}>${who}` : to;
        shown.push({ at, who, run, talk: where, from, id: String(fields["id"]), text, isAgain });
        break;
      }
      case "killed":
        kills.push({ at, who, run });
        break;
      case "copied":
        copies.set(who, at);
        break;
      case "putBack":
        putBacks.push({ at, who, copiedAt: copies.get(who) ?? 0 });
        break;
      case "gathered":
        gatheredAt = at;
        break;
      case "entered":
        if (gatheredAt === Infinity) readers.set(to, (readers.get(to) ?? new Set()).add(who));
        break;
      default:
    }
  }
  const byText = new Map(wrote.map((line) => [line.text, line]));
  const byRef = new Map(wrote.map((line) => [`${line.who} ${line.ref}`, line]));
  for (const { talk } of wrote) {
    const [, reader] = talk.split(">");
    if (reader !== undefined) readers.set(talk, new Set([reader]));
  }
  const messages = messagesOf({ wrote, accepted, shown, byText, byRef });
  return {
    all,
    isWhole: end === -1,
    wrote,
    accepted,
    shown,
    kills,
    putBacks,
    byText,
    byRef,
    messages,
    readers,
    gatheredAt,
  };
}

function messagesOf(
  { wrote, accepted, shown, byText, byRef }: Pick<Books, "wrote" | "accepted" | "shown" | "byText" | "byRef">,
): Map<string, Message> {
  const known = new Map<string, Omit<Message, "writtenAt">>();
  const add = ({ id, from, talk, line, firstAt }: Omit<Message, "writtenAt">): void => {
    const before = known.get(id);
    known.set(id, {
      id,
      from: before?.from ?? from,
      talk: before?.talk ?? talk,
      line: before?.line ?? line,
      firstAt: Math.min(before?.firstAt ?? Infinity, firstAt),
    });
  };
  // What an author says of its own line counts before what others say of it.
  for (const { id, who, talk, ref, at } of accepted) {
    add({ id, from: who, talk, line: ref === undefined ? undefined : byRef.get(`${who} ${ref}`), firstAt: at });
  }
  for (const { id, from, talk, text, at } of shown) add({ id, from, talk, line: byText.get(text), firstAt: at });
  const lines = new Set([...known.values()].map(({ line }) => line));
  const firstUnknown = (from: string, talk: string): number =>
    wrote.find((line) => line.who === from && line.talk === talk && !lines.has(line))?.at ?? 0;
  return new Map(
    [...known].map(([id, message]) => {
      const writtenAt = message.line?.at ?? firstUnknown(message.from, message.talk);
      return [id, { ...message, writtenAt }];
    }),
  );
}
