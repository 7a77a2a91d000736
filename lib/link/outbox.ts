/**
 * What waits to be sent on a link, bounded: a reader that stays behind the bound is a decision for the owner of the
 * link, never an array that grows.
 * @module
 */

import { AEAD_TAG_BYTES } from "../crypto/aead.ts";
import { PACKET_MAX_BYTES, RUN_ENTRY_HEAD_BYTES } from "../wire/packet.ts";
import { TRANSPORT_FRAME_MAX_BYTES } from "../wire/frame.ts";

/** The longest plaintext of a record: a Noise message less its tag (Noise 3). */
export const RECORD_PLAINTEXT_MAX_BYTES: number = TRANSPORT_FRAME_MAX_BYTES - AEAD_TAG_BYTES;

/** How much may wait for one slow reader: eighty of the largest packets, seconds of traffic on a busy relay. */
export const OUTBOX_MAX_BYTES: number = 4 * 1024 * 1024;

/** Encoded packets in the order in which they were given. */
export class Outbox {
  #packets: Uint8Array[] = [];
  #head = 0;
  #waitingBytes = 0;
  readonly #maxBytes: number;

  /**
   * Starts empty.
   * @param maxBytes the bound on what waits
   */
  constructor(maxBytes: number = OUTBOX_MAX_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** Whether nothing waits. */
  get isEmpty(): boolean {
    return this.#head === this.#packets.length;
  }

  /** How much waits, in bytes of plaintext. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /**
   * Adds a packet at the end.
   * @param packet an encoded packet; not copied, so that a fan-out shares one
   * @returns `false`, and nothing is added, when that would pass the bound
   * @throws {RangeError} when the packet is longer than `PACKET_MAX_BYTES`
   */
  push(packet: Uint8Array): boolean {
    const costBytes = packet.length + RUN_ENTRY_HEAD_BYTES;
    if (this.#waitingBytes + costBytes > this.#maxBytes) return false;
    this.pushUnbounded(packet);
    return true;
  }

  /**
   * Adds a packet at the end even above the bound; for the one `bye` that ends a link.
   * @param packet an encoded packet
   * @throws {RangeError} when the packet is longer than `PACKET_MAX_BYTES`
   */
  pushUnbounded(packet: Uint8Array): void {
    // One that fits no record would stay at the front for ever.
    if (packet.length > PACKET_MAX_BYTES) {
      throw new RangeError(`Cannot send packet: ${packet.length} bytes is above ${PACKET_MAX_BYTES}`);
    }
    this.#packets.push(packet);
    this.#waitingBytes += packet.length + RUN_ENTRY_HEAD_BYTES;
  }

  /** Drops all that waits. */
  clear(): void {
    this.#packets = [];
    this.#head = 0;
    this.#waitingBytes = 0;
  }

  /**
   * Takes as many packets from the front as fit one record.
   * @returns the packets, none when nothing waits
   */
  takeRecord(): Uint8Array[] {
    const taken: Uint8Array[] = [];
    let lengthBytes = 0;
    for (; this.#head < this.#packets.length; this.#head++) {
      const packet = this.#packets[this.#head] as Uint8Array;
      const costBytes = packet.length + RUN_ENTRY_HEAD_BYTES;
      if (lengthBytes + costBytes > RECORD_PLAINTEXT_MAX_BYTES) break;
      lengthBytes += costBytes;
      taken.push(packet);
    }
    this.#waitingBytes -= lengthBytes;
    this.#forgetTaken();
    return taken;
  }

  /** Moving the rest at every record would make a long queue quadratic: wait until as many were taken as are left. */
  #forgetTaken(): void {
    if (this.#head * 2 < this.#packets.length) return;
    this.#packets = this.#packets.slice(this.#head);
    this.#head = 0;
  }
}
