/**
 * One process of relay or client, watched from inside by `_watched.ts` and otherwise as its task starts it. Each line
 * that it prints is handed over as soon as it is there; what a kill cut off in the middle is no line.
 * @module
 */

import denoConfig from "../../deno.json" with { type: "json" };
import { CACHE_OF_DENO, type JsonLine } from "../support/process.ts";

/** How a process is started, and who hears of it. */
export interface ProgramOptions {
  /** Which program. */
  readonly task: "client" | "server";
  /** Its command line. */
  readonly args: readonly string[];
  /** The directory for what is noted of its seals. */
  readonly seals: string;
  /** The file that holds by how many milliseconds its clock is wrong. */
  readonly clock: string;
  /** Takes each line of standard output. */
  readonly printed: (line: JsonLine) => void;
}

/** How a process ended. */
export interface ProgramEnd {
  /** Its exit code. */
  readonly code: number;
  /** Whether a signal ended it. */
  readonly isKilled: boolean;
  /** What it wrote to standard error. */
  readonly stderr: string;
}

const ROOT = new URL("../../", import.meta.url);
const WATCHED = new URL("./_watched.ts", import.meta.url).pathname;

/** A running program. */
export class Program {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  /** Settled when it has ended and all that it printed was handed over. */
  readonly ended: Promise<ProgramEnd>;
  #isInputClosed = false;

  /**
   * Starts a process.
   * @param options which, and who hears of it
   */
  constructor(options: ProgramOptions) {
    const [command = "", ...args] = commandOf(options);
    this.#child = new Deno.Command(command, {
      args,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      env: {
        HOME: "/nonexistent",
        XDG_DATA_HOME: "",
        ...CACHE_OF_DENO,
        SOTTO_FAULTS: JSON.stringify({ seals: options.seals, clock: options.clock }),
      },
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.ended = this.#follow(options.printed);
  }

  /** Its process. */
  get pid(): number {
    return this.#child.pid;
  }

  /**
   * Writes a JSON line to its standard input; a process that is gone is not an error.
   * @param line what to write
   */
  send(line: object): void {
    this.#input.write(new TextEncoder().encode(JSON.stringify(line) + "\n")).catch(() => {});
  }

  /** Ends its standard input. */
  async closeInput(): Promise<void> {
    if (this.#isInputClosed) return;
    this.#isInputClosed = true;
    await this.#input.close().catch(() => {});
  }

  /**
   * Sends it a signal.
   * @param name which
   */
  signal(name: Deno.Signal): void {
    try {
      this.#child.kill(name);
    } catch {
      // It has ended already.
    }
  }

  async #follow(printed: (line: JsonLine) => void): Promise<ProgramEnd> {
    const errors = new Response(this.#child.stderr).text();
    let text = "";
    for await (const piece of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (text + piece).split("\n");
      text = lines.pop() ?? ""; // without an end it is no line yet, and after a kill it never will be
      for (const line of lines) printed(JSON.parse(line));
    }
    const { code, signal } = await this.#child.status;
    await this.closeInput();
    return { code, isKilled: signal !== null, stderr: await errors };
  }
}

/** The command of a task, with what watches it before it, and deaf to the signal of a file that may not grow. */
function commandOf({ task, args }: ProgramOptions): string[] {
  const words = denoConfig.tasks[task].split(" ").slice(1);
  const flags = words.slice(0, -1).map((word) => word.startsWith("--allow-env=") ? `${word},SOTTO_FAULTS` : word);
  const file = new URL(words.at(-1) as string, ROOT).pathname;
  const command = [Deno.execPath(), ...flags, `--preload=${WATCHED}`, file, ...args];
  return Deno.build.os === "windows" ? command : ["/bin/sh", "-c", `trap "" XFSZ; exec "$@"`, "sh", ...command];
}
