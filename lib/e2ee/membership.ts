/**
 * Who is in a room, by its signed, hash-chained log alone (PROTOCOL 3.12). Give it every op in the order in which the relay
 * placed them, junk included: each advances the head, and the valid ones change the members. Two people who were given
 * the same ops have the same head, and the same members; two who were told different stories have different heads.
 *
 * Ops of one room run one at a time, each on a copy that takes effect as a whole. Does no I/O.
 * @module
 */

import { equalBytes } from "../bytes/equal.ts";
import { AuthError, DecodeError, ProtocolError } from "../bytes/errors.ts";
import { type Bytes, u64be } from "../bytes/writer.ts";
import { Mutex } from "../crypto/mutex.ts";
import type { Fingerprint } from "./identity.ts";
import { decodeMembership, encodeMembership } from "./membership_codec.ts";
import type { OpContext } from "./membership_make.ts";
import { type Op, verifyOp } from "./membership_op.ts";
import {
  isAbsent,
  judgeOp,
  type MembershipChange,
  type OpPlace,
  seenMax,
  type Verdict,
  type VoidReason,
} from "./membership_rules.ts";
import {
  contextOf,
  emptyMembership,
  epochOfHead,
  graceOf,
  lastPlace,
  type MembershipState,
  nextHead,
  placeAt,
  PLACES_KEPT,
  removalsBetween,
  type RoomKind,
} from "./membership_state.ts";
import { type Member, rosterHash } from "./roster.ts";

/** What became of a placed op. */
export type AppliedOp =
  | {
    readonly valid: true;
    /** What it did. */
    readonly change: MembershipChange;
    /**
     * Whether its actor had the same members as we at the place that the op names. If not, somebody was told another
     * story: the op counts all the same, and people are to be told.
     */
    readonly rosterFits: boolean;
  }
  | {
    readonly valid: false;
    /** Why it is void. */
    readonly reason: VoidReason;
    /** Who signed it; `undefined` when that is not certain. */
    readonly actor: Fingerprint | undefined;
  };

/** From what a newcomer of an open room starts when old ops are gone. */
export interface RosterStart {
  /** The room's id, 32 bytes. */
  readonly room: Bytes;
  /** What a member's `encode` gave; it comes from the relay and is not trusted. */
  readonly snapshot: Bytes;
  /** An op of a member whose `seen` is the place of the snapshot and whose roster fits it. */
  readonly op: Bytes;
}

/** From what a member goes on that was away for longer than the log reaches back. */
export interface LaterStart extends Omit<RosterStart, "room"> {
  /** The place at which the snapshot must stand. */
  readonly epoch: number;
}

/** The members of one room. */
export class Membership {
  readonly #mutex = new Mutex();
  #state: MembershipState;

  private constructor(state: MembershipState) {
    this.#state = state;
  }

  /**
   * Begins with an empty log.
   * @param kind how people come in
   * @param room the room's id, 32 bytes
   * @returns nobody, at epoch 0
   */
  static async begin(kind: RoomKind, room: Bytes): Promise<Membership> {
    return new Membership(await emptyMembership(kind, room));
  }

  /**
   * Takes up what was stored by us.
   * @param bytes what `encode` gave
   * @returns the same membership
   * @throws {DecodeError} when it is anything else
   */
  static async decode(bytes: Bytes): Promise<Membership> {
    return new Membership(await decodeMembership(bytes));
  }

  /**
   * Starts in the middle of the log of an open room, from what a member handed out. Every member must have signed their
   * own join to this room, and a member must have signed the roster at this very place; who else was there, when people
   * were last active and which ops came before is a claim, and wrong ones show as `rosterFits: false` later.
   * @param start the snapshot and the op that bears it out
   * @returns the membership at the place that the op names; go on with the op placed after it
   * @throws {DecodeError} when something is malformed
   * @throws {ProtocolError} when the op is of somebody who is not among the members
   * @throws {AuthError} when it is another room, or a signature, the place or the roster does not fit
   */
  static async fromRoster(start: RosterStart): Promise<Membership> {
    return new Membership(await readStart(start));
  }

  /** How people come in. */
  get kind(): RoomKind {
    return this.#state.kind;
  }

  /** The room's id, 32 bytes. */
  get room(): Bytes {
    return this.#state.room;
  }

  /** How many ops were placed. */
  get epoch(): number {
    return this.#state.epoch;
  }

