/**
 * A client that was away comes back to what was written meanwhile: a relay process on its database, and a client process
 * that keeps its state on the disk, as people run them. One process writes; before each round the reader's directory is
 * put back to where it was when it went.
 */
import { Stage, type StagedRelay } from "../support/e2e_stage.ts";
import { cpuSecondsOf } from "./_process_cpu.ts";

const MESSAGES = 10_000;
const ROUNDS = 3;
/** Lines that the writer has on their way; more would wait in its pipe. */
const WINDOW = 500;
const TEXT = "x".repeat(40);

/** What a round took. */
interface CaughtUp {
  /** From the start of the process until it is in the room. */
  readonly enteredMs: number;
  /** From then until the last message is shown. */
  readonly readMs: number;
  /** CPU time of the client meanwhile. */
  readonly readCpuMs: number;
  /** CPU time of the relay meanwhile. */
  readonly relayCpuMs: number;
}

/** Prints the figures. */
export async function benchCatchUp(): Promise<void> {
  await using stage = new Stage();
  const relay = await stage.relay();
  const awayDir = `${await stage.directory()}/reader`;
  const writer = await stage.client(relay, "writer");
  const before = await stage.client(relay, "reader", { dataDir: awayDir });
  await writer.process.next("joined", ({ handle }) => handle === "reader");
  await before.process.closeInput();
  await before.process.exit();
  const startMs = performance.now();
  await write(writer.process);
  const writtenMs = performance.now() - startMs;

  const rounds: CaughtUp[] = [];
  for (let round = 0; round < ROUNDS; round++) rounds.push(await catchUp(stage, relay, awayDir));
  const best = rounds.toSorted((a, b) => a.readMs - b.readMs)[0] as CaughtUp;
  console.log(
    `A lasting client that was away, ${MESSAGES} messages of ${TEXT.length} characters in one room, the best of ${ROUNDS} rounds:`,
  );
  console.log(`  written by one client in ${(writtenMs / 1_000).toFixed(1)} s`);
  console.log(
    `  read after ${(best.readMs / 1_000).toFixed(2)} s (asked: under 5 s), ${
      perMessage(best.readCpuMs)
    } of CPU a message`,
  );
  console.log(
    `  CPU: ${best.readCpuMs.toFixed(0)} ms of the client, ${
      best.relayCpuMs.toFixed(0)
    } ms of the relay; started and entered in ${best.enteredMs.toFixed(0)} ms before`,
  );
  console.log(`  all rounds: ${rounds.map(({ readMs }) => `${(readMs / 1_000).toFixed(2)} s`).join(", ")}\n`);
}

async function write(writer: Awaited<ReturnType<Stage["client"]>>["process"]): Promise<void> {
  for (let written = 0; written < MESSAGES; written += WINDOW) {
    const lines = Array.from(
      { length: WINDOW },
      (_, i) => JSON.stringify({ type: "say", text: TEXT, ref: written + i }),
    );
    await writer.write(lines.map((line) => `${line}\n`).join(""));
    await writer.next("accepted", ({ ref }) => ref === written + WINDOW - 1);
  }
}

/** Starts the reader where it stood when it went, and waits until it has shown all that it missed. */
async function catchUp(stage: Stage, relay: StagedRelay, awayDir: string): Promise<CaughtUp> {
  const dataDir = `${await stage.directory()}/reader`;
  await copyDirectory(awayDir, dataDir);
  const startMs = performance.now();
  const reader = stage.call(relay, "reader", { dataDir });
  await reader.nextLine((line) => line.includes('"type":"ready"'));
  const enteredMs = performance.now() - startMs;
  const [cpuMs, relayMs] = await Promise.all([cpuSecondsOf(reader.pid), cpuSecondsOf(relay.process.pid)]);
  for (let read = 0; read < MESSAGES; read++) await reader.nextLine((line) => line.includes('"type":"message"'));
  const readMs = performance.now() - startMs - enteredMs;
  const [cpuAfter, relayAfter] = await Promise.all([cpuSecondsOf(reader.pid), cpuSecondsOf(relay.process.pid)]);
  await reader.closeInput();
  await reader.exit();
  return { enteredMs, readMs, readCpuMs: (cpuAfter - cpuMs) * 1e3, relayCpuMs: (relayAfter - relayMs) * 1e3 };
}

async function copyDirectory(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { mode: 0o700 });
  for await (const { name } of Deno.readDir(from)) await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
}

function perMessage(ms: number): string {
  return `${(ms * 1_000 / MESSAGES).toFixed(0)} µs`;
}
