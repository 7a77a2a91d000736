/**
 * The rules of a direct link (PROTOCOL §5): two clients, no relay. One input at a time, effects in order, no I/O. The
 * link has proved both certificates before this begins; here both agree on a code, if there is one, and on keys for the
 * texts, and only then is anything shown or sent:
 *
 * ```text
 * [code] -> keys -> greeting -> talking -> leaving -> finished
 * ```
 *
 * A text counts as accepted when the other side says that what its box held is kept. What goes wrong before `talking`
 * ends the try with a named `refusal`; what goes wrong later is a peer that misbehaves, and ends the link.
 * @module
 */

import { decodeHex, encodeHex } from "@std/encoding/hex";
import { equalBytes } from "../bytes/equal.ts";
import { assertNever, AuthError, ProtocolError, UserError } from "../bytes/errors.ts";
import { type Bytes, utf8 } from "../bytes/writer.ts";
import { decodeBox } from "../e2ee/box.ts";
import { createLiveBundle, verifyLiveBundle } from "../e2ee/bundle.ts";
import type { Certificate } from "../e2ee/certificate.ts";
import { directNonce } from "../e2ee/direct_link.ts";
import { TEXT_MAX_BYTES } from "../e2ee/plaintext.ts";
import type { Opened } from "../e2ee/opened.ts";
import type { CodeWords } from "../pake/code.ts";
import type { Packet } from "../wire/messages.ts";
import type { Command } from "./commands.ts";
import { DirectCode, type DirectSide } from "./direct_code.ts";
import { checkGreeting, encodeGreeting } from "./direct_greeting.ts";
import type { DirectKeys } from "./direct_keys.ts";
import { DirectLines } from "./direct_lines.ts";
import { type DirectMessage, encodeDirectMessage } from "./direct_messages.ts";
import { directHelp, directRefusal, type Refusal } from "./direct_words.ts";
import type { ChatEffect } from "./effects.ts";
import type { Ref } from "./events.ts";
import { KeyCommands } from "./key_commands.ts";
import type { OutgoingLine } from "./outgoing.ts";
import type { Person } from "./people.ts";
import { changedWarning } from "./presence.ts";
import { nameMoved } from "./session_words.ts";
import { notice, type Turn } from "./turn.ts";

/** How long both have from the finished handshake until they talk: messages of two machines, no person among them. */
export const SECURE_TIMEOUT_MS = 10_000;
/** How long a client that leaves waits for the other to keep what is on its way. */
export const DIRECT_LEAVE_TIMEOUT_MS = 10_000;

/** What one link begins with. */
export interface DirectOptions {
  /** Which end we are. */
  readonly side: DirectSide;
  /** Our keys and people. */
  readonly keys: DirectKeys;
  /** The other's certificate: its signature verified, its Noise key that of the handshake. */
  readonly peer: Certificate;
  /** h, 32 bytes. */
  readonly handshakeHash: Bytes;
  /** The words that both must know; without them the peer is known by its key alone. */
  readonly words?: CodeWords | undefined;
}

/** One thing that happens to one end of a direct link. */
export type DirectInput =
  /** The link is open; always the first. */
  | { readonly kind: "start"; readonly nowMs: number }
  | { readonly kind: "packet"; readonly packet: Packet<DirectMessage>; readonly nowMs: number }
  | { readonly kind: "command"; readonly command: Command; readonly nowMs: number; readonly ref?: Ref }
  | { readonly kind: "tick"; readonly nowMs: number };

type Phase = "code" | "keys" | "greeting" | "talking" | "leaving" | "finished";

/** One end of a direct link. */
export class DirectChat {
  readonly #options: DirectOptions;
  readonly #commands: KeyCommands;
  readonly #lines: DirectLines;
  readonly #code: DirectCode | undefined;
  #phase: Phase;
  #person: Person | undefined;
  /** The one session of this link, in hexadecimal, once it is known. */
  #sessionKey: string | undefined;
  /** The prekey of the bundle that was made for this link. */
  #oneTimePrekeyId: number | undefined;
  #dueMs: number | undefined;
  #refusal: Refusal | undefined;

