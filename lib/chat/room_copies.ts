/**
 * The body of a room message until rooms have keys of their own: one sealed copy for each member that the person was
 * shown (PROTOCOL 6.2). Sender keys replace this file; nothing else knows of copies.
 *
 *     u16 count || count * (recipient id (32) || u32 length || box)
 *
 * Copies are sorted by recipient, each recipient once.
 * @module
 */

import { DecodeError } from "../bytes/errors.ts";
import { ByteReader } from "../bytes/reader.ts";
import { compareBytes } from "../bytes/equal.ts";
import { type Bytes, concat, lv, u16be } from "../bytes/writer.ts";
import { PACKET_HEADER_MAX_BYTES, PACKET_MAX_BYTES } from "../wire/packet.ts";

/** Bytes of a recipient's id. */
const ID_BYTES = 32;
/** What a copy costs beside its box. */
const COPY_OVERHEAD_BYTES = ID_BYTES + 4;
/** The longest body that a packet holds beside any header. */
export const BODY_MAX_BYTES: number = PACKET_MAX_BYTES - PACKET_HEADER_MAX_BYTES - 2;

/** One member's copy of a message. */
export interface RoomCopy {
  /** Whose copy it is: an identity's id, 32 bytes. */
  readonly recipientId: Bytes;
  /** What only that member opens. */
  readonly box: Bytes;
}

/**
 * Tells how long a body would be.
 * @param boxLengthsBytes the length of each copy's box
 * @returns bytes
 */
export function roomBodyBytes(boxLengthsBytes: readonly number[]): number {
  return boxLengthsBytes.reduce((sum, lengthBytes) => sum + COPY_OVERHEAD_BYTES + lengthBytes, 2);
}

/**
 * Encodes the copies of one message.
 * @param copies one for each recipient, in any order
 * @returns the body
 */
export function encodeRoomCopies(copies: readonly RoomCopy[]): Bytes {
  const sorted = copies.toSorted((a, b) => compareBytes(a.recipientId, b.recipientId));
  return concat(u16be(sorted.length), ...sorted.flatMap(({ recipientId, box }) => [recipientId, lv(box)]));
}

/**
 * Decodes the copies of one message.
 * @param body the body of a room event
 * @returns the copies, sorted by recipient
 * @throws {DecodeError} when it is malformed, unsorted or names somebody twice
 */
export function decodeRoomCopies(body: Uint8Array): RoomCopy[] {
  const reader = new ByteReader(body, "room message");
  const count = reader.u16();
  const copies: RoomCopy[] = [];
  for (let i = 0; i < count; i++) {
    const copy = { recipientId: reader.take(ID_BYTES), box: reader.lv(PACKET_MAX_BYTES) };
    const previous = copies.at(-1);
    if (previous !== undefined && compareBytes(previous.recipientId, copy.recipientId) >= 0) {
      throw new DecodeError("Cannot decode room message: its copies are not sorted");
    }
    copies.push(copy);
  }
  reader.end();
  return copies;
}
