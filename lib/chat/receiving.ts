/**
 * From an event of the relay's to what the person is shown. Events of a stream are taken strictly in order; nothing of
 * what the relay says about them is shown but their time and their order.
 * @module
 */

import { AuthError, DecodeError, ProtocolError, UserError } from "../bytes/errors.ts";
import { equalBytes } from "../bytes/equal.ts";
import type { Bytes } from "../bytes/writer.ts";
import type { Certificate } from "../e2ee/certificate.ts";
import type { Cursor, EventId, Fingerprint, StreamName } from "../wire/messages.ts";
import { type Content, decodeContent } from "./content.ts";
import type { Place } from "./events.ts";
import type { Keyring } from "./keyring.ts";
import type { People, Person } from "./people.ts";
import { decodeRoomCopies } from "./room_copies.ts";
import type { StoredCursor } from "./state.ts";
import { notice, type Turn } from "./turn.ts";

/** A sender's clock that differs by more is pointed out (PROTOCOL §6). */
export const CLOCK_SKEW_MAX_MS: number = 5 * 60 * 1_000;

/** What the relay says about an event. */
export interface EventHead {
  /** The event's stream. */
  readonly stream: StreamName;
  /** Its place there. */
  readonly seq: number;
  /** The relay's time. */
  readonly at: number;
  /** The publisher's id for it. */
  readonly id: EventId;
}

/** A room that this client is in. */
export interface Room {
  /** What the relay knows it by. */
  readonly id: Fingerprint;
  /** What people call it. */
  readonly name: string;
}

/** How far a stream was read, and what of it is not sure. */
interface Position extends Omit<StoredCursor, "relay" | "stream"> {
  /** Whether the log is another than before, so that nobody knows which place comes first. */
  readonly isAnew?: true;
}

/** What `Receiving` is made from. */
export interface ReceivingOptions {
  /** Who was shown. */
  readonly people: People;
  /** What opens boxes. */
  readonly keyring: Keyring;
  /** The relay that streams are read from. */
  readonly relay: Fingerprint;
  /** How far streams were read in earlier runs, on whatever relay. */
  readonly cursors: readonly StoredCursor[];
}

/** How many messages of authors who were not introduced yet may wait; the answer is one question away. */
export const HELD_MAX = 64;

/** A message whose author the relay never showed. */
interface HeldMessage {
  readonly from: Fingerprint;
  readonly content: Content;
  readonly head: EventHead;
  readonly room: Room | undefined;
}

/** The events of one client on their way in. */
export class Receiving {
  readonly #people: People;
  readonly #keyring: Keyring;
  readonly #relay: Fingerprint;
  /** How far streams were read when the last run ended. */
  readonly #saved = new Map<StreamName, StoredCursor>();
  /** The last place processed in each stream that we subscribed to. */
  readonly #positions = new Map<StreamName, Position>();
  /** The last place in each stream when we began to hear it. */
  readonly #heads = new Map<StreamName, number>();
  /** Streams whose place is not the one that {@linkcode takeChanges} gave last. */
  readonly #moved = new Set<StreamName>();
  /** What waits for its author to be introduced. */
  readonly #held: HeldMessage[] = [];
  /** Peers whose clock was pointed out. */
  readonly #skewed = new Set<Fingerprint>();

  /**
   * Starts with no stream.
   * @param options who was shown, what opens boxes, and where the last run stood
   */
  constructor(options: ReceivingOptions) {
    this.#people = options.people;
    this.#keyring = options.keyring;
    this.#relay = options.relay;
    for (const cursor of options.cursors) if (cursor.relay === options.relay) this.#saved.set(cursor.stream, cursor);
  }

  /**
   * Tells where a stream is to be heard from.
   * @param stream the stream
   * @returns the place after which it was not read yet; `null`, from now on, when it was never heard
   */
  cursor(stream: StreamName): Cursor | null {
    const saved = this.#saved.get(stream);
    return saved === undefined ? null : { generation: saved.generation, seq: saved.seq };
  }

