/**
 * The bodies that both ends of a link read, beside the header in front of them (PROTOCOL 4.2, 4.3): events for many
 * inboxes, ids that were not stored, pages of a room's ops, its snapshot, and what an op claims.
 *
 * ```
 * publishMany    1 to 256 of: id of the recipient 32 | id of the event 16 | lv(box)
 * acceptedMany   ids of events, 16 each
 * ops            of each op: u64 at | lv(op)
 * snapshot       a part of: lv(op) | lv(membership); 32,768 bytes unless it is the last
 * an op          lv(suite 1) | lv(room) | lv(kind 1) | lv(detail) | lv(subject) | lv(actor) | …,
 *                see e2ee/membership_op.ts
 * ```
 *
 * There is one spelling of each: what parses encodes to the same bytes again. Of an op only the fields above are looked
 * at; whether it is signed, and what it may do, is for clients to judge.
 * @module
 */

import { decodeBase32, encodeBase32 } from "@std/encoding/base32";
import { decodeHex, encodeHex } from "@std/encoding/hex";
import { DecodeError } from "../bytes/errors.ts";
import { ByteReader } from "../bytes/reader.ts";
import { type Bytes, concat, lv, u64be } from "../bytes/writer.ts";
import type { EventId, Fingerprint } from "./messages.ts";
import { PACKET_MAX_BYTES } from "./packet.ts";

/** The longest op that a relay places: three times what the longest of this version has, for those of later ones. */
export const OP_BODY_MAX_BYTES = 2_048;
/** Events in one `publishMany`: a packet holds about 200 of the shortest boxes that there are. */
export const MANY_MAX_EVENTS = 256;
/** What stands in front of an op on a page: its time and its length. */
export const PAGED_OP_HEAD_BYTES = 12;
/** Every part of a snapshot but the last. */
export const SNAPSHOT_PART_BYTES: number = 32 * 1024;

/** An id of somebody, as it stands in an op. */
export const ID_BYTES = 32;
const EVENT_ID_BYTES = 16;
/** What stands in front of the room in an op: its suite and the room's length. */
const OP_SUITE_FIELD_BYTES = 5;
const LENGTH_BYTES = 4;

/** The kinds of ops by their byte. */
export const OP_KIND = { create: 1, join: 2, add: 3, leave: 4, remove: 5, promote: 6, here: 7 } as const;
/** The detail of a `remove` that says that its subject is absent. */
export const REASON_ABSENT = 1;

/** What an op says of itself; nothing of it is proved. */
export interface OpClaims {
  /** The byte of its kind, perhaps one that is not known. */
  readonly kind: number;
  /** What goes with the kind, such as the reason of a `remove`; `undefined` when it is cut short. */
  readonly detail: Bytes | undefined;
  /** Whom it is about: a certificate, an id, or nothing; `undefined` when it is cut short. */
  readonly subject: Bytes | undefined;
  /** By whom it is, an id; `undefined` when it is cut short. */
  readonly actor: Bytes | undefined;
}

/** An event for one inbox of several. */
export interface ManyItem {
  /** Whose inbox. */
  readonly to: Fingerprint;
  /** The publisher's id for it. */
  readonly id: EventId;
  /** The body of the event. */
  readonly box: Bytes;
}

/** An op as it stands on a page. */
export interface PagedOp {
  /** When it was placed. */
  readonly at: number;
  /** The op. */
  readonly op: Bytes;
}

/**
 * Reads the byte of an op's kind at its fixed place: byte 45, or byte 13 in an op that names no room.
 * @param op the op, not verified
 * @returns the byte, or `undefined` when the bytes before it are not those of an op
 */
export function opKindAt(op: Uint8Array): number | undefined {
  const view = new DataView(op.buffer, op.byteOffset, op.byteLength);
  const lengthAt = (at: number) => at + LENGTH_BYTES <= op.length ? view.getUint32(at) : undefined;
  const roomBytes = lengthAt(OP_SUITE_FIELD_BYTES);
  if (lengthAt(0) !== 1 || (roomBytes !== 0 && roomBytes !== ID_BYTES)) return undefined;
  const kindField = OP_SUITE_FIELD_BYTES + LENGTH_BYTES + roomBytes;
  return lengthAt(kindField) === 1 ? op[kindField + LENGTH_BYTES] : undefined;
}

/**
 * Reads what an op says of itself.
 * @param op the op, not verified
 * @returns its claims, or `undefined` when it has no kind at its place
 */
export function opClaimsOf(op: Bytes): OpClaims | undefined {
  const kind = opKindAt(op);
  if (kind === undefined) return undefined;
  const reader = new ByteReader(op, "op");
  for (let field = 0; field < 3; field++) reader.lv(op.length); // suite, room, kind: their lengths were checked
  const detail = fieldOf(reader);
  const subject = detail && fieldOf(reader);
  return { kind, detail, subject, actor: subject && fieldOf(reader) };
}

/**
 * Tells whether an op says that somebody is no longer a member.
 * @param op the op, not verified
 * @returns whether its kind is that of a `leave` or a `remove`
 */
