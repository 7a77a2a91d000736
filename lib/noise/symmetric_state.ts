/**
 * SymmetricState (Noise 5.2): the chaining key `ck`, the hash `h` of everything seen so far, and, once a secret has
 * been mixed in, the key that encrypts the rest of the handshake. Does no I/O.
 *
 * It works in place and across awaits: only `HandshakeState`, which never lets two calls overlap and is closed by the
 * first failure, may use one.
 * @module
 */

import { type Bytes, concat, utf8 } from "../bytes/writer.ts";
import { AEAD_TAG_BYTES } from "../crypto/aead.ts";
import { sha256, SHA256_BYTES } from "../crypto/hash.ts";
import { hkdf } from "../crypto/kdf.ts";
import { CipherState } from "./cipher_state.ts";

/** Noise gives HKDF no label: its chaining key is bound to the protocol by its name (Noise 4.3). */
const NO_INFO = new Uint8Array(0);

/** The hashing and encrypting half of a handshake. */
export class SymmetricState {
  #chainingKey: Bytes;
  #hash: Bytes;
  #cipher: CipherState | undefined;

  private constructor(hash: Bytes) {
    this.#chainingKey = hash;
    this.#hash = hash;
  }

  /**
   * Starts a handshake (Noise: `InitializeSymmetric`).
   * @param protocolName ASCII; up to 32 bytes stand as they are, filled with zeros, a longer name is hashed
   * @returns the state, without a key
   */
  static async initialize(protocolName: string): Promise<SymmetricState> {
    const nameBytes = utf8(protocolName);
    if (nameBytes.length > SHA256_BYTES) return new SymmetricState(await sha256(nameBytes));
    return new SymmetricState(concat(nameBytes, new Uint8Array(SHA256_BYTES - nameBytes.length)));
  }

  /** Whether a key is there, so that what follows is encrypted and grows by a tag. */
  get hasKey(): boolean {
    return this.#cipher !== undefined;
  }

  /**
   * Gives the hash of the handshake so far (Noise: `GetHandshakeHash`).
   * @returns a copy, 32 bytes
   */
  handshakeHash(): Bytes {
    return this.#hash.slice();
  }

  /**
   * Mixes a secret into the key.
   * @param inputKey 32 bytes: a Diffie-Hellman result, or an ephemeral public key in a psk pattern
   */
  async mixKey(inputKey: Bytes): Promise<void> {
    const [chainingKey, key] = await this.#derive(inputKey, 2);
    this.#chainingKey = chainingKey as Bytes;
    this.#cipher = await CipherState.fromKey(key as Bytes);
  }

  /**
   * Mixes public bytes into the hash.
   * @param data any length
   */
  async mixHash(data: Bytes): Promise<void> {
    this.#hash = await sha256(concat(this.#hash, data));
  }

  /**
   * Mixes a secret into the key and into the hash.
   * @param inputKey 32 bytes: the pre-shared key
   */
  async mixKeyAndHash(inputKey: Bytes): Promise<void> {
    const [chainingKey, hashInput, key] = await this.#derive(inputKey, 3);
    this.#chainingKey = chainingKey as Bytes;
    await this.mixHash(hashInput as Bytes);
    this.#cipher = await CipherState.fromKey(key as Bytes);
  }

  /**
   * Encrypts a field, if a key is there, and hashes what goes out.
   * @param plaintext the field
   * @returns what to send: the ciphertext and its tag, or the plaintext itself
   */
  async encryptAndHash(plaintext: Bytes): Promise<Bytes> {
    const field = this.#cipher === undefined ? plaintext : await this.#cipher.encryptWithAd(this.#hash, plaintext);
    await this.mixHash(field);
    return field;
  }

  /**
   * Decrypts a field, if a key is there, and hashes what came in.
   * @param field what was received
   * @returns the plaintext
   * @throws {DecodeError} when there is no room for a tag
   * @throws {AuthError} when the tag does not verify
   */
  async decryptAndHash(field: Bytes): Promise<Bytes> {
    const plaintext = this.#cipher === undefined ? field : await this.#cipher.decryptWithAd(this.#hash, field);
    await this.mixHash(field);
    return plaintext;
  }

  /**
   * Derives the two transport keys.
   * @returns the initiator's sending state, then the responder's
   */
  async split(): Promise<readonly [CipherState, CipherState]> {
    const [first, second] = await this.#derive(new Uint8Array(0), 2);
    return [await CipherState.fromKey(first as Bytes), await CipherState.fromKey(second as Bytes)];
  }

  /** The HKDF of Noise 4.3 is RFC 5869 with the chaining key as salt and an empty label. */
  async #derive(inputKey: Bytes, count: 2 | 3): Promise<Bytes[]> {
    const lengthBytes = count * SHA256_BYTES;
    const output = await hkdf(inputKey, { salt: this.#chainingKey, info: NO_INFO, lengthBytes });
    return Array.from({ length: count }, (_, i) => output.slice(i * SHA256_BYTES, (i + 1) * SHA256_BYTES));
  }
}

/**
 * Tells how long a field is on the wire.
 * @param lengthBytes its plaintext
 * @param hasKey whether it is encrypted
 * @returns that length, with a tag if there is one
 */
export function fieldBytes(lengthBytes: number, hasKey: boolean): number {
  return lengthBytes + (hasKey ? AEAD_TAG_BYTES : 0);
}
