/**
 * The client's rules: one input at a time, effects in order, no I/O (DESIGN §3). A client is in one room and reads its
 * own inbox; who it writes to are those that the person was shown, whom it believes are those whose keys decrypt.
 *
 * The conversation with the relay at the start:
 *
 *     relay   welcome
 *     client  putBundle, putOneTimePrekeys, subscribe inbox, enter, subscribe room
 *     relay   subscribed inbox, roster …, subscribed room    -> `ready`
 *
 * @module
 */

import { assertNever, ProtocolError, UserError } from "../bytes/errors.ts";
import { ByteReader } from "../bytes/reader.ts";
import type { Bytes } from "../bytes/writer.ts";
import { type RandomBytes, secureRandom } from "../crypto/random.ts";
import { type Certificate, CERTIFICATE_MAX_BYTES, verifyCertificate } from "../e2ee/certificate.ts";
import type { Identity } from "../e2ee/identity.ts";
import {
  type ClientMessage,
  encodeClientMessage,
  type Fingerprint,
  type Packet,
  type RelayMessage,
} from "../wire/messages.ts";
import { type Command, helpLines } from "./commands.ts";
import type { ChatEffect, ChatInput } from "./effects.ts";
import type { ChatEvent, Member, Ref } from "./events.ts";
import { Keyring } from "./keyring.ts";
import type { OutgoingLine } from "./outgoing.ts";
import { type Meeting, People } from "./people.ts";
import { Receiving, type Room } from "./receiving.ts";
import { Sending } from "./sending.ts";
import { notice, type Turn } from "./turn.ts";

/** How long a client that leaves waits for the relay to accept what is pending. */
export const LEAVE_TIMEOUT_MS = 10_000;

/** What a client is and where. */
export interface ChatOptions {
  /** The long-term keys. */
  readonly identity: Identity;
  /** The certificate that the link was opened with. */
  readonly certificate: Certificate;
  /** The relay, as the link proved it. */
  readonly relay: { readonly name: string; readonly fingerprint: Fingerprint };
  /** The room to be in. */
  readonly room: Room;
  /** Where keys, nonces and ids come from. */
  readonly random?: RandomBytes;
}

/** The life of a client: `leaving` once the person wanted to go. */
type Phase = "connecting" | "ready" | "leaving" | "finished";

/** One client on one relay. */
export class Chat {
  readonly #options: ChatOptions;
  readonly #people = new People();
  readonly #keyring: Keyring;
  readonly #sending: Sending;
  readonly #receiving: Receiving;
  readonly #roomStream: string;
  readonly #inboxStream: string;
  #phase: Phase = "connecting";
  #leaveDueMs: number | undefined;
  #whoRefs: (Ref | undefined)[] = [];

  private constructor(options: ChatOptions, keyring: Keyring) {
    this.#options = options;
    this.#keyring = keyring;
    this.#sending = new Sending(this.#people, keyring);
    this.#receiving = new Receiving(this.#people, keyring);
    this.#roomStream = `room/${options.room.id}`;
    this.#inboxStream = `inbox/${options.certificate.fingerprint}`;
  }

  /**
   * Makes a client that waits for the relay's `welcome`.
   * @param options keys, relay and room
   * @param nowMs the time now
   * @returns the client
   */
  static async create(options: ChatOptions, nowMs: number): Promise<Chat> {
    const { identity, certificate, random = secureRandom } = options;
    return new Chat(options, await Keyring.create({ identity, certificate }, { nowMs, random }));
  }

  /** Whether commands are taken: the room is entered and not too much is on its way. Read no input while it is not. */
  get takesInput(): boolean {
    return this.#phase === "ready" && !this.#sending.lines.isFull;
  }

  /**
   * Lists what was written and not accepted, for when the link is lost.
   * @returns the lines, in order
   */
  unsent(): OutgoingLine[] {
    return this.#sending.lines.unaccepted();
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
    this.#finishIfDone(turn);
    this.#askToWake(turn);
    return turn.effects;
  }

