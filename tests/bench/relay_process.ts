/**
 * The whole relay: a process of its own with its log in SQLite on this disk, and publishers on real links in this
 * process. How many events a second are accepted when each of 64 publishers waits for its `accepted` before it goes on,
 * and how long one takes while a thousand a second are offered. `accepted` is said after the commit.
 */
import { encodeHex } from "@std/encoding/hex";
import { secureRandom } from "../../lib/crypto/random.ts";
import { TcpLink } from "../../lib/io/tcp.ts";
import { decodeRelayMessage, encodeClientMessage } from "../../lib/wire/messages.ts";
import { Stage } from "../support/e2e_stage.ts";
import { cpuSecondsOf } from "./_process_cpu.ts";
import { callersLink } from "./_callers_link.ts";

const PUBLISHERS = 64;
const EVENTS = 20_000;
const OFFERED_PER_SECOND = 1_000;
const OFFERED_SECONDS = 5;
const ROUNDS = 3;
const BODY = secureRandom(600);
const ROOM = "A".repeat(52);
/** A relay takes 32 handshakes at once from one address. */
const CALLS_AT_ONCE = 16;

/** A publisher on its link. */
class Publisher {
  readonly #tcp: TcpLink<true>;
  readonly #waiting = new Map<string, () => void>();

  private constructor(tcp: (publisher: Publisher) => TcpLink<true>) {
    this.#tcp = tcp(this);
  }

  /** Links, and enters the room. */
  static async call(port: number, number: number): Promise<Publisher> {
    const link = await callersLink(number);
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    const entered = Promise.withResolvers<void>();
    const publisher = new Publisher((self) =>
      new TcpLink(conn, link, {
        opened: () => void self.#tcp.send(encodeClientMessage({ t: "enter", room: ROOM })),
        packet: (packet) => {
          const { message } = decodeRelayMessage(packet);
          if (message.t === "roster") entered.resolve();
          if (message.t === "accepted") self.#accepted(message.id);
          if (message.t === "refused") throw new TypeError(`Cannot measure: an event is refused as ${message.code}`);
        },
        ended: (end) => end.kind === "closed" || console.log(`  a link ended: ${end.kind}`),
      })
    );
    await entered.promise;
    return publisher;
  }

  /** Publishes, and waits until it is accepted. */
  publish(): Promise<void> {
    const id = encodeHex(secureRandom(16));
    this.#tcp.send(encodeClientMessage({ t: "publish", stream: `room/${ROOM}`, kind: "message", id }, BODY));
    return new Promise((resolve) => this.#waiting.set(id, resolve));
  }

  async close(): Promise<void> {
    this.#tcp.close("quit", "done");
    await this.#tcp.finished;
  }

  #accepted(id: string): void {
    this.#waiting.get(id)?.();
    this.#waiting.delete(id);
  }
}

/** Prints the figures. */
export async function benchRelayProcess(): Promise<void> {
  await using stage = new Stage();
  const relay = await stage.relay();
  const publishers: Publisher[] = [];
  while (publishers.length < PUBLISHERS) {
    const numbers = Array.from({ length: CALLS_AT_ONCE }, (_, i) => publishers.length + i);
    publishers.push(...await Promise.all(numbers.map((number) => Publisher.call(relay.port, number))));
  }
  console.log(`The whole relay, a process on SQLite, ${PUBLISHERS} links from another process (a body of 600 bytes):`);
  const rates: { readonly perSecond: number; readonly cpuMicros: number }[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const [cpuBefore, startMs] = [await cpuSecondsOf(relay.process.pid), performance.now()];
    await Promise.all(publishers.map((publisher) => publishInTurn(publisher, Math.ceil(EVENTS / PUBLISHERS))));
    const seconds = (performance.now() - startMs) / 1_000;
    const cpu = await cpuSecondsOf(relay.process.pid) - cpuBefore;
    rates.push({ perSecond: EVENTS / seconds, cpuMicros: cpu * 1_000_000 / EVENTS });
  }
  const best = rates.toSorted((a, b) => b.perSecond - a.perSecond)[0] as (typeof rates)[number];
  const all = rates.map(({ perSecond }) => Math.round(perSecond)).join(", ");
  console.log(
    `  accepted: ${Math.round(best.perSecond)}/s (asked: 5000), ${best.cpuMicros.toFixed(0)} µs CPU of the relay each`,
  );
  console.log(`  that was the best of ${ROUNDS} rounds: ${all}`);
  const lots = [];
  for (let round = 0; round < ROUNDS; round++) lots.push(await latencies(publishers));
  const quietest = lots.toSorted((a, b) => at(a, 0.99) - at(b, 0.99))[0] as number[];
  const spelt = [0.5, 0.99, 1].map((share) => `${at(quietest, share).toFixed(2)} ms`);
  console.log(
    `  ${OFFERED_PER_SECOND}/s offered: accepted after ${spelt[0]}, p99 ${spelt[1]} (asked: 20 ms), at most ${
      spelt[2]
    }`,
  );
  console.log(`  p99 of all rounds: ${lots.map((lot) => `${at(lot, 0.99).toFixed(1)} ms`).join(", ")}\n`);
  await Promise.all(publishers.map((publisher) => publisher.close()));
}

async function publishInTurn(publisher: Publisher, count: number): Promise<void> {
  for (let i = 0; i < count; i++) await publisher.publish();
}

/** Offers events at their times, late or not, and gives how long each took from its time to its `accepted`. */
async function latencies(publishers: readonly Publisher[]): Promise<number[]> {
  const [count, everyMs] = [OFFERED_PER_SECOND * OFFERED_SECONDS, 1_000 / OFFERED_PER_SECOND];
  const took: number[] = [];
  const pending: Promise<void>[] = [];
  const startMs = performance.now();
  while (pending.length < count) {
    const due = Math.min(count, Math.floor((performance.now() - startMs) / everyMs));
    while (pending.length < due) {
      const dueMs = startMs + pending.length * everyMs;
      const publisher = publishers[pending.length % PUBLISHERS] as Publisher;
      pending.push(publisher.publish().then(() => void took.push(performance.now() - dueMs)));
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(pending);
  return took.toSorted((a, b) => a - b);
}

function at(sorted: readonly number[], share: number): number {
  return sorted[Math.ceil(sorted.length * share) - 1] as number;
}
