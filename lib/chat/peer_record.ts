/**
 * What a client remembers of one key between runs (PROTOCOL §1, Known peers): its newest certificate, when it was first
 * met, on what trust in it rests, and which names belong to it. As bytes, to be sealed in the client's store:
 *
 * ```
 * version 1 | lv(suite 1) | lv(certificate) | lv(first seen (ms) 8) | lv(how 1) | lv(lv(folded name) || …, sorted)
 * ```
 *
 * How: 0 first use, 1 accepted by the person, 2 numbers compared, 3 distrusted, 4 met by a code. There is one spelling:
 * what decodes encodes to the same bytes again.
 * @module
 */

import { DecodeError } from "../bytes/errors.ts";
import { ByteReader, fromUtf8 } from "../bytes/reader.ts";
import { type Bytes, concat, lvCat, u64be, u8, utf8 } from "../bytes/writer.ts";
import { type Certificate, CERTIFICATE_MAX_BYTES, verifyCertificate } from "../e2ee/certificate.ts";
import { readSuite, suiteField } from "../e2ee/signed.ts";
import { orDamaged, readVersion, STATE_VERSION } from "../e2ee/state_fields.ts";

/** On what trust in a key rests: first use, the person's word, compared numbers or a code, or that it was taken back. */
export type TrustGround = "tofu" | "accepted" | "number" | "distrusted" | "code";

/** What is to be remembered of one key. */
export interface PeerRecord {
  /** The newest that was seen of that key. */
  readonly certificate: Certificate;
  /** When it was first met, in milliseconds since 1970 (UTC). */
  readonly firstSeenMs: number;
  /** On what the trust in it rests. */
  readonly how: TrustGround;
  /** The names that belong to it, folded. */
  readonly names: readonly string[];
}

/** How many names one key may own: a person renames now and then, not all day. */
export const NAMES_PER_KEY_MAX = 64;

/** A folded name in UTF-8: folding can make three code points of one. */
const FOLDED_MAX_BYTES = 512;
const GROUNDS: readonly TrustGround[] = ["tofu", "accepted", "number", "distrusted", "code"];

/**
 * Encodes a record.
 * @param record the record; of more than 64 names the first in order are kept
 * @returns the bytes; no secret, but whom somebody talks to is nobody else's business
 */
export function encodePeerRecord(record: PeerRecord): Bytes {
  const names = record.names.toSorted().slice(0, NAMES_PER_KEY_MAX);
  return concat(
    u8(STATE_VERSION),
    lvCat(
      suiteField(),
      record.certificate.encoded,
      u64be(record.firstSeenMs),
      u8(GROUNDS.indexOf(record.how)),
      lvCat(...names.map(utf8)),
    ),
  );
}

/**
 * Decodes a record.
 * @param bytes what {@linkcode encodePeerRecord} gave
 * @returns the record, its certificate verified
 * @throws {DecodeError} when it is anything else
 */
export async function decodePeerRecord(bytes: Bytes): Promise<PeerRecord> {
  const reader = new ByteReader(bytes, "peer record");
  readVersion(reader, "peer record");
  readSuite(reader);
  const certificateBytes = reader.lv(CERTIFICATE_MAX_BYTES);
  const firstSeenMs = new ByteReader(reader.lvExactly(8), "peer record").u64();
  const how = GROUNDS[reader.lvExactly(1)[0] as number];
  if (how === undefined) throw new DecodeError("Cannot decode peer record: it rests on an unknown ground");
  const names = readNames(reader.lv(NAMES_PER_KEY_MAX * (4 + FOLDED_MAX_BYTES)));
  reader.end();
  const certificate = await orDamaged(() => verifyCertificate(certificateBytes));
  return { certificate, firstSeenMs, how, names };
}

function readNames(list: Bytes): string[] {
  const reader = new ByteReader(list, "names");
  const names: string[] = [];
  while (reader.remaining > 0) {
    const name = fromUtf8(reader.lv(FOLDED_MAX_BYTES));
    const previous = names.at(-1);
    if (previous !== undefined && previous >= name) throw new DecodeError("Cannot decode names: they are not sorted");
    names.push(name);
  }
  if (names.length > NAMES_PER_KEY_MAX) throw new DecodeError("Cannot decode names: there are too many");
  return names;
}
