/**
 * The handshake of a link: Noise XX or XXpsk3, with what both sides say of themselves inside it, and the judgement over
 * the other side (PROTOCOL 2.2, 2.3). Does no I/O: whole Noise messages in and out.
 *
 *     initiator                           responder
 *     start() gives message 1             start()
 *                                         read(message 1) -> reply
 *     read(message 2) -> finished         (the listener is judged before message 3 exists)
 *                                         read(message 3) -> finished, or turnedAway
 *
 * With a psk (a private relay) message 2 says nothing but the listener's key. The initiator pins that, and hears who the
 * listener is only when the listener has seen that it holds the psk:
 *
 *     read(message 2) -> proved           (pinned before message 3 exists)
 *                                         read(message 3) -> finished, or turnedAway; then `greeting` is the first record
 *     readGreeting(first record)          (the listener is judged)
 *
 * Who calls without a psk is answered in plain XX with an empty card, which says "by invitation only", and no further.
 * @module
 */

import { AuthError, DecodeError, ProtocolError, UserError } from "../bytes/errors.ts";
import type { Bytes } from "../bytes/writer.ts";
import { DH_BYTES, type DhKeyPair } from "../crypto/dh.ts";
import { type RandomBytes, secureRandom } from "../crypto/random.ts";
import { HandshakeState, type TransportStates } from "../noise/handshake_state.ts";
import { XX, XX_PSK3 } from "../noise/patterns.ts";
import { decodeHello, encodeHello, type Hello, linkPrologue, type ListenerRole, PROTOCOL_VERSION } from "./hello.ts";

/** What the other side of a handshake has shown. */
export interface Remote {
  /** Its static key, proved by the handshake. */
  readonly staticPublic: Bytes;
  /** What it says of itself. */
  readonly hello: Hello;
}

/** What one side brings to a handshake. */
export interface LinkHandshakeOptions<Peer> {
  /** Who dials is the initiator. */
  readonly role: "initiator" | "responder";
  /** What the listening side is. */
  readonly listener: ListenerRole;
  /** Our long-term pair for Noise. */
  readonly staticKeyPair: DhKeyPair;
  /** Our certificate, or the relay's name. */
  readonly card: Bytes;
  /** The shared secret of a private relay, 32 bytes. */
  readonly psk?: Bytes;
  /**
   * Checks the listener's static key between messages 2 and 3; an initiator with a psk needs it, for `authenticate` is
   * asked only after message 3 then.
   * @throws {UserError} when it is another key than the one that the invitation names
   */
  readonly pin?: (staticPublic: Bytes) => Promise<void>;
  /**
   * Decides whether the other side may go on. The initiator asks between Noise messages 2 and 3, so that a middleman
   * never learns who is calling, and with a psk when the listener's greeting came; the responder after message 3.
   * @throws {UserError} to refuse with a reason that the peer of a finished handshake is told
   * @throws {AuthError} to refuse without one
   */
  readonly authenticate: (remote: Remote) => Promise<Peer>;
  /** Where the ephemeral key comes from. */
  readonly random?: RandomBytes;
}

/** What became of a message. */
export type HandshakeStep<Peer> =
  /** The answer to it; the handshake goes on. */
  | { readonly kind: "reply"; readonly message: Bytes }
  /** The listener's key is pinned; `message` is the last one, and the listener's first record is a greeting. */
  | { readonly kind: "proved"; readonly transport: TransportStates; readonly message: Bytes }
  /** The other side is accepted. `message` is the last one, still to be sent, if it is ours. */
  | {
    readonly kind: "finished";
    readonly peer: Peer;
    readonly transport: TransportStates;
    readonly message: Bytes | undefined;
  }
  /** The caller is refused, but the channel stands: it can be told why, in private, before it is closed. */
  | { readonly kind: "turnedAway"; readonly error: Error; readonly transport: TransportStates };

/** One side of a handshake. */
export class LinkHandshake<Peer> {
  readonly #options: LinkHandshakeOptions<Peer>;
  readonly #noise: HandshakeState;
  #hasAnswered = false;
  #isUninvited = false;

  private constructor(options: LinkHandshakeOptions<Peer>, noise: HandshakeState) {
    this.#options = options;
    this.#noise = noise;
  }

  /**
   * Begins a handshake.
   * @param options keys, card and how to judge the other side
   * @returns the handshake, and the message that an initiator sends first
   */
  static async start<Peer>(
    options: LinkHandshakeOptions<Peer>,
  ): Promise<{ handshake: LinkHandshake<Peer>; message: Bytes | undefined }> {
    if (options.role === "initiator" && options.psk !== undefined && options.pin === undefined) {
      throw new TypeError("Cannot start handshake: a psk without a pin would show the caller to anybody");
    }
    const noise = await noiseOf(options, options.psk);
    const message = options.role === "initiator" ? await noise.writeMessage(new Uint8Array(0)) : undefined;
    return { handshake: new LinkHandshake(options, noise), message };
  }

