/**
 * Building byte structures: big-endian numbers and length-prefixed fields (PROTOCOL "Conventions").
 * @module
 */

/** Bytes that own their buffer, the only kind that `crypto.subtle` takes. */
export type Bytes = Uint8Array<ArrayBuffer>;

const ENCODER = new TextEncoder();
/** Bytes of a length in front of a field. */
const LENGTH_BYTES = 4;

/** The largest whole number that a JavaScript number holds exactly; u64 fields stop there. */
export const U64_MAX: number = Number.MAX_SAFE_INTEGER;

/**
 * Encodes text as UTF-8.
 * @param text any text; lone surrogates become U+FFFD
 * @returns its UTF-8 bytes
 */
export function utf8(text: string): Bytes {
  return ENCODER.encode(text);
}

/**
 * Joins byte arrays.
 * @param parts the pieces, in order
 * @returns one new array
 */
export function concat(...parts: readonly Uint8Array[]): Bytes {
  let lengthBytes = 0;
  for (const part of parts) lengthBytes += part.length;
  const out = new Uint8Array(lengthBytes);
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}

/**
 * Encodes a one-byte number.
 * @param value 0 to 255
 * @returns 1 byte
 * @throws {RangeError} when it does not fit
 */
export function u8(value: number): Bytes {
  checkRange(value, 0xff);
  return Uint8Array.of(value);
}

/**
 * Encodes a two-byte number, big endian.
 * @param value 0 to 65,535
 * @returns 2 bytes
 * @throws {RangeError} when it does not fit
 */
export function u16be(value: number): Bytes {
  checkRange(value, 0xffff);
  return Uint8Array.of(value >>> 8, value & 0xff);
}

/**
 * Encodes a four-byte number, big endian.
 * @param value 0 to 2^32 - 1
 * @returns 4 bytes
 * @throws {RangeError} when it does not fit
 */
export function u32be(value: number): Bytes {
  checkRange(value, 0xffffffff);
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}

/**
 * Encodes an eight-byte number, big endian.
 * @param value 0 to 2^53 - 1
 * @returns 8 bytes
 * @throws {RangeError} when it does not fit
 */
export function u64be(value: number): Bytes {
  checkRange(value, U64_MAX);
  const out = new Uint8Array(8);
  new DataView(out.buffer).setBigUint64(0, BigInt(value));
  return out;
}

/**
 * Prefixes bytes with their length: `u32be length || x`.
 * @param bytes the field
 * @returns the field with its length in front
 */
export function lv(bytes: Uint8Array): Bytes {
  return lvCat(bytes);
}

/**
 * Joins fields, each with its length in front, so that no two lists of fields give the same bytes.
 * @param fields the fields, in order
 * @returns `lv(a) || lv(b) || …`
 */
export function lvCat(...fields: readonly Uint8Array[]): Bytes {
  let lengthBytes = 0;
  for (const field of fields) lengthBytes += LENGTH_BYTES + field.length;
  const out = new Uint8Array(lengthBytes);
  let offset = 0;
  // One array for all: nearly every structure is built here, and the pieces would cost more than the bytes.
  for (const field of fields) {
    const { length } = field;
    checkRange(length, 0xffffffff);
    out[offset] = length >>> 24;
    out[offset + 1] = length >>> 16;
    out[offset + 2] = length >>> 8;
    out[offset + 3] = length;
    out.set(field, offset + LENGTH_BYTES);
    offset += LENGTH_BYTES + length;
  }
  return out;
}

/** The uses that a label can name, one for each structure that is signed, hashed or derived (PROTOCOL "Conventions"). */
export type LabelUse =
  | "cert"
  | "bundle"
  | "opk"
  | "live bundle"
  | "session"
  | "x3dh"
  | "x3dh ad"
  | "root"
  | "msg"
  | "invite"
  | "id"
  | "relay"
  | "open room"
  | "key file"
  | "data key"
  | "data key wrap"
  | "data key file"
  | "identity export"
  | "identity export file"
  | "row"
  | "row name"
  | "link"
  | "op"
  | "head"
  | "roster"
  | "invite room"
  | "room msg"
  | "room tally"
  | "sender key"
  | "pake"
  | "pake ad"
  | "pake sk"
  | "pake id"
  | "direct";

/**
 * Gives the label of one use: `"sotto/1 <use>\0"`.
 * @param use what the labelled bytes are for
 * @returns the label's bytes
 */
export function label(use: LabelUse): Bytes {
  return utf8(`sotto/1 ${use}\0`);
}

function checkRange(value: number, max: number): void {
  if (!Number.isSafeInteger(value) || value < 0 || value > max) {
    throw new RangeError(`Cannot encode number: ${value} is not a whole number from 0 to ${max}`);
  }
}
