/**
 * One room on one relay (PROTOCOL §4): follows its stream, keeps its log without a hole, joins it, says who is in it, and
 * seals and opens its messages. Only who is in the signed log and was shown to the person is given keys.
 *
 * How it begins:
 *
 *     never read before    enter, getOps from the first     -> subscribe from now on
 *     read before          enter, subscribe after our place
 *     then                 a `join` op, unless we are a member already
 *
 * If an op is missing in the stream, nothing is taken from it until `getOps` brought it. Calls must not overlap.
 * @module
 */

import { AuthError, UserError } from "../bytes/errors.ts";
import type { Bytes } from "../bytes/writer.ts";
import { idOf } from "../e2ee/identity.ts";
import type { AppliedOp } from "../e2ee/membership.ts";
import type { OpAuthor } from "../e2ee/membership_make.ts";
import { Room as RoomCore, type RoomClaims, type RoomRow, type SealedForRoom } from "../e2ee/room.ts";
import type { OpenedRoomMessage, RoomHeard } from "../e2ee/room_heard.ts";
import type { Member as LogMember } from "../e2ee/roster.ts";
import { decodeOps } from "../wire/bodies.ts";
import {
  type ClientMessage,
  type Cursor,
  encodeClientMessage,
  type EventId,
  type Fingerprint,
  type StreamName,
} from "../wire/messages.ts";
import { KeyHandover } from "./key_handover.ts";
import type { Keyring } from "./keyring.ts";
import { OwnOps } from "./own_ops.ts";
import type { People, Person } from "./people.ts";
import type { EventHead, Room } from "./receiving.ts";
import { type Consistency, KNOWN_OP, type MembershipNews, newsOf, NO_NEWS, type PlacedOp } from "./room_news.ts";
import { notice, type Turn } from "./turn.ts";

/** What a channel is made from. */
export interface RoomChannelOptions {
  /** Which room. */
  readonly room: Room;
  /** What was stored of it; nothing at first. */
  readonly rows?: readonly { readonly name: string; readonly value: Bytes }[] | undefined;
  /** Our keys and certificate. */
  readonly author: OpAuthor;
  /** Who was met. */
  readonly people: People;
  /** Sessions with members. */
  readonly keyring: Keyring;
  /** Draws the number of a request; of all rooms of a client, none twice. */
  readonly nextRef: () => number;
}

/** One room of one client. */
export class RoomChannel {
  readonly #options: RoomChannelOptions;
  readonly #self: Fingerprint;
  readonly #handover: KeyHandover;
  #core: RoomCore;
  #isFollowing = false;
  /** The number of the `getOps` under way. */
  #opsRef: number | undefined;
  readonly #ownOps: OwnOps;
  /** Members that the person was shown. */
  readonly #shown = new Set<Fingerprint>();

  private constructor(options: RoomChannelOptions, core: RoomCore) {
    this.#options = options;
    this.#self = options.author.certificate.fingerprint;
    this.#core = core;
    const { author, people, keyring, nextRef } = options;
    this.#ownOps = new OwnOps({ author, stream: this.stream, newEventId: () => keyring.newEventId() });
    this.#handover = new KeyHandover({ room: () => this.#core, people, keyring, nextRef });
  }

  /**
   * Makes a channel.
   * @param options the room, and we
   * @param nowMs the time now
   * @returns a channel that follows nothing yet
   * @throws {DecodeError} when what was stored is damaged
   */
  static async create(options: RoomChannelOptions, nowMs: number): Promise<RoomChannel> {
    const self = options.author.certificate.fingerprint;
    const core = options.rows === undefined
      ? await RoomCore.begin("open", idOf(options.room.id), { self })
      : await RoomCore.restore(options.rows, { self });
    const channel = new RoomChannel(options, core);
    for (const member of core.membership.members()) channel.#introduce(member, nowMs);
    return channel;
  }

  /** The stream of its events. */
  get stream(): StreamName {
    return `room/${this.#options.room.id}`;
  }

  /** Whether events of the stream are to be taken: not while ops are missing. */
  get isFollowing(): boolean {
    return this.#isFollowing;
  }

  /** Whether we are a member and the log is whole, so that messages can be sealed. */
  get isReady(): boolean {
    return this.#isFollowing && this.#core.isMember;
  }

  /**
   * Gives the rows that are to be stored.
   * @returns what changed since the last call
   */
  takeChanges(): RoomRow[] {
    return this.#core.takeChanges();
  }

  /**
   * Begins: enters the room and hears what we do not know yet.
   * @param cursor where our reading stands; `null` when it was never read
   * @param turn time and effects
   */
  start(cursor: Cursor | null, turn: Turn): void {
    this.#send({ t: "enter", room: this.#options.room.id }, turn);
    if (cursor === null) this.#fetchOps(turn);
    else this.#subscribe(cursor, turn);
  }

