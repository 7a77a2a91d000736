/**
 * Meeting the members of one room by its log: a valid op that carries a certificate introduces its owner (PROTOCOL 5.3),
 * and what an op did becomes news for the person.
 * @module
 */

import { AuthError, UserError } from "../bytes/errors.ts";
import type { AppliedOp } from "../e2ee/membership.ts";
import type { Room as RoomCore } from "../e2ee/room.ts";
import type { Member as LogMember } from "../e2ee/roster.ts";
import type { Fingerprint } from "../wire/messages.ts";
import type { Keyring } from "./keyring.ts";
import type { People, Person } from "./people.ts";
import { type MembershipNews, newsOf, NO_NEWS } from "./room_news.ts";
import type { RoomVoice } from "./room_voice.ts";

/** What it works with. */
export interface RoomMeetingOptions {
  /** Gives the room's members, as far as the log is known. */
  readonly membership: () => RoomCore["membership"];
  /** We. */
  readonly self: Fingerprint;
  /** Who was met. */
  readonly people: People;
  /** Sessions with members. */
  readonly keyring: Keyring;
  /** How we speak there. */
  readonly voice: RoomVoice;
}

/** The members of one room, as they come and go. */
export class RoomMeeting {
  readonly #options: RoomMeetingOptions;

  /**
   * Meets nobody yet.
   * @param options the room, and we
   */
  constructor(options: RoomMeetingOptions) {
    this.#options = options;
  }

  /**
   * Meets all members.
   * @param nowMs the time now
   */
  introduceAll(nowMs: number): void {
    for (const member of this.#options.membership().members()) this.#introduce(member, nowMs);
  }

  /**
   * Says what a placed op is to the person.
   * @param applied what it did
   * @param nowMs the time now
   * @returns the news
   */
  news(applied: AppliedOp, nowMs: number): MembershipNews {
    if (!applied.valid) return NO_NEWS;
    const { membership, self, people, voice } = this.#options;
    const { change } = applied;
    const member = "member" in change ? change.member : membership().memberOf(change.by);
    if (member === undefined) return NO_NEWS; // who begins an open room is no member by that
    const { fingerprint } = member.certificate;
    if (fingerprint === self) return newsOf(change, undefined);
    const isComing = change.kind === "joined" || change.kind === "renewed" || change.kind === "created";
    const person = isComing ? this.#introduce(member, nowMs) : people.get(fingerprint);
    const isGone = change.kind === "left" || change.kind === "removed";
    if (isGone) voice.hide(fingerprint); // one who comes back is shown again first
    return person === undefined ? NO_NEWS : newsOf(change, person);
  }

  /** Meets a member of the log; one whose name no relay would bind is never shown, and so never given keys. */
  #introduce({ certificate }: LogMember, nowMs: number): Person | undefined {
    const { keyring, people, self } = this.#options;
    if (certificate.fingerprint === self) return undefined;
    try {
      keyring.expect(certificate.fingerprint);
      const { person } = people.meet(certificate, { nowMs });
      keyring.renew(person.certificate);
      return person;
    } catch (error) {
      // A UserError is a name that is malformed, an AuthError a certificate of a later day.
      if (error instanceof UserError || error instanceof AuthError) return undefined;
      throw error;
    }
  }
}
