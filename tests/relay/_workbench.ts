/**
 * A workbench for the relay's core: people by name, a clock moved by hand, and outboxes that hold decoded messages.
 * It plays the driver's part as plainly as possible, and checks what every effect must keep.
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import type { Bytes } from "../../lib/bytes/writer.ts";
import { utf8 } from "../../lib/bytes/writer.ts";
import {
  type ClientMessage,
  decodeClientMessage,
  decodeRelayMessage,
  encodeClientMessage,
  type Packet,
  type RelayMessage,
} from "../../lib/wire/messages.ts";
import { decodePacket } from "../../lib/wire/packet.ts";
import { ByteReader } from "../../lib/bytes/reader.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import type { Caller, EndReason, RelayEffect, RelayInput } from "../../lib/relay/effects.ts";
import type { EventLog, EventLogLimits } from "../../lib/relay/event_log.ts";
import { MemoryEventLog } from "../../lib/relay/memory_event_log.ts";
import { NameBook } from "../../lib/relay/names.ts";
import { Relay } from "../../lib/relay/relay.ts";

/** The life of the log on the bench. */
export const GENERATION = "0".repeat(31) + "1";
/** Where its clock starts. */
export const START_MS = 1_800_000_000_000;

const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** A well-formed fingerprint for a name or number: the same for the same text. */
export function fingerprintOf(text: string): string {
  const letters = [...text].map((char) => {
    const code = char.charCodeAt(0);
    return (BASE32[code >> 5 & 31] as string) + (BASE32[code & 31] as string);
  });
  return letters.join("").padEnd(51, "A").slice(0, 51) + "A";
}

/** An event id for a number. */
export function idOf(number: number): string {
  return number.toString(16).padStart(32, "0");
}

/** The lobby's id on the bench. */
export const LOBBY = fingerprintOf("lobby");
/** The lobby's stream. */
export const LOBBY_STREAM = `room/${LOBBY}`;

/** The inbox of a person by name. */
export function inboxOf(name: string): string {
  return `inbox/${fingerprintOf(name)}`;
}

/** What stands for a person's certificate. */
export function certificateOf(name: string): Bytes {
  return utf8(`certificate of ${name}`);
}

/** A caller by name. */
export function callerOf(name: string, changes: Partial<Caller> = {}): Caller {
  return {
    fingerprint: fingerprintOf(name),
    handle: name,
    life: "lasting",
    createdMs: 1,
    certificate: certificateOf(name),
    ...changes,
  };
}

/** Reads a page of certificates back as text. */
export function readPage(body: Bytes): string[] {
  const reader = new ByteReader(body, "page");
  const texts: string[] = [];
  while (reader.remaining > 0) texts.push(new TextDecoder().decode(reader.lv(4096)));
  return texts;
}

/** The relay on the bench. */
export class RelayBench {
  readonly log: EventLog;
  readonly names: NameBook;
  readonly relay: Relay;
  nowMs = START_MS;
  wakeAtMs = Infinity;
  /** What each open link was sent and has not been read yet. */
  readonly outboxes = new Map<number, Packet<RelayMessage>[]>();
  /** How each link that the relay closed was closed. */
  readonly closed = new Map<number, { code: string; message: string }>();
  readonly effects: RelayEffect[] = [];
  #lastLink = 0;
  #lastId = 0;

  constructor(
    options: {
      limits?: Partial<EventLogLimits>;
      names?: NameBook;
      log?: EventLog;
      random?: (lengthBytes: number) => Bytes;
    } = {},
  ) {
    this.log = options.log ??
      new MemoryEventLog({ generation: GENERATION, ...(options.limits && { limits: options.limits }) });
    this.names = options.names ?? new NameBook();
    this.relay = new Relay({ log: this.log, names: this.names, random: options.random ?? secureRandom });
  }

  /** Links a person and takes the welcome out of the outbox, unless the relay refuses. */
  open(name: string, changes: Partial<Caller> = {}): number {
    const link = ++this.#lastLink;
    this.outboxes.set(link, []);
    this.#perform(this.relay.handle({ kind: "opened", link, caller: callerOf(name, changes), nowMs: this.nowMs }));
    if (!this.closed.has(link)) assertEquals(this.take(link)[0]?.message.t, "welcome");
    return link;
  }

