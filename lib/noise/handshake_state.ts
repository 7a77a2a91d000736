/**
 * HandshakeState (Noise 5.3): one interpreter that writes and reads the messages of a pattern, with the psk modifier of
 * Noise 9. Does no I/O: messages go in and out as bytes.
 *
 * ```text
 * initiator                             responder
 * writeMessage(payload1)  -- bytes -->  readMessage
 * readMessage             <-- bytes --  writeMessage(payload2)
 * (check remoteStatic here, before the third message tells who we are)
 * writeMessage(payload3)  -- bytes -->  readMessage
 * split()                               split()
 * ```
 *
 * Its law: a read that fails closes the handshake for ever, whatever failed, and so does a failure while writing; every
 * later call throws. A call out of turn, or while another one runs, throws and changes nothing.
 * @module
 */

import { assertNever, DecodeError, ProtocolError } from "../bytes/errors.ts";
import { ByteReader } from "../bytes/reader.ts";
import { type Bytes, concat } from "../bytes/writer.ts";
import { dh, DH_BYTES, type DhKeyPair, generateDhKeyPair } from "../crypto/dh.ts";
import type { RandomBytes } from "../crypto/random.ts";
import { type CipherState, NOISE_MESSAGE_MAX_BYTES } from "./cipher_state.ts";
import { type HandshakePattern, type Token, usesPsk } from "./patterns.ts";
import { fieldBytes, SymmetricState } from "./symmetric_state.ts";

/** Bytes of a pre-shared key (Noise 9.1). */
export const PSK_BYTES = 32;

/** Who dials is the initiator and writes first. */
export type HandshakeRole = "initiator" | "responder";

/** What one party brings to a handshake. */
export interface HandshakeOptions {
  /** Which messages, and what they carry. */
  readonly pattern: HandshakePattern;
  /** Which of the two parties we are. */
  readonly role: HandshakeRole;
  /** What both parties must agree on without sending it; a difference makes the first tag fail. */
  readonly prologue: Bytes;
  /** Our long-term pair. */
  readonly staticKeyPair: DhKeyPair;
  /** The shared secret, 32 bytes; there if and only if the pattern has a `psk` token. Not to be wiped before the end. */
  readonly psk?: Bytes;
  /** Where the ephemeral key comes from. */
  readonly random: RandomBytes;
}

/** The two directions of the link that a finished handshake makes. */
export interface TransportStates {
  /** Encrypts what we send. */
  readonly sending: CipherState;
  /** Decrypts what we receive. */
  readonly receiving: CipherState;
}

/** The life of a handshake; `working` while a call awaits `subtle`. */
type HandshakePhase = "toWrite" | "toRead" | "working" | "finished" | "split" | "closed";

/** What the person who debugs a link reads. */
const PHASE_TEXT: Readonly<Record<HandshakePhase, string>> = {
  toWrite: "it is our turn to write",
  toRead: "it is the peer's turn",
  working: "another call is running",
  finished: "the handshake is finished",
  split: "the handshake is split",
  closed: "an earlier step failed",
};

/** A handshake under way. */
export class HandshakeState {
  readonly #options: HandshakeOptions;
  readonly #isPskPattern: boolean;
  readonly #symmetric: SymmetricState;
  #phase: HandshakePhase;
  #messageIndex = 0;
  #ephemeral: DhKeyPair | undefined;
  #remoteEphemeral: Bytes | undefined;
  #remoteStatic: Bytes | undefined;
  #verifiedStatic: Bytes | undefined;

  private constructor(options: HandshakeOptions, symmetric: SymmetricState) {
    this.#options = options;
    this.#isPskPattern = usesPsk(options.pattern);
    this.#symmetric = symmetric;
    this.#phase = options.role === "initiator" ? "toWrite" : "toRead";
  }

