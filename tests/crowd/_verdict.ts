/**
 * What everybody read, held against what the relay placed. Who should read a message: whoever was a member at its place,
 * by the room's own log, and had been shown to its author before the line was written. Nobody reads what is placed before
 * they joined or after they left; of one whom the author was not shown yet, both reading and not reading is right.
 * @module
 */

import type { JsonLine } from "../support/process.ts";
import { type Member, ROOM } from "./_member.ts";
import type { PlacedMessage, RoomLog, Stay } from "./_room_log.ts";

/** What came of it. */
export interface Verdict {
  /** Messages that the relay placed. */
  readonly placed: number;
  /** Messages of others that somebody printed. */
  readonly deliveries: number;
  /** Deliveries that had to be. */
  readonly due: number;
  /** Deliveries that could be or not. */
  readonly free: number;
  /** Messages that a client was given twice: it was killed before it could note that they were shown, and says so. */
  readonly shownAgain: number;
  /** Own lines that were told as accepted out of their place among the messages of others. */
  readonly acceptedElsewhere: number;
  /** Ephemeral clients that have ended and that the log still counts as members. */
  readonly leftBehind: number;
  /** Lines that are no everyday ones, such as notices, gaps and errors. */
  readonly odd: readonly OddLine[];
  /** What must not be, one sentence each. */
  readonly faults: readonly string[];
}

/** A line that tells of something out of the ordinary. */
export interface OddLine {
  /** Who printed it. */
  readonly by: Member;
  /** Its type and code. */
  readonly kind: string;
  /** What it says. */
  readonly text: string;
}

/** A message with what its author and its readers know of it. */
interface Known extends PlacedMessage {
  readonly author: Member;
  /** The number of the line; `undefined` when nobody ever printed it. */
  readonly n: number | undefined;
}

/** By id, in the relay's order. */
type Messages = ReadonlyMap<string, Known>;

/** Lines that say nothing odd. */
const EVERYDAY = ["ready", "joined", "left", "memberAdded", "memberRemoved", "message", "accepted", "roomLeft", "bye"];

/**
 * Judges.
 * @param members everybody, each of whom has ended
 * @param log what the relay placed
 * @returns the verdict
 */
export function judge(members: readonly Member[], log: RoomLog): Verdict {
  const books = members.map((member) => new Book(member));
  const faults: string[] = [];
  const messages = messagesOf(books, log, faults);
  checkAuthors(messages, members, faults);
  const counts = { due: 0, free: 0, shownAgain: 0, acceptedElsewhere: 0, leftBehind: 0 };
  for (const book of books) {
    const { name, part, fingerprint, isLasting } = book.member;
    const stay = log.stays.get(fingerprint);
    if (stay === undefined) {
      faults.push(`${name} was never a member`);
      continue;
    }
    if (part === "leaves" && stay.to === Infinity) faults.push(`${name} left and is still a member`);
    if (isLasting && part !== "leaves" && stay.to !== Infinity) faults.push(`${name} did not leave and is no member`);
    if (!isLasting && stay.to === Infinity) counts.leftBehind++;
    faults.push(...book.wrong(messages, stay));
    const { due, free, missing } = book.held(messages, stay);
    faults.push(...missing.map((message) => `${name} (${part}) did not read ${spell(message)}`));
    counts.due += due;
    counts.free += free;
    counts.shownAgain += book.shownAgain;
    counts.acceptedElsewhere += book.acceptedElsewhere(messages);
  }
  const odd = books.flatMap((book) => book.odd());
  const gone = members.filter(({ part }) => part === "leaves" || part === "quits");
  for (const { by, kind, text } of odd) {
    // Keys that crossed with somebody's leave: nobody lacks them.
    const isOfOneGone = kind === "notice keysMissing" && gone.some(({ name }) => text.startsWith(`${name} `));
    if (by.part === "stays" && !isOfOneGone) faults.push(`${by.name} was told: ${text}`);
  }
  const deliveries = books.reduce((sum, { heard }) => sum + heard.length, 0);
  return { placed: messages.size, deliveries, ...counts, odd, faults };
}

/** What one member printed. */
class Book {
  readonly member: Member;
  readonly #runs: readonly JsonLine[][];
  /** Messages of others, in the order of their lines. */
  readonly heard: readonly JsonLine[];
  /** How many more there were that say themselves that they may have been shown before, and were. */
  readonly shownAgain: number;

  constructor(member: Member) {
    this.member = member;
    this.#runs = member.printed();
    const all = this.#runs.flat().filter(({ type, room }) => type === "message" && room === ROOM);
    const before = new Set<string>();
    this.heard = all.filter(({ id, again }) => {
      const isRepeat = again === true && member.part === "killed" && before.has(id);
      before.add(id);
      return !isRepeat;
    });
    this.shownAgain = all.length - this.heard.length;
  }

