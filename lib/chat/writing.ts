/**
 * From what the person writes to a line on its way: whom it is for is decided here, once, from those whom the person had
 * been shown when it was written. Who is held back is named.
 * @module
 */

import { UserError } from "../bytes/errors.ts";
import type { Command } from "./commands.ts";
import { TOPIC_MAX_CHARS } from "./content.ts";
import type { Ref } from "./events.ts";
import type { Keyring } from "./keyring.ts";
import type { OutgoingLine } from "./outgoing.ts";
import type { People, Person } from "./people.ts";
import type { RoomPlace } from "./room_place.ts";
import { placeOf } from "./room_choice.ts";
import type { Rooms } from "./rooms.ts";
import type { Sending } from "./sending.ts";
import { type About, notice, type Turn } from "./turn.ts";

/** What `Writing` is made from. */
export interface WritingOptions {
  /** Where lines go. */
  readonly rooms: Rooms;
  /** Who was shown. */
  readonly people: People;
  /** Where ids of events come from. */
  readonly keyring: Keyring;
  /** What takes the lines. */
  readonly sending: Sending;
}

/** The lines of one person. */
export class Writing {
  readonly #options: WritingOptions;

  /**
   * Starts with nothing written.
   * @param options where lines go and who was shown
   */
  constructor(options: WritingOptions) {
    this.#options = options;
  }

  /**
   * Writes to a room: to all its members but those whose key is held back. A client in no room writes to its partner.
   * @param command what, and perhaps which room
   * @param ref what a script put beside it
   * @param turn time and effects, and the partner
   * @throws {UserError} `badLine` in no room, `noSuchRoom` when it is for another, `keyChanged` when the partner's is
   * held back, `tooLong` when no event can hold it, `otherHistory` when somebody there sees another history
   */
  async say(
    command: Extract<Command, { kind: "say" }>,
    ref: Ref | undefined,
    turn: Turn & { readonly partner: Person | undefined },
  ): Promise<void> {
    const { rooms, people } = this.#options;
    const { partner } = turn;
    if (partner !== undefined && command.room === undefined) {
      return await this.to(partner, { text: command.text, ref }, turn);
    }
    const place = placeOf(rooms, command.room);
    if (!place.isShown) {
      const hint = "Send it again in a moment.";
      throw new UserError("badLine", `Nothing was sent: you are still on your way into #${place.name}`, hint);
    }
    this.#checkHistory(place);
    const topic = place.takeTopicToRepeat();
    if (topic !== undefined) await this.#toRoom(place, { kind: "topic", text: topic.text, ref: undefined }, turn);
    await this.#toRoom(place, { kind: "text", text: command.text, ref }, turn);
    if (place.phase === "in") this.#tellReaders(place, turn); // without a link nobody knows who is here
    for (const { fingerprint, trust } of place.members()) {
      const person = people.get(fingerprint);
      if (trust === "changed" && person !== undefined) this.#tellHeld(person, { room: place.name }, turn);
    }
  }

  /**
   * Says what a room is about.
   * @param place the room
   * @param line what, empty for nothing, and what a script put beside it
   * @param turn time and effects
   * @throws {UserError} `tooLong`
   */
  async topic(
    place: RoomPlace,
    { text, ref }: { readonly text: string; readonly ref: Ref | undefined },
    turn: Turn,
  ): Promise<void> {
    if (text.length > TOPIC_MAX_CHARS) {
      throw new UserError(
        "tooLong",
        `Nothing was done: the topic is longer than ${TOPIC_MAX_CHARS} characters`,
        "Shorten it.",
      );
    }
    await this.#toRoom(place, { kind: "topic", text, ref }, turn);
  }

  /**
   * Invites somebody: they learn of the room, and are added to it when the relay has that.
   * @param place the room
   * @param person whom
   * @param ref what a script put beside the line
   * @param turn time and effects
   * @throws {UserError} `keyChanged` when their key is held back
   */
  async invite(place: RoomPlace, person: Person, ref: Ref | undefined, turn: Turn): Promise<void> {
    const topic = place.record.topic?.text;
    const more = { kind: "invitation", invitesTo: place.room.id, ...(topic === undefined ? {} : { topic }) } as const;
    await this.to(person, { text: place.name, ref, more }, turn);
  }

