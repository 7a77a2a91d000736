/**
 * What the stored forms of prekeys, sessions and peers share: a version in front, lists of items of one size, and one
 * error for all that is wrong.
 * @module
 */

import { encodeHex } from "@std/encoding/hex";
import { AuthError, DecodeError } from "../bytes/errors.ts";
import { ByteReader } from "../bytes/reader.ts";
import type { Bytes } from "../bytes/writer.ts";

/** The version of all stored forms: the first byte, raised when any of them changes. */
export const STATE_VERSION = 1;

/**
 * Takes the version.
 * @param reader stands before the first byte
 * @param what the name of the structure, for the error
 * @throws {DecodeError} when it is another
 */
export function readVersion(reader: ByteReader, what: string): void {
  const version = reader.u8();
  if (version !== STATE_VERSION) throw new DecodeError(`Cannot decode ${what}: version ${version} is unknown`);
}

/**
 * Takes a field that is a list of items of one size.
 * @param reader stands before the field
 * @param itemBytes bytes of one item
 * @param itemsMax the most items that are allowed
 * @returns a reader for each item
 * @throws {DecodeError} when they are more, or the last one is cut off
 */
export function readItems(reader: ByteReader, itemBytes: number, itemsMax: number): ByteReader[] {
  const list = readList(reader, itemBytes, itemsMax);
  return Array.from(
    { length: list.length / itemBytes },
    (_, i) => new ByteReader(list.subarray(i * itemBytes, (i + 1) * itemBytes), "item"),
  );
}

/**
 * Takes a field that is a list of ids or hashes.
 * @param reader stands before the field
 * @param itemBytes bytes of one of them
 * @param itemsMax the most that are allowed
 * @returns each in hexadecimal
 * @throws {DecodeError} when they are more, or the last one is cut off
 */
export function readHexItems(reader: ByteReader, itemBytes: number, itemsMax: number): string[] {
  const hex = encodeHex(readList(reader, itemBytes, itemsMax));
  const digits = 2 * itemBytes;
  return Array.from({ length: hex.length / digits }, (_, i) => hex.slice(i * digits, (i + 1) * digits));
}

/**
 * Takes a field of one byte that is 0 or 1.
 * @param reader stands before the field
 * @returns whether it is 1
 * @throws {DecodeError} when it is another number
 */
export function readFlag(reader: ByteReader): boolean {
  const byte = reader.lvExactly(1)[0] as number;
  if (byte > 1) throw new DecodeError(`Cannot decode flag: ${byte} is neither 0 nor 1`);
  return byte === 1;
}

/**
 * Runs a check of keys whose failure here means damage: what is stored was checked when it came.
 * @param check throws `AuthError` for a bad key or signature
 * @returns what the check returns
 * @throws {DecodeError} in the place of an `AuthError`
 */
export async function orDamaged<T>(check: () => T | Promise<T>): Promise<T> {
  try {
    return await check();
  } catch (cause) {
    if (!(cause instanceof AuthError)) throw cause;
    throw new DecodeError("Cannot decode state: a key or signature in it does not fit", { cause });
  }
}

function readList(reader: ByteReader, itemBytes: number, itemsMax: number): Bytes {
  const list = reader.lv(itemBytes * itemsMax);
  if (list.length % itemBytes === 0) return list;
  throw new DecodeError(`Cannot decode list: ${list.length} bytes is no number of items of ${itemBytes}`);
}
