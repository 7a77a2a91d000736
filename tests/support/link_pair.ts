/**
 * Two ends of a link joined by a fake wire, after h11's ConnectionPair: the clock moves by hand, the byte stream is cut
 * at will, and a hook sees and changes every write on its way.
 */

import { type Bytes, concat, utf8 } from "../../lib/bytes/writer.ts";
import { type DhKeyPair, dhKeyPairFrom } from "../../lib/crypto/dh.ts";
import { Link, type LinkEffect, type LinkEnd, type LinkInput, type LinkOptions } from "../../lib/link/link.ts";
import type { Remote } from "../../lib/link/link_handshake.ts";
import { encodePacket, type RawPacket } from "../../lib/wire/packet.ts";

/** Who of the two. */
export type Side = "initiator" | "responder";

/** The keys of both ends, fixed. */
export const KEYS: Readonly<Record<Side, DhKeyPair>> = {
  initiator: await dhKeyPairFrom(new Uint8Array(32).fill(1)),
  responder: await dhKeyPairFrom(new Uint8Array(32).fill(2)),
};
/** What both ends say of themselves. */
export const CARDS: Readonly<Record<Side, Bytes>> = {
  initiator: utf8("the caller's certificate"),
  responder: utf8("the relay's name"),
};
/** The hand-moved clock starts here. */
export const START_MS = 1_000_000;

/** What a test changes of one end. */
export type EndOptions = Partial<LinkOptions<Remote>>;

/** What one end has been through. */
export class LinkEndpoint {
  readonly link: Link<Remote>;
  /** All effects so far. */
  readonly effects: LinkEffect<Remote>[] = [];
  /** All frames that were pulled for writing. */
  readonly written: Bytes[] = [];
  /** When the link wants its next tick. */
  wakeAtMs: number | undefined;

  constructor(side: Side, options: EndOptions = {}) {
    this.link = new Link<Remote>({
      role: side,
      listener: "relay",
      staticKeyPair: KEYS[side],
      card: CARDS[side],
      authenticate: (remote) => Promise.resolve(remote),
      ...options,
    });
  }

  /** Who was let in, if somebody was. */
  get opened(): Remote | undefined {
    return this.effects.find((effect) => effect.kind === "opened")?.peer;
  }

  /** All packets that were delivered. */
  get delivered(): RawPacket[] {
    return this.effects.flatMap((effect) => effect.kind === "deliver" ? [effect.packet] : []);
  }

  /** How it ended, if it did. */
  get end(): LinkEnd | undefined {
    return this.effects.find((effect) => effect.kind === "ended")?.end;
  }

  /** Gives the link an input and keeps what it answers. */
  async handle(input: LinkInput): Promise<LinkEffect<Remote>[]> {
    const effects = await this.link.handle(input);
    this.effects.push(...effects);
    for (const effect of effects) if (effect.kind === "wakeAt") this.wakeAtMs = effect.atMs;
    return effects;
  }

  /** Takes everything that waits to be written. */
  async pull(): Promise<Bytes[]> {
    const frames: Bytes[] = [];
    for (let next = this.link.nextWrite(); next !== undefined; next = this.link.nextWrite()) frames.push(await next);
    this.written.push(...frames);
    return frames;
  }
}

/** Changes a write on its way. */
export type Tamper = (bytes: Bytes, from: Side) => Uint8Array;

/** How the ends of a pair are joined. */
export interface LinkPairOptions {
  readonly initiator?: EndOptions;
  readonly responder?: EndOptions;
  /** How many bytes arrive at once; everything that is there when it is left out. */
  readonly stepBytes?: number;
  readonly tamper?: Tamper;
}

/** Both ends, and the wire between them. */
export class LinkPair {
  readonly initiator: LinkEndpoint;
  readonly responder: LinkEndpoint;
  nowMs = START_MS;
  readonly #options: LinkPairOptions;

  constructor(options: LinkPairOptions = {}) {
    this.#options = options;
    this.initiator = new LinkEndpoint("initiator", options.initiator);
    this.responder = new LinkEndpoint("responder", options.responder);
  }

  /** Makes a pair and shakes hands. */
  static async opened(options: LinkPairOptions = {}): Promise<LinkPair> {
    const pair = new LinkPair(options);
    await pair.start();
    await pair.pump();
    return pair;
  }

  /** Begins on both sides. */
  async start(): Promise<void> {
    await this.initiator.handle({ kind: "start", nowMs: this.nowMs });
    await this.responder.handle({ kind: "start", nowMs: this.nowMs });
  }

  /** Carries bytes both ways until nobody has anything to write. */
  async pump(): Promise<void> {
    while (await this.carry("initiator") + await this.carry("responder") > 0);
  }

  /** Carries what one side has to write to the other; answers how many bytes that were. */
  async carry(from: Side): Promise<number> {
    const frames = await this[from].pull();
    const { tamper } = this.#options;
    const bytes = concat(...frames.map((frame) => tamper === undefined ? frame : tamper(frame, from)));
    await this.feed(from === "initiator" ? "responder" : "initiator", bytes);
    return frames.length;
  }

  /** Lets bytes arrive at one side, cut as the pair cuts them. */
  async feed(to: Side, bytes: Uint8Array): Promise<void> {
    const stepBytes = this.#options.stepBytes ?? Math.max(1, bytes.length);
    for (let i = 0; i < bytes.length; i += stepBytes) {
      await this[to].handle({ kind: "received", bytes: bytes.subarray(i, i + stepBytes), nowMs: this.nowMs });
    }
  }

  /** Lets time pass: each side gets its ticks when it wants them, and what it then writes arrives. */
  async advance(byMs: number): Promise<void> {
    const untilMs = this.nowMs + byMs;
    while (true) {
      const due = [this.initiator, this.responder].filter((end) => (end.wakeAtMs ?? Infinity) <= untilMs);
      if (due.length === 0) break;
      this.nowMs = Math.max(this.nowMs, Math.min(...due.map((end) => end.wakeAtMs as number)));
      for (const end of due.filter((end) => end.wakeAtMs as number <= this.nowMs)) await tick(end, this.nowMs);
      await this.pump();
    }
    this.nowMs = untilMs;
  }

  /** Ends the byte stream on both sides. */
  async cut(): Promise<void> {
    await this.initiator.handle({ kind: "ended", nowMs: this.nowMs });
    await this.responder.handle({ kind: "ended", nowMs: this.nowMs });
  }
}

/** Gives one end the tick that it asked for. */
export async function tick(end: LinkEndpoint, nowMs: number): Promise<void> {
  end.wakeAtMs = undefined;
  await end.handle({ kind: "tick", nowMs });
}

/** Makes a packet that a test knows again. */
export function post(number: number, body: Uint8Array = new Uint8Array(0)): Bytes {
  return encodePacket({ t: "post", number }, body);
}

/** Gives the numbers of packets that {@linkcode post} made. */
export function numbersOf(packets: readonly RawPacket[]): number[] {
  return packets.map(({ header }) => (header as { number: number }).number);
}
