/**
 * A relay core and members of one room, each with the parts of a client that a room needs: sessions, people, a channel.
 * A test may hold back and drop what passes.
 */

import { decodeHex, encodeHex } from "@std/encoding/hex";
import type { Bytes } from "../../lib/bytes/writer.ts";
import type { Effects } from "../../lib/chat/effects.ts";
import { Keyring } from "../../lib/chat/keyring.ts";
import { People } from "../../lib/chat/people.ts";
import { RoomChannel } from "../../lib/chat/room_channel.ts";
import type { PlacedOp } from "../../lib/chat/room_news.ts";
import type { Turn } from "../../lib/chat/turn.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { type Certificate, createCertificate } from "../../lib/e2ee/certificate.ts";
import { fingerprintOf, generateIdentity, type Identity } from "../../lib/e2ee/identity.ts";
import type { RoomClaims, SealedForRoom } from "../../lib/e2ee/room_types.ts";
import type { RoomHeard } from "../../lib/e2ee/room_heard.ts";
import { isSenderKey } from "../../lib/e2ee/sender_key.ts";
import { MemoryEventLog } from "../../lib/relay/memory_event_log.ts";
import { NameBook } from "../../lib/relay/names.ts";
import { Relay } from "../../lib/relay/relay.ts";
import type { RelayEffect } from "../../lib/relay/effects.ts";
import {
  type Cursor,
  decodeClientMessage,
  decodeRelayMessage,
  encodeClientMessage,
  type EventId,
  type Packet,
  type RelayMessage,
} from "../../lib/wire/messages.ts";
import { decodePacket } from "../../lib/wire/packet.ts";
import { decodePlaintext, encodePlaintext } from "../../lib/e2ee/plaintext.ts";

export const ROOM = { id: fingerprintOf(secureRandom(32)), name: "lobby" };

interface Line {
  readonly id: EventId;
  readonly text: string;
  readonly audience: readonly string[];
  m?: number;
  sealed?: SealedForRoom;
}

/** What a member keeps over a restart. */
export interface KeptMember {
  readonly identity: Identity;
  readonly certificate: Certificate;
  readonly rows: Map<string, Bytes>;
  readonly sessions: { prekeys?: Bytes | undefined; forgotten?: Bytes | undefined; readonly peers: Map<string, Bytes> };
  readonly cursors: Map<string, Cursor>;
}

/** One member, or one who is to be. */
export class Member {
  readonly seen: string[] = [];
  readonly lines: Line[] = [];
  readonly published = new Map<EventId, Line>();
  people = new People();

  private constructor(
    readonly net: RoomNet,
    readonly link: number,
    readonly kept: KeptMember,
    readonly keyring: Keyring,
    public channel: RoomChannel,
  ) {}

  static async start(net: RoomNet, link: number, kept: KeptMember): Promise<Member> {
    const { identity, certificate, sessions: { prekeys, forgotten, peers } } = kept;
    const stored = prekeys === undefined || forgotten === undefined
      ? undefined
      : { prekeys, forgotten, peers: [...peers.values()] };
    const options = { nowMs: net.nowMs, random: secureRandom, stored };
    const keyring = await Keyring.create({ identity, certificate }, options);
    const people = new People();
    const author = { sign: identity.sign, certificate };
    const rows = kept.rows.size === 0 ? undefined : [...kept.rows].map(([name, value]) => ({ name, value }));
    let ref = 1;
    const channel = await RoomChannel.create(
      { room: ROOM, kind: "open", rows, author, people, keyring, nextRef: () => ref++ },
      net.nowMs,
    );
    const member = new Member(net, link, kept, keyring, channel);
    member.people = people;
    return member;
  }

  /** Joins again after leaving, without linking anew. */
  async comeBack(): Promise<void> {
    const { kept: { identity, certificate, rows }, people, keyring, net } = this;
    const author = { sign: identity.sign, certificate };
    const stored = [...rows].map(([name, value]) => ({ name, value }));
    let ref = 1_000;
    const options = { room: ROOM, kind: "open", rows: stored, author, people, keyring, nextRef: () => ref++ } as const;
    this.channel = await RoomChannel.create(options, net.nowMs);
    await this.act((turn) =>
      Promise.resolve(this.channel.start(this.kept.cursors.get(this.channel.stream) ?? null, turn))
    );
    await net.settle();
  }

  get who(): string {
    return this.kept.certificate.fingerprint;
  }

  /** The members beside us. */
  others(): Certificate[] {
    const members = this.channel.membership.members().map(({ certificate }) => certificate);
    return members.filter(({ fingerprint }) => fingerprint !== this.who);
  }

  get texts(): string[] {
    return this.seen.filter((line) => !line.startsWith("!") && !line.startsWith("+") && !line.startsWith("-"));
  }

  async say(text: string): Promise<void> {
    this.lines.push({ id: encodeHex(secureRandom(16)), text, audience: this.channel.voice.audience() });
    await this.act((turn) => this.pump(turn));
    await this.net.settle();
  }

