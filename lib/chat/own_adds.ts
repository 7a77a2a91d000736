/**
 * The ops by which we add somebody whose invitation the relay has, as they are kept until their place is known: whoever
 * dies in between publishes them again, and the relay places each but once. A row of the room (state.ts):
 *
 * ```
 * adds   version 1 | lv(suite 1) | lv(lv(id of its event 16) || lv(certificate of whom it adds) || lv(op) || …)
 * ```
 *
 * There is one spelling, and no row for none.
 * @module
 */

import { decodeHex, encodeHex } from "@std/encoding/hex";
import { DecodeError } from "../bytes/errors.ts";
import { ByteReader } from "../bytes/reader.ts";
import { type Bytes, concat, lvCat, u8 } from "../bytes/writer.ts";
import { type Certificate, CERTIFICATE_MAX_BYTES, verifyCertificate } from "../e2ee/certificate.ts";
import { OP_MAX_BYTES } from "../e2ee/membership_op.ts";
import { ROSTER_MEMBERS_MAX } from "../e2ee/roster.ts";
import { readSuite, suiteField } from "../e2ee/signed.ts";
import { orDamaged, readVersion, STATE_VERSION } from "../e2ee/state_fields.ts";
import type { EventId } from "../wire/messages.ts";

/** The name of the row. */
export const ADDS_ROW = "adds";

const ID_BYTES = 16;
const ADDS_MAX_BYTES = ROSTER_MEMBERS_MAX * (4 + ID_BYTES + 4 + CERTIFICATE_MAX_BYTES + 4 + OP_MAX_BYTES);

/** An op that adds somebody. */
export interface OwnAdd {
  /** The id of its event. */
  readonly id: EventId;
  /** Whom it adds. */
  readonly subject: Certificate;
  /** The op, signed. */
  readonly bytes: Bytes;
}

/**
 * Encodes what is on its way; no more than as many as a room has members.
 * @param adds the ops, oldest first
 * @returns the row; `undefined` for none
 */
export function encodeOwnAdds(adds: readonly OwnAdd[]): Bytes | undefined {
  if (adds.length === 0) return undefined;
  const items = adds.slice(0, ROSTER_MEMBERS_MAX)
    .map(({ id, subject, bytes }) => lvCat(decodeHex(id), subject.encoded, bytes));
  return concat(u8(STATE_VERSION), lvCat(suiteField(), concat(...items)));
}

/**
 * Decodes the row; what the ops are worth shows when they are placed.
 * @param row what {@linkcode encodeOwnAdds} gave
 * @returns the ops, oldest first
 * @throws {DecodeError} when it is anything else
 */
export async function decodeOwnAdds(row: Bytes): Promise<OwnAdd[]> {
  const reader = new ByteReader(row, "own adds");
  readVersion(reader, "own adds");
  readSuite(reader);
  const items = new ByteReader(reader.lv(ADDS_MAX_BYTES), "own adds");
  reader.end();
  const adds: OwnAdd[] = [];
  while (items.remaining > 0 && adds.length < ROSTER_MEMBERS_MAX) {
    const id = encodeHex(items.lvExactly(ID_BYTES));
    const certificate = items.lv(CERTIFICATE_MAX_BYTES);
    const bytes = items.lv(OP_MAX_BYTES);
    adds.push({ id, subject: await orDamaged(() => verifyCertificate(certificate)), bytes });
  }
  items.end();
  const ids = new Set(adds.map(({ id }) => id));
  if (adds.length === 0 || ids.size < adds.length) throw new DecodeError("Cannot decode own adds: none, or one twice");
  return adds;
}
