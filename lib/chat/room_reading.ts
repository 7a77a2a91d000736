/**
 * What arrives in one room, from the opened message to what the person is shown: texts, the topic, gaps, and members who
 * see another history than we do.
 * @module
 */

import { DecodeError } from "../bytes/errors.ts";
import type { Certificate } from "../e2ee/certificate.ts";
import type { OpenedRoomMessage, RoomHeard } from "../e2ee/room_heard.ts";
import type { Fingerprint } from "../wire/messages.ts";
import { decodeContent, type RoomContent } from "./content.ts";
import type { CountedPlace } from "./delivery.ts";
import type { People } from "./people.ts";
import type { RoomChannel } from "./room_channel.ts";
import type { Topic } from "./room_record.ts";
import type { Showing } from "./showing.ts";
import { notice, type Turn } from "./turn.ts";

/**
 * How much later than another a message that waits for its key was placed when the person is told. What was written before
 * its author was shown us may wait as well, for nothing: it was placed in a moment.
 */
export const KEY_AWAITED_MS = 30_000;

/** What reading works with. */
export interface RoomReadingOptions {
  /** The room. */
  readonly channel: RoomChannel;
  /** Who was met. */
  readonly people: People;
  /** What shows texts. */
  readonly showing: Showing;
  /** Tells whether an event was there before we began to hear the room in this link. */
  readonly isLate: (seq: number) => boolean;
  /** We. */
  readonly own: Certificate;
  /** Is told what the room is about from now on. */
  readonly setTopic: (topic: Topic) => void;
  /** What it is about now. */
  readonly topic: () => Topic | undefined;
}

/** The messages of one room on their way to the person. */
export class RoomReading {
  readonly #options: RoomReadingOptions;
  /** Places that were told as missing and whose messages no author has missed yet. */
  #toldMissing = 0;
  /** Members of whom it was told that they see another history. */
  readonly #forked = new Set<Fingerprint>();
  /** Members whose messages wait for their key: when the first was placed, and of how many the person was told. */
  readonly #awaited = new Map<Fingerprint, { readonly sinceMs: number; told: number }>();
  #isPaused = false;

  /**
   * Starts with nothing read.
   * @param options the room and who is in it
   */
  constructor(options: RoomReadingOptions) {
    this.#options = options;
  }

  /** Whether somebody in a room that people are invited to sees another history, and the person has not gone on. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Notes that the person goes on. */
  resume(): void {
    this.#isPaused = false;
  }

  /**
   * Takes in messages.
   * @param heard what became of each, in order
   * @param turn time and effects
   */
  take(heard: readonly RoomHeard[], turn: Turn): void {
    for (const one of heard) {
      if (one.kind === "opened") this.#takeOpened(one.message, turn);
      else if (one.kind === "held") this.#takeHeld(one, turn);
      else if (one.kind === "refused") this.#tellRefused(one, turn);
      else if (one.kind === "repeat") this.#options.showing.repeated(this.#conversation);
    }
  }

  /**
   * Takes in that messages are missing in the stream.
   * @param count how many; 0 changes nothing
   * @param turn time and effects
   */
  missed(count: number, turn: Turn): void {
    if (count === 0) return;
    this.#toldMissing += count;
    this.#options.channel.said.miss();
    this.#options.showing.gap(this.#conversation, { count }, turn);
  }

