/**
 * The two programs as real processes: started from source with the permissions of their tasks, or from the executables
 * in `SOTTO_BIN_DIR`. A process is ended by its own handle, never by a name; whoever starts one disposes of it.
 *
 * Its law: nothing waits for ever. Every wait ends after `WAIT_MAX_MS` with an error that holds all that the process
 * has printed; no test measures time by it.
 * @module
 */

import { TextLineStream } from "@std/streams/text-line-stream";
import denoConfig from "../../deno.json" with { type: "json" };

/** A program of Sotto. */
export type ProgramName = "sotto" | "sotto-server";

/** A line of JSON as one of the programs printed it. */
// deno-lint-ignore no-explicit-any -- what a test expects of a line is what the test asserts
export type JsonLine = Record<string, any>;

/** How a process ended. */
export interface Exit {
  readonly code: number;
  /** The signal that killed it, `null` when it ended by itself. */
  readonly signal: Deno.Signal | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** How a process is started. */
export interface StartOptions {
  /** Variables on top of this process's own. */
  readonly env?: Readonly<Record<string, string>>;
  /** Whether its standard output is read from the start; without it, nobody reads until `readOutput()`. */
  readonly readsOutput?: boolean;
}

/** Longer than anything takes on the slowest machine. */
const WAIT_MAX_MS = 60_000;

const ROOT = new URL("../../", import.meta.url);

/** One running program. */
export class Process {
  readonly #child: Deno.ChildProcess;
  readonly #title: string;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #printed: string[] = [];
  /** Lines that no `next…` has taken. */
  readonly #untaken: string[] = [];
  readonly #stderr: string[] = [];
  readonly #readingErrors: Promise<void>;
  #reading: Promise<void> | undefined;
  #hasOutputEnded = false;
  #isInputClosed = false;
  /** Those who wait for more output. */
  #waiting: (() => void)[] = [];

  private constructor(child: Deno.ChildProcess, title: string) {
    this.#child = child;
    this.#title = title;
    this.#input = child.stdin.getWriter();
    this.#readingErrors = this.#readErrors();
  }

  /**
   * Starts a program.
   * @param name which one
   * @param args its command line
   * @param options environment, and whether anybody reads what it prints
   * @returns the process
   */
  static start(name: ProgramName, args: readonly string[], options: StartOptions = {}): Process {
    const [command, ...before] = commandOf(name);
    const child = new Deno.Command(command as string, {
      args: [...before, ...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      // No login name of whoever runs the tests, and no home of theirs.
      env: { HOME: "/nonexistent", XDG_DATA_HOME: "", ...CACHE_OF_DENO, ...options.env },
    }).spawn();
    const process = new Process(child, [name, ...args].join(" "));
    if (options.readsOutput !== false) process.readOutput();
    return process;
  }

  /** Its number, by which the system tells what it costs. */
  get pid(): number {
    return this.#child.pid;
  }

  /** The lines printed so far, all of them, in order. */
  get printed(): readonly string[] {
    return this.#printed;
  }

  /** The JSON lines printed so far, in order. */
  get printedJson(): JsonLine[] {
    return this.#printed.map((line) => JSON.parse(line));
  }

  /** Begins to read standard output. */
  readOutput(): void {
    this.#reading ??= this.#readOutput();
  }

  /** Closes the reading end of standard output, of which nothing was read yet. */
  async breakOutput(): Promise<void> {
    this.#hasOutputEnded = true;
    this.#reading = Promise.resolve();
    await this.#child.stdout.cancel();
  }

  /**
   * Takes the first line that fits and that was not taken yet, and waits for it if need be.
   * @param fits tells whether it is the one
   * @param what what is awaited, for the error
   * @returns the line
   */
  nextLine(fits: (line: string) => boolean, what = "a line"): Promise<string> {
    return this.#within(what, async () => {
      while (true) {
        const at = this.#untaken.findIndex(fits);
        if (at !== -1) return this.#untaken.splice(at, 1)[0] as string;
        if (this.#hasOutputEnded) throw new Error(`${this.#title} ended its output without ${what}`);
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
      }
    });
  }

