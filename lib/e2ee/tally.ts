/**
 * What a member has accepted in a room since a head, in one number (PROTOCOL 3.17): two members that were told
 * different stories by a relay have different ones.
 *
 * ```
 * T 0     = head
 * T i + 1 = SHA-256(label("room tally") || lv_cat(T i, roomMessageHash of the next accepted message))
 * ```
 *
 * Stored as `version 1 | lv(suite 1) | lv(head 32) | lv(count 8) | lv(T 32)`.
 * @module
 */

import { decodeHex, encodeHex } from "@std/encoding/hex";
import { equalBytes } from "../bytes/equal.ts";
import { DecodeError } from "../bytes/errors.ts";
import { ByteReader } from "../bytes/reader.ts";
import { type Bytes, concat, label, lvCat, u64be, u8 } from "../bytes/writer.ts";
import { sha256, SHA256_BYTES } from "../crypto/hash.ts";
import { Mutex } from "../crypto/mutex.ts";
import { readSuite, suiteField } from "./signed.ts";
import { readVersion, STATE_VERSION } from "./state_fields.ts";

/** A tally as plain data. */
export interface TallyState {
  /** The head since which it counts, in hexadecimal. */
  readonly headKey: string;
  /** How many messages were accepted since. */
  readonly count: number;
  /** T, 32 bytes. */
  readonly digest: Bytes;
}

/** A running tally of one room. Additions and resets run one at a time, in the order of the calls. */
export class Tally {
  readonly #mutex = new Mutex();
  #state: TallyState;

  /**
   * Goes on where a state stands.
   * @param state what {@linkcode state} once gave, or {@linkcode emptyTally}
   */
  constructor(state: TallyState) {
    this.#state = state;
  }

  /** All that there is to store, as it is now: what is being added is not in it yet. */
  get state(): TallyState {
    return this.#state;
  }

  /**
   * Counts a message that was accepted.
   * @param messageHash its `roomMessageHash`, 32 bytes
   * @returns the tally right after it
   * @throws {RangeError} when the hash has another length
   */
  add(messageHash: Bytes): Promise<TallyState> {
    assertHash(messageHash);
    return this.#mutex.run(async () => {
      const { headKey, count, digest } = this.#state;
      const next = await sha256(concat(label("room tally"), lvCat(digest, messageHash)));
      return this.#state = { headKey, count: count + 1, digest: next };
    });
  }

  /**
   * Starts anew, when the room has a new head.
   * @param head 32 bytes
   * @returns the tally of no message
   * @throws {RangeError} when the head has another length
   */
  reset(head: Bytes): Promise<TallyState> {
    const empty = emptyTally(head);
    return this.#mutex.run(() => Promise.resolve(this.#state = empty));
  }
}

/**
 * Gives the tally of no message.
 * @param head since which it counts, 32 bytes
 * @returns the state
 * @throws {RangeError} when the head has another length
 */
export function emptyTally(head: Bytes): TallyState {
  assertHash(head);
  return { headKey: encodeHex(head), count: 0, digest: head.slice() };
}

/**
 * Encodes a tally.
 * @param state the tally
 * @returns its bytes
 */
export function encodeTally(state: TallyState): Bytes {
  const { headKey, count, digest } = state;
  return concat(u8(STATE_VERSION), lvCat(suiteField(), decodeHex(headKey), u64be(count), digest));
}

/**
 * Decodes a tally.
 * @param bytes what {@linkcode encodeTally} gave
 * @returns the tally
 * @throws {DecodeError} when it is anything else
 */
export function decodeTally(bytes: Bytes): TallyState {
  const reader = new ByteReader(bytes, "tally");
  readVersion(reader, "tally");
  readSuite(reader);
  const head = reader.lvExactly(SHA256_BYTES);
  const count = new ByteReader(reader.lvExactly(8), "tally").u64();
  const digest = reader.lvExactly(SHA256_BYTES);
  reader.end();
  if ((count === 0) !== equalBytes(head, digest)) {
    throw new DecodeError("Cannot decode tally: its count and its digest do not belong together");
  }
  return { headKey: encodeHex(head), count, digest };
}

function assertHash(hash: Bytes): void {
  if (hash.length === SHA256_BYTES) return;
  throw new RangeError(`Cannot tally: a hash has ${hash.length} bytes, not ${SHA256_BYTES}`);
}
