/**
 * The simple truth beside the rooms: who was a member when, and who must, may and must not read each line, by what the
 * relay has placed alone. Ops are judged by the plain telling of the rules in `tests/e2ee/_membership_model.ts`.
 *
 * Of a line that was placed, and sealed when its author had taken in `sealed` ops of the room:
 *
 *     never   who is no member at its place, or became one, or one again, by an op after `sealed`; whom its author had
 *             not been shown when it was written
 *     may     who went and came back between writing and sealing; of whom its author was told that they cannot read it
 *             yet; who is a member and has left the place where it would be read (said no, or went before the room was
 *             open to them); an ephemeral client that is gone, or was away: nothing waits for it
 *     must    everybody else, also who is taken out later, and who is away and comes back
 *
 * No line is on its way across a departure from a room that people are invited to, nor across more than 64 in an open
 * one: the relay refuses it, and its author seals it again.
 */

import { equalBytes } from "../../lib/bytes/equal.ts";
import { ByteReader } from "../../lib/bytes/reader.ts";
import type { Bytes } from "../../lib/bytes/writer.ts";
import { fingerprintOf } from "../../lib/e2ee/identity.ts";
import type { StoredEvent } from "../../lib/relay/event_log.ts";
import type { EventId } from "../../lib/wire/messages.ts";
import { Model, type Step as Op } from "../e2ee/_membership_model.ts";
import { isOpen, type Line, type World } from "./_rooms_model.ts";
import type { Person } from "./_rooms_model_people.ts";

/** A line at its place. */
export interface PlacedLine {
  readonly line: Line;
  readonly seq: number;
  /** How many ops its author had taken in when it was sealed. */
  readonly sealed: number;
  /** The members there, and the number of the op by which each of them came. */
  readonly members: ReadonlyMap<Person, number>;
  readonly body: Bytes;
}

/** A time as a member: from one op until before another. */
export interface Membership {
  readonly from: number;
  until: number;
  /** Whether they ended it themselves. */
  hasLeft: boolean;
}

/** A room by what the relay placed. */
export interface RoomTruth {
  readonly room: string;
  readonly lines: readonly PlacedLine[];
  /** Who is in it in the end, with their roles. */
  readonly members: ReadonlyMap<Person, string>;
  readonly memberships: ReadonlyMap<Person, readonly Membership[]>;
  /** What was placed, for people. */
  readonly story: readonly string[];
}

/** What is expected of somebody and a line. */
export type Verdict = "must" | "may" | "never";

const KIND_NAMES: readonly Op["kind"][] = ["create", "join", "add", "leave", "removed", "promote", "here"];
const EVERYTHING = { maxEvents: Infinity, maxBytes: Infinity };

/** Tells the truth of one room. */
export function truthOf(world: World, room: string): RoomTruth {
  const stream = world.streams.get(room);
  const { people, net } = world;
  const model = new Model(isOpen(room) ? "open" : "invite", (who) => people[who]?.isEphemeral === true);
  const memberships = new Map<Person, Membership[]>(people.map((person) => [person, []]));
  const lines: PlacedLine[] = [];
  const story: string[] = [];
  for (const event of stream === undefined ? [] : net.log.read(stream, 0, EVERYTHING)) {
    if (event.kind === "op") {
      const { op, told } = read(world, event.body);
      const isValid = step(model, op, event.at);
      note(memberships, { model, people, op });
      story.push(`${event.seq}: op ${model.history.length} ${told}${isValid ? "" : " (void)"}`);
      continue;
    }
    const line = world.lines.get(event.id);
    if (line === undefined) throw new Error(`The relay placed in #${room} what nobody wrote`);
    const members = new Map([...memberships].flatMap(([person, all]) => {
      const last = all.at(-1);
      return last?.until === Infinity ? [[person, last.from]] : [];
    }));
    const sealed = sealedOf(world, event);
    lines.push({ line, seq: event.seq, sealed, members, body: event.body });
    story.push(`${event.seq}: ${line.text} of ${line.by.handle}, sealed at op ${sealed}`);
  }
  const members = new Map([...model.people].map(([who, { role }]) => [people[who] as Person, role]));
  return { room, lines, members, memberships, story };
}

/** Says what is expected; `reads` is what everybody has read. */
export function verdictOf(
  { room, memberships, lines }: RoomTruth,
  placed: PlacedLine,
  { reader, reads }: { readonly reader: Person; readonly reads: ReadonlyMap<Person, ReadonlySet<EventId>> },
): Verdict {
  const { line, sealed, members } = placed;
  const from = members.get(reader);
  const isFor = line.shown.has(reader.certificate.fingerprint);
  if (from === undefined || from > sealed || !isFor || !members.has(line.by)) return "never";
  if (from > line.epoch || reader.isGone) return "may";
  if (isPassedBy(reader, placed)) return "may";
  if (isExcused(lines, placed, { reader, reads: reads.get(reader) ?? new Set() })) return "may";
  const membership = memberships.get(reader)?.find((one) => one.from === from) as Membership;
  return isHeard(reader, room, { ...membership, seq: placed.seq }) ? "must" : "may";
}

