/**
 * What the relay asks of an op before it places it (PROTOCOL 4.4). It cannot judge one, and does not try: whether an op
 * is signed, entitled or void is for clients to say. It sees to three things that only it can: nobody takes a name in a
 * room that it did not bind to them, nobody is removed as absent who is here, and no log grows faster than it should.
 * @module
 */

import { equalBytes } from "../bytes/equal.ts";
import type { Bytes } from "../bytes/writer.ts";
import { OP_KIND, opClaimsOf, REASON_ABSENT, spellId } from "../wire/bodies.ts";
import type { Fingerprint } from "../wire/messages.ts";
import type { RefusedCode } from "./effects.ts";
import { KeyedBudgets } from "./keyed_budgets.ts";
import type { RelayLink } from "./links.ts";

/** Ops of one identity that are placed at once, in whatever rooms: a class or an office is added in one go. */
export const OPS_PER_IDENTITY_BURST = 256;
/** How many more of them a second: one in ten seconds, far above what a person or the sign of life of a member needs. */
export const OPS_PER_IDENTITY_PER_SECOND = 0.1;
/** Ops of one room that are placed at once, whoever writes them: all of a full room come back after a break. */
export const OPS_PER_ROOM_BURST = 1_024;
/** How many more of them a second: twice what a busy open room sees. New identities cost nothing, so this holds too. */
export const OPS_PER_ROOM_PER_SECOND = 10;

/** Ops from one address that are placed at once, whoever writes them: new identities cost nothing. */
export const OPS_PER_ADDRESS_BURST = 1_024;
/** How many more of them a second: all rooms' ops cannot be filled from one machine in less than half a day. */
export const OPS_PER_ADDRESS_PER_SECOND = 1;

/** What ops must keep to. */
export class OpRules {
  readonly #isLinked: (fingerprint: Fingerprint) => boolean;
  readonly #identities = new KeyedBudgets({ burst: OPS_PER_IDENTITY_BURST, perSecond: OPS_PER_IDENTITY_PER_SECOND });
  readonly #rooms = new KeyedBudgets({ burst: OPS_PER_ROOM_BURST, perSecond: OPS_PER_ROOM_PER_SECOND });

  readonly #addresses = new KeyedBudgets({ burst: OPS_PER_ADDRESS_BURST, perSecond: OPS_PER_ADDRESS_PER_SECOND });

  /**
   * Starts with every budget full.
   * @param isLinked tells whether somebody is here
   */
  constructor(isLinked: (fingerprint: Fingerprint) => boolean) {
    this.#isLinked = isLinked;
  }

  /**
   * Tells why an op is not placed; what is let through is counted.
   * @param link who publishes it
   * @param room its room
   * @param op the op and the time
   * @returns the reason, or `undefined` when nothing stands against it
   */
  refusal(
    link: RelayLink,
    room: Fingerprint,
    op: { readonly body: Bytes; readonly nowMs: number },
  ): RefusedCode | undefined {
    const { body, nowMs } = op;
    if (body.length === 0 || !this.#mayClaim(link, body)) return "badOp";
    const { fingerprint, address } = link.caller;
    const isInTime = this.#identities.take(fingerprint, nowMs) &&
      (address === undefined || this.#addresses.take(address, nowMs)) && this.#rooms.take(room, nowMs);
    return isInTime ? undefined : "tooManyOps";
  }

  /** Whether what an op claims agrees with what the relay knows; what is no op claims nothing. */
  #mayClaim(link: RelayLink, op: Bytes): boolean {
    const claims = opClaimsOf(op);
    if (claims === undefined) return true;
    const { kind, detail, subject } = claims;
    if (kind === OP_KIND.create || kind === OP_KIND.join) {
      return subject !== undefined && equalBytes(subject, link.caller.certificate);
    }
    if (kind !== OP_KIND.remove || detail?.[0] !== REASON_ABSENT || subject === undefined) return true;
    return !this.#isLinked(spellId(subject));
  }
}
