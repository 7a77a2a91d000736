/**
 * What the relay asks of an op before it places it (PROTOCOL 4.4). It cannot judge one, and does not try: whether an op
 * is signed, entitled or void is for clients to say. It sees to four things that only it can: nobody takes a name in a
 * room that it did not bind to them, nobody is removed as absent who is here, no log grows faster than it should, and no
 * machine fills a room with members that it made up.
 * @module
 */

import { equalBytes } from "../bytes/equal.ts";
import type { Bytes } from "../bytes/writer.ts";
import { OP_KIND, opClaimsOf, opKindAt, REASON_ABSENT, spellId } from "../wire/bodies.ts";
import type { Fingerprint } from "../wire/messages.ts";
import type { CallerLife, RefusedCode } from "./effects.ts";
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
/**
 * Ops of one room from one address that are placed at once, joins left out: everybody of a full room leaves, or says that
 * they are here, from one machine.
 */
export const ROOM_OPS_PER_ADDRESS_BURST = 1_024;
/**
 * How many more of them a second: one in ten seconds. The signs of life of 45 ephemeral clients on one machine, or of
 * 15,000 lasting ones; and 20,000 ops of junk take one machine two days.
 */
export const ROOM_OPS_PER_ADDRESS_PER_SECOND = 0.1;

/**
 * Joins of one room from one address with lasting certificates at once: half of the links that an address may have. A
 * room has at most 1,000 members, and one who never comes back is one for 7 days.
 */
export const LASTING_JOINS_BURST = 128;
/** How many more of them a second: one in 15 minutes. In 7 days an address makes 800 members at most, never a full room. */
export const LASTING_JOINS_PER_SECOND: number = 1 / (15 * 60);
/** The same with ephemeral certificates, of which one that does not come back is a member for 30 minutes. */
export const EPHEMERAL_JOINS_BURST = 64;
/** How many more of them a second: one in 15 seconds, as often as scripts start one after the other; 184 in 30 minutes. */
export const EPHEMERAL_JOINS_PER_SECOND: number = 1 / 15;

/** What ops must keep to. */
export class OpRules {
  readonly #isLinked: (fingerprint: Fingerprint) => boolean;
  readonly #identities = new KeyedBudgets({ burst: OPS_PER_IDENTITY_BURST, perSecond: OPS_PER_IDENTITY_PER_SECOND });
  readonly #rooms = new KeyedBudgets({ burst: OPS_PER_ROOM_BURST, perSecond: OPS_PER_ROOM_PER_SECOND });
  readonly #addresses = new KeyedBudgets({ burst: OPS_PER_ADDRESS_BURST, perSecond: OPS_PER_ADDRESS_PER_SECOND });
  /** Of a room and an address. */
  readonly #others = new KeyedBudgets({
    burst: ROOM_OPS_PER_ADDRESS_BURST,
    perSecond: ROOM_OPS_PER_ADDRESS_PER_SECOND,
  });
  /** Likewise; apart, so that nobody's joins wait behind what others on their machine say. */
  readonly #joins: Readonly<Record<CallerLife, KeyedBudgets>> = {
    lasting: new KeyedBudgets({ burst: LASTING_JOINS_BURST, perSecond: LASTING_JOINS_PER_SECOND }),
    ephemeral: new KeyedBudgets({ burst: EPHEMERAL_JOINS_BURST, perSecond: EPHEMERAL_JOINS_PER_SECOND }),
  };

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
    const isInTime = this.#identities.take(link.caller.fingerprint, nowMs) &&
      this.#isInTimeOfAddress(link, room, op) && this.#rooms.take(room, nowMs);
    return isInTime ? undefined : "tooManyOps";
  }

  /**
   * Joins count by the certificate that they carry, which is that of the link. One by somebody who joined before counts
   * like any other: the relay does not know who is a member.
   */
  #isInTimeOfAddress(
    { caller: { address, life } }: RelayLink,
    room: Fingerprint,
    { body, nowMs }: { readonly body: Bytes; readonly nowMs: number },
  ): boolean {
    if (address === undefined) return true;
    const ofRoom = opKindAt(body) === OP_KIND.join ? this.#joins[life] : this.#others;
    return ofRoom.take(`${room} ${address}`, nowMs) && this.#addresses.take(address, nowMs);
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
