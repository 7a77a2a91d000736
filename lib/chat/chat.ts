/**
 * The client's rules: one input at a time, effects in order, no I/O (DESIGN §3). A client is in one room and reads its
 * own inbox; who it writes to are those that the person was shown, whom it believes are those whose keys decrypt.
 *
 * The conversation with the relay at the start:
 *
 *     relay   welcome
 *     client  putBundle, putOneTimePrekeys, subscribe inbox, enter, subscribe room, each after our cursor
 *     relay   subscribed inbox, roster …, subscribed room    -> `ready`
 *
 * A client may be in no room and have one session by code instead; it has begun when its inbox is subscribed.
 * @module
 */

import { assertNever, ProtocolError, UserError } from "../bytes/errors.ts";
import type { Bytes } from "../bytes/writer.ts";
import { type RandomBytes, secureRandom } from "../crypto/random.ts";
import type { Certificate } from "../e2ee/certificate.ts";
import type { Identity } from "../e2ee/identity.ts";
import {
  type ClientMessage,
  encodeClientMessage,
  type Fingerprint,
  type Packet,
  type RelayMessage,
  type StreamName,
} from "../wire/messages.ts";
import type { WordList } from "../pake/code.ts";
import { isAboutMailbox } from "./code_sessions.ts";
import { type Command, helpLines, type SessionCommand } from "./commands.ts";
import type { ChatEffect, ChatInput, Effects } from "./effects.ts";
import type { ChatEvent, Ref } from "./events.ts";
import { KeyCommands } from "./key_commands.ts";
import { Keyring } from "./keyring.ts";
import type { OutgoingLine } from "./outgoing.ts";
import { People } from "./people.ts";
import { Presence } from "./presence.ts";
import { Receiving, type Room } from "./receiving.ts";
import { Sending } from "./sending.ts";
import { SessionPlace, tellError } from "./session_place.ts";
import type { ChatChanges, ChatState } from "./state.ts";
import { notice, type Turn } from "./turn.ts";
import { Writing } from "./writing.ts";

/** How long a client that leaves waits for the relay to accept what is pending. */
export const LEAVE_TIMEOUT_MS = 10_000;
/** What may be told before the room is entered, and waits for `ready`; an honest relay says next to nothing then. */
const EARLY_EVENTS_MAX = 256;

/** What a client is and where. */
export interface ChatOptions {
  /** The long-term keys. */
  readonly identity: Identity;
  /** The certificate that the link was opened with. */
  readonly certificate: Certificate;
  /** The relay, as the link proved it. */
  readonly relay: { readonly name: string; readonly fingerprint: Fingerprint };
  /** The room to be in; `undefined` for a client that is there for one session by code. */
  readonly room: Room | undefined;
  /** How that session begins; for a client in no room. */
  readonly session?: SessionCommand | undefined;
  /** What codes are made of. */
  readonly words: WordList;
  /** Where the last run of this identity stood; nothing at the first. */
  readonly state?: ChatState | undefined;
  /** Where keys, nonces and ids come from. */
  readonly random?: RandomBytes;
}

/** The life of a client: `calling` until the relay's welcome, `leaving` once the person wanted to go. */
type Phase = "calling" | "entering" | "ready" | "leaving" | "finished";

/** One client on one relay. */
export class Chat {
  readonly #options: ChatOptions;
  readonly #people: People;
  readonly #keyring: Keyring;
  readonly #presence: Presence;
  readonly #sending: Sending;
  readonly #writing: Writing;
  readonly #receiving: Receiving;
  readonly #keys: KeyCommands;
  readonly #sessions: SessionPlace;
  readonly #roomStream: string | undefined;
  readonly #inboxStream: string;
  #phase: Phase = "calling";
  /** What happened before `ready`, which is always shown first. */
  #early: ChatEvent[] = [];
  #leaveDueMs: number | undefined;
  /** The tick that was asked for last. */
  #wakeAtMs: number | undefined;

