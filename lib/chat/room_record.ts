/**
 * What a client keeps of a room beside its log and keys: what it is called here, how people come in, and its topic.
 *
 * ```
 * version 1 | lv(suite 1) | lv(kind 1) | lv(state 1) | lv(isCurrent 1) | lv(name) | lv(id of who invited us 32, or empty)
 *           | lv(topic) | lv(id of who set it 32, or empty) | lv(when, as they say 8)
 * ```
 *
 * Kinds: 1 open, 2 invite. States: 1 in, 2 invited. There is one spelling.
 * @module
 */

import { DecodeError } from "../bytes/errors.ts";
import { ByteReader, fromUtf8 } from "../bytes/reader.ts";
import { type Bytes, concat, lvCat, u64be, u8, utf8 } from "../bytes/writer.ts";
import { fingerprintOf, idOf } from "../e2ee/identity.ts";
import type { RoomKind } from "../e2ee/membership_state.ts";
import { readSuite, suiteField } from "../e2ee/signed.ts";
import { readVersion, STATE_VERSION } from "../e2ee/state_fields.ts";
import type { Fingerprint } from "../wire/messages.ts";
import { TOPIC_MAX_CHARS } from "./content.ts";

/** The longest name and topic, in bytes: four for each character. */
const NAME_MAX_BYTES = 256;
const TOPIC_MAX_BYTES = 4 * TOPIC_MAX_CHARS;

/** What a room is about. */
export interface Topic {
  /** In words. */
  readonly text: string;
  /** Who said so. */
  readonly by: Fingerprint;
  /** When, as they say. */
  readonly sentAtMs: number;
}

/** A room as its person knows it. */
export interface RoomRecord {
  /** What it is called here; two rooms of a client never have the same name. */
  readonly name: string;
  /** How people come in. */
  readonly kind: RoomKind;
  /** Whether we are in it, or were invited and have not said yes. */
  readonly state: "in" | "invited";
  /** Whether lines go there that name no room. */
  readonly isCurrent: boolean;
  /** Who invited us. */
  readonly invitedBy?: Fingerprint | undefined;
  /** What it is about. */
  readonly topic?: Topic | undefined;
}

const KINDS = ["open", "invite"] as const satisfies readonly RoomKind[];
const STATES = ["in", "invited"] as const satisfies readonly RoomRecord["state"][];
const NOBODY = new Uint8Array(0);

/**
 * Encodes a record.
 * @param record the record
 * @returns its bytes
 */
export function encodeRoomRecord(record: RoomRecord): Bytes {
  const { name, kind, state, isCurrent, invitedBy, topic } = record;
  return concat(
    u8(STATE_VERSION),
    lvCat(
      suiteField(),
      u8(KINDS.indexOf(kind) + 1),
      u8(STATES.indexOf(state) + 1),
      u8(isCurrent ? 1 : 0),
      utf8(name),
      invitedBy === undefined ? NOBODY : idOf(invitedBy),
      utf8(topic?.text ?? ""),
      topic === undefined ? NOBODY : idOf(topic.by),
      u64be(topic?.sentAtMs ?? 0),
    ),
  );
}

/**
 * Decodes a record.
 * @param bytes what {@linkcode encodeRoomRecord} gave
 * @returns the record
 * @throws {DecodeError} when it is anything else
 */
export function decodeRoomRecord(bytes: Bytes): RoomRecord {
  const reader = new ByteReader(bytes, "room");
  readVersion(reader, "room");
  readSuite(reader);
  const kind = KINDS[readByte(reader) - 1];
  const state = STATES[readByte(reader) - 1];
  const current = readByte(reader);
  const name = fromUtf8(reader.lv(NAME_MAX_BYTES));
  const invitedBy = readId(reader);
  const text = fromUtf8(reader.lv(TOPIC_MAX_BYTES));
  const by = readId(reader);
  const sentAtMs = new ByteReader(reader.lvExactly(8), "room").u64();
  reader.end();
  const hasStrayTopic = by === undefined && (text !== "" || sentAtMs !== 0);
  if (kind === undefined || state === undefined || current > 1 || hasStrayTopic) {
    throw new DecodeError("Cannot decode room: its fields do not fit");
  }
  const topic = by === undefined ? undefined : { text, by, sentAtMs };
  return { name, kind, state, isCurrent: current === 1, invitedBy, topic };
}

function readByte(reader: ByteReader): number {
  return reader.lvExactly(1)[0] as number;
}

function readId(reader: ByteReader): Fingerprint | undefined {
  const id = reader.lv(32);
  if (id.length !== 0 && id.length !== 32) throw new DecodeError("Cannot decode room: an id has another length");
  return id.length === 0 ? undefined : fingerprintOf(id);
}
