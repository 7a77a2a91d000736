/**
 * How soon clients are back after the network was gone: real client processes reach a relay process through a proxy on
 * loopback that cuts every line, lets nobody in for a while, and lets everybody in again. Measured from then until the
 * client says that it is connected, which it does when its streams go on.
 */
import { Stage } from "../support/e2e_stage.ts";
import type { Process } from "../support/process.ts";

const CLIENTS = 6;
const OUTAGES_MS = [1_000, 2_000, 5_000, 10_000, 20_000, 30_000];
const ASKED_MS = 1_000;

/** Passes bytes on, until the line is cut. */
class Line {
  readonly #target: number;
  readonly #conns = new Set<Deno.TcpConn>();
  #listener: Deno.TcpListener;
  readonly #port: number;

  constructor(target: number) {
    this.#target = target;
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.#port = this.#listener.addr.port;
    void this.#accept(this.#listener);
  }

  get port(): number {
    return this.#port;
  }

  /** Ends all connections; others are refused from now on. */
  cut(): void {
    this.#listener.close();
    for (const conn of this.#conns) close(conn);
    this.#conns.clear();
  }

  /** Lets everybody in again, at the same port. */
  restore(): void {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: this.#port });
    void this.#accept(this.#listener);
  }

  close(): Promise<void> {
    this.cut();
    return Promise.resolve();
  }

  async #accept(listener: Deno.TcpListener): Promise<void> {
    try {
      for await (const conn of listener) void this.#join(conn);
    } catch {
      // It was closed.
    }
  }

  async #join(near: Deno.TcpConn): Promise<void> {
    const far = await Deno.connect({ hostname: "127.0.0.1", port: this.#target });
    for (const conn of [near, far]) {
      conn.setNoDelay(true);
      this.#conns.add(conn);
    }
    const ways = [near.readable.pipeTo(far.writable), far.readable.pipeTo(near.writable)];
    await Promise.allSettled(ways);
    for (const conn of [near, far]) {
      close(conn);
      this.#conns.delete(conn);
    }
  }
}

/** Prints the distribution. */
export async function benchResume(): Promise<void> {
  await using stage = new Stage();
  const relay = await stage.relay();
  const line = stage.own(new Line(relay.port));
  const clients: Process[] = [];
  for (let i = 0; i < CLIENTS; i++) {
    clients.push((await stage.client(relay, `client${i}`, { port: line.port })).process);
  }
  console.log(`${CLIENTS} clients whose line is cut, back after the network's return (asked: within ${ASKED_MS} ms):`);
  const all: number[] = [];
  for (const outageMs of OUTAGES_MS) {
    line.cut();
    await Promise.all(clients.map((client) => client.next("link", ({ state }) => state === "reconnecting")));
    await new Promise((resolve) => setTimeout(resolve, outageMs));
    line.restore();
    const backMs = performance.now();
    const took = await Promise.all(clients.map(async (client) => {
      await client.next("link", ({ state }) => state === "connected");
      return performance.now() - backMs;
    }));
    console.log(`  gone for ${`${outageMs / 1_000} s`.padEnd(5)} ${spell(took)}`);
    all.push(...took);
  }
  console.log(`  all of them:   ${spell(all)}\n`);
}

function spell(took: readonly number[]): string {
  const sorted = took.toSorted((a, b) => a - b);
  const at = (share: number) => `${sorted[Math.ceil(sorted.length * share) - 1]?.toFixed(0)} ms`;
  const late = sorted.filter((ms) => ms > ASKED_MS).length;
  return `half after ${at(0.5)}, nine of ten after ${at(0.9)}, all after ${
    at(1)
  }; later than asked: ${late} of ${sorted.length}`;
}

function close(conn: Deno.TcpConn): void {
  try {
    conn.close();
  } catch {
    // It was closed by the other end.
  }
}
