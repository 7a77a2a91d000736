/**
 * A relay that cheats: it sits where packets pass from the honest relay core to the clients and changes, holds back,
 * repeats or invents what it likes. It keeps the places of streams in order where the cheat is not about them, so that
 * a refusal is never due to a clumsy lie. And the makers of what an attacker can make by itself: keys, certificates,
 * bundles.
 */
import { encodeHex } from "@std/encoding/hex";
import { type Bytes, lvCat, u32be, u64be, u8, utf8 } from "../../lib/bytes/writer.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { type Certificate, createCertificate } from "../../lib/e2ee/certificate.ts";
import { generateIdentity, type Identity } from "../../lib/e2ee/identity.ts";
import { signFields, suiteField } from "../../lib/e2ee/signed.ts";
import type { ClientMessage, Fingerprint, Packet, RelayMessage } from "../../lib/wire/messages.ts";
import type { FakeClient, FakeNet } from "./fake_net.ts";

/** The kinds of relay messages. */
export type Kind = RelayMessage["t"];
/** A packet of one kind. */
export type PacketOf<K extends Kind> = Packet<Extract<RelayMessage, { t: K }>>;
/** What arrives in a packet's place: nothing, one or several. */
export type Cheat<K extends Kind> = (packet: PacketOf<K>) => readonly Packet<RelayMessage>[];

interface Rule {
  readonly to: FakeClient;
  readonly kind: Kind;
  readonly cheat: (packet: Packet<RelayMessage>) => readonly Packet<RelayMessage>[];
  readonly isOnce: boolean;
}

/** An event without its place. */
type Unplaced =
  & Omit<PacketOf<"event">["message"], "seq" | "kind" | "epoch">
  & ({ readonly kind: "message" } | { readonly kind: "op"; readonly epoch: number });

/** The cheat. */
export class HostileRelay {
  /** Everything that the honest relay said, to whom. */
  readonly passed: { readonly to: FakeClient; readonly packet: Packet<RelayMessage> }[] = [];
  readonly #net: FakeNet;
  #rules: Rule[] = [];
  /** How many places were invented in or taken from a stream, for each client. */
  readonly #shift = new Map<string, number>();
  readonly #lastSeq = new Map<string, number>();
  /** How many ops were invented, for each client and stream. */
  readonly #epochShift = new Map<string, number>();

  constructor(net: FakeNet) {
    this.#net = net;
    net.tamper = (packet, to) => this.#pass(packet, to);
    net.tamperToRelay = (packet, from) => this.#restore(packet, from);
  }

  /** Loses the next events of one client for good, however often it asks. */
  lose(to: FakeClient, count = 1): void {
    const lost = new Set<string>();
    this.always(to, "event", (packet) => {
      if (lost.size < count) lost.add(packet.message.id);
      return lost.has(packet.message.id) ? [] : [packet];
    });
  }

  /** Does something else with the next packet of a kind to somebody. */
  once<K extends Kind>(to: FakeClient, kind: K, cheat: Cheat<K>): void {
    this.#rules.push({ to, kind, cheat: (packet) => cheat(packet as PacketOf<K>), isOnce: true });
  }

  /** Does something else with every packet of a kind to somebody. */
  always<K extends Kind>(to: FakeClient, kind: K, cheat: Cheat<K>): void {
    this.#rules.push({ to, kind, cheat: (packet) => cheat(packet as PacketOf<K>), isOnce: false });
  }

  /** Is honest from now on. */
  behave(): void {
    this.#rules = [];
  }

  /** The last packet of a kind that the honest relay had for somebody. */
  last<K extends Kind>(to: FakeClient, kind: K): PacketOf<K> {
    const found = this.passed.findLast((one) => one.to === to && one.packet.message.t === kind);
    if (found === undefined) throw new Error(`nothing of kind ${kind} has passed`);
    return found.packet as PacketOf<K>;
  }

  /** Says something of its own. */
  async say(to: FakeClient, message: RelayMessage, body: Bytes = new Uint8Array(0)): Promise<void> {
    await this.#net.give(to, { kind: "packet", packet: { message, body }, nowMs: this.#net.nowMs });
    await this.#net.settle();
  }