  async #hear({ message, body }: Packet<RelayMessage>, turn: Turn): Promise<void> {
    switch (message.t) {
      case "welcome":
        return await this.#welcome(turn);
      case "roster":
        return await this.#roster(message.room, body, turn);
      case "joined":
        return await this.#joined(message, body, turn);
      case "left":
        return await this.#left(message, turn);
      case "subscribed":
      case "reset":
        return this.#subscribed(message, turn);
      case "event":
        return await this.#receiving.event(message, body, {
          ...turn,
          room: message.stream === this.#roomStream ? this.#options.room : undefined,
        });
      case "accepted":
        this.#receiving.advance(message.stream, message.seq, turn);
        return this.#sending.accepted(message.id, message.at, turn);
      case "refused":
        return this.#sending.refused(message.id, message, turn);
      case "bundle":
        await this.#keyring.answered(message, body, { ...turn, people: this.#people });
        return await this.#sending.pump(turn);
      case "bundleWanted":
        return await this.#keyring.answer(message, turn);
      case "prekeysLow":
        return await this.#keyring.refill(message.left, turn);
      case "people":
        return await this.#peopleAre(message.more, body, turn);
      default:
        assertNever(message);
    }
  }

  async #welcome(turn: Turn): Promise<void> {
    if (this.#phase !== "connecting") throw new ProtocolError("Cannot be welcomed twice");
    await this.#keyring.publish(turn);
    this.#send({ t: "subscribe", stream: this.#inboxStream, after: null }, turn);
    this.#send({ t: "enter", room: this.#options.room.id }, turn);
    this.#send({ t: "subscribe", stream: this.#roomStream, after: null }, turn);
  }

  async #roster(room: Fingerprint, body: Bytes, turn: Turn): Promise<void> {
    if (room !== this.#options.room.id) return;
    for (const certificate of cutCertificates(body)) await this.#meet(certificate, turn, { room });
  }

  async #joined(message: Extract<RelayMessage, { t: "joined" }>, body: Bytes, turn: Turn): Promise<void> {
    if (message.room !== this.#options.room.id) return;
    const meeting = await this.#meet(body, turn, { room: message.room });
    if (meeting === undefined) return;
    const member = this.#people.show(meeting.person);
    this.#show({ type: "joined", room: this.#options.room.name, at: message.at, ...member }, turn);
    this.#warnIfChanged(member, turn);
    await this.#sending.pump(turn);
  }

  async #left(message: Extract<RelayMessage, { t: "left" }>, turn: Turn): Promise<void> {
    const person = this.#people.leave(message.who, message.room);
    if (person === undefined) return;
    const { handle, fingerprint } = person.certificate;
    const { at, reason } = message;
    this.#show({ type: "left", room: this.#options.room.name, at, reason, handle, fingerprint }, turn);
    await this.#sending.pump(turn); // a line may have waited for the keys of this one
  }

  #subscribed(message: Extract<RelayMessage, { t: "subscribed" | "reset" }>, turn: Turn): void {
    this.#receiving.begin(message.stream, message.head);
    if (message.stream !== this.#roomStream || this.#phase !== "connecting") return;
    this.#phase = "ready";
    const { certificate, relay, room } = this.#options;
    const members = this.#members();
    const { handle, fingerprint } = certificate;
    this.#show({ type: "ready", handle, fingerprint, relay, room: room.name, members }, turn);
    for (const member of members) this.#warnIfChanged(member, turn);
  }

  async #peopleAre(more: boolean, body: Bytes, turn: Turn): Promise<void> {
    for (const certificate of cutCertificates(body)) await this.#meet(certificate, turn, { isHere: true });
    if (more) return;
    const ref = this.#whoRefs.shift();
    const elsewhere = this.#people.elsewhere().map((person) => this.#people.show(person));
    this.#show(
      { type: "users", room: this.#options.room.name, members: this.#members(), elsewhere, ...refOf(ref) },
      turn,
    );
  }

  /** Meets a certificate that the relay gave; one that is not what it seems is told and its owner left out. */
  async #meet(
    bytes: Bytes,
    turn: Turn,
    where: { readonly room?: Fingerprint; readonly isHere?: boolean },
  ): Promise<Meeting | undefined> {
    try {
      const certificate = await verifyCertificate(bytes);
      if (certificate.fingerprint === this.#options.certificate.fingerprint) return undefined;
      const meeting = this.#people.meet(certificate, where);
      if (meeting.hasRestarted) await this.#keyring.forget(certificate.fingerprint);
      return meeting;
    } catch (error) {
      if (!(error instanceof Error) || error instanceof TypeError || error instanceof RangeError) throw error;
      notice(
        turn,
        "badCertificate",
        "The relay showed somebody whose certificate is not valid; nothing is sent to them",
      );
      return undefined;
    }
  }

  async #obey(command: Command, ref: Ref | undefined, turn: Turn): Promise<void> {
    try {
      await this.#run(command, ref, turn);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      const { code, message, hint } = error;
      this.#show({ type: "error", code, message, hint, ...refOf(ref) }, turn);
    }
  }

  async #run(command: Command, ref: Ref | undefined, turn: Turn): Promise<void> {
    switch (command.kind) {
      case "say":
        return await this.#say(command, ref, turn);
      case "pm":
        return await this.#pm(command, ref, turn);
      case "users":
        this.#whoRefs.push(ref);
        this.#people.forgetElsewhere();
        return this.#send({ t: "who", ref: this.#whoRefs.length }, turn);
      case "fingerprint":
        return this.#fingerprint(command.name, ref, turn);
      case "trust":
        return await this.#trust(command.name, ref, turn);
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

  async #say(command: Extract<Command, { kind: "say" }>, ref: Ref | undefined, turn: Turn): Promise<void> {
    const { room } = this.#options;
    if (command.room !== undefined && command.room !== room.name) {
      throw new UserError("badLine", "Nothing was sent: you are not in that room", `You are in ${room.name}.`);
    }
    const members = this.#people.inRoom(room.id);
    const held = members.filter((person) => this.#people.trust(person) === "changed");
    for (const { certificate: { handle } } of held) {
      notice(turn, "keyChanged", `${handle} does not get this: their key changed; /trust ${handle} accepts it`);
    }
    const audience = members.filter((person) => !held.includes(person)).map((person) => person.certificate.fingerprint);
    if (members.length === 0) notice(turn, "nobodyHere", `Nobody else is in ${room.name}, so nobody will read this`);
    await this.#sending.add({
      ...this.#newLine(command.text, ref, turn),
      place: { room: room.name },
      stream: this.#roomStream,
      room: room.id,
      audience,
    }, turn);
  }

  async #pm(command: Extract<Command, { kind: "pm" }>, ref: Ref | undefined, turn: Turn): Promise<void> {
    const person = this.#people.resolve(command.to);
    const { handle, fingerprint } = person.certificate;
    if (this.#people.trust(person) === "changed") {
      throw new UserError(
        "keyChanged",
        `Nothing was sent: the key of ${handle} changed`,
        `Compare fingerprints (/fingerprint ${handle}), then accept the new key with /trust ${handle}.`,
      );
    }
    await this.#sending.add({
      ...this.#newLine(command.text, ref, turn),
      place: { to: handle },
      stream: `inbox/${fingerprint}`,
      room: null,
      audience: [fingerprint],
    }, turn);
  }

  #newLine(text: string, ref: Ref | undefined, turn: Turn): Pick<OutgoingLine, "id" | "text" | "sentAtMs" | "ref"> {
    return { id: this.#keyring.newEventId(), text, sentAtMs: turn.nowMs, ...refOf(ref) };
  }

  #fingerprint(name: string | undefined, ref: Ref | undefined, turn: Turn): void {
    const { handle, fingerprint } = name === undefined
      ? this.#options.certificate
      : this.#people.show(this.#people.resolve(name));
    const who = name === undefined ? `You are ${handle}` : `${handle} is`;
    const text = `${who}\n${spellFingerprint(fingerprint)}`;
    this.#show({ type: "notice", code: "fingerprint", text, ...refOf(ref) }, turn);
  }

  async #trust(name: string, ref: Ref | undefined, turn: Turn): Promise<void> {
    const person = this.#people.resolve(name);
    this.#people.accept(person);
    const text = `The key of ${person.certificate.handle} is accepted; its fingerprint is\n${
      spellFingerprint(person.certificate.fingerprint)
    }`;
    this.#show({ type: "notice", code: "trusted", text, ...refOf(ref) }, turn);
    await this.#sending.pump(turn);
  }

  #leave(turn: Turn): void {
    if (this.#phase === "finished") return;
    this.#phase = "leaving";
    this.#leaveDueMs ??= turn.nowMs + LEAVE_TIMEOUT_MS;
  }

  async #tick(turn: Turn): Promise<void> {
    for (const fingerprint of this.#keyring.expire(turn.nowMs)) {
      const handle = this.#people.get(fingerprint)?.certificate.handle ?? "Somebody";
      notice(turn, "keysMissing", `${handle} cannot read what you write yet: the relay gave no keys for them`);
    }
    await this.#keyring.rotate(turn);
    await this.#sending.pump(turn);
  }

  #finishIfDone(turn: Turn): void {
    if (this.#phase !== "leaving") return;
    const isLate = this.#leaveDueMs !== undefined && turn.nowMs >= this.#leaveDueMs;
    if (!this.#sending.lines.isEmpty && !isLate) return;
    this.#phase = "finished";
    turn.effects.push({ kind: "finish" });
  }

  #askToWake(turn: Turn): void {
    const times = [this.#leaveDueMs, this.#keyring.nextDueMs()].filter((time) => time !== undefined);
    if (times.length > 0) turn.effects.push({ kind: "wakeAt", atMs: Math.min(...times) });
  }

  #members(): Member[] {
    return this.#people.inRoom(this.#options.room.id).map((person) => this.#people.show(person));
  }

  #warnIfChanged(member: Member, turn: Turn): void {
    if (member.trust !== "changed") return;
    const { handle } = member;
    notice(
      turn,
      "keyChanged",
      `The key of ${handle} CHANGED: somebody else may be using the name. Nothing is sent to them until you ` +
        `compare fingerprints (/fingerprint ${handle}) and accept the new key with /trust ${handle}`,
    );
  }

  #send(message: ClientMessage, turn: Turn): void {
    turn.effects.push({ kind: "send", packet: encodeClientMessage(message) });
  }

  /** Tells the person; before `ready`, joins and leaves only change who will be in it. */
  #show(event: ChatEvent, turn: Turn): void {
    if (this.#phase === "connecting" && (event.type === "joined" || event.type === "left")) return;
    turn.effects.push({ kind: "show", event });
  }
}

/**
 * Spells a fingerprint for people who compare it: thirteen groups of four.
 * @param fingerprint 52 characters of base32
 * @returns the same with spaces
 */
export function spellFingerprint(fingerprint: Fingerprint): string {
  return fingerprint.replace(/(.{4})(?=.)/g, "$1 ");
}

function refOf(ref: Ref | undefined): { ref?: Ref } {
  return ref === undefined ? {} : { ref };
}

function cutCertificates(body: Bytes): Bytes[] {
  const reader = new ByteReader(body, "certificates");
  const certificates: Bytes[] = [];
  while (reader.remaining > 0) certificates.push(reader.lv(CERTIFICATE_MAX_BYTES));
  return certificates;
}
