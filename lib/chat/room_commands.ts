/**
 * The commands about rooms. What they ask of a room is judged by every member when the relay has placed it; here is only
 * refused what is known to be in vain.
 * @module
 */

import { assertNever, UserError } from "../bytes/errors.ts";
import { fingerprintOf, type Identity } from "../e2ee/identity.ts";
import { createRoomOp } from "../e2ee/membership_make.ts";
import { inviteRoomId } from "../e2ee/room_id.ts";
import type { Certificate } from "../e2ee/certificate.ts";
import { checkRoomName } from "../wire/handle.ts";
import type { RandomBytes } from "../crypto/random.ts";
import type { Command, RoomCommand } from "./commands.ts";
import type { Ref, RoomSummary } from "./events.ts";
import type { OutgoingLine } from "./outgoing.ts";
import type { People, Person } from "./people.ts";
import { noSuchRoom, placeOf, roomNameOf } from "./room_choice.ts";
import type { RoomPlace } from "./room_place.ts";
import { type Rooms, ROOMS_MAX } from "./rooms.ts";
import type { Turn } from "./turn.ts";
import { heldError, type Writing } from "./writing.ts";

/** What the commands work with. */
export interface RoomCommandsOptions {
  /** Our keys. */
  readonly identity: Identity;
  /** Our certificate. */
  readonly own: Certificate;
  /** Who was met. */
  readonly people: People;
  /** The rooms. */
  readonly rooms: Rooms;
  /** What writes invitations and topics. */
  readonly writing: Writing;
  /** Where an invite room's id comes from. */
  readonly random: RandomBytes;
}

/** The answers of one client about rooms. */
export class RoomCommands {
  readonly #options: RoomCommandsOptions;

  /**
   * Starts with nothing asked.
   * @param options the rooms, and we
   */
  constructor(options: RoomCommandsOptions) {
    this.#options = options;
  }

  /**
   * Does what a command asks.
   * @param command what the person wants
   * @param ref what a script put beside it
   * @param turn time and effects
   * @throws {UserError} when it cannot be done
   */
  async obey(command: RoomCommand, ref: Ref | undefined, turn: Turn): Promise<void> {
    const { rooms } = this.#options;
    switch (command.kind) {
      case "rooms":
        return this.#list(ref, turn);
      case "join":
        return await this.#join(command.room, ref, turn);
      case "create":
        return await this.#create(command, ref, turn);
      case "switch":
        return this.#switch(placeOf(rooms, command.room), ref, turn);
      case "leave":
        return await this.#leave(command.room, ref, turn);
      case "members": {
        const place = placeOf(rooms, command.room);
        const event = { type: "members", room: place.name, members: place.show(turn), ...refOf(ref) } as const;
        turn.effects.push({ kind: "show", event });
        return;
      }
      case "topic":
        return await this.#topic(command, ref, turn);
      case "invite":
        return await this.#invite(command, ref, turn);
      case "remove":
      case "promote": {
        const { place, person } = this.#member(command);
        const { fingerprint: subject } = person.certificate;
        const op = command.kind === "promote"
          ? { kind: "promote", subject } as const
          : { kind: "remove", subject, reason: "removed" } as const;
        return await place.channel.change(op, { ...turn, ref });
      }
      default:
        assertNever(command);
    }
  }

  /**
   * Tells which room a command is about.
   * @param command any command
   * @returns the room's name, as it is called here if it is one of ours; `undefined` when the command is about none
   */
  roomOf(command: Command): string | undefined {
    return roomNameOf(this.#options.rooms, command);
  }

  /**
   * Takes in that the relay has a topic of ours.
   * @param line the topic
   * @param turn time and effects
   */
  topicStored(line: OutgoingLine, turn: Turn): void {
    const { rooms, own } = this.#options;
    const place = rooms.list().find(({ room }) => room.id === line.room);
    if (place === undefined) return;
    const isRepeat = place.record.topic?.text === line.text && place.record.topic.by === own.fingerprint;
    place.update({ topic: { text: line.text, by: own.fingerprint, sentAtMs: line.sentAtMs } });
    if (isRepeat && line.ref === undefined) return; // said again for somebody who came
    const event = { type: "topic", room: place.name, topic: line.text, ...refOf(line.ref) } as const;
    turn.effects.push({ kind: "show", event });
  }

  /**
   * Takes in that the relay has an invitation: now its reader is added.
   * @param line the invitation
   * @param turn time and effects
   */
  async invitationStored(line: OutgoingLine, turn: Turn): Promise<void> {
    const { rooms, people } = this.#options;
    const place = rooms.list().find(({ room }) => room.id === line.invitesTo);
    const [who] = line.audience;
    const person = who === undefined ? undefined : people.get(who);
    if (place === undefined || person === undefined) return;
    await place.channel.change({ kind: "add", subject: person.certificate }, { ...turn, ref: line.ref });
  }

  #list(ref: Ref | undefined, turn: Turn): void {
    const rooms = this.#options.rooms.list().map(summaryOf);
    turn.effects.push({ kind: "show", event: { type: "rooms", rooms, ...refOf(ref) } });
  }

