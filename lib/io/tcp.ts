/**
 * Runs a link over a TCP connection: one reader that feeds it, one writer that drains it, one timer. Nothing here ever
 * waits for a peer but these loops; `send` only puts a packet into the bounded outbox.
 * @module
 */

import type { Bytes } from "../bytes/writer.ts";
import { Mutex } from "../crypto/mutex.ts";
import type { Link, LinkEffect, LinkEnd, LinkInput } from "../link/link.ts";
import type { RawPacket } from "../wire/packet.ts";
import { nowMs } from "./clock.ts";

/** One read from the socket: a whole frame fits, and a flood is taken in bites. */
const READ_BUFFER_BYTES = 65_536;
/** How many records may be sealed ahead of the socket: enough to keep `subtle` busy while a write is under way. */
const WRITE_PIPELINE_DEPTH = 4;
/** How long the last words may take to leave, and the peer to hang up, once a link is over. */
const LINGER_MS = 1_000;

/** What the owner of a link wants to hear. */
export interface LinkHooks<Peer> {
  /** The other side is authenticated. */
  readonly opened: (peer: Peer) => void;
  /**
   * A packet arrived; the next bytes are read when this has returned.
   * @throws {DecodeError} to end the link: the packet is none that the owner understands
   */
  readonly packet: (packet: RawPacket) => void | Promise<void>;
  /** All that waited was handed to the socket. */
  readonly drained?: () => void;
  /** It is over; called once. */
  readonly ended: (end: LinkEnd) => void;
}

/** A link and the connection under it. */
export class TcpLink<Peer> {
  /** Resolves when the connection is closed and nothing of it is left. */
  readonly finished: Promise<void>;
  readonly #conn: Deno.Conn;
  readonly #link: Link<Peer>;
  readonly #hooks: LinkHooks<Peer>;
  readonly #turns = new Mutex();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #wakeWriter: () => void = () => {};
  #hasEnded = false;
  #isHungUp = false;

  /**
   * Takes over a connection and begins the handshake.
   * @param conn an open connection; closed when the link is over
   * @param link a link that has not begun
   * @param hooks what to call
   */
  constructor(conn: Deno.Conn, link: Link<Peer>, hooks: LinkHooks<Peer>) {
    this.#conn = conn;
    this.#link = link;
    this.#hooks = hooks;
    this.finished = this.#run();
  }

  /** Whether packets may be sent. */
  get isOpen(): boolean {
    return this.#link.state === "open";
  }

  /**
   * Adds a packet to what waits.
   * @param packet an encoded packet
   * @returns `false`, and the packet is not taken, when the link is not open or its outbox is full
   */
  send(packet: Bytes): boolean {
    const isTaken = this.#link.enqueue(packet);
    if (isTaken) this.#wakeWriter();
    return isTaken;
  }

  /**
   * Ends the link: what waits is still sent, then `bye`; the hook `ended` hears `closed`.
   * @param code a short name for machines
   * @param message a sentence for people
   */
  close(code: string, message: string): void {
    if (this.#hasEnded) return;
    this.#link.close(code, message);
    this.#end({ kind: "closed" });
    this.#wakeWriter();
  }

  async #run(): Promise<void> {
    const writing = this.#write();
    await this.#turn({ kind: "start", nowMs: nowMs() });
    await this.#read();
    clearTimeout(this.#timer);
    this.#wakeWriter();
    await writing;
    this.#hangUp();
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(READ_BUFFER_BYTES);
    while (!this.#isHungUp) {
      const lengthBytes = await this.#conn.read(buffer).catch(() => null); // a reset is an end like any other
      if (lengthBytes === null) break;
      await this.#turn({ kind: "received", bytes: buffer.slice(0, lengthBytes), nowMs: nowMs() });
    }
    this.#isHungUp = true;
    await this.#turn({ kind: "ended", nowMs: nowMs() });
  }

  /** Gives the link one input and does what it says; turns never overlap. */
  #turn(input: LinkInput): Promise<void> {
    return this.#turns.run(async () => {
      for (const effect of await this.#link.handle(input)) await this.#perform(effect);
    });
  }

  async #perform(effect: LinkEffect<Peer>): Promise<void> {
    switch (effect.kind) {
      case "opened":
        if (!this.#hasEnded) this.#hooks.opened(effect.peer);
        return;
      case "deliver":
        if (!this.#hasEnded) await this.#deliver(effect.packet);
        return;
      case "writable":
        return this.#wakeWriter();
      case "wakeAt":
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.#turn({ kind: "tick", nowMs: nowMs() }), effect.atMs - nowMs());
        return;
      case "ended":
        this.#end(effect.end);
        this.#wakeWriter();
    }
  }

  async #deliver(packet: RawPacket): Promise<void> {
    try {
      await this.#hooks.packet(packet);
    } catch (error) {
      if (!(error instanceof Error && error.name === "DecodeError")) throw error;
      this.#link.close("protocol", error.message);
      this.#end({ kind: "refused", stage: "open", error });
      this.#wakeWriter();
    }
  }

  async #write(): Promise<void> {
    const pending: Promise<Bytes>[] = [];
    while (true) {
      while (pending.length < WRITE_PIPELINE_DEPTH) {
        const next = this.#link.nextWrite();
        if (next === undefined) break;
        pending.push(next);
      }
      const bytes = await pending.shift();
      if (bytes !== undefined) {
        if (!await this.#writeAll(bytes)) return;
      } else if (this.#hasEnded || this.#isHungUp) {
        return await this.#finishWriting();
      } else {
        this.#hooks.drained?.();
        if (this.#link.isDrained && !this.#hasEnded && !this.#isHungUp) {
          await new Promise<void>((resolve) => this.#wakeWriter = resolve);
        }
      }
    }
  }

  async #writeAll(bytes: Bytes): Promise<boolean> {
    let offset = 0;
    while (offset < bytes.length) {
      const written = await this.#conn.write(bytes.subarray(offset)).catch(() => 0);
      if (written === 0) {
        this.#hangUp(); // the reader then sees the end and tells the link
        return false;
      }
      offset += written;
    }
    return true;
  }

  /** Says that nothing more comes, and gives the peer a moment to hang up: closing at once could destroy the last words. */
  async #finishWriting(): Promise<void> {
    await (this.#conn as Deno.TcpConn).closeWrite().catch(() => {});
  }

  #end(end: LinkEnd): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#hangUp(), LINGER_MS);
    this.#hooks.ended(end);
  }

  #hangUp(): void {
    clearTimeout(this.#timer);
    this.#isHungUp = true;
    try {
      this.#conn.close();
    } catch {
      // Already closed, by the other of the two loops.
    }
  }
}
