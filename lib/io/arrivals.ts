/**
 * Packets that arrived from the relay together: each is decoded once, and the core hears with the first what comes next.
 * @module
 */

import type { ChatInput } from "../chat/effects.ts";
import { decodeRelayMessage, type Packet, type RelayMessage } from "../wire/messages.ts";
import type { RawPacket } from "../wire/packet.ts";

/** A packet, or what is wrong with it, which is said in its turn. */
type Decoded = { readonly packet: Packet<RelayMessage> } | { readonly error: unknown };

/** What arrived together and has not had its turns. */
export class Arrivals {
  #waiting: Decoded[] = [];
  #isFirst = false;

  /** Whether more packets follow at once. */
  get isMoreComing(): boolean {
    return this.#waiting.length > 0;
  }

  /**
   * Takes what arrived. All that arrived before has had its turns, or is never given one.
   * @param packets in order
   */
  take(packets: readonly RawPacket[]): void {
    this.#waiting = packets.map(decoded);
    this.#isFirst = true;
  }

  /**
   * Gives the next packet to the core.
   * @param nowMs the time now
   * @returns the input of one turn
   * @throws {DecodeError} when the packet is malformed
   */
  next(nowMs: number): ChatInput {
    const next = this.#waiting.shift();
    if (next === undefined) throw new TypeError("Cannot take a packet that has not arrived");
    if ("error" in next) throw next.error;
    const coming = this.#isFirst ? this.#waiting.flatMap((one) => "packet" in one ? [one.packet] : []) : [];
    this.#isFirst = false;
    return { kind: "packet", packet: next.packet, coming, nowMs };
  }
}

function decoded(packet: RawPacket): Decoded {
  try {
    return { packet: decodeRelayMessage(packet) };
  } catch (error) {
    return { error };
  }
}