  private constructor(options: ChatOptions, keyring: Keyring) {
    this.#options = options;
    this.#keyring = keyring;
    const { certificate: { fingerprint: own }, relay, room, state, words, random = secureRandom } = options;
    this.#people = new People(state?.peers);
    this.#presence = new Presence({ own, room, people: this.#people, keyring });
    this.#sending = new Sending(this.#people, keyring);
    this.#writing = new Writing({ room, people: this.#people, keyring, sending: this.#sending });
    this.#receiving = new Receiving({
      people: this.#people,
      keyring,
      relay: relay.fingerprint,
      cursors: state?.cursors ?? [],
    });
    this.#keys = new KeyCommands(this.#people, options.certificate);
    const shared = { people: this.#people, keyring, words, random };
    this.#sessions = new SessionPlace({ owner: options, ...shared, isAlone: room === undefined, burnt: state?.codes });
    this.#roomStream = room && `room/${room.id}`;
    this.#inboxStream = `inbox/${own}`;
  }

  /**
   * Makes a client that waits for the relay's `welcome`.
   * @param options keys, relay and room
   * @param nowMs the time now
   * @returns the client
   * @throws {DecodeError} when the state is damaged
   */
  static async create(options: ChatOptions, nowMs: number): Promise<Chat> {
    const { identity, certificate, state, random = secureRandom } = options;
    return new Chat(
      options,
      await Keyring.create({ identity, certificate }, { nowMs, random, stored: state?.sessions }),
    );
  }

  /** Whether commands are taken: the room is entered and not too much is on its way. Read no input while it is not. */
  get takesInput(): boolean {
    return this.#phase === "ready" && this.#sessions.takesLines && !this.#sending.lines.isFull &&
      !this.#presence.questions.isFull;
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
    const sessions = this.#keyring.takeChanges();
    const peers = this.#people.takeChanges();
    const cursors = this.#receiving.takeChanges();
    const codes = this.#sessions.takeChanges();
    const hasSessions = sessions.peers.length > 0 || sessions.prekeys !== undefined || sessions.forgotten !== undefined;
    const isChanged = hasSessions || peers.length + cursors.length + codes.length > 0;
    return isChanged ? { sessions, peers, cursors, codes } : undefined;
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
    switch (input.kind) {
      case "packet":
        await this.#hear(input.packet, turn);
        break;
      case "command":
        await this.#obey(input.command, input.ref, turn);
        break;
      case "tick":
        await this.#tick(turn);
        break;
      default:
        assertNever(input);
    }
    this.#presence.askNext(turn);
    if (this.#sessions.end !== undefined) this.#leave(turn);
    this.#finishIfDone(turn);
    this.#askToWake(turn);
    return this.#isEntered ? turn.effects : this.#holdBack(turn.effects);
  }

  get #isEntered(): boolean {
    return this.#phase !== "calling" && this.#phase !== "entering";
  }

  async #hear({ message, body }: Packet<RelayMessage>, turn: Turn): Promise<void> {
    if (this.#phase === "calling" && message.t !== "welcome") throw new ProtocolError("Cannot begin without a welcome");
    if (isAboutMailbox(message)) return await this.#sessions.hear(message, body, turn);
    switch (message.t) {
      case "welcome":
        return await this.#welcome(turn);
      case "roster":
      case "joined":
      case "left":
      case "people":
        await this.#hearOfPeople(message, body, turn);
        return await this.#sending.pump(turn); // a line may have waited for the keys of one who is gone or came back
      case "subscribed":
        return this.#subscribed(message, turn);
      case "reset":
        this.#receiving.beginAnew(message.stream, message);
        if (message.stream === this.#inboxStream) {
          notice(turn, "reset", "The relay started a new log: what it held for you and did not hand over is lost");
        }
        return this.#enterIfLast(message.stream, turn);
      case "event":
        await this.#receiving.event(message, body, {
          ...turn,
          room: message.stream === this.#roomStream ? this.#options.room : undefined,
        });
        if (this.#receiving.isHolding) this.#presence.want();
        return await this.#sending.pump(turn); // a first message brings the keys of whoever wrote it
      case "accepted":
        return await this.#accepted(message, turn);
      case "refused":
        return await this.#sending.refused(message.id, message, turn);
      case "bundle":
        await this.#keyring.answered(message, body, { ...turn, people: this.#people });
        return await this.#sending.pump(turn);
      case "bundleWanted":
        return await this.#keyring.answer(message, turn);
      case "prekeysLow":
        return await this.#keyring.refill(message.left, turn);
      default:
        if (message.t !== "ops" && message.t !== "acceptedMany") assertNever(message); // neither is asked for yet
    }
  }

  async #hearOfPeople(
    message: Extract<RelayMessage, { t: "roster" | "joined" | "left" | "people" }>,
    body: Bytes,
    turn: Turn,
  ): Promise<void> {
    if (message.t === "people") {
      await this.#presence.answered(message, body, turn);
      if (!message.more) this.#receiving.release(turn);
      return;
    }
    if (message.room !== this.#options.room?.id) return;
    if (message.t === "roster") return await this.#presence.roster(body, turn);
    if (message.t === "joined") return await this.#presence.joined(message.at, body, turn);
    this.#presence.left(message, turn);
  }

  async #welcome(turn: Turn): Promise<void> {
    if (this.#phase !== "calling") throw new ProtocolError("Cannot be welcomed twice");
    this.#phase = "entering";
    if (!await this.#keyring.rotate({ ...turn, mayForget: false })) await this.#keyring.publish(turn);
    this.#subscribe(this.#inboxStream, turn);
    if (this.#options.room === undefined || this.#roomStream === undefined) return;
    this.#send({ t: "enter", room: this.#options.room.id }, turn);
    this.#subscribe(this.#roomStream, turn);
  }

  #subscribed(message: Extract<RelayMessage, { t: "subscribed" }>, turn: Turn): void {
    const { stream, generation, head } = message;
    if (stream !== this.#roomStream && stream !== this.#inboxStream) {
      throw new ProtocolError("Cannot be subscribed to a stream that was not asked for");
    }
    this.#receiving.begin(stream, { generation, head });
    this.#enterIfLast(stream, turn);
  }

  #subscribe(stream: StreamName, turn: Turn): void {
    this.#send({ t: "subscribe", stream, after: this.#receiving.cursor(stream) }, turn);
  }

  /** The last stream that is asked for at the start, the room's if there is one: with it the chat begins. */
  #enterIfLast(stream: StreamName, turn: Turn): void {
    if (stream !== (this.#roomStream ?? this.#inboxStream) || this.#phase !== "entering") return;
    this.#phase = "ready";
    turn.effects.push({ kind: "entered" });
    const { certificate: { handle, fingerprint }, relay, room, session } = this.#options;
    const members = this.#presence.begin();
    if (room !== undefined) this.#show({ type: "ready", handle, fingerprint, relay, room: room.name, members }, turn);
    for (const member of members) this.#presence.warnIfChanged(member, turn);
    for (const event of this.#early) this.#show(event, turn);
    this.#early = [];
    if (session !== undefined) this.#sessions.begin(session, turn);
  }

  async #accepted(message: Extract<RelayMessage, { t: "accepted" }>, turn: Turn): Promise<void> {
    // What is not ours moves nothing: an invented place would hide the messages before it.
    if (!this.#sending.isPublished(message.id, message.stream)) return;
    this.#receiving.advance(message, turn);
    await this.#sending.accepted(message.id, message.at, turn);
  }

  async #obey(command: Command, ref: Ref | undefined, turn: Turn): Promise<void> {
    try {
      await this.#run(command, ref, turn);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      tellError(error, ref, turn);
    }
  }

  async #run(command: Command, ref: Ref | undefined, turn: Turn): Promise<void> {
    if (!this.#isEntered && command.kind !== "quit") throw new TypeError("Cannot obey: the room is not entered yet");
    switch (command.kind) {
      case "say":
        return await this.#writing.say(command, ref, { ...turn, partner: this.#sessions.partner });
      case "pm":
        return await this.#writing.pm(command, ref, turn);
      case "users":
        if (this.#options.room === undefined) throw new UserError("badLine", "There is no room here", "Use /peers.");
        return this.#presence.ask(ref);
      case "session":
        return this.#sessions.obey(command, ref, turn);
      case "peers":
      case "fingerprint":
      case "verify":
      case "trust":
      case "distrust":
        await this.#keys.obey(command, ref, turn);
        return await this.#sending.pump(turn); // lines may have waited for this, or for nobody now
      case "help":
        return this.#show({ type: "notice", code: "help", text: helpLines().join("\n"), ...refOf(ref) }, turn);
      case "quit":
        return this.#leave(turn);
      case "nothing":
        return;
      default:
        assertNever(command);
    }
  }

  #leave(turn: Turn): void {
    if (this.#phase === "finished") return;
    this.#phase = "leaving";
    this.#leaveDueMs ??= turn.nowMs + LEAVE_TIMEOUT_MS;
  }

  async #tick(turn: Turn): Promise<void> {
    this.#wakeAtMs = undefined;
    for (const fingerprint of this.#keyring.expire(turn.nowMs)) {
      const person = this.#people.get(fingerprint);
      // They left meanwhile, which was told, or wrote to us, which brought their keys.
      if (person === undefined || !person.isHere || this.#keyring.hasSession(fingerprint)) continue;
      const { handle } = person.certificate;
      notice(turn, "keysMissing", `${handle} cannot read what you write yet: the relay gave no keys for them`);
    }
    const mayForget = this.#receiving.hasCaughtUp(this.#inboxStream);
    if (this.#isEntered) await this.#keyring.rotate({ ...turn, mayForget });
    this.#sessions.expire(turn);
    await this.#sending.pump(turn);
  }

  #finishIfDone(turn: Turn): void {
    if (this.#phase !== "leaving") return;
    const isLate = this.#leaveDueMs !== undefined && turn.nowMs >= this.#leaveDueMs;
    const isDone = this.#sending.lines.isEmpty && this.#presence.questions.isEmpty;
    if (!isDone && !isLate) return;
    this.#phase = "finished";
    turn.effects.push({ kind: "finish", ...this.#sessions.end });
  }

  #askToWake(turn: Turn): void {
    if (this.#phase === "finished") return; // or the time to leave, long passed, would wake it for ever
    const atMs = Math.min(
      this.#isEntered ? this.#keyring.nextDueMs() : Infinity,
      this.#presence.nextDueMs() ?? Infinity,
      this.#sessions.nextDueMs() ?? Infinity,
      this.#leaveDueMs ?? Infinity,
    );
    if (atMs === this.#wakeAtMs || atMs === Infinity) return; // nothing is due before the relay lets us in
    this.#wakeAtMs = atMs;
    turn.effects.push({ kind: "wakeAt", atMs });
  }

  /** Keeps what is to be shown until the room is entered. */
  #holdBack(effects: Effects): Effects {
    for (const effect of effects) if (effect.kind === "show") this.#early.push(effect.event);
    if (this.#early.length > EARLY_EVENTS_MAX) {
      throw new ProtocolError("Cannot take so much before the room is entered");
    }
    return effects.filter((effect) => effect.kind !== "show");
  }

  #send(message: ClientMessage, turn: Turn): void {
    turn.effects.push({ kind: "send", packet: encodeClientMessage(message) });
  }

  #show(event: ChatEvent, turn: Turn): void {
    turn.effects.push({ kind: "show", event });
  }
}

function refOf(ref: Ref | undefined): { ref?: Ref } {
  return ref === undefined ? {} : { ref };
}
