/**
 * Work on messages of rooms that begins before their turn.
 * @module
 */

import type { Packet, RelayMessage } from "../wire/messages.ts";
import type { Rooms } from "./rooms.ts";

/** What was begun for packets that arrived together. */
export class Foresight {
  readonly #rooms: Rooms;
  #work: Promise<void>[] = [];
  #left = 0;

  /**
   * Begins with nothing.
   * @param rooms whose messages
   */
  constructor(rooms: Rooms) {
    this.#rooms = rooms;
  }

  /**
   * Begins to open messages that come next; nothing is taken in by that.
   * @param coming packets of the relay that are given in their turns, in order
   */
  begin(coming: readonly Packet<RelayMessage>[]): void {
    this.#left = coming.length;
    for (const { message, body } of coming) {
      if (message.t !== "event" || message.kind !== "message" || !message.stream.startsWith("room/")) continue;
      const work = this.#rooms.channel(message.stream.slice("room/".length))?.said.foresee(body);
      if (work !== undefined) this.#work.push(work);
    }
  }

  /** A packet had its turn: after the last of a lot nothing of it goes on, whether or not it was needed. */
  async passed(): Promise<void> {
    if (this.#left-- <= 0) await this.end();
  }

  /** No more of them come. */
  async end(): Promise<void> {
    await Promise.allSettled(this.#work.splice(0));
  }
}
