/**
 * The id of a room that people are invited to (PROTOCOL 3.10). The id of an open room follows from its name, see
 * `openRoomId` of `identity.ts`; this one follows from the op that made the room, so that nobody can make another room
 * with the same id, and who holds the id can tell whose op made it.
 * @module
 */

import { type Bytes, concat, label, lvCat } from "../bytes/writer.ts";
import { sha256, SHA256_BYTES } from "../crypto/hash.ts";

/** Bytes of every room's id. */
export const ROOM_ID_BYTES: number = SHA256_BYTES;

/**
 * Computes the id of an invite room: SHA-256(label("invite room") || lv_cat(create op)).
 * @param createOp the whole op, its signature included; it holds 16 random bytes and an empty room
 * @returns 32 bytes
 */
export function inviteRoomId(createOp: Bytes): Promise<Bytes> {
  return sha256(concat(label("invite room"), lvCat(createOp)));
}
