/**
 * What was told of a conversation, as it is kept:
 *
 * ```
 * version 1 | lv(when 8) | lv(flags 1) | lv(kind 1: 1 message, 2 own, 3 gap) | lv(id of the event 16)
 *           | lv(fingerprint of its author 32, or empty) | lv(its name, or empty) | lv(trust 1) | lv(sent 8) | lv(placed 8)
 *           | lv(count 8) | lv(name of the room, or to whom) | lv(text)
 * ```
 *
 * `when` is the time of history_clock.ts. Flags: 1, it goes once it was shown; 2, in a room; 4, the author was
 * distrusted; 8, it was late; 16, it has an author. `trust` is how well the author's key was known then, 0 without an
 * author. Secret: it holds what was written.
 * @module
 */

import { decodeHex, encodeHex } from "@std/encoding/hex";
import { DecodeError } from "../bytes/errors.ts";
import { ByteReader, fromUtf8 } from "../bytes/reader.ts";
import { type Bytes, concat, lvCat, u64be, u8, utf8 } from "../bytes/writer.ts";
import { fingerprintOf, idOf } from "../e2ee/identity.ts";
import { TEXT_MAX_BYTES } from "../e2ee/plaintext.ts";
import { readVersion, STATE_VERSION } from "../e2ee/state_fields.ts";
import type { Trust } from "./events.ts";
import type { KeptEvent } from "./history_events.ts";

/** An entry as it is kept. */
export interface KeptEntry {
  /** What was told. */
  readonly event: KeptEvent;
  /** When, by the time of history_clock.ts. */
  readonly keptMs: number;
  /** Whether it is kept only until it was shown. */
  readonly isTransient: boolean;
}

const KINDS = ["message", "accepted", "gap"] as const satisfies readonly KeptEvent["type"][];
const TRUSTS = ["new", "known", "verified", "changed"] as const satisfies readonly Trust[];
const NAME_MAX_BYTES = 256;
const NOTHING = new Uint8Array(0);
const FLAGS = { transient: 1, room: 2, distrusted: 4, late: 8, author: 16 } as const;
const FLAGS_ALL = 31;
/** An id that is not there: gaps of earlier than their ids. */
const NO_ID = "00".repeat(16);

/**
 * Encodes an entry.
 * @param entry what was told, and when
 * @returns secret bytes
 */
export function encodeEntry({ event, keptMs, isTransient }: KeptEntry): Bytes {
  const { place } = event;
  const author = event.type === "message" ? event.from : event.type === "gap" ? event.from : undefined;
  const key = event.type === "message" ? event : undefined;
  const isLate = event.type === "message" && event.late === true;
  const flags = (isTransient ? FLAGS.transient : 0) | ("room" in place ? FLAGS.room : 0) |
    (key?.distrusted ? FLAGS.distrusted : 0) | (isLate ? FLAGS.late : 0) | (author === undefined ? 0 : FLAGS.author);
  const isText = event.type !== "gap";
  const fields = lvCat(
    u64be(keptMs),
    u8(flags),
    u8(KINDS.indexOf(event.type) + 1),
    decodeHex(event.id ?? NO_ID),
    key === undefined ? NOTHING : idOf(key.fingerprint),
    author === undefined ? NOTHING : utf8(author),
    u8(key === undefined ? 0 : TRUSTS.indexOf(key.trust) + 1),
    u64be(isText ? event.sentAt : 0),
    u64be(isText ? event.at : 0),
    u64be(isText ? 0 : event.count),
    utf8("room" in place ? place.room : place.to),
    utf8(isText ? event.text : ""),
  );
  return concat(u8(STATE_VERSION), fields);
}

/**
 * Decodes an entry.
 * @param bytes what {@linkcode encodeEntry} gave
 * @returns the entry
 * @throws {DecodeError} when it is anything else
 */
export function decodeEntry(bytes: Bytes): KeptEntry {
  const reader = new ByteReader(bytes, "entry");
  readVersion(reader, "entry");
  const keptMs = readNumber(reader);
  const flags = reader.lvExactly(1)[0] as number;
  const type = KINDS[(reader.lvExactly(1)[0] as number) - 1];
  const id = encodeHex(reader.lvExactly(16));
  const fingerprint = reader.lv(32);
  const author = fromUtf8(reader.lv(NAME_MAX_BYTES));
  const trustNumber = reader.lvExactly(1)[0] as number;
  const [sentAt, at, count] = [readNumber(reader), readNumber(reader), readNumber(reader)];
  const placeName = fromUtf8(reader.lv(NAME_MAX_BYTES));
  const text = fromUtf8(reader.lv(TEXT_MAX_BYTES));
  reader.end();
  const has = (flag: number) => (flags & flag) !== 0;
  const place = has(FLAGS.room) ? { room: placeName } : { to: placeName };
  const entry = (event: KeptEvent): KeptEntry => ({ event, keptMs, isTransient: has(FLAGS.transient) });
  const trust = TRUSTS[trustNumber - 1];
  const isMessage = type === "message" && trust !== undefined && fingerprint.length === 32 && has(FLAGS.author);
  const isPlain = trustNumber === 0 && fingerprint.length === 0 && !has(FLAGS.distrusted) && !has(FLAGS.late);
  const isNumbered = type === "gap" ? sentAt === 0 && at === 0 && text === "" : count === 0;
  const isAuthored = has(FLAGS.author) || author === "";
  if ((flags & ~FLAGS_ALL) !== 0 || !isNumbered || !isAuthored || !(isMessage || (isPlain && type !== "message"))) {
    throw new DecodeError("Cannot decode entry: its fields do not fit");
  }
  if (type === "gap") {
    const idField = id === NO_ID ? {} : { id };
    return entry({ type, ...idField, place, ...(has(FLAGS.author) ? { from: author } : {}), count });
  }
  if (type === "accepted" && !has(FLAGS.author)) return entry({ type, id, place, at, sentAt, text });
  if (type !== "message" || trust === undefined) throw new DecodeError("Cannot decode entry: its fields do not fit");
  const marks = { ...(has(FLAGS.distrusted) ? { distrusted: true as const } : {}) };
  const late = has(FLAGS.late) ? { late: true as const } : {};
  const who = { from: author, fingerprint: fingerprintOf(fingerprint), trust, ...marks };
  return entry({ type, id, place, ...who, text, sentAt, at, ...late });
}

function readNumber(reader: ByteReader): number {
  return new ByteReader(reader.lvExactly(8), "entry").u64();
}
