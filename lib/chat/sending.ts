/**
 * From a written line to a published event. A line is bound, when it is written, to the people that the person had been
 * shown; here it waits for their keys, or until they have ours, is sealed, and is handed to the relay. What cannot be
 * sent is told, never dropped.
 * @module
 */

import { UserError } from "../bytes/errors.ts";
import { type Bytes, utf8 } from "../bytes/writer.ts";
import { TEXT_MAX_BYTES } from "../e2ee/plaintext.ts";
import { encodeClientMessage, type EventId, type Fingerprint, type StreamName } from "../wire/messages.ts";
import { encodeContent } from "./content.ts";
import type { Delivery } from "./delivery.ts";
import { ofPerson, ofRoom, showKept } from "./history.ts";
import type { Conversation } from "./history_events.ts";
import type { Keyring } from "./keyring.ts";
import type { KeptLine } from "./outbox_line.ts";
import { Outgoing, type OutgoingChange, type OutgoingLine, type PublishedRoomMessage } from "./outgoing.ts";
import { canBeReached, type People } from "./people.ts";
import type { Receipts } from "./receipts.ts";
import type { RoomChannel } from "./room_channel.ts";
import type { Turn } from "./turn.ts";

/** What `Sending` is made from. */
export interface SendingOptions {
  /** Who was shown. */
  readonly people: People;
  /** Who can be sealed for. */
  readonly keyring: Keyring;
  /** Counts lines. */
  readonly delivery: Delivery;
  /** Remembers private texts until they are read. */
  readonly receipts: Receipts;
  /** Gives a room of ours; `undefined` for one that we are in no more. */
  readonly channel: (room: Fingerprint) => RoomChannel | undefined;
  /** Tells whether all was read that was in a stream when we began to hear it. */
  readonly hasCaughtUp: (stream: StreamName) => boolean;
}

/** The lines of one client on their way out. */
export class Sending {
  readonly #options: SendingOptions;
  readonly #lines = new Outgoing();
  #isLinked = true;
  /** Whether people are told that a line waits for the relay: not while the link is only made anew. */
  #tellsQueued = false;

  /**
   * Starts with nothing on its way.
   * @param options who was shown, and where lines go
   */
  constructor(options: SendingOptions) {
    this.#options = options;
  }

  /** The lines that were not accepted yet. */
  get lines(): Pick<Outgoing, "has" | "isEmpty" | "unaccepted"> {
    return this.#lines;
  }

  /** Whether the relay takes lines now. */
  get isLinked(): boolean {
    return this.#isLinked;
  }

  /** Whether so many lines are on their way that no further one is to be taken. */
  get isFull(): boolean {
    return this.#lines.isFull(this.#isLinked);
  }

  /**
   * Takes up the lines of earlier runs.
   * @param lines as they were kept
   */
  restore(lines: readonly KeptLine[]): void {
    this.#lines.restore(lines);
    for (const { line } of lines) if (line.kind === "text") this.#options.delivery.count("sent", line);
  }

