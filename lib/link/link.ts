/**
 * A link: one encrypted, authenticated channel of packets over a byte stream (PROTOCOL 2). Does no I/O: bytes, the end
 * of the stream and the time go in through `handle`, what happened comes out as effects; what is to be written is
 * pulled out of `nextWrite`.
 *
 * Its laws: nothing is delivered before the other side is authenticated; what leaves and what is delivered keeps its
 * order although `subtle` does not; the first thing that does not verify ends the link. `ended` is the last effect and
 * comes once, unless the owner closed the link itself: from then on there are no effects at all.
 *
 *     handle(input) -> effects      one call at a time
 *     enqueue(packet)               at any time; packets that wait together share a record
 *     nextWrite() -> Promise        in call order; several may be pending at once
 *
 * @module
 */

import { assertNever, AuthError, ProtocolError, UserError } from "../bytes/errors.ts";
import type { Bytes } from "../bytes/writer.ts";
import type { CipherState } from "../noise/cipher_state.ts";
import type { TransportStates } from "../noise/handshake_state.ts";
import { encodeFrame, FrameDecoder, HANDSHAKE_FRAME_MAX_BYTES, TRANSPORT_FRAME_MAX_BYTES } from "../wire/frame.ts";
import { decodeLinkMessage, encodeLinkMessage, type LinkMessage } from "../wire/messages.ts";
import { decodePacket, decodeRun, encodeRun, type RawPacket } from "../wire/packet.ts";
import { LifeWatch, PING_AFTER_MS } from "./life_watch.ts";
import { isPeersFault, LinkHandshake, type LinkHandshakeOptions } from "./link_handshake.ts";
import { type LinkState, type LinkTrigger, nextLinkState } from "./link_state.ts";
import { Outbox } from "./outbox.ts";

/** How long a handshake may take: seconds on the slowest machine, and a silent caller is gone after that. */
export const HANDSHAKE_TIMEOUT_MS = 5_000;

/**
 * After how many records under one key the link must be made anew (PROTOCOL §2). Counted at each input, at least once in
 * `PING_AFTER_MS`; what still leaves until then is far below the bound of `CipherState`, twice this one.
 */
export const RECORDS_MAX: number = 2 ** 24;

/** What a link needs to begin. */
export interface LinkOptions<Peer> extends LinkHandshakeOptions<Peer> {
  /** The most that may wait to be sent. */
  readonly outboxMaxBytes?: number;
  /** Stands in for `RECORDS_MAX`, so that a test can reach it. */
  readonly testOnlyRecordsMax?: number;
}

/** What happens to a link. */
export type LinkInput =
  | { readonly kind: "start"; readonly nowMs: number }
  | { readonly kind: "received"; readonly bytes: Uint8Array; readonly nowMs: number }
  /** The stream ended or broke. */
  | { readonly kind: "ended"; readonly nowMs: number }
  | { readonly kind: "tick"; readonly nowMs: number };

/** How far a link had come; `greeting`: we showed our invitation, and the relay has not accepted it yet. */
export type LinkStage = "handshake" | "greeting" | "open";

/** How a link came to its end. */
export type LinkEnd =
  /** The peer said so. */
  | { readonly kind: "bye"; readonly code: string; readonly message: string }
  /** The line broke, or nobody answered. */
  | { readonly kind: "lost"; readonly stage: LinkStage; readonly cause: "ended" | "silence" }
  /** The peer, or what claims to be it, did something that ends the link. */
  | { readonly kind: "refused"; readonly stage: LinkStage; readonly error: Error }
  /** We closed it: what waits and a `bye` are still written. */
  | { readonly kind: "closed" };

/** What a link makes its owner do. */
export type LinkEffect<Peer> =
  /** The other side is authenticated; packets may flow. */
  | { readonly kind: "opened"; readonly peer: Peer }
  /** A packet arrived. */
  | { readonly kind: "deliver"; readonly packet: RawPacket }
  /** There is something to write: pull it out of `nextWrite`. */
  | { readonly kind: "writable" }
  /** It is over; the last effect. What `nextWrite` still gives is to be written, then the stream closed. */
  | { readonly kind: "ended"; readonly end: LinkEnd }
  /** Call `tick` at that time; a later one replaces it. */
  | { readonly kind: "wakeAt"; readonly atMs: number };

