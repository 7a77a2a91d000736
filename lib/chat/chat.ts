/**
 * The client's rules: one input at a time, effects in order, no I/O (DESIGN §3). A client reads its own inbox and its
 * rooms; who it writes to are those that the person was shown, whom it believes are those whose keys decrypt.
 *
 * The conversation with the relay at the start:
 *
 *     relay   welcome
 *     client  putBundle, putOneTimePrekeys, subscribe inbox after our cursor, enter the room (see room_channel.ts)
 *     relay   subscribed inbox, roster, ops, subscribed room, our join placed    -> `ready`, then the other rooms
 *
 * A client may be in no room and have one session by code instead; it has begun when its inbox is subscribed. When the
 * link is lost it goes on over the next one (see link_watch.ts).
 * @module
 */

import { assertNever, ProtocolError } from "../bytes/errors.ts";
import type { Bytes } from "../bytes/writer.ts";
import { secureRandom } from "../crypto/random.ts";
import { encodeClientMessage, type Packet, type RelayMessage } from "../wire/messages.ts";
import { isAboutMailbox } from "./code_sessions.ts";
import { gatherChanges } from "./changes.ts";
import { EarlyEvents } from "./early_events.ts";
import type { ChatEffect, ChatInput } from "./effects.ts";
import type { ChatEvent } from "./events.ts";
import { Foresight } from "./foreseeing.ts";
import { History } from "./history.ts";
import { HistoryCommands } from "./history_commands.ts";
import type { HistoryEntry } from "./history_events.ts";
import { KeyCommands } from "./key_commands.ts";
import type { ChatOptions } from "./chat_options.ts";
import { type ChatParts, makeParts } from "./chat_parts.ts";
import { LinkWatch } from "./link_watch.ts";
import type { Keyring } from "./keyring.ts";
import { giveUpKeys } from "./keys_awaited.ts";
import { Obeying } from "./obeying.ts";
import type { OutgoingLine } from "./outgoing.ts";
import type { People } from "./people.ts";
import type { Presence } from "./presence.ts";
import type { Receiving } from "./receiving.ts";
import { RoomCommands } from "./room_commands.ts";
import type { Rooms } from "./rooms.ts";
import type { Sending } from "./sending.ts";
import { SessionPlace } from "./session_place.ts";
import type { ChatChanges } from "./state.ts";
import { takeUpOutbox } from "./outbox.ts";
import { notice, type Turn } from "./turn.ts";
import { Writing } from "./writing.ts";

/** How long a client that leaves waits for the relay to accept what is pending. */
export const LEAVE_TIMEOUT_MS = 10_000;

/** The life of a client: `calling` until the relay's welcome on each link, `leaving` once the person wanted to go. */
type Phase = "calling" | "entering" | "ready" | "leaving" | "finished";

/** One client on one relay. */
export class Chat {
  readonly #options: ChatOptions;
  readonly #parts: ChatParts;
  readonly #people: People;
  readonly #keyring: Keyring;
  readonly #presence: Presence;
  readonly #sending: Sending;
  readonly #receiving: Receiving;
  readonly #obeying: Obeying;
  readonly #sessions: SessionPlace;
  readonly #rooms: Rooms;
  readonly #roomCommands: RoomCommands;
  readonly #links: LinkWatch;
  readonly #history: History;
  readonly #foresight: Foresight;
  readonly #inboxStream: string;
  #phase: Phase = "calling";
  readonly #early = new EarlyEvents();
  #leaveDueMs: number | undefined;
  #hasLeftRooms = false;
  #wakeAtMs: number | undefined;

  private constructor(options: ChatOptions, parts: ChatParts) {
    this.#options = options;
    this.#parts = parts;
    const { people, keyring, presence, receiving, sending, rooms } = parts;
    this.#people = people;
    this.#keyring = keyring;
    this.#presence = presence;
    this.#receiving = receiving;
    this.#sending = sending;
    this.#rooms = rooms;
    this.#foresight = new Foresight(rooms);
    const { certificate, identity, state, words, random = secureRandom } = options;
    this.#history = new History(random);
    const writing = new Writing({ rooms, people, keyring, sending });
    this.#roomCommands = new RoomCommands({ identity, own: certificate, people, rooms, writing, random });
    const isAlone = this.#isAlone;
    const shared = { people, keyring, words, random };
    this.#sessions = new SessionPlace({ owner: options, ...shared, isAlone, burnt: state?.codes });
    this.#obeying = new Obeying({
      isAlone,
      ...parts,
      writing,
      rooms: this.#roomCommands,
      sessions: this.#sessions,
      keys: new KeyCommands(people, certificate),
      history: new HistoryCommands({ ...parts, partner: () => this.#sessions.partner }),
      isLinked: () => this.#isEntered,
      quit: (turn) => this.#leave(turn),
    });
    this.#inboxStream = `inbox/${certificate.fingerprint}`;
    this.#links = new LinkWatch({ parts, sessions: this.#sessions, inbox: this.#inboxStream });
  }