  /** The head after the last of them, 32 bytes. */
  get head(): Bytes {
    return lastPlace(this.#state).head;
  }

  /** The hash of the members, 32 bytes. */
  get roster(): Bytes {
    return lastPlace(this.#state).roster;
  }

  /**
   * Lists the members.
   * @returns them, in the order in which they came
   */
  members(): readonly Member[] {
    return [...this.#state.members.values()];
  }

  /**
   * Finds a member.
   * @param who by fingerprint
   * @returns the member, `undefined` when there is none
   */
  memberOf(who: Fingerprint): Member | undefined {
    return this.#state.members.get(who);
  }

  /**
   * Looks a head up.
   * @param head 32 bytes
   * @returns its epoch; `undefined` when it is none of the last 1,280 of this log
   */
  knowsHead(head: Bytes): number | undefined {
    return epochOfHead(this.#state, head);
  }

  /**
   * Counts the valid leaves and removes placed after one epoch, up to another and that one included.
   * @param after the epoch after which to count
   * @param until the last epoch that counts; the current one if left out
   * @returns how many; `undefined` when that is not known any more, or not yet
   */
  removalsSince(after: number, until: number = this.#state.epoch): number | undefined {
    return removalsBetween(this.#state, after, until);
  }

  /**
   * Tells how long a member may be silent here; after a quarter of it a quiet one says `here`.
   * @param member one of the members
   * @returns milliseconds
   */
  graceMs(member: Member): number {
    return graceOf(this.#state, member);
  }

  /**
   * Tells whether a member may be removed for absence.
   * @param who by fingerprint
   * @param atMs the relay's time, in milliseconds since 1970 (UTC)
   * @returns whether the last own event is older than the grace; `false` for those who are no members
   */
  isAbsent(who: Fingerprint, atMs: number): boolean {
    const member = this.#state.members.get(who);
    return member !== undefined && isAbsent(this.#state, member, atMs);
  }

  /**
   * Gives what a new op names: this room and its current place.
   * @param atMs the time now, in milliseconds since 1970 (UTC)
   * @returns what `joinOp` and the others take
   */
  context(atMs: number): OpContext {
    return contextOf(this.#state, atMs);
  }

  /**
   * Takes the next placed op.
   * @param bytes whatever the relay placed
   * @param place its number and the relay's time
   * @returns what it did, or why it is void; the head advances either way
   * @throws {ProtocolError} when it is not the next one; nothing changes then
   * @throws {RangeError} when the time is no whole number from 0 to 2^53 - 1
   */
  apply(bytes: Bytes, place: OpPlace): Promise<AppliedOp> {
    u64be(place.atMs);
    const own = bytes.slice(); // the caller may reuse its buffer while this op waits for its turn
    return this.#mutex.run(async () => {
      if (place.epoch !== this.#state.epoch + 1) {
        throw new ProtocolError(`Cannot apply op: it has epoch ${place.epoch}, after ${this.#state.epoch}`);
      }
      const { state, result } = await applyOp(this.#state, own, place);
      this.#state = state;
      return result;
    });
  }

  /**
   * Goes on at a later place of the log of an open room, as `fromRoster` does: the ops up to it are gone.
   * @param start the snapshot and the op that bears it out
   * @throws {DecodeError} when something is malformed; nothing changes then, nor with the others
   * @throws {ProtocolError} when the place is no later one, or the op is of somebody who is not among the members
   * @throws {AuthError} when it is another room, or a signature, the place or the roster does not fit
   */
  skipTo({ epoch, snapshot, op }: LaterStart): Promise<void> {
    return this.#mutex.run(async () => {
      if (this.#state.kind !== "open") throw new ProtocolError("Cannot start from roster: people are invited here");
      const state = await readStart({ room: this.#state.room, snapshot, op });
      if (state.epoch !== epoch || epoch <= this.#state.epoch) {
        throw new ProtocolError("Cannot start from roster: it is not the place that it should be, or no later one");
      }
      this.#state = state;
    });
  }

  /**
   * Encodes all of it, to be stored, or handed to newcomers of an open room.
   * @returns no secret
   */
  encode(): Bytes {
    return encodeMembership(this.#state);
  }
}

/** An op, or why there is none. */
type ReadOp = { readonly op: Op } | { readonly op: undefined; readonly reason: VoidReason };

async function applyOp(
  state: MembershipState,
  bytes: Bytes,
  place: OpPlace,
): Promise<{ state: MembershipState; result: AppliedOp }> {
  const head = await nextHead(lastPlace(state).head, bytes);
  const read = await readOp(state, bytes);
  if (read.op === undefined) {
    return { state: advanced(state, head), result: { valid: false, reason: read.reason, actor: undefined } };
  }
  const { op } = read;
  const verdict = await judgeOp(state, op, place);
  if (!verdict.valid) {
    return { state: advanced(state, head), result: { valid: false, reason: verdict.reason, actor: op.actor } };
  }
  const { change } = verdict;
  return {
    state: await changed(state, { op, verdict, head }),
    result: { valid: true, change, rosterFits: rosterFits(state, op) },
  };
}

async function readOp(state: MembershipState, bytes: Bytes): Promise<ReadOp> {
  try {
    return { op: await verifyOp(bytes, (actor) => state.members.get(actor)?.certificate.signPublic) };
  } catch (error) {
    if (error instanceof DecodeError) return { op: undefined, reason: "malformed" };
    if (error instanceof ProtocolError) return { op: undefined, reason: "unknownActor" };
    if (error instanceof AuthError) return { op: undefined, reason: "forged" };
    throw error;
  }
}

/** The state after a void op: the same members, one place on. */
function advanced(state: MembershipState, head: Bytes): MembershipState {
  const place = { head, roster: lastPlace(state).roster, isRemoval: false };
  return { ...state, epoch: state.epoch + 1, places: [...state.places, place].slice(-PLACES_KEPT) };
}

/** The state after a valid op. */
async function changed(
  state: MembershipState,
  { op, verdict, head }: { readonly op: Op; readonly verdict: Verdict & { valid: true }; readonly head: Bytes },
): Promise<MembershipState> {
  const { members, subject, change } = verdict;
  const next = advanced(state, head);
  const isRemoval = change.kind === "left" || change.kind === "removed";
  // The most frequent op changes no member.
  const roster = change.kind === "here" ? lastPlace(state).roster : await rosterHash(members, state.members);
  const place = { head, roster, isRemoval };
  return {
    ...next,
    isBegun: true,
    grace: op.kind === "create" ? op.grace : state.grace,
    places: [...next.places.slice(0, -1), place],
    touched: withTouched(next, subject),
    members,
  };
}

/** Marks the subject of a valid op and forgets those whose mark lies before every `seen` that can still come. */
function withTouched(state: MembershipState, subject: Fingerprint | undefined): ReadonlyMap<Fingerprint, number> {
  const oldest = state.epoch - seenMax(state.kind);
  const touched = new Map(state.touched);
  for (const [who, epoch] of touched) {
    if (epoch > oldest) break; // the lowest stand first
    touched.delete(who);
  }
  if (subject === undefined) return touched;
  touched.delete(subject); // it goes to the end
  return touched.set(subject, state.epoch);
}

function rosterFits(state: MembershipState, op: Op): boolean {
  if (op.kind === "create") return true;
  const place = placeAt(state, op.seen.epoch);
  return place !== undefined && equalBytes(place.roster, op.roster);
}

async function readStart({ room, snapshot, op }: RosterStart): Promise<MembershipState> {
  const state = await decodeMembership(snapshot);
  if (state.kind !== "open" || !equalBytes(state.room, room)) {
    throw new AuthError("Cannot start from roster: it is of another room");
  }
  for (const member of state.members.values()) await assertOwnJoin(state, member);
  await assertBorneOut(state, op);
  return state;
}

async function assertOwnJoin(state: MembershipState, member: Member): Promise<void> {
  const op = await verifyOp(member.admittingOp, () => undefined); // a join carries its own key
  if (op.kind !== "join" || !equalBytes(op.room, state.room) || op.seen.epoch >= state.epoch) {
    throw new AuthError("Cannot start from roster: a member did not join this room by themselves");
  }
}

async function assertBorneOut(state: MembershipState, bytes: Bytes): Promise<void> {
  const op = await verifyOp(bytes, (actor) => state.members.get(actor)?.certificate.signPublic);
  if (!state.members.has(op.actor)) throw new ProtocolError("Cannot start from roster: its signer is no member");
  const { head, roster } = lastPlace(state);
  const fits = op.kind !== "create" && equalBytes(op.room, state.room) && op.seen.epoch === state.epoch &&
    equalBytes(op.seen.head, head) && equalBytes(op.roster, roster);
  if (!fits) throw new AuthError("Cannot start from roster: the op names another place or other members");
}
