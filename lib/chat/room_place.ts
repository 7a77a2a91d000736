/**
 * One room as its person sees it: who is in it and who of them is here, what is written there, and what is wrong. Who is
 * a member the signed log says, who is here the relay. Its law: nobody counts as shown, and nothing is sealed for them,
 * before a line named them.
 * @module
 */

import type { Bytes } from "../bytes/writer.ts";
import type { Certificate } from "../e2ee/certificate.ts";
import type { Fingerprint, RelayMessage } from "../wire/messages.ts";
import type { Ref, RoomMember } from "./events.ts";
import type { Role } from "../e2ee/roster.ts";
import type { People, Person } from "./people.ts";
import { cutCertificates, type Presence, warnIfChanged } from "./presence.ts";
import type { Room } from "./receiving.ts";
import type { RoomChannel } from "./room_channel.ts";
import type { MembershipNews, PlacedOp } from "./room_news.ts";
import { RoomReading } from "./room_reading.ts";
import type { RoomRecord, Topic } from "./room_record.ts";
import type { Showing } from "./showing.ts";
import { type About, notice, refFieldOf, type Turn } from "./turn.ts";

/** Where a room stands: `idle`, kept and not entered in this run; `gone`, nothing is taken from it any more. */
export type RoomPhase = "invited" | "idle" | "entering" | "in" | "leaving" | "gone";

/** What a place is made from. */
export interface RoomPlaceOptions {
  /** The room. */
  readonly channel: RoomChannel;
  /** What was kept of it. */
  readonly record: RoomRecord;
  /** Who was met. */
  readonly people: People;
  /** What meets those whom the relay names. */
  readonly presence: Presence;
  /** What shows texts. */
  readonly showing: Showing;
  /** Tells whether an event was there before we began to hear the room in this link. */
  readonly isLate: (seq: number) => boolean;
  /** We. */
  readonly own: Certificate;
}

/** One room of one client. */
export class RoomPlace {
  /** How the room is read and written. */
  readonly channel: RoomChannel;
  readonly #options: RoomPlaceOptions;
  readonly #reading: RoomReading;
  #record: RoomRecord;
  #hasChanged = false;
  /** Where it stands in this run. */
  phase: RoomPhase;
  #isShown = false;
  /** Whether the relay has yet to say who is here, which is no news after a link was lost. */
  #isRosterDue = false;
  #hasNewcomer = false;
  #hasToldAway = false;
  /** What we may do, as the person knows it. */
  #role: Role | undefined;

