/**
 * `deno task demo`: a relay and three people as real processes on this machine. They talk in the room and in private;
 * beside what each of them saw stand the very bytes that the relay stored for it. Ends with 0 only if the relay's
 * bytes hold none of the words and everybody saw what they should.
 * @module
 */

import { decodeHex } from "@std/encoding/hex";
import { TextLineStream } from "@std/streams/text-line-stream";
import { isoSeconds } from "../lib/cli/iso.ts";
import { permissionsOf } from "./_permissions.ts";

/** A line of JSON that a process printed. */
type Line = Record<string, unknown> & { readonly type: string };

const ROOT = new URL("..", import.meta.url);
const LEFT_COLUMNS = 38;
const HEX_ROWS_SHOWN = 6;
/** Far more than the demo takes on a slow machine; a step that hangs ends it with an error. */
const STEP_TIMEOUT_MS = 20_000;

/** A process that prints JSON lines. */
class Talker {
  readonly #child: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  readonly #stdin: WritableStreamDefaultWriter<Uint8Array>;
  readonly seen: Line[] = [];

  constructor(args: readonly string[]) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", ...args],
      cwd: ROOT,
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#lines = this.#child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream()).getReader();
    this.#stdin = this.#child.stdin.getWriter();
  }

  async send(line: object): Promise<void> {
    await this.#stdin.write(new TextEncoder().encode(JSON.stringify(line) + "\n"));
  }

  /** Reads on until a line of that type comes that fits. */
  async until(type: string, fits: (line: Line) => boolean = () => true): Promise<Line> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Error(`no ${type} came`)), STEP_TIMEOUT_MS);
    try {
      while (true) {
        const { value, done } = await Promise.race([this.#lines.read(), late.promise]);
        if (done) throw new Error(`a process ended before it said ${type}`);
        const line: Line = JSON.parse(value);
        this.seen.push(line);
        if (line.type === type && fits(line)) return line;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  stop(): void {
    try {
      this.#child.kill("SIGTERM");
    } catch {
      // It has ended by itself.
    }
  }

  async exit(): Promise<number> {
    this.stop();
    await this.#stdin.close().catch(() => {});
    await this.#lines.cancel().catch(() => {});
    return (await this.#child.status).code;
  }
}

const SCENE: readonly { readonly by: string; readonly text: string; readonly to?: string }[] = [
  { by: "alice", text: "The door code is 4711, tell nobody outside this room." },
  { by: "bob", text: "Got it. Lunch at noon? 🍜" },
  { by: "carol", text: "Count me in." },
  { by: "alice", text: "Between us: the surprise for carol is on Friday.", to: "bob" },
];

const talkers: Talker[] = [];
try {
  Deno.exitCode = await play();
} catch (error) {
  console.error(`The demo did not come to its end: ${error instanceof Error ? error.message : "unknown"}`);
  Deno.exitCode = 1;
} finally {
  await Promise.all(talkers.map((talker) => talker.exit()));
}

async function play(): Promise<number> {
  console.log("Sotto demo: one relay and three people, each a process of its own on this machine.\n");
  const relay = start([...await permissionsOf("server"), "scripts/demo_relay.ts"]);
  const { port, fingerprint } = await relay.until("listening") as unknown as { port: number; fingerprint: string };
  console.log(`The relay listens on 127.0.0.1:${port}; its fingerprint is\n  ${fingerprint}\n`);

  const people = new Map<string, Talker>();
  const permissions = await permissionsOf("client");
  for (const name of ["alice", "bob", "carol"]) {
    const flags = ["--name", name, "--ephemeral", "--json", "--relay-key", fingerprint];
    people.set(name, start([...permissions, "client.ts", `127.0.0.1:${port}`, ...flags]));
  }
  await Promise.all([...people].map(([name, talker]) => gather(name, talker)));
  console.log("alice, bob and carol are in #lobby, linked with the relay by Noise XX, with each other by X3DH.\n");
  console.log(`${"WHAT PEOPLE SAW".padEnd(LEFT_COLUMNS)} WHAT THE RELAY STORED FOR IT`);
  console.log("─".repeat(LEFT_COLUMNS + 1 + 47));

  const stored: Uint8Array[] = [];
  for (const step of SCENE) {
    const shown = await speak(step, people);
    const event = await relay.until("stored", (line) => line["id"] === shown.id) as unknown as {
      hex: string;
      stream: string;
    };
    const body = decodeHex(event.hex);
    stored.push(body);
    sideBySide(shown.lines, describe(event.stream, body));
  }
  return verdict(stored);
}

function start(args: readonly string[]): Talker {
  const talker = new Talker(args);
  talkers.push(talker);
  return talker;
}

/** Waits until somebody was shown the other two. */
async function gather(name: string, talker: Talker): Promise<void> {
  const ready = await talker.until("ready");
  let others = (ready["members"] as unknown[]).length;
  for (; others < 2; others++) await talker.until("joined");
  if (others !== 2) throw new Error(`${name} sees ${others} others`);
}

async function speak(
  step: { readonly by: string; readonly text: string; readonly to?: string },
  people: ReadonlyMap<string, Talker>,
): Promise<{ id: string; lines: string[] }> {
  const author = people.get(step.by) as Talker;
  const readers = [...people].filter(([name]) => step.to === undefined ? name !== step.by : name === step.to);
  await author.send(
    step.to === undefined ? { type: "say", text: step.text } : { type: "pm", to: step.to, text: step.text },
  );
  const accepted = await author.until("accepted");
  const id = String(accepted["id"]);
  const lines = [step.to === undefined ? `${step.by} wrote in #lobby:` : `${step.by} wrote to ${step.to} alone:`];
  lines.push(...wrap(step.text, LEFT_COLUMNS - 4).map((line) => `  ${line}`));
  for (const [name, talker] of readers) {
    const message = await talker.until("message", (line) => line["id"] === id);
    if (message["text"] !== step.text) throw new Error(`${name} saw another text`);
    lines.push(`✓ ${name} read it, ${isoSeconds(Date.parse(String(message["sentAt"])))}`);
  }
  return { id, lines };
}

function describe(stream: string, body: Uint8Array): string[] {
  const rows = [`${stream.slice(0, 18)}…  ${body.length} bytes`];
  for (let row = 0; row < HEX_ROWS_SHOWN; row++) {
    rows.push([...body.subarray(row * 16, row * 16 + 16)].map((byte) => byte.toString(16).padStart(2, "0")).join(" "));
  }
  rows.push("…");
  return rows;
}

function sideBySide(left: readonly string[], right: readonly string[]): void {
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    console.log(`${(left[i] ?? "").padEnd(LEFT_COLUMNS)} ${right[i] ?? ""}`.trimEnd());
  }
  console.log();
}

/** Looks for every word of the scene in everything that the relay stored. */
function verdict(stored: readonly Uint8Array[]): number {
  const words = SCENE.flatMap(({ text }) => text.split(/[^\p{L}\p{N}]+/u)).filter((word) => word.length >= 4);
  const texts = stored.map((body) => new TextDecoder("latin1").decode(body).toLowerCase());
  const found = words.filter((word) => texts.some((text) => text.includes(word.toLowerCase())));
  const bytes = stored.reduce((sum, body) => sum + body.length, 0);
  if (found.length > 0) {
    console.log(`The relay could read: ${found.join(", ")}`);
    return 1;
  }
  console.log(
    `Everybody read what was meant for them. None of the ${words.length} longer words stands anywhere in the`,
  );
  console.log(`${bytes} bytes that the relay stored.`);
  return 0;
}

function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > columns) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}
