/**
 * What the two sides say of themselves inside the handshake (PROTOCOL 2.2): Noise messages 2 and 3 carry
 *
 *     lv_cat(version (u16), card)
 *
 * where the card is a relay's name, or a client's certificate. The version stands in front so that two releases which
 * share a handshake but not the packets can say so.
 * @module
 */

import { ByteReader } from "../bytes/reader.ts";
import { type Bytes, label, lvCat, u16be, u8, utf8 } from "../bytes/writer.ts";

/** The version of everything that is said after the handshake. */
export const PROTOCOL_VERSION = 1;
/** The cipher suite: X25519, AES-256-GCM, SHA-256, Ed25519. */
export const LINK_SUITE = 1;
/** The longest card: a certificate with the longest handle is far below. */
export const CARD_MAX_BYTES = 2048;

/** What the listening side of a link is. */
export type ListenerRole = "relay" | "peer";

/** What one side says of itself. */
export interface Hello {
  /** Its version of the protocol. */
  readonly version: number;
  /** Its name or certificate, not yet looked into. */
  readonly card: Bytes;
}

/**
 * Gives what both sides must agree on before the first byte: a differing prologue makes every tag fail.
 * @param listener what the listening side is
 * @returns the Noise prologue
 */
export function linkPrologue(listener: ListenerRole): Bytes {
  return lvCat(label("link"), utf8(listener), u8(LINK_SUITE));
}

/**
 * Encodes a hello.
 * @param hello version and card
 * @returns the payload of a handshake message
 * @throws {RangeError} when the card is longer than `CARD_MAX_BYTES`
 */
export function encodeHello(hello: Hello): Bytes {
  if (hello.card.length > CARD_MAX_BYTES) {
    throw new RangeError(`Cannot encode hello: a card of ${hello.card.length} bytes is above ${CARD_MAX_BYTES}`);
  }
  return lvCat(u16be(hello.version), hello.card);
}

/**
 * Decodes a hello.
 * @param payload the payload of a handshake message
 * @returns version and card; of another version than ours the version alone
 * @throws {DecodeError} when it is malformed
 */
export function decodeHello(payload: Uint8Array): Hello {
  const reader = new ByteReader(payload, "hello");
  const version = new ByteReader(reader.lvExactly(2), "hello version").u16();
  // What another version says behind it is its own affair: only the number must be understood.
  if (version !== PROTOCOL_VERSION) return { version, card: new Uint8Array(0) };
  const card = reader.lv(CARD_MAX_BYTES);
  reader.end();
  return { version, card };
}