export function isDeparture(op: Uint8Array): boolean {
  const kind = opKindAt(op);
  return kind === OP_KIND.leave || kind === OP_KIND.remove;
}

/**
 * Spells an id as it stands in headers.
 * @param id 32 bytes
 * @returns 52 characters of base32
 */
export function spellId(id: Uint8Array): Fingerprint {
  return encodeBase32(id).replace(/=+$/, "");
}

/**
 * Encodes the body of `publishMany`.
 * @param items 1 to 256 events, each under an id of its own
 * @returns the body
 */
export function encodeMany(items: readonly ManyItem[]): Bytes {
  return concat(...items.flatMap(({ to, id, box }) => [decodeBase32(`${to}====`), decodeHex(id), lv(box)]));
}

/**
 * Decodes the body of `publishMany`.
 * @param body the body
 * @returns the events, in order
 * @throws {DecodeError} when it is cut short, has none or more than 256, or names an id twice
 */
export function decodeMany(body: Bytes): ManyItem[] {
  const reader = new ByteReader(body, "events for many");
  const items: ManyItem[] = [];
  const ids = new Set<EventId>();
  do {
    if (items.length >= MANY_MAX_EVENTS) {
      throw new DecodeError(`Cannot decode events for many: they are more than ${MANY_MAX_EVENTS}`);
    }
    const to = spellId(reader.take(ID_BYTES));
    const id = encodeHex(reader.take(EVENT_ID_BYTES));
    // The answer names ids alone.
    if (ids.has(id)) throw new DecodeError("Cannot decode events for many: an id stands there twice");
    ids.add(id);
    items.push({ to, id, box: reader.lv(PACKET_MAX_BYTES) });
  } while (reader.remaining > 0);
  return items;
}

/**
 * Encodes the body of `acceptedMany`.
 * @param ids the events that were not stored
 * @returns the body, empty when all were
 */
export function encodeEventIds(ids: readonly EventId[]): Bytes {
  return concat(...ids.map((id) => decodeHex(id)));
}

/**
 * Decodes the body of `acceptedMany`.
 * @param body the body
 * @returns the events that were not stored
 * @throws {DecodeError} when it is cut short, or has more ids than `publishMany` can have
 */
export function decodeEventIds(body: Bytes): EventId[] {
  if (body.length > MANY_MAX_EVENTS * EVENT_ID_BYTES) {
    throw new DecodeError(`Cannot decode ids of events: they are more than ${MANY_MAX_EVENTS}`);
  }
  const reader = new ByteReader(body, "ids of events");
  const ids: EventId[] = [];
  while (reader.remaining > 0) ids.push(encodeHex(reader.take(EVENT_ID_BYTES)));
  return ids;
}

/** From what a newcomer of an open room starts whose old ops are gone. */
export interface Snapshot {
  /** An op of a member that bears it out. */
  readonly op: Bytes;
  /** The room's membership, see `e2ee/membership_codec.ts`. */
  readonly membership: Bytes;
}

/**
 * Encodes a page of ops.
 * @param ops the ops, in the order of their places
 * @returns the body
 */
export function encodeOps(ops: readonly PagedOp[]): Bytes {
  return concat(...ops.flatMap(({ at, op }) => [u64be(at), lv(op)]));
}

/**
 * Decodes a page of ops.
 * @param body the body
 * @returns the ops, in the order of their places
 * @throws {DecodeError} when it is cut short, or an op is empty or too long
 */
export function decodeOps(body: Bytes): PagedOp[] {
  const reader = new ByteReader(body, "page of ops");
  const ops: PagedOp[] = [];
  while (reader.remaining > 0) {
    const at = reader.u64();
    const op = reader.lv(OP_BODY_MAX_BYTES);
    if (op.length === 0) throw new DecodeError("Cannot decode page of ops: an op is empty");
    ops.push({ at, op });
  }
  return ops;
}

/**
 * Encodes a snapshot, which travels in parts.
 * @param snapshot the op and the membership
 * @returns all of it
 */
export function encodeSnapshot({ op, membership }: Snapshot): Bytes {
  return concat(lv(op), lv(membership));
}

/**
 * Decodes a snapshot.
 * @param bytes all of it
 * @returns the op and the membership, neither judged
 * @throws {DecodeError} when it is cut short, something follows it, or the op is empty or too long
 */
export function decodeSnapshot(bytes: Bytes): Snapshot {
  const reader = new ByteReader(bytes, "snapshot");
  const op = reader.lv(OP_BODY_MAX_BYTES);
  if (op.length === 0) throw new DecodeError("Cannot decode snapshot: its op is empty");
  const membership = reader.lv(bytes.length);
  reader.end();
  return { op, membership };
}

function fieldOf(reader: ByteReader): Bytes | undefined {
  if (reader.remaining < LENGTH_BYTES) return undefined;
  const lengthBytes = reader.u32();
  return lengthBytes <= reader.remaining ? reader.take(lengthBytes) : undefined;
}