  /**
   * Makes an end that waits for `start`.
   * @param options who is at both ends, and the link
   */
  constructor(options: DirectOptions) {
    const { side, keys, peer, handshakeHash, words } = options;
    this.#options = options;
    this.#commands = new KeyCommands(keys.people, keys.owner.certificate);
    this.#lines = new DirectLines(keys, peer);
    const own = keys.owner.certificate;
    this.#code = words && new DirectCode({ side, words, handshakeHash, own, peer, random: keys.random });
    this.#phase = words === undefined ? "keys" : "code";
  }

  /** Whether the two talk: `secured` was shown. */
  get isSecured(): boolean {
    return this.#person !== undefined;
  }

  /** Whether commands are taken. Read no input while it is not. */
  get takesInput(): boolean {
    return this.#phase === "talking" && !this.#lines.isFull;
  }

  /** Why the try came to nothing, when `finish` follows without anybody's wish. */
  get refusal(): Refusal | undefined {
    return this.#refusal;
  }

  /** Whether the words must never be used again: a share of ours left, and the two do not talk. */
  get hasSpentCode(): boolean {
    return !this.isSecured && this.#code?.hasSentShare === true;
  }

  /**
   * Lists what was written and not accepted, for when the link is over.
   * @returns the lines, in order
   */
  unsent(): OutgoingLine[] {
    return this.#lines.unaccepted();
  }

