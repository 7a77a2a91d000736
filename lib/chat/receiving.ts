/**
 * From an event of the relay's to what the person is shown: how far each stream was read, and what arrives in one's own
 * inbox. Events of a stream are taken strictly in order; nothing of what the relay says about them is shown but their
 * time and their order.
 * @module
 */

import { AuthError, DecodeError, ProtocolError, UserError } from "../bytes/errors.ts";
import type { Bytes } from "../bytes/writer.ts";
import { isSenderKey } from "../e2ee/sender_key.ts";
import type { Cursor, EventId, Fingerprint, RelayMessage, StreamName } from "../wire/messages.ts";
import { decodeContent } from "./content.ts";
import type { CountedPlace } from "./delivery.ts";
import type { HeldMessage } from "./held_messages.ts";
import type { Person } from "./people.ts";
import type { ReceivingOptions } from "./receiving_options.ts";
import type { CursorChange, StoredCursor } from "./state.ts";
import { notice, type Turn } from "./turn.ts";

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
  /** Who published it, as the relay claims: a hint, never shown. */
  readonly from?: Fingerprint;
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

/** The events of one client on their way in. */
export class Receiving {
  readonly #options: ReceivingOptions;
  /** How far streams were read when the last run ended. */
  readonly #saved = new Map<StreamName, StoredCursor>();
  /** The last place processed in each stream that we subscribed to. */
  readonly #positions = new Map<StreamName, Position>();
  /** The last place in each stream when we began to hear it. */
  readonly #heads = new Map<StreamName, number>();
  /** Streams whose place is not the one that {@linkcode takeChanges} gave last. */
  readonly #moved = new Set<StreamName>();

  /**
   * Starts with no stream.
   * @param options who was shown, what opens boxes, and where the last run stood
   */
  constructor(options: ReceivingOptions) {
    this.#options = options;
    for (const cursor of options.cursors) if (cursor.relay === options.relay) this.#saved.set(cursor.stream, cursor);
  }

  /**
   * Tells where a stream is to be heard from.
   * @param stream the stream
   * @returns the place after which it was not read yet; `null`, from now on, when it was never heard
   */
  cursor(stream: StreamName): Cursor | null {
    const place = this.#positions.get(stream) ?? this.#saved.get(stream);
    return place === undefined ? null : { generation: place.generation, seq: place.seq };
  }

  /**
   * Wants a stream read from its oldest event on, though it was never heard.
   * @param stream a room's that others wrote in before we could hear it
   * @param generation the life of the relay's log
   */
  readFromStart(stream: StreamName, generation: string): void {
    if (this.cursor(stream) === null) this.#move(stream, { generation, seq: 0, at: 0, isAnew: true });
  }

  /**
   * Forgets a stream.
   * @param stream of a room that we left
   */
  forget(stream: StreamName): void {
    this.#positions.delete(stream);
    this.#saved.delete(stream);
    this.#heads.delete(stream);
    this.#moved.add(stream);
  }

  /**
   * Takes in where a stream begins for us: after our cursor, or with what comes next.
   * @param stream one that we subscribed to
   * @param log the life of the relay's log, and the stream's last place now
   * @throws {ProtocolError} when the relay should have said that its log is another: beginning elsewhere would hide
   * messages or repeat them
   */
  begin(stream: StreamName, log: { readonly generation: string; readonly head: number }): void {
    this.#heads.set(stream, log.head);
    const begun = this.#positions.get(stream);
    if (begun !== undefined) {
      if (begun.generation === log.generation && begun.seq <= log.head) return; // goes on where it stands
      throw new ProtocolError("Cannot begin a stream twice");
    }
    const saved = this.#saved.get(stream);
    if (saved === undefined) return this.#move(stream, { generation: log.generation, seq: log.head, at: 0 });
    if (saved.generation !== log.generation || saved.seq > log.head) {
      throw new ProtocolError("Cannot begin a stream at a cursor of another log");
    }
    this.#move(stream, { generation: saved.generation, seq: saved.seq, at: saved.at });
  }

  /**
   * Counts the places that a stream has lost after ours, as the relay says where it begins.
   * @param subscribed the stream, its last place, and the oldest that can be read if that is not the next after ours
   * @returns how many; 0 where nobody knows which place comes first
   * @throws {ProtocolError} when it cannot be so
   */
  lostAtStart({ stream, head, oldest }: Extract<RelayMessage, { t: "subscribed" }>): number {
    const place = this.#positions.get(stream);
    if (oldest === undefined || place === undefined) return 0;
    if (oldest > head + 1) throw new ProtocolError("Cannot begin a stream after its end");
    return place.isAnew ? 0 : Math.max(0, oldest - place.seq - 1);
  }

