/**
 * All rooms of one client on one relay: which there are, which one lines go to, and to which of them what the relay says
 * belongs. One room at least is entered at the start; the others that were kept follow once it is.
 * @module
 */

import type { UserError } from "../bytes/errors.ts";
import type { Bytes } from "../bytes/writer.ts";
import { fingerprintOf, openRoomId } from "../e2ee/identity.ts";
import { decodeSenderKey } from "../e2ee/sender_key.ts";
import { checkRoomName } from "../wire/handle.ts";
import type { Fingerprint, RelayMessage, StreamName } from "../wire/messages.ts";
import type { Ref } from "./events.ts";
import type { AcceptedMany } from "./key_handover.ts";
import type { RoomChannel } from "./room_channel.ts";
import { type Invitation, takeInvitation } from "./room_invitations.ts";
import { makeStay, type RoomsOptions, type StoredRoom } from "./room_making.ts";
import type { RoomPlace } from "./room_place.ts";
import type { RoomRecord } from "./room_record.ts";
import { RoomShelf } from "./room_shelf.ts";
import type { RoomMessage, RoomStay } from "./room_stay.ts";
import type { RoomLeaving } from "./room_stay_options.ts";
import type { RoomRowChange } from "./state.ts";
import type { Turn } from "./turn.ts";

/** The room that everybody is in who names none. */
export const DEFAULT_ROOM = "lobby";
/** Rooms of one client: what a relay lets one link be in. */
export const ROOMS_MAX = 64;
/** How often it is looked whether messages waited for their keys too long. */
const EXPIRE_EVERY_MS: number = 60 * 60_000;

/** The rooms of one client. */
export class Rooms {
  readonly #options: RoomsOptions;
  readonly #shelf: RoomShelf;
  readonly #stays = new Map<Fingerprint, RoomStay>();
  /** Invitations to rooms that we seem to be in. */
  readonly #invitations = new Map<Fingerprint, Invitation>();
  #current: RoomPlace | undefined;
  #generation = "";
  #nextRef = 1;
  #hasBegun = false;
  #expireAtMs = 0;
  #failure: UserError | undefined;

  private constructor(options: RoomsOptions) {
    this.#options = options;
    this.#shelf = new RoomShelf(options.relay.fingerprint, options.stored);
  }