  /**
   * Reads the other side's next message.
   * @param message the bytes of a frame
   * @returns what became of it
   * @throws {DecodeError} when it is malformed
   * @throws {AuthError} when a tag, a key or the judgement of `authenticate` says no
   * @throws {ProtocolError} when message 1 carries a payload, or message 2 one beside a psk, or nobody was invited
   * @throws {UserError} when the listener is refused with a reason, another version among them
   */
  async read(message: Bytes): Promise<HandshakeStep<Peer>> {
    if (this.#isUninvited) throw new ProtocolError("Cannot read handshake: the caller has no invitation");
    // In plain XX the first message is a key alone; with a psk a tag follows.
    const { role, psk } = this.#options;
    if (role === "responder" && psk !== undefined && !this.#hasAnswered && message.length === DH_BYTES) {
      return await this.#answerUninvited(message);
    }
    const payload = await this.#noise.readMessage(message);
    if (role === "initiator") {
      if (psk !== undefined) return await this.#pin(payload);
      // Message 2 was read: judge the listener before it learns who we are.
      const peer = await this.#judge(payload);
      const last = await this.#noise.writeMessage(this.#hello());
      return { kind: "finished", peer, transport: await this.#noise.split(), message: last };
    }
    if (!this.#noise.isFinished) {
      if (payload.length !== 0) throw new ProtocolError("Cannot read handshake: message 1 carries a payload");
      this.#hasAnswered = true;
      const hello = psk === undefined ? this.#hello() : new Uint8Array(0);
      return { kind: "reply", message: await this.#noise.writeMessage(hello) };
    }
    return await this.#judgeCaller(payload);
  }

  /** The hash of the whole handshake, 32 bytes; a `ProtocolError` before it is finished. */
  get hash(): Bytes {
    return this.#noise.handshakeHash;
  }

  /** What a responder with a psk says as its first record, whether or not it accepts the caller. */
  get greeting(): Bytes | undefined {
    return this.#options.role === "responder" && this.#options.psk !== undefined ? this.#hello() : undefined;
  }

  /**
   * Reads the listener's greeting, after `proved`.
   * @param greeting the plaintext of its first record
   * @returns who it is
   * @throws {DecodeError} when it is malformed
   * @throws {AuthError} when `authenticate` says no
   * @throws {UserError} when it is refused with a reason, another version among them
   */
  async readGreeting(greeting: Bytes): Promise<Peer> {
    return await this.#judge(greeting);
  }

  async #pin(payload: Bytes): Promise<HandshakeStep<Peer>> {
    if (payload.length !== 0) throw new ProtocolError("Cannot read handshake: message 2 carries a payload");
    const staticPublic = this.#noise.remoteStatic;
    const { pin } = this.#options;
    if (staticPublic === undefined || pin === undefined) throw new TypeError("Cannot pin: there is no key or no pin");
    await pin(staticPublic);
    const message = await this.#noise.writeMessage(this.#hello());
    return { kind: "proved", transport: await this.#noise.split(), message };
  }

  /** Tells a caller without an invitation that it takes one: our key and version, as anybody learns, and no name. */
  async #answerUninvited(message: Bytes): Promise<HandshakeStep<Peer>> {
    this.#isUninvited = true;
    const plain = await noiseOf(this.#options, undefined);
    await plain.readMessage(message);
    const hello = encodeHello({ version: PROTOCOL_VERSION, card: new Uint8Array(0) });
    return { kind: "reply", message: await plain.writeMessage(hello) };
  }

  async #judgeCaller(payload: Bytes): Promise<HandshakeStep<Peer>> {
    let peer: Peer;
    try {
      peer = await this.#judge(payload);
    } catch (error) {
      if (!isPeersFault(error)) throw error;
      return { kind: "turnedAway", error, transport: await this.#noise.split() };
    }
    return { kind: "finished", peer, transport: await this.#noise.split(), message: undefined };
  }

  async #judge(payload: Bytes): Promise<Peer> {
    const hello = decodeHello(payload);
    if (hello.version !== PROTOCOL_VERSION) {
      throw new UserError(
        "wrongVersion",
        `The other side speaks version ${hello.version} of the protocol, this is version ${PROTOCOL_VERSION}`,
        "Use the same release of Sotto on both machines.",
      );
    }
    const staticPublic = this.#noise.remoteStatic;
    if (staticPublic === undefined) throw new TypeError("Cannot judge: the handshake shows no static key");
    return await this.#options.authenticate({ staticPublic, hello });
  }

  #hello(): Bytes {
    return encodeHello({ version: PROTOCOL_VERSION, card: this.#options.card });
  }
}

function noiseOf<Peer>(options: LinkHandshakeOptions<Peer>, psk: Bytes | undefined): Promise<HandshakeState> {
  const { listener, random = secureRandom, role, staticKeyPair } = options;
  return HandshakeState.create({
    pattern: psk === undefined ? XX : XX_PSK3,
    role,
    prologue: linkPrologue(listener),
    staticKeyPair,
    random,
    ...(psk === undefined ? {} : { psk }),
  });
}

/**
 * Tells errors that the other side brought about from bugs of ours.
 * @param error anything thrown
 * @returns whether the link is to be ended for it
 */
export function isPeersFault(error: unknown): error is Error {
  return error instanceof DecodeError || error instanceof ProtocolError || error instanceof AuthError ||
    error instanceof UserError;
}