  /**
   * Starts a handshake (Noise: `Initialize`).
   * @param options what we bring
   * @returns the state; the initiator writes first
   * @throws {RangeError} when the psk is missing, not 32 bytes, or given to a pattern without one
   */
  static async create(options: HandshakeOptions): Promise<HandshakeState> {
    const pskBytes = options.psk?.length ?? 0;
    const dueBytes = usesPsk(options.pattern) ? PSK_BYTES : 0;
    if (pskBytes !== dueBytes) {
      throw new RangeError(`Cannot start handshake: the psk has ${pskBytes} bytes, not ${dueBytes}`);
    }
    const symmetric = await SymmetricState.initialize(options.pattern.protocolName);
    await symmetric.mixHash(options.prologue);
    return new HandshakeState(options, symmetric);
  }

  /** Whether all messages have been written and read; the next call is `split()`. */
  get isFinished(): boolean {
    return this.#phase === "finished" || this.#phase === "split";
  }

  /** The peer's static key, 32 bytes, as soon as the message that carries it has been read whole and verified. */
  get remoteStatic(): Bytes | undefined {
    return this.#verifiedStatic?.slice();
  }

  /**
   * The hash of the whole handshake, 32 bytes, equal on both sides and in no other handshake; binds what runs on top
   * (Noise 11.2). Reading it earlier throws a `ProtocolError`.
   */
  get handshakeHash(): Bytes {
    if (!this.isFinished) throw new ProtocolError("Cannot give handshake hash: the handshake is not finished");
    return this.#symmetric.handshakeHash();
  }

