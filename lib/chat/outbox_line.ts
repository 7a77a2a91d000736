/**
 * A line that waits for the relay, as it is kept over runs of a client:
 *
 * ```
 * version 1 | lv(suite 1) | lv(order 8) | lv(kind 1: 1 text, 2 topic, 3 invitation) | lv(id of its event 16) | lv(stream)
 *           | lv(name of the room, or of the other) | lv(ids of whom it is for, 32 each) | lv(when it was written 8)
 *           | lv(its number m in the room 8, 0 without one) | lv(text) | lv(room that it invites to 32, or empty)
 *           | lv(topic of that room)
 * ```
 *
 * Secret: it holds what was written.
 * @module
 */

import { decodeHex, encodeHex } from "@std/encoding/hex";
import { DecodeError } from "../bytes/errors.ts";
import { ByteReader, fromUtf8 } from "../bytes/reader.ts";
import { type Bytes, concat, lvCat, u64be, u8, utf8 } from "../bytes/writer.ts";
import { fingerprintOf, idOf } from "../e2ee/identity.ts";
import { TEXT_MAX_BYTES } from "../e2ee/plaintext.ts";
import { ROSTER_MEMBERS_MAX } from "../e2ee/roster.ts";
import { readSuite, suiteField } from "../e2ee/signed.ts";
import { readItems, readVersion, STATE_VERSION } from "../e2ee/state_fields.ts";
import { TOPIC_MAX_CHARS } from "./content.ts";
import type { OutgoingLine } from "./outgoing.ts";

/** A line as it is kept. */
export interface KeptLine {
  /** Lines leave in this order. */
  readonly order: number;
  /** The line; what a script put beside it is not kept. */
  readonly line: OutgoingLine;
  /** Its number among ours in its room, once it was sealed. */
  readonly m?: number | undefined;
}

const KINDS = ["text", "topic", "invitation"] as const satisfies readonly OutgoingLine["kind"][];
const STREAM = /^(room|inbox)\/([A-Z2-7]{51}[AQ])$/;
const STREAM_MAX_BYTES = 64;
const NAME_MAX_BYTES = 256;
const NOTHING = new Uint8Array(0);

/**
 * Encodes a line.
 * @param kept the line, its order and its number
 * @returns secret bytes
 */
export function encodeKeptLine({ order, line, m = 0 }: KeptLine): Bytes {
  const { kind, id, stream, place, audience, sentAtMs, text, invitesTo, topic = "" } = line;
  const fields = lvCat(
    suiteField(),
    u64be(order),
    u8(KINDS.indexOf(kind) + 1),
    decodeHex(id),
    utf8(stream),
    utf8("room" in place ? place.room : place.to),
    concat(...audience.map(idOf)),
    u64be(sentAtMs),
    u64be(m),
    utf8(text),
    invitesTo === undefined ? NOTHING : idOf(invitesTo),
    utf8(topic),
  );
  return concat(u8(STATE_VERSION), fields);
}

/**
 * Decodes a line.
 * @param bytes what {@linkcode encodeKeptLine} gave
 * @returns the line, its order and its number
 * @throws {DecodeError} when it is anything else
 */
export function decodeKeptLine(bytes: Bytes): KeptLine {
  const reader = new ByteReader(bytes, "line");
  readVersion(reader, "line");
  readSuite(reader);
  const order = readNumber(reader);
  const kind = KINDS[(reader.lvExactly(1)[0] as number) - 1];
  const id = encodeHex(reader.lvExactly(16));
  const stream = fromUtf8(reader.lv(STREAM_MAX_BYTES));
  const name = fromUtf8(reader.lv(NAME_MAX_BYTES));
  const audience = readItems(reader, 32, ROSTER_MEMBERS_MAX).map((item) => fingerprintOf(item.rest()));
  const sentAtMs = readNumber(reader);
  const m = readNumber(reader);
  const text = fromUtf8(reader.lv(TEXT_MAX_BYTES));
  const invitesTo = reader.lv(32);
  const topic = fromUtf8(reader.lv(4 * TOPIC_MAX_CHARS));
  reader.end();
  const [, streamKind, owner = ""] = STREAM.exec(stream) ?? [];
  const isInvitation = kind === "invitation";
  const fits = kind !== undefined && streamKind !== undefined && (invitesTo.length === 32) === isInvitation &&
    (topic === "" || isInvitation) && (streamKind === "room" ? !isInvitation : kind !== "topic" && m === 0);
  if (!fits) throw new DecodeError("Cannot decode line: its fields do not fit");
  const more = isInvitation ? { invitesTo: fingerprintOf(invitesTo), ...(topic === "" ? {} : { topic }) } : {};
  const base = { kind, id, stream, audience, sentAtMs, text, ...more };
  const line = streamKind === "room"
    ? { ...base, room: owner, place: { room: name } }
    : { ...base, room: null, place: { to: name } };
  return { order, line, ...(m === 0 ? {} : { m }) };
}

function readNumber(reader: ByteReader): number {
  return new ByteReader(reader.lvExactly(8), "line").u64();
}