  /**
   * Takes one input. The driver never lets two calls overlap.
   * @param input what happened
   * @returns what to do, in order, once the changes of the keys are kept
   * @throws {ProtocolError} when the other side says something that is not allowed now, or that cannot be opened
   * @throws {DecodeError} when what it says is malformed
   */
  async handle(input: DirectInput): Promise<ChatEffect[]> {
    const turn: Turn = { nowMs: input.nowMs, effects: [] };
    if (this.#phase === "finished") return [];
    switch (input.kind) {
      case "start":
        await this.#start(turn);
        break;
      case "packet":
        await this.#hear(input.packet, turn);
        break;
      case "command":
        await this.#obey(input.command, input.ref, turn);
        break;
      case "tick":
        this.#tick(turn);
        break;
      default:
        assertNever(input);
    }
    if (this.#phase === "leaving" && this.#lines.isEmpty) this.#finish(turn);
    return turn.effects;
  }

  get #isListener(): boolean {
    return this.#options.side === "listener";
  }

  async #start(turn: Turn): Promise<void> {
    this.#wakeAt(turn.nowMs + SECURE_TIMEOUT_MS, turn);
    if (!this.#isListener) return;
    if (this.#code === undefined) await this.#giveKeys(turn);
    else turn.effects.push({ kind: "send", packet: this.#code.demand() });
  }

  async #hear(packet: Packet<DirectMessage>, turn: Turn): Promise<void> {
    if (this.isSecured) return await this.#hearTalk(packet, turn);
    try {
      await this.#secure(packet, turn);
    } catch (error) {
      if (!(error instanceof AuthError)) throw error;
      this.#refuse(this.#phase === "code" ? "wrongCode" : "refusedKeys", turn);
    }
  }

  async #secure(packet: Packet<DirectMessage>, turn: Turn): Promise<void> {
    const { t } = packet.message;
    if (!this.#isListener && t === "code" && this.#code === undefined) return this.#refuse("codeMissing", turn);
    if (!this.#isListener && t === "keys" && this.#phase === "code") return this.#refuse("codeIgnored", turn);
    if (this.#phase === "code" && this.#code !== undefined) {
      if (t === "opening") turn.effects.push({ kind: "show", event: { type: "peerJoined" } });
      const { reply, hasAgreed } = await this.#code.hear(packet);
      if (reply !== undefined) turn.effects.push({ kind: "send", packet: reply });
      if (!hasAgreed) return;
      this.#phase = "keys";
      if (this.#isListener) await this.#giveKeys(turn);
    } else if (this.#phase === "keys" && t === "keys") {
      await this.#takeKeys(packet.body, turn);
    } else if (this.#phase === "greeting" && t === "box") {
      await this.#takeGreeting(packet.body, turn);
    } else {
      throw new ProtocolError(`Cannot take ${t}: the link is not secured yet`);
    }
  }

  /** The listener: a bundle for this caller and this link alone. */
  async #giveKeys(turn: Turn): Promise<void> {
    const { keys, peer, handshakeHash } = this.#options;
    const request = { requesterId: peer.id, nonce: await directNonce(handshakeHash), random: keys.random };
    const { encoded, store } = await keys.book.updatePrekeys((before) => createLiveBundle(keys.owner, before, request));
    this.#oneTimePrekeyId = store.oneTime.at(-1)?.id;
    turn.effects.push({ kind: "send", packet: encodeDirectMessage({ t: "keys" }, encoded) });
    this.#phase = "greeting";
  }

  /** The caller: a session from that bundle, and our greeting in it. */
  async #takeKeys(body: Bytes, turn: Turn): Promise<void> {
    const { keys: { owner, book }, peer, handshakeHash } = this.#options;
    const bundle = await verifyLiveBundle(body, {
      expectFingerprint: peer.fingerprint,
      nowMs: turn.nowMs,
      requesterId: owner.certificate.id,
      nonce: await directNonce(handshakeHash),
    });
    const sessions = book.peer(peer.fingerprint);
    await sessions.startFrom(bundle, { nowMs: turn.nowMs });
    this.#sessionKey = sessions.state.sessions[0]?.key;
    await this.#greet(turn);
    this.#phase = "greeting";
  }

  async #takeGreeting(body: Bytes, turn: Turn): Promise<void> {
    const { keys: { book }, peer, handshakeHash } = this.#options;
    const isNew = !book.hasSessionWith(peer.fingerprint);
    const opened = await this.#open(body, turn);
    try {
      if (opened.kind !== "opened") throw new AuthError("Cannot talk here: the greeting does not open");
      checkGreeting(opened.plaintext, handshakeHash);
    } catch (error) {
      if (isNew) await book.forgetPeer(peer.fingerprint); // whoever only knocks takes nobody's place
      throw error;
    }
    if (this.#isListener) {
      this.#sessionKey = encodeHex(opened.sessionId);
      book.peer(peer.fingerprint).useSession(opened.sessionId); // the caller has that one for certain
      await this.#greet(turn);
    }
    this.#meet(turn);
  }

  async #greet(turn: Turn): Promise<void> {
    const { keys: { book }, peer, handshakeHash } = this.#options;
    const box = await book.peer(peer.fingerprint).seal(encodeGreeting(handshakeHash), { nowMs: turn.nowMs });
    turn.effects.push({ kind: "send", packet: encodeDirectMessage({ t: "box" }, box) });
  }

  /** Only now is the other somebody whom the person met: whoever dials and leaves gets no name here. */
  #meet(turn: Turn): void {
    const { keys: { people }, peer } = this.#options;
    const { person } = people.meet(peer, { nowMs: turn.nowMs, isHere: true });
    const isTakenOver = people.trust(person) === "changed" && this.#code !== undefined;
    // A code does not take back what the person said of a key.
    if (this.#code !== undefined && !people.isDistrusted(person)) people.verifyByCode(person);
    this.#person = person;
    this.#phase = "talking";
    this.#dueMs = undefined;
    const { handle, ...key } = people.show(person);
    turn.effects.push({ kind: "show", event: { type: "secured", with: handle, ...key, path: "direct" } });
    if (key.distrusted) notice(turn, "distrusted", `You distrust the key of ${handle}: nothing is sent to them`);
    else if (key.trust === "changed") notice(turn, "keyChanged", changedWarning(people, person));
    else if (isTakenOver) notice(turn, "nameMoved", nameMoved(handle));
  }

  async #hearTalk({ message, body }: Packet<DirectMessage>, turn: Turn): Promise<void> {
    switch (message.t) {
      case "box":
        return await this.#takeText(body, turn);
      case "taken":
        return await this.#lines.taken(decodeHex(message.box), turn);
      default:
        throw new ProtocolError(`Cannot take ${message.t}: the link is secured already`);
    }
  }

