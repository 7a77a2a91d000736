/**
 * What a room's log and messages have to tell the person, as data.
 * @module
 */

import type { MembershipChange } from "../e2ee/membership_rules.ts";
import type { RoomHeard } from "../e2ee/room_heard.ts";
import type { Fingerprint } from "../wire/messages.ts";
import type { Person } from "./people.ts";

/** Who came or went, as the log says. */
export type MembershipNews =
  | { readonly kind: "came" | "went" | "removed"; readonly person: Person; readonly by: Fingerprint }
  | { readonly kind: "none" };

/** What a placed op brought about. */
export interface PlacedOp {
  /** Who came or went. */
  readonly news: MembershipNews;
  /** Messages that had waited for a key whose place this is. */
  readonly released: readonly RoomHeard[];
  /** The relay's time. */
  readonly atMs: number;
}

/** What the claims of a message tell the person. */
export interface Consistency {
  /** How many messages are missing before it. */
  readonly gap: number;
  /** Whether its author was told another story than we were. */
  readonly isFork: boolean;
}

/** Nothing to tell. */
export const NO_NEWS: MembershipNews = { kind: "none" };
/** An op that was known before. */
export const KNOWN_OP: PlacedOp = { news: NO_NEWS, released: [], atMs: 0 };

/**
 * Says what a valid op is to the person.
 * @param change what it did
 * @param person to whom
 * @returns who came or went
 */
export function newsOf(change: MembershipChange, person: Person): MembershipNews {
  if (change.kind === "joined") return { kind: "came", person, by: change.by };
  if (change.kind === "left") return { kind: "went", person, by: person.certificate.fingerprint };
  return change.kind === "removed" ? { kind: "removed", person, by: change.by } : NO_NEWS;
}
