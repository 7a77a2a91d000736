/**
 * What a room's log and messages have to tell the person, as data.
 * @module
 */

import type { AppliedOp } from "../e2ee/membership.ts";
import type { RemoveReason } from "../e2ee/membership_op.ts";
import type { MembershipChange } from "../e2ee/membership_rules.ts";
import type { RoomHeard } from "../e2ee/room_heard.ts";
import type { Fingerprint } from "../wire/messages.ts";
import type { OwnOpOutcome } from "./own_ops.ts";
import type { Person } from "./people.ts";

/** What an op did to somebody, as the log says; `person` is `undefined` when it is about us. */
export type MembershipNews =
  | {
    readonly kind: "came" | "went" | "promoted";
    readonly person: Person | undefined;
    readonly by: Fingerprint;
  }
  | {
    readonly kind: "removed";
    readonly person: Person | undefined;
    readonly by: Fingerprint;
    readonly reason: RemoveReason;
  }
  | { readonly kind: "none" };

/** What a placed op brought about. */
export interface PlacedOp {
  /** Who came or went. */
  readonly news: MembershipNews;
  /** Messages that had waited for a key whose place this is. */
  readonly released: readonly RoomHeard[];
  /** The relay's time. */
  readonly atMs: number;
  /** Whether it is a leave of ours from an earlier run. */
  readonly hasLeft?: boolean;
  /** What became of an op of ours, if it is one. */
  readonly own?: OwnOpOutcome | undefined;
  /** Whose op it was that names other members than we had at that place, if it does. */
  readonly otherHistoryOf?: Fingerprint | undefined;
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
 * @param person to whom; `undefined` for us
 * @returns who came or went
 */
export function newsOf(change: MembershipChange, person: Person | undefined): MembershipNews {
  switch (change.kind) {
    case "joined":
      return { kind: "came", person, by: change.by };
    case "left":
      return { kind: "went", person, by: change.member.certificate.fingerprint };
    case "removed":
      return { kind: "removed", person, by: change.by, reason: change.reason };
    case "promoted":
      return { kind: "promoted", person, by: change.by };
    case "created":
      return person === undefined ? NO_NEWS : { kind: "came", person, by: change.by };
    default:
      return NO_NEWS;
  }
}

/**
 * Finds whose op names other members than we had at its place.
 * @param applied what became of it
 * @returns its actor; `undefined` when its roster fits, or it is void
 */
export function otherHistoryOf(applied: AppliedOp): Fingerprint | undefined {
  if (!applied.valid || applied.rosterFits) return undefined;
  return "by" in applied.change ? applied.change.by : applied.change.member.certificate.fingerprint;
}
