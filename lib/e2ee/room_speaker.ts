/**
 * How we speak in a room (PROTOCOL 3.14, 3.15): which chain is written on, when it is replaced, and who has
 * it. Whom it may be handed to (members that the person was shown, none whose key is held back) is for the caller to
 * say; that they are members is checked here.
 *
 * A chain is never stored: whatever copy of a state is put back, no chain goes on from it, and what a device gives up
 * later seals nothing. Stored is the number of our last message:
 *
 * ```
 * version 1 | lv(suite 1) | lv(m 8)
 * ```
 *
 * @module
 */

import { encodeHex } from "@std/encoding/hex";
import { ByteReader } from "../bytes/reader.ts";
import { type Bytes, concat, lvCat, u64be, u8 } from "../bytes/writer.ts";
import { type RandomBytes, secureRandom } from "../crypto/random.ts";
import { type Fingerprint, idOf } from "./identity.ts";
import type { Membership } from "./membership.ts";
import { CHAIN_MAX_AGE_MS, CHAIN_MESSAGES_MAX, SenderChain } from "./sender_chain.ts";
import { encodeSenderKey } from "./sender_key.ts";
import { readSuite, suiteField } from "./signed.ts";
import { readVersion, STATE_VERSION } from "./state_fields.ts";

/** Above so many members a newcomer of an invite room gets the forwarded chain instead of making all speakers rotate. */
export const ROTATE_ON_ADD_MAX = 64;
/** How often an open room's comings and goings may make a speaker rotate. */
export const OPEN_ROTATION_MS = 60_000;

/** A chain in use. */
interface InUse {
  readonly chain: SenderChain;
  /** The epoch at which it was made. */
  readonly madeEpoch: number;
  /** Who has it. */
  readonly holders: ReadonlySet<Fingerprint>;
}

/** What is stored of a speaker. */
export interface SpeakerOptions {
  /** The room's members, which others move on. */
  readonly membership: Membership;
  /** We. */
  readonly self: Fingerprint;
  /** Where keys come from. */
  readonly random?: RandomBytes | undefined;
  /** The number of our last message, if the room began anew; it never starts again. */
  readonly m?: number;
}

/** We, as one who speaks in a room. */
export class RoomSpeaker {
  readonly #options: SpeakerOptions;
  readonly #random: RandomBytes;
  #inUse: InUse | undefined;
  /** The number of the last message of ours in this room, whatever chain it was on. */
  #m = 0;

  /**
   * Starts without a chain.
   * @param options the room, and we
   */
  constructor(options: SpeakerOptions) {
    this.#options = options;
    this.#random = options.random ?? secureRandom;
    this.#m = options.m ?? 0;
  }

  /**
   * Goes on counting where a stored state stands; the first message is on a new chain.
   * @param bytes what {@linkcode encode} gave
   * @param options the room, and we
   * @returns the speaker
   * @throws {DecodeError} when it is anything else
   */
  static decode(bytes: Bytes, options: SpeakerOptions): RoomSpeaker {
    const reader = new ByteReader(bytes, "speaker");
    readVersion(reader, "speaker");
    readSuite(reader);
    const m = new ByteReader(reader.lvExactly(8), "speaker").u64();
    reader.end();
    return new RoomSpeaker({ ...options, m });
  }

