/**
 * Somebody on a relay who keeps no rule of a client: links under a certificate of their own, and says and signs what they
 * like. With it come the log of a room as the relay has it, and what may be signed on top of it.
 */
import { encodeHex } from "@std/encoding/hex";
import type { Bytes } from "../../lib/bytes/writer.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { idOf } from "../../lib/e2ee/identity.ts";
import { Membership } from "../../lib/e2ee/membership.ts";
import type { OpAuthor, OpContext } from "../../lib/e2ee/membership_make.ts";
import {
  type ClientMessage,
  decodeClientMessage,
  encodeClientMessage,
  type Fingerprint,
} from "../../lib/wire/messages.ts";
import { decodePacket } from "../../lib/wire/packet.ts";
import type { FakeNet } from "./fake_net.ts";
import { makeStranger, type Stranger } from "./hostile_relay.ts";

const EMPTY = new Uint8Array(0);
let nextLink = 1_000_000;

/** A room's log as the relay has it. */
export async function membershipOf(
  net: FakeNet,
  room: Fingerprint,
  kind: "open" | "invite" = "open",
): Promise<Membership> {
  const membership = await Membership.begin(kind, idOf(room));
  const ops = net.log.ops(room, 0, { maxEvents: 10_000, maxBytes: 10_000_000 });
  for (const [i, { op, at }] of ops.entries()) await membership.apply(op, { epoch: i + 1, atMs: at });
  return membership;
}

/** The room that somebody entered first. */
export function firstRoom(net: FakeNet): Fingerprint {
  return net.sent.flatMap(({ packet: { message } }) => message.t === "enter" ? [message.room] : [])[0] ?? "";
}

/** The one who keeps no rule. */
export class RawMember {
  readonly link: number = nextLink++;

  constructor(readonly net: FakeNet, readonly stranger: Stranger) {}

  /** Links somebody. */
  static async open(net: FakeNet, handle: string, address?: string): Promise<RawMember> {
    const member = new RawMember(net, await makeStranger(handle, net.nowMs));
    const { fingerprint, life, createdMs, encoded } = member.stranger.certificate;
    const caller = { fingerprint, handle, life, createdMs, certificate: encoded, ...(address && { address }) };
    net.relayInput({ kind: "opened", link: member.link, caller, nowMs: net.nowMs });
    await net.settle();
    return member;
  }

  /** Whose signature stands under ops. */
  get author(): OpAuthor {
    const { identity, certificate } = this.stranger;
    return { sign: identity.sign, certificate };
  }

  get fingerprint(): Fingerprint {
    return this.stranger.certificate.fingerprint;
  }

  /** Says something to the relay. */
  async say(message: ClientMessage, body: Bytes = EMPTY): Promise<void> {
    const packet = decodeClientMessage(decodePacket(encodeClientMessage(message, body)));
    this.net.relayInput({ kind: "message", link: this.link, packet, nowMs: this.net.nowMs });
    await this.net.settle();
  }

  /** Signs an op on top of the log, and publishes it. */
  async place(
    room: Fingerprint,
    make: (author: OpAuthor, context: OpContext) => Promise<Bytes> | Bytes,
  ): Promise<Bytes> {
    const membership = await membershipOf(this.net, room);
    const op = await make(this.author, membership.context(this.net.nowMs));
    await this.publish(room, "op", op);
    return op;
  }

  /** Publishes anything in a room. */
  async publish(room: Fingerprint, kind: "op" | "message", body: Bytes, place?: { epoch: number; slack: number }) {
    const id = encodeHex(secureRandom(16));
    const stream = `room/${room}`;
    if (kind === "op") await this.say({ t: "publish", stream, kind, id }, body);
    else await this.say({ t: "publish", stream, kind, id, ...place }, body);
    return id;
  }
}
