/**
 * One row at rest (PROTOCOL §7): a key and a value, sealed under the data key so that neither can be read, changed, or
 * moved to another place. Does no I/O.
 *
 * ```
 * id      HMAC-SHA256(HKDF(0^32, data key, label("row name")), lv_cat(table, key)), its first 16 bytes
 * sealed  salt 16 | C 32 | AES-256-GCM(K, iv 0^12, aad, lv(key) || lv(value) || zeros) || tag 16
 * aad     label("row") || lv_cat(table, id, schema u32)
 * ```
 *
 * where `K 32 || C 32 = HKDF(salt, data key, label("row"))`. It is `seal` of §0.5 with two differences: a label of its
 * own, and a value may have 1 MiB. The zeros fill up to the next power of two from 64 to 4,096, and above that to the
 * next multiple of 4,096. The random salt makes (K, iv) fresh even when an old copy of a database is put back and
 * written again. The id stands in the open: only who has the data key can tell whose row it is, or find one by its key.
 * @module
 */

import { equalBytes } from "../bytes/equal.ts";
import { AuthError, DecodeError } from "../bytes/errors.ts";
import { ByteReader } from "../bytes/reader.ts";
import { type Bytes, concat, label, lvCat, u32be, utf8 } from "../bytes/writer.ts";
import { AEAD_KEY_BYTES, AEAD_NONCE_BYTES, AEAD_TAG_BYTES, aeadOpen, aeadSeal, importAeadKey } from "../crypto/aead.ts";
import { hkdf, hkdfFrom, type HkdfKey, hmacSha256, importHkdfKey } from "../crypto/kdf.ts";
import { type RandomBytes, secureRandom } from "../crypto/random.ts";
import { DATA_KEY_BYTES } from "./data_key.ts";

/** Where a row lies; what is sealed for one place opens nowhere else. */
export interface RowPlace {
  /** The table's name, in the open. */
  readonly table: string;
  /** What {@linkcode rowId} gave. */
  readonly id: Bytes;
  /** The version of what the value holds, in the open. */
  readonly schema: number;
}

/** What a row holds. */
export interface RowContent {
  /** At most 1,024 bytes. */
  readonly key: Bytes;
  /** At most 1 MiB. */
  readonly value: Bytes;
}

/** The keys that rows need, derived once. */
export interface RowKeys {
  /** 32 bytes, secret: seals. */
  readonly dataKey: Bytes;
  /** 32 bytes, secret: makes ids. */
  readonly nameKey: Bytes;
}

/** Bytes of an id: 2^64 rows before two are likely to share one. */
export const ROW_ID_BYTES = 16;
/** The longest key; ids and names are far below. */
export const ROW_KEY_MAX_BYTES = 1_024;
/** The longest value: a session with all its skipped keys has some 150 KiB. */
export const ROW_VALUE_MAX_BYTES = 1_048_576;

const SALT_BYTES = 16;
const COMMITMENT_BYTES = 32;
const OVERHEAD_BYTES = SALT_BYTES + COMMITMENT_BYTES + AEAD_TAG_BYTES;
const PADDED_MIN_BYTES = 64;
const PAGE_BYTES = 4_096;
/** Two lengths, the longest key and the longest value, in whole pages. */
const PADDED_MAX_BYTES = 1_052_672;
/** All zero: each K is used once, for the salt in front of it is fresh. */
const IV = new Uint8Array(AEAD_NONCE_BYTES);

/** Data keys that rows were sealed with: a busy client seals thousands under one. Each goes with its bytes. */
const IMPORTED = new WeakMap<Bytes, Promise<HkdfKey>>();

/**
 * Derives what rows need from the data key.
 * @param dataKey 32 bytes, secret
 * @returns the keys
 * @throws {RangeError} when it has another length
 */
export async function deriveRowKeys(dataKey: Bytes): Promise<RowKeys> {
  assertDataKey(dataKey);
  const salt = new Uint8Array(DATA_KEY_BYTES);
  return { dataKey, nameKey: await hkdf(dataKey, { salt, info: label("row name"), lengthBytes: DATA_KEY_BYTES }) };
}

/**
 * Computes under which id a row is stored.
 * @param keys the keys
 * @param table the table's name
 * @param key the row's key
 * @returns 16 bytes
 */
export async function rowId(keys: RowKeys, table: string, key: Bytes): Promise<Bytes> {
  return (await hmacSha256(keys.nameKey, lvCat(utf8(table), key))).slice(0, ROW_ID_BYTES);
}

/**
 * Seals a row for its place.
 * @param keys the keys
 * @param place where it will lie
 * @param content its key and value
 * @param random where the salt comes from; fixed only in tests
 * @returns salt || C || ciphertext || tag
 * @throws {RangeError} when the key or the value is too long
 */
