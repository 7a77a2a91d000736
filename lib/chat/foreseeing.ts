/**
 * Work on messages of rooms that begins before their turn.
 * @module
 */

import type { Packet, RelayMessage } from "../wire/messages.ts";
import type { Rooms } from "./rooms.ts";

/**
 * Begins to open messages that come next; nothing is taken in by that.
 * @param rooms whose
 * @param coming packets of the relay that they will be given, in order
 */
export function foresee(rooms: Rooms, coming: readonly Packet<RelayMessage>[]): void {
  for (const { message, body } of coming) {
    if (message.t !== "event" || message.kind !== "message" || !message.stream.startsWith("room/")) continue;
    rooms.channel(message.stream.slice("room/".length))?.said.foresee(body);
  }
}