  /**
   * Takes in that the stream is heard from our place on; a client that is no member joins now.
   * @param turn time and effects
   */
  async subscribed(turn: Turn): Promise<void> {
    this.#isFollowing = true;
    await this.#joinIfNeeded(turn);
  }

  /**
   * Takes in that the relay has another log: the room begins anew, and everybody joins it afresh.
   * @param turn time and effects
   */
  async reset(turn: Turn): Promise<void> {
    const { room } = this.#options;
    this.#core = await RoomCore.begin("open", idOf(room.id), { self: this.#self, m: this.#core.m });
    this.#ownOps.restart();
    this.#shown.clear();
    notice(turn, "reset", `The relay started a new log: #${room.name} begins anew, and everybody joins it again`);
    this.#isFollowing = false;
    this.#fetchOps(turn);
  }

  /**
   * Takes in a page of ops that were asked for.
   * @param page which request it answers, the number of its first op, and whether more follow
   * @param body the ops
   * @param options time and effects, and where our reading of the stream stands
   * @returns what became of those that we did not know
   * @throws {DecodeError} when the page is malformed
   * @throws {ProtocolError} when it leaves ops out
   */
  async ops(
    page: { readonly ref: number; readonly first: number; readonly more: boolean },
    body: Bytes,
    options: Turn & { readonly cursor: Cursor | null },
  ): Promise<PlacedOp[]> {
    if (page.ref !== this.#opsRef) return [];
    const placed: PlacedOp[] = [];
    for (const [i, { at, op }] of decodeOps(body).entries()) {
      const epoch = page.first + i;
      if (epoch > this.#core.membership.epoch) placed.push(await this.#apply(op, { epoch, atMs: at }, options));
    }
    if (page.more) return placed;
    this.#opsRef = undefined;
    this.#subscribe(options.cursor, options);
    return placed;
  }

  /**
   * Takes in that an op was placed, one of ours included.
   * @param place its number and the relay's time
   * @param bytes the op
   * @param turn time and effects
   * @returns what became of it; `undefined` when ops before it are missing: its place does not count as read then
   */
  async op(
    { epoch, atMs }: { readonly epoch: number; readonly atMs: number },
    bytes: Bytes,
    turn: Turn,
  ): Promise<PlacedOp | undefined> {
    const known = this.#core.membership.epoch;
    if (epoch <= known) return KNOWN_OP;
    if (epoch > known + 1) {
      this.#isFollowing = false;
      this.#fetchOps(turn);
      return undefined;
    }
    const placed = await this.#apply(bytes, { epoch, atMs }, turn);
    await this.#joinIfNeeded(turn);
    return placed;
  }

  /**
   * Takes an op of ours out that the relay has answered.
   * @param id its event's id
   * @returns the op, `undefined` when it is none of ours
   */
  takeOwnOp(id: EventId): Bytes | undefined {
    return this.#ownOps.take(id);
  }

  /**
   * Takes in a message of the stream.
   * @param head its place
   * @param body what was published
   * @param nowMs the time now
   * @returns what became of it
   */
  message(head: Pick<EventHead, "seq" | "at">, body: Bytes, nowMs: number): Promise<RoomHeard> {
    return this.#core.message(body, { seq: head.seq, atMs: head.at, nowMs });
  }

  /**
   * Takes in that a message of ours was placed.
   * @param message what was published
   */
  async placed(message: Bytes): Promise<void> {
    await this.#core.placed(message);
  }

  /**
   * Takes a sender key that came through a session.
   * @param plaintext what was opened
   * @param peer whose session
   * @param nowMs the time now
   * @returns what had waited for it
   */
  async key(plaintext: Bytes, peer: Fingerprint, nowMs: number): Promise<readonly RoomHeard[]> {
    return (await this.#core.key(plaintext, peer, nowMs)).released;
  }

  /**
   * Holds what a message says of itself against what we know.
   * @param message what was opened
   * @param claims what stands in it
   * @returns what the person is to be told
   */
  check(message: OpenedRoomMessage, claims: RoomClaims): Consistency {
    const { missing, tally } = this.#core.check(message, claims);
    const hidden = tally.kind === "behind" ? tally.missing : 0;
    return { gap: Math.max(missing, hidden), isFork: tally.kind === "differs" };
  }

  /**
   * Lists the members that can be shown: all but us, and but those whose name no relay would bind.
   * @returns them in the order of their coming
   */
  members(): Person[] {
    return this.#core.membership.members().flatMap(({ certificate: { fingerprint } }) =>
      fingerprint === this.#self ? [] : this.#options.people.get(fingerprint) ?? []
    );
  }

  /**
   * Notes that the person was shown a member: what is written from now on is for them.
   * @param who by fingerprint
   */
  shown(who: Fingerprint): void {
    if (this.hasMember(who)) this.#shown.add(who);
  }

  /**
   * Tells for whom a line is that is written now.
   * @returns members whom the person was shown
   */
  audience(): Fingerprint[] {
    return [...this.#shown].filter((who) => this.hasMember(who));
  }

  /**
   * Tells whether somebody is in the log.
   * @param who by fingerprint
   * @returns whether they are a member
   */
  hasMember(who: Fingerprint): boolean {
    return this.#core.membership.memberOf(who) !== undefined;
  }

  /**
   * Sees to it that those who are to read the next message can.
   * @param audience for whom it was written; those whose key is held back by now are left out
   * @param turn time and effects
   * @returns whether it may be sealed now
   */
  async prepare(audience: readonly Fingerprint[], turn: Turn): Promise<boolean> {
    if (!this.isReady) return false;
    const { people } = this.#options;
    const to = audience.filter((who) => {
      const person = people.get(who);
      return person !== undefined && people.trust(person) !== "changed";
    });
    return await this.#handover.prepare(new Set(to), turn);
  }

  /**
   * Numbers a message and tells what we have read, for its plaintext.
   * @param m its number if it is sealed again; a new one without
   * @returns what it says of itself
   */
  claims(m?: number): RoomClaims {
    return this.#core.claims(m);
  }

  /**
   * Seals a message.
   * @param plaintext claims included
   * @returns what to publish
   */
  seal(plaintext: Bytes): Promise<SealedForRoom> {
    return this.#core.seal(plaintext);
  }

  /**
   * Tells whether a message that is with the relay would be refused by now; what is written after it must wait then.
   * @param sealed what was published
   * @returns whether more were removed since than it may miss
   */
  isStale({ epoch, slack }: Pick<SealedForRoom, "epoch" | "slack">): boolean {
    return (this.#core.membership.removalsSince(epoch) ?? Infinity) > slack;
  }

  /**
   * Takes in the answer to a packet of keys.
   * @param ref its number
   * @param refused ids of what was not stored
   * @param turn time and effects
   * @returns whether it was one of ours
   * @throws {DecodeError} when the list is malformed
   */
  handedOver(ref: number, refused: Bytes, turn: Turn): boolean {
    return this.#handover.answered(ref, refused, turn);
  }

  /**
   * Leaves for good; the op counts once it is placed.
   * @param turn time and effects
   */
  async leave(turn: Turn): Promise<void> {
    if (this.#core.isMember) await this.#ownOps.leave(this.#core.membership.context(turn.nowMs), turn);
  }

  async #joinIfNeeded(turn: Turn): Promise<void> {
    if (!this.#isFollowing) return;
    const { membership } = this.#core;
    await this.#ownOps.join(membership.memberOf(this.#self), membership.context(turn.nowMs), turn);
  }

  async #apply(op: Bytes, place: { readonly epoch: number; readonly atMs: number }, turn: Turn): Promise<PlacedOp> {
    const { applied, released } = await this.#core.placeOp(op, { ...place, nowMs: turn.nowMs });
    return { news: this.#news(applied, turn.nowMs), released, atMs: place.atMs };
  }

  #news(applied: AppliedOp, nowMs: number): MembershipNews {
    if (!applied.valid || !("member" in applied.change)) return NO_NEWS;
    const { change } = applied;
    const { fingerprint } = change.member.certificate;
    if (fingerprint === this.#self) return NO_NEWS;
    const isComing = change.kind === "joined" || change.kind === "renewed";
    const person = isComing ? this.#introduce(change.member, nowMs) : this.#options.people.get(fingerprint);
    const isGone = change.kind === "left" || change.kind === "removed";
    if (isGone) this.#shown.delete(fingerprint); // one who comes back is shown again first
    return person === undefined ? NO_NEWS : newsOf(change, person);
  }

  /** Meets a member of the log; one whose name no relay would bind is never shown, and so never given keys. */
  #introduce({ certificate }: LogMember, nowMs: number): Person | undefined {
    if (certificate.fingerprint === this.#self) return undefined;
    try {
      this.#options.keyring.expect(certificate.fingerprint);
      return this.#options.people.meet(certificate, { nowMs }).person;
    } catch (error) {
      // A UserError is a name that is malformed, an AuthError a certificate of a later day.
      if (error instanceof UserError || error instanceof AuthError) return undefined;
      throw error;
    }
  }

  #fetchOps(turn: Turn): void {
    this.#opsRef = this.#options.nextRef();
    const { epoch } = this.#core.membership;
    this.#send({ t: "getOps", ref: this.#opsRef, room: this.#options.room.id, after: epoch }, turn);
  }

  #subscribe(after: Cursor | null, turn: Turn): void {
    this.#send({ t: "subscribe", stream: this.stream, after }, turn);
  }

  #send(message: ClientMessage, turn: Turn): void {
    turn.effects.push({ kind: "send", packet: encodeClientMessage(message) });
  }
}
