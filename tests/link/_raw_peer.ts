/**
 * A peer that holds the keys but is not bound by `Link`: it says whatever a test wants, in the handshake and after it.
 */

import type { Bytes } from "../../lib/bytes/writer.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { encodeHello, linkPrologue, PROTOCOL_VERSION } from "../../lib/link/hello.ts";
import { HandshakeState, type TransportStates } from "../../lib/noise/handshake_state.ts";
import { XX } from "../../lib/noise/patterns.ts";
import { encodeFrame, FRAME_HEAD_BYTES } from "../../lib/wire/frame.ts";
import { decodePacket, decodeRun, encodeRun, type RawPacket } from "../../lib/wire/packet.ts";
import { CARDS, type EndOptions, KEYS, LinkEndpoint, type Side, START_MS } from "../support/link_pair.ts";

const EMPTY = new Uint8Array(0);

/** What a raw peer says in the handshake. */
export interface RawOptions {
  /** The payload of its message 1, 2 or 3 instead of the honest one. */
  readonly payloads?: readonly [Bytes?, Bytes?, Bytes?];
  /** Changes the link at the other end. */
  readonly link?: EndOptions;
}

/** A raw peer and the link that it talks to. */
export class RawPeer {
  readonly end: LinkEndpoint;
  readonly #noise: HandshakeState;
  #transport: TransportStates | undefined;

  private constructor(end: LinkEndpoint, noise: HandshakeState) {
    this.end = end;
    this.#noise = noise;
  }

  /** Shakes hands as `side` with a link at the other end, as far as the link goes along. */
  static async shake(side: Side, options: RawOptions = {}): Promise<RawPeer> {
    const end = new LinkEndpoint(side === "initiator" ? "responder" : "initiator", options.link);
    const noise = await HandshakeState.create({
      pattern: XX,
      role: side,
      prologue: linkPrologue("relay"),
      staticKeyPair: KEYS[side],
      random: secureRandom,
    });
    const peer = new RawPeer(end, noise);
    await end.handle({ kind: "start", nowMs: START_MS });
    const hello = encodeHello({ version: PROTOCOL_VERSION, card: CARDS[side] });
    const [first = EMPTY, second = hello, third = hello] = options.payloads ?? [];
    if (side === "responder") {
      await peer.#read();
      await peer.feed(encodeFrame(await noise.writeMessage(second)));
      if (end.link.state === "open") await peer.#read();
    } else {
      await peer.feed(encodeFrame(await noise.writeMessage(first)));
      if (end.link.state === "closed") return peer;
      await peer.#read();
      await peer.feed(encodeFrame(await noise.writeMessage(third)));
    }
    if (noise.isFinished) peer.#transport = await noise.split();
    return peer;
  }

  /** Lets bytes arrive at the link. */
  async feed(bytes: Uint8Array): Promise<void> {
    await this.end.handle({ kind: "received", bytes, nowMs: START_MS });
  }

  /** Seals one record, of a run of packets or of any plaintext. */
  async seal(content: readonly Uint8Array[] | Bytes): Promise<Bytes> {
    const plaintext = content instanceof Uint8Array ? content : encodeRun(content);
    return encodeFrame(await this.#transportStates.sending.encryptWithAd(EMPTY, plaintext));
  }

  /** Opens all records that the link writes. */
  async hear(): Promise<RawPacket[]> {
    const packets: RawPacket[] = [];
    for (const frame of await this.end.pull()) {
      const run = await this.#transportStates.receiving.decryptWithAd(EMPTY, frame.slice(FRAME_HEAD_BYTES));
      packets.push(...decodeRun(run).map(decodePacket));
    }
    return packets;
  }

  get #transportStates(): TransportStates {
    if (this.#transport === undefined) throw new TypeError("Cannot use raw peer: the handshake is not finished");
    return this.#transport;
  }

  async #read(): Promise<void> {
    for (const frame of await this.end.pull()) await this.#noise.readMessage(frame.slice(FRAME_HEAD_BYTES));
  }
}
