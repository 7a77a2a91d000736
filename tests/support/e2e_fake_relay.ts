/**
 * Something that speaks the handshake as a relay does, with what a test gives it, and writes down what it is told. Who
 * is refused by a client before it says who it is has heard one message: an ephemeral key.
 * @module
 */

import type { Bytes } from "../../lib/bytes/writer.ts";
import { type DhKeyPair, generateDhKeyPair } from "../../lib/crypto/dh.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { HandshakeState } from "../../lib/noise/handshake_state.ts";
import { XX } from "../../lib/noise/patterns.ts";
import { encodeFrame, FrameDecoder, HANDSHAKE_FRAME_MAX_BYTES } from "../../lib/wire/frame.ts";

/** What a fake relay says. */
export interface FakeRelayOptions {
  /** The Noise prologue. */
  readonly prologue: Bytes;
  /** The payload of the second handshake message. */
  readonly hello: Bytes;
}

/** A listening fake. */
export class FakeRelay {
  /** The frames that it heard after its answer: with any, it learned who calls. */
  readonly heardAfterAnswer: Bytes[] = [];
  /** How many callers got an answer. */
  answered = 0;
  readonly #listener: Deno.TcpListener;
  readonly #keys: DhKeyPair;
  readonly #options: FakeRelayOptions;
  readonly #running: Promise<void>;
  readonly #conns = new Set<Deno.TcpConn>();

  private constructor(keys: DhKeyPair, options: FakeRelayOptions) {
    this.#keys = keys;
    this.#options = options;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#running = this.#accept();
  }

  /**
   * Begins to listen on a free port of 127.0.0.1.
   * @param options what it says
   * @returns the fake
   */
  static async listen(options: FakeRelayOptions): Promise<FakeRelay> {
    return new FakeRelay(await generateDhKeyPair(), options);
  }

  /** Where clients reach it. */
  get port(): number {
    return this.#listener.addr.port;
  }

  /** Stops and waits until all callers are gone. */
  async close(): Promise<void> {
    this.#listener.close();
    for (const conn of this.#conns) conn.close();
    await this.#running;
  }

  async #accept(): Promise<void> {
    const serving: Promise<void>[] = [];
    while (true) {
      const conn = await this.#listener.accept().catch(() => undefined);
      if (conn === undefined) break;
      this.#conns.add(conn);
      serving.push(this.#serve(conn).catch(() => {}));
    }
    await Promise.all(serving);
  }

  async #serve(conn: Deno.TcpConn): Promise<void> {
    const noise = await HandshakeState.create({
      pattern: XX,
      role: "responder",
      prologue: this.#options.prologue,
      staticKeyPair: this.#keys,
      random: secureRandom,
    });
    const frames = new FrameDecoder(HANDSHAKE_FRAME_MAX_BYTES);
    const buffer = new Uint8Array(4_096);
    let hasAnswered = false;
    for (let count = await conn.read(buffer); count !== null; count = await conn.read(buffer)) {
      frames.push(buffer.slice(0, count));
      for (let frame = frames.next(); frame !== undefined; frame = frames.next()) {
        if (hasAnswered) this.heardAfterAnswer.push(frame);
        else {
          await noise.readMessage(frame);
          await conn.write(encodeFrame(await noise.writeMessage(this.#options.hello)));
          hasAnswered = true;
          this.answered++;
        }
      }
    }
    this.#conns.delete(conn);
    conn.close();
  }
}