  /** Does something and sends what comes of it, once it is kept. */
  async act(work: (turn: Turn) => Promise<unknown>): Promise<void> {
    const effects: Effects = [];
    await work({ nowMs: this.net.nowMs, effects });
    this.keep();
    for (const effect of effects) {
      if (effect.kind === "send") this.net.fromClient(this, effect.packet);
      else if (effect.kind === "show" && effect.event.type === "notice") this.seen.push(`! ${effect.event.code}`);
    }
  }

  keep(): void {
    const { rows, sessions } = this.kept;
    for (const { name, value } of this.channel.takeChanges()) {
      if (value === undefined) rows.delete(name);
      else rows.set(name, value);
    }
    const changes = this.keyring.takeChanges();
    sessions.prekeys = changes.prekeys ?? sessions.prekeys;
    sessions.forgotten = changes.forgotten ?? sessions.forgotten;
    for (const { fingerprint, encoded } of changes.peers) {
      if (encoded === undefined) sessions.peers.delete(fingerprint);
      else sessions.peers.set(fingerprint, encoded);
    }
  }

  async pump(turn: Turn): Promise<void> {
    for (let line = this.lines[0]; line !== undefined; line = this.lines[0]) {
      const isOvertaken = [...this.published.values()].some(({ sealed }) =>
        sealed && this.channel.voice.isStale(sealed)
      );
      if (isOvertaken || !await this.channel.voice.prepare(line.audience, turn)) return;
      const claims = this.channel.voice.claims(line.m);
      line.m = claims.m;
      line.sealed = await this.channel.voice.seal(encode(line.text, claims));
      this.lines.shift();
      this.published.set(line.id, line);
      const { message, epoch, slack } = line.sealed;
      const publish = {
        t: "publish",
        stream: this.channel.stream,
        kind: "message",
        id: line.id,
        epoch,
        slack,
      } as const;
      turn.effects.push({ kind: "send", packet: encodeClientMessage(publish, message) });
    }
  }

  async hear({ message, body }: Packet<RelayMessage>, turn: Turn): Promise<void> {
    const { channel, keyring, kept } = this;
    switch (message.t) {
      case "welcome":
        await keyring.publish(turn);
        this.#send({ t: "subscribe", stream: this.#inbox, after: kept.cursors.get(this.#inbox) ?? null }, turn);
        return channel.start(kept.cursors.get(channel.stream) ?? null, turn);
      case "subscribed":
        this.#place(message.stream, { generation: message.generation, seq: message.head }, true);
        return message.stream === channel.stream ? await channel.subscribed(turn) : undefined;
      case "reset":
        kept.cursors.delete(message.stream);
        this.#place(message.stream, { generation: message.generation, seq: 0 }, true);
        if (message.stream === channel.stream) await channel.reset(turn);
        return;
      case "ops": {
        const cursor = kept.cursors.get(channel.stream) ?? null;
        for (const placed of await channel.ops(message, body, { ...turn, cursor })) this.#news(placed);
        return;
      }
      case "event":
        if (message.stream === this.#inbox) await this.#open(body, turn);
        else if (!channel.following.isOn) return;
        else if (message.kind === "op") {
          const placed = await channel.op({ epoch: message.epoch, atMs: message.at }, body, turn);
          if (placed === undefined) return;
          this.#news(placed);
        } else this.#read(await channel.message(message, body, turn.nowMs));
        this.#place(message.stream, { seq: message.seq });
        return await this.pump(turn);
      case "accepted": {
        const op = channel.ownOp(message.id);
        if (op !== undefined && message.epoch !== undefined) {
          const placed = await channel.op({ epoch: message.epoch, atMs: message.at }, op, turn);
          if (placed !== undefined) this.#news(placed);
        }
        const line = this.published.get(message.id);
        this.published.delete(message.id);
        if (line?.sealed !== undefined) await channel.said.placed(line.sealed.message);
        this.#place(message.stream, { seq: message.seq });
        return await this.pump(turn);
      }
      case "refused": {
        const line = this.published.get(message.id);
        this.seen.push(`! ${message.code}`);
        if (line === undefined || message.code !== "stale") return;
        this.published.delete(message.id);
        this.lines.unshift(line);
        return await this.pump(turn);
      }
      case "acceptedMany":
        channel.voice.handedOver(message, body, turn);
        return await this.pump(turn);
      case "bundle":
        await keyring.answered(message, body, { ...turn, people: this.people });
        return await this.pump(turn);
      case "bundleWanted":
        return await keyring.answer(message, turn);
    }
  }

  get #inbox(): string {
    return `inbox/${this.who}`;
  }