  /**
   * Gives up lines to rooms that we are in no more.
   * @param turn time and effects
   */
  dropOrphans(turn: Turn): void {
    const streams = new Set(
      this.#lines.unaccepted().flatMap(({ room, stream }) =>
        room !== null && this.#options.channel(room) === undefined ? [stream] : []
      ),
    );
    for (const stream of streams) this.abandon(stream, turn);
  }

  /**
   * Tells what a store is to keep that was not told before.
   * @returns one change for each line
   */
  takeChanges(): OutgoingChange[] {
    return this.#lines.takeChanges();
  }

  /**
   * Notes that the link is gone: lines wait, and what the relay has not answered is handed over again.
   * @param isQuiet whether it is only made anew, which nobody is told
   */
  unlink(isQuiet = false): void {
    this.#isLinked = false;
    this.#tellsQueued = !isQuiet;
    this.#lines.unlink();
  }

  /** Notes that the relay takes lines again. */
  link(): void {
    this.#isLinked = true;
    this.#tellsQueued = false;
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
    if (line.kind === "text") this.#options.delivery.count("sent", line);
    const { id, kind, place, sentAtMs: sentAt, text, ref } = line;
    if (this.#tellsQueued && kind === "text") {
      const refField = ref === undefined ? {} : { ref };
      turn.effects.push({ kind: "show", event: { type: "queued", id, place, sentAt, text, ...refField } });
    }
    await this.pump(turn);
  }

  /**
   * Publishes every line whose keys are there, conversation by conversation, each in order, as far as the relay keeps
   * up.
   * @param turn time and effects
   */
  async pump(turn: Turn): Promise<void> {
    if (!this.#isLinked) return;
    for (const stream of this.#lines.waitingStreams) {
      for (let line = this.#lines.peek(stream); line !== undefined; line = this.#lines.peek(stream)) {
        if (this.#lines.isRelayBusy) return; // goes on when some of it is accepted
        // What is behind a line that waits for keys keeps its place.
        if (!await (line.room === null ? this.#sendPrivate(line, turn) : this.#sendToRoom(line, line.room, turn))) {
          break;
        }
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
   * @returns the line, `undefined` when it is none of ours
   */
  async accepted(id: EventId, at: number, turn: Turn): Promise<OutgoingLine | undefined> {
    const line = this.#lines.published(id);
    return line && await this.#stored(line, at, turn);
  }

  /**
   * Takes in that an event of ours stands in its stream, whose answer was lost with a link.
   * @param id its id
   * @param head its stream and the relay's time of it
   * @param turn time and effects
   * @returns the line, `undefined` when none of that id was on its way there
   */
  async echoed(
    id: EventId,
    head: { readonly stream: StreamName; readonly at: number },
    turn: Turn,
  ): Promise<OutgoingLine | undefined> {
    const line = this.#lines.find(id);
    return line?.stream === head.stream ? await this.#stored(line, head.at, turn) : undefined;
  }

  #of({ room, stream, audience: [to] }: OutgoingLine): Conversation {
    if (room !== null) return ofRoom(room);
    const person = to === undefined ? undefined : this.#options.people.get(to);
    return person === undefined ? { stream, isLasting: true } : ofPerson(person);
  }

  async #stored(line: OutgoingLine, at: number, turn: Turn): Promise<OutgoingLine> {
    this.#lines.settle(line.id);
    const { id, kind, place, sentAtMs, text, ref } = line;
    if (kind === "text") {
      this.#options.delivery.count("accepted", line);
      const refField = ref === undefined ? {} : { ref };
      showKept(turn, { type: "accepted", id, place, at, sentAt: sentAtMs, text, ...refField }, this.#of(line));
    }
    await this.pump(turn);
    return line;
  }

  /**
   * Gives what was published of a line for a room.
   * @param id the event's id
   * @returns the message, `undefined` when it is none of ours
   */
  sealedOf(id: EventId): Bytes | undefined {
    return this.#lines.sealed(id)?.message;
  }

  /**
   * Takes in that the relay did not store an event, and publishes what waited for that. A message of a room that missed
   * a departure is sealed again under its own id.
   * @param id the event's id
   * @param answer why: a code and a sentence of the relay's
   * @param turn time and effects
   */
  async refused(id: EventId, answer: { readonly code: string; readonly message: string }, turn: Turn): Promise<void> {
    const line = this.#lines.published(id);
    if (line === undefined) return;
    if (answer.code === "stale" && line.room !== null) this.#lines.requeue(line);
    else if (answer.code === "offline") this.#fail(line, notReached(), turn);
    else this.#fail(line, unsent(line, answer.message), turn);
    await this.pump(turn);
  }

  /**
   * Takes in that the relay has answered for keys, and publishes what waited for them.
   * @param failed the stream whose next line must not leave, if there is one: the relay could not store its keys, and
   * nobody could read it
   * @param turn time and effects
   */
  async keyed(failed: StreamName | undefined, turn: Turn): Promise<void> {
    const line = failed === undefined ? undefined : this.#lines.peek(failed);
    if (line !== undefined) {
      this.#lines.take(line.stream);
      this.#fail(line, unsent(line, "The relay cannot store messages now: its disk is full or fails."), turn);
    }
    await this.pump(turn);
  }

  /**
   * Gives up what was written to a room that we are in no more.
   * @param stream the room's
   * @param turn time and effects
   */
  abandon(stream: StreamName, turn: Turn): void {
    for (const line of this.#lines.dropStream(stream)) {
      this.#fail(line, new UserError("unsent", `Not sent: ${line.text}`, "You are in that room no more."), turn);
    }
  }

  /** Whether it left, or failed; it waits while the keys of its recipient are on their way. */
  async #sendPrivate(line: OutgoingLine, turn: Turn): Promise<boolean> {
    const { people, keyring } = this.#options;
    const [of] = line.audience;
    const person = of === undefined ? undefined : people.get(of);
    const isStillThere = person !== undefined && people.trust(person) !== "changed" && canBeReached(person);
    const hasKeys = of !== undefined && isStillThere && keyring.hasSession(of);
    if (of !== undefined && isStillThere && !hasKeys && keyring.request(of, turn)) return false;
    this.#lines.take(line.stream);
    if (of === undefined || !hasKeys) {
      this.#fail(line, notReached(), turn);
      return true;
    }
    const { kind, id, sentAtMs, text, invitesTo } = line;
    const base = { id, sentAtMs, text, room: null } as const;
    const content = kind === "invitation" && invitesTo !== undefined
      ? { ...base, kind, to: invitesTo, topic: line.topic ?? "" } as const
      : { ...base, kind: "text" } as const;
    const body = await keyring.seal(of, encodeContent(content), turn.nowMs);
    if (kind === "text") await this.#options.receipts.sealed(of, id, body, turn.nowMs);
    this.#lines.publish(line, body.length);
    const message = { t: "publish", stream: line.stream, kind: "message", id } as const;
    turn.effects.push({ kind: "send", packet: encodeClientMessage(message, body) });
    return true;
  }

  /** Whether it left; it waits until everybody whom it is for has our keys, and while the log moves on. */
  async #sendToRoom(line: OutgoingLine, room: Fingerprint, turn: Turn): Promise<boolean> {
    const channel = this.#options.channel(room);
    if (channel === undefined) return false; // on its way into the room
    const { voice } = channel;
    // First it is heard what happened meanwhile: what was with the relay when a link was lost may stand in the stream, and
    // we may be no member any more.
    if (!this.#options.hasCaughtUp(line.stream)) return false;
    const isUnanswered = this.#lines.isUnanswered(line.id);
    // What was written before would be refused by now: it is sealed again first, so that the order stays.
    const oldest = this.#lines.oldestPublished(line.stream);
    if (oldest !== undefined && voice.isStale(oldest)) return false;
    const before = this.#lines.sealed(line.id);
    if (before !== undefined && isUnanswered && channel.isReady && !voice.isStale(before)) {
      this.#lines.take(line.stream);
      this.#publish(line, before, turn); // the very bytes: the relay may have stored them
      return true;
    }
    // The relay knows of a departure that we have not heard of yet.
    if (before !== undefined && before.epoch >= channel.membership.epoch) return false;
    if (!await voice.prepare(line.audience, turn)) return false;
    const claims = voice.claims(before?.m ?? this.#lines.numberOf(line.id));
    const { id, sentAtMs, text } = line;
    const kind = line.kind === "topic" ? "topic" : "text";
    const sealed = await voice.seal(encodeContent({ kind, id, sentAtMs, text, claims }));
    this.#lines.take(line.stream);
    this.#publish(line, { ...sealed, m: claims.m }, turn);
    return true;
  }

  #publish(line: OutgoingLine, sealed: PublishedRoomMessage, turn: Turn): void {
    const { id, stream } = line;
    const { epoch, slack, message } = sealed;
    this.#lines.publish(line, message.length, sealed);
    const publish = { t: "publish", stream, kind: "message", id, epoch, slack } as const;
    turn.effects.push({ kind: "send", packet: encodeClientMessage(publish, message) });
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
  }

  #fail(line: OutgoingLine, error: UserError, turn: Turn): void {
    this.#lines.settle(line.id);
    const { code, message, hint } = error;
    const about = "room" in line.place ? line.place : {};
    turn.effects.push({
      kind: "show",
      event: { type: "error", code, message, hint, ...about, ...(line.ref === undefined ? {} : { ref: line.ref }) },
    });
  }
}

/** Why a line was not sent, with its text if it has no number by which its author would know it: one of an earlier run. */
function unsent({ place, text, ref }: OutgoingLine, why: string): UserError {
  const hint = "Wait a moment and send it again.";
  if (ref !== undefined) return new UserError("unsent", `The message was not sent: ${why}`, hint);
  const where = "room" in place ? `#${place.room}` : place.to;
  return new UserError("unsent", `Not sent to ${where}: ${text}`, `${why} ${hint}`);
}

function notReached(): UserError {
  const message = "The message was not sent: its recipient has left for good, is not known here, or gave no keys";
  return new UserError("noSuchPerson", message, "/users shows who is here.");
}
