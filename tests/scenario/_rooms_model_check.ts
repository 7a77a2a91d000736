/**
 * Holds what people were shown in a run against the truth, and says in plain words what does not fit.
 */

import { encodeHex } from "@std/encoding/hex";
import type { NoticeCode } from "../../lib/chat/events.ts";
import { parseRoomMessage } from "../../lib/e2ee/room_message.ts";
import type { EventId } from "../../lib/wire/messages.ts";
import { isOpen, type Line, type World } from "./_rooms_model.ts";
import type { Person } from "./_rooms_model_people.ts";
import {
  isExcused,
  isHeard,
  isPassedBy,
  type PlacedLine,
  type RoomTruth,
  truthOf,
  verdictOf,
} from "./_rooms_model_truth.ts";

/** What was seen in all runs, so that a test can tell whether they say anything. */
export interface Seen {
  lines: number;
  reads: number;
  /** Reads of those who were away when the line was placed. */
  returns: number;
  departures: number;
  /** Lines that had to be sealed again. */
  sealedAgain: number;
  /** What was expected of a line and one who did not write it, how often. */
  must: number;
  may: number;
  never: number;
}

/** A run that has ended. */
interface Run {
  readonly world: World;
  readonly truths: readonly RoomTruth[];
  readonly reads: ReadonlyMap<Person, ReadonlySet<EventId>>;
}

/** What no honest run brings. */
const NEVER_TOLD: readonly NoticeCode[] = [
  "cannotOpen",
  "misplaced",
  "stranger",
  "badCertificate",
  "reset",
  "keysRefused",
  "keyChanged",
  "nameMoved",
];

/** Tells what is wrong with a run that has ended. */
export async function faultsOf(world: World, seen: Seen): Promise<string[]> {
  const truths = [...world.streams.keys()].map((room) => truthOf(world, room));
  const reads = new Map(world.people.map((person) => [person, readBy(person)]));
  const faults = [
    ...world.people.flatMap((person) => clientFaults(person, world)),
    ...writingFaults({ world, truths, reads }),
    ...world.people.flatMap((person) => toldFaults(person, { world, truths, reads })),
    ...truths.flatMap((truth) => readingFaults(truth, world, { reads, seen })),
    ...(await Promise.all(truths.map((truth) => keyFaults(truth, world, reads)))).flat(),
    ...truths.flatMap((truth) => memberFaults(truth, world)),
  ];
  count(world, truths, reads, seen);
  return faults;
}

/** Tells what was placed and what everybody read, for people. */
export function storyOf(world: World): string[] {
  return [...world.streams.keys()].map((room) => truthOf(world, room)).flatMap(({ room, story }) => [
    ...story.length === 0 ? [] : [`  placed in #${room}`, ...story.map((one) => `    ${one}`)],
    ...world.people.flatMap((person) => {
      const told = person.sights.filter((sight) => sight.room === room).flatMap(({ event }) => {
        if (event.type === "message") return [`"${event.text}"`];
        if (event.type === "gap") return [`gap of ${event.count} from ${event.from}`];
        return event.type === "roomLeft" ? [`is out (${event.reason})`] : event.type === "fork" ? ["fork"] : [];
      });
      return told.length === 0 ? [] : [`    ${person.handle}: ${told.join(", ")}`];
    }),
  ]);
}

function readBy(person: Person): Set<EventId> {
  return new Set(person.sights.flatMap(({ event }) => event.type === "message" ? [event.id] : []));
}

/** A client ends when its person wants it, takes no offence at an honest relay, and sends what was written. */
function clientFaults(person: Person, { net }: World): string[] {
  const { handle, client, isLinked, isReady, isGone, lives } = person;
  const faults = net.everybody.filter(({ certificate }) => certificate === person.certificate).flatMap((life) => [
    ...life.failure === undefined ? [] : [`${handle} broke off: ${life.failure.message}`],
    ...life.closed === undefined ? [] : [`${handle} was sent away: ${life.closed.message}`],
    ...life.finishError === undefined ? [] : [`${handle} gave up: ${life.finishError.message}`],
  ]);
  const link = person.sights.findLast(({ event }) => event.type === "link");
  const isTold = link?.life !== lives || (link.event.type === "link" && link.event.state === "connected");
  if (isLinked && !isTold) faults.push(`${handle} is not told that the line is back`);
  if (lives > 0 && !isGone && !(isLinked && isReady)) faults.push(`${handle} did not come in in the end`);
  const unsent = isLinked ? client?.chat.unsent() ?? [] : [];
  return [...faults, ...unsent.map(({ text }) => `${handle} waits for ever with ${text}`)];
}

