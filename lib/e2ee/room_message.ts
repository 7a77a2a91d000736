/**
 * A room's message as it travels (PROTOCOL 6.2):
 *
 * ```
 * lv(H 141) | lv(body) | signature 64
 *
 * H         = lv_cat(suite 1, room 32, head 32, sender 32, key id 16, n 4)
 * body      = seal(mk, aad H, plaintext), see seal.ts
 * signature = Ed25519 of the chain's pair over label("room msg") || lv_cat(H, body)
 * ```
 *
 * There is one spelling: each length can have one value, that of the body the six that `seal` makes. `n` stops one below
 * the largest u32, so that the number after it fits too.
 * @module
 */

import { DecodeError } from "../bytes/errors.ts";
import { ByteReader } from "../bytes/reader.ts";
import { type Bytes, concat, lvCat, u32be } from "../bytes/writer.ts";
import { sha256, SHA256_BYTES } from "../crypto/hash.ts";
import { SIGNATURE_BYTES, type SignatureCheck, type SignKeyPair } from "../crypto/sign.ts";
import { PADDED_SIZES } from "./padding.ts";
import { SEAL_OVERHEAD_BYTES, SEALED_MAX_BYTES } from "./seal.ts";
import { readSuite, signFields, suiteField, verifySignedBy } from "./signed.ts";

/** Bytes of a key id: 128 random bits, so that a sender never draws one twice. */
export const KEY_ID_BYTES = 16;
/** Bytes of H. */
export const ROOM_HEADER_BYTES = 141;
/** The largest number of a message. */
export const ROOM_N_MAX: number = 2 ** 32 - 2;
/** Bytes that a message has beside its padded plaintext. */
export const ROOM_MESSAGE_OVERHEAD_BYTES: number = 4 + ROOM_HEADER_BYTES + 4 + SEAL_OVERHEAD_BYTES + SIGNATURE_BYTES;
/** The longest message. */
export const ROOM_MESSAGE_MAX_BYTES = 33_045;

/** What names a chain. */
export interface ChainIds {
  /** The room's id, 32 bytes. */
  readonly room: Bytes;
  /** The id of the person who writes on it, 32 bytes. */
  readonly sender: Bytes;
  /** 16 bytes. */
  readonly keyId: Bytes;
}

/** What a message says in the clear. */
export interface RoomHeader extends ChainIds {
  /** The newest head that its sender had processed, 32 bytes. */
  readonly head: Bytes;
  /** Its number in the chain. */
  readonly n: number;
}

/** The parts of a message. */
export interface RoomMessage {
  /** The fields of H. */
  readonly header: RoomHeader;
  /** H as it stands in the message. */
  readonly headerBytes: Bytes;
  /** What was sealed. */
  readonly body: Bytes;
}

/**
 * Encodes H.
 * @param header its fields
 * @returns 141 bytes
 * @throws {RangeError} when a field has another length, or the number is too large
 */
export function encodeRoomHeader(header: RoomHeader): Bytes {
  const { room, head, sender, keyId, n } = header;
  if (n > ROOM_N_MAX) throw new RangeError(`Cannot encode room message: number ${n} is above ${ROOM_N_MAX}`);
  const hasLengths = [room, head, sender].every((id) => id.length === SHA256_BYTES) && keyId.length === KEY_ID_BYTES;
  if (!hasLengths) throw new RangeError("Cannot encode room message: an id has another length");
  return lvCat(suiteField(), room, head, sender, keyId, u32be(n));
}

/**
 * Signs a sealed body.
 * @param pair the chain's pair
 * @param headerBytes H
 * @param body what was sealed
 * @returns the message
 */
export function signRoomMessage(pair: SignKeyPair, headerBytes: Bytes, body: Bytes): Promise<Bytes> {
  return signFields(pair, "room msg", [headerBytes, body]);
}

/**
 * Takes a message apart, to find its chain; nothing in it is authenticated yet.
 * @param message the whole message
 * @returns its parts
 * @throws {DecodeError} when it is malformed
 */
export function parseRoomMessage(message: Bytes): RoomMessage {
  if (message.length > ROOM_MESSAGE_MAX_BYTES) {
    throw new DecodeError(`Cannot decode room message: ${message.length} bytes is above ${ROOM_MESSAGE_MAX_BYTES}`);
  }
  const reader = new ByteReader(message, "room message");
  const headerBytes = reader.lvExactly(ROOM_HEADER_BYTES);
  const body = reader.lv(SEALED_MAX_BYTES);
  reader.take(SIGNATURE_BYTES);
  reader.end();
  if (!PADDED_SIZES.includes(body.length - SEAL_OVERHEAD_BYTES)) {
    throw new DecodeError(`Cannot decode room message: a body of ${body.length} bytes is not the size of a sealed one`);
  }
  return { header: readHeader(headerBytes), headerBytes, body };
}

/**
 * Checks the signature of a message.
 * @param message the whole message, in one piece as it came
 * @param check of the chain's public key
 * @throws {AuthError} when it does not fit, or the key is one that no honest party has
 */
export function verifyRoomMessage(message: Bytes, check: SignatureCheck): Promise<void> {
  return verifySignedBy(check, "room msg", message);
}

/**
 * Computes by what a message is referred to: SHA-256(H || body), which everybody in the room can compute.
 * @param message the whole message
 * @returns 32 bytes
 * @throws {DecodeError} when it is malformed
 */
export async function roomMessageHash(message: Bytes): Promise<Bytes> {
  return await roomPartsHash(parseRoomMessage(message));
}

/**
 * Computes the same of a message that was taken apart.
 * @param message its parts
 * @returns 32 bytes
 */
export function roomPartsHash({ headerBytes, body }: RoomMessage): Promise<Bytes> {
  return sha256(concat(headerBytes, body)); // H has one length: no two pairs give the same bytes
}

function readHeader(headerBytes: Bytes): RoomHeader {
  const reader = new ByteReader(headerBytes, "room message");
  readSuite(reader);
  const room = reader.lvExactly(SHA256_BYTES);
  const head = reader.lvExactly(SHA256_BYTES);
  const sender = reader.lvExactly(SHA256_BYTES);
  const keyId = reader.lvExactly(KEY_ID_BYTES);
  const n = new ByteReader(reader.lvExactly(4), "room message").u32();
  reader.end();
  if (n > ROOM_N_MAX) throw new DecodeError(`Cannot decode room message: number ${n} is above ${ROOM_N_MAX}`);
  return { room, head, sender, keyId, n };
}