  /**
   * Encodes it, to be stored.
   * @returns no secret
   */
  encode(): Bytes {
    return concat(u8(STATE_VERSION), lvCat(suiteField(), u64be(this.#m)));
  }

  /** The number of the last message of ours. */
  get m(): number {
    return this.#m;
  }

  /**
   * Counts a message of ours.
   * @returns its number; sealing it again keeps it
   */
  nextM(): number {
    return ++this.#m;
  }

  /**
   * Forgets that somebody has the chain: their client may have lost what it had.
   * @param who the member
   */
  lost(who: Fingerprint): void {
    if (this.#inUse === undefined) return;
    const holders = new Set(this.#inUse.holders);
    holders.delete(who);
    this.#inUse = { ...this.#inUse, holders };
  }

  /** Drops the chain: we are no member any more. */
  silence(): void {
    this.#inUse = undefined;
  }

  /**
   * Replaces the chain if that is due, or if a member has it who may not have our keys any more, and tells who is to get
   * it before the next message.
   * @param to members that the person was shown and that may have our keys
   * @param nowMs the time now, in milliseconds since 1970 (UTC)
   * @returns those of them who are members and do not have it, in the order of their coming
   */
  async prepare(to: ReadonlySet<Fingerprint>, nowMs: number): Promise<Fingerprint[]> {
    const { membership, self } = this.#options;
    if (this.#isDue(nowMs) || this.#isHeldBeyond(to)) await this.#rotate(nowMs);
    const holders = this.#inUse?.holders;
    return membership.members().map(({ certificate }) => certificate.fingerprint)
      .filter((who) => who !== self && to.has(who) && holders?.has(who) !== true);
  }

  /**
   * Gives the chain for one member, from the next message on.
   * @param who a member
   * @returns a sender key to seal for them alone. Secret
   * @throws {TypeError} when they are no member, or nothing was prepared
   */
  async handOver(who: Fingerprint): Promise<Bytes> {
    if (this.#options.membership.memberOf(who) === undefined) throw new TypeError("Cannot hand over: no member");
    return encodeSenderKey(await this.#current().chain.handOver(idOf(who)));
  }

  /**
   * Notes that a member has the chain: what carries it was accepted.
   * @param who the member
   * @param keyId the chain's, 16 bytes in hexadecimal: another may be in use by now
   */
  handed(who: Fingerprint, keyId: string): void {
    const inUse = this.#inUse;
    if (inUse === undefined || this.keyId !== keyId) return;
    this.#inUse = { ...inUse, holders: new Set([...inUse.holders, who]) };
  }

  /** The id of the chain in use, in hexadecimal; `undefined` without one. */
  get keyId(): string | undefined {
    return this.#inUse && encodeHex(this.#inUse.chain.state.keyId);
  }

  /** Who has the chain in use. */
  get holders(): ReadonlySet<Fingerprint> {
    return this.#inUse?.holders ?? new Set();
  }

  /**
   * Seals a message under the newest head.
   * @param plaintext what to seal
   * @returns the message; a resend must be these very bytes
   * @throws {TypeError} when nothing was prepared
   */
  seal(plaintext: Bytes): Promise<Bytes> {
    return this.#current().chain.seal({ head: this.#options.membership.head, plaintext });
  }

  #current(): InUse {
    if (this.#inUse === undefined) throw new TypeError("Cannot speak: there is no chain");
    return this.#inUse;
  }

  async #rotate(nowMs: number): Promise<void> {
    const { membership, self } = this.#options;
    const { room, head, epoch } = membership;
    const chain = await SenderChain.create({ room, sender: idOf(self), head, nowMs, random: this.#random });
    this.#inUse = { chain, madeEpoch: epoch, holders: new Set() };
  }

  /** Whether a member has the chain who is not to read us any more, such as one whose key changed. */
  #isHeldBeyond(to: ReadonlySet<Fingerprint>): boolean {
    const { membership } = this.#options;
    return [...this.holders].some((who) => !to.has(who) && membership.memberOf(who) !== undefined);
  }

  #isDue(nowMs: number): boolean {
    if (this.#inUse === undefined) return true;
    const { chain, madeEpoch, holders } = this.#inUse;
    if (chain.n >= CHAIN_MESSAGES_MAX) return true;
    const ageMs = nowMs - chain.createdMs;
    if (ageMs >= CHAIN_MAX_AGE_MS || ageMs < 0) return true; // a clock that was set back must not keep a chain for ever
    const { membership, self } = this.#options;
    // Not known any more counts as a removal.
    const hasRemoval = membership.removalsSince(madeEpoch) !== 0;
    if (membership.kind === "open") return hasRemoval && ageMs >= OPEN_ROTATION_MS;
    if (hasRemoval) return true;
    const members = membership.members();
    const isNew = ({ joinedEpoch, certificate: { fingerprint } }: (typeof members)[number]) =>
      joinedEpoch > madeEpoch && fingerprint !== self && !holders.has(fingerprint);
    return members.length <= ROTATE_ON_ADD_MAX && members.some(isNew);
  }
}
