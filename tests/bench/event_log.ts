/**
 * The event log: how many events a second are accepted when many publish at once, in memory and on disk, and how long
 * one `accepted` takes while a steady thousand a second arrive. What the disk costs by itself stands above.
 */
import { encodeHex } from "@std/encoding/hex";
import { encodeBase32 } from "@std/encoding/base32";
import { secureRandom } from "../../lib/crypto/random.ts";
import { openDataDir } from "../../lib/io/data_dir.ts";
import { SqliteEventLog } from "../../lib/io/sqlite_event_log.ts";
import type { RelayInput } from "../../lib/relay/effects.ts";
import type { EventLog } from "../../lib/relay/event_log.ts";
import { MemoryEventLog } from "../../lib/relay/memory_event_log.ts";
import { NameBook } from "../../lib/relay/names.ts";
import { Relay } from "../../lib/relay/relay.ts";
import { decodeRelayMessage } from "../../lib/wire/messages.ts";
import { decodePacket } from "../../lib/wire/packet.ts";
import { measure, report } from "./_measure.ts";

const nowMs = Date.UTC(2026, 0, 1);
const PUBLISHERS = 64;
const EVENTS = 6_400;
const OFFERED_PER_SECOND = 1_000;
const OFFERED_SECONDS = 5;
const NOTHING = new Uint8Array(0);
const BODY = secureRandom(600);
const GENERATION = encodeHex(secureRandom(16));

/** A relay with publishers in one room, each of whom waits for its `accepted` before it goes on. */
class Crowd {
  readonly #relay: Relay;
  readonly #stream: string;

  constructor(log: EventLog) {
    this.#relay = new Relay({ log, names: new NameBook() });
    const room = id32();
    this.#stream = `room/${room}`;
    for (let link = 1; link <= PUBLISHERS; link++) {
      const caller = {
        fingerprint: id32(),
        handle: `p${link}`,
        life: "lasting",
        createdMs: nowMs,
        certificate: secureRandom(250),
      } as const;
      this.#relay.handle({ kind: "opened", link, caller, nowMs });
      this.#relay.handle({ kind: "message", link, packet: { message: { t: "enter", room }, body: NOTHING }, nowMs });
    }
  }

  /** Lets the first `count` publishers publish within one turn. */
  publish(count: number): void {
    const inputs = Array.from({ length: count }, (_, index): RelayInput => {
      const id = encodeHex(secureRandom(16));
      const message = { t: "publish", stream: this.#stream, kind: "message", id } as const;
      return { kind: "message", link: index % PUBLISHERS + 1, packet: { message, body: BODY }, nowMs };
    });
    let accepted = 0;
    for (const effect of this.#relay.handleTurn(inputs)) {
      if (effect.kind === "send" && decodeRelayMessage(decodePacket(effect.packet)).message.t === "accepted") {
        accepted++;
      }
    }
    if (accepted !== count) throw new Error(`${accepted} of ${count} were accepted`);
  }
}

/** Prints the table. */
export async function benchEventLog(): Promise<void> {
  const path = await Deno.makeTempDir({ prefix: "sotto-bench-" });
  try {
    console.log(`Event log (bodies of ${BODY.length} bytes, ${PUBLISHERS} publishers, each waits for its accepted):`);
    reportSync(path);
    const memory = new Crowd(new MemoryEventLog({ generation: GENERATION }));
    const dir = await openDataDir(path, { what: "relay" });
    const log = await SqliteEventLog.open(dir, { makeGeneration: () => GENERATION });
    const disk = new Crowd(log);
    const crowds = [["in memory", memory], ["on disk, one commit a turn", disk]] as const;
    for (const [what, crowd] of crowds) report(what, await measure(EVENTS, () => publishAll(crowd, PUBLISHERS)));
    report("on disk, one commit an event", await measure(EVENTS, () => publishAll(disk, 1)));
    for (const [what, crowd] of crowds) reportLatency(what, await latencies(crowd));
    const startMs = performance.now();
    log.close();
    (await SqliteEventLog.open(dir, { makeGeneration: () => GENERATION })).close();
    const megabytes = (await Deno.stat(`${path}/events.db`)).size / 1_000_000;
    console.log(`  opened again in ${(performance.now() - startMs).toFixed(0)} ms (${megabytes.toFixed(0)} MB)`);
    dir.close();
  } finally {
    await Deno.remove(path, { recursive: true });
  }
  console.log();
}

function publishAll(crowd: Crowd, perTurn: number): void {
  for (let sent = 0; sent < EVENTS; sent += perTurn) crowd.publish(perTurn);
}

/** Offers events at their times, late or not, and gives how long each took from its time to its `accepted`. */
async function latencies(crowd: Crowd): Promise<number[]> {
  const count = OFFERED_PER_SECOND * OFFERED_SECONDS;
  const everyMs = 1_000 / OFFERED_PER_SECOND;
  const took: number[] = [];
  const startMs = performance.now();
  while (took.length < count) {
    await new Promise<void>((resolve) => setImmediate(() => resolve()));
    const due = Math.min(count, Math.floor((performance.now() - startMs) / everyMs)) - took.length;
    if (due <= 0) continue;
    crowd.publish(due);
    const doneMs = performance.now() - startMs;
    for (let i = 0; i < due; i++) took.push(doneMs - (took.length + 1) * everyMs);
  }
  return took.sort((a, b) => a - b);
}

function reportLatency(what: string, sorted: readonly number[]): void {
  const [p50, p99, most] = [0.5, 0.99, 1].map((share) => sorted[Math.ceil(sorted.length * share) - 1]?.toFixed(2));
  console.log(
    `  ${what}, ${OFFERED_PER_SECOND}/s offered: accepted after ${p50} ms, p99 ${p99} ms, at most ${most} ms`,
  );
}

/** What one wait for this disk costs, without a database. */
function reportSync(path: string): void {
  using file = Deno.openSync(`${path}/sync`, { write: true, create: true });
  const took = Array.from({ length: 300 }, () => {
    file.writeSync(BODY);
    const startMs = performance.now();
    file.syncDataSync();
    return performance.now() - startMs;
  }).sort((a, b) => a - b);
  console.log(`  fdatasync here: ${took[150]?.toFixed(2)} ms, p99 ${took[297]?.toFixed(2)} ms`);
}

function id32(): string {
  return encodeBase32(secureRandom(32)).replace(/=+$/, "");
}
