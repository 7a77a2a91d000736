/**
 * What the stay in a room works with, and what it tells.
 * @module
 */

import type { UserError } from "../bytes/errors.ts";
import type { ChatEvent } from "./events.ts";
import type { EventHead, Receiving } from "./receiving.ts";
import type { RoomAbsence } from "./room_absence.ts";
import type { RoomPlace } from "./room_place.ts";
import type { Turn } from "./turn.ts";

/** How a stay ended. */
export type RoomLeaving = Pick<Extract<ChatEvent, { type: "roomLeft" }>, "reason" | "by" | "ref">;

/** What a stay works with. */
export interface RoomStayOptions {
  /** The room. */
  readonly place: RoomPlace;
  /** Who is silent there. */
  readonly absence: RoomAbsence;
  /** How far streams were read. */
  readonly receiving: () => Receiving;
  /** Is told that it is over. */
  readonly dropped: (how: RoomLeaving, turn: Turn) => Promise<void>;
  /** Is told that nobody has added us yet, who said yes: lines go elsewhere until somebody does. */
  readonly waits: (turn: Turn) => void;
  /** Is told that the room at the start does not let us in. */
  readonly failed: (error: UserError) => void;
  /** Is told that an event of ours stands in its stream, should its answer have been lost. */
  readonly echoed: (head: Pick<EventHead, "id" | "stream" | "at">, turn: Turn) => Promise<void>;
  /** Tells whether no line of ours is on its way there. */
  readonly isSent: () => boolean;
  /** Tells whether lines go there that name no room. */
  readonly isCurrent: () => boolean;
  /** Tells whether the room at the start was entered. */
  readonly hasBegun: () => boolean;
}
