/**
 * Somebody on the network between client and relay: writes down every byte of both directions, and can hold, cut into
 * pieces, alter and break what passes. It cannot open anything.
 * @module
 */

/** Which way bytes go. */
export type Direction = "toRelay" | "toClient";

/** How a proxy treats what passes. */
export interface ProxyOptions {
  /** The longest piece that is passed on in one write; without it, pieces are as they came. */
  readonly pieceBytes?: number;
}

/** A listening proxy. */
export class RecordingProxy {
  /** At which piece to the relay each connection breaks, from 1; at none without it. */
  breaksAtPiece: number | undefined;
  /** How many broke there. */
  broken = 0;
  readonly #listener: Deno.TcpListener;
  readonly #relayPort: number;
  readonly #options: ProxyOptions;
  readonly #conns = new Set<Deno.TcpConn>();
  readonly #pieces: Record<Direction, Uint8Array[]> = { toRelay: [], toClient: [] };
  readonly #ways: Record<Direction, Way> = { toRelay: new Way(), toClient: new Way() };
  readonly #accepting: Promise<void>;
  readonly #running = new Set<Promise<void>>();

  /**
   * Begins to listen on a free port of 127.0.0.1.
   * @param relayPort the relay's port there
   * @param options how it treats what passes
   */
  constructor(relayPort: number, options: ProxyOptions = {}) {
    this.#relayPort = relayPort;
    this.#options = options;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#accepting = this.#accept();
  }

  /** Where clients reach it. */
  get port(): number {
    return this.#listener.addr.port;
  }

  /**
   * Gives all that passed in a direction, of all connections, in order.
   * @param direction which one
   * @returns the bytes as they were sent, before anything was altered
   */
  recorded(direction: Direction): Uint8Array {
    const pieces = this.#pieces[direction];
    const all = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
    let offset = 0;
    for (const piece of pieces) {
      all.set(piece, offset);
      offset += piece.length;
    }
    return all;
  }

  /**
   * Waits until anything has come.
   * @param direction which way
   */
  async hasHeard(direction: Direction): Promise<void> {
    await this.#ways[direction].heard.promise;
  }

  /**
   * Keeps back all that comes from now on.
   * @param direction which one
   */
  hold(direction: Direction): void {
    this.#ways[direction].hold();
  }

  /**
   * Passes on what was kept back and all that follows.
   * @param direction which one
   */
  release(direction: Direction): void {
    this.#ways[direction].release();
  }

  /**
   * Alters one bit of the next piece that passes.
   * @param direction which one
   */
  flipNext(direction: Direction): void {
    this.#ways[direction].flipsNext = true;
  }

  /** Breaks all connections, without a word. */
  cut(): void {
    for (const conn of this.#conns) closeQuietly(conn);
  }

  /** Stops listening and breaks all connections. */
  async close(): Promise<void> {
    this.#listener.close();
    for (const way of Object.values(this.#ways)) way.release();
    this.cut();
    await this.#accepting;
    await Promise.all(this.#running);
  }

  async #accept(): Promise<void> {
    while (true) {
      const conn = await this.#listener.accept().catch(() => undefined);
      if (conn === undefined) return;
      const run = this.#join(conn).finally(() => this.#running.delete(run));
      this.#running.add(run);
    }
  }

  async #join(client: Deno.TcpConn): Promise<void> {
    this.#conns.add(client);
    const relay = await Deno.connect({ hostname: "127.0.0.1", port: this.#relayPort }).catch(() => undefined);
    if (relay !== undefined) {
      this.#conns.add(relay);
      for (const conn of [client, relay]) conn.setNoDelay(true);
      await Promise.all([this.#pass(client, relay, "toRelay"), this.#pass(relay, client, "toClient")]);
      closeQuietly(relay);
      this.#conns.delete(relay);
    }
    closeQuietly(client);
    this.#conns.delete(client);
  }

  async #pass(from: Deno.TcpConn, to: Deno.TcpConn, direction: Direction): Promise<void> {
    const way = this.#ways[direction];
    const buffer = new Uint8Array(65_536);
    let pieces = 0;
    try {
      for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
        if (direction === "toRelay" && ++pieces === this.breaksAtPiece) {
          this.broken++;
          throw new Error("This one breaks here");
        }
        const piece = buffer.slice(0, count);
        this.#pieces[direction].push(piece);
        way.heard.resolve();
        await way.opened;
        await writeInPieces(to, way.alter(piece), this.#options.pieceBytes ?? count);
      }
      await way.opened;
      await to.closeWrite();
    } catch {
      // One of the two is gone: so is the other.
      closeQuietly(from);
      closeQuietly(to);
    }
  }
}

/** What happens to one direction. */
class Way {
  readonly heard = Promise.withResolvers<void>();
  opened: Promise<void> = Promise.resolve();
  flipsNext = false;
  #open: () => void = () => {};

  hold(): void {
    this.opened = new Promise((resolve) => this.#open = resolve);
  }

  release(): void {
    this.#open();
  }

  alter(piece: Uint8Array): Uint8Array {
    if (!this.flipsNext) return piece;
    this.flipsNext = false;
    const altered = piece.slice();
    // Behind the length of the frame: a length that does not fit would be found by other means.
    const at = altered.length - 1;
    altered[at] = (altered[at] as number) ^ 1;
    return altered;
  }
}

async function writeInPieces(to: Deno.TcpConn, bytes: Uint8Array, pieceBytes: number): Promise<void> {
  for (let start = 0; start < bytes.length;) {
    start += await to.write(bytes.subarray(start, Math.min(start + pieceBytes, bytes.length)));
  }
}

function closeQuietly(conn: Deno.TcpConn): void {
  try {
    conn.close();
  } catch {
    // Closed already.
  }
}
