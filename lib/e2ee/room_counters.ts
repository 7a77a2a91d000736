/**
 * What is counted in a room, as a row:
 *
 * ```
 * version 1 | lv(suite 1) | lv(tally, see tally.ts) | lv(whether messages are missing in it 1)
 *           | lv(of each sender: id 32 | last m 8)
 * ```
 *
 * @module
 */

import { DecodeError } from "../bytes/errors.ts";
import { ByteReader } from "../bytes/reader.ts";
import { type Bytes, concat, lvCat, u64be, u8 } from "../bytes/writer.ts";
import { SHA256_BYTES } from "../crypto/hash.ts";
import { type Fingerprint, fingerprintOf, idOf } from "./identity.ts";
import { RoomTally } from "./room_tally.ts";
import { ROSTER_MEMBERS_MAX } from "./roster.ts";
import { readSuite, suiteField } from "./signed.ts";
import { readFlag, readItems, readVersion, STATE_VERSION } from "./state_fields.ts";
import { decodeTally, encodeTally } from "./tally.ts";

/** Senders whose numbers are remembered: all members, and as many that have left. */
export const SENDERS_MAX: number = 2 * ROSTER_MEMBERS_MAX;

const COUNTER_BYTES = SHA256_BYTES + 8;
const TALLY_MAX_BYTES = 128;

/**
 * Encodes the counters of a room.
 * @param tally of its current head
 * @param counters the number of each sender's last message, the one heard longest ago first
 * @returns the bytes; no secret
 */
export function encodeCounters(tally: RoomTally, counters: ReadonlyMap<Fingerprint, number>): Bytes {
  const list = [...counters].map(([who, m]) => concat(idOf(who), u64be(m)));
  return concat(
    u8(STATE_VERSION),
    lvCat(suiteField(), encodeTally(tally.state), u8(tally.isBroken ? 1 : 0), concat(...list)),
  );
}

/**
 * Decodes the counters of a room.
 * @param bytes what {@linkcode encodeCounters} gave
 * @returns the tally and the counters
 * @throws {DecodeError} when it is anything else
 */
export function decodeCounters(bytes: Bytes): { tally: RoomTally; counters: Map<Fingerprint, number> } {
  const reader = new ByteReader(bytes, "counters");
  readVersion(reader, "counters");
  readSuite(reader);
  const state = decodeTally(reader.lv(TALLY_MAX_BYTES));
  const tally = new RoomTally(state, readFlag(reader));
  const items = readItems(reader, COUNTER_BYTES, SENDERS_MAX);
  reader.end();
  const counters = new Map(items.map((item) => {
    const who = fingerprintOf(item.take(SHA256_BYTES));
    return [who, item.u64()] as const;
  }));
  if (counters.size !== items.length) throw new DecodeError("Cannot decode counters: somebody is there twice");
  return { tally, counters };
}
