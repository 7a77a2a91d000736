/**
 * Holds a history against what Sotto promises: no accepted message is lost, repeated, reordered or altered, none is shown
 * that nobody wrote, no line is taken and forgotten, and no key is used twice with one IV. It knows what was written and
 * what was printed, and nothing of how Sotto works: no code is shared with it.
 *
 * What is allowed, because it is told or cannot be otherwise:
 *
 * - Whoever had an old copy put back may show again what was shown after the copy was made. Messages between that one and
 *   somebody else may be missing once the reader was told that some cannot be opened. A line that the copy had in its
 *   outbox may come late, also if it was refused after the copy was made.
 * - Whoever was told that somebody lacks keys (`keysMissing`) was told that this one does not read them.
 * - Once a clock was set wrong, certificates may be told as not valid.
 * - A line that is refused after it was numbered is missed by its readers, who are told so.
 * - A line that its client was not seen to have taken when it was killed may be gone.
 * - Without `isStrict`, a message may be missing that a killed process would have shown last.
 * @module
 */

import { type Books, booksOf, type Message, type PutBack, type Shown, type Wrote } from "./_books.ts";
import type { Happening } from "./_history.ts";
import { isAboutPutBack, Tellings } from "./_tellings.ts";

/** What must not be. */
export interface Fault {
  /** Which promise is broken, one word. */
  readonly rule:
    | "lost"
    | "repeated"
    | "reordered"
    | "altered"
    | "invented"
    | "forgotten"
    | "denied"
    | "alarm"
    | "reused";
  /** What happened, for people. */
  readonly what: string;
  /** Texts by which the lines of the history are found that it is about. */
  readonly about: readonly string[];
}

/** What came of it. */
export interface Verdict {
  readonly faults: readonly Fault[];
  /** Messages that were accepted. */
  readonly accepted: number;
  /** Times that somebody had to show a message, and was looked at for it. */
  readonly deliveries: number;
  /** How many of these are missing because a process was killed before it showed them; none when strict. */
  readonly lostByKill: number;
  /** How many are missing of which somebody was told. */
  readonly told: number;
  /** Messages that were shown once more, and marked so. */
  readonly again: number;
}

/** How strict it is. */
export interface CheckOptions {
  /** Whether also what a killed process had read and not shown must be shown by a later one. */
  readonly isStrict: boolean;
}

/** Notices that nobody sees while all are honest and nothing is put back. */
const ALARMS = ["cannotOpen", "misplaced", "stranger", "keysRefused", "badCertificate", "keyChanged", "reset"];
/** Things that do not happen to members who stay. */
const NEVER = ["fork", "gap", "memberRemoved", "roomLeft"];

/**
 * Judges a history.
 * @param all what happened, in order
 * @param options how strictly
 * @returns what is wrong, and how much was looked at
 */
export function check(all: readonly Happening[], { isStrict }: CheckOptions): Verdict {
  const books = booksOf(all);
  const { faults: lost, ...counts } = checkLost(books, isStrict);
  const people = new Set([...books.wrote, ...books.shown, ...books.accepted].map(({ who }) => who));
  const lives = [...people].map((who) => new Life(books, who));
  return {
    faults: [
      ...checkTexts(books),
      ...lives.flatMap(({ faults }) => faults),
      ...checkOneOrder(lives),
      ...lost,
      ...checkForgotten(books),
      ...checkDenied(books),
      ...checkAlarms(books),
    ],
    ...counts,
    accepted: books.messages.size,
    again: books.shown.filter(({ isAgain }) => isAgain).length,
  };
}

/**
 * Looks for a key that was used twice with one IV.
 * @param notes for each process the hashes of what it sealed under
 * @returns how many were looked at, and one fault for each that comes twice
 */
export function checkSeals(
  notes: Iterable<{ readonly who: string; readonly hashes: Iterable<string> }>,
): { readonly seals: number; readonly faults: Fault[] } {
  const first = new Map<string, string>();
  const faults: Fault[] = [];
  let seals = 0;
  for (const { who, hashes } of notes) {
    for (const hash of hashes) {
      seals++;
      const other = first.get(hash);
      if (other === undefined) first.set(hash, who);
      else {
        const what = `${who} sealed under a key and an IV that ${
          other === who ? "it" : other
        } had used before (${hash})`;
        faults.push({ rule: "reused", what, about: [] });
      }
    }
  }
  return { seals, faults };
}