  /** What is wrong with what was read: its order, its author, its text, or that it was read at all. */
  wrong(messages: Messages, { from, to }: Stay): string[] {
    const wrong: string[] = [];
    const read = new Set<string>();
    let last = 0;
    for (const { id, text, fingerprint } of this.heard) {
      const message = messages.get(id);
      if (message === undefined) {
        wrong.push(`what was never placed: ${text}`);
        continue;
      }
      const { author, by, n, seq } = message;
      if (read.has(id)) wrong.push(`${spell(message)} twice`);
      else if (seq < last) wrong.push(`${spell(message)} after place ${last}`);
      if (author === this.member) wrong.push(`${spell(message)}, which is its own`);
      if (fingerprint !== by) wrong.push(`${spell(message)} as if somebody else had written it`);
      if (text !== `${author.name} ${n}`) wrong.push(`${spell(message)} as ${text}`);
      if (seq < from) wrong.push(`${spell(message)}, from before it joined at place ${from}`);
      if (seq > to) wrong.push(`${spell(message)}, from after it left at place ${to}`);
      read.add(id);
      last = Math.max(last, seq);
    }
    return wrong.map((what) => `${this.member.name} (${this.member.part}) read ${what}`);
  }

  /** What was there to read: how many had to be read and how many could be, and which of the former were not. */
  held(
    messages: Messages,
    { from, to }: Stay,
  ): { readonly due: number; readonly free: number; readonly missing: Known[] } {
    const read = new Set(this.heard.map(({ id }) => id));
    const there = [...messages.values()]
      .filter(({ author, seq }) => author !== this.member && seq > from && seq < to);
    const due = there.filter((message) => isFor(message, this.member.name));
    const missing = due.filter(({ id }) => !read.has(id));
    return { due: due.length, free: there.length - due.length, missing };
  }

  /** How often one's own line was told as accepted after a message that was placed behind it. */
  acceptedElsewhere(messages: Messages): number {
    let last = 0;
    let count = 0;
    for (const { type, id } of this.#runs.flat()) {
      const seq = messages.get(id)?.seq ?? 0;
      if (type === "accepted" && seq < last) count++;
      last = Math.max(last, seq);
    }
    return count;
  }

  /** What is out of the ordinary; that a line on its way was not sent is none for one who goes. */
  odd(): OddLine[] {
    const { part } = this.member;
    const isGoing = part === "leaves" || part === "quits";
    return this.#runs.flat()
      .filter(({ type, code, ref }) => !EVERYDAY.includes(type) && !(isGoing && code === "unsent" && ref !== undefined))
      .map(({ type, code, text, message, ...rest }) => {
        const kind = code === undefined ? type : `${type} ${code}`;
        return { by: this.member, kind, text: text ?? message ?? JSON.stringify({ type, ...rest }) };
      });
  }
}

/** Joins what the relay placed with what those who wrote and read it say. */
function messagesOf(books: readonly Book[], log: RoomLog, faults: string[]): Messages {
  const members = new Map(books.map(({ member }) => [member.fingerprint, member]));
  const texts = new Map(books.flatMap(({ heard }) => heard.map(({ id, text }) => [id as string, text as string])));
  const messages = new Map<string, Known>();
  for (const placed of log.messages) {
    const author = members.get(placed.by);
    if (author === undefined) faults.push(`Somebody unknown wrote ${placed.id}`);
    else if (messages.has(placed.id)) faults.push(`The relay placed ${placed.id} twice`);
    else {
      const text = texts.get(placed.id);
      const n = author.accepted.get(placed.id) ?? (text === undefined ? undefined : Number(text.split(" ")[1]));
      messages.set(placed.id, { ...placed, author, n });
    }
  }
  return messages;
}

/** What was told as accepted is placed, and the lines of each stand in the order in which they were written, once. */
function checkAuthors(messages: Messages, members: readonly Member[], faults: string[]): void {
  const last = new Map<Member, number>();
  for (const message of messages.values()) {
    const { author, n = -1 } = message;
    if (n <= (last.get(author) ?? -1)) faults.push(`The relay placed ${spell(message)} after line ${last.get(author)}`);
    last.set(author, n);
  }
  for (const { name, accepted } of members) {
    for (const [id, n] of accepted) if (!messages.has(id)) faults.push(`"${name} ${n}" was accepted and is not placed`);
  }
}

function isFor({ author, n = Infinity }: Known, reader: string): boolean {
  const from = author.shownFrom.get(reader);
  return from !== undefined && n >= from;
}

function spell({ author, n, seq }: Known): string {
  return `"${author.name} ${n ?? "?"}" (place ${seq})`;
}
