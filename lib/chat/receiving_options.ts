/**
 * What the events of one client on their way in are given to.
 * @module
 */

import type { Bytes } from "../bytes/writer.ts";
import type { Fingerprint } from "../wire/messages.ts";
import type { PrivateContent } from "./content.ts";
import type { HeldMessages } from "./held_messages.ts";
import type { Keyring } from "./keyring.ts";
import type { People, Person } from "./people.ts";
import type { Receipts } from "./receipts.ts";
import type { Showing } from "./showing.ts";
import type { StoredCursor } from "./state.ts";
import type { Turn } from "./turn.ts";

/** What takes what comes in private and belongs to rooms. */
export interface RoomPost {
  /** Takes a sender key, as it was opened, from whose session. */
  readonly key: (plaintext: Bytes, peer: Fingerprint, turn: Turn) => Promise<void>;
  /** Takes an invitation of somebody who was introduced. */
  readonly invited: (content: Extract<PrivateContent, { kind: "invitation" }>, by: Person, turn: Turn) => Promise<void>;
}

/** What `Receiving` is made from. */
export interface ReceivingOptions {
  /** Who was shown. */
  readonly people: People;
  /** What opens boxes. */
  readonly keyring: Keyring;
  /** What shows texts. */
  readonly showing: Showing;
  /** What confirms them. */
  readonly receipts: Receipts;
  /** What waits for its author to be introduced. */
  readonly held: HeldMessages;
  /** Takes what came in private and belongs to rooms. */
  readonly rooms: RoomPost;
  /** The relay that streams are read from. */
  readonly relay: Fingerprint;
  /** How far streams were read in earlier runs, on whatever relay. */
  readonly cursors: readonly StoredCursor[];
}
