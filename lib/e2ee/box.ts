/**
 * A box is what one person publishes into another's inbox (PROTOCOL §3):
 *
 * ```
 * initial: type 1 | X3DH header (see x3dh.ts) | ratchet message (see double_ratchet.ts)
 * ratchet: type 2 | ratchet message
 * ```
 *
 * Nothing in a decoded box is authenticated yet.
 * @module
 */

import { DecodeError } from "../bytes/errors.ts";
import { ByteReader } from "../bytes/reader.ts";
import { type Bytes, concat, u8 } from "../bytes/writer.ts";
import { decodeRatchetHeader, type RatchetHeader } from "./ratchet_header.ts";
import { readX3dhHeader, type X3dhHeader } from "./x3dh.ts";

/** The longest box: type, the longest X3DH header, a ratchet header and the longest sealed message. */
export const BOX_MAX_BYTES = 33_260;

const BOX_TYPES = { initial: 1, ratchet: 2 } as const;

/** A box that begins a session, or repeats its beginning until an answer was opened. */
export interface InitialBox {
  /** Tells it from the other kind. */
  readonly kind: "initial";
  /** The X3DH header as it stands in the box. */
  readonly x3dhBytes: Bytes;
  /** Its fields. */
  readonly x3dh: X3dhHeader;
  /** The ratchet header's fields. */
  readonly header: RatchetHeader;
  /** Ratchet header || sealed. */
  readonly message: Bytes;
}

/** A box of a session that both sides have. */
export interface RatchetBox {
  /** Tells it from the other kind. */
  readonly kind: "ratchet";
  /** The ratchet header's fields. */
  readonly header: RatchetHeader;
  /** Ratchet header || sealed. */
  readonly message: Bytes;
}

/** Either kind. */
export type Box = InitialBox | RatchetBox;

/**
 * Encodes a box.
 * @param x3dhBytes the X3DH header to repeat, or `undefined` once the session was answered
 * @param message ratchet header || sealed
 * @returns the box
 */
export function encodeBox(x3dhBytes: Bytes | undefined, message: Bytes): Bytes {
  if (x3dhBytes === undefined) return concat(u8(BOX_TYPES.ratchet), message);
  return concat(u8(BOX_TYPES.initial), x3dhBytes, message);
}

/**
 * Decodes a box.
 * @param bytes the box
 * @returns its parts
 * @throws {DecodeError} when it is malformed
 * @throws {AuthError} when a key in it has a small order or is not canonical
 */
export function decodeBox(bytes: Bytes): Box {
  if (bytes.length > BOX_MAX_BYTES) {
    throw new DecodeError(`Cannot decode box: ${bytes.length} bytes is above ${BOX_MAX_BYTES}`);
  }
  const reader = new ByteReader(bytes, "box");
  const type = reader.u8();
  if (type === BOX_TYPES.ratchet) {
    const message = reader.rest();
    return { kind: "ratchet", header: decodeRatchetHeader(message), message };
  }
  if (type !== BOX_TYPES.initial) throw new DecodeError(`Cannot decode box: type ${type} is unknown`);
  const start = bytes.length - reader.remaining;
  const x3dh = readX3dhHeader(reader);
  const x3dhBytes = bytes.slice(start, bytes.length - reader.remaining);
  const message = reader.rest();
  return { kind: "initial", x3dhBytes, x3dh, header: decodeRatchetHeader(message), message };
}