/** What was written is placed once and in its order, or its author hears that it was not, also after a crash. */
function writingFaults(run: Run): string[] {
  const { world, truths } = run;
  const placed = truths.flatMap(({ lines }) => lines.map(({ line }) => line));
  const written = [...world.lines.values()];
  const faults = world.people.flatMap(({ handle, certificate }) =>
    truths.flatMap(({ room, lines }) => {
      const own = lines.map(({ line }) => line).filter(({ by }) => by.certificate === certificate);
      const order = own.map((line) => written.indexOf(line));
      return order.some((at, i) => i > 0 && at < (order[i - 1] as number))
        ? [`${handle} is reordered in #${room}`]
        : [];
    })
  );
  for (const line of written) {
    const { kind, id, text, by } = line;
    const accepted = by.sights.filter(({ event }) => event.type === "accepted" && event.id === id).length;
    if (accepted > 1) faults.push(`${by.handle} is told again that ${text} was accepted`);
    if (kind !== "text" || !by.isLinked) continue;
    const [isPlaced, hasFailed] = [placed.includes(line), isToldLost(line)];
    if (isPlaced && hasFailed) faults.push(`${by.handle} is told that ${text} was not sent, and it was`);
    if (isPlaced && accepted === 0) faults.push(`${by.handle} is not told that ${text} was accepted`);
    if (!isPlaced && !hasFailed) faults.push(`${by.handle} is not told what became of ${text}`);
  }
  return faults;
}

function isToldLost({ by, text }: Line): boolean {
  return by.sights.some(({ event }) =>
    event.type === "error" && (event.ref === text || event.message.endsWith(`: ${text}`))
  );
}

/** People are told of what they cannot read when its author was told so too, or when it is lost, and never else. */
function toldFaults(person: Person, { truths, world, reads }: Run): string[] {
  const { handle, sights } = person;
  const lost = lostLines(world, truths);
  const left = leftOut(person, { truths, world, reads });
  const gaps = new Map<string, number>();
  const faults = sights.flatMap(({ event, room }) => {
    if (event.type === "fork") return [`${handle} is told that ${event.from} sees another history of #${room}`];
    if (event.type === "notice" && NEVER_TOLD.includes(event.code)) {
      const isTrue = left.some((of) => event.code === "cannotOpen" && isAbout(event.text, of));
      return isTrue ? [] : [`${handle} is told: ${event.text}`];
    }
    if (event.type !== "gap") return [];
    if (event.from === undefined) return [`${handle} is told that places of #${room} are missing`];
    const key = `${event.from} in #${room}`;
    gaps.set(key, (gaps.get(key) ?? 0) + event.count);
    return [];
  });
  for (const [key, told] of gaps) {
    const missing = [...lost, ...left].filter((of) => of === key).length;
    if (told > missing) faults.push(`${handle} is told that ${told} of ${key} are missing, and ${missing} are`);
  }
  return faults;
}

/** Lines of which their author was told that this reader cannot read them yet, and those for which nothing waited. */
function leftOut(reader: Person, { truths, reads }: Run): string[] {
  const read = reads.get(reader) ?? new Set();
  return truths.flatMap(({ room, lines }) => {
    const isLeftOut = (placed: PlacedLine) =>
      isExcused(lines, placed, { reader, reads: read }) || isPassedBy(reader, placed);
    return lines.filter(isLeftOut).map(({ line }) => `${line.by.handle} in #${room}`);
  });
}

/** Whether a notice names an author and a room. */
function isAbout(text: string, of: string): boolean {
  return of.split(" in ").every((word) => text.includes(word));
}

/** What was given up, or died with an ephemeral client; it may have been numbered by then, and then it is missing. */
function lostLines({ lines }: World, truths: readonly RoomTruth[]): string[] {
  const placed = new Set(truths.flatMap((truth) => truth.lines.map(({ line }) => line.id)));
  return [...lines.values()].filter((line) => !placed.has(line.id) && (line.by.isGone || isToldLost(line)))
    .map(({ by, room }) => `${by.handle} in #${room}`);
}

function readingFaults(
  truth: RoomTruth,
  world: World,
  { reads, seen }: { readonly reads: ReadonlyMap<Person, ReadonlySet<EventId>>; readonly seen: Seen },
): string[] {
  const { room, lines } = truth;
  return world.people.flatMap((reader) => {
    const { handle } = reader;
    const faults: string[] = [];
    const read = reader.sights.flatMap(({ event, room: of }) => event.type === "message" && of === room ? [event] : []);
    const places = read.map(({ id }) => lines.findIndex(({ line }) => line.id === id));
    for (const [i, { text, from, id }] of read.entries()) {
      const place = places[i] as number;
      const { line } = lines[place] ?? {};
      if (line === undefined) faults.push(`${handle} reads in #${room} what was not placed there: ${text}`);
      else if (line.by.handle !== from || line.text !== text) faults.push(`${handle} reads ${text} as if of ${from}`);
      if (read.findIndex((one) => one.id === id) < i) faults.push(`${handle} reads ${text} again`);
      else if (places.slice(0, i).some((before) => before > place)) faults.push(`${handle} reads ${text} too late`);
    }
    for (const placed of lines) {
      const { kind, text, by, id } = placed.line;
      if (by === reader) continue;
      const verdict = verdictOf(truth, placed, { reader, reads });
      seen[verdict]++;
      if (kind === "topic") continue;
      const hasRead = reads.get(reader)?.has(id) === true;
      if (verdict === "must" && !hasRead) faults.push(`${handle} does not read ${text} in #${room}`);
      if (verdict === "never" && hasRead) faults.push(`${handle} must not read ${text} in #${room}`);
    }
    return faults;
  });
}

