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
 * @module
 */

import { AuthError, DecodeError, ProtocolError, UserError } from "../bytes/errors.ts";
import type { Bytes } from "../bytes/writer.ts";
import type { DhKeyPair } from "../crypto/dh.ts";
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
   * Decides whether the other side may go on. The initiator asks between Noise messages 2 and 3, so that a middleman
   * never learns who is calling; the responder after message 3.
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
    const { listener, psk, random = secureRandom, role, staticKeyPair } = options;
    const noise = await HandshakeState.create({
      pattern: psk === undefined ? XX : XX_PSK3,
      role,
      prologue: linkPrologue(listener),
      staticKeyPair,
      random,
      ...(psk === undefined ? {} : { psk }),
    });
    const message = role === "initiator" ? await noise.writeMessage(new Uint8Array(0)) : undefined;
    return { handshake: new LinkHandshake(options, noise), message };
  }

  /**
   * Reads the other side's next message.
   * @param message the bytes of a frame
   * @returns what became of it
   * @throws {DecodeError} when it is malformed
   * @throws {AuthError} when a tag, a key or the judgement of `authenticate` says no
   * @throws {ProtocolError} when message 1 carries a payload
   * @throws {UserError} when the listener is refused with a reason, another version among them
   */
  async read(message: Bytes): Promise<HandshakeStep<Peer>> {
    const payload = await this.#noise.readMessage(message);
    if (this.#options.role === "initiator") {
      // Message 2 was read: judge the listener before it learns who we are.
      const peer = await this.#judge(payload);
      const last = await this.#noise.writeMessage(this.#hello());
      return { kind: "finished", peer, transport: await this.#noise.split(), message: last };
    }
    if (!this.#noise.isFinished) {
      if (payload.length !== 0) throw new ProtocolError("Cannot read handshake: message 1 carries a payload");
      return { kind: "reply", message: await this.#noise.writeMessage(this.#hello()) };
    }
    return await this.#judgeCaller(payload);
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

/**
 * Tells errors that the other side brought about from bugs of ours.
 * @param error anything thrown
 * @returns whether the link is to be ended for it
 */
export function isPeersFault(error: unknown): error is Error {
  return error instanceof DecodeError || error instanceof ProtocolError || error instanceof AuthError ||
    error instanceof UserError;
}
