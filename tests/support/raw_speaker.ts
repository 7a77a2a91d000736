/**
 * A member of a room who keeps no rule when they speak: chains, sender keys and messages of any shape, handed to the
 * others through real sessions and placed by an honest relay.
 */
import { encodeHex } from "@std/encoding/hex";
import { type Bytes, lvCat } from "../../lib/bytes/writer.ts";
import { encodeContent } from "../../lib/chat/content.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { verifyBundle } from "../../lib/e2ee/bundle.ts";
import { idOf } from "../../lib/e2ee/identity.ts";
import { joinOp } from "../../lib/e2ee/membership_make.ts";
import { createPrekeyStore } from "../../lib/e2ee/prekeys.ts";
import type { RoomClaims } from "../../lib/e2ee/room_types.ts";
import { encodeRoomHeader, type RoomHeader, signRoomMessage } from "../../lib/e2ee/room_message.ts";
import { SEAL_OVERHEAD_BYTES } from "../../lib/e2ee/seal.ts";
import { SenderChain } from "../../lib/e2ee/sender_chain.ts";
import { encodeSenderKey, type SenderKey } from "../../lib/e2ee/sender_key.ts";
import { SessionBook } from "../../lib/e2ee/session_book.ts";
import type { Fingerprint } from "../../lib/wire/messages.ts";
import type { FakeClient, FakeNet } from "./fake_net.ts";
import { membershipOf, RawMember } from "./raw_member.ts";

/** What is written, and what it says of itself; an honest newcomer's claims without. */
export interface RawText {
  readonly m: number;
  readonly tally?: RoomClaims["tally"];
  /** The head, the room's newest without. */
  readonly head?: Bytes;
}

/** The one who keeps no rule. */
export class RawSpeaker {
  private constructor(readonly raw: RawMember, readonly room: Fingerprint, readonly book: SessionBook) {}

  /** Joins an open room, as the log has it. */
  static async join(net: FakeNet, handle: string, room: Fingerprint): Promise<RawSpeaker> {
    const raw = await RawMember.open(net, handle);
    const { identity, certificate } = raw.stranger;
    const prekeys = await createPrekeyStore({ nowMs: net.nowMs });
    await raw.say({ t: "enter", room });
    await raw.place(room, (author, context) => joinOp(author, context));
    return new RawSpeaker(raw, room, new SessionBook({ identity, certificate, prekeys }));
  }

  get id(): Bytes {
    return idOf(this.raw.fingerprint);
  }

  /** The room's newest head. */
  async head(): Promise<Bytes> {
    return (await membershipOf(this.raw.net, this.room)).head;
  }

  /** Makes a chain, with a key id of one's choice. */
  async chain(keyId?: Bytes): Promise<SenderChain> {
    const options = { room: idOf(this.room), sender: this.id, head: await this.head(), nowMs: this.raw.net.nowMs };
    const chain = await SenderChain.create(options);
    return keyId === undefined ? chain : new SenderChain({ ...chain.state, keyId });
  }

  /** Hands a chain to somebody, any field of the key replaced. */
  async hand(chain: SenderChain, to: FakeClient, changes: Partial<SenderKey> = {}): Promise<void> {
    const { net } = this.raw;
    const sessions = this.book.peer(to.certificate.fingerprint);
    if (!this.book.hasSessionWith(to.certificate.fingerprint)) {
      const stored = net.sent.findLast(({ from, packet }) => from === to && packet.message.t === "putBundle");
      const bundle = lvCat(stored?.packet.body ?? new Uint8Array(0), new Uint8Array(0));
      const options = { expectFingerprint: to.certificate.fingerprint, nowMs: net.nowMs };
      await sessions.startFrom(await verifyBundle(bundle, options), { nowMs: net.nowMs });
    }
    const key = { ...await chain.handOver(idOf(to.certificate.fingerprint)), ...changes };
    const box = await sessions.seal(encodeSenderKey(key), { nowMs: net.nowMs });
    const id = encodeHex(secureRandom(16));
    await this.raw.say({ t: "publish", stream: to.inbox, kind: "message", id }, box);
  }

  /** Seals a text on a chain. */
  async seal(chain: SenderChain, text: string, { m, tally, head }: RawText): Promise<Bytes> {
    const used = head ?? await this.head();
    const claims = { m, tally: tally ?? { count: 0, digest: used } };
    const id = encodeHex(secureRandom(16));
    const plaintext = encodeContent({ kind: "text", id, sentAtMs: this.raw.net.nowMs, text, claims });
    return await chain.seal({ head: used, plaintext });
  }

  /** Signs a message of any header over a body that nobody sealed. */
  async forge(chain: SenderChain, header: Partial<RoomHeader>): Promise<Bytes> {
    const { room, sender, keyId, sign } = chain.state;
    const headerBytes = encodeRoomHeader({ room, sender, keyId, head: await this.head(), n: 0, ...header });
    return await signRoomMessage(sign, headerBytes, secureRandom(SEAL_OVERHEAD_BYTES + 64));
  }

  /** Has a message placed. */
  async publish(message: Bytes): Promise<void> {
    const { epoch } = await membershipOf(this.raw.net, this.room);
    this.raw.net.nowMs += 1_000; // within what a relay takes of one identity
    await this.raw.publish(this.room, "message", message, { epoch, slack: 64 });
  }

  /** Seals and has it placed. */
  async say(chain: SenderChain, text: string, options: RawText): Promise<Bytes> {
    const message = await this.seal(chain, text, options);
    await this.publish(message);
    return message;
  }
}
