/**
 * Which relay a client met at an address, as a row of its store (PROTOCOL §2, the pin):
 *
 * ```
 * version 1 | lv(SHA-256 that is the fingerprint 32) | lv(name, at most 64) | lv(first met (ms) 8)
 * ```
 *
 * The key of the row is `HOST:PORT` as it was dialled.
 * @module
 */

import { ByteReader, fromUtf8 } from "../bytes/reader.ts";
import { type Bytes, concat, lvCat, u64be, u8, utf8 } from "../bytes/writer.ts";
import { RELAY_NAME_MAX_BYTES } from "../cli/relay_name.ts";
import { type Fingerprint, fingerprintOf, idOf } from "../e2ee/identity.ts";
import { readVersion, STATE_VERSION } from "../e2ee/state_fields.ts";

const FINGERPRINT_BYTES = 32;

/** A relay that was accepted. */
export interface RelayPin {
  /** Its fingerprint; another one at the same address is refused. */
  readonly fingerprint: Fingerprint;
  /** What it called itself when it was met; shown to people, never trusted. */
  readonly name: string;
  /** When it was met, in milliseconds since 1970 (UTC). */
  readonly firstMetMs: number;
}

/**
 * Encodes a pin.
 * @param pin the pin
 * @returns its bytes
 */
export function encodeRelayPin({ fingerprint, name, firstMetMs }: RelayPin): Bytes {
  return concat(u8(STATE_VERSION), lvCat(idOf(fingerprint), utf8(name), u64be(firstMetMs)));
}

/**
 * Decodes a pin.
 * @param bytes what {@linkcode encodeRelayPin} gave
 * @returns the pin
 * @throws {DecodeError} when it is anything else
 */
export function decodeRelayPin(bytes: Bytes): RelayPin {
  const reader = new ByteReader(bytes, "relay pin");
  readVersion(reader, "relay pin");
  const fingerprint = fingerprintOf(reader.lvExactly(FINGERPRINT_BYTES));
  const name = fromUtf8(reader.lv(RELAY_NAME_MAX_BYTES));
  const firstMetMs = new ByteReader(reader.lvExactly(8), "relay pin").u64();
  reader.end();
  return { fingerprint, name, firstMetMs };
}
