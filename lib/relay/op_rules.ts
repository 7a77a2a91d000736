/**
 * What the relay asks of an op before it places it (PROTOCOL 4.4). It cannot judge one, and does not try: whether an op
 * is signed, entitled or void is for clients to say. It sees to four things that only it can: nobody takes a name in a
 * room that it did not bind to them, nobody is removed as absent who is here, no log grows faster than it should, and no
 * machine fills a room with members that it made up, or keeps them there.
 * @module
 */

import { equalBytes } from "../bytes/equal.ts";
import type { Bytes } from "../bytes/writer.ts";
import { ID_BYTES, OP_KIND, opClaimsOf, opKindAt, REASON_ABSENT, spellId } from "../wire/bodies.ts";
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
 * Ops of one room from one address that are placed at once, joins and signs of life left out: everybody of a full room
 * leaves from one machine.
 */
export const ROOM_OPS_PER_ADDRESS_BURST = 1_024;
/** How many more of them a second: one in ten seconds, so that 20,000 ops of junk take one machine two days. */
export const ROOM_OPS_PER_ADDRESS_PER_SECOND = 0.1;

/**
 * Joins of one room from one address by lasting identities at once: half of the links that an address may have. Signs of
 * life count as well, for without one in 7 days nobody stays a member.
 */
export const LASTING_JOINS_BURST = 128;
/**
 * How many more of them a second: one in 15 minutes, which is what 168 members need. In 7 days these are 800 at most, so
 * that no address has as many members as a room may, 1,000, however it keeps them.
 */
export const LASTING_JOINS_PER_SECOND: number = 1 / (15 * 60);
/** The same by ephemeral identities, who need a sign of life in 30 minutes. */
export const EPHEMERAL_JOINS_BURST = 64;
/** How many more of them a second: one in 15 seconds, as often as scripts start one after the other; 184 in 30 minutes. */
export const EPHEMERAL_JOINS_PER_SECOND: number = 1 / 15;
/** How much of these is left for joins: whoever is linked need not say that they are here, nobody takes them out. */
const LEFT_FOR_JOINS = 0.5;

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
  readonly #signs: Readonly<Record<CallerLife, KeyedBudgets>> = {
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
   * Joins and signs of life count by the certificate of the link, whose owner they are by. One by somebody who joined
   * before counts like any other: the relay does not know who is a member.
   */
  #isInTimeOfAddress(
    { caller: { address, life } }: RelayLink,
    room: Fingerprint,
    { body, nowMs }: { readonly body: Bytes; readonly nowMs: number },
  ): boolean {
    if (address === undefined) return true;
    return this.#isInTimeOfRoom(`${room} ${address}`, life, { body, nowMs }) && this.#addresses.take(address, nowMs);
  }

  #isInTimeOfRoom(
    key: string,
    life: CallerLife,
    { body, nowMs }: { readonly body: Bytes; readonly nowMs: number },
  ): boolean {
    const burst = life === "lasting" ? LASTING_JOINS_BURST : EPHEMERAL_JOINS_BURST;
    const kind = opKindAt(body);
    if (kind === OP_KIND.join) return this.#signs[life].take(key, nowMs);
    if (kind === OP_KIND.here) return this.#signs[life].take(key, nowMs, LEFT_FOR_JOINS * burst);
    return this.#others.take(key, nowMs);
  }

  /** Whether what an op claims agrees with what the relay knows; what is no op claims nothing. */
  #mayClaim(link: RelayLink, op: Bytes): boolean {
    const claims = opClaimsOf(op);
    if (claims === undefined) return true;
    const { kind, detail, subject, actor } = claims;
    if (kind === OP_KIND.create || kind === OP_KIND.join) {
      return subject !== undefined && equalBytes(subject, link.caller.certificate);
    }
    if (kind === OP_KIND.here) return actor?.length !== ID_BYTES || spellId(actor) === link.caller.fingerprint;
    if (kind !== OP_KIND.remove || detail?.[0] !== REASON_ABSENT || subject === undefined) return true;
    return !this.#isLinked(spellId(subject));
  }
}