const NO_AD = new Uint8Array(0);

// One array each for all of them: a flood of pings fills the outbox with pointers to one answer.
const PING = encodeLinkMessage({ t: "ping" });
const PONG = encodeLinkMessage({ t: "pong" });

/** One end of a link. */
export class Link<Peer> {
  readonly #options: LinkOptions<Peer>;
  #handshake: LinkHandshake<Peer> | undefined;
  readonly #frames = new FrameDecoder(HANDSHAKE_FRAME_MAX_BYTES);
  readonly #outbox: Outbox;
  readonly #handshakeOut: Bytes[] = [];
  /** What a listener of a private link says first of all, still to be sealed. */
  #greetingOut: Bytes | undefined;
  #state: LinkState = "handshaking";
  #sending: CipherState | undefined;
  #receiving: CipherState | undefined;
  #startedMs = 0;
  readonly #life = new LifeWatch();
  #pongCount = 0;

  /**
   * Makes an end that has not begun; nothing happens before the input `start`.
   * @param options keys, card and how to judge the other side
   */
  constructor(options: LinkOptions<Peer>) {
    this.#options = options;
    this.#outbox = new Outbox(options.outboxMaxBytes);
  }

  /** Where the link is in its life. */
  get state(): LinkState {
    return this.#state;
  }

  /** Whether nothing waits to be written. */
  get isDrained(): boolean {
    return this.#outbox.isEmpty && this.#handshakeOut.length === 0 && this.#greetingOut === undefined;
  }

  /** How often the peer has answered a ping. */
  get pongCount(): number {
    return this.#pongCount;
  }

  /** The hash of the finished handshake, 32 bytes, the same on both sides and in no other link (Noise 11.2). */
  get handshakeHash(): Bytes {
    if (this.#handshake === undefined) throw new TypeError("Cannot give handshake hash: the link has not started");
    return this.#handshake.hash;
  }

  /** Whether it is not open yet. */
  get #isBeginning(): boolean {
    return this.#state === "handshaking" || this.#state === "greeting";
  }

