/**
 * Who is in which room right now. This is presence, told once and forgotten: the relay does not judge who may be in a
 * room (PROTOCOL 4), and a room that nobody is in does not exist.
 * @module
 */

import type { Fingerprint, LeftReason } from "../wire/messages.ts";
import { type Closing, type EffectList, notAllowed } from "./effects.ts";
import type { RelayLink } from "./links.ts";
import { cutPage } from "./pages.ts";

/** Rooms one link may be in: what a person can follow, and its share of all rooms. */
export const ROOMS_PER_LINK_MAX = 64;
/** Members of one room: their certificates, told at once to whoever enters, stay near 400 KiB. */
export const ROOM_MEMBERS_MAX = 1000;
/** Rooms with anybody in them, so that links that enter random rooms cost a bounded amount. */
export const ROOMS_MAX = 20_000;

/** Rooms and those in them. */
export class Rooms {
  readonly #members = new Map<Fingerprint, Set<RelayLink>>();

  /**
   * Puts a link into a room: it hears the roster, the others hear `joined`. Entering again gives the roster again.
   * @param link who enters
   * @param room which room
   * @param nowMs the time that the others are told
   * @param effects where the messages go
   * @returns the end of the link when it may not, else `undefined`
   */
  enter(link: RelayLink, room: Fingerprint, nowMs: number, effects: EffectList): Closing | undefined {
    if (!link.pagedRequests.take(nowMs)) return notAllowed("Too many requests in a short time. Wait, then link again.");
    const isNew = !link.rooms.has(room);
    const members = this.#members.get(room) ?? new Set<RelayLink>();
    const refusal = isNew ? this.#refusal(link, members) : undefined;
    if (refusal !== undefined) return refusal;
    const others = [...members].filter((member) => member !== link);
    sendRoster(link, room, others, effects);
    if (!isNew) return undefined;
    this.#members.set(room, members.add(link));
    link.rooms.add(room);
    effects.send(others.map((member) => member.link), { t: "joined", room, at: nowMs }, link.caller.certificate);
    return undefined;
  }

  /**
   * Takes a link out of a room on its own wish and tells the others. Nothing happens when it is not there.
   * @param link who goes
   * @param room which room
   * @param nowMs the time that they are told
   * @param effects where the messages go
   */
  exit(link: RelayLink, room: Fingerprint, nowMs: number, effects: EffectList): void {
    if (link.rooms.delete(room)) this.#leave(link, room, { reason: "left", nowMs }, effects);
  }

  /**
   * Takes a link out of all its rooms and tells the others.
   * @param link who is gone
   * @param reason what the others are told
   * @param nowMs the time that they are told
   * @param effects where the messages go
   */
  leaveAll(link: RelayLink, reason: LeftReason, nowMs: number, effects: EffectList): void {
    for (const room of link.rooms) this.#leave(link, room, { reason, nowMs }, effects);
    link.rooms.clear();
  }

  /**
   * Puts a link in the place of another of the same client; nobody is told.
   * @param former the one that is over
   * @param next the one that goes on
   */
  handOver(former: RelayLink, next: RelayLink): void {
    for (const room of former.rooms) {
      this.#members.get(room)?.delete(former);
      this.#members.get(room)?.add(next);
      next.rooms.add(room);
    }
    former.rooms.clear();
  }

  #leave(
    link: RelayLink,
    room: Fingerprint,
    { reason, nowMs }: { readonly reason: LeftReason; readonly nowMs: number },
    effects: EffectList,
  ): void {
    const members = this.#members.get(room);
    if (members === undefined) return;
    members.delete(link);
    if (members.size === 0) this.#members.delete(room);
    const who = link.caller.fingerprint;
    effects.send([...members].map((member) => member.link), { t: "left", room, who, at: nowMs, reason });
  }

  #refusal(link: RelayLink, members: ReadonlySet<RelayLink>): Closing | undefined {
    if (link.rooms.size >= ROOMS_PER_LINK_MAX) {
      return notAllowed(`One link can be in ${ROOMS_PER_LINK_MAX} rooms at most.`);
    }
    if (members.size >= ROOM_MEMBERS_MAX) {
      return {
        code: "relayFull",
        message: `That room is full: ${ROOM_MEMBERS_MAX} people are in it. Try another room.`,
      };
    }
    if (members.size === 0 && this.#members.size >= ROOMS_MAX) {
      return { code: "relayFull", message: "This relay cannot hold more rooms. Try again later." };
    }
    return undefined;
  }
}

// All pages at once: a `joined` or `left` between two pages would belong to neither of two moments.
function sendRoster(link: RelayLink, room: Fingerprint, others: readonly RelayLink[], effects: EffectList): void {
  const certificates = others.map((member) => member.caller.certificate);
  let offset = 0;
  do {
    const page = cutPage(certificates, offset);
    offset = page.next;
    effects.send([link.link], { t: "roster", room, more: offset < certificates.length }, page.body);
  } while (offset < certificates.length);
}
