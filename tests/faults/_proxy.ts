/**
 * A bad line between one client and the relay: it can cut, stall, delay, split, half-close and swallow what passes. It
 * cannot open anything. Its relay may come and go, on another port each time.
 * @module
 */

/** Which way bytes go. */
export type Direction = "toRelay" | "toClient";

/** How many bytes of a piece are written one by one while it splits; the rest follows at once. */
const SPLIT_MAX_BYTES = 400;

/** Two sockets that belong together, and whether what passes is swallowed. */
interface Pair {
  readonly client: Deno.TcpConn;
  readonly relay: Deno.TcpConn;
  isDark: boolean;
}

/** A listening proxy on 127.0.0.1. */
export class FaultProxy {
  /** The relay's port; nobody gets through while there is none. */
  relayPort: number | undefined;
  /** Whether pieces are written byte by byte. */
  splits = false;
  /** How long each piece is kept. */
  delayMs = 0;
  /** Whether what is sent over connections made from now on is swallowed. */
  isDark = false;
  readonly #listener: Deno.TcpListener;
  readonly #pairs = new Set<Pair>();
  readonly #stalls: Partial<Record<Direction, PromiseWithResolvers<void>>> = {};
  readonly #accepting: Promise<void>;
  readonly #running = new Set<Promise<void>>();

  /** Begins to listen on a free port. */
  constructor() {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#accepting = this.#accept();
  }

  /** Where the client reaches it. */
  get port(): number {
    return this.#listener.addr.port;
  }

  /** Breaks all connections, without a word. */
  cut(): void {
    for (const { client, relay } of this.#pairs) {
      closeQuietly(client);
      closeQuietly(relay);
    }
  }

  /**
   * Keeps back all that goes one way, until {@linkcode heal}.
   * @param direction which way
   */
  stall(direction: Direction): void {
    this.#stalls[direction] ??= Promise.withResolvers();
  }

  /** Swallows all that is sent over the connections that there are, and over those to come until {@linkcode heal}. */
  swallow(): void {
    this.isDark = true;
    for (const pair of this.#pairs) pair.isDark = true;
  }

  /**
   * Tells one end of each connection that the other sends no more, although it does.
   * @param direction which way nothing comes any more
   */
  async halfClose(direction: Direction): Promise<void> {
    for (const { client, relay } of this.#pairs) {
      await (direction === "toRelay" ? relay : client).closeWrite().catch(() => {});
    }
  }

  /** Lets everything pass again. What was swallowed is lost, so those connections stay as they are: see {@linkcode cut}. */
  heal(): void {
    this.splits = false;
    this.delayMs = 0;
    this.isDark = false;
    for (const direction of ["toRelay", "toClient"] as const) {
      this.#stalls[direction]?.resolve();
      delete this.#stalls[direction];
    }
  }

  /** Stops listening and breaks all connections. */
  async close(): Promise<void> {
    this.#listener.close();
    this.heal();
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
    const port = this.relayPort;
    const relay = port === undefined
      ? undefined
      : await Deno.connect({ hostname: "127.0.0.1", port }).catch(() => undefined);
    if (relay === undefined) return closeQuietly(client);
    const pair = { client, relay, isDark: this.isDark };
    this.#pairs.add(pair);
    for (const conn of [client, relay]) conn.setNoDelay(true);
    await Promise.all([this.#pass(pair, "toRelay"), this.#pass(pair, "toClient")]);
    this.#pairs.delete(pair);
    closeQuietly(relay);
    closeQuietly(client);
  }

  async #pass(pair: Pair, direction: Direction): Promise<void> {
    const [from, to] = direction === "toRelay" ? [pair.client, pair.relay] : [pair.relay, pair.client];
    const buffer = new Uint8Array(65_536);
    try {
      for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
        if (this.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, this.delayMs));
        await this.#stalls[direction]?.promise;
        if (!pair.isDark) await this.#write(to, buffer.subarray(0, count));
      }
      await this.#stalls[direction]?.promise;
      if (!pair.isDark) await to.closeWrite();
    } catch {
      // One of the two is gone, and the other hears of it: unless the line is dark, or stalls.
      await this.#stalls[direction]?.promise;
      closeQuietly(from);
      if (!pair.isDark) closeQuietly(to);
    }
  }

  async #write(to: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
    const alone = this.splits ? Math.min(bytes.length, SPLIT_MAX_BYTES) : 0;
    for (let at = 0; at < bytes.length;) {
      at += await to.write(bytes.subarray(at, at < alone ? at + 1 : bytes.length));
    }
  }
}

function closeQuietly(conn: Deno.TcpConn): void {
  try {
    conn.close();
  } catch {
    // Closed already.
  }
}
