/**
 * A chain of ours in a room, its sender key (PROTOCOL 3.14): whatever the number of members, a message is sealed and
 * signed once. Members get the chain by `handOver`, pairwise, and from its current number on: who comes later cannot
 * open what was written before. When a chain must be replaced is for its owner to say (PROTOCOL 3.15). It is never
 * stored.
 *
 * Law (PROTOCOL §0.4): numbers are taken in the order of the calls, before the first await, and never given back; seals
 * that overlap get numbers and keys of their own, and their messages come back in that order. What `state` gives holds
 * the number of every message that has come back: store it in one transaction with that message, before it leaves.
 * @module
 */

import type { Bytes } from "../bytes/writer.ts";
import { Mutex } from "../crypto/mutex.ts";
import { type RandomBytes, secureRandom } from "../crypto/random.ts";
import { generateSignKeyPair, type SignKeyPair } from "../crypto/sign.ts";
import { CHAIN_KEY_BYTES, type ChainPosition, stepChain, walkChain } from "./chain_key.ts";
import { type ChainIds, encodeRoomHeader, KEY_ID_BYTES, signRoomMessage } from "./room_message.ts";
import { seal, SEAL_PLAINTEXT_MAX_BYTES } from "./seal.ts";
import type { SenderKey } from "./sender_key.ts";

/** Messages after which a chain is to be replaced: a stolen chain key opens and a stolen pair forges no more. */
export const CHAIN_MESSAGES_MAX = 100;
/** Age at which a chain is to be replaced, for the same reason. */
export const CHAIN_MAX_AGE_MS: number = 24 * 60 * 60 * 1_000;

/** A chain of ours, as plain data. Secret as a whole. */
export interface SenderChainState extends ChainIds, ChainPosition {
  /** The room's head when it was made, 32 bytes. */
  readonly head: Bytes;
  /** When it was made, in milliseconds since 1970 (UTC). */
  readonly createdMs: number;
  /** Signs the messages of this chain and nothing else; never `IDs`. */
  readonly sign: SignKeyPair;
}

/** What a new chain needs. */
export interface CreateSenderChainOptions {
  /** The room's id, 32 bytes. */
  readonly room: Bytes;
  /** Our id, 32 bytes. */
  readonly sender: Bytes;
  /** The newest head that we have processed, 32 bytes. */
  readonly head: Bytes;
  /** The time now, in milliseconds since 1970 (UTC). */
  readonly nowMs: number;
  /** Where keys and salts come from. */
  readonly random?: RandomBytes;
}

/** What is sealed. */
export interface RoomSealInput {
  /** The newest head that we have processed, 32 bytes. */
  readonly head: Bytes;
  /** At most 32,764 bytes. */
  readonly plaintext: Bytes;
}

/** A chain of ours. */
export class SenderChain {
  readonly #random: RandomBytes;
  readonly #steps = new Mutex();
  readonly #deliveries = new Mutex();
  #state: SenderChainState;
  /** The number of the next message; ahead of `#state.n` by those that wait for their key. */
  #claimed: number;

  /**
   * Goes on where a state stands.
   * @param state what {@linkcode state} once gave, or a new one's
   * @param random where salts come from
   */
  constructor(state: SenderChainState, random: RandomBytes = secureRandom) {
    this.#state = state;
    this.#claimed = state.n;
    this.#random = random;
  }

  /**
   * Makes a chain that nobody has yet.
   * @param options whose it is, and the time
   * @returns a chain with a fresh key id, chain key and pair
   * @throws {RangeError} when an id has another length
   */
  static async create(options: CreateSenderChainOptions): Promise<SenderChain> {
    const { room, sender, head, nowMs, random = secureRandom } = options;
    const keyId = random(KEY_ID_BYTES);
    encodeRoomHeader({ room, head, sender, keyId, n: 0 }); // an id that does not fit must fail here, not at the first seal
    const chainKey = random(CHAIN_KEY_BYTES);
    const sign = await generateSignKeyPair(random);
    return new SenderChain({ room, sender, keyId, chainKey, n: 0, head, createdMs: nowMs, sign }, random);
  }

  /** All that there is to store, as it is now; messages that are still being sealed may or may not be in it. */
  get state(): SenderChainState {
    return this.#state;
  }

  /** The number that the next message gets: how many there were. */
  get n(): number {
    return this.#claimed;
  }

  /** When it was made, in milliseconds since 1970 (UTC). */
  get createdMs(): number {
    return this.#state.createdMs;
  }

  /**
   * Seals and signs a message.
   * @param input the head and the plaintext; neither may change before this returns
   * @returns the message; a resend must be these very bytes
   * @throws {RangeError} when the plaintext is too long, the head has another length, or all numbers are used; takes no
   * number then
   */
  async seal(input: RoomSealInput): Promise<Bytes> {
    const { head, plaintext } = input;
    if (plaintext.length > SEAL_PLAINTEXT_MAX_BYTES) {
      throw new RangeError(`Cannot seal: ${plaintext.length} bytes is above ${SEAL_PLAINTEXT_MAX_BYTES}`);
    }
    const { room, sender, keyId, sign } = this.#state;
    const n = this.#claimed;
    const aad = encodeRoomHeader({ room, head, sender, keyId, n });
    // Before the first await: two overlapping calls must never share a number.
    this.#claimed = n + 1;
    const message = this.#steps.run(() => this.#messageKey(n)).then(async (messageKey) =>
      await signRoomMessage(sign, aad, await seal(messageKey, plaintext, { aad, random: this.#random }))
    );
    message.catch(() => {}); // it is thrown in its turn, below
    return await this.#deliveries.run(() => message);
  }

  /**
   * Gives the chain to a member, from the number that is next: messages that were asked for before this call are not in
   * it, those asked for after it are.
   * @param recipient the member's id, 32 bytes
   * @returns what to encode, and to seal for this member alone. Secret
   */
  handOver(recipient: Bytes): Promise<SenderKey> {
    return this.#steps.run(() => {
      const { room, head, keyId, chainKey, n, sign, sender } = this.#state;
      return Promise.resolve({ room, head, keyId, chainKey, n, signPublic: sign.publicBytes, sender, recipient });
    });
  }

  /** Walks to one number. A step that failed leaves its number behind, so that there may be more than one to walk. */
  async #messageKey(n: number): Promise<Bytes> {
    const { chain } = await walkChain(this.#state, n);
    const { messageKey, chainKey } = await stepChain(chain.chainKey);
    this.#state = { ...this.#state, chainKey, n: n + 1 };
    return messageKey;
  }
}