  /**
   * Makes a place; nothing is shown of it yet.
   * @param options the room and what was kept of it
   */
  constructor(options: RoomPlaceOptions) {
    const { channel, record, people, own, showing, isLate } = options;
    this.channel = channel;
    this.#options = options;
    this.#record = record;
    this.phase = record.state === "invited" ? "invited" : "idle";
    this.#reading = new RoomReading({
      channel,
      people,
      own,
      showing,
      isLate,
      topic: () => this.#record.topic,
      setTopic: (topic) => this.update({ topic }),
    });
  }

  /** The room. */
  get room(): Room {
    return this.channel.room;
  }

  /** What it is called here. */
  get name(): string {
    return this.room.name;
  }

  /** What is kept of it. */
  get record(): RoomRecord {
    return this.#record;
  }

  /** Whether a line was held back because a member sees another history; saying it again goes on. */
  get isPaused(): boolean {
    return this.#reading.isPaused;
  }

  /**
   * Changes what is kept of it.
   * @param changes the new values
   */
  update(changes: Partial<RoomRecord>): void {
    this.#record = { ...this.#record, ...changes };
    this.#hasChanged = true;
  }

  /**
   * Tells whether what is kept changed since this was asked last.
   * @returns the record, `undefined` when it did not
   */
  takeRecord(): RoomRecord | undefined {
    if (!this.#hasChanged) return undefined;
    this.#hasChanged = false;
    return this.#record;
  }

  /**
   * Lists the members, for a line that the person is about to see: from then on what is written is for them.
   * @param turn where warnings go
   * @returns who is in it beside us, by handle
   */
  show(turn: Turn): RoomMember[] {
    this.#isShown = true;
    this.#role = this.#ownRole;
    const members = this.members();
    for (const { fingerprint } of members) this.channel.voice.show(fingerprint);
    for (const member of members) warnIfChanged(this.#options.people, member, turn, this.#about);
    return members;
  }

  /**
   * Lists the members.
   * @returns who is in it beside us, by handle
   */
  members(): RoomMember[] {
    const { people, own } = this.#options;
    const found: { readonly key: string; readonly member: RoomMember }[] = [];
    for (const { role, certificate: { fingerprint } } of this.channel.membership.members()) {
      const person = fingerprint === own.fingerprint ? undefined : people.get(fingerprint);
      if (person === undefined) continue;
      const member = { ...people.show(person), role, isHere: person.rooms.has(this.room.id) };
      found.push({ key: `${person.folded}/${fingerprint}`, member });
    }
    return found.toSorted((a, b) => a.key < b.key ? -1 : 1).map(({ member }) => member);
  }

  /**
   * Takes in a page of those who are there, as the relay says. One that comes late is told like people who come.
   * @param body certificates
   * @param turn time and effects
   * @throws {DecodeError} when the page is malformed
   */
  async roster({ more }: { readonly more: boolean }, body: Bytes, turn: Turn): Promise<void> {
    for (const certificate of cutCertificates(body)) await this.joined(turn.nowMs, certificate, turn);
    if (!more) this.#isRosterDue = false;
  }

  /**
   * Tells that we are in, who is in it with us, and what it is about.
   * @param isCurrent whether lines go there that name no room
   * @param ref what a script put beside its line
   * @param turn time and effects
   */
  tellIn(isCurrent: boolean, ref: Ref | undefined, turn: Turn): void {
    const warnings: Turn = { nowMs: turn.nowMs, effects: [] };
    const refField = ref === undefined ? {} : { ref };
    const { kind } = this.channel;
    const event = { type: "roomJoined", ...this.look(warnings), kind, isCurrent, ...refField } as const;
    turn.effects.push({ kind: "show", event }, ...warnings.effects);
  }

  /**
   * Looks around: from now on its members count as shown.
   * @param turn time, and effects for what is to be told of members
   * @returns what the room is called, who is in it, and what it is about
   */
  look(turn: Turn): { readonly room: string; readonly members: RoomMember[]; readonly topic?: string } {
    const { text = "" } = this.#record.topic ?? {};
    return { room: this.name, members: this.show(turn), ...(text === "" ? {} : { topic: text }) };
  }

  /** Whether its members were named to the person, so that lines can be written there. */
  get isShown(): boolean {
    return this.#isShown;
  }

  /** Notes that the link is gone. */
  unlink(): void {
    this.#isRosterDue = true;
    this.channel.unlink();
    if (this.phase === "in" || this.phase === "leaving" || this.phase === "entering") this.phase = "idle";
  }

  /**
   * Takes in that somebody is there. Who is no member is not shown: they read nothing of what is written.
   * @param atMs the relay's time
   * @param certificate who
   * @param turn time and effects
   */
  async joined(atMs: number, certificate: Bytes, turn: Turn): Promise<void> {
    const meeting = await this.#options.presence.meet(certificate, turn, { room: this.room.id });
    if (meeting === undefined || !this.#isShown || this.#isRosterDue) return;
    const isNews = meeting.isNewInRoom || meeting.hasNewCertificate;
    if (isNews && this.#isMember(meeting.person)) this.#tellJoined(meeting.person, atMs, turn);
  }

  /**
   * Takes in that somebody is not there any more; they stay a member.
   * @param message who, when and why
   * @param turn time and effects
   */
  left({ who, at, reason }: Extract<RelayMessage, { t: "left" }>, turn: Turn): void {
    const person = this.#options.people.leave(who, this.room.id, reason === "left");
    if (person === undefined || !this.#isShown || !this.#isMember(person)) return;
    const { handle, fingerprint } = person.certificate;
    turn.effects.push({ kind: "show", event: { type: "left", room: this.name, at, reason, handle, fingerprint } });
  }

  /**
   * Takes in what a placed op brought about.
   * @param placed what
   * @param turn time and effects
   */
  placed(placed: PlacedOp, turn: Turn): void {
    const { news, released, atMs, otherHistoryOf } = placed;
    if (this.#isShown) {
      this.#tellNews(news, atMs, { ...turn, ref: placed.own?.ref });
      this.#tellRole(turn);
    }
    if (otherHistoryOf !== undefined && this.#isShown) this.#reading.tellFork(otherHistoryOf, turn);
    this.read(released, turn);
  }

  /**
   * Takes in a part of a snapshot from which the log goes on; what was said before it is not heard any more.
   * @param message which part
   * @param body the bytes
   * @param turn time and effects
   * @returns whether the log goes on from it now, so that the stream is to be heard from now on
   * @throws {DecodeError} when it is malformed
   * @throws {ProtocolError} when it does not fit, or nobody bears it out
   */
  async snapshot(message: Extract<RelayMessage, { t: "snapshot" }>, body: Bytes, turn: Turn): Promise<boolean> {
    const wasKnown = this.channel.membership.epoch > 0;
    const released = await this.channel.snapshot(message, body, turn);
    if (released === undefined) return false;
    if (wasKnown) {
      notice(turn, "skipped", `You were away from #${this.name} for long: what was said meanwhile is missing`, {
        room: this.name,
      });
    }
    // Whoever came meanwhile is named before anything is for them.
    this.#isShown = false;
    if (this.phase === "in") this.phase = "entering";
    this.read(released, turn);
    return true;
  }

  /**
   * Takes in messages that were opened, or were not.
   * @param heard what became of each, in order
   * @param turn time and effects
   */
  read(heard: Parameters<RoomReading["take"]>[0], turn: Turn): void {
    this.#reading.take(heard, turn);
  }

  /**
   * Takes in that places of the stream were left out.
   * @param count how many
   * @param turn time and effects
   */
  missed(count: number, turn: Turn): void {
    this.#reading.missed(count, turn);
  }

  /**
   * Takes in that messages waited for their keys too long.
   * @param turn time and effects
   */
  expire(turn: Turn): void {
    this.#reading.expire(turn);
  }

  /** Notes that the person was told of another history and goes on all the same. */
  resume(): void {
    this.#reading.resume();
  }

  /**
   * Says what the room is about, if anybody did and newcomers have not heard it from us.
   * @returns the topic that we set, when somebody came since it was said last
   */
  takeTopicToRepeat(): Topic | undefined {
    const { topic } = this.#record;
    if (topic?.by !== this.#options.own.fingerprint || !this.#hasNewcomer) return undefined;
    this.#hasNewcomer = false;
    return topic;
  }

  /**
   * Tells whether the person is to hear that all others are away: not with every line.
   * @returns whether it was not told since somebody was here
   */
  isNewsThatAllAreAway(): boolean {
    const isNews = !this.#hasToldAway;
    this.#hasToldAway = true;
    return isNews;
  }

  /**
   * Tells by what name somebody is to be called.
   * @param who by fingerprint
   * @returns their handle, ours, or `somebody`
   */
  nameOf(who: Fingerprint): string {
    const { own, people } = this.#options;
    if (who === own.fingerprint) return own.handle;
    return people.get(who)?.certificate.handle ?? "somebody";
  }

  get #about(): About {
    return { room: this.name };
  }

  get #ownRole(): Role | undefined {
    return this.channel.membership.memberOf(this.#options.own.fingerprint)?.role;
  }

  /** Somebody promoted us, or the owner left and we are next. */
  #tellRole(turn: Turn): void {
    const role = this.#ownRole;
    if (role === this.#role) return;
    this.#role = role;
    if (role === "admin") notice(turn, "role", `You are an admin of #${this.name} now`, this.#about);
    if (role === "owner") notice(turn, "role", `You own #${this.name} now: its owner left`, this.#about);
  }

  #tellNews(news: MembershipNews, at: number, turn: Turn & { readonly ref: Ref | undefined }): void {
    if (news.kind === "none" || news.person === undefined) return;
    const { person } = news;
    const member = this.#options.people.show(person);
    const base = { room: this.name, at, by: this.nameOf(news.by), ...member, ...refFieldOf(turn.ref) };
    switch (news.kind) {
      case "came":
        this.#hasNewcomer = true;
        // Whoever comes by themselves is told once: as one who joined if they are still there.
        if (news.by === member.fingerprint && this.#isThere(person)) return this.#tellJoined(person, at, turn);
        turn.effects.push({ kind: "show", event: { type: "memberAdded", ...base } });
        return this.#shown(member, turn);
      case "went": {
        const { handle, fingerprint } = member;
        const event = { type: "left", room: this.name, at, reason: "left", handle, fingerprint } as const;
        turn.effects.push({ kind: "show", event });
        return;
      }
      case "removed":
        turn.effects.push({ kind: "show", event: { type: "memberRemoved", ...base, reason: news.reason } });
        return;
      case "promoted":
        turn.effects.push({ kind: "show", event: { type: "memberPromoted", ...base } });
    }
  }

  #tellJoined(person: Person, at: number, turn: Turn): void {
    const member = this.#options.people.show(person);
    this.#hasToldAway = false;
    turn.effects.push({ kind: "show", event: { type: "joined", room: this.name, at, ...member } });
    this.#shown(member, turn);
  }

  #shown(member: Parameters<typeof warnIfChanged>[1], turn: Turn): void {
    this.channel.voice.show(member.fingerprint);
    warnIfChanged(this.#options.people, member, turn, this.#about);
  }

  #isMember({ certificate: { fingerprint } }: Person): boolean {
    return this.channel.membership.memberOf(fingerprint) !== undefined;
  }

  #isThere({ certificate: { fingerprint } }: Person): boolean {
    return this.#options.people.get(fingerprint)?.rooms.has(this.room.id) === true;
  }
}
