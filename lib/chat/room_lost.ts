/**
 * What a room's stream has lost before we came back to it.
 * @module
 */

import type { RelayMessage } from "../wire/messages.ts";
import type { Receiving } from "./receiving.ts";
import type { RoomPlace } from "./room_place.ts";
import type { Turn } from "./turn.ts";

/**
 * Goes on behind places that the relay has no more, and tells how many messages that may have been.
 * @param parts where our reading stands, and the room
 * @param message where the relay begins
 * @param turn time and effects
 * @returns whether ops are looked for among those places; the stream begins once more then
 */
export function skipLost(
  { receiving, place }: { readonly receiving: Receiving; readonly place: RoomPlace },
  message: Extract<RelayMessage, { t: "subscribed" }>,
  turn: Turn,
): boolean {
  const count = receiving.lostAtStart(message);
  if (count === 0) return false;
  if (place.channel.resync(turn)) return true;
  receiving.skip(message.stream, count);
  place.missed(place.channel.following.took(count), turn);
  return false;
}
