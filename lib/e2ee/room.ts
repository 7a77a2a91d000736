/**
 * One room as one member knows it (PROTOCOL 3.10 to 3.17): its log, how we speak in it, how we listen, and what was said since each
 * head. It is moved on by the room's stream, event by event and one at a time, and by the sender keys that come through
 * the sessions with its members. Does no I/O.
 *
 * The owner stores the room by its changes (PROTOCOL §0.6): after each step, and before anything of that step leaves, it
 * keeps what `takeChanges` gives in one transaction with the place of the stream. The rows:
 *
 * ```
 * members ops (membership_rows.ts) | speaker (room_speaker.ts) | chain/… held/… late/… (room_rows.ts)
 * counters (room_counters.ts)
 * ```
 * @module
 */

import { DecodeError } from "../bytes/errors.ts";
import type { Bytes } from "../bytes/writer.ts";
import { secureRandom } from "../crypto/random.ts";
import type { Fingerprint } from "./identity.ts";
import { type AppliedOp, type LaterStart, Membership } from "./membership.ts";
import { MembershipRows } from "./membership_rows.ts";
import type { OpPlace } from "./membership_rules.ts";
import type { RoomKind } from "./membership_state.ts";
import { decodeCounters, encodeCounters, SENDERS_MAX } from "./room_counters.ts";
import type { KeyHeard, MessagePlace, OpenedRoomMessage, RoomHeard } from "./room_heard.ts";
import { RoomListener, slackOf } from "./room_listener.ts";
import { roomMessageHash } from "./room_message.ts";
import { RoomSpeaker } from "./room_speaker.ts";
import { RoomTally } from "./room_tally.ts";
import type { ClaimsVerdict, RoomClaims, RoomOptions, RoomRow, SealedForRoom } from "./room_types.ts";
import { emptyTally } from "./tally.ts";
import { ToldHidden } from "./told_hidden.ts";
import { ToldLosses } from "./told_losses.ts";

/** A room. */
export class Room {
  readonly #membership: Membership;
  readonly #log: MembershipRows;
  readonly #speaker: RoomSpeaker;
  readonly #listener: RoomListener;
  readonly #tally: RoomTally;
  readonly #told = new ToldLosses();
  readonly #hidden = new ToldHidden();
  readonly #self: Fingerprint;
  readonly #counters: Map<Fingerprint, number>;
  readonly #changed = new Set<string>();

  private constructor(parts: {
    readonly membership: Membership;
    readonly log?: MembershipRows;
    readonly speaker: RoomSpeaker;
    readonly tally: RoomTally;
    readonly counters: Map<Fingerprint, number>;
    readonly self: Fingerprint;
  }) {
    this.#membership = parts.membership;
    this.#log = parts.log ?? new MembershipRows(parts.membership);
    this.#speaker = parts.speaker;
    this.#tally = parts.tally;
    this.#counters = parts.counters;
    this.#self = parts.self;
    const { membership, self, tally } = parts;
    this.#listener = new RoomListener({ membership, self, tally });
  }

  /**
   * Begins with an empty log; nothing is stored yet.
   * @param kind how people come in
   * @param room the room's id, 32 bytes
   * @param options we
   * @returns the room
   */
  static async begin(kind: RoomKind, room: Bytes, options: RoomOptions): Promise<Room> {
    const { self, random = secureRandom, m = 0 } = options;
    const membership = await Membership.begin(kind, room);
    const speaker = new RoomSpeaker({ membership, self, random, m });
    const tally = new RoomTally(emptyTally(membership.head));
    const begun = new Room({ membership, speaker, tally, counters: new Map(), self });
    for (const name of ["speaker", "counters"]) begun.#changed.add(name);
    return begun;
  }

  /**
   * Goes on where the stored rows stand.
   * @param rows the last value of each row that was not deleted
   * @param options we
   * @returns the room, with nothing changed
   * @throws {DecodeError} when a row is damaged, missing or of no known kind
   */
  static async restore(
    rows: readonly { readonly name: string; readonly value: Bytes }[],
    options: RoomOptions,
  ): Promise<Room> {
    const { self, random = secureRandom } = options;
    const byName = new Map(rows.map(({ name, value }) => [name, value]));
    const of = (name: string): Bytes => {
      const value = byName.get(name);
      if (value === undefined) throw new DecodeError(`Cannot restore room: the row ${name} is missing`);
      byName.delete(name);
      return value;
    };
    const { membership, rows: log } = await MembershipRows.restore(of("members"), byName.get("ops"));
    byName.delete("ops");
    const speaker = RoomSpeaker.decode(of("speaker"), { membership, self, random });
    const { tally, counters } = decodeCounters(of("counters"));
    const room = new Room({ membership, log, speaker, tally, counters, self });
    for (const [name, value] of byName) await room.#listener.restore(name, value);
    return room;
  }

  /** Its members and its head; move it on by this room alone. */
  get membership(): Omit<Membership, "apply" | "skipTo"> {
    return this.#membership;
  }