  async #join(name: string, ref: Ref | undefined, turn: Turn): Promise<void> {
    const { rooms } = this.#options;
    const known = rooms.find(name);
    if (known !== undefined && known.phase !== "invited") return this.#switch(known, ref, turn);
    if (known === undefined) this.#checkCount();
    const place = known ?? await rooms.open(name, turn);
    rooms.switchTo(place);
    rooms.enter(place, turn, { ref });
  }

  async #create(
    { name, isInviteOnly }: Extract<RoomCommand, { kind: "create" }>,
    ref: Ref | undefined,
    turn: Turn,
  ): Promise<void> {
    const { rooms, own, identity, random } = this.#options;
    const checked = checkRoomName(name);
    const known = rooms.find(checked.name);
    if (known !== undefined) {
      throw new UserError("badLine", `Nothing was done: you have a room #${known.name}`, "/rooms shows your rooms.");
    }
    this.#checkCount();
    const author = { sign: identity.sign, certificate: own };
    const atMs = turn.nowMs;
    if (!isInviteOnly) {
      const place = await rooms.open(checked.name, turn);
      const create = await createRoomOp(author, { room: place.channel.membership.room, atMs });
      rooms.switchTo(place);
      return rooms.enter(place, turn, { create, ref });
    }
    const create = await createRoomOp(author, { room: undefined, atMs, random });
    const id = fingerprintOf(await inviteRoomId(create));
    const record = { name: checked.name, kind: "invite", state: "in", isCurrent: false } as const;
    const place = await rooms.add(id, record, turn);
    rooms.switchTo(place);
    rooms.enter(place, turn, { create, ref });
  }

  #switch(place: RoomPlace, ref: Ref | undefined, turn: Turn): void {
    this.#options.rooms.switchTo(place);
    turn.effects.push({ kind: "show", event: { type: "switched", room: place.name, ...refOf(ref) } });
  }

  async #leave(name: string | undefined, ref: Ref | undefined, turn: Turn): Promise<void> {
    const { rooms } = this.#options;
    const place = name === undefined ? placeOf(rooms, undefined) : rooms.find(name);
    if (place === undefined || place.phase === "leaving") throw noSuchRoom(name ?? "");
    await rooms.leave(place, ref, turn);
  }

  async #topic(
    { text, room }: Extract<RoomCommand, { kind: "topic" }>,
    ref: Ref | undefined,
    turn: Turn,
  ): Promise<void> {
    const { rooms, writing } = this.#options;
    const place = placeOf(rooms, room);
    if (text !== undefined) {
      return await writing.topic(place, { text, ref }, turn);
    }
    const topic = place.record.topic?.text ?? "";
    turn.effects.push({ kind: "show", event: { type: "topic", room: place.name, topic, ...refOf(ref) } });
  }

  async #invite(
    command: Extract<RoomCommand, { kind: "invite" | "remove" | "promote" }>,
    ref: Ref | undefined,
    turn: Turn,
  ): Promise<void> {
    const { rooms, people, writing } = this.#options;
    const place = placeOf(rooms, command.room);
    if (place.channel.kind === "open") {
      const hint = `Tell them to type /join ${place.name}. /room create <name> --invite-only makes another kind.`;
      throw new UserError("badLine", `Nothing was done: anybody can come into #${place.name}`, hint);
    }
    this.#checkMayManage(place);
    const person = people.resolve(command.name);
    if (people.trust(person) === "changed") throw heldError(people, person);
    if (place.channel.membership.memberOf(person.certificate.fingerprint) !== undefined) {
      throw new UserError(
        "badLine",
        `Nothing was done: ${person.certificate.handle} is a member already`,
        "/members shows who is.",
      );
    }
    await writing.invite(place, person, ref, turn);
  }

  /** The member that a command is about: a name that several people have means the one in the room. */
  #member({ name, room }: { readonly name: string; readonly room?: string }): { place: RoomPlace; person: Person } {
    const { rooms, people } = this.#options;
    const place = placeOf(rooms, room);
    if (place.channel.kind === "open") {
      const hint = "Use /distrust to send them nothing. /room create <name> --invite-only makes a room with admins.";
      throw new UserError("badLine", `Nothing was done: nobody rules in #${place.name}, for it is open`, hint);
    }
    this.#checkMayManage(place);
    const inRoom = place.members().flatMap(({ fingerprint }) => people.get(fingerprint) ?? []);
    const person = people.among(inRoom, name) ?? people.resolveMet(name);
    if (place.channel.membership.memberOf(person.certificate.fingerprint) === undefined) {
      throw new UserError("noSuchPerson", `Nobody of that name is in #${place.name}`, "/members shows who is.");
    }
    return { place, person };
  }

  #checkMayManage(place: RoomPlace): void {
    const role = place.channel.membership.memberOf(this.#options.own.fingerprint)?.role;
    if (role === "owner" || role === "admin") return;
    const hint = "/members shows who they are.";
    throw new UserError("notDone", `Nothing was done: that is for the owner and the admins of #${place.name}`, hint);
  }

  #checkCount(): void {
    if (this.#options.rooms.list().filter(({ phase }) => phase !== "invited").length < ROOMS_MAX) return;
    throw new UserError("badLine", `Nothing was done: you are in ${ROOMS_MAX} rooms`, "/leave one of them first.");
  }
}

function summaryOf(place: RoomPlace): RoomSummary {
  const members = place.members();
  const { name, record, phase, channel: { kind } } = place;
  return {
    room: name,
    kind,
    state: phase === "invited" ? "invited" : phase === "in" || phase === "leaving" ? "in" : "entering",
    isCurrent: record.isCurrent,
    members: members.length,
    here: members.filter(({ isHere }) => isHere).length,
    topic: record.topic?.text ?? "",
  };
}

function refOf(ref: Ref | undefined): { readonly ref?: Ref } {
  return ref === undefined ? {} : { ref };
}
