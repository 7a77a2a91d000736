/**
 * A relay core and any number of client cores joined in memory, with a clock that is moved by hand: whole
 * conversations without a socket, in the same order every time. A test may sit between relay and client and see,
 * change, hold back or invent what passes.
 */
import { encodeHex } from "@std/encoding/hex";
import { wordlist } from "@scure/bip39/wordlists/english";
import { DecodeError, ProtocolError, type UserError } from "../../lib/bytes/errors.ts";
import type { Bytes } from "../../lib/bytes/writer.ts";
import { Chat } from "../../lib/chat/chat.ts";
import { type Command, parseLine, type SessionCommand } from "../../lib/chat/commands.ts";
import type { ChatEffect, ChatInput } from "../../lib/chat/effects.ts";
import type { ChatEvent } from "../../lib/chat/events.ts";
import type { HistoryEntry, HistoryQuery } from "../../lib/chat/history_events.ts";
import type {
  ChatChanges,
  ChatState,
  StoredCursor,
  StoredHeldRow,
  StoredLine,
  StoredReceiptRow,
  StoredRoomRow,
} from "../../lib/chat/state.ts";
import { generateDhKeyPair } from "../../lib/crypto/dh.ts";
import { type RandomBytes, secureRandom } from "../../lib/crypto/random.ts";
import { type Certificate, createCertificate } from "../../lib/e2ee/certificate.ts";
import { generateIdentity, type Identity, relayFingerprint } from "../../lib/e2ee/identity.ts";
import type { Life } from "../../lib/e2ee/life.ts";
import { WordList } from "../../lib/pake/code.ts";
import type { EndReason, RelayEffect, RelayInput } from "../../lib/relay/effects.ts";
import type { EventLogLimits } from "../../lib/relay/event_log.ts";
import { MemoryEventLog } from "../../lib/relay/memory_event_log.ts";
import { NameBook } from "../../lib/relay/names.ts";
import { Relay } from "../../lib/relay/relay.ts";
import {
  type ClientMessage,
  decodeClientMessage,
  decodeRelayMessage,
  encodeRelayMessage,
  type Packet,
  type RelayMessage,
} from "../../lib/wire/messages.ts";
import { decodePacket } from "../../lib/wire/packet.ts";

/** 2026-01-01T00:00:00Z */
export const START_MS = Date.UTC(2026, 0, 1);

/** What codes are made of. */
export const WORDS = new WordList(wordlist);

/** Names of absent people are free after a minute here, so that a test need not wait for a month. */
export const NAME_TTL_MS = 60_000;

/** How far ahead in the queue a client is told what comes next. */
const FORESEEN = 4;

/** A packet on its way to a client. */
interface Queued {
  readonly to: number;
  readonly packet: Bytes;
  decoded?: Packet<RelayMessage>;
}

/** What a client is told that comes next must be the very packet that comes. */
function readOnce(queued: Queued): Packet<RelayMessage> {
  return queued.decoded ??= decodeRelayMessage(decodePacket(queued.packet));
}

/** What a test does to a packet on its way to a client: give back what shall arrive instead. */
export type Tamper = (packet: Packet<RelayMessage>, to: FakeClient) => Packet<RelayMessage>[];

/** What a client keeps: the last of each row, as a store would give it back. */
export class Kept {
  readonly #sessions = new Map<string, Bytes>();
  readonly #peers = new Map<string, ChatState["peers"][number]>();
  readonly #cursors = new Map<string, StoredCursor>();
  readonly #codes = new Map<string, number>();
  readonly #rooms = new Map<string, StoredRoomRow>();
  readonly #outbox = new Map<string, StoredLine>();
  /** What was told of conversations, in order; a client does not start from it. */
  readonly history: HistoryEntry[] = [];
  readonly #receipts = new Map<string, StoredReceiptRow>();
  readonly #held = new Map<string, StoredHeldRow>();
  #prekeys: Bytes | undefined;
  #forgotten: Bytes | undefined;

