/**
 * What becomes of what is heard in a room (PROTOCOL 3.16), as data.
 * @module
 */

import type { Bytes } from "../bytes/writer.ts";
import type { Certificate } from "./certificate.ts";
import type { Fingerprint } from "./identity.ts";

/** Where the relay placed a message. */
export interface MessagePlace {
  /** Its place in the room's stream. */
  readonly seq: number;
  /** The relay's time, in milliseconds since 1970 (UTC). */
  readonly atMs: number;
  /** The time now. */
  readonly nowMs: number;
  /** Who published it, as the relay says, which may be wrong; for what nothing better tells. */
  readonly from?: Fingerprint;
}

/** A message that was opened. */
export interface OpenedRoomMessage {
  /** Who wrote it, as the log knows them, or knew them when it was placed. */
  readonly sender: Certificate;
  /** For `decodePlaintext`. */
  readonly plaintext: Bytes;
  /** The head that it was written under, 32 bytes. */
  readonly head: Bytes;
  /** By what it is referred to, 32 bytes. */
  readonly hash: Bytes;
  /** Its place in the stream. */
  readonly seq: number;
  /** The relay's time of that place. */
  readonly atMs: number;
  /** How many messages since its head were placed before it; `undefined` when the head was not the newest, or it waited. */
  readonly before?: number;
  /** Whether it had to wait for its key, so that others placed after it were opened before. */
  readonly isLate: boolean;
}

/**
 * Why a message is not shown: `malformed`, no message of this room; `stranger`, its author is no member;
 * `otherHistory`, its head is none of this room's that we know; `stale`, somebody was removed whom its author did not
 * know to be; `olderHead`, its head is from before its chain; `forged`, signature or tag do not fit; `used`, another
 * message had its number; `full`, too much of its author's waits already.
 */
export type RoomRefusal =
  | "malformed"
  | "stranger"
  | "otherHistory"
  | "stale"
  | "olderHead"
  | "forged"
  | "used"
  | "full";

/**
 * What became of a message: `held` waits for its key, `skipped` is not for us (our own, or from before we came), and
 * nobody is told.
 */
export type RoomHeard =
  | { readonly kind: "opened"; readonly message: OpenedRoomMessage }
  | { readonly kind: "held"; readonly sender: Fingerprint; readonly atMs: number }
  | { readonly kind: "skipped" | "repeat" }
  | { readonly kind: "refused"; readonly reason: RoomRefusal; readonly sender: Fingerprint | undefined };

/** What became of a sender key: `held` waits for its place, `dropped` opens nothing any more. */
export interface KeyHeard {
  /** What became of the key itself. */
  readonly kind: "taken" | "held" | "known" | "dropped" | "refused";
  /** What had waited for it, in the order of their places. */
  readonly released: readonly RoomHeard[];
}
