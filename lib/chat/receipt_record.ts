/**
 * A text of ours whose reader may say what became of it, as it is kept over runs of a client:
 *
 * ```
 * version 1 | lv(suite 1) | lv(when it was sealed (ms) 8) | lv(state 1: 0 nothing said, 1 delivered)
 *           | lv(SHA-256 of each box that it was sealed in, 32 each, 1 to 4)
 * ```
 *
 * Its row is named by the peer and by the id of its event, which the relay knows too. There is one spelling: what
 * decodes encodes to the same bytes again.
 * @module
 */

import { decodeHex } from "@std/encoding/hex";
import { DecodeError } from "../bytes/errors.ts";
import { ByteReader } from "../bytes/reader.ts";
import { type Bytes, concat, lvCat, u64be, u8 } from "../bytes/writer.ts";
import { readSuite, suiteField } from "../e2ee/signed.ts";
import { readFlag, readHexItems, readVersion, STATE_VERSION } from "../e2ee/state_fields.ts";

/** In how many boxes one text is known: it is sealed anew when a link was lost before the relay answered. */
export const BOXES_PER_TEXT_MAX = 4;

/** What is kept of one text. */
export interface ReceiptRecord {
  /** When it was sealed last, in milliseconds since 1970 (UTC). */
  readonly sealedAtMs: number;
  /** Whether its reader has said that it is delivered. */
  readonly isDelivered: boolean;
  /** The boxes that it was sealed in, oldest first: SHA-256 in lower-case hexadecimal. */
  readonly boxes: readonly string[];
}

/**
 * Encodes a record.
 * @param record what is known; of more than 4 boxes the newest are kept
 * @returns the bytes
 */
export function encodeReceiptRecord({ sealedAtMs, isDelivered, boxes }: ReceiptRecord): Bytes {
  const hashes = concat(...boxes.slice(-BOXES_PER_TEXT_MAX).map((box) => decodeHex(box)));
  return concat(u8(STATE_VERSION), lvCat(suiteField(), u64be(sealedAtMs), u8(isDelivered ? 1 : 0), hashes));
}

/**
 * Decodes a record.
 * @param bytes what {@linkcode encodeReceiptRecord} gave
 * @returns the record
 * @throws {DecodeError} when it is anything else
 */
export function decodeReceiptRecord(bytes: Bytes): ReceiptRecord {
  const reader = new ByteReader(bytes, "receipt record");
  readVersion(reader, "receipt record");
  readSuite(reader);
  const sealedAtMs = new ByteReader(reader.lvExactly(8), "receipt record").u64();
  const isDelivered = readFlag(reader);
  const boxes = readHexItems(reader, 32, BOXES_PER_TEXT_MAX);
  reader.end();
  if (boxes.length === 0 || new Set(boxes).size !== boxes.length) {
    throw new DecodeError("Cannot decode receipt record: it names no box, or one twice");
  }
  return { sealedAtMs, isDelivered, boxes };
}