  /** The number of our last message. */
  get m(): number {
    return this.#speaker.m;
  }

  /** Whether we are a member. */
  get isMember(): boolean {
    return this.#membership.memberOf(this.#self) !== undefined;
  }

  /**
   * Takes the next placed op.
   * @param bytes whatever the relay placed
   * @param place its number, the relay's time, and the time now; `isAhead` when it was fetched, and the stream has yet to
   * pass it by
   * @returns what became of it, and of what had waited for it
   * @throws {ProtocolError} when it is not the next one
   */
  async placeOp(
    bytes: Bytes,
    place: OpPlace & { readonly nowMs: number; readonly isAhead?: boolean },
  ): Promise<{ readonly applied: AppliedOp; readonly released: readonly RoomHeard[] }> {
    const wasMember = this.isMember;
    const applied = await this.#membership.apply(bytes, { epoch: place.epoch, atMs: place.atMs });
    if (place.isAhead) this.#tally.break(); // what the stream still has under the head before was not counted from there
    await this.#tally.reset(this.#membership.head);
    this.#log.placed(bytes, place.atMs);
    this.#changed.add("counters");
    if (!wasMember && this.isMember) this.#counters.clear();
    // Whoever comes, or comes back, begins at the first number that we see.
    if (applied.valid && applied.change.kind === "joined") {
      this.#counters.delete(applied.change.member.certificate.fingerprint);
    }
    if (wasMember && !this.isMember) {
      this.#speaker.silence();
      this.#changed.add("speaker");
    }
    // A newer certificate, or one who left and forgot the room: they may not have our chain any more.
    if (applied.valid && (applied.change.kind === "renewed" || applied.change.kind === "joined")) {
      this.#speaker.lost(applied.change.member.certificate.fingerprint);
      this.#changed.add("speaker");
    }
    return { applied, released: await this.#listener.opPlaced(applied, place.nowMs, place.isAhead) };
  }

  /**
   * Begins to open a message that is placed soon, which changes nothing.
   * @param bytes what was published; the very array that {@linkcode message} is given then
   * @returns when that work is over
   */
  foresee(bytes: Bytes): Promise<void> {
    return this.#listener.foresee(bytes);
  }

  /**
   * Goes on at a later place of the log of an open room, whose ops up to it are gone. What was said meanwhile is not
   * known; what can still be opened later stays, and we speak on a new chain.
   * @param start what a member handed out, see `Membership.skipTo`
   * @param nowMs the time now
   * @returns what became of messages that waited for keys of a place in between
   * @throws {DecodeError | ProtocolError | AuthError} as `Membership.skipTo`; nothing changes then
   */
  async skipTo(start: LaterStart, nowMs: number): Promise<readonly RoomHeard[]> {
    const [wasMember, { epoch }] = [this.isMember, this.#membership];
    await this.#membership.skipTo(start);
    await this.#tally.reset(this.#membership.head);
    this.miss();
    this.#log.skipped();
    this.#changed.add("speaker").add("counters");
    this.#speaker.silence(); // whoever has our chain may have gone, or come back without it
    if (!wasMember) this.#counters.clear();
    for (const { joinedEpoch, certificate } of this.#membership.members()) {
      if (joinedEpoch > epoch) this.#counters.delete(certificate.fingerprint);
    }
    return await this.#listener.skipped(nowMs);
  }

  /**
   * Takes the next placed message of somebody else.
   * @param bytes what was published
   * @param place where
   * @returns what became of it
   */
  async message(bytes: Bytes, place: MessagePlace): Promise<RoomHeard> {
    const heard = await this.#listener.take(bytes, place);
    if (heard.kind === "refused" && heard.reason === "full" && heard.sender) this.#told.tell(heard.sender, place.seq);
    this.#changed.add("counters");
    return heard;
  }

  /**
   * Takes in that a message of ours was placed next.
   * @param message what was published
   */
  async placed(message: Bytes): Promise<void> {
    await this.#tally.add(await roomMessageHash(message));
    this.#changed.add("counters");
  }

  /**
   * Takes a sender key that came through a session.
   * @param bytes what was opened, an `isSenderKey` for this room
   * @param peer whose session
   * @param nowMs the time now
   * @returns what became of it, and of what had waited for it
   */
  key(bytes: Bytes, peer: Fingerprint, nowMs: number): Promise<KeyHeard> {
    return this.#listener.takeKey(bytes, peer, nowMs);
  }

  /**
   * Holds what a message says of itself against what we know; to be called once for each message, in the order in which
   * they were opened.
   * @param message what was opened
   * @param claims what stands in its plaintext
   * @returns what is missing, and whether its author was told another story
   */
  check(message: OpenedRoomMessage, claims: RoomClaims): ClaimsVerdict {
    const { fingerprint } = message.sender;
    const last = this.#counters.get(fingerprint) ?? 0;
    // A newcomer starts at the first number that they see. What waits for its key is not missing.
    const between = last === 0 ? 0 : Math.max(0, claims.m - last - 1);
    const told = message.isLate ? 0 : this.#told.open(fingerprint, message.seq);
    const missing = message.isLate ? 0 : Math.max(0, between - told - this.#listener.waitingOf(fingerprint));
    if (claims.m > last) this.#count(fingerprint, claims.m);
    const tally = this.#tally.compare(message.head, claims.tally, message.before);
    // Whoever says that we miss something may invent it: what others say is held against what we read all the same.
    return { missing, tally: this.#hidden.news(fingerprint, message.head, tally) };
  }

  /**
   * Notes that an op passes by in the stream that was known before. What is said since the newest head begins there.
   * @param epoch its number
   */
  async passed(epoch: number): Promise<void> {
    this.#listener.passed(epoch);
    if (epoch !== this.#membership.epoch) return;
    await this.#tally.reset(this.#membership.head);
    this.#changed.add("counters");
  }

  /** Notes that the stream was read to its end, so that no op that was fetched is yet to come. */
  caughtUp(): void {
    this.#listener.passed(this.#membership.epoch);
  }

  /** Notes that messages are missing which the relay left out or does not have any more. */
  miss(): void {
    this.#tally.break();
    this.#changed.add("counters");
  }

  /**
   * Replaces our chain if that is due, and tells who is to get it before the next message.
   * @param to those whom the person was shown and who may have our keys
   * @param nowMs the time now
   * @returns members that do not have it
   */
  async prepare(to: ReadonlySet<Fingerprint>, nowMs: number): Promise<Fingerprint[]> {
    const before = this.#speaker.keyId;
    const lacking = await this.#speaker.prepare(to, nowMs);
    if (this.#speaker.keyId !== before) this.#changed.add("speaker");
    return lacking;
  }

  /** The id of our chain in hexadecimal, `undefined` without one. */
  get keyId(): string | undefined {
    return this.#speaker.keyId;
  }

  /** Who has our chain. */
  get holders(): ReadonlySet<Fingerprint> {
    return this.#speaker.holders;
  }

  /**
   * Gives our chain for one member; call it before the message that they are to read.
   * @param who a member
   * @returns a sender key to seal for them alone. Secret
   */
  handOver(who: Fingerprint): Promise<Bytes> {
    return this.#speaker.handOver(who);
  }

  /**
   * Notes that a member has our chain.
   * @param who the member
   * @param keyId the chain's id, for another may be in use by now
   */
  handed(who: Fingerprint, keyId: string): void {
    this.#speaker.handed(who, keyId);
  }

  /**
   * Notes that a member may have lost our keys: they are handed over again.
   * @param who the member
   */
  lost(who: Fingerprint): void {
    this.#speaker.lost(who);
    this.#changed.add("speaker");
  }

  /**
   * Numbers a message of ours and tells what we have read: for its plaintext.
   * @param m its number if it is sealed again; a new one without
   * @returns what it says of itself
   */
  claims(m?: number): RoomClaims {
    if (m === undefined) this.#changed.add("speaker");
    return { m: m ?? this.#speaker.nextM(), tally: this.#tally.claim };
  }

  /**
   * Seals a message.
   * @param plaintext what to seal, claims included
   * @returns what to publish
   */
  async seal(plaintext: Bytes): Promise<SealedForRoom> {
    const { epoch } = this.#membership;
    const keyId = this.#speaker.keyId ?? "";
    this.#changed.add("speaker");
    return { message: await this.#speaker.seal(plaintext), epoch, slack: slackOf(this.#membership), keyId };
  }

  /**
   * Counts a member's messages that wait for their key.
   * @param sender whose
   * @returns the number
   */
  waitingOf(sender: Fingerprint): number {
    return this.#listener.waitingOf(sender);
  }

  /**
   * Forgets what waited too long.
   * @param nowMs the time now
   * @returns whose messages were forgotten, one entry each
   */
  expire(nowMs: number): Fingerprint[] {
    const expired = this.#listener.expire(nowMs);
    for (const { sender, seq } of expired) this.#told.tell(sender, seq);
    return expired.map(({ sender }) => sender);
  }

  /**
   * Gives the rows that are not as they were when this was called last, at first all of them.
   * @returns the rows
   */
  takeChanges(): RoomRow[] {
    const rows = [...this.#changed].map((name) => ({ name, value: this.#row(name) }));
    this.#changed.clear();
    return [
      ...this.#log.takeChanges(),
      ...rows,
      ...this.#listener.takeChanged().map((name) => ({ name, value: this.#listener.row(name) })),
    ];
  }

  #row(name: string): Bytes {
    if (name === "speaker") return this.#speaker.encode();
    return encodeCounters(this.#tally, this.#counters);
  }

  #count(who: Fingerprint, m: number): void {
    this.#counters.delete(who); // the one that was silent longest goes first
    this.#counters.set(who, m);
    for (const old of this.#counters.keys()) {
      if (this.#counters.size <= SENDERS_MAX) break;
      this.#counters.delete(old);
    }
    this.#changed.add("counters");
  }
}
