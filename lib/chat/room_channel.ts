/**
 * One room on one relay (PROTOCOL 4.1, 4.4): keeps its log without a hole, joins it, says who is in it, and seals and
 * opens its messages. Only who is in the signed log and was shown to the person is given keys. Calls must not overlap.
 * @module
 */

import type { Bytes } from "../bytes/writer.ts";
import { bearsOut } from "../e2ee/bearing.ts";
import { idOf } from "../e2ee/identity.ts";
import type { AppliedOp } from "../e2ee/membership.ts";
import type { OpAuthor } from "../e2ee/membership_make.ts";
import { Room as RoomCore } from "../e2ee/room.ts";
import type { RoomClaims, RoomRow } from "../e2ee/room_types.ts";
import type { OpenedRoomMessage, RoomHeard } from "../e2ee/room_heard.ts";
import type { RoomKind } from "../e2ee/membership_state.ts";
import { decodeOps } from "../wire/bodies.ts";
import type { Cursor, EventId, Fingerprint, RelayMessage, StreamName } from "../wire/messages.ts";
import type { Ref } from "./events.ts";
import type { Keyring } from "./keyring.ts";
import { ADDS_ROW, decodeOwnAdds, type OwnAdd } from "./own_adds.ts";
import { type OwnOp, type OwnOpOutcome, OwnOps, TRIES_MAX } from "./own_ops.ts";
import type { People } from "./people.ts";
import type { EventHead, Room } from "./receiving.ts";
import { RoomFollowing } from "./room_following.ts";
import { RoomKeptRows } from "./room_kept_rows.ts";
import { RoomMeeting } from "./room_meeting.ts";
import { type Consistency, KNOWN_OP, otherHistoryOf, type PlacedOp } from "./room_news.ts";
import { startFrom } from "./room_snapshot.ts";
import { RoomVoice } from "./room_voice.ts";
import { notice, type Turn } from "./turn.ts";

/** What a channel is made from. */
export interface RoomChannelOptions {
  /** Which room. */
  readonly room: Room;
  /** How people come in. */
  readonly kind: RoomKind;
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
  #core: RoomCore;
  readonly #ownOps: OwnOps;
  readonly #meeting: RoomMeeting;
  /** How often we still try to join; a relay that plays with us must not keep us at it for ever. */
  #joinsLeft = TRIES_MAX;
  /** Whether we are a member as far as the person knows, so that a leave of ours in the log was meant to be one. */
  #isStaying: boolean;
  /** Whether ops of ours may have lost their answers with a link, or were never sent. */
  #mustResend = false;
  #opsUnborne = 0;
  readonly #rows: RoomKeptRows;
  /** Where we stand in its stream. */
  readonly following: RoomFollowing;
  /** How we speak there. */
  readonly voice: RoomVoice;

