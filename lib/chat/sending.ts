/**
 * From a written line to a published event. A line is bound, when it is written, to the people that the person had been
 * shown; here it waits for their keys, is sealed once for each of them, and is handed to the relay. What cannot be sent
 * is told, never dropped.
 * @module
 */

import { UserError } from "../bytes/errors.ts";
import { type Bytes, utf8 } from "../bytes/writer.ts";
import { TEXT_MAX_BYTES } from "../e2ee/plaintext.ts";
import { encodeClientMessage, type EventId, type Fingerprint, type StreamName } from "../wire/messages.ts";
import { idOf } from "../e2ee/identity.ts";
import { encodeContent } from "./content.ts";
import type { Keyring } from "./keyring.ts";
import { Outgoing, type OutgoingLine } from "./outgoing.ts";
import { canBeReached, type People } from "./people.ts";
import { BODY_MAX_BYTES, encodeRoomCopies, roomBodyBytes } from "./room_copies.ts";
import type { Turn } from "./turn.ts";

/** The lines of one client on their way out. */
export class Sending {
  readonly #people: People;
  readonly #keyring: Keyring;
  readonly #lines = new Outgoing();

  /**
   * Starts with nothing on its way.
   * @param people who was shown
   * @param keyring who can be sealed for
   */
  constructor(people: People, keyring: Keyring) {
    this.#people = people;
    this.#keyring = keyring;
  }

  /** The lines that were not accepted yet. */
  get lines(): Pick<Outgoing, "isFull" | "isEmpty" | "unaccepted"> {
    return this.#lines;
  }

  /**
   * Takes a line in.
   * @param line what was written, and for whom
   * @param turn time and effects
   * @throws {UserError} `tooLong` when no event can hold it
   */
  async add(line: OutgoingLine, turn: Turn): Promise<void> {
    this.#checkLength(line);
    this.#lines.add(line);
    await this.pump(turn);
  }

  /**
   * Publishes every line whose keys are there, conversation by conversation, each in order, as far as the relay keeps
   * up.
   * @param turn time and effects
   */
  async pump(turn: Turn): Promise<void> {
    for (const stream of this.#lines.waitingStreams) {
      for (let line = this.#lines.peek(stream); line !== undefined; line = this.#lines.peek(stream)) {
        if (this.#lines.isRelayBusy) return; // goes on when some of it is accepted
        const recipients = this.#recipients(line, turn);
        if (recipients === undefined) break; // keys are on their way; lines behind it keep their place
        this.#lines.take(stream);
        await this.#publish(line, recipients, turn);
      }
    }
  }

  /**
   * Tells whether an event is one of ours that the relay has not answered for.
   * @param id the event's id
   * @param stream the stream that it is said to be in
   * @returns whether it was published there and nothing was heard of it
   */
  isPublished(id: EventId, stream: StreamName): boolean {
    return this.#lines.published(id)?.stream === stream;
  }

  /**
   * Takes in that the relay stored an event, and publishes what waited for that.
   * @param id the event's id
   * @param at the relay's time
   * @param turn time and effects
   */
  async accepted(id: EventId, at: number, turn: Turn): Promise<void> {
    const line = this.#lines.published(id);
    if (line === undefined) return;
    this.#lines.settle(id);
    const { place, sentAtMs, text, ref } = line;
    turn.effects.push({
      kind: "show",
      event: { type: "accepted", id, place, at, sentAt: sentAtMs, text, ...(ref === undefined ? {} : { ref }) },
    });
    await this.pump(turn);
  }

  /**
   * Takes in that the relay did not store an event, and publishes what waited for that.
   * @param id the event's id
   * @param answer why: a code and a sentence of the relay's
   * @param turn time and effects
   */
  async refused(id: EventId, answer: { readonly code: string; readonly message: string }, turn: Turn): Promise<void> {
    const line = this.#lines.published(id);
    if (line === undefined) return;
    const error = answer.code === "offline"
      ? new UserError(
        "noSuchPerson",
        "The message was not sent: this relay does not know its recipient, or they have left for good",
        "/users shows who is here.",
      )
      : new UserError("unsent", `The message was not sent: ${answer.message}`, "Wait a moment and send it again.");
    this.#fail(line, error, turn);
    await this.pump(turn);
  }

  /** Whom a line can be sealed for now; `undefined` while the keys of somebody are on their way. */
  #recipients(line: OutgoingLine, turn: Turn): Fingerprint[] | undefined {
    const recipients: Fingerprint[] = [];
    let isWaiting = false;
    for (const fingerprint of line.audience) {
      if (!this.#isStillThere(line, fingerprint)) continue;
      if (this.#keyring.hasSession(fingerprint)) recipients.push(fingerprint);
      else if (this.#keyring.request(fingerprint, turn)) isWaiting = true;
    }
    return isWaiting ? undefined : recipients;
  }

  #isStillThere(line: OutgoingLine, fingerprint: Fingerprint): boolean {
    const person = this.#people.get(fingerprint);
    if (person === undefined || this.#people.trust(person) === "changed") return false;
    return line.room === null ? canBeReached(person) : person.rooms.has(line.room);
  }

  async #publish(line: OutgoingLine, recipients: readonly Fingerprint[], turn: Turn): Promise<void> {
    if (line.room === null && recipients.length === 0) {
      return this.#fail(
        line,
        new UserError(
          "noSuchPerson",
          "The message was not sent: its recipient has left, or gave no keys",
          "/users shows who is here.",
        ),
        turn,
      );
    }
    const plaintext = encodeContent(line);
    // Together, so that `subtle` works on all copies at once; each session has its own mutex.
    const boxes = await Promise.all(recipients.map((of) => this.#keyring.seal(of, plaintext, turn.nowMs)));
    const body = line.room === null
      ? boxes[0] as Bytes
      : encodeRoomCopies(recipients.map((of, i) => ({ recipientId: idOf(of), box: boxes[i] as Bytes })));
    this.#lines.publish(line, body.length);
    turn.effects.push({
      kind: "send",
      packet: encodeClientMessage({ t: "publish", stream: line.stream, kind: "message", id: line.id }, body),
    });
  }

  /** Refuses before anything is sealed: a sealed copy that is thrown away would be a gap for its reader. */
  #checkLength(line: OutgoingLine): void {
    const textBytes = utf8(line.text).length;
    if (textBytes > TEXT_MAX_BYTES) {
      throw new UserError(
        "tooLong",
        `Nothing was sent: the message has ${textBytes} bytes, the most is ${TEXT_MAX_BYTES}`,
        "Send it in parts.",
      );
    }
    const boxBytes = this.#keyring.boxMaxBytes(encodeContent(line).length);
    if (roomBodyBytes(line.audience.map(() => boxBytes)) > BODY_MAX_BYTES) {
      throw new UserError(
        "tooLong",
        `Nothing was sent: the message is too long for a room of ${line.audience.length + 1} people`,
        "Send it in shorter parts, or to fewer people with /pm.",
      );
    }
  }

  #fail(line: OutgoingLine, error: UserError, turn: Turn): void {
    this.#lines.settle(line.id);
    const { code, message, hint } = error;
    turn.effects.push({
      kind: "show",
      event: { type: "error", code, message, hint, ...(line.ref === undefined ? {} : { ref: line.ref }) },
    });
  }
}