/** Whether an ephemeral client was away, at the place of a line or for its author: nothing waits for it. */
export function isPassedBy(reader: Person, { line, seq }: PlacedLine): boolean {
  if (!reader.isEphemeral) return false;
  return reader.wasCutAt(line.room, seq) || line.away.has(reader.certificate.fingerprint);
}

/** Whether its author was told that somebody cannot read it, and they read nothing of that author since then. */
export function isExcused(
  lines: readonly PlacedLine[],
  { line }: PlacedLine,
  { reader, reads }: { readonly reader: Person; readonly reads: ReadonlySet<EventId> },
): boolean {
  const { by, life } = line;
  const sights = by.sights.filter((sight) => sight.life === life);
  const ours = new Set(lines.filter((one) => one.line.by === by).map((one) => one.line.id));
  let isBehind = false;
  for (const { event } of sights) {
    if (event.type === "notice" && event.code === "keysMissing" && event.text.startsWith(`${reader.handle} `)) {
      isBehind = true;
    }
    if (event.type !== "accepted" || !ours.has(event.id)) continue;
    if (event.id === line.id) return isBehind;
    if (reads.has(event.id)) isBehind = false;
  }
  return isBehind;
}

/** Whether somebody's client was in the room, for a place of one membership. */
export function isHeard(
  reader: Person,
  room: string,
  { from, until, seq }: Omit<Membership, "hasLeft"> & { readonly seq: number },
): boolean {
  const marks = reader.sights.filter((sight) => sight.room === room);
  const isEntrance = (type: string) => type === "ready" || type === "roomJoined";
  const early = marks.findLastIndex(({ event, epoch }) => event.type === "roomLeft" && epoch >= from && epoch < until);
  if (early >= 0) {
    return marks.slice(early).some((mark) => isEntrance(mark.event.type) && mark.seq < seq && mark.epoch < until);
  }
  return isOpen(room) || marks.some(({ event, epoch }) => isEntrance(event.type) && epoch >= from && epoch < until);
}

function step(model: Model, op: Op, atMs: number): boolean {
  if (op.kind !== "create" || model.kind === "open") return model.step(op, atMs);
  if (model.history.length > 0) return model.junk();
  model.found(op.actor, atMs);
  return true;
}

function note(
  memberships: ReadonlyMap<Person, Membership[]>,
  { model, people, op }: { readonly model: Model; readonly people: readonly Person[]; readonly op: Op },
): void {
  const epoch = model.history.length;
  for (const [who, person] of people.entries()) {
    const all = memberships.get(person) as Membership[];
    const last = all.at(-1);
    const wasMember = last?.until === Infinity;
    if (model.people.has(who) && !wasMember) all.push({ from: epoch, until: Infinity, hasLeft: false });
    if (model.people.has(who) || !wasMember) continue;
    last.until = epoch;
    last.hasLeft = op.kind === "leave";
  }
}

/** Reads an op by the layout of PROTOCOL 4; nobody here signs what is not theirs. */
function read({ people }: World, body: Bytes): { readonly op: Op; readonly told: string } {
  const reader = new ByteReader(body, "op");
  const [, , kindField, detail, subjectField, actorField, seenField] = Array.from(
    { length: 7 },
    () => reader.lv(body.length),
  ) as [Bytes, Bytes, Bytes, Bytes, Bytes, Bytes, Bytes];
  const actor = people.findIndex(({ certificate }) => certificate.fingerprint === fingerprintOf(actorField));
  const named = people.findIndex(({ certificate }) =>
    equalBytes(certificate.encoded, subjectField) ||
    (subjectField.length === 32 && certificate.fingerprint === fingerprintOf(subjectField))
  );
  const subject = subjectField.length === 0 ? actor : named;
  if (actor < 0 || subject < 0) throw new Error("Cannot read op: it is of somebody who does not take part");
  const byNumber = KIND_NAMES[(kindField[0] as number) - 1] as Op["kind"];
  const kind = byNumber === "removed" && detail[0] === 1 ? "absent" : byNumber;
  const seen = seenField.length === 0 ? 0 : new ByteReader(seenField, "seen").u64();
  const op: Op = { kind, actor, subject, certificate: 0, seen };
  const of = subject === actor ? "" : ` of ${people[subject]?.handle}`;
  return { op, told: `${kind}${of} by ${people[actor]?.handle} after op ${seen}` };
}

function sealedOf({ net }: World, { id, body }: StoredEvent): number {
  const sent = net.sent.find(({ packet }) =>
    packet.message.t === "publish" && packet.message.id === id && equalBytes(packet.body, body)
  );
  const message = sent?.packet.message;
  if (message?.t !== "publish" || message.kind !== "message" || message.epoch === undefined) {
    throw new Error("Cannot tell when a line was sealed: nobody sent it so");
  }
  return message.epoch;
}