/** Whatever is shown was written so, by that one, to that place. */
function checkTexts({ shown, byText, messages, readers }: Books): Fault[] {
  return shown.flatMap((each): Fault[] => {
    const line = byText.get(each.text);
    const meant = messages.get(each.id)?.line;
    const about = [each.id, ...meant === undefined ? [] : [meant.text]];
    if (meant !== undefined && meant.text !== each.text) {
      return [{ rule: "altered", what: `${each.who} was shown another text of ${each.from} than was written`, about }];
    }
    if (line === undefined || line.who !== each.from || line.talk !== each.talk || line.at > each.at) {
      return [{ rule: "invented", what: `${each.who} was shown what ${each.from} never wrote there`, about }];
    }
    if (readers.get(each.talk)?.has(each.who) !== true || each.who === each.from) {
      return [{ rule: "invented", what: `${each.who} was shown what is not for it, of ${each.from}`, about }];
    }
    return [];
  });
}

/** What one client has shown and called accepted: once, and in order. A copy that is put back begins where it was made. */
class Life {
  readonly who: string;
  readonly faults: Fault[] = [];
  #state = new Seen();

  constructor({ all, shown, accepted, messages, byText, putBacks }: Books, who: string) {
    this.who = who;
    const copies = new Map(putBacks.filter((each) => each.who === who).map(({ at, copiedAt }) => [at, copiedAt]));
    const shownAt = new Map(shown.filter((each) => each.who === who).map((each) => [each.at, each]));
    const acceptedAt = new Map(accepted.filter((each) => each.who === who).map((each) => [each.at, each]));
    const states = new Map<number, Seen>();
    for (let at = 0; at < all.length; at++) {
      const copiedAt = copies.get(at);
      if (copiedAt !== undefined) this.#state = states.get(copiedAt)?.copy() ?? new Seen();
      if ([...copies.values()].includes(at)) states.set(at, this.#state.copy());
      const one = shownAt.get(at);
      const isNew = one !== undefined && !this.#state.ids.has(one.id);
      if (one !== undefined && (isNew || !one.isAgain)) {
        this.#take(one, `${one.from} in ${one.talk}`, "showed", orderOf(byText.get(one.text), one.at, putBacks));
        if (isNew) this.#state.list(one.talk).push(one.id);
      }
      const own = acceptedAt.get(at);
      if (own !== undefined && !(own.isAgain && this.#state.ids.has(own.id))) {
        this.#take(own, `itself in ${own.talk}`, "called accepted", messages.get(own.id)?.line?.at);
      }
    }
  }

  /** The ids that it showed in a room, in order. */
  list(talk: string): readonly string[] {
    return this.#state.list(talk);
  }

  /** The rooms in which it showed anything. */
  get rooms(): string[] {
    return [...this.#state.lists.keys()].filter((talk) => talk.startsWith("#"));
  }

  #take({ id }: { readonly id: string }, of: string, did: string, writtenAt = -1): void {
    const state = this.#state;
    const about = [id];
    if (state.ids.has(id)) {
      this.faults.push({ rule: "repeated", what: `${this.who} ${did} twice a message of ${of}`, about });
    } else if (writtenAt !== -1 && writtenAt === state.last.get(of)) {
      this.faults.push({ rule: "repeated", what: `${this.who} ${did} a message of ${of} under two ids`, about });
    } else if (writtenAt !== -1 && writtenAt < (state.last.get(of) ?? -1)) {
      this.faults.push({
        rule: "reordered",
        what: `${this.who} ${did} a message of ${of} after one that is later`,
        about,
      });
    }
    state.ids.add(id);
    state.last.set(of, Math.max(state.last.get(of) ?? -1, writtenAt));
  }
}

/**
 * When a line was written, for the order; `undefined` when an old copy that was put back still had it in its outbox, from
 * where it may come late.
 */
function orderOf(line: Wrote | undefined, shownAt: number, putBacks: readonly PutBack[]): number | undefined {
  if (line === undefined) return undefined;
  const isOfCopy = putBacks.some(({ who, at, copiedAt }) => who === line.who && line.at < copiedAt && at < shownAt);
  return isOfCopy ? undefined : line.at;
}

/** Up to where somebody is. */
class Seen {
  readonly ids = new Set<string>();
  /** When the last line was written, by author and place. */
  readonly last = new Map<string, number>();
  readonly lists = new Map<string, string[]>();

  list(talk: string): string[] {
    const list = this.lists.get(talk) ?? [];
    this.lists.set(talk, list);
    return list;
  }

  copy(): Seen {
    const copy = new Seen();
    for (const id of this.ids) copy.ids.add(id);
    for (const [of, at] of this.last) copy.last.set(of, at);
    for (const [talk, ids] of this.lists) copy.lists.set(talk, [...ids]);
    return copy;
  }
}

/** Any two show what both show of a room in the same order. */
function checkOneOrder(lives: readonly Life[]): Fault[] {
  const faults: Fault[] = [];
  for (const [index, one] of lives.entries()) {
    for (const other of lives.slice(index + 1)) {
      for (const room of one.rooms) {
        const places = new Map(other.list(room).map((id, place) => [id, place]));
        const common = one.list(room).filter((id) => places.has(id));
        const wrong = common.find((id, i) => i > 0 && (places.get(id) ?? 0) < (places.get(common[i - 1] ?? "") ?? 0));
        if (wrong === undefined) continue;
        faults.push({
          rule: "reordered",
          what: `${one.who} and ${other.who} have another order in ${room}`,
          about: [wrong],
        });
      }
    }
  }
  return faults;
}

/** Whatever was accepted is shown by everybody who was there all the time. */
function checkLost(
  books: Books,
  isStrict: boolean,
): { readonly faults: Fault[]; readonly deliveries: number; readonly lostByKill: number; readonly told: number } {
  const shownBy = new Map<string, Set<string>>();
  for (const { id, who } of books.shown) shownBy.set(id, (shownBy.get(id) ?? new Set()).add(who));
  const tellings = new Tellings(books);
  const byRun = runsOf(books.shown);
  const faults: Fault[] = [];
  const counts = { deliveries: 0, lostByKill: 0, told: 0 };
  for (const message of books.messages.values()) {
    if (message.writtenAt < books.gatheredAt) continue;
    for (const reader of books.readers.get(message.talk) ?? []) {
      if (reader === message.from) continue;
      counts.deliveries++;
      if (shownBy.get(message.id)?.has(reader)) continue;
      if (!isStrict && isLostByKill(books, byRun, message, reader)) counts.lostByKill++;
      else if (tellings.covers(message, reader)) counts.told++;
      else {
        const what = `${reader} never showed a message of ${message.from} in ${message.talk}`;
        faults.push({
          rule: "lost",
          what,
          about: [message.id, ...message.line === undefined ? [] : [message.line.text]],
        });
      }
    }
  }
  return { faults, ...counts };
}

/** When the last line that a process showed was written, by reader, process, author and place. */
function runsOf(shown: readonly Shown[]): Map<string, Set<string>> {
  const byRun = new Map<string, Set<string>>();
  for (const { who, run, from, talk, id } of shown) {
    const key = `${who} ${run} ${from} ${talk}`;
    byRun.set(key, (byRun.get(key) ?? new Set()).add(id));
  }
  return byRun;
}

/** Whether a process that was killed after the line was written showed nothing that came behind it. */
function isLostByKill(
  { kills, messages }: Books,
  byRun: ReadonlyMap<string, ReadonlySet<string>>,
  { writtenAt, from, talk }: Message,
  reader: string,
): boolean {
  return kills.some(({ who, run, at }) => {
    if (who !== reader || at < writtenAt) return false;
    const showed = byRun.get(`${reader} ${run} ${from} ${talk}`) ?? new Set();
    return [...showed].every((id) => (messages.get(id)?.writtenAt ?? 0) <= writtenAt);
  });
}

/** Whatever a client was seen to have taken is accepted, or refused by name. */
function checkForgotten({ all, isWhole, wrote, shown, accepted, messages, putBacks }: Books): Fault[] {
  if (!isWhole) return []; // what waits in an outbox had no time to leave
  const known = new Set([
    ...shown.map(({ text }) => text),
    ...[...messages.values()].flatMap(({ line }) => line?.text ?? []),
  ]);
  const answered = new Map<string, number>();
  const refused = new Set<string>();
  const finished = new Set<string>();
  const named: string[] = [];
  for (const { who, run, what, fields } of all) {
    const key = `${who} ${run}`;
    if (["accepted", "refused", "answered"].includes(what) && typeof fields["ref"] === "number") {
      answered.set(key, Math.max(answered.get(key) ?? 0, fields["ref"]));
      if (what === "refused") refused.add(`${who} ${fields["ref"]}`);
    }
    // A line of an earlier process has no number any more: it is named by its text.
    if (what === "refused" && fields["ref"] === undefined) named.push(`${who} ${fields["text"]}`);
    if (what === "ended") finished.add(key);
  }
  // Of a line of an earlier process nobody says which one was accepted, if nobody has shown it.
  const nameless = new Map<string, number>();
  for (const { id, who, talk } of accepted) {
    if (messages.get(id)?.line === undefined) nameless.set(`${who} ${talk}`, (nameless.get(`${who} ${talk}`) ?? 0) + 1);
  }
  return wrote.flatMap(({ at, who, run, ref, text, talk }): Fault[] => {
    const isTaken = finished.has(`${who} ${run}`) || ref < (answered.get(`${who} ${run}`) ?? 0);
    if (!isTaken || known.has(text) || refused.has(`${who} ${ref}`)) return [];
    if (named.some((each) => each.startsWith(`${who} `) && each.includes(text))) return [];
    if (putBacks.some((each) => each.who === who && each.copiedAt < at && at < each.at)) return [];
    const left = nameless.get(`${who} ${talk}`) ?? 0;
    nameless.set(`${who} ${talk}`, left - 1);
    if (left > 0) return [];
    return [{ rule: "forgotten", what: `${who} took a line to ${talk} that nobody heard of again`, about: [text] }];
  });
}

/** What is said not to be sent is read by nobody: its author writes it once more. */
function checkDenied({ all, byRef, shown, putBacks }: Books): Fault[] {
  const read = new Set(shown.map(({ text }) => text));
  return all.flatMap(({ who, what, fields }): Fault[] => {
    const line = what === "refused" ? byRef.get(`${who} ${fields["ref"]}`) : undefined;
    if (line === undefined || !read.has(line.text)) return [];
    if (putBacks.some((each) => each.who === who && line.at < each.copiedAt)) return [];
    return [{ rule: "denied", what: `${who} was told that a line is not sent, and it was read`, about: [line.text] }];
  });
}

/** Nobody is told of an attack, and nobody loses a room, unless an old copy was put back. */
function checkAlarms({ all, putBacks, byRef }: Books): Fault[] {
  /** Lines that were refused after they had a number, by author and room: their readers miss these. */
  const refused = new Map<string, number>();
  const missed = new Map<string, number>();
  const firstJump = all.findIndex(({ what }) => what === "clock");
  return all.flatMap(({ who, run, what, fields }, at): Fault[] => {
    const code = String(fields["code"] ?? "");
    const about = `${fields["text"] ?? ""} ${fields["from"] ?? ""} ${fields["of"] ?? ""}`;
    if (what === "refused" && code === "unsent") {
      const line = byRef.get(`${who} ${fields["ref"]}`) ?? [...byRef.values()].find(({ text }) => about.includes(text));
      if (line !== undefined) refused.set(`${who} ${line.talk}`, (refused.get(`${who} ${line.talk}`) ?? 0) + 1);
    }
    if (what === "gap" && fields["from"] !== undefined) {
      const key = `${who} ${fields["from"]} ${fields["to"]}`;
      missed.set(key, (missed.get(key) ?? 0) + Number(fields["count"]));
      if ((missed.get(key) ?? 0) <= (refused.get(`${fields["from"]} ${fields["to"]}`) ?? 0)) return [];
    }
    // Whose clock went back by a month sees certificates that are yet to be made.
    if (code === "badCertificate" && firstJump !== -1 && firstJump < at) return [];
    const isInternal = what === "refused" && code === "internal";
    const isAlarm = NEVER.includes(what) || (what === "notice" && ALARMS.includes(code));
    if (!isInternal && (!isAlarm || isAboutPutBack(putBacks, { at, who, about }))) return [];
    const said = `${who}.${run} said: ${what} ${code} ${fields["to"] ?? ""} ${about} ${fields["count"] ?? ""}`;
    return [{ rule: "alarm", what: said.replaceAll(/ +/g, " ").trim(), about: [] }];
  });
}