  /**
   * Makes a client that waits for the relay's `welcome`.
   * @param options keys, relay and room
   * @param nowMs the time now
   * @returns the client
   * @throws {DecodeError} when the state is damaged
   */
  static async create(options: ChatOptions, nowMs: number): Promise<Chat> {
    return new Chat(options, await makeParts(options, nowMs));
  }

  /** Whether commands are taken: rooms are entered and not too much is on its way. Read no input while it is not. */
  get takesInput(): boolean {
    if (this.#leaveDueMs !== undefined || this.#sending.isFull) return false;
    if (!this.#isEntered) return this.#links.isAgain;
    return this.#sessions.takesLines && !this.#presence.questions.isFull && !this.#rooms.isMoving;
  }

  /** Whether the link may be made anew without a loss: not while mailboxes hang on it, and not on the way in or out. */
  get mayRenew(): boolean {
    return this.#phase === "ready" && this.#sessions.isIdle && !this.#rooms.isMoving;
  }

  /**
   * Lists what was written and not accepted, for when the link is lost.
   * @returns the lines, in order
   */
  unsent(): OutgoingLine[] {
    return this.#sending.lines.unaccepted();
  }

  /**
   * Tells what is to be kept that was not told before; to be called between two inputs. No effect of an input may be
   * done before what the call after it gave is kept, all of it in one transaction and in the order of the calls: only
   * so does nothing leave that a crash would let be sealed a second time (PROTOCOL §0.6).
   * @returns the changes; `undefined` when there are none
   */
  takeChanges(): ChatChanges | undefined {
    const relay = this.#options.relay.fingerprint;
    return gatherChanges(this.#parts, { sessions: this.#sessions, history: this.#history, relay });
  }

  /**
   * Tells what was told of conversations and not taken before; for a client that keeps nothing else.
   * @returns the entries, in order
   */
  takeHistory(): HistoryEntry[] {
    return this.#history.takeChanges();
  }

  /**
   * Takes one input. The driver never lets two calls overlap.
   * @param input what happened
   * @returns what to do, in order
   * @throws {ProtocolError} when the relay says something that is not allowed now
   * @throws {DecodeError} when what it says is malformed
   */
  async handle(input: ChatInput): Promise<ChatEffect[]> {
    const turn: Turn = { nowMs: input.nowMs, effects: [] };
    const hasBegun = this.#isEntered || this.#links.isAgain;
    switch (input.kind) {
      case "packet":
        if (input.coming !== undefined) this.#foresight.begin(input.coming);
        await this.#hear(input.packet, turn);
        await this.#foresight.passed();
        break;
      case "command":
        if (!hasBegun && input.command.kind !== "quit") throw new TypeError("Cannot obey before `entered`");
        await this.#obeying.obey(input.command, input.ref, turn);
        break;
      case "unlinked":
        this.#phase = "calling";
        this.#links.lost(input, turn);
        await this.#foresight.end();
        break;
      case "tick":
        await this.#tick(turn);
        break;
      default:
        assertNever(input);
    }
    if (this.#isEntered) this.#presence.askNext(turn);
    if (this.#isEntered) await this.#parts.receipts.pump(turn);
    if (this.#sessions.end !== undefined || this.#rooms.failure !== undefined) this.#leave(turn);
    await this.#finishIfDone(turn);
    this.#askToWake(turn);
    this.#history.note(turn);
    return this.#isEntered || this.#links.isAgain ? turn.effects : this.#early.hold(turn.effects);
  }

  /** Whether the client is there for one session by code, and in no room. */
  get #isAlone(): boolean {
    return this.#options.session !== undefined;
  }

  get #isEntered(): boolean {
    return this.#phase !== "calling" && this.#phase !== "entering";
  }

  async #hear({ message, body }: Packet<RelayMessage>, turn: Turn): Promise<void> {
    if (this.#phase === "calling" && message.t !== "welcome") throw new ProtocolError("Cannot begin without a welcome");
    if (isAboutMailbox(message)) return await this.#sessions.hear(message, body, turn);
    switch (message.t) {
      case "welcome":
        return await this.#welcome(message, turn);
      case "people":
        await this.#presence.answered(message, body, turn);
        if (!message.more) await this.#receiving.release(turn);
        return await this.#sending.pump(turn); // a line may have waited for the keys of one who came back
      case "subscribed":
      case "reset":
        return await this.#begins(message, body, turn);
      case "roster":
      case "joined":
      case "left":
      case "ops":
      case "snapshot":
        await this.#rooms.hear(message, body, turn);
        return await this.#proceed(turn);
      case "event":
        if (message.stream === this.#inboxStream) await this.#receiving.event(message, body, turn);
        else await this.#rooms.hear(message, body, turn);
        if (this.#receiving.isHolding) this.#presence.want();
        return await this.#proceed(turn);
      case "accepted":
        return await this.#accepted(message, turn);
      case "refused":
        this.#parts.receipts.answered(message.id);
        await this.#rooms.refused(message, turn);
        await this.#sending.refused(message.id, message, turn);
        return await this.#proceed(turn);
      case "acceptedMany":
        return await this.#sending.keyed(this.#rooms.handedOver(message, body, turn), turn);
      case "aboutYou":
        return this.#parts.knowledge.answered(message, body, turn);
      case "bundle":
        await this.#keyring.answered(message, body, { ...turn, people: this.#people });
        return await this.#sending.pump(turn);
      case "bundleWanted":
        return await this.#keyring.answer(message, turn);
      case "prekeysLow":
        return await this.#keyring.refill(message.left, turn);
      default:
        assertNever(message);
    }
  }

  async #welcome({ generation }: Extract<RelayMessage, { t: "welcome" }>, turn: Turn): Promise<void> {
    if (this.#phase !== "calling") throw new ProtocolError("Cannot be welcomed twice");
    this.#phase = "entering";
    this.#parts.knowledge.linked(turn.nowMs);
    if (!await this.#keyring.rotate({ ...turn, mayForget: false })) await this.#keyring.publish(turn);
    if (this.#receiving.isHolding) this.#presence.want(); // of this link nobody was asked yet
    const after = this.#receiving.cursor(this.#inboxStream);
    const subscribe = { t: "subscribe", stream: this.#inboxStream, after } as const;
    turn.effects.push({ kind: "send", packet: encodeClientMessage(subscribe) });
    if (this.#links.isAgain) this.#rooms.relink(generation, turn);
    else if (!this.#isAlone) await this.#rooms.begin(this.#options.room, generation, turn);
  }

  /** A stream begins: our inbox, or that of a room. */
  async #begins(
    message: Extract<RelayMessage, { t: "subscribed" | "reset" }>,
    body: Bytes,
    turn: Turn,
  ): Promise<void> {
    const { stream } = message;
    if (stream !== this.#inboxStream) {
      if (!stream.startsWith("room/")) throw new ProtocolError("Cannot be subscribed to what was not asked for");
      await this.#rooms.hear(message, body, turn);
      return await this.#proceed(turn);
    }
    if (message.t === "subscribed") this.#receiving.inboxBegins(message, turn);
    else {
      this.#receiving.beginAnew(stream, message);
      notice(turn, "reset", "The relay started a new log: what it held for you and did not hand over is lost");
    }
    await this.#proceed(turn);
  }

  /** Begins as soon as we are in: in the room, or, for a session by code, on the relay. Sends what waited. */
  async #proceed(turn: Turn): Promise<void> {
    if (this.#phase === "entering") {
      const hasInbox = this.#receiving.hasBegun(this.#inboxStream);
      if (hasInbox && this.#links.isAgain) this.#enterAgain(turn);
      else if (hasInbox && (this.#isAlone || this.#rooms.current?.phase === "in")) this.#enter(turn);
    }
    await this.#sending.pump(turn);
    await this.#rooms.proceed(turn);
    this.#links.proceed(turn);
  }

  #enterAgain(turn: Turn): void {
    this.#phase = this.#leaveDueMs === undefined ? "ready" : "leaving";
    this.#links.back(turn);
  }

  #enter(turn: Turn): void {
    this.#phase = "ready";
    turn.effects.push({ kind: "entered" });
    const { certificate: { handle, fingerprint }, relay: { name, fingerprint: key }, session } = this.#options;
    const place = this.#rooms.current;
    const warnings: Turn = { nowMs: turn.nowMs, effects: [] };
    if (place !== undefined) {
      const relay = { name, fingerprint: key };
      this.#show({ type: "ready", handle, fingerprint, relay, ...place.look(warnings) }, turn);
    }
    turn.effects.push(...warnings.effects);
    takeUpOutbox(this.#sending, turn);
    this.#early.release(turn);
    if (session !== undefined) this.#sessions.begin(session, turn);
    else this.#rooms.beginOthers(turn);
  }

  async #accepted(message: Extract<RelayMessage, { t: "accepted" }>, turn: Turn): Promise<void> {
    const { id, stream, at } = message;
    const isOurs = this.#sending.isPublished(id, stream);
    this.#parts.receipts.answered(id);
    // What is not ours moves nothing: an invented place would hide the messages before it.
    if (isOurs && stream === this.#inboxStream) this.#receiving.advance(message);
    if (stream.startsWith("room/")) {
      await this.#rooms.accepted(message, isOurs ? this.#sending.sealedOf(id) : undefined, turn);
    }
    const line = isOurs ? await this.#sending.accepted(id, at, turn) : undefined;
    if (line?.kind === "invitation") await this.#roomCommands.invitationStored(line, turn);
    if (line?.kind === "topic") this.#roomCommands.topicStored(line, turn);
    await this.#proceed(turn);
  }

  #leave(turn: Turn): void {
    if (this.#phase === "finished") return;
    if (this.#isEntered || !this.#links.isAgain) this.#phase = "leaving";
    this.#leaveDueMs ??= turn.nowMs + LEAVE_TIMEOUT_MS;
  }

  async #tick(turn: Turn): Promise<void> {
    this.#wakeAtMs = undefined;
    giveUpKeys(this.#keyring, this.#people, turn);
    const mayForget = this.#receiving.hasCaughtUp(this.#inboxStream);
    if (this.#isEntered) await this.#keyring.rotate({ ...turn, mayForget });
    this.#sessions.expire(turn);
    await this.#rooms.tick(turn);
    await this.#sending.pump(turn);
  }

  async #finishIfDone(turn: Turn): Promise<void> {
    if (this.#leaveDueMs === undefined || this.#phase === "finished") return;
    const { failure } = this.#rooms;
    const isLate = turn.nowMs >= this.#leaveDueMs;
    const { knowledge } = this.#parts;
    const isAnswered = this.#sending.lines.isEmpty && this.#presence.questions.isEmpty && knowledge.isEmpty;
    if (isAnswered && this.#phase === "leaving" && !this.#hasLeftRooms) {
      // Who keeps nothing never comes back: nobody is to seal for them from now on.
      this.#hasLeftRooms = true;
      if (this.#options.identity.life === "ephemeral") await this.#rooms.leaveAll(turn);
    }
    if (!isLate && failure === undefined && (!isAnswered || this.#rooms.isBusy)) return;
    if (this.#phase === "leaving") await this.#parts.receipts.flush(turn);
    this.#phase = "finished";
    turn.effects.push({ kind: "finish", ...(failure === undefined ? this.#sessions.end : { error: failure }) });
  }

  #askToWake(turn: Turn): void {
    if (this.#phase === "finished") return; // or the time to leave, long passed, would wake it for ever
    const atMs = Math.min(
      this.#isEntered ? this.#keyring.nextDueMs() : Infinity,
      this.#isEntered ? this.#presence.nextDueMs() ?? Infinity : Infinity,
      this.#sessions.nextDueMs() ?? Infinity,
      this.#isEntered ? this.#rooms.nextDueMs(turn.nowMs) : Infinity,
      this.#isEntered ? this.#parts.receipts.nextDueMs() : Infinity,
      this.#leaveDueMs ?? Infinity,
    );
    if (atMs === this.#wakeAtMs || atMs === Infinity) return; // nothing is due before the relay lets us in
    this.#wakeAtMs = atMs;
    turn.effects.push({ kind: "wakeAt", atMs });
  }

  #show(event: ChatEvent, turn: Turn): void {
    turn.effects.push({ kind: "show", event });
  }
}
