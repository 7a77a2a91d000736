/**
 * How far a stream was read, as a row of the client's store:
 *
 * ```
 * key    the relay's fingerprint 52 | "/" | the stream's name
 * value  version 1 | lv(generation 16) | lv(seq 8) | lv(at (ms) 8)
 * ```
 *
 * @module
 */

import { decodeHex, encodeHex } from "@std/encoding/hex";
import { DecodeError } from "../bytes/errors.ts";
import { ByteReader, fromUtf8 } from "../bytes/reader.ts";
import { type Bytes, concat, lvCat, u64be, u8, utf8 } from "../bytes/writer.ts";
import type { StoredCursor } from "../chat/state.ts";
import { readVersion, STATE_VERSION } from "../e2ee/state_fields.ts";

const GENERATION_BYTES = 16;
const NUMBER_BYTES = 8;
const KEY_PATTERN = /^(?<relay>[A-Z2-7]{51}[AQ])\/(?<stream>(?:room|inbox)\/[A-Z2-7]{51}[AQ])$/;

/**
 * Names the row of a cursor.
 * @param cursor whose
 * @returns its key
 */
export function cursorKey({ relay, stream }: Pick<StoredCursor, "relay" | "stream">): Bytes {
  return utf8(`${relay}/${stream}`);
}

/**
 * Encodes a cursor.
 * @param cursor the cursor
 * @returns 41 bytes
 */
export function encodeCursor({ generation, seq, at }: StoredCursor): Bytes {
  return concat(u8(STATE_VERSION), lvCat(decodeHex(generation), u64be(seq), u64be(at)));
}

/**
 * Decodes a cursor.
 * @param key what {@linkcode cursorKey} gave
 * @param value what {@linkcode encodeCursor} gave
 * @returns the cursor
 * @throws {DecodeError} when they are anything else
 */
export function decodeCursor(key: Bytes, value: Bytes): StoredCursor {
  const { relay, stream } = KEY_PATTERN.exec(fromUtf8(key))?.groups ?? {};
  if (relay === undefined || stream === undefined) throw new DecodeError("Cannot decode cursor: its key is malformed");
  const reader = new ByteReader(value, "cursor");
  readVersion(reader, "cursor");
  const generation = encodeHex(reader.lvExactly(GENERATION_BYTES));
  const seq = new ByteReader(reader.lvExactly(NUMBER_BYTES), "cursor").u64();
  const at = new ByteReader(reader.lvExactly(NUMBER_BYTES), "cursor").u64();
  reader.end();
  return { relay, stream, generation, seq, at };
}