  /**
   * Writes to one person.
   * @param command what, and to whom
   * @param ref what a script put beside it
   * @param turn time and effects
   * @throws {UserError} `noSuchPerson` when the name means nobody or more than one, `keyChanged` when their key is held
   * back, `tooLong` when no event can hold it
   */
  async pm(command: Extract<Command, { kind: "pm" }>, ref: Ref | undefined, turn: Turn): Promise<void> {
    await this.to(this.#options.people.resolve(command.to), { text: command.text, ref }, turn);
  }

  /**
   * Writes to one person who is known already.
   * @param person whom
   * @param line what, and what a script put beside it
   * @param turn time and effects
   * @throws {UserError} `keyChanged` when their key is held back, `tooLong` when no event can hold it
   */
  async to(
    person: Person,
    { text, ref, more }: {
      readonly text: string;
      readonly ref: Ref | undefined;
      readonly more?: Pick<OutgoingLine, "kind" | "invitesTo" | "topic">;
    },
    turn: Turn,
  ): Promise<void> {
    const { people, sending } = this.#options;
    const { handle, fingerprint } = person.certificate;
    if (people.trust(person) === "changed") throw heldError(people, person);
    await sending.add({
      ...this.#newLine(text, ref, turn),
      ...more,
      place: { to: handle },
      stream: `inbox/${fingerprint}`,
      room: null,
      audience: [fingerprint],
    }, turn);
    if (sending.isLinked && !person.isHere && more === undefined) { // without a link nobody knows who is here
      notice(turn, "away", `${handle} is not here: they read it when they come back`);
    }
  }

  async #toRoom(
    place: RoomPlace,
    { kind, text, ref }: Pick<OutgoingLine, "kind" | "text"> & { readonly ref: Ref | undefined },
    turn: Turn,
  ): Promise<void> {
    const { id } = place.room;
    await this.#options.sending.add({
      ...this.#newLine(text, ref, turn),
      kind,
      place: { room: place.name },
      stream: `room/${id}`,
      room: id,
      audience: place.channel.voice.audience(),
    }, turn);
  }

  /** A room that people are invited to pauses when two of its members see different histories, until the person goes on. */
  #checkHistory(place: RoomPlace): void {
    if (!place.isPaused) return;
    place.resume();
    throw new UserError(
      "otherHistory",
      `Nothing was sent: somebody in #${place.name} sees another history of it than you do`,
      "They or the relay are wrong: ask them in person. To go on all the same, send it again.",
    );
  }

  #tellReaders(place: RoomPlace, turn: Turn): void {
    const members = place.members();
    const name = `#${place.name}`;
    if (members.length === 0) {
      return notice(turn, "nobodyHere", `Nobody else is in ${name}, so nobody will read this`, { room: place.name });
    }
    const isAnybodyHere = members.some(({ isHere }) => isHere);
    if (!isAnybodyHere && place.isNewsThatAllAreAway()) {
      notice(turn, "away", `Nobody else is in ${name} now: they read it when they come back`, { room: place.name });
    }
  }

  #tellHeld(person: Person, about: About, turn: Turn): void {
    const { people } = this.#options;
    const { handle } = person.certificate;
    const name = people.address(person);
    if (people.isDistrusted(person)) {
      return notice(
        turn,
        "distrusted",
        `${handle} does not get this: you distrust their key; /trust ${name} accepts it`,
        about,
      );
    }
    notice(
      turn,
      "keyChanged",
      `${handle} does not get this: their key changed; /verify ${name} or /trust ${name} accepts it`,
      about,
    );
  }

  #newLine(
    text: string,
    ref: Ref | undefined,
    turn: Turn,
  ): Pick<OutgoingLine, "id" | "kind" | "text" | "sentAtMs" | "ref"> {
    const refField = ref === undefined ? {} : { ref };
    return { id: this.#options.keyring.newEventId(), kind: "text", text, sentAtMs: turn.nowMs, ...refField };
  }
}

/**
 * Says that nothing goes to a key that is held back.
 * @param people who was met
 * @param person whose key it is
 * @returns the error, with what to type
 */
export function heldError(people: People, person: Person): UserError {
  const { handle } = person.certificate;
  const name = people.address(person);
  return new UserError(
    "keyChanged",
    people.isDistrusted(person)
      ? `Nothing was sent: you distrust the key of ${handle}`
      : `Nothing was sent: the key of ${handle} changed`,
    `Compare numbers with /verify ${name}, or accept the key with /trust ${name}.`,
  );
}