  /**
   * Takes the first JSON line of a type that fits and was not taken yet, and waits for it if need be.
   * @param type its `type`
   * @param fits tells whether it is the one
   * @returns the line
   */
  async next(type: string, fits: (line: JsonLine) => boolean = () => true): Promise<JsonLine> {
    const line = await this.nextLine((text) => {
      const json = JSON.parse(text);
      return json.type === type && fits(json);
    }, `"${type}" that fits ${fits}`);
    return JSON.parse(line);
  }

  /**
   * Writes a JSON line to standard input.
   * @param line what to write
   */
  async send(line: object): Promise<void> {
    await this.write(JSON.stringify(line) + "\n");
  }

  /**
   * Writes text to standard input; a process that is gone is not an error here, its exit tells.
   * @param text what to write
   */
  async write(text: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(text)).catch(() => {});
  }

  /** Ends standard input. */
  async closeInput(): Promise<void> {
    if (this.#isInputClosed) return;
    this.#isInputClosed = true;
    await this.#input.close().catch(() => {});
  }

  /**
   * Sends a signal to this process alone.
   * @param name the signal
   */
  signal(name: Deno.Signal): void {
    this.#child.kill(name);
  }

  /**
   * Waits for the process to end by itself.
   * @returns its exit code and all that it printed
   */
  exit(): Promise<Exit> {
    return this.#within("exit", async () => {
      const { code, signal } = await this.#child.status;
      await Promise.all([this.#reading, this.#readingErrors]);
      return {
        code,
        signal,
        stdout: this.#printed.map((line) => line + "\n").join(""),
        stderr: this.#stderr.join(""),
      };
    });
  }

  /**
   * Waits for the process to end by itself, whether or not anybody reads what it printed.
   * @returns its exit code
   */
  status(): Promise<{ readonly code: number }> {
    return this.#within("exit", () => this.#child.status);
  }

  /** Ends the process, whatever it does, and everything that belongs to it here. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended already.
    }
    await this.#child.status;
    await this.closeInput();
    if (this.#reading === undefined) await this.#child.stdout.cancel();
    await Promise.all([this.#reading, this.#readingErrors]);
  }

  async #readOutput(): Promise<void> {
    const lines = this.#child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
    for await (const line of lines) {
      this.#printed.push(line);
      this.#untaken.push(line);
      this.#wake();
    }
    this.#hasOutputEnded = true;
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  async #readErrors(): Promise<void> {
    for await (const text of this.#child.stderr.pipeThrough(new TextDecoderStream())) this.#stderr.push(text);
  }

  async #within<T>(what: string, wait: () => Promise<T>): Promise<T> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => late.reject(new Error(`${this.#title} came to no ${what}\n${this.#transcript()}`)),
      WAIT_MAX_MS,
    );
    try {
      return await Promise.race([wait(), late.promise]);
    } catch (error) {
      if (error instanceof Error && error.message.includes("without")) error.message += `\n${this.#transcript()}`;
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  #transcript(): string {
    const shown = this.#printed.length > 60 ? ["…", ...this.#printed.slice(-60)] : this.#printed;
    return ["stdout:", ...shown.map((line) => line.slice(0, 400)), "stderr:", ...this.#stderr].join("\n");
  }
}

/** Where Deno keeps the packages, which it would otherwise seek in the home. */
export const CACHE_OF_DENO: Readonly<Record<string, string>> = cacheOfDeno();

function cacheOfDeno(): Record<string, string> {
  const of = (name: string): string | undefined => Deno.env.get(name) || undefined;
  const home = of("HOME");
  const cache = of("DENO_DIR") ??
    (of("XDG_CACHE_HOME") ??
      (home === undefined ? undefined : Deno.build.os === "darwin" ? `${home}/Library/Caches` : `${home}/.cache`))
      ?.concat("/deno");
  return cache === undefined || Deno.build.os === "windows" ? {} : { DENO_DIR: cache };
}

/** The command and the arguments that stand before a program's own. */
function commandOf(name: ProgramName): string[] {
  const folder = Deno.env.get("SOTTO_BIN_DIR");
  if (folder !== undefined && folder !== "") {
    return [`${folder}/${name}${Deno.build.os === "windows" ? ".exe" : ""}`];
  }
  // The very permissions of the task: a program that needs more fails here.
  const task = denoConfig.tasks[name === "sotto" ? "client" : "server"].split(" ");
  const file = task.at(-1) as string;
  return [Deno.execPath(), ...task.slice(1, -1), new URL(file, ROOT).pathname];
}
