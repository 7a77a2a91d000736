/**
 * What a membership log leaves behind (PROTOCOL 3.11), as plain data without secrets: the members, the last places with
 * their heads, and who was lately the subject of a valid op.
 *
 * ```
 * head_0 = SHA-256(label("head") || lv_cat(room id))
 * head_e = SHA-256(label("head") || lv_cat(head_(e-1), SHA-256(op)))
 * ```
 *
 * The epoch counts placed ops, valid or void.
 * @module
 */

import { equalBytes } from "../bytes/equal.ts";
import { type Bytes, concat, label, lvCat } from "../bytes/writer.ts";
import { sha256 } from "../crypto/hash.ts";
import type { Fingerprint } from "./identity.ts";
import type { OpContext } from "./membership_make.ts";
import { DEFAULT_GRACE, type Grace, type Seen } from "./membership_op.ts";
import { type Member, type Members, rosterHash } from "./roster.ts";

/** How people come into a room: by themselves, or by an op of its owner or an admin. */
export type RoomKind = "open" | "invite";

/** One place in the log. */
export interface Place {
  /** The head after its op, 32 bytes. */
  readonly head: Bytes;
  /** The hash of the members after its op, 32 bytes. */
  readonly roster: Bytes;
  /** Whether its op was a valid leave or remove. */
  readonly isRemoval: boolean;
}

/** A room's members and all that the next ops are judged by. */
export interface MembershipState {
  /** How people come in. */
  readonly kind: RoomKind;
  /** The room's id, 32 bytes. */
  readonly room: Bytes;
  /** Whether any op was valid yet: a create op is valid only before that. */
  readonly isBegun: boolean;
  /** How long members of an open room may be silent. */
  readonly grace: Grace;
  /** How many ops were placed. */
  readonly epoch: number;
  /** The last places, oldest first, the current one last, at most {@linkcode PLACES_KEPT}; never empty. */
  readonly places: readonly Place[];
  /** The epoch of the last valid op on somebody, lowest first; at least for all that can still decide something. */
  readonly touched: ReadonlyMap<Fingerprint, number>;
  /** The members, in the order in which they came. */
  readonly members: Members;
}

/** How far back `seen` may lie, in ops: admins of an invite room act on what they have just read. */
export const SEEN_INVITE_MAX = 16;
/** In an open room more, for everybody joins by themselves and many may do so at once. */
export const SEEN_OPEN_MAX = 1_024;
/** The places that are kept: those that `seen` may name, and some more for messages that name an older head. */
export const PLACES_KEPT = 1_280;

/**
 * Begins the log of a room, before its first op.
 * @param kind how people come in
 * @param room its id, 32 bytes
 * @returns the state at epoch 0, without members
 */
export async function emptyMembership(kind: RoomKind, room: Bytes): Promise<MembershipState> {
  const head = await sha256(concat(label("head"), lvCat(room)));
  const members = new Map<Fingerprint, Member>();
  const places = [{ head, roster: await rosterHash(members), isRemoval: false }];
  return {
    kind,
    room: room.slice(),
    isBegun: false,
    grace: DEFAULT_GRACE,
    epoch: 0,
    places,
    touched: new Map(),
    members,
  };
}

/**
 * Computes the head after an op, whatever the op is.
 * @param head the head before it, 32 bytes
 * @param op its bytes
 * @returns 32 bytes
 */
export async function nextHead(head: Bytes, op: Bytes): Promise<Bytes> {
  return await sha256(concat(label("head"), lvCat(head, await sha256(op))));
}

/**
 * Finds a place that is still kept.
 * @param state the room
 * @param epoch its number
 * @returns the place, `undefined` when it is too old or not there yet
 */
export function placeAt(state: MembershipState, epoch: number): Place | undefined {
  return state.places[state.places.length - 1 - (state.epoch - epoch)];
}

/**
 * Gives the current place.
 * @param state the room
 * @returns the place of the last op, or where the log begins
 */
export function lastPlace(state: MembershipState): Place {
  return state.places[state.places.length - 1] as Place;
}

/**
 * Finds a head among the places that are kept.
 * @param state the room
 * @param head 32 bytes
 * @returns its epoch, `undefined` when it is unknown
 */
export function epochOfHead(state: MembershipState, head: Bytes): number | undefined {
  const index = state.places.findLastIndex((place) => equalBytes(place.head, head));
  return index === -1 ? undefined : state.epoch - (state.places.length - 1 - index);
}

/**
 * Counts valid leaves and removes.
 * @param state the room
 * @param after the epoch after which to count
 * @param until the last epoch that counts
 * @returns how many, `undefined` when a place of that stretch is not kept, or not there yet
 */
export function removalsBetween(state: MembershipState, after: number, until: number): number | undefined {
  const oldest = state.epoch - (state.places.length - 1);
  if (after < oldest || after > until || until > state.epoch) return undefined;
  return state.places.slice(after - oldest + 1, until - oldest + 1).filter(({ isRemoval }) => isRemoval).length;
}

/**
 * Tells whether a place is one that this log went through.
 * @param state the room
 * @param seen the epoch and the head
 * @returns whether the place is kept and has that head
 */
export function hasPlace(state: MembershipState, seen: Seen): boolean {
  const place = placeAt(state, seen.epoch);
  return place !== undefined && equalBytes(place.head, seen.head);
}

/**
 * Gives what a new op is to name: this room, and its current place.
 * @param state the room
 * @param atMs the time now, in milliseconds since 1970 (UTC)
 * @returns what the functions of `membership_make.ts` take
 */
export function contextOf(state: MembershipState, atMs: number): OpContext {
  const { head, roster } = lastPlace(state);
  return { room: state.room, seen: { epoch: state.epoch, head }, roster, atMs };
}

/**
 * Tells how long a member may be silent.
 * @param state the room
 * @param member one of its members
 * @returns milliseconds
 */
export function graceOf(state: MembershipState, member: Member): number {
  return member.certificate.life === "ephemeral" ? state.grace.ephemeralMs : state.grace.lastingMs;
}
