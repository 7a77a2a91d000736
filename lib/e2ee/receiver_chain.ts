/**
 * A chain of another member in a room (PROTOCOL 3.16). Opening goes cheapest refusal first: ids, then the signature, then
 * keys are derived, then the tag; and only then does the state move on.
 *
 * Messages may be given while others are being opened. Signatures and tags are checked beside each other, for neither
 * depends on what becomes of another message; what the state allows, how it moves on, and the answers are in the order
 * of the calls. Whether a message's head is one that this chain may speak under is for whoever has the room's log to
 * say, before this.
 * @module
 */

import { encodeHex } from "@std/encoding/hex";
import { equalBytes } from "../bytes/equal.ts";
import { AuthError } from "../bytes/errors.ts";
import type { Bytes } from "../bytes/writer.ts";
import { Mutex } from "../crypto/mutex.ts";
import { type SignatureCheck, signatureCheck } from "../crypto/sign.ts";
import { ChainAhead } from "./chain_ahead.ts";
import { assertJump, type ChainPosition } from "./chain_key.ts";
import {
  type ChainIds,
  parseRoomMessage,
  type RoomHeader,
  type RoomMessage,
  roomPartsHash,
  verifyRoomMessage,
} from "./room_message.ts";
import { open } from "./seal.ts";
import { SKIP_MAX_PER_JUMP, SKIPPED_KEEP_MS, type SkippedMessageKey } from "./skipped_keys.ts";

/**
 * Skipped keys kept of one chain: one whole jump. An honest chain has 100 messages; what is above that only costs its
 * sender. The oldest go first.
 */
export const CHAIN_SKIPPED_MAX = 1_000;
/** Hashes of opened messages kept of one chain: only these very bytes are a repeat (PROTOCOL 3.16). */
export const CHAIN_HASHES_MAX = 1_000;

/** A chain of another member, as plain data. Secret as a whole. */
export interface ReceiverChainState extends ChainIds, ChainPosition {
  /** The room's head when the chain was made, as its owner says, 32 bytes: messages under an older one are refused. */
  readonly head: Bytes;
  /** What its messages are signed under, 32 bytes. */
  readonly signPublic: Bytes;
  /** Keys of messages that have not come yet, by ascending number. */
  readonly skipped: readonly SkippedMessageKey[];
  /** `roomMessageHash` of the last opened messages in hexadecimal, oldest first. */
  readonly hashes: readonly string[];
}

/**
 * What became of a message, each vouched for by its signature: `opened`; `repeat`, the same H and body were opened
 * before, drop it in silence; `used`, other bytes under a number that was opened, that came before the chain was handed
 * over, or whose key was dropped at a bound.
 */
export type RoomOpened =
  | {
    readonly kind: "opened";
    /** For `decodePlaintext`. */
    readonly plaintext: Bytes;
    /** What it said in the clear, authenticated now. */
    readonly header: RoomHeader;
    /** By what it is referred to, 32 bytes. */
    readonly hash: Bytes;
  }
  | { readonly kind: "repeat" }
  | { readonly kind: "used" };

/** The time, and what is known of the message. */
export interface RoomOpenOptions {
  /** The time now, in milliseconds since 1970 (UTC). */
  readonly nowMs: number;
  /** Its `roomMessageHash`, if somebody computed it already. */
  readonly hash?: Bytes | undefined;
}

/** What can be done with a message whatever becomes of those before it. */
interface Begun {
  /** Its parts, once its signature was checked. */
  readonly signed: Promise<RoomMessage>;
  /** What it opens to; `undefined` when the state had no key for it then. */
  readonly attempt: Promise<Bytes | undefined>;
}

/** A chain of another member; made by `acceptSenderKey`, or from a stored state. */
export class ReceiverChain {
  readonly #mutex = new Mutex();
  readonly #ahead: ChainAhead;
  readonly #check: SignatureCheck;
  /** By the very array that is to be opened. */
  readonly #foreseen = new WeakMap<Bytes, Begun>();
  #state: ReceiverChainState;

  /**
   * Goes on where a state stands.
   * @param state what {@linkcode state} once gave, or a new one's; its signature key was checked
   */
  constructor(state: ReceiverChainState) {
    this.#state = state;
    this.#ahead = new ChainAhead(state);
    this.#check = signatureCheck(state.signPublic);
  }

  /** All that there is to store, as it is now: what is being opened is not in it yet. */
  get state(): ReceiverChainState {
    return this.#state;
  }

  /** Whether a message was opened. */
  get isUsed(): boolean {
    return this.#state.hashes.length > 0;
  }

  /**
   * Begins to check and to open a message that is opened soon, so that several are worked on beside each other. Changes
   * nothing, and says nothing of what is wrong with it.
   * @param message the whole message; open this very array, which must not change until then
   * @returns when that work is over
   */
  async foresee(message: Bytes): Promise<void> {
    const begun = this.#foreseen.get(message) ?? this.#begin(message);
    this.#foreseen.set(message, begun);
    await Promise.allSettled([begun.attempt]);
  }

