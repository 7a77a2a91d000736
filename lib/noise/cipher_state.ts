/**
 * CipherState (Noise 5.1): one key and the counter that makes each of its nonces unique,
 * `nonce(12) = zeros(4) || u64be counter` (Noise 12.4). There is no rekey: a link makes a new handshake instead.
 * Does no I/O.
 * @module
 */

import { DecodeError, ProtocolError } from "../bytes/errors.ts";
import { type Bytes, concat, u64be } from "../bytes/writer.ts";
import { AEAD_TAG_BYTES, type AeadKey, aeadOpen, aeadSeal, importAeadKey } from "../crypto/aead.ts";
import { Mutex } from "../crypto/mutex.ts";

/** The longest Noise message, of the handshake or after it (Noise 3). */
export const NOISE_MESSAGE_MAX_BYTES = 65_535;

/** The longest plaintext of one transport message: what a tag leaves free. */
export const NOISE_PLAINTEXT_MAX_BYTES: number = NOISE_MESSAGE_MAX_BYTES - AEAD_TAG_BYTES;

/**
 * How many messages one key may seal. A link makes a new handshake after 2^24 records (PROTOCOL §2); this is twice as
 * many, so that records in flight meanwhile still pass. 2^25 messages of 64 KiB keep AES-GCM's advantage for a
 * distinguisher below 2^-54, and the counter far from the end of u64.
 */
export const NONCE_COUNT_MAX: number = 2 ** 25;

/** The four zero bytes in front of each nonce (Noise 12.4). */
const NONCE_PREFIX = new Uint8Array(4);

/** A key with its counter, for one direction: one party only encrypts with it, the other only decrypts. */
export class CipherState {
  readonly #key: AeadKey;
  readonly #opening = new Mutex();
  #nextNonce: number;
  #isBroken = false;

  private constructor(key: AeadKey, nextNonce: number) {
    this.#key = key;
    this.#nextNonce = nextNonce;
  }

  /**
   * Imports a key, once, and starts counting at 0 (Noise: `InitializeKey`).
   * @param keyBytes exactly 32 bytes, never given to two states that encrypt
   * @returns the state
   * @throws {RangeError} when the length is another
   */
  static async fromKey(keyBytes: Bytes): Promise<CipherState> {
    return new CipherState(await importAeadKey(keyBytes), 0);
  }

  /**
   * Makes a state that has already counted, so that a test can reach the bound. Product code must never call it: two
   * states that count through the same numbers under one key give away its plaintexts.
   * @param keyBytes exactly 32 bytes
   * @param nextNonce the counter of the next message
   * @returns the state
   */
  static async testOnlyAt(keyBytes: Bytes, nextNonce: number): Promise<CipherState> {
    return new CipherState(await importAeadKey(keyBytes), nextNonce);
  }

  /** How many messages this state has sealed or tried to open; a link renews its keys by it. */
  get messageCount(): number {
    return this.#nextNonce;
  }

  /**
   * Encrypts the next message. Calls may overlap: nonces follow the order of the calls, and the peer must receive the
   * results in that order, whichever is done first.
   * @param ad additional data, authenticated only; empty for transport messages
   * @param plaintext at most 65,519 bytes
   * @returns ciphertext || 16-byte tag
   * @throws {RangeError} when the plaintext is too long (the nonce stays free) or the key has sealed 2^25 messages
   */
  async encryptWithAd(ad: Bytes, plaintext: Bytes): Promise<Bytes> {
    if (plaintext.length > NOISE_PLAINTEXT_MAX_BYTES) {
      throw new RangeError(`Cannot encrypt: ${plaintext.length} bytes is above ${NOISE_PLAINTEXT_MAX_BYTES}`);
    }
    if (this.#nextNonce >= NONCE_COUNT_MAX) {
      throw new RangeError(`Cannot encrypt: the key has sealed ${NONCE_COUNT_MAX} messages`);
    }
    // Reserve before the first await: two overlapping calls must never share a nonce, and a failed call must not give
    // its nonce back.
    const nonce = this.#takeNonce();
    return await aeadSeal(this.#key, plaintext, { nonce, aad: ad });
  }

  /**
   * Verifies and decrypts the next message. Overlapping calls are served one after the other, in the order of the calls,
   * so that nothing is returned before everything in front of it has verified.
   *
   * A failure is fatal for the link: unlike Noise 5.1 this state does not go back to the nonce that failed, it refuses
   * every later message. Over a byte stream in order a message that does not verify means a forger or a broken peer,
   * and whatever came after it would be missing something in silence.
   * @param ad the additional data that it was sealed with
   * @param sealed ciphertext || 16-byte tag, at most 65,535 bytes; it must not change before the result is there
   * @returns the plaintext
   * @throws {DecodeError} when there is no room for a tag or the message is too long
   * @throws {AuthError} when the tag does not verify
   * @throws {ProtocolError} when an earlier message failed, or the peer has sealed 2^25 messages under the key
   */
  decryptWithAd(ad: Bytes, sealed: Bytes): Promise<Bytes> {
    return this.#opening.run(() => this.#open(ad, sealed));
  }

  async #open(ad: Bytes, sealed: Bytes): Promise<Bytes> {
    if (this.#isBroken) throw new ProtocolError("Cannot decrypt: an earlier message failed");
    this.#isBroken = true; // until this one has verified
    if (sealed.length < AEAD_TAG_BYTES || sealed.length > NOISE_MESSAGE_MAX_BYTES) {
      throw new DecodeError(
        `Cannot decrypt: ${sealed.length} bytes is not ${AEAD_TAG_BYTES} to ${NOISE_MESSAGE_MAX_BYTES}`,
      );
    }
    if (this.#nextNonce >= NONCE_COUNT_MAX) {
      throw new ProtocolError(`Cannot decrypt: the peer has sealed ${NONCE_COUNT_MAX} messages under one key`);
    }
    const nonce = this.#takeNonce();
    const plaintext = await aeadOpen(this.#key, sealed, { nonce, aad: ad });
    this.#isBroken = false;
    return plaintext;
  }

  #takeNonce(): Bytes {
    const nonce = concat(NONCE_PREFIX, u64be(this.#nextNonce));
    this.#nextNonce++;
    return nonce;
  }
}