  /**
   * Moves a stream's place over what it has lost.
   * @param stream the stream
   * @param count how many places
   */
  skip(stream: StreamName, count: number): void {
    const place = this.#positions.get(stream);
    if (place !== undefined && count > 0) this.#move(stream, { ...place, seq: place.seq + count });
  }

  /**
   * Tells what our inbox has lost, and goes on behind that.
   * @param subscribed where the relay begins
   * @param turn time and effects
   */
  inboxBegins(subscribed: Extract<RelayMessage, { t: "subscribed" }>, turn: Turn): void {
    this.begin(subscribed.stream, subscribed);
    const count = this.lostAtStart(subscribed);
    if (count === 0) return;
    this.skip(subscribed.stream, count);
    this.#options.showing.gap(this.#inbox(subscribed), { count }, turn);
  }

  /**
   * Takes in that the relay's log is not the one that our cursor is of: it starts over with the oldest that there is.
   * What was read before is recognised when it comes again, and not shown twice.
   * @param stream one that we subscribed to after a cursor
   * @param log the life of the relay's log, and the stream's last place now
   * @throws {ProtocolError} when there was no cursor, or the stream has begun
   */
  beginAnew(stream: StreamName, log: { readonly generation: string; readonly head: number }): void {
    if (this.cursor(stream) === null) throw new ProtocolError("Cannot reset a stream that was never read");
    if (this.#heads.has(stream)) throw new ProtocolError("Cannot reset a stream that has begun");
    const { generation } = log;
    if (this.#positions.get(stream)?.generation === generation) {
      throw new ProtocolError("Cannot reset a stream to the log that it is read from");
    }
    this.#move(stream, { generation, seq: 0, at: 0, isAnew: true });
    this.#heads.set(stream, log.head);
  }

  /** Notes that the link is gone: streams go on where they stand once the relay begins them again. */
  unlink(): void {
    this.#heads.clear();
  }

  /**
   * Tells whether an event was there before we began to hear its stream in this link.
   * @param place its stream and its number
   * @returns whether it was, so that nobody is to be alarmed by it
   */
  isLate({ stream, seq }: Pick<EventHead, "stream" | "seq">): boolean {
    return seq <= (this.#heads.get(stream) ?? 0);
  }

  /**
   * Tells whether a stream is being heard.
   * @param stream the stream
   * @returns whether the relay has said from where on
   */
  hasBegun(stream: StreamName): boolean {
    return this.#heads.has(stream);
  }

  /**
   * Tells whether all was read that was in a stream when we began to hear it.
   * @param stream the stream
   * @returns `false` as well before that
   */
  hasCaughtUp(stream: StreamName): boolean {
    const position = this.#positions.get(stream);
    const head = this.#heads.get(stream);
    return position !== undefined && head !== undefined && position.seq >= head;
  }

  /**
   * Tells what a store is to keep that was not told before.
   * @returns the places of streams that moved
   */
  takeChanges(): CursorChange[] {
    const changes = [...this.#moved].map((stream) => {
      const place = this.#positions.get(stream);
      const base = { relay: this.#options.relay, stream };
      return place === undefined
        ? { ...base, isForgotten: true as const }
        : { ...base, generation: place.generation, seq: place.seq, at: place.at };
    });
    this.#moved.clear();
    return changes;
  }

  #move(stream: StreamName, position: Position): void {
    this.#positions.set(stream, position);
    this.#moved.add(stream);
  }

  /**
   * Tells whether an event is new.
   * @param head its place
   * @returns `false` as well for a stream that we do not read
   */
  isNew({ stream, seq }: Pick<EventHead, "stream" | "seq">): boolean {
    const last = this.#positions.get(stream);
    return last !== undefined && seq > last.seq;
  }

  /**
   * Counts the places that are left out before an event.
   * @param head its place
   * @returns how many; 0 as well for one that is not new, and where nobody knows which place comes first
   */
  missingBefore({ stream, seq }: Pick<EventHead, "stream" | "seq">): number {
    const last = this.#positions.get(stream);
    return last === undefined || last.isAnew ? 0 : Math.max(0, seq - last.seq - 1);
  }

  /**
   * Moves a stream's place on.
   * @param head the place of the event that is being taken in, one's own included; of a stream that we are not
   * subscribed to nothing is kept
   * @returns how many places before it were left out; `undefined` when it is not new
   * @throws {ProtocolError} when its time is before that of an earlier place
   */
  advance(head: Pick<EventHead, "stream" | "seq" | "at">): number | undefined {
    const { stream, seq, at } = head;
    const last = this.#positions.get(stream);
    if (last === undefined || seq <= last.seq) return undefined;
    if (at < last.at) throw new ProtocolError("Cannot take event: its time is before that of an earlier one");
    const missing = this.missingBefore(head);
    this.#move(stream, { generation: last.generation, seq, at });
    return missing;
  }

  /**
   * Takes in an event of one's own inbox.
   * @param head what the relay says about it
   * @param body what was published
   * @param turn time and effects
   */
  async event(head: EventHead, body: Bytes, turn: Turn): Promise<void> {
    const missing = this.advance(head);
    const { showing } = this.#options;
    if (missing === undefined) return showing.repeated(this.#inbox(head));
    if (missing > 0) showing.gap(this.#inbox(head), { count: missing }, turn);
    try {
      await this.#open(head, body, turn);
    } catch (error) {
      // A UserError is a certificate whose handle is malformed.
      if (!(error instanceof DecodeError || error instanceof AuthError || error instanceof UserError)) throw error;
      notice(turn, "cannotOpen", "A message could not be opened and is not shown");
    }
  }

  /** Whether messages wait until the relay says who their authors are. */
  get isHolding(): boolean {
    return !this.#options.held.isEmpty;
  }

  /**
   * Shows what waited for its author to be introduced, once the relay has said who is there.
   * @param turn time and effects
   */
  async release(turn: Turn): Promise<void> {
    await this.#showIntroduced(turn);
    const { held } = this.#options;
    for (const stranger of held.all()) {
      held.remove(stranger);
      tellOfStranger(turn);
    }
  }

  async #showIntroduced(turn: Turn): Promise<void> {
    const { held, people } = this.#options;
    for (const message of held.all()) {
      const person = people.get(message.from);
      if (person === undefined) continue;
      await this.#show(person, message, turn);
      held.remove(message);
    }
  }

  async #open(head: EventHead, box: Bytes, turn: Turn): Promise<void> {
    const { keyring, people, rooms } = this.#options;
    const opened = await keyring.open(box, turn.nowMs, head.from);
    if (opened.kind === "repeat") return this.#options.showing.repeated(this.#inbox(head));
    if (opened.kind === "unopenable") {
      const who = opened.peer === undefined ? undefined : people.get(opened.peer);
      // Nothing vouches for the name in it: anybody can put another's certificate there.
      const from = who === undefined ? "" : ` that says it is from ${who.certificate.handle}`;
      return notice(turn, "cannotOpen", `A message${from} could not be opened, ask to have it sent again`);
    }
    const { peer, plaintext, boxHash } = opened;
    const isKey = isSenderKey(plaintext);
    // Whoever writes in private can be answered, in whatever room they are.
    const heard = people.hear(peer, !isKey);
    if (isKey) return await rooms.key(plaintext, peer.fingerprint, turn);
    const content = decodeContent(plaintext);
    // Whoever carries it could have put it elsewhere, or under the id of another message.
    if ("claims" in content || content.id !== head.id) {
      const from = heard === undefined ? "" : ` from ${heard.person.certificate.handle}`;
      return notice(turn, "misplaced", `A message${from} was moved by the relay and is not shown`);
    }
    if (content.kind === "receipt") {
      if (heard !== undefined) this.#options.receipts.take(heard.person, content, { ...turn, atMs: head.at });
      return; // somebody whom the relay never showed was never written to
    }
    const { stream, seq, at, id } = head;
    const message = { from: peer.fingerprint, stream, seq, at, id, content, boxHash, plaintext };
    if (heard === undefined) return this.#hold(message, turn);
    await this.#showIntroduced(turn); // its author may have joined meanwhile: what came first is shown first
    await this.#show(heard.person, message, turn);
  }

  /** Keeps a message whose author the relay never showed: its certificate alone could claim anybody's name. */
  #hold(message: HeldMessage, turn: Turn): void {
    if (!this.#options.held.add(message)) tellOfStranger(turn);
  }

  /** Our own inbox, as what is counted there. */
  #inbox({ stream }: Pick<EventHead, "stream">): CountedPlace {
    return { stream, place: { to: this.#options.keyring.ownHandle } };
  }

  async #show(person: Person, message: HeldMessage, turn: Turn): Promise<void> {
    const { content, boxHash } = message;
    if (content.kind === "invitation") return await this.#options.rooms.invited(content, person, turn);
    const { id, text, sentAtMs } = content;
    const place = { to: this.#options.keyring.ownHandle };
    const isLate = message.isOfEarlierRun ?? this.isLate(message);
    this.#options.showing.text(person, { id, text, sentAtMs, atMs: message.at, place, isLate }, turn);
    this.#options.receipts.received(person.certificate.fingerprint, { id, boxHash }, turn.nowMs);
  }
}

function tellOfStranger(turn: Turn): void {
  notice(turn, "stranger", "A message of somebody whom the relay does not show is not shown");
}