  /** Links a person, enters the lobby and hears both its streams from now on. */
  join(name: string, changes: Partial<Caller> = {}): number {
    const link = this.open(name, changes);
    this.say(link, { t: "subscribe", stream: inboxOf(name), after: null });
    this.say(link, { t: "enter", room: LOBBY });
    this.say(link, { t: "subscribe", stream: LOBBY_STREAM, after: null });
    this.take(link);
    return link;
  }

  /** Lets a link say something, over the wire's own codec. */
  say(link: number, message: ClientMessage, body: Uint8Array = new Uint8Array(0)): void {
    const packet = decodeClientMessage(decodePacket(encodeClientMessage(message, body)));
    this.#perform(this.relay.handle({ kind: "message", link, packet, nowMs: this.nowMs }));
  }

  /** Publishes with a fresh id, and gives the id. */
  publish(link: number, stream: string, body: Uint8Array = utf8("x"), id: string = idOf(++this.#lastId)): string {
    this.say(link, { t: "publish", stream, kind: "message", id }, body);
    return id;
  }

  /** Hands several inputs to the relay in one turn. */
  turn(inputs: readonly RelayInput[]): void {
    this.#perform(this.relay.handleTurn(inputs));
  }

  /** Takes what a link was sent, without telling the relay. */
  take(link: number): Packet<RelayMessage>[] {
    return this.outboxes.get(link)?.splice(0) ?? [];
  }

  /** Takes the messages that a link was sent. */
  heard(link: number): RelayMessage[] {
    return this.take(link).map((packet) => packet.message);
  }

  /** Takes what a link was sent and tells the relay that its outbox is empty. */
  drain(link: number): Packet<RelayMessage>[] {
    const taken = this.take(link);
    this.#perform(this.relay.handle({ kind: "drained", link, nowMs: this.nowMs }));
    return taken;
  }

  /** Drains until the relay has nothing more to send. */
  drainAll(link: number): Packet<RelayMessage>[] {
    const all = this.drain(link);
    for (let round = 0; this.relay.isWaitingForDrain(link) || (this.outboxes.get(link)?.length ?? 0) > 0; round++) {
      assert(round < 10_000, "the relay never stops");
      all.push(...this.drain(link));
    }
    return all;
  }

  /** Ends a link from outside. */
  end(link: number, reason: EndReason = "quit"): void {
    this.outboxes.delete(link);
    this.#perform(this.relay.handle({ kind: "ended", link, reason, nowMs: this.nowMs }));
  }

  /** Moves the clock, with a tick whenever the relay asked for one. */
  pass(ms: number): void {
    const untilMs = this.nowMs + ms;
    while (this.wakeAtMs <= untilMs) {
      this.nowMs = this.wakeAtMs;
      this.wakeAtMs = Infinity;
      this.#perform(this.relay.handle({ kind: "tick", nowMs: this.nowMs }));
    }
    this.nowMs = untilMs;
  }

  shutdown(): void {
    this.#perform(this.relay.handle({ kind: "shutdown", nowMs: this.nowMs }));
  }

  /** Counts effects of a kind so far. */
  count(kind: RelayEffect["kind"]): number {
    return this.effects.filter((effect) => effect.kind === kind).length;
  }

  #perform(effects: readonly RelayEffect[]): void {
    for (const effect of effects) {
      this.effects.push(effect);
      if (effect.kind === "send") this.#send(effect.links, effect.packet);
      if (effect.kind === "close") this.#close(effect.link, effect.code, effect.message);
      if (effect.kind === "wakeAt") this.wakeAtMs = effect.atMs;
    }
  }

  #send(links: readonly number[], packet: Bytes): void {
    assert(links.length > 0);
    assertEquals(new Set(links).size, links.length, "a link is named twice");
    const said = decodeRelayMessage(decodePacket(packet));
    for (const link of links) {
      assert(!this.closed.has(link), `link ${link} is closed and is sent ${said.message.t}`);
      this.outboxes.get(link)?.push(said);
    }
  }

  #close(link: number, code: string, message: string): void {
    assert(!this.closed.has(link), "a link is closed twice");
    assert(/^[a-zA-Z]{1,32}$/.test(code) && message.length <= 512 && message.endsWith("."), message);
    this.closed.set(link, { code, message });
  }
}