  /** Whether it is not over: only then does anything that happens matter. */
  get #isLive(): boolean {
    return this.#isBeginning || this.#state === "open";
  }

  /**
   * Takes one input. The owner never lets two calls overlap; `enqueue`, `close` and `nextWrite` may come meanwhile.
   * @param input what happened
   * @returns what to do, in order; nothing once the link is over
   */
  async handle(input: LinkInput): Promise<LinkEffect<Peer>[]> {
    if (!this.#isLive) return [];
    const effects: LinkEffect<Peer>[] = [];
    try {
      await this.#dispatch(input, effects);
      this.#renewIfDue(effects);
    } catch (error) {
      if (!isPeersFault(error)) throw error;
      if (this.#isLive) this.#refuse(error, effects);
    }
    // If it is over without saying so, the owner closed it meanwhile and wants to hear nothing more.
    return this.#isLive || effects.at(-1)?.kind === "ended" ? effects : [];
  }

  /**
   * Adds a packet to what waits.
   * @param packet an encoded packet
   * @returns `false`, and the packet is not taken, when the link is not open or its outbox is full
   * @throws {RangeError} when the packet is longer than any may be
   */
  enqueue(packet: Uint8Array): boolean {
    return this.#state === "open" && this.#outbox.push(packet);
  }

  /**
   * Ends the link: what waits is still written, then `bye`; during the handshake nothing is. No effect comes any more,
   * not even `ended`. A second call changes nothing.
   * @param code a short name for machines
   * @param message a sentence for people
   */
  close(code: string, message: string): void {
    if (this.#state === "open" || this.#state === "greeting") {
      this.#outbox.pushUnbounded(encodeLinkMessage({ t: "bye", code, message }));
    }
    if (this.#state === "handshaking") this.#handshakeOut.length = 0;
    this.#move("close");
  }

  /**
   * Asks the peer for a sign of life; `pongCount` tells when it came.
   * @returns `false` when nothing more can be sent
   */
  ping(): boolean {
    return this.enqueue(PING);
  }

  /**
   * Takes what is to be written next; claims its place at once, so that several may be pending. Write the results in
   * the order of the calls.
   * @returns the bytes of a frame, or `undefined` when nothing waits
   */
  nextWrite(): Promise<Bytes> | undefined {
    const handshake = this.#handshakeOut.shift();
    if (handshake !== undefined) return Promise.resolve(encodeFrame(handshake));
    const greeting = this.#greetingOut;
    if (this.#sending !== undefined && greeting !== undefined) {
      this.#greetingOut = undefined;
      return this.#sending.encryptWithAd(NO_AD, greeting).then(encodeFrame);
    }
    if (this.#sending === undefined || this.#outbox.isEmpty) {
      if (this.#state === "closing") this.#move("drained");
      return undefined;
    }
    this.#life.wrote();
    return this.#sending.encryptWithAd(NO_AD, encodeRun(this.#outbox.takeRecord())).then(encodeFrame);
  }

  async #dispatch(input: LinkInput, effects: LinkEffect<Peer>[]): Promise<void> {
    switch (input.kind) {
      case "start":
        return await this.#start(input.nowMs, effects);
      case "received":
        return await this.#receive(input.bytes, input.nowMs, effects);
      case "ended":
        return this.#endLost("ended", effects);
      case "tick":
        return this.#tick(input.nowMs, effects);
      default:
        assertNever(input);
    }
  }

  async #start(nowMs: number, effects: LinkEffect<Peer>[]): Promise<void> {
    this.#startedMs = nowMs;
    this.#life.heard(nowMs);
    const { handshake, message } = await LinkHandshake.start(this.#options);
    this.#handshake = handshake;
    this.#writeHandshake(message, effects);
    effects.push({ kind: "wakeAt", atMs: nowMs + HANDSHAKE_TIMEOUT_MS });
  }

  async #receive(bytes: Uint8Array, nowMs: number, effects: LinkEffect<Peer>[]): Promise<void> {
    this.#frames.push(bytes);
    for (let body = this.#frames.next(); body !== undefined; body = this.#frames.next()) {
      if (this.#receiving === undefined) await this.#readHandshake(body, nowMs, effects);
      else if (this.#state === "greeting") await this.#readGreeting(this.#receiving, body, nowMs, effects);
      else await this.#readRecord(this.#receiving, body, effects);
      if (!this.#isLive) return;
      this.#heard(nowMs, effects);
    }
  }

  /** Only what verified counts as a word from the peer: half a frame now and then must not keep a link alive. */
  #heard(nowMs: number, effects: LinkEffect<Peer>[]): void {
    const atMs = this.#life.heard(nowMs);
    if (atMs !== undefined) effects.push({ kind: "wakeAt", atMs });
  }

  async #readRecord(receiving: CipherState, body: Bytes, effects: LinkEffect<Peer>[]): Promise<void> {
    for (const bytes of decodeRun(await receiving.decryptWithAd(NO_AD, body))) {
      if (!this.#isLive) return; // nothing counts after a `bye`, theirs or ours
      const packet = decodePacket(bytes);
      const message = decodeLinkMessage(packet);
      if (message === undefined) effects.push({ kind: "deliver", packet });
      else this.#hear(message, effects);
    }
  }

  #hear(message: LinkMessage, effects: LinkEffect<Peer>[]): void {
    switch (message.t) {
      case "ping":
        // A peer that pings without reading fills its own outbox and is dropped.
        if (!this.#say(PONG, effects)) throw new ProtocolError("Cannot answer ping: the peer does not read");
        return;
      case "pong":
        this.#pongCount++;
        return;
      case "bye":
        return this.#end({ kind: "bye", code: message.code, message: message.message }, effects);
      default:
        assertNever(message);
    }
  }

  async #readHandshake(message: Bytes, nowMs: number, effects: LinkEffect<Peer>[]): Promise<void> {
    if (this.#handshake === undefined) throw new TypeError("Cannot use link: it has not started");
    const step = await this.#handshake.read(message);
    if (!this.#isLive) return; // closed meanwhile: nobody learns more of us, and nobody is let in
    if (step.kind === "reply") return this.#writeHandshake(step.message, effects);
    this.#take(step.transport);
    if (step.kind === "proved") {
      this.#writeHandshake(step.message, effects);
      return this.#move("proved");
    }
    this.#greetingOut = this.#handshake.greeting;
    this.#move("authenticated");
    if (step.kind === "turnedAway") return this.#turnAway(step.error, effects);
    this.#writeHandshake(step.message, effects);
    this.#open(step.peer, nowMs, effects);
  }

  async #readGreeting(
    receiving: CipherState,
    body: Bytes,
    nowMs: number,
    effects: LinkEffect<Peer>[],
  ): Promise<void> {
    const peer = await this.#handshake?.readGreeting(await receiving.decryptWithAd(NO_AD, body));
    if (peer === undefined || !this.#isLive) return;
    this.#move("authenticated");
    this.#open(peer, nowMs, effects);
  }

  #open(peer: Peer, nowMs: number, effects: LinkEffect<Peer>[]): void {
    if (this.#greetingOut !== undefined) effects.push({ kind: "writable" });
    effects.push({ kind: "opened", peer }, { kind: "wakeAt", atMs: nowMs + PING_AFTER_MS });
  }

  #turnAway(error: Error, effects: LinkEffect<Peer>[]): void {
    if (error instanceof UserError) this.close(error.code, error.message);
    else this.close("refusedCertificate", "the certificate is refused");
    effects.push({ kind: "writable" }, { kind: "ended", end: { kind: "refused", stage: "handshake", error } });
  }

  #writeHandshake(message: Bytes | undefined, effects: LinkEffect<Peer>[]): void {
    if (message === undefined || !this.#isLive) return;
    this.#handshakeOut.push(message);
    effects.push({ kind: "writable" });
  }

  #take({ sending, receiving }: TransportStates): void {
    this.#sending = sending;
    this.#receiving = receiving;
    this.#frames.setMaxBytes(TRANSPORT_FRAME_MAX_BYTES);
  }

  #tick(nowMs: number, effects: LinkEffect<Peer>[]): void {
    const timeoutMs = this.#startedMs + HANDSHAKE_TIMEOUT_MS;
    if (this.#isBeginning && nowMs < timeoutMs) return void effects.push({ kind: "wakeAt", atMs: timeoutMs });
    const look = this.#isBeginning ? { due: "end" } as const : this.#life.look(nowMs, !this.#outbox.isEmpty);
    if (look.due === "end") return this.#endLost("silence", effects);
    if (look.due !== "nothing") this.#say(look.due === "ping" ? PING : PONG, effects);
    effects.push({ kind: "wakeAt", atMs: look.atMs });
  }

  #say(packet: Bytes, effects: LinkEffect<Peer>[]): boolean {
    const isTaken = this.enqueue(packet);
    if (isTaken) effects.push({ kind: "writable" });
    return isTaken;
  }

  #renewIfDue(effects: LinkEffect<Peer>[]): void {
    if (this.#state !== "open" || this.#sending === undefined) return;
    if (this.#sending.messageCount < (this.#options.testOnlyRecordsMax ?? RECORDS_MAX)) return;
    this.close("renew", "the keys of this link are used up, connect again");
    effects.push({ kind: "writable" }, { kind: "ended", end: { kind: "closed" } });
  }

  #refuse(error: Error, effects: LinkEffect<Peer>[]): void {
    const end: LinkEnd = { kind: "refused", stage: this.#stage, error };
    if (this.#state === "handshaking" || error instanceof AuthError) return this.#end(end, effects);
    // A peer with a valid key that misbehaves is told what it did; a forger is told nothing.
    this.close("protocol", error.message);
    effects.push({ kind: "writable" }, { kind: "ended", end });
  }

  #endLost(cause: "ended" | "silence", effects: LinkEffect<Peer>[]): void {
    this.#end({ kind: "lost", stage: this.#stage, cause }, effects);
  }

  #end(end: LinkEnd, effects: LinkEffect<Peer>[]): void {
    this.#move("end");
    this.#handshakeOut.length = 0;
    this.#greetingOut = undefined;
    this.#outbox.clear(); // nobody is there who would take it in
    effects.push({ kind: "ended", end });
  }

  get #stage(): LinkStage {
    if (this.#state === "handshaking") return "handshake";
    return this.#state === "greeting" ? "greeting" : "open";
  }

  #move(trigger: LinkTrigger): void {
    this.#state = nextLinkState(this.#state, trigger);
  }
}