export async function sealRow(
  keys: Pick<RowKeys, "dataKey">,
  place: RowPlace,
  content: RowContent,
  random: RandomBytes = secureRandom,
): Promise<Bytes> {
  const padded = encodeContent(content);
  const salt = random(SALT_BYTES);
  const { key, commitment } = await keysOfRow(keys, salt);
  const ciphertext = await aeadSeal(await importAeadKey(key), padded, { nonce: IV, aad: aadOf(place) });
  return concat(salt, commitment, ciphertext);
}

/**
 * Opens a row.
 * @param keys the keys
 * @param place where it lies
 * @param sealed what {@linkcode sealRow} gave
 * @returns its key and value, only if commitment, tag and padding are right
 * @throws {AuthError} when one of them is not: the row is damaged, forged, or was moved
 */
export async function openRow(keys: Pick<RowKeys, "dataKey">, place: RowPlace, sealed: Bytes): Promise<RowContent> {
  const lengthBytes = sealed.length - OVERHEAD_BYTES;
  if (lengthBytes > PADDED_MAX_BYTES || lengthBytes < PADDED_MIN_BYTES || paddedSizeOf(lengthBytes) !== lengthBytes) {
    throw new AuthError(`Cannot open row: ${sealed.length} bytes is not the size of one`);
  }
  const { key, commitment } = await keysOfRow(keys, sealed.slice(0, SALT_BYTES));
  const start = SALT_BYTES + COMMITMENT_BYTES;
  if (!equalBytes(commitment, sealed.subarray(SALT_BYTES, start))) {
    throw new AuthError("Cannot open row: the key commitment does not match");
  }
  return decodeContent(
    await aeadOpen(await importAeadKey(key), sealed.slice(start), { nonce: IV, aad: aadOf(place) }),
  );
}

/**
 * Encodes and pads a key and a value.
 * @param content the key and the value
 * @returns `lv(key) || lv(value) || zeros`
 * @throws {RangeError} when the key or the value is too long
 */
export function encodeContent({ key, value }: RowContent): Bytes {
  if (key.length > ROW_KEY_MAX_BYTES || value.length > ROW_VALUE_MAX_BYTES) {
    throw new RangeError(`Cannot seal row: a key of ${key.length} or a value of ${value.length} bytes is too long`);
  }
  const body = lvCat(key, value);
  const padded = new Uint8Array(paddedSizeOf(body.length));
  padded.set(body);
  return padded;
}

/**
 * Takes key and value back out; to be called on authenticated bytes alone.
 * @param padded what {@linkcode encodeContent} gave
 * @returns the key and the value
 * @throws {AuthError} when the size is not the smallest that fits, or the filler is not zero
 */
export function decodeContent(padded: Bytes): RowContent {
  try {
    const reader = new ByteReader(padded, "row");
    const content = { key: reader.lv(ROW_KEY_MAX_BYTES), value: reader.lv(ROW_VALUE_MAX_BYTES) };
    const isMinimal = paddedSizeOf(padded.length - reader.remaining) === padded.length;
    if (isMinimal && reader.rest().every((byte) => byte === 0)) return content;
  } catch (cause) {
    if (!(cause instanceof DecodeError)) throw cause;
    throw new AuthError("Cannot open row: its content is malformed", { cause });
  }
  throw new AuthError("Cannot open row: its padding is malformed");
}

function paddedSizeOf(lengthBytes: number): number {
  if (lengthBytes > PAGE_BYTES) return Math.ceil(lengthBytes / PAGE_BYTES) * PAGE_BYTES;
  let size = PADDED_MIN_BYTES;
  while (size < lengthBytes) size *= 2;
  return size;
}

function aadOf({ table, id, schema }: RowPlace): Bytes {
  return concat(label("row"), lvCat(utf8(table), id, u32be(schema)));
}

async function keysOfRow(
  { dataKey }: Pick<RowKeys, "dataKey">,
  salt: Bytes,
): Promise<{ key: Bytes; commitment: Bytes }> {
  assertDataKey(dataKey);
  let imported = IMPORTED.get(dataKey);
  if (imported === undefined) IMPORTED.set(dataKey, imported = importHkdfKey(dataKey));
  const lengthBytes = AEAD_KEY_BYTES + COMMITMENT_BYTES;
  const both = await hkdfFrom(await imported, { salt, info: label("row"), lengthBytes });
  return { key: both.slice(0, AEAD_KEY_BYTES), commitment: both.slice(AEAD_KEY_BYTES) };
}

function assertDataKey(dataKey: Bytes): void {
  if (dataKey.length === DATA_KEY_BYTES) return;
  throw new RangeError(`Cannot use data key: it has ${dataKey.length} bytes, not ${DATA_KEY_BYTES}`);
}
