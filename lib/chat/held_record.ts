/**
 * A private message that waits for its author to be introduced, as it is kept over runs of a client:
 *
 * ```
 * version 1 | lv(suite 1) | lv(id of its author 32) | lv(place in our inbox 8) | lv(the relay's time of it (ms) 8)
 *           | lv(id of its event 16) | lv(SHA-256 of its box 32) | lv(what was opened)
 * ```
 *
 * Its row is named by the hash of its box, for the id of an event is its author's to choose. There is one spelling: what
 * decodes encodes to the same bytes again. Secret: it holds what was written.
 * @module
 */

import { decodeHex, encodeHex } from "@std/encoding/hex";
import { DecodeError } from "../bytes/errors.ts";
import { ByteReader } from "../bytes/reader.ts";
import { type Bytes, concat, lvCat, u64be, u8 } from "../bytes/writer.ts";
import { fingerprintOf, idOf } from "../e2ee/identity.ts";
import { HEAD_MAX_BYTES, TEXT_MAX_BYTES } from "../e2ee/plaintext.ts";
import { readSuite, suiteField } from "../e2ee/signed.ts";
import { readVersion, STATE_VERSION } from "../e2ee/state_fields.ts";
import type { EventId, Fingerprint } from "../wire/messages.ts";
import { decodeContent, type PrivateContent } from "./content.ts";

const WHAT = "held message";
const PLAINTEXT_MAX_BYTES = 2 + HEAD_MAX_BYTES + TEXT_MAX_BYTES;

/** What may wait: a receipt of somebody to whom nothing was written means nothing. */
export type HeldContent = Exclude<PrivateContent, { readonly kind: "receipt" }>;

/** A message as it is kept. */
export interface HeldRecord {
  /** Whose session it came from. */
  readonly from: Fingerprint;
  /** Its place in our inbox. */
  readonly seq: number;
  /** The relay's time of it, in milliseconds since 1970 (UTC). */
  readonly at: number;
  /** The id of its event. */
  readonly id: EventId;
  /** SHA-256 of what it was sealed in. */
  readonly boxHash: Bytes;
  /** What was opened, as it was; secret. */
  readonly plaintext: Bytes;
}

/**
 * Encodes a record.
 * @param record the message
 * @returns secret bytes
 */
export function encodeHeldRecord({ from, seq, at, id, boxHash, plaintext }: HeldRecord): Bytes {
  const fields = lvCat(suiteField(), idOf(from), u64be(seq), u64be(at), decodeHex(id), boxHash, plaintext);
  return concat(u8(STATE_VERSION), fields);
}

/**
 * Decodes a record.
 * @param bytes what {@linkcode encodeHeldRecord} gave
 * @returns the message, and what it says
 * @throws {DecodeError} when it is anything else, or says nothing that may wait
 */
export function decodeHeldRecord(bytes: Bytes): HeldRecord & { readonly content: HeldContent } {
  const reader = new ByteReader(bytes, WHAT);
  readVersion(reader, WHAT);
  readSuite(reader);
  const from = fingerprintOf(reader.lvExactly(32));
  const seq = new ByteReader(reader.lvExactly(8), WHAT).u64();
  const at = new ByteReader(reader.lvExactly(8), WHAT).u64();
  const id = encodeHex(reader.lvExactly(16));
  const boxHash = reader.lvExactly(32);
  const plaintext = reader.lv(PLAINTEXT_MAX_BYTES);
  reader.end();
  const content = decodeContent(plaintext);
  if ("claims" in content || content.kind === "receipt" || content.id !== id) {
    throw new DecodeError("Cannot decode held message: it is none, or is of another event");
  }
  return { from, seq, at, id, boxHash, plaintext, content };
}
