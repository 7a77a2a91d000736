/**
 * The header of a ratchet message: `session id 16 | ratchet public 32 | pn 4 | n 4` (PROTOCOL §3). It travels in the
 * clear and is part of the additional data of its message.
 * @module
 */

import { ByteReader } from "../bytes/reader.ts";
import { type Bytes, concat, u32be } from "../bytes/writer.ts";
import { assertDhPublicKey, DH_BYTES } from "../crypto/dh.ts";
import { SESSION_ID_BYTES } from "./x3dh.ts";

/** Bytes of a message's header. */
export const RATCHET_HEADER_BYTES = 56;

/** What a message says in the clear. */
export interface RatchetHeader {
  /** 16 bytes. */
  readonly sessionId: Bytes;
  /** The sender's ratchet key, 32 bytes. */
  readonly ratchetPublic: Bytes;
  /** The length of the sender's previous chain. */
  readonly pn: number;
  /** The message's number in its chain. */
  readonly n: number;
}

/**
 * Encodes a header.
 * @param header its fields
 * @returns 56 bytes
 */
export function encodeRatchetHeader(header: RatchetHeader): Bytes {
  return concat(header.sessionId, header.ratchetPublic, u32be(header.pn), u32be(header.n));
}

/**
 * Decodes the header in front of a message.
 * @param message header || sealed
 * @returns the fields, not authenticated
 * @throws {DecodeError} when fewer than 56 bytes are there
 * @throws {AuthError} when the ratchet key has a small order or is not canonical
 */
export function decodeRatchetHeader(message: Bytes): RatchetHeader {
  const reader = new ByteReader(message, "message header");
  const sessionId = reader.take(SESSION_ID_BYTES);
  const ratchetPublic = reader.take(DH_BYTES);
  const pn = reader.u32();
  const n = reader.u32();
  assertDhPublicKey(ratchetPublic);
  return { sessionId, ratchetPublic, pn, n };
}