/**
 * Who must never read a line never had the key for it either. Not so for those who have gone from an open room, where
 * chains are replaced once a minute at most.
 */
async function keyFaults(
  truth: RoomTruth,
  world: World,
  reads: ReadonlyMap<Person, ReadonlySet<EventId>>,
): Promise<string[]> {
  const { room, lines, memberships } = truth;
  const faults: string[] = [];
  for (const placed of lines) {
    const { header: { sender, keyId, n } } = parseRoomMessage(placed.body);
    for (const person of world.people) {
      if (verdictOf(truth, placed, { reader: person, reads }) !== "never" || !placed.members.has(placed.line.by)) {
        continue;
      }
      if (isOpen(room) && memberships.get(person)?.some(({ from }) => from <= placed.sealed) === true) continue;
      const from = await person.kept.opensFrom(`chain/${encodeHex(sender)}/${encodeHex(keyId)}`);
      if (from !== undefined && from <= n) faults.push(`${person.handle} could read ${placed.line.text} in #${room}`);
    }
  }
  return faults;
}

/** Whoever is a member has the room and knows who is in it, and nobody else has it. */
function memberFaults({ room, members, memberships }: RoomTruth, { people }: World): string[] {
  return people.filter((person) => person.isHere).flatMap((person) => {
    const { handle, sights } = person;
    const lists = sights.flatMap(({ event }) => event.type === "rooms" ? [event.rooms] : []);
    const state = lists.at(-1)?.find((one) => one.room === room)?.state;
    if (!members.has(person)) return state === "in" ? [`${handle} has #${room} and is no member`] : [];
    const membership = memberships.get(person)?.at(-1);
    if (state === undefined) {
      // Who says no before they are added, or goes before they have the log, is a member until somebody takes them out.
      const isOut = membership !== undefined && !isHeard(person, room, { ...membership, seq: Infinity });
      return isOut ? [] : [`${handle} is a member and has no #${room}`];
    }
    if (state === "entering") return [`${handle} does not come into #${room}`];
    if (state === "invited") return isOpen(room) ? [`${handle} is invited to #${room}`] : [];
    const shown = sights.flatMap(({ event }) => event.type === "members" && event.room === room ? [event.members] : []);
    const told = shown.at(-1)?.map((member) => `${member.handle} ${member.role}`).toSorted().join(", ");
    const starts = (memberships.get(person) ?? []).filter((_, i, all) =>
      i === 0 || all[i - 1]?.hasLeft === true
    ).length;
    if (room === "garden" && starts > (person.joins.get(room) ?? 0)) {
      return [
        `${handle} left #${room} and is in it again`,
      ];
    }
    const others = [...members].filter(([other]) => other !== person);
    const expected = others.map(([other, role]) => `${other.handle} ${role}`).toSorted().join(", ");
    return told === expected ? [] : [`${handle} sees in #${room} ${told}, and it is ${expected}`];
  });
}

function count(
  world: World,
  truths: readonly RoomTruth[],
  reads: ReadonlyMap<Person, ReadonlySet<EventId>>,
  seen: Seen,
): void {
  const { lines, net } = world;
  seen.lines += truths.reduce((sum, truth) => sum + truth.lines.length, 0);
  seen.reads += [...reads.values()].reduce((sum, read) => sum + read.size, 0);
  for (const truth of truths) {
    for (const all of truth.memberships.values()) seen.departures += all.filter(({ until }) => until < Infinity).length;
  }
  const ids = net.sent.flatMap(({ packet: { message } }) => message.t === "publish" ? [message.id] : []);
  seen.sealedAgain += ids.filter((id, i) => lines.has(id) && ids.indexOf(id) < i).length;
  for (const { sights } of world.people) {
    const starts = new Map<number, number>();
    for (const { event, life, nowMs } of sights) {
      if (!starts.has(life)) starts.set(life, nowMs);
      if (event.type === "message" && life > 1 && event.at < (starts.get(life) ?? 0)) seen.returns++;
    }
  }
}