  async #takeText(body: Bytes, turn: Turn): Promise<void> {
    const opened = await this.#open(body, turn).catch((error) => {
      // An AuthError would not reach the other side; here it is one that both know, and it breaks the rules.
      throw error instanceof AuthError ? new ProtocolError(error.message, { cause: error }) : error;
    });
    if (opened.kind === "unopenable") throw new ProtocolError(`Cannot take box: ${opened.reason}`);
    await this.#lines.take(opened, body, { ...turn, person: this.#person as Person });
  }

  /**
   * Opens a box of this link's session and of no other: what was meant for the relay would be missing there.
   * @throws {AuthError} when it is of another one
   */
  async #open(body: Bytes, turn: Turn): Promise<Opened> {
    const box = decodeBox(body);
    const isOurs = this.#sessionKey === undefined
      ? box.kind === "initial" && box.x3dh.oneTimePrekeyId === this.#oneTimePrekeyId &&
        equalBytes(box.x3dh.certificateBytes, this.#options.peer.encoded)
      : encodeHex(box.header.sessionId) === this.#sessionKey;
    if (!isOurs) throw new AuthError("Cannot take box: it is not of this link's session");
    return await this.#options.keys.book.open(body, { nowMs: turn.nowMs });
  }

  async #obey(command: Command, ref: Ref | undefined, turn: Turn): Promise<void> {
    try {
      await this.#run(command, ref, turn);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      const { code, message, hint } = error;
      turn.effects.push({ kind: "show", event: { type: "error", code, message, hint, ...refOf(ref) } });
    }
  }

  async #run(command: Command, ref: Ref | undefined, turn: Turn): Promise<void> {
    if (command.kind === "quit") return this.#leave(turn);
    const person = this.#person;
    if (person === undefined) throw new TypeError("Cannot obey: the link is not secured yet");
    const { handle } = person.certificate;
    switch (command.kind) {
      case "say":
        if (command.room !== undefined) throw new UserError("badLine", "Nothing was sent: there are no rooms here");
        return await this.#say(command.text, ref, turn);
      case "peers":
      case "fingerprint":
      case "verify":
      case "trust":
      case "distrust":
        await this.#commands.obey(command, ref, turn);
        return await this.#lines.pump(turn); // what waits may be for nobody now
      case "help":
        turn.effects.push({ kind: "show", event: { type: "notice", code: "help", text: directHelp(), ...refOf(ref) } });
        return;
      case "read": // that it is kept is all that is said here
      case "nothing":
        return;
      default:
        throw new UserError(
          "badLine",
          "Nothing was done: that takes a relay, and this is a direct link to one person",
          `What is no command goes to ${handle}; /help lists what there is.`,
        );
    }
  }

  async #say(text: string, ref: Ref | undefined, turn: Turn): Promise<void> {
    const textBytes = utf8(text).length;
    if (textBytes > TEXT_MAX_BYTES) {
      throw new UserError(
        "tooLong",
        `Nothing was sent: the message has ${textBytes} bytes, the most is ${TEXT_MAX_BYTES}`,
        "Send it in parts.",
      );
    }
    await this.#lines.add({ id: encodeHex(this.#options.keys.random(EVENT_ID_BYTES)), text, ref }, turn);
  }

  #leave(turn: Turn): void {
    if (this.#phase === "leaving") return;
    if (!this.isSecured) return this.#finish(turn);
    this.#phase = "leaving";
    this.#wakeAt(turn.nowMs + DIRECT_LEAVE_TIMEOUT_MS, turn);
  }

  #tick(turn: Turn): void {
    if (this.#dueMs === undefined || turn.nowMs < this.#dueMs) return;
    if (this.#phase === "leaving") return this.#finish(turn);
    this.#refuse("noAnswer", turn);
  }

  #refuse(why: Refusal["why"], turn: Turn): void {
    this.#refusal = directRefusal(why, { isBurnt: this.#code?.hasSentShare === true });
    if (why === "wrongCode") turn.effects.push({ kind: "show", event: { type: "wrongCode" } });
    this.#finish(turn);
  }

  #finish(turn: Turn): void {
    this.#phase = "finished";
    turn.effects.push({ kind: "finish" });
  }

  #wakeAt(atMs: number, turn: Turn): void {
    this.#dueMs = atMs;
    turn.effects.push({ kind: "wakeAt", atMs });
  }
}

/** Bytes of the id that a text carries. */
const EVENT_ID_BYTES = 16;

function refOf(ref: Ref | undefined): { ref?: Ref } {
  return ref === undefined ? {} : { ref };
}