  /** Puts an event of its own at the end of a stream; what follows is numbered on from there. */
  async insert(to: FakeClient, event: Unplaced, body: Bytes): Promise<void> {
    const place = placeKey(to, event.stream);
    const seq = (this.#lastSeq.get(place) ?? 0) + 1;
    this.#lastSeq.set(place, seq);
    this.#shift.set(place, (this.#shift.get(place) ?? 0) + 1);
    await this.say(to, { ...event, seq }, body);
  }

  /** Puts an op of its own at the end of what one client hears of a room; later ops are numbered on from there. */
  async insertOp(
    to: FakeClient,
    op: { readonly room: Fingerprint; readonly epoch: number; readonly from: Fingerprint; readonly body: Bytes },
  ): Promise<void> {
    const { room, epoch, from, body } = op;
    const stream = `room/${room}`;
    const place = placeKey(to, stream);
    this.#epochShift.set(place, (this.#epochShift.get(place) ?? 0) + 1);
    const id = encodeHex(secureRandom(16));
    await this.insert(to, { t: "event", stream, at: this.#net.nowMs, from, id, kind: "op", epoch }, body);
  }

  #pass(packet: Packet<RelayMessage>, to: FakeClient): Packet<RelayMessage>[] {
    const moved = this.#renumber(packet, to);
    this.passed.push({ to, packet: moved });
    const rule = this.#rules.find((one) => one.to === to && one.kind === packet.message.t);
    if (rule === undefined) return [moved];
    if (rule.isOnce) this.#rules = this.#rules.filter((one) => one !== rule);
    return [...rule.cheat(moved)];
  }

  /** What a client says of places that were invented for it, as the honest core numbers them. */
  #restore(packet: Packet<ClientMessage>, from: FakeClient): Packet<ClientMessage> {
    const { message, body } = packet;
    if (message.t === "publish" && "epoch" in message && message.epoch !== undefined) {
      const shift = this.#epochShift.get(placeKey(from, message.stream)) ?? 0;
      return { message: { ...message, epoch: message.epoch - shift }, body };
    }
    if (message.t === "subscribe" && message.after !== null) {
      const shift = this.#shift.get(placeKey(from, message.stream)) ?? 0;
      return { message: { ...message, after: { ...message.after, seq: message.after.seq - shift } }, body };
    }
    return packet;
  }

  #renumber(packet: Packet<RelayMessage>, to: FakeClient): Packet<RelayMessage> {
    const { message, body } = packet;
    if (message.t === "subscribed") this.#lastSeq.set(placeKey(to, message.stream), message.head);
    if (message.t !== "event" && message.t !== "accepted") return packet;
    const place = placeKey(to, message.stream);
    const seq = message.seq + (this.#shift.get(place) ?? 0);
    this.#lastSeq.set(place, seq);
    const isOp = "epoch" in message && message.epoch !== undefined;
    const epoch = isOp ? { epoch: message.epoch + (this.#epochShift.get(place) ?? 0) } : {};
    return { message: { ...message, seq, ...epoch }, body };
  }
}

/** Somebody whom nobody invited. */
export interface Stranger {
  readonly identity: Identity;
  readonly certificate: Certificate;
}

/** Makes a stranger with keys of its own, under any name. */
export async function makeStranger(handle: string, nowMs: number): Promise<Stranger> {
  const identity = await generateIdentity({ life: "lasting", nowMs });
  return { identity, certificate: await createCertificate(identity, { handle, createdMs: nowMs }) };
}

/** Makes a certificate by hand, any field replaced; signed by the identity all the same. */
export function forgeCertificate(
  identity: Identity,
  fields:
    & { readonly handle: string; readonly createdMs: number }
    & Partial<
      Record<"signPublic" | "dhPublic" | "noisePublic", Bytes>
    >,
): Promise<Bytes> {
  return signFields(identity.sign, "cert", [
    suiteField(),
    fields.signPublic ?? identity.sign.publicBytes,
    fields.dhPublic ?? identity.dh.publicBytes,
    fields.noisePublic ?? identity.noise.publicBytes,
    utf8(fields.handle),
    u8(1),
    u64be(fields.createdMs),
  ]);
}

/** Makes a stored bundle by hand, without a one-time prekey. */
export async function forgeBundle(
  owner: Stranger,
  fields: { readonly prekeyPublic: Bytes; readonly createdMs: number },
): Promise<Bytes> {
  const { identity, certificate } = owner;
  const bundle = await signFields(identity.sign, "bundle", [
    suiteField(),
    certificate.encoded,
    u32be(7),
    fields.prekeyPublic,
    u64be(fields.createdMs),
  ]);
  return lvCat(bundle, new Uint8Array(0));
}

/** A copy with one bit of one byte changed. */
export function flipped(bytes: Bytes, index: number): Bytes {
  const copy = bytes.slice();
  const at = index < 0 ? bytes.length + index : index;
  copy[at] = (copy[at] as number) ^ 1;
  return copy;
}

function placeKey(to: FakeClient, stream: string): string {
  return `${to.link}/${stream}`;
}