  #place(stream: string, place: { readonly generation?: string; readonly seq: number }, isBegin = false): void {
    const known = this.kept.cursors.get(stream);
    if (isBegin && known !== undefined) return;
    this.kept.cursors.set(stream, { generation: place.generation ?? known?.generation ?? "", seq: place.seq });
  }

  async #open(box: Bytes, turn: Turn): Promise<void> {
    const opened = await this.keyring.open(box, turn.nowMs);
    if (opened.kind !== "opened" || !isSenderKey(opened.plaintext)) return;
    const released = await this.channel.key(opened.plaintext, opened.peer.fingerprint, turn.nowMs);
    released.forEach((heard) => this.#read(heard));
  }

  #news({ news, released }: PlacedOp): void {
    const sign = { came: "+", went: "-", removed: "-", promoted: "^", none: undefined }[news.kind];
    if (sign !== undefined && "person" in news && news.person !== undefined) {
      this.seen.push(`${sign} ${news.person.certificate.handle}`);
    }
    for (const { fingerprint } of this.others()) this.channel.voice.show(fingerprint);
    released.forEach((heard) => this.#read(heard));
  }

  #read(heard: RoomHeard): void {
    if (heard.kind === "refused") this.seen.push(`! ${heard.reason}`);
    if (heard.kind !== "opened") return;
    const { text, claims } = decode(heard.message.plaintext);
    const { gap, isFork } = this.channel.check(heard.message, claims);
    if (gap > 0) this.seen.push(`! gap ${gap}`);
    if (isFork) this.seen.push("! fork");
    this.seen.push(`${heard.message.sender.handle}: ${text}`);
  }

  #send(message: Parameters<typeof encodeClientMessage>[0], turn: Turn): void {
    turn.effects.push({ kind: "send", packet: encodeClientMessage(message) });
  }
}

/** The relay, the clock, and what is on its way. */
export class RoomNet {
  nowMs = Date.UTC(2026, 0, 1);
  log = new MemoryEventLog({ generation: encodeHex(secureRandom(16)) });
  relay: Relay;
  readonly members = new Map<number, Member>();
  readonly sent: { readonly from: Member; readonly t: string; readonly bytes: number }[] = [];
  /** What does not reach a member. */
  drops: (packet: Packet<RelayMessage>, to: Member) => boolean = () => false;
  readonly #queue: { readonly to: number; readonly packet: Bytes }[] = [];
  #nextLink = 1;

  constructor() {
    this.relay = new Relay({ log: this.log, names: new NameBook() });
  }

  async join(handle: string): Promise<Member> {
    this.nowMs += 1;
    const identity = await generateIdentity({ life: "lasting", nowMs: this.nowMs });
    const certificate = await createCertificate(identity, { handle, createdMs: this.nowMs });
    const sessions = { peers: new Map<string, Bytes>() };
    return await this.start({ identity, certificate, rows: new Map(), sessions, cursors: new Map() });
  }

  async start(kept: KeptMember): Promise<Member> {
    const member = await Member.start(this, this.#nextLink++, kept);
    this.members.set(member.link, member);
    this.#open(member);
    await this.settle();
    return member;
  }

  async drop(member: Member): Promise<void> {
    this.members.delete(member.link);
    this.#perform(this.relay.handle({ kind: "ended", link: member.link, reason: "lost", nowMs: this.nowMs }));
    await this.settle();
  }

  /** The relay starts again with an empty log; everybody has to come again. */
  forget(): void {
    this.members.clear();
    this.log = new MemoryEventLog({ generation: encodeHex(secureRandom(16)) });
    this.relay = new Relay({ log: this.log, names: new NameBook() });
  }

  fromClient(from: Member, bytes: Bytes): void {
    const packet = decodeClientMessage(decodePacket(bytes));
    this.sent.push({ from, t: packet.message.t, bytes: bytes.length });
    this.#perform(this.relay.handle({ kind: "message", link: from.link, packet, nowMs: this.nowMs }));
  }

  async settle(): Promise<void> {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      const member = this.members.get(next.to);
      if (member === undefined) continue;
      const packet = decodeRelayMessage(decodePacket(next.packet));
      if (!this.drops(packet, member)) await member.act((turn) => member.hear(packet, turn));
      this.#perform(this.relay.handle({ kind: "drained", link: next.to, nowMs: this.nowMs }));
    }
  }

  #open({ link, kept: { certificate } }: Member): void {
    const { fingerprint, handle, life, createdMs, encoded } = certificate;
    const caller = { fingerprint, handle, life, createdMs, certificate: encoded };
    this.#perform(this.relay.handle({ kind: "opened", link, caller, nowMs: this.nowMs }));
  }

  #perform(effects: readonly RelayEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === "send") { for (const to of effect.links) this.#queue.push({ to, packet: effect.packet }); }
      if (effect.kind === "close") throw new Error(`the relay closed a link: ${effect.message}`);
    }
  }
}

function encode(text: string, { m, tally: { count, digest } }: RoomClaims): Bytes {
  return encodePlaintext({ head: { m, count, digest: encodeHex(digest) }, text });
}

function decode(plaintext: Bytes): { text: string; claims: RoomClaims } {
  const { head, text } = decodePlaintext(plaintext);
  const { m, count, digest } = head as { m: number; count: number; digest: string };
  return { text, claims: { m, tally: { count, digest: new Uint8Array(decodeHex(digest)) } } };
}