  /**
   * Gives up messages that waited for their keys too long.
   * @param turn time and effects
   */
  expire(turn: Turn): void {
    const counts = new Map<Fingerprint, number>();
    for (const who of this.#options.channel.said.expire(turn.nowMs)) counts.set(who, (counts.get(who) ?? 0) + 1);
    for (const [who, count] of counts) this.#tellGap(who, count - this.#takeTold(who, count), turn);
  }

  /**
   * Tells that somebody sees another history of the room.
   * @param who by fingerprint
   * @param turn time and effects
   */
  tellFork(who: Fingerprint, turn: Turn): void {
    const { channel } = this.#options;
    if (this.#forked.has(who)) return; // each further message of theirs would say the same
    this.#forked.add(who);
    this.#isPaused = channel.kind === "invite";
    turn.effects.push({ kind: "show", event: { type: "fork", room: channel.room.name, from: this.#nameOf(who) } });
  }

  get #place(): { readonly room: string } {
    return { room: this.#options.channel.room.name };
  }

  /** The room, as what is counted there. */
  get #conversation(): CountedPlace {
    return { stream: `room/${this.#options.channel.room.id}`, place: this.#place };
  }

  /** The relay keeps the key back, or its author leaves us out. */
  #takeHeld({ sender, atMs }: Extract<RoomHeard, { kind: "held" }>, turn: Turn): void {
    const { channel } = this.#options;
    const count = channel.said.waitingOf(sender);
    const awaited = this.#awaited.get(sender);
    if (awaited === undefined || count === 1) {
      this.#awaited.set(sender, { sinceMs: atMs, told: 0 });
      return;
    }
    if (awaited.told > 0 || atMs - awaited.sinceMs < KEY_AWAITED_MS) return;
    awaited.told = count;
    const messages = `${count} messages of ${this.#nameOf(sender)} in #${channel.room.name}`;
    notice(turn, "cannotOpen", `${messages} cannot be opened yet: their key has not come`, this.#place);
  }

  /** Of messages that wait no more: how many the person was told of when they waited. */
  #takeTold(who: Fingerprint, count: number): number {
    const awaited = this.#awaited.get(who);
    if (awaited === undefined) return 0;
    const told = Math.min(count, awaited.told);
    awaited.told -= told;
    if (this.#options.channel.said.waitingOf(who) === 0) this.#awaited.delete(who);
    return told;
  }

  #takeOpened(message: OpenedRoomMessage, turn: Turn): void {
    const { channel, people } = this.#options;
    const { fingerprint } = message.sender;
    if (message.isLate) this.#takeTold(fingerprint, 1);
    const content = this.#contentOf(message);
    if (content === undefined) {
      return notice(
        turn,
        "misplaced",
        `A message of ${this.#nameOf(fingerprint)} is not what it seems and is not shown`,
        this.#place,
      );
    }
    const { gap, isFork } = channel.check(message, content.claims);
    this.#tellGap(fingerprint, this.#untold(gap), turn);
    if (isFork) this.tellFork(fingerprint, turn);
    const person = people.get(fingerprint);
    if (person === undefined) {
      return notice(turn, "stranger", "A message of somebody without a name is not shown", this.#place);
    }
    const { id, text, sentAtMs } = content;
    if (content.kind === "topic") return this.#takeTopic({ text, by: fingerprint, sentAtMs }, turn);
    const isLate = this.#options.isLate(message.seq);
    const { id: room } = channel.room;
    const shown = { id, text, sentAtMs, atMs: message.atMs, place: this.#place, room, isLate };
    this.#options.showing.text(person, shown, turn);
  }

  /** `undefined` when it belongs elsewhere: only its author can have put it here. */
  #contentOf({ plaintext }: OpenedRoomMessage): RoomContent | undefined {
    try {
      const content = decodeContent(plaintext);
      return "claims" in content ? content : undefined;
    } catch (error) {
      if (error instanceof DecodeError) return undefined;
      throw error;
    }
  }

  #takeTopic(topic: Topic, turn: Turn): void {
    const { setTopic, topic: known, channel } = this.#options;
    const before = known();
    if (before?.text === topic.text && before.by === topic.by) return; // said again for somebody who came
    setTopic(topic);
    const by = this.#nameOf(topic.by);
    turn.effects.push({ kind: "show", event: { type: "topic", room: channel.room.name, topic: topic.text, by } });
  }

  #tellRefused({ reason, sender }: Extract<RoomHeard, { kind: "refused" }>, turn: Turn): void {
    const room = `#${this.#options.channel.room.name}`;
    const of = sender === undefined ? "A message" : `A message of ${this.#nameOf(sender)}`;
    switch (reason) {
      case "otherHistory":
        return sender === undefined ? undefined : this.tellFork(sender, turn);
      case "full":
        return sender === undefined ? undefined : this.#tellGap(sender, 1, turn);
      case "stranger":
        return notice(
          turn,
          "stranger",
          `A message in ${room} of somebody who is not a member is not shown`,
          this.#place,
        );
      case "stale":
        return notice(
          turn,
          "cannotOpen",
          `${of} in ${room} was written before somebody was removed and is not shown`,
          this.#place,
        );
      default:
        return notice(turn, "cannotOpen", `${of} in ${room} could not be opened and is not shown`, this.#place);
    }
  }

  /** What was told as missing places is not told again as messages of this or that author, nor the other way round. */
  #untold(gap: number): number {
    const told = Math.min(gap, this.#toldMissing);
    this.#toldMissing -= told;
    this.#options.channel.following.holes.toldOf(gap - told);
    return gap - told;
  }

  #tellGap(who: Fingerprint, count: number, turn: Turn): void {
    if (count === 0) return;
    this.#options.showing.gap(this.#conversation, { from: this.#nameOf(who), count }, turn);
  }

  #nameOf(who: Fingerprint): string {
    const { own, people } = this.#options;
    if (who === own.fingerprint) return own.handle;
    return people.get(who)?.certificate.handle ?? "somebody";
  }
}