  /**
   * Opens a message, in whatever order messages come. What is refused changes nothing.
   * @param message the whole message
   * @param options the time
   * @returns what became of it
   * @throws {DecodeError} when it is malformed
   * @throws {AuthError} when it is another chain's, or signature, commitment, tag or padding do not fit
   * @throws {ProtocolError} when it skips more than 1,000 messages
   */
  async open(message: Bytes, options: RoomOpenOptions): Promise<RoomOpened> {
    const begun = this.#foreseen.get(message) ?? this.#begin(message);
    this.#foreseen.delete(message);
    const attempted = Promise.allSettled([begun.attempt]);
    // The turn is taken before the first await: two signatures may be checked in either order.
    return await this.#mutex.run(async () => {
      await attempted; // whatever the answer will be, nothing of this call goes on after it
      const signed = await begun.signed;
      return await this.#settle(
        { ...signed, hash: options.hash ?? await roomPartsHash(signed) },
        begun.attempt,
        options,
      );
    });
  }

  #begin(message: Bytes): Begun {
    const signed = this.#verify(message);
    const attempt = signed.then((one) => this.#attempt(one)); // signature first
    for (const promise of [signed, attempt]) promise.catch(() => {}); // thrown by `open`, if that is ever asked
    return { signed, attempt };
  }

  async #verify(bytes: Bytes): Promise<RoomMessage> {
    const message = parseRoomMessage(bytes);
    const { room, sender, keyId } = message.header;
    const isOurs = equalBytes(room, this.#state.room) && equalBytes(sender, this.#state.sender) &&
      equalBytes(keyId, this.#state.keyId);
    if (!isOurs) throw new AuthError("Cannot open: it is another chain's");
    await verifyRoomMessage(bytes, this.#check);
    return message;
  }

  /** Opens the body, which changes nothing; `undefined` when the state has no key for it now. */
  async #attempt({ header, headerBytes, body }: RoomMessage): Promise<Bytes | undefined> {
    const messageKey = await this.#keyOf(header.n);
    return messageKey === undefined ? undefined : await open(messageKey, body, { aad: headerBytes });
  }

  async #keyOf(n: number): Promise<Bytes | undefined> {
    const { state } = this;
    if (n < state.n) return state.skipped.find((key) => key.n === n)?.messageKey;
    return n - state.n > SKIP_MAX_PER_JUMP ? undefined : (await this.#ahead.reach(n))?.messageKey;
  }

  /** Says what becomes of a message, all earlier ones being settled, and moves the state on if it opens. */
  async #settle(
    message: RoomMessage & { readonly hash: Bytes },
    attempt: Promise<Bytes | undefined>,
    { nowMs }: RoomOpenOptions,
  ): Promise<RoomOpened> {
    const { state } = this;
    const { header, hash } = message;
    const { n } = header;
    const hashHex = encodeHex(hash);
    if (state.hashes.includes(hashHex)) return { kind: "repeat" };
    const isLate = n < state.n;
    if (isLate && !state.skipped.some((key) => key.n === n)) return { kind: "used" };
    assertJump(state.n, n);

    // The first attempt may have come too early, or just as its key became a skipped one; now nothing moves.
    const plaintext = await attempt ?? await this.#attempt(message);
    if (plaintext === undefined) throw new TypeError("Cannot open: the state has no key for what it allows");
    const moved = isLate ? without(state, n) : this.#movedTo(n, nowMs);
    const hashes = [...state.hashes, hashHex].slice(-CHAIN_HASHES_MAX);
    this.#state = { ...moved, skipped: prune(moved.skipped, nowMs), hashes };
    this.#ahead.forgetBelow(this.#state.n);
    return { kind: "opened", plaintext, header, hash };
  }

  /** The state after message n, the keys of those before it being skipped. */
  #movedTo(n: number, nowMs: number): ReceiverChainState {
    const skipped = [...this.#state.skipped];
    for (let i = this.#state.n; i < n; i++) {
      skipped.push({ n: i, messageKey: this.#ahead.at(i).messageKey, sinceMs: nowMs });
    }
    return { ...this.#state, chainKey: this.#ahead.at(n).chainKey, n: n + 1, skipped };
  }
}

function without(state: ReceiverChainState, n: number): ReceiverChainState {
  return { ...state, skipped: state.skipped.filter((key) => key.n !== n) };
}

function prune(skipped: readonly SkippedMessageKey[], nowMs: number): readonly SkippedMessageKey[] {
  return skipped.filter((key) => nowMs - key.sinceMs <= SKIPPED_KEEP_MS).slice(-CHAIN_SKIPPED_MAX);
}
