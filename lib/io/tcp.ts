/**
 * Runs a link over a TCP connection: one reader that feeds it, one writer that drains it, one timer. Nothing here ever
 * waits for a peer but these loops; `send` only puts a packet into the bounded outbox.
 * @module
 */

import { DecodeError, ProtocolError } from "../bytes/errors.ts";
import type { Bytes } from "../bytes/writer.ts";
import { Mutex } from "../crypto/mutex.ts";
import type { Link, LinkEffect, LinkEnd, LinkInput } from "../link/link.ts";
import type { RawPacket } from "../wire/packet.ts";
import { steadyMs } from "./clock.ts";

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
  /** Packets arrived together; each is given to `packet` next, in this order, unless the link ends before. */
  readonly arrived?: (packets: readonly RawPacket[]) => void;
  /**
   * A packet arrived; the next bytes are read when this has returned.
   * @throws {DecodeError} to end the link: the packet is none that the owner understands
   * @throws {ProtocolError} to end the link: the packet is not allowed now
   */
  readonly packet: (packet: RawPacket) => void | Promise<void>;
  /** All that waited was handed to the socket; called only while the link is open. */
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
  #tickTimer: ReturnType<typeof setTimeout> | undefined;
  #lingerTimer: ReturnType<typeof setTimeout> | undefined;
  #wakeWriter: () => void = () => {};
  #hasEnded = false;
  /** Who waits for a sign of life. */
  readonly #heard = new Set<() => void>();

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
   * @throws {RangeError} when the packet is longer than any may be
   */
  send(packet: Bytes): boolean {
    const isTaken = this.#link.enqueue(packet);
    if (isTaken) this.#wakeWriter();
    return isTaken;
  }

  /**
   * Finds out whether the peer is still there.
   * @param withinMs how long it has to answer, in milliseconds
   * @returns whether it answered; `false` when it did not, or the link is not open
   */
  async isAlive(withinMs: number): Promise<boolean> {
    const pongsBefore = this.#link.pongCount;
    if (!this.#link.ping()) return false;
    this.#wakeWriter();
    const timedOut = Promise.withResolvers<void>();
    const timer = setTimeout(timedOut.resolve, withinMs);
    let isOver = false;
    timedOut.promise.then(() => isOver = true);
    while (!isOver && !this.#hasEnded && this.#link.pongCount === pongsBefore) {
      const heard = new Promise<void>((resolve) => this.#heard.add(resolve));
      await Promise.race([heard, timedOut.promise]);
    }
    clearTimeout(timer);
    return this.#link.pongCount > pongsBefore;
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
    try {
      await Promise.all([this.#read(), this.#write()]);
    } finally {
      this.#end({ kind: "closed" }); // counts only if a bug of ours surfaces here: even then nothing stays behind
      this.#hangUp();
    }
  }

  async #read(): Promise<void> {
    await this.#turn({ kind: "start", nowMs: steadyMs() });
    const buffer = new Uint8Array(READ_BUFFER_BYTES);
    while (true) {
      const lengthBytes = await this.#conn.read(buffer).catch(() => null); // a reset is an end like any other
      if (lengthBytes === null) break;
      await this.#turn({ kind: "received", bytes: buffer.slice(0, lengthBytes), nowMs: steadyMs() });
      this.#tellHeard();
    }
    await this.#turn({ kind: "ended", nowMs: steadyMs() });
  }

  /** Gives the link one input and does what it says; turns never overlap. */
  #turn(input: LinkInput): Promise<void> {
    return this.#turns.run(() => this.#take(input));
  }

  async #take(input: LinkInput): Promise<void> {
    const effects = await this.#link.handle(input);
    this.#hooks.arrived?.(effects.flatMap((effect) => effect.kind === "deliver" ? [effect.packet] : []));
    for (const effect of effects) await this.#perform(effect);
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
        return this.#wakeAt(effect.atMs);
      case "ended":
        this.#end(effect.end);
        this.#wakeWriter();
    }
  }

  #wakeAt(atMs: number): void {
    clearTimeout(this.#tickTimer);
    this.#tickTimer = setTimeout(
      // The time when its turn comes: what was heard before may have been long in the reading.
      () => void this.#turns.run(() => this.#take({ kind: "tick", nowMs: steadyMs() })),
      Math.max(0, atMs - steadyMs()),
    );
  }

  async #deliver(packet: RawPacket): Promise<void> {
    try {
      await this.#hooks.packet(packet);
    } catch (error) {
      if (!(error instanceof DecodeError || error instanceof ProtocolError)) throw error;
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
      } else if (this.#hasEnded) {
        return await this.#finishWriting();
      } else {
        if (this.isOpen) this.#hooks.drained?.();
        // The hook may have sent or closed something: only then has a wake-up been missed.
        if (this.#link.isDrained && !this.#hasEnded) {
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
        // The line is dead in this direction. What the peer said last may still be there to be read, such as a `bye`
        // that tells why; after it the reader finds the end.
        this.#linger();
        return false;
      }
      offset += written;
    }
    return true;
  }

  /** Says that nothing more comes. Closing here could destroy the last words: the peer hangs up, or `#linger` is over. */
  async #finishWriting(): Promise<void> {
    await this.#conn.closeWrite().catch(() => {}); // the peer may be gone
  }

  #tellHeard(): void {
    for (const resolve of this.#heard) resolve();
    this.#heard.clear();
  }

  #end(end: LinkEnd): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#tellHeard();
    clearTimeout(this.#tickTimer);
    this.#linger();
    this.#hooks.ended(end);
  }

  /** From now on the connection has only so long; both loops end when it is closed, a write that hangs included. */
  #linger(): void {
    this.#lingerTimer ??= setTimeout(() => this.#hangUp(), LINGER_MS);
  }

  #hangUp(): void {
    clearTimeout(this.#tickTimer);
    clearTimeout(this.#lingerTimer);
    this.#wakeWriter();
    try {
      this.#conn.close();
    } catch {
      // Already closed.
    }
  }
}