  /** Keeps changes. */
  commit(
    { sessions, peers, cursors, codes = [], rooms = [], outbox = [], receipts = [], held = [], history = [] }:
      ChatChanges,
  ): void {
    this.history.push(...history);
    this.#prekeys = sessions.prekeys ?? this.#prekeys;
    this.#forgotten = sessions.forgotten ?? this.#forgotten;
    for (const { fingerprint, encoded } of sessions.peers) set(this.#sessions, fingerprint, encoded);
    for (const { fingerprint, record } of peers) set(this.#peers, fingerprint, record);
    for (const { code, untilMs } of codes) {
      if (untilMs === 0) this.#codes.delete(code);
      else this.#codes.set(code, untilMs);
    }
    for (const cursor of cursors) {
      set(this.#cursors, `${cursor.relay}/${cursor.stream}`, "isForgotten" in cursor ? undefined : cursor);
    }
    for (const { relay, room, name, value } of rooms) {
      set(this.#rooms, `${relay}/${room}/${name}`, value && { relay, room, name, value });
    }
    for (const { peer, id, value } of receipts) set(this.#receipts, `${peer}/${id}`, value && { peer, id, value });
    for (const { relay, box, value } of held) set(this.#held, `${relay}/${box}`, value && { relay, box, value });
    for (const { relay, id, value } of outbox) set(this.#outbox, `${relay}/${id}`, value && { relay, value });
  }

  /** What a client starts from. */
  get state(): ChatState {
    const sessions = this.#prekeys === undefined || this.#forgotten === undefined
      ? undefined
      : { prekeys: this.#prekeys, forgotten: this.#forgotten, peers: [...this.#sessions.values()] };
    const codes = [...this.#codes].map(([code, untilMs]) => ({ code, untilMs }));
    const rooms = [...this.#rooms.values()];
    return {
      sessions,
      peers: [...this.#peers.values()],
      cursors: [...this.#cursors.values()],
      codes,
      rooms,
      outbox: [...this.#outbox.values()],
      receipts: [...this.#receipts.values()],
      held: [...this.#held.values()],
    };
  }

  /** An old copy of a directory, to be put back later. */
  copy(): Kept {
    const copy = new Kept();
    copy.#prekeys = this.#prekeys;
    copy.#forgotten = this.#forgotten;
    for (const [key, value] of this.#sessions) copy.#sessions.set(key, value);
    for (const [key, value] of this.#peers) copy.#peers.set(key, value);
    for (const [key, value] of this.#cursors) copy.#cursors.set(key, value);
    for (const [key, value] of this.#rooms) copy.#rooms.set(key, value);
    for (const [key, value] of this.#outbox) copy.#outbox.set(key, value);
    for (const [key, value] of this.#receipts) copy.#receipts.set(key, value);
    for (const [key, value] of this.#held) copy.#held.set(key, value);
    return copy;
  }
}

/** Whatever names a room in its sentence says in its fields which room it is; a line of the person's own may name any. */
function assertSaysRoom(event: ChatEvent): void {
  if (event.type !== "notice" && event.type !== "error") return;
  if (event.code === "help" || event.code === "unsent") return;
  const text = event.type === "notice" ? event.text : event.message;
  const [, named] = /#([\p{L}\p{N}_.-]+)/u.exec(text) ?? [];
  if (named !== event.room && named !== undefined) throw new Error(`${event.type} ${event.code} leaves out #${named}`);
}

function set<T>(rows: Map<string, T>, key: string, value: T | undefined): void {
  if (value === undefined) rows.delete(key);
  else rows.set(key, value);
}

/** What a client said to the relay. */
export interface Sent {
  readonly from: FakeClient;
  readonly packet: Packet<ClientMessage>;
}

/** How somebody joins. */
export interface JoinOptions {
  /** The keys; fresh ones without. */
  readonly identity?: Identity;
  /** How long fresh keys are meant to live, `lasting` without. */
  readonly life?: Life;
  /** The room; without, the one of the last run, or `lobby`. */
  readonly room?: string;
  /** The one session that the client is there for, in no room. */
  readonly session?: SessionCommand;
  /** The certificate of an earlier run, which goes on; a newer one without. */
  readonly certificate?: Certificate;
  /** Whether receipts are said and shown; they are without. */
  readonly receipts?: boolean;
  /** What an earlier run kept; nothing without. */
  readonly kept?: Kept;
  /** Another name that the client claims in its messages, in a newer certificate that the relay never sees. */
  readonly claims?: string;
  /** Where keys, nonces and random whiles come from; the system's without. */
  readonly random?: RandomBytes;
}

/** A client core and what its person saw. */
export class FakeClient {
  readonly events: ChatEvent[] = [];
  /** What the history was asked. */
  readonly asked: HistoryQuery[] = [];
  wakeAtMs: number | undefined;
  hasFinished = false;
  /** Why it finished, when not because its person wanted to. */
  finishError: UserError | undefined;
  /** What the relay said when it ended the link. */
  closed: { code: string; message: string } | undefined;
  /** Why the core refused the relay; the link has ended with it, as the host would end it. */
  failure: DecodeError | ProtocolError | undefined;

  constructor(
    readonly net: FakeNet,
    public link: number,
    readonly chat: Chat,
    readonly identity: Identity,
    readonly certificate: Certificate,
    readonly kept: Kept,
  ) {}

  /** Types a line, and lets everything that follows from it happen. */
  async type(line: string, ref?: string): Promise<void> {
    await this.enter(line, ref);
    await this.net.settle();
  }

  /** Types a line; what it sends is on its way and has not arrived. */
  async enter(line: string, ref?: string): Promise<void> {
    await this.command(parseLine(line), ref);
  }

  /** Gives a command; what it sends is on its way and has not arrived. */
  async command(command: Command, ref?: string): Promise<void> {
    const refField = ref === undefined ? {} : { ref };
    await this.net.give(this, { kind: "command", command, nowMs: this.net.nowMs, ...refField });
  }

  /** What people compare. */
  get fingerprint(): string {
    return this.certificate.fingerprint;
  }

  /** The stream of its own inbox. */
  get inbox(): string {
    return `inbox/${this.certificate.fingerprint}`;
  }

  /** The events of one type. */
  all<T extends ChatEvent["type"]>(type: T): Extract<ChatEvent, { type: T }>[] {
    return this.events.filter((event): event is Extract<ChatEvent, { type: T }> => event.type === type);
  }

  /** The texts that arrived, in order. */
  get texts(): string[] {
    return this.all("message").map((message) => message.text);
  }

  /** The ids of the messages that arrived and of one's own that were accepted, in order. */
  get ids(): string[] {
    return this.events.flatMap((event) => event.type === "message" || event.type === "accepted" ? [event.id] : []);
  }

  /** The codes of the notices, in order. */
  get notices(): string[] {
    return this.all("notice").map((notice) => notice.code);
  }

  /** Breaks the line, and lets everything happen that follows from it. */
  async drop(reason: "quit" | "lost" = "lost"): Promise<void> {
    this.cut(reason);
    await this.net.settle();
  }

  /** Breaks the line; what follows from it has not happened. */
  cut(reason: EndReason = "lost"): void {
    this.net.clients.delete(this.link);
    this.net.relayInput({ kind: "ended", link: this.link, reason, nowMs: this.net.nowMs });
  }
}

/** The network, the relay and the clock. */
export class FakeNet {
  nowMs = START_MS;
  /** Those who are linked. */
  readonly clients = new Map<number, FakeClient>();
  /** Those who ever were, in order. */
  readonly everybody: FakeClient[] = [];
  /** Everything that the relay ever got. */
  readonly sent: Sent[] = [];
  tamper: Tamper = (packet) => [packet];
  /** Changes what a client says before the relay hears it. */
  tamperToRelay: (packet: Packet<ClientMessage>, from: FakeClient) => Packet<ClientMessage> = (packet) => packet;
  /** Is told of everything that a person is shown, at the moment when it is. */
  watch: (client: FakeClient, event: ChatEvent) => void = () => {};
  readonly relay: Relay;
  /** What the relay keeps. */
  readonly log: MemoryEventLog;
  readonly #queue: Queued[] = [];
  /** How many packets are on their way to each link: at none its outbox is empty. */
  readonly #waitingFor = new Map<number, number>();
  /** Of each link what is held back, by the way on which it is. */
  readonly #heldBack = new Map<number, { toClient?: Bytes[]; toRelay?: Bytes[] }>();
  #nextLink = 1;

  private constructor(
    readonly relayPublic: Bytes,
    readonly relayPrint: string,
    { ttlMs, limits }: { readonly ttlMs: number; readonly limits: Partial<EventLogLimits> },
  ) {
    this.log = new MemoryEventLog({ generation: encodeHex(secureRandom(16)), limits });
    this.relay = new Relay({ log: this.log, names: new NameBook({ ttlMs }), random: secureRandom });
  }

  /**
   * Makes a relay with an empty log, under a key of its own or the one given; it frees names after a while, and its log
   * has the bounds of a real one or smaller ones.
   */
  static async create(
    relayPublic?: Bytes,
    nameTtlMs: number = NAME_TTL_MS,
    limits: Partial<EventLogLimits> = {},
  ): Promise<FakeNet> {
    const publicBytes = relayPublic ?? (await generateDhKeyPair()).publicBytes;
    return new FakeNet(publicBytes, await relayFingerprint(publicBytes), { ttlMs: nameTtlMs, limits });
  }

  /** Every body that the relay ever got. */
  get bodies(): Bytes[] {
    return this.sent.map(({ packet }) => packet.body);
  }

  /** Makes a client, links it and lets the greetings pass. */
  async join(handle: string, options: JoinOptions = {}): Promise<FakeClient> {
    const client = await this.link(handle, options);
    await this.settle();
    return client;
  }

  /** Makes a client and links it; no greeting has arrived. */
  async link(handle: string, options: JoinOptions = {}): Promise<FakeClient> {
    this.nowMs += 1; // a restarted client's certificate is newer
    const identity = options.identity ??
      await generateIdentity({ life: options.life ?? "lasting", nowMs: this.nowMs });
    const certificate = options.certificate ?? await createCertificate(identity, { handle, createdMs: this.nowMs });
    const kept = options.kept ?? new Kept();
    const relay = { name: "test relay", fingerprint: this.relayPrint, publicBytes: this.relayPublic };
    const { claims, random, receipts = true } = options;
    const claimed = claims === undefined
      ? certificate
      : await createCertificate(identity, { handle: claims, createdMs: this.nowMs + 1 });
    const state = kept.state;
    const what = { room: options.room, session: options.session, words: WORDS, receipts, ...(random && { random }) };
    const chat = await Chat.create({ identity, certificate: claimed, relay, ...what, state }, this.nowMs);
    const client = new FakeClient(this, this.#nextLink++, chat, identity, certificate, kept);
    this.clients.set(client.link, client);
    this.everybody.push(client);
    const { fingerprint, life, createdMs, encoded } = certificate;
    const caller = { fingerprint, handle, life, createdMs, certificate: encoded };
    this.relayInput({ kind: "opened", link: client.link, caller, nowMs: this.nowMs });
    return client;
  }

  /** Starts somebody again who is gone: who they are, and what they kept, goes on. */
  restart(before: FakeClient, kept: Kept = before.kept): Promise<FakeClient> {
    const { identity, certificate } = before;
    return this.join(certificate.handle, { identity, certificate, kept });
  }

  /** Breaks somebody's line, and tells their client, which goes on. */
  async unlink(client: FakeClient): Promise<void> {
    client.cut("lost");
    await this.give(client, { kind: "unlinked", why: "the line broke", nowMs: this.nowMs });
    await this.settle();
  }

  /** Lets somebody's client end its link to make it anew. */
  async renew(client: FakeClient): Promise<void> {
    client.cut("renew");
    await this.give(client, { kind: "unlinked", why: "new keys are due", isRenewal: true, nowMs: this.nowMs });
    await this.settle();
  }

  /** Gives a client whose line broke another one. */
  async relink(client: FakeClient): Promise<void> {
    client.link = this.#nextLink++;
    client.closed = undefined;
    this.clients.set(client.link, client);
    const { fingerprint, handle, life, createdMs, encoded } = client.certificate;
    const caller = { fingerprint, handle, life, createdMs, certificate: encoded };
    this.relayInput({ kind: "opened", link: client.link, caller, nowMs: this.nowMs });
    await this.settle();
  }

  /** Moves the clock and gives every tick that is due. */
  async advance(ms: number): Promise<void> {
    this.nowMs += ms;
    this.relayInput({ kind: "tick", nowMs: this.nowMs });
    for (const client of this.clients.values()) {
      if (client.wakeAtMs !== undefined && client.wakeAtMs <= this.nowMs) {
        client.wakeAtMs = undefined;
        await this.give(client, { kind: "tick", nowMs: this.nowMs });
      }
    }
    await this.settle();
  }

  /** Lets everything happen that is under way, or what follows from the next so many packets that arrive. */
  async settle(most = Infinity): Promise<void> {
    for (; most > 0; most--) {
      const next = this.#queue.shift();
      if (next === undefined) return;
      if (this.#keepBack(next.to, "toClient", next.packet)) continue;
      this.#waitingFor.set(next.to, (this.#waitingFor.get(next.to) ?? 1) - 1);
      const client = this.clients.get(next.to);
      if (client === undefined) continue;
      const coming = this.#queue.slice(0, FORESEEN).filter(({ to }) => to === next.to).map(readOnce);
      for (const packet of this.tamper(readOnce(next), client)) {
        await this.give(client, { kind: "packet", packet, coming, nowMs: this.nowMs });
      }
      if (this.#waitingFor.get(next.to) === 0) {
        this.relayInput({ kind: "drained", link: next.to, nowMs: this.nowMs });
      }
    }
  }

  /** Holds back what passes between a client and the relay on one way, what is on it already included. */
  hold(client: FakeClient, way: "toClient" | "toRelay"): void {
    this.#heldBack.set(client.link, { [way]: [], ...this.#heldBack.get(client.link) });
  }

  /** Lets go on what was held back of a client, both ways, each in order; it has not arrived. */
  release(client: FakeClient): void {
    const { toClient = [], toRelay = [] } = this.#heldBack.get(client.link) ?? {};
    this.#heldBack.delete(client.link);
    this.#queue.unshift(...toClient.map((packet) => ({ to: client.link, packet })));
    for (const packet of toRelay) this.#fromClient(client, packet); // of a link that has ended the relay takes none
  }

  /** Puts something on the way to a client that the relay never said. */
  inject(to: FakeClient, packet: Packet<RelayMessage>): void {
    this.#enqueue(to.link, encodeRelayMessage(packet.message, packet.body));
  }

  /** Gives a client one input and does what it says. */
  async give(client: FakeClient, input: ChatInput): Promise<void> {
    const effects = await this.#handle(client, input);
    const changes = client.chat.takeChanges();
    if (changes !== undefined) client.kept.commit(changes); // before anything of it leaves
    for (const effect of effects) {
      if (effect.kind === "show") {
        assertSaysRoom(effect.event);
        client.events.push(effect.event);
        this.watch(client, effect.event);
      } else if (effect.kind === "wakeAt") client.wakeAtMs = effect.atMs;
      else if (effect.kind === "ask") client.asked.push(effect.query);
      else if (effect.kind === "send") this.#fromClient(client, effect.packet);
      else if (effect.kind === "finish") {
        client.finishError = effect.error;
        client.hasFinished = true;
        await client.drop("quit");
      }
    }
  }

  /** A core refuses a relay by these two classes alone; anything else is a bug and fails the test. */
  async #handle(client: FakeClient, input: ChatInput): Promise<ChatEffect[]> {
    try {
      return await client.chat.handle(input);
    } catch (error) {
      const isRefusal = input.kind === "packet" && (error instanceof DecodeError || error instanceof ProtocolError);
      if (!isRefusal) throw error;
      client.failure = error;
      await client.drop();
      return [];
    }
  }

  /** Gives the relay one input and does what it says. */
  relayInput(input: RelayInput): void {
    const inputs = [input];
    for (let next = inputs.shift(); next !== undefined; next = inputs.shift()) {
      for (const effect of this.relay.handle(next)) this.#performRelay(effect);
    }
  }

  #keepBack(link: number, way: "toClient" | "toRelay", packet: Bytes): boolean {
    return this.#heldBack.get(link)?.[way]?.push(packet) !== undefined;
  }

  #fromClient(client: FakeClient, bytes: Bytes): void {
    if (this.#keepBack(client.link, "toRelay", bytes)) return;
    const packet = this.tamperToRelay(decodeClientMessage(decodePacket(bytes)), client);
    this.sent.push({ from: client, packet });
    this.relayInput({ kind: "message", link: client.link, packet, nowMs: this.nowMs });
  }

  #performRelay(effect: RelayEffect): void {
    if (effect.kind === "send") {
      for (const to of effect.links) this.#enqueue(to, effect.packet);
    } else if (effect.kind === "close") {
      const client = this.clients.get(effect.link);
      if (client !== undefined) client.closed = { code: effect.code, message: effect.message };
      this.clients.delete(effect.link);
    }
  }

  #enqueue(to: number, packet: Bytes): void {
    this.#queue.push({ to, packet });
    this.#waitingFor.set(to, (this.#waitingFor.get(to) ?? 0) + 1);
  }
}