  /**
   * Writes our next message.
   * @param payload what to carry, perhaps empty; clear in the first message, encrypted from the second on
   * @returns at most 65,535 bytes to send
   * @throws {ProtocolError} when it is not our turn, the handshake is over or closed
   * @throws {RangeError} when the message would be too long; nothing has changed then
   * @throws {AuthError} when the peer's key has a small order; the handshake is closed then
   */
  async writeMessage(payload: Bytes): Promise<Bytes> {
    this.#demand("toWrite", "write message");
    const lengthBytes = this.#overheadBytes() + payload.length;
    if (lengthBytes > NOISE_MESSAGE_MAX_BYTES) {
      throw new RangeError(`Cannot write message: ${lengthBytes} bytes is above ${NOISE_MESSAGE_MAX_BYTES}`);
    }
    return await this.#work("toRead", async () => {
      const fields: Bytes[] = [];
      await this.#walk(async (key) => {
        fields.push(key === "e" ? await this.#writeEphemeral() : await this.#writeStatic());
      });
      fields.push(await this.#symmetric.encryptAndHash(payload));
      return concat(...fields);
    });
  }

  /**
   * Reads the peer's next message. If it fails, the handshake is closed for ever.
   * @param message the bytes as received
   * @returns the payload, perhaps empty; authenticated from the second message on
   * @throws {ProtocolError} when it is not the peer's turn, the handshake is over or closed
   * @throws {DecodeError} when the message is too short for its pattern or too long
   * @throws {AuthError} when a tag does not verify or a key has a small order
   */
  async readMessage(message: Bytes): Promise<Bytes> {
    this.#demand("toRead", "read message");
    return await this.#work("toWrite", async () => {
      const leastBytes = this.#overheadBytes();
      if (message.length < leastBytes || message.length > NOISE_MESSAGE_MAX_BYTES) {
        throw new DecodeError(
          `Cannot read handshake message: ${message.length} bytes is not ${leastBytes} to ${NOISE_MESSAGE_MAX_BYTES}`,
        );
      }
      const reader = new ByteReader(message, "handshake message");
      await this.#walk((key) => key === "e" ? this.#readEphemeral(reader) : this.#readStatic(reader));
      return await this.#symmetric.decryptAndHash(reader.rest());
    });
  }

  /**
   * Makes the two transport states, once: a second pair would count through the same nonces under the same keys.
   * @returns our two directions
   * @throws {ProtocolError} when the handshake is not finished, or already split
   */
  async split(): Promise<TransportStates> {
    this.#demand("finished", "split");
    this.#phase = "split"; // before the first await: an overlapping call must not get the same keys
    const [fromInitiator, fromResponder] = await this.#symmetric.split();
    return this.#options.role === "initiator"
      ? { sending: fromInitiator, receiving: fromResponder }
      : { sending: fromResponder, receiving: fromInitiator };
  }

  #demand(due: HandshakePhase, action: string): void {
    if (this.#phase !== due) throw new ProtocolError(`Cannot ${action}: ${PHASE_TEXT[this.#phase]}`);
  }

  /** Runs one message from start to end: no call may come between, and a failure closes the handshake. */
  async #work(next: "toWrite" | "toRead", step: () => Promise<Bytes>): Promise<Bytes> {
    this.#phase = "working";
    let isDone = false;
    try {
      const result = await step();
      this.#verifiedStatic = this.#remoteStatic; // only now: its own tag says less than the whole message
      isDone = true;
      return result;
    } finally {
      this.#messageIndex++;
      const isLast = this.#messageIndex === this.#options.pattern.messages.length;
      this.#phase = !isDone ? "closed" : isLast ? "finished" : next;
    }
  }

  get #tokens(): readonly Token[] {
    const tokens = this.#options.pattern.messages[this.#messageIndex];
    if (tokens === undefined) throw new TypeError(`Cannot continue: the pattern has no message ${this.#messageIndex}`);
    return tokens;
  }

  /** How long the current message is around its payload. */
  #overheadBytes(): number {
    let hasKey = this.#symmetric.hasKey;
    let lengthBytes = 0;
    for (const token of this.#tokens) {
      if (token === "e") lengthBytes += DH_BYTES;
      else if (token === "s") lengthBytes += fieldBytes(DH_BYTES, hasKey);
      hasKey ||= token === "e" ? this.#isPskPattern : token !== "s";
    }
    return lengthBytes + fieldBytes(0, hasKey);
  }

  /** Interprets the current message; reading and writing differ only in what they do with the keys that it carries. */
  async #walk(carry: (key: "e" | "s") => Promise<void>): Promise<void> {
    for (const token of this.#tokens) {
      switch (token) {
        case "e":
        case "s":
          await carry(token);
          break;
        case "ee":
        case "es":
        case "se":
          await this.#symmetric.mixKey(await this.#dh(token));
          break;
        case "psk":
          await this.#symmetric.mixKeyAndHash(present(this.#options.psk));
          break;
        default:
          assertNever(token);
      }
    }
  }

  /** Combines the initiator's key that the first letter names with the responder's that the second names. */
  #dh(token: "ee" | "es" | "se"): Promise<Bytes> {
    const isInitiator = this.#options.role === "initiator";
    const [own, theirs] = isInitiator ? [token[0], token[1]] : [token[1], token[0]];
    return dh(
      own === "e" ? present(this.#ephemeral) : this.#options.staticKeyPair,
      present(theirs === "e" ? this.#remoteEphemeral : this.#remoteStatic),
    );
  }

  async #writeEphemeral(): Promise<Bytes> {
    this.#ephemeral = await generateDhKeyPair(this.#options.random);
    await this.#mixEphemeral(this.#ephemeral.publicBytes);
    return this.#ephemeral.publicBytes;
  }

  async #readEphemeral(reader: ByteReader): Promise<void> {
    this.#remoteEphemeral = reader.take(DH_BYTES);
    await this.#mixEphemeral(this.#remoteEphemeral);
  }

  async #mixEphemeral(publicBytes: Bytes): Promise<void> {
    await this.#symmetric.mixHash(publicBytes);
    // Without fresh input the key of a psk pattern could be the same in two handshakes (Noise 9.2).
    if (this.#isPskPattern) await this.#symmetric.mixKey(publicBytes);
  }

  #writeStatic(): Promise<Bytes> {
    return this.#symmetric.encryptAndHash(this.#options.staticKeyPair.publicBytes);
  }

  async #readStatic(reader: ByteReader): Promise<void> {
    const field = reader.take(fieldBytes(DH_BYTES, this.#symmetric.hasKey));
    this.#remoteStatic = await this.#symmetric.decryptAndHash(field);
  }
}

/** A key that the pattern's order guarantees; its absence is a bug in the pattern. */
function present<T>(key: T | undefined): T {
  if (key === undefined) throw new TypeError("Cannot continue handshake: the pattern uses a key before it is there");
  return key;
}
