/**
 * What a room is made from, and what it gives.
 * @module
 */

import type { Bytes } from "../bytes/writer.ts";
import type { RandomBytes } from "../crypto/random.ts";
import type { Fingerprint } from "./identity.ts";
import type { TallyClaim, TallyVerdict } from "./room_tally.ts";

/** Whose room it is. */
export interface RoomOptions {
  /** We. */
  readonly self: Fingerprint;
  /** Where keys come from. */
  readonly random?: RandomBytes;
  /** The number of our last message there, if the room begins anew: numbers never start again. */
  readonly m?: number;
}

/** A row of a room's state; `undefined` deletes it. Secret. */
export interface RoomRow {
  /** Its name within the room. */
  readonly name: string;
  /** What takes the place of what was stored. */
  readonly value: Bytes | undefined;
}

/** What a message says about what its author wrote and read before. */
export interface RoomClaims {
  /** The number of the message among all of its author's in this room. */
  readonly m: number;
  /** What its author had read since the message's head. */
  readonly tally: TallyClaim;
}

/** What they tell. */
export interface ClaimsVerdict {
  /** How many messages of its author are missing right before it. */
  readonly missing: number;
  /** How what they had read compares with what we read. */
  readonly tally: TallyVerdict;
}

/** A message that we sealed. */
export interface SealedForRoom {
  /** What to publish. */
  readonly message: Bytes;
  /** The epoch of its head. */
  readonly epoch: number;
  /** How many removals it may have missed when it is placed. */
  readonly slack: number;
  /** The id of its chain in hexadecimal. */
  readonly keyId: string;
}
