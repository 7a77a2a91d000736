/**
 * Where in a room's log its stream stands (PROTOCOL 3.16). As a rule that is the newest op. After places of the stream
 * were left out, ops are fetched and known before the stream passes them by: a message is judged by the log as it was at
 * the message's own place, not by what came later.
 * @module
 */

import type { Fingerprint } from "./identity.ts";
import type { AppliedOp, Membership } from "./membership.ts";
import type { MembershipChange } from "./membership_rules.ts";
import { PLACES_KEPT } from "./membership_state.ts";
import type { Member } from "./roster.ts";

/** A coming or going that the stream has not passed by yet. */
interface Ahead {
  readonly epoch: number;
  readonly change: Extract<MembershipChange, { kind: "joined" | "left" | "removed" }>;
}

/** The place of one room's stream in its log. */
export class LogPlace {
  readonly #membership: Membership;
  /** The last op that the stream passed by; `undefined` when that is the newest. */
  #epoch: number | undefined;
  /** By place. */
  #ahead: Ahead[] = [];

  /**
   * Starts at the newest op.
   * @param membership the room's log, which its room moves on
   */
  constructor(membership: Membership) {
    this.#membership = membership;
  }

  /** How many ops the stream has passed by. */
  get epoch(): number {
    return this.#epoch ?? this.#membership.epoch;
  }

  /**
   * Takes in that an op was applied that the stream has not passed by.
   * @param applied what became of it; it is the newest of the log
   */
  fetched(applied: AppliedOp): void {
    const { epoch } = this.#membership;
    this.#epoch ??= epoch - 1;
    if (applied.valid) {
      const { change } = applied;
      const moves = change.kind === "joined" || change.kind === "left" || change.kind === "removed";
      if (moves) this.#ahead.push({ epoch, change });
    }
    // No head from further back is known: no message from there is judged.
    if (epoch - this.#epoch > PLACES_KEPT) this.pass(epoch - PLACES_KEPT);
  }

  /**
   * Takes in that the stream passed by an op, and with it all before.
   * @param epoch which
   */
  pass(epoch: number): void {
    if (epoch <= this.epoch) return;
    this.#ahead = this.#ahead.filter((one) => one.epoch > epoch);
    this.#epoch = epoch >= this.#membership.epoch ? undefined : epoch;
  }

  /**
   * Tells how far the log was when a message was placed: its author knew its head.
   * @param headEpoch the epoch of that head
   * @returns the epoch
   */
  of(headEpoch: number): number {
    return Math.max(headEpoch, this.epoch);
  }

  /**
   * Finds who was a member.
   * @param who by fingerprint
   * @param epoch when, not before the stream's place
   * @returns the member, as they are now or were when they went; `undefined` when they were none
   */
  memberAt(who: Fingerprint, epoch: number): Member | undefined {
    const next = this.#ahead.find((one) => one.epoch > epoch && one.change.member.certificate.fingerprint === who);
    if (next === undefined) return this.#membership.memberOf(who);
    return next.change.kind === "joined" ? undefined : next.change.member;
  }

  /**
   * Counts the removals that a message or a chain from an epoch missed.
   * @param headEpoch the epoch of its head
   * @returns how many were placed up to the stream's place; `undefined` when that is not known any more
   */
  missedSince(headEpoch: number): number | undefined {
    return this.#membership.removalsSince(headEpoch, this.of(headEpoch));
  }
}