  /**
   * Takes up the rooms that were kept of this relay.
   * @param options who we are and where
   * @param nowMs the time now
   * @returns the rooms, none of them entered
   * @throws {DecodeError} when something is damaged
   */
  static async create(options: RoomsOptions, nowMs: number): Promise<Rooms> {
    const rooms = new Rooms(options);
    for (const { room, record, rows } of rooms.#shelf.stored()) await rooms.#add(room, record, { nowMs, rows });
    return rooms;
  }

  /** The room that lines go to, `undefined` in none. */
  get current(): RoomPlace | undefined {
    return this.#current;
  }

  /** Why the client cannot go on, if so: the room at the start did not let us in. */
  get failure(): UserError | undefined {
    return this.#failure;
  }

  /** Whether something that we asked of a room is on its way. */
  get isBusy(): boolean {
    return [...this.#stays.values()].some((stay) => stay.isBusy);
  }

  /** Whether we are on our way into a room or out of one: a line now could mean the one or the other. */
  get isMoving(): boolean {
    const isMoving = ({ phase, record: { state } }: RoomPlace) =>
      phase === "entering" || (phase === "leaving" && state === "in");
    return this.list().some(isMoving);
  }

  /**
   * Lists the rooms, those that we were invited to included.
   * @returns them, in the order in which we came
   */
  list(): RoomPlace[] {
    return [...this.#stays.values()].map(({ place }) => place);
  }

  /**
   * Finds the room of a stream that lines are on their way to.
   * @param room its id
   * @returns its channel, `undefined` when we are not in it
   */
  channel(room: Fingerprint): RoomChannel | undefined {
    return this.#stays.get(room)?.place.channel;
  }

  /**
   * Finds a room of ours by its name.
   * @param name in any spelling that folds to it, with its # or without
   * @returns the room, `undefined` when there is none
   * @throws {UserError} when it is no name
   */
  find(name: string): RoomPlace | undefined {
    const { folded } = checkRoomName(name.replace(/^#/u, ""));
    return this.list().find((place) => checkRoomName(place.name).folded === folded);
  }

  /**
   * Begins: enters the room that lines go to.
   * @param name the room that was asked for; without, the one of the last run, or the default
   * @param generation the life of the relay's log
   * @param turn time and effects
   */
  async begin(name: string | undefined, generation: string, turn: Turn): Promise<void> {
    this.#generation = generation;
    const kept = this.list().filter(({ phase }) => phase === "idle");
    const place = name === undefined ? kept.find(({ record }) => record.isCurrent) ?? kept[0] : this.find(name);
    this.switchTo(place ?? await this.open(name ?? DEFAULT_ROOM, turn));
    this.enter(this.#current as RoomPlace, turn);
  }

  /**
   * Enters the other rooms that were kept, once the first is entered.
   * @param turn time and effects
   */
  beginOthers(turn: Turn): void {
    this.#hasBegun = true;
    for (const place of this.list()) if (place.phase === "idle") this.enter(place, turn);
  }

  /**
   * Makes the place of an open room.
   * @param name what it is called
   * @param turn time and effects
   * @returns the place, not entered
   */
  async open(name: string, turn: Turn): Promise<RoomPlace> {
    const checked = checkRoomName(name);
    const id = fingerprintOf(await openRoomId(this.#options.relay.publicBytes, checked.folded));
    return await this.add(id, { name: checked.name, kind: "open", state: "in", isCurrent: false }, turn);
  }

  /**
   * Adds a room.
   * @param id its id
   * @param record what it is
   * @param turn time and effects
   * @returns its place, not entered; the one that there is already, if so
   */
  async add(id: Fingerprint, record: RoomRecord, turn: Turn): Promise<RoomPlace> {
    const known = this.#stays.get(id)?.place;
    if (known?.phase === "invited" && known.record.kind !== record.kind) this.#forget(known); // it named a room falsely
    else if (known !== undefined) return known;
    const place = await this.#add(id, record, { nowMs: turn.nowMs });
    place.update({});
    return place;
  }

  /**
   * Enters a room.
   * @param place which
   * @param turn time and effects
   * @param options the op that begins it, and what a script put beside its line
   */
  enter(
    place: RoomPlace,
    turn: Turn,
    options: { readonly create?: Bytes; readonly ref?: Ref | undefined } = {},
  ): void {
    this.#stays.get(place.room.id)?.begin({ ...options, generation: this.#generation }, turn);
  }

  /**
   * Lets lines go to a room from now on.
   * @param place which, `undefined` for none
   */
  switchTo(place: RoomPlace | undefined): void {
    for (const other of this.list()) if (other !== place && other.record.isCurrent) other.update({ isCurrent: false });
    this.#current = place;
    if (place !== undefined && !place.record.isCurrent) place.update({ isCurrent: true });
  }

  /**
   * Takes in what the relay says about a room.
   * @param message what it says
   * @param body the opaque bytes that came with it
   * @param turn time and effects
   */
  async hear(message: RoomMessage, body: Bytes, turn: Turn): Promise<void> {
    const id = "room" in message ? message.room : roomOf(message.stream);
    await this.#stays.get(id)?.hear(message, body, turn); // `undefined` is said before the relay heard that we left
  }

  /**
   * Takes in that an event of ours was placed in a room.
   * @param message where
   * @param sealed what was published, if it was a message
   * @param turn time and effects
   */
  async accepted(
    message: Extract<RelayMessage, { t: "accepted" }>,
    sealed: Bytes | undefined,
    turn: Turn,
  ): Promise<void> {
    await this.#stays.get(roomOf(message.stream))?.accepted(message, sealed, turn);
  }

  /**
   * Takes in that the relay did not place an event of ours.
   * @param message its id, and why
   * @param turn time and effects
   */
  async refused(message: Extract<RelayMessage, { t: "refused" }>, turn: Turn): Promise<void> {
    for (const stay of [...this.#stays.values()]) if (await stay.refused(message, turn)) return;
  }

  /**
   * Takes in the answer to a packet of keys.
   * @param answer its number, and whether the relay cannot store at all now
   * @param refused ids of what was not stored
   * @param turn time and effects
   * @returns the stream of the room whose next message must not leave, as the relay could not store its keys
   */
  handedOver(answer: AcceptedMany, refused: Bytes, turn: Turn): StreamName | undefined {
    for (const { channel } of this.list()) {
      const outcome = channel.voice.handedOver(answer, refused, turn);
      if (outcome !== undefined) return outcome === "failed" ? channel.stream : undefined;
    }
    return undefined;
  }

  /**
   * Takes a sender key; of a room that is none of ours it is dropped.
   * @param plaintext as it was opened
   * @param peer from whose session
   * @param turn time and effects
   */
  async key(plaintext: Bytes, peer: Fingerprint, turn: Turn): Promise<void> {
    const place = this.#stays.get(fingerprintOf(decodeSenderKey(plaintext).room))?.place;
    if (place === undefined) return;
    place.read(await place.channel.key(plaintext, peer, turn.nowMs), turn);
  }

  /**
   * Is in a room no more.
   * @param place which
   * @param how why, and who did it
   * @param turn time and effects
   */
  async drop(place: RoomPlace, how: RoomLeaving, turn: Turn): Promise<void> {
    const wasHeard = place.phase !== "invited" || place.channel.following.isOn;
    this.#forget(place);
    if (wasHeard) place.channel.following.exit(turn);
    this.#options.people.leaveRoom(place.room.id);
    this.#options.over(place.channel.stream, turn);
    if (this.#current === place) this.switchTo(this.list().find(({ record }) => record.state === "in"));
    const current = this.#current === undefined ? {} : { current: this.#current.name };
    turn.effects.push({ kind: "show", event: { type: "roomLeft", room: place.name, ...how, ...current } });
    const invitation = this.#invitations.get(place.room.id);
    this.#invitations.delete(place.room.id);
    if (invitation !== undefined && how.reason === "removed") {
      await takeInvitation({ rooms: this, people: this.#options.people }, invitation, turn);
    }
    if (this.#hasBegun) return;
    if (this.#current === undefined) this.switchTo(await this.open(DEFAULT_ROOM, turn));
    if (this.#current?.phase === "idle") this.enter(this.#current, turn);
  }

  /**
   * Keeps an invitation to a room of ours, in case we were removed from it meanwhile.
   * @param invitation the invitation
   */
  keepInvitation(invitation: Invitation): void {
    this.#invitations.set(invitation.content.to, invitation);
  }

  /**
   * Leaves all rooms for good, for a client that keeps nothing: nobody is to seal for it any more.
   * @param turn time and effects
   */
  async leaveAll(turn: Turn): Promise<void> {
    for (const stay of [...this.#stays.values()]) await stay.leave({ generation: this.#generation }, turn);
  }

  /**
   * Leaves a room for good, once what was written there is sent; says no to one that we are invited to.
   * @param place which
   * @param ref what a script put beside its line
   * @param turn time and effects
   */
  async leave(place: RoomPlace, ref: Ref | undefined, turn: Turn): Promise<void> {
    await this.#stays.get(place.room.id)?.leave({ ref, generation: this.#generation }, turn);
  }

  /**
   * Notes that the link is gone.
   * @param turn time and effects
   */
  unlink(turn: Turn): void {
    for (const stay of this.#stays.values()) stay.unlink(turn);
  }

  /**
   * Goes into all rooms again, over a new link.
   * @param generation the life of the relay's log
   * @param turn time and effects
   */
  relink(generation: string, turn: Turn): void {
    this.#generation = generation;
    for (const place of this.list()) if (place.phase === "idle") this.enter(place, turn);
  }

  /**
   * Lists the streams of the rooms that we are in.
   * @returns them; `undefined` while we are on our way into one
   */
  streams(): StreamName[] | undefined {
    const places = this.list().filter(({ phase }) => phase !== "invited");
    if (places.some(({ phase }) => phase === "idle" || phase === "entering")) return undefined;
    return places.map(({ channel }) => channel.stream);
  }

  /**
   * Goes on with what waited for lines to be sent.
   * @param turn time and effects
   */
  async proceed(turn: Turn): Promise<void> {
    for (const stay of [...this.#stays.values()]) await stay.proceed(turn);
  }

  /**
   * Tells what a store is to keep that was not told before.
   * @returns rows of rooms
   */
  takeChanges(): RoomRowChange[] {
    for (const place of this.list()) {
      this.#shelf.put(place.room.id, place.takeRecord(), place.channel.takeChanges());
    }
    return this.#shelf.takeChanges();
  }

  /**
   * Does what is due.
   * @param turn time and effects
   */
  async tick(turn: Turn): Promise<void> {
    for (const stay of [...this.#stays.values()]) await stay.tick(turn);
    if (turn.nowMs < this.#expireAtMs) return;
    this.#expireAtMs = turn.nowMs + EXPIRE_EVERY_MS;
    for (const place of this.list()) if (place.phase === "in") place.expire(turn);
  }

  /**
   * Tells when that is.
   * @param nowMs the time now
   * @returns the time
   */
  nextDueMs(nowMs: number): number {
    const times = [...this.#stays.values()].map((stay) => stay.nextDueMs(nowMs));
    return Math.min(Infinity, ...times);
  }

  #waitFor(place: RoomPlace, turn: Turn): void {
    if (this.#current !== place) return;
    this.switchTo(this.list().find(({ record }) => record.state === "in"));
    if (this.#current === undefined) return;
    turn.effects.push({ kind: "show", event: { type: "switched", room: this.#current.name } });
  }

  #forget(place: RoomPlace): void {
    place.phase = "gone";
    this.#stays.delete(place.room.id);
    this.#shelf.forget(place.room.id);
    this.#options.receiving().forget(place.channel.stream);
  }

  async #add(id: Fingerprint, record: RoomRecord, stored: Omit<StoredRoom, "id" | "record">): Promise<RoomPlace> {
    const stay: RoomStay = await makeStay(this.#options, { ...stored, id, record }, {
      nextRef: () => this.#nextRef++,
      dropped: (how, turn) => this.drop(stay.place, how, turn),
      waits: (turn) => this.#waitFor(stay.place, turn),
      failed: (error) => this.#failure = error,
      isCurrent: () => this.#current === stay.place,
      hasBegun: () => this.#hasBegun,
    });
    this.#stays.set(id, stay);
    return stay.place;
  }
}

function roomOf(stream: StreamName): Fingerprint {
  return stream.slice("room/".length);
}