  /**
   * Takes in where a stream begins for us: after our cursor, or with what comes next.
   * @param stream one that we subscribed to
   * @param log the life of the relay's log, and the stream's last place now
   * @throws {ProtocolError} when it has begun: beginning again elsewhere would hide messages or repeat them; or when
   * the relay should have said that its log is another
   */
  begin(stream: StreamName, log: { readonly generation: string; readonly head: number }): void {
    this.#heads.set(stream, log.head);
    const saved = this.#saved.get(stream);
    if (saved === undefined) return this.#begin(stream, { generation: log.generation, seq: log.head, at: 0 });
    if (saved.generation !== log.generation || saved.seq > log.head) {
      throw new ProtocolError("Cannot begin a stream at a cursor of another log");
    }
    this.#begin(stream, { generation: saved.generation, seq: saved.seq, at: saved.at });
  }

  /**
   * Takes in that the relay's log is not the one that our cursor is of: it starts over with the oldest that there is.
   * What was read before is recognised when it comes again, and not shown twice.
   * @param stream one that we subscribed to after a cursor
   * @param log the life of the relay's log, and the stream's last place now
   * @throws {ProtocolError} when there was no cursor, or the stream has begun
   */
  beginAnew(stream: StreamName, log: { readonly generation: string; readonly head: number }): void {
    if (!this.#saved.has(stream)) throw new ProtocolError("Cannot reset a stream that was never read");
    const { generation } = log;
    this.#begin(stream, { generation, seq: 0, at: 0, isAnew: true });
    this.#heads.set(stream, log.head);
  }

  /**
   * Tells whether all was read that was in a stream when we began to hear it.
   * @param stream the stream
   * @returns `false` as well before that
   */
  hasCaughtUp(stream: StreamName): boolean {
    const position = this.#positions.get(stream);
    return position !== undefined && position.seq >= (this.#heads.get(stream) ?? 0);
  }

  /**
   * Tells what a store is to keep that was not told before.
   * @returns the places of streams that moved
   */
  takeChanges(): StoredCursor[] {
    const changes = [...this.#moved].map((stream) => {
      const { generation, seq, at } = this.#positions.get(stream) as Position;
      return { relay: this.#relay, stream, generation, seq, at };
    });
    this.#moved.clear();
    return changes;
  }

  #begin(stream: StreamName, position: Position): void {
    if (this.#positions.has(stream)) throw new ProtocolError("Cannot begin a stream twice");
    this.#move(stream, position);
  }

  #move(stream: StreamName, position: Position): void {
    this.#positions.set(stream, position);
    this.#moved.add(stream);
  }

  /**
   * Moves a stream's place on.
   * @param head the place of the event that is being taken in, one's own included; of a stream that we are not
   * subscribed to nothing is kept
   * @param turn time and effects
   * @returns whether the event is new and of a stream that we read
   * @throws {ProtocolError} when its time is before that of an earlier place
   */
  advance(head: Pick<EventHead, "stream" | "seq" | "at">, turn: Turn): boolean {
    const { stream, seq, at } = head;
    const last = this.#positions.get(stream);
    if (last === undefined || seq <= last.seq) return false;
    if (at < last.at) throw new ProtocolError("Cannot take event: its time is before that of an earlier one");
    const missing = last.isAnew ? 0 : seq - last.seq - 1;
    if (missing > 0) notice(turn, "gap", `${missing} ${missing === 1 ? "message is" : "messages are"} missing here`);
    this.#move(stream, { generation: last.generation, seq, at });
    return true;
  }

  /**
   * Takes in an event.
   * @param head what the relay says about it
   * @param body what was published
   * @param options the room whose stream it is of, `undefined` for one's own inbox; time and effects
   */
  async event(head: EventHead, body: Bytes, options: Turn & { readonly room: Room | undefined }): Promise<void> {
    if (!this.advance(head, options)) return;
    try {
      const box = options.room === undefined ? body : this.#ownCopy(body);
      if (box !== undefined) await this.#open(head, box, options);
    } catch (error) {
      // A UserError is a certificate whose handle is malformed.
      if (!(error instanceof DecodeError || error instanceof AuthError || error instanceof UserError)) throw error;
      notice(options, "cannotOpen", "A message could not be opened and is not shown");
    }
  }

  /** Whether messages wait until the relay says who their authors are. */
  get isHolding(): boolean {
    return this.#held.length > 0;
  }

  /**
   * Shows what waited for its author to be introduced, once the relay has said who is there.
   * @param turn time and effects
   */
  release(turn: Turn): void {
    this.#showIntroduced(turn);
    for (const _stranger of this.#held.splice(0)) tellOfStranger(turn);
  }

  #showIntroduced(turn: Turn): void {
    for (const message of this.#held.splice(0)) {
      const person = this.#people.get(message.from);
      if (person === undefined) this.#held.push(message);
      else this.#show(person, message.content, { head: message.head, turn, room: message.room });
    }
  }

  /** The copy that was sealed for us; `undefined` when its author had not been shown us. */
  #ownCopy(body: Bytes): Bytes | undefined {
    return decodeRoomCopies(body).find(({ recipientId }) => equalBytes(recipientId, this.#keyring.ownId))?.box;
  }

  async #open(head: EventHead, box: Bytes, options: Turn & { readonly room: Room | undefined }): Promise<void> {
    const opened = await this.#keyring.open(box, options.nowMs);
    if (opened.kind === "repeat") return;
    if (opened.kind === "unopenable") {
      const who = opened.peer === undefined ? undefined : this.#people.get(opened.peer);
      // Nothing vouches for the name in it: anybody can put another's certificate there.
      const from = who === undefined ? "" : ` that says it is from ${who.certificate.handle}`;
      return notice(options, "cannotOpen", `A message${from} could not be opened, ask to have it sent again`);
    }
    const content = decodeContent(opened.plaintext);
    // Whoever writes in private can be answered, in whatever room they are.
    const heard = this.#people.hear(opened.peer, options.room === undefined);
    if (heard?.hasNewCertificate) this.#keyring.writeOn(opened.peer.fingerprint, opened.sessionId);
    // Whoever carries a copy could have put it elsewhere, or under the id of another message.
    if (content.id !== head.id || content.room !== (options.room?.id ?? null)) {
      const from = heard === undefined ? "" : ` from ${heard.person.certificate.handle}`;
      return notice(options, "misplaced", `A message${from} was moved by the relay and is not shown`);
    }
    if (heard === undefined) {
      return this.#hold({ from: opened.peer.fingerprint, content, head, room: options.room }, options);
    }
    this.#showIntroduced(options); // its author may have joined meanwhile: what came first is shown first
    this.#show(heard.person, content, { head, turn: options, room: options.room });
  }

  /** Keeps a message whose author the relay never showed: its certificate alone could claim anybody's name. */
  #hold(message: HeldMessage, turn: Turn): void {
    if (this.#held.length < HELD_MAX) this.#held.push(message);
    else tellOfStranger(turn);
  }

  #show(person: Person, content: Content, where: { head: EventHead; turn: Turn; room: Room | undefined }): void {
    const { handle: from, ...key } = this.#people.show(person);
    const place: Place = where.room === undefined ? { to: this.#keyring.ownHandle } : { room: where.room.name };
    where.turn.effects.push({
      kind: "show",
      event: {
        type: "message",
        id: content.id,
        place,
        from,
        ...key,
        text: content.text,
        sentAt: content.sentAtMs,
        at: where.head.at,
      },
    });
    this.#watchClock(person.certificate, content.sentAtMs, where.turn);
  }

  #watchClock(certificate: Certificate, sentAtMs: number, turn: Turn): void {
    const skewMs = Math.abs(turn.nowMs - sentAtMs);
    if (skewMs <= CLOCK_SKEW_MAX_MS || this.#skewed.has(certificate.fingerprint)) return;
    this.#skewed.add(certificate.fingerprint); // once is enough
    const minutes = Math.round(skewMs / 60_000);
    notice(turn, "clockSkew", `The clock of ${certificate.handle} and this one differ by ${minutes} minutes`);
  }
}

function tellOfStranger(turn: Turn): void {
  notice(turn, "stranger", "A message of somebody whom the relay does not show is not shown");
}
