/**
 * From what the person writes to a line on its way: whom it is for is decided here, once, from those whom the person had
 * been shown when it was written. Who is held back is named.
 * @module
 */

import { UserError } from "../bytes/errors.ts";
import { checkRoomName } from "../wire/handle.ts";
import type { Command } from "./commands.ts";
import type { Ref } from "./events.ts";
import type { Keyring } from "./keyring.ts";
import type { OutgoingLine } from "./outgoing.ts";
import type { People, Person } from "./people.ts";
import type { Room } from "./receiving.ts";
import type { Sending } from "./sending.ts";
import { notice, type Turn } from "./turn.ts";

/** What `Writing` is made from. */
export interface WritingOptions {
  /** The room that lines go to, `undefined` in none. */
  readonly room: Room | undefined;
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
   * Writes to the room: to everybody there but those whose key is held back. A client in no room writes to its partner.
   * @param command what, and perhaps which room
   * @param ref what a script put beside it
   * @param turn time and effects, and the partner
   * @throws {UserError} `badLine` when it is for another room, `keyChanged` when the partner's is held back, `tooLong` when no event can hold it
   */
  async say(
    command: Extract<Command, { kind: "say" }>,
    ref: Ref | undefined,
    turn: Turn & { readonly partner: Person | undefined },
  ): Promise<void> {
    const { room, people, sending } = this.#options;
    const { partner } = turn;
    if (partner !== undefined && command.room === undefined) {
      return await this.to(partner, { text: command.text, ref }, turn);
    }
    if (room === undefined) throw new UserError("badLine", "Nothing was sent: you are in no room", "Use /pm.");
    if (command.room !== undefined && checkRoomName(command.room).folded !== checkRoomName(room.name).folded) {
      throw new UserError("badLine", "Nothing was sent: you are not in that room", `You are in ${room.name}.`);
    }
    const members = people.inRoom(room.id);
    const held = members.filter((person) => people.trust(person) === "changed");
    const audience = members.filter((person) => !held.includes(person)).map((person) => person.certificate.fingerprint);
    await sending.add({
      ...this.#newLine(command.text, ref, turn),
      place: { room: room.name },
      stream: `room/${room.id}`,
      room: room.id,
      audience,
    }, turn);
    if (members.length === 0) notice(turn, "nobodyHere", `Nobody else is in #${room.name}, so nobody will read this`);
    for (const person of held) this.#tellHeld(person, turn);
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
    { text, ref }: { readonly text: string; readonly ref: Ref | undefined },
    turn: Turn,
  ): Promise<void> {
    const { people, sending } = this.#options;
    const { handle, fingerprint } = person.certificate;
    if (people.trust(person) === "changed") throw heldError(people, person);
    await sending.add({
      ...this.#newLine(text, ref, turn),
      place: { to: handle },
      stream: `inbox/${fingerprint}`,
      room: null,
      audience: [fingerprint],
    }, turn);
    if (!person.isHere) notice(turn, "away", `${handle} is not here: they read it when they come back`);
  }

  #tellHeld(person: Person, turn: Turn): void {
    const { people } = this.#options;
    const { handle } = person.certificate;
    const name = people.address(person);
    if (people.isDistrusted(person)) {
      return notice(
        turn,
        "distrusted",
        `${handle} does not get this: you distrust their key; /trust ${name} accepts it`,
      );
    }
    notice(
      turn,
      "keyChanged",
      `${handle} does not get this: their key changed; /verify ${name} or /trust ${name} accepts it`,
    );
  }

  #newLine(text: string, ref: Ref | undefined, turn: Turn): Pick<OutgoingLine, "id" | "text" | "sentAtMs" | "ref"> {
    const refField = ref === undefined ? {} : { ref };
    return { id: this.#options.keyring.newEventId(), text, sentAtMs: turn.nowMs, ...refField };
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