  private constructor(options: RoomChannelOptions, core: RoomCore, adds: readonly OwnAdd[]) {
    this.#options = options;
    this.#self = options.author.certificate.fingerprint;
    this.#core = core;
    this.#isStaying = core.isMember;
    this.#rows = new RoomKeptRows((options.rows ?? []).map(({ name }) => name));
    const { author, people, keyring, nextRef } = options;
    this.#ownOps = new OwnOps({ author, stream: this.stream, newEventId: () => keyring.newEventId() }, adds);
    this.#mustResend = adds.length > 0;
    this.following = new RoomFollowing({ room: options.room.id, stream: this.stream, nextRef });
    this.voice = new RoomVoice({ room: () => this.#core, isReady: () => this.isReady, people, keyring, nextRef });
    const { voice } = this;
    this.#meeting = new RoomMeeting({ membership: () => this.membership, self: this.#self, people, keyring, voice });
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
      ? await RoomCore.begin(options.kind, idOf(options.room.id), { self })
      : await RoomCore.restore(options.rows.filter(({ name }) => name !== ADDS_ROW), { self });
    const adds = options.rows?.find(({ name }) => name === ADDS_ROW);
    const channel = new RoomChannel(options, core, adds === undefined ? [] : await decodeOwnAdds(adds.value));
    channel.#meeting.introduceAll(nowMs);
    return channel;
  }

  /** The stream of its events. */
  get stream(): StreamName {
    return `room/${this.#options.room.id}`;
  }

  /** How people come in. */
  get kind(): RoomKind {
    return this.#options.kind;
  }

  /** The room. */
  get room(): Room {
    return this.#options.room;
  }

  /** Its members and its head, as far as the log is known. */
  get membership(): RoomCore["membership"] {
    return this.#core.membership;
  }

  /** What is said there: moved on by whoever reads the room. */
  get said(): Pick<RoomCore, "placed" | "waitingOf" | "miss" | "expire" | "caughtUp" | "foresee"> {
    return this.#core;
  }

  /** Whether we are a member as far as the log is known. */
  get isMember(): boolean {
    return this.#core.isMember;
  }

  /** How many ops were placed, as far as this run saw, since one bore out where the room stands. */
  get opsUnborne(): number {
    return this.#opsUnborne;
  }

  /** Whether an op of ours is on its way. */
  get isBusy(): boolean {
    return !this.#ownOps.isEmpty;
  }

  /** Whether we are a member and the log is whole, so that messages can be sealed. */
  get isReady(): boolean {
    return this.following.isOn && this.#core.isMember;
  }

  /**
   * Gives the rows that are to be stored.
   * @returns what changed since the last call; what there was before the room began anew is deleted
   */
  takeChanges(): RoomRow[] {
    return this.#rows.take([...this.#core.takeChanges(), ...this.#ownOps.takeChanges()]);
  }

  /**
   * Begins: enters the room and hears what we do not know yet.
   * @param cursor where our reading stands; `null` when it was never read
   * @param turn time and effects
   */
  start(cursor: Cursor | null, turn: Turn): void {
    this.following.start(cursor, this.#core.membership.epoch, turn);
  }

  /**
   * Takes in that places of the stream were left out before an event.
   * @param turn time and effects
   * @returns whether they are looked for; then the event is not to be taken, it comes again
   */
  resync(turn: Turn): boolean {
    return this.following.resync(this.#core.membership.epoch, turn);
  }

  /**
   * Takes in that the stream is heard from our place on; a client that is no member joins now.
   * @param turn time and effects
   */
  async subscribed(turn: Turn): Promise<void> {
    this.following.subscribed();
    if (this.#mustResend) this.#ownOps.resend(turn);
    this.#mustResend = false;
    await this.#joinIfNeeded(turn);
  }

  /**
   * Takes in that the relay has another log: an open room begins anew, and everybody joins it afresh.
   * @param turn time and effects
   * @returns whether the room goes on; one that people are invited to is gone with its log
   */
  async reset(turn: Turn): Promise<boolean> {
    const { room, kind } = this.#options;
    if (kind === "invite") return false;
    this.#core = await RoomCore.begin(kind, idOf(room.id), { self: this.#self, m: this.#core.m });
    this.#rows.beginAnew();
    this.#ownOps.restart();
    this.#joinsLeft = TRIES_MAX;
    this.voice.forget();
    notice(turn, "reset", `The relay started a new log: #${room.name} begins anew, and everybody joins it again`, {
      room: room.name,
    });
    this.following.fetchOps(0, turn);
    return true;
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
    if (!this.following.expects(page, this.#core.membership.epoch)) return [];
    const placed: PlacedOp[] = [];
    for (const [i, { at, op }] of decodeOps(body).entries()) {
      const isAhead = options.cursor !== null; // one that is heard from now on has passed them all
      placed.push(await this.#apply(op, { epoch: page.first + i, atMs: at, isAhead }, options));
      if (isAhead) this.following.holes.fetched(page.first + i);
      this.#core.miss(); // the stream goes on before this op: what comes until it passes by does not count since then
    }
    if (!page.more) this.following.fetched(options.cursor, options);
    return placed;
  }

  /**
   * Takes in a part of a snapshot that comes before the ops that were asked for. Once all of it is there the log goes on
   * from it, and everybody is to be shown again.
   * @param part which request it answers, and where it stands
   * @param body the bytes
   * @param turn time and effects
   * @returns what became of messages that waited; `undefined` while parts are missing
   * @throws {DecodeError} when it is malformed
   * @throws {ProtocolError} when it does not fit, or nobody bears it out
   */
  async snapshot(
    part: Extract<RelayMessage, { t: "snapshot" }>,
    body: Bytes,
    turn: Turn,
  ): Promise<readonly RoomHeard[] | undefined> {
    const whole = this.following.snapshot(part, body);
    if (whole === undefined) return undefined;
    const released = await startFrom(this.#core, { whole, epoch: part.epoch }, turn.nowMs);
    this.#ownOps.restart();
    this.#joinsLeft = TRIES_MAX;
    this.#isStaying = this.#core.isMember;
    this.#opsUnborne = 0;
    this.voice.forget();
    this.#meeting.introduceAll(turn.nowMs);
    return released;
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
    if (epoch <= known) {
      await this.#core.passed(epoch);
      return KNOWN_OP;
    }
    if (epoch > known + 1) {
      this.following.fetchOps(known, turn);
      return undefined;
    }
    const placed = await this.#apply(bytes, { epoch, atMs }, turn);
    await this.#joinIfNeeded(turn);
    return placed;
  }

  /**
   * Finds an op of ours that the relay has placed.
   * @param id its event's id
   * @returns the op, `undefined` when it is none of ours, or was seen in the log before
   */
  ownOp(id: EventId): Bytes | undefined {
    return this.#ownOps.find(id);
  }

  /**
   * Takes in that the relay did not place an op.
   * @param id its event's id
   * @param answer why: a code and a sentence of the relay's
   * @returns what became of it; `undefined` when it is none of ours
   */
  refused(id: EventId, answer: { readonly code: string; readonly message: string }): OwnOpOutcome | undefined {
    return this.#ownOps.refused(id, answer);
  }

  /**
   * Asks for a change of the room's members; it counts once it is placed and valid.
   * @param op what we want
   * @param turn time and effects, and what a script put beside its line
   */
  async change(op: OwnOp, turn: Turn & { readonly ref?: Ref | undefined }): Promise<void> {
    if (op.kind === "leave") this.#joinsLeft = 0;
    const isHeld = !this.following.isOn; // a relay takes nothing from whoever has not entered
    this.#mustResend ||= isHeld;
    await this.#ownOps.publish(op, this.#core.membership.context(turn.nowMs), { ...turn, isHeld });
  }

  /**
   * Takes in a message of the stream.
   * @param head its place, and who published it as the relay says
   * @param body what was published
   * @param nowMs the time now
   * @returns what became of it
   */
  message(
    head: Pick<EventHead, "seq" | "at"> & { readonly from: Fingerprint },
    body: Bytes,
    nowMs: number,
  ): Promise<RoomHeard> {
    return this.#core.message(body, { seq: head.seq, atMs: head.at, nowMs, from: head.from });
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

  /** Notes that the link is gone. */
  unlink(): void {
    this.#mustResend = true;
    this.following.unlink();
    this.voice.unlink();
  }

  /** We join an open room unless we are a member already, and show our newest certificate in any room. */
  async #joinIfNeeded(turn: Turn): Promise<void> {
    const { membership } = this.#core;
    const own = membership.memberOf(this.#self);
    const { author: { certificate }, kind } = this.#options;
    if (own === undefined ? kind === "invite" : own.certificate.createdMs >= certificate.createdMs) return;
    if (!this.following.isOn || this.#joinsLeft === 0 || !this.#ownOps.isEmpty) return;
    this.#joinsLeft--;
    await this.change({ kind: "join" }, turn);
  }

  async #apply(
    op: Bytes,
    place: { readonly epoch: number; readonly atMs: number; readonly isAhead?: boolean },
    turn: Turn,
  ): Promise<PlacedOp> {
    const { applied, released } = await this.#core.placeOp(op, { ...place, nowMs: turn.nowMs });
    this.#opsUnborne = bearsOut(applied) ? 0 : this.#opsUnborne + 1;
    const context = this.#core.membership.context(turn.nowMs);
    const own = await this.#ownOps.applied(op, applied, { ...turn, context });
    const hasLeft = own === undefined && this.#isStaying && this.#isOwnLeave(applied);
    if (hasLeft) this.#joinsLeft = 0; // an earlier run asked for it and did not live to hear of it
    if (this.following.isOn) this.#isStaying = this.#core.isMember;
    const news = this.#meeting.news(applied, turn.nowMs);
    if (own?.kind === "done" && own.op.kind === "join") this.#joinsLeft = TRIES_MAX;
    return { hasLeft, news, released, atMs: place.atMs, own, otherHistoryOf: otherHistoryOf(applied) };
  }

  #isOwnLeave(applied: AppliedOp): boolean {
    return applied.valid && applied.change.kind === "left" &&
      applied.change.member.certificate.fingerprint === this.#self;
  }
}
