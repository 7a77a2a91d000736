/**
 * Absence in an open room (PROTOCOL 3.13): a member that says nothing for a quarter of its grace says that it is here, and
 * who was silent for longer than the grace is taken out by whoever gets to it first. After many ops that bear nothing out
 * a member says so, too, whoever gets to it first: without it no newcomer could start after them, and the ops before them
 * would have to stay (PROTOCOL 4.4). Each client waits a random while before it tries, so that a hundred do not all write
 * the same op.
 * @module
 */

import type { RandomBytes } from "../crypto/random.ts";
import type { Fingerprint } from "../wire/messages.ts";
import type { People } from "./people.ts";
import type { RoomChannel } from "./room_channel.ts";
import type { Turn } from "./turn.ts";

/** The longest random while before somebody is taken out. */
export const REMOVE_DELAY_MAX_MS = 60_000;
/** Ops after which a member says that it is here, if none of them bears out where the room stands. */
export const HERE_AFTER_OPS = 1_024;
/** How long after an op that came to nothing the next one is tried. */
export const TRY_AGAIN_MS: number = 10 * 60_000;
/** How many are taken out at once; the others when these are done. */
const AT_ONCE_MAX = 8;

/** What it works with. */
export interface RoomAbsenceOptions {
  /** An open room; in others nobody is taken out for absence. */
  readonly channel: RoomChannel;
  /** Who is here. */
  readonly people: People;
  /** We. */
  readonly self: Fingerprint;
  /** Where random whiles come from. */
  readonly random: RandomBytes;
}

/** Who is silent in one room. */
export class RoomAbsence {
  readonly #options: RoomAbsenceOptions;
  /** Not before when something is tried for somebody who was silent since a time. */
  readonly #notBefore = new Map<Fingerprint, { readonly sinceMs: number; readonly atMs: number }>();
  /** When we say that we are here for the sake of newcomers. */
  #hereAtMs = Infinity;

  /**
   * Starts with nothing tried.
   * @param options the room and who is here
   */
  constructor(options: RoomAbsenceOptions) {
    this.#options = options;
  }

  /**
   * Tells when something is due.
   * @param nowMs the time now
   * @returns the time; `Infinity` when nothing is
   */
  nextDueMs(nowMs: number): number {
    return Math.min(Infinity, ...this.#due(nowMs).map(({ atMs }) => atMs));
  }

  /**
   * Does what is due.
   * @param turn time and effects
   */
  async tick(turn: Turn): Promise<void> {
    const { channel, self } = this.#options;
    const due = this.#due(turn.nowMs).filter(({ atMs }) => atMs <= turn.nowMs).slice(0, AT_ONCE_MAX);
    for (const { who } of due) {
      if (who === self) this.#hereAtMs += TRY_AGAIN_MS;
      const { lastActiveMs: sinceMs = 0 } = channel.membership.memberOf(who) ?? {};
      this.#notBefore.set(who, { sinceMs, atMs: turn.nowMs + TRY_AGAIN_MS });
      await channel.change(who === self ? { kind: "here" } : { kind: "remove", subject: who, reason: "absent" }, turn);
    }
  }

  #due(nowMs: number): { readonly who: Fingerprint; readonly atMs: number }[] {
    const { channel: { membership, isReady, kind }, self } = this.#options;
    if (!isReady || kind !== "open") return [];
    const members = membership.members();
    const known = new Set(members.map(({ certificate: { fingerprint } }) => fingerprint));
    for (const who of this.#notBefore.keys()) if (!known.has(who)) this.#notBefore.delete(who);
    return members.flatMap((member) => {
      const who = member.certificate.fingerprint;
      if (who !== self && this.#isHere(who)) {
        this.#notBefore.delete(who);
        return [];
      }
      const { lastActiveMs: sinceMs } = member;
      if (this.#notBefore.get(who)?.sinceMs !== sinceMs) this.#notBefore.delete(who); // they were there since
      const graceMs = membership.graceMs(member);
      const silentUntilMs = sinceMs + (who === self ? graceMs / 4 : graceMs + 1);
      if (silentUntilMs <= nowMs && !this.#notBefore.has(who)) {
        this.#notBefore.set(who, { sinceMs, atMs: who === self ? nowMs : nowMs + this.#delayMs() });
      }
      const atMs = Math.max(silentUntilMs, this.#notBefore.get(who)?.atMs ?? 0);
      return [{ who, atMs: who === self ? Math.min(atMs, this.#hereDueMs(nowMs)) : atMs }];
    });
  }

  #hereDueMs(nowMs: number): number {
    if (this.#options.channel.opsUnborne < HERE_AFTER_OPS) this.#hereAtMs = Infinity;
    else if (this.#hereAtMs === Infinity) this.#hereAtMs = nowMs + this.#delayMs();
    return this.#hereAtMs;
  }

  #isHere(who: Fingerprint): boolean {
    const { people, channel } = this.#options;
    return people.get(who)?.rooms.has(channel.room.id) === true;
  }

  #delayMs(): number {
    const [high = 0, low = 0] = this.#options.random(2);
    return Math.floor((high * 256 + low) / 65_536 * REMOVE_DELAY_MAX_MS);
  }
}
