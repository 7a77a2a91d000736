/**
 * A packet is what travels inside a link: a small JSON header that the other end of the link reads, and an opaque
 * body (PROTOCOL 2.4). A record carries a run of packets, so that one seal serves everything that waits.
 *
 *     packet = u16 header length || header JSON (UTF-8) || body
 *     run    = u32 packet length || packet || u32 packet length || packet …
 *
 * @module
 */

import { DecodeError } from "../bytes/errors.ts";
import { ByteReader, fromUtf8 } from "../bytes/reader.ts";
import { type Bytes, concat, lvCat, u16be, utf8 } from "../bytes/writer.ts";

/** The longest packet, so that a packet never spans records (PROTOCOL §0.7). */
export const PACKET_MAX_BYTES = 49_152;
/** The longest header: ids, names and numbers, never content. */
export const PACKET_HEADER_MAX_BYTES = 2048;
/** What stands in front of each packet in a run. */
export const RUN_ENTRY_HEAD_BYTES = 4;

/** A header that was not looked into yet, and its body. */
export interface RawPacket {
  /** Parsed JSON of any shape. */
  readonly header: unknown;
  /** Opaque bytes, perhaps none. */
  readonly body: Bytes;
}

const EMPTY = new Uint8Array(0);

/**
 * Encodes a packet.
 * @param header a JSON object of at most 2,048 bytes
 * @param body the rest
 * @returns the packet
 * @throws {RangeError} when the header or the whole packet is too long
 */
export function encodePacket(header: object, body: Uint8Array = EMPTY): Bytes {
  const headerBytes = utf8(JSON.stringify(header));
  if (headerBytes.length > PACKET_HEADER_MAX_BYTES) {
    throw new RangeError(
      `Cannot encode packet: a header of ${headerBytes.length} bytes is above ${PACKET_HEADER_MAX_BYTES}`,
    );
  }
  const packet = concat(u16be(headerBytes.length), headerBytes, body);
  if (packet.length > PACKET_MAX_BYTES) {
    throw new RangeError(`Cannot encode packet: ${packet.length} bytes is above ${PACKET_MAX_BYTES}`);
  }
  return packet;
}

/**
 * Decodes a packet; its header is JSON but still of any shape.
 * @param bytes the whole packet
 * @returns header and body
 * @throws {DecodeError} when it is too long, cut short, or its header is not JSON
 */
export function decodePacket(bytes: Uint8Array): RawPacket {
  if (bytes.length > PACKET_MAX_BYTES) {
    throw new DecodeError(`Cannot decode packet: ${bytes.length} bytes is above ${PACKET_MAX_BYTES}`);
  }
  const reader = new ByteReader(bytes, "packet");
  const headerLengthBytes = reader.u16();
  if (headerLengthBytes > PACKET_HEADER_MAX_BYTES) {
    throw new DecodeError(
      `Cannot decode packet: a header of ${headerLengthBytes} bytes is above ${PACKET_HEADER_MAX_BYTES}`,
    );
  }
  const text = fromUtf8(reader.take(headerLengthBytes));
  try {
    return { header: JSON.parse(text), body: reader.rest() };
  } catch {
    // Without the cause: a JSON error quotes its input.
    throw new DecodeError("Cannot decode packet: its header is not JSON");
  }
}

/**
 * Joins packets into the plaintext of one record.
 * @param packets encoded packets, in order
 * @returns the run
 */
export function encodeRun(packets: readonly Uint8Array[]): Bytes {
  return lvCat(...packets);
}

/**
 * Cuts the plaintext of a record into its packets.
 * @param run the plaintext
 * @returns encoded packets, in order
 * @throws {DecodeError} when a length does not fit, or the run is empty
 */
export function decodeRun(run: Uint8Array): Bytes[] {
  const reader = new ByteReader(run, "record");
  const packets: Bytes[] = [];
  while (reader.remaining > 0) packets.push(reader.lv(PACKET_MAX_BYTES));
  if (packets.length === 0) throw new DecodeError("Cannot decode record: it holds no packet");
  return packets;
}
