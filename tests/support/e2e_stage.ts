/**
 * What an end-to-end test is played on: a relay, clients, directories, all of its own and all gone when it ends.
 * @module
 */

import { assertEquals } from "@std/assert";
import { type Exit, type JsonLine, Process, type ProgramName, type StartOptions } from "./process.ts";

/** A running relay. */
export interface StagedRelay {
  readonly process: Process;
  readonly port: number;
  readonly fingerprint: string;
  readonly dataDir: string;
}

/** How a client is started. */
export interface ClientStart extends StartOptions {
  /** Flags beside address, name, relay key and `--json`. */
  readonly flags?: readonly string[];
  /** Where its identity is; without it, the client is ephemeral. */
  readonly dataDir?: string;
  /** Another way to the relay, such as a proxy's port. */
  readonly port?: number;
}

/** A client that is in the room, and what it said first. */
export interface StagedClient {
  readonly process: Process;
  readonly ready: JsonLine;
}

/** Owns everything that a test starts. */
export class Stage implements AsyncDisposable {
  readonly #processes: Process[] = [];
  readonly #directories: string[] = [];
  readonly #owned: { close(): Promise<void> }[] = [];

  /**
   * Makes an empty directory.
   * @returns its path
   */
  async directory(): Promise<string> {
    const path = await Deno.makeTempDir({ prefix: "sotto-e2e-" });
    this.#directories.push(path);
    return path;
  }

  /**
   * Takes over something that must be closed at the end.
   * @param thing what to close
   * @returns the same
   */
  own<T extends { close(): Promise<void> }>(thing: T): T {
    this.#owned.push(thing);
    return thing;
  }

  /**
   * Starts a program.
   * @param name which one
   * @param args its command line
   * @param options environment and reading
   * @returns the process
   */
  start(name: ProgramName, args: readonly string[], options: StartOptions = {}): Process {
    const process = Process.start(name, args, options);
    this.#processes.push(process);
    return process;
  }

  /**
   * Runs a program to its end.
   * @param name which one
   * @param args its command line
   * @param options environment, and what it reads from standard input
   * @returns how it ended
   */
  async run(
    name: ProgramName,
    args: readonly string[],
    { input = "", ...options }: StartOptions & { readonly input?: string } = {},
  ): Promise<Exit> {
    const process = this.start(name, args, options);
    await process.write(input);
    await process.closeInput();
    return await process.exit();
  }

  /**
   * Starts a relay and waits until it listens.
   * @param options where its data is, further flags, and the port of an earlier one that has ended
   * @returns the relay
   */
  async relay(
    options: { readonly dataDir?: string; readonly flags?: readonly string[]; readonly port?: number } = {},
  ): Promise<StagedRelay> {
    const dataDir = options.dataDir ?? `${await this.directory()}/relay`;
    const where = ["--host", "127.0.0.1", "--port", String(options.port ?? 0)];
    const args = ["--json", ...where, "--name", "stage", "--data-dir", dataDir];
    const process = this.start("sotto-server", [...args, ...options.flags ?? []]);
    const { port, fingerprint } = await process.next("listening");
    return { process, port, fingerprint, dataDir };
  }

  /**
   * Starts a JSON client.
   * @param relay where it goes
   * @param name its handle
   * @param options identity, flags and reading
   * @returns the process, which has not said anything yet
   */
  call(relay: Pick<StagedRelay, "port" | "fingerprint">, name: string, options: ClientStart = {}): Process {
    return this.start("sotto", [...clientArgs(relay, name, options), "--json"], options);
  }

  /**
   * Starts a JSON client and waits until it is in the room.
   * @param relay where it goes
   * @param name its handle
   * @param options identity, flags and reading
   * @returns the client
   */
  async client(
    relay: Pick<StagedRelay, "port" | "fingerprint">,
    name: string,
    options: ClientStart = {},
  ): Promise<StagedClient> {
    const process = this.call(relay, name, options);
    return { process, ready: await process.next("ready") };
  }

  /**
   * Brings people into the room, one after the other, and waits until each has seen all.
   * @param relay where they go
   * @param names their handles
   * @returns their processes, in the same order
   */
  async clients<N extends readonly string[]>(
    relay: Pick<StagedRelay, "port" | "fingerprint">,
    ...names: N
  ): Promise<{ [I in keyof N]: Process }> {
    const clients = names.map((name) => this.call(relay, name));
    await Promise.all(clients.map(async (client, own) => {
      const { members } = await client.next("ready");
      const seen = new Set(members.map((member: JsonLine) => member["handle"]));
      for (const name of names) {
        if (name === names[own] || seen.has(name)) continue;
        await client.next("joined", ({ handle }) => handle === name);
      }
    }));
    return clients as { [I in keyof N]: Process };
  }

  /** Ends all that was started and removes all that was made. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#processes.map((process) => process[Symbol.asyncDispose]()));
    await Promise.all(this.#owned.map((thing) => thing.close()));
    for (const path of this.#directories) await Deno.remove(path, { recursive: true });
  }
}

/**
 * Makes the command line of a client that trusts the one relay.
 * @param relay where it goes
 * @param name its handle
 * @param options identity and flags
 * @returns the arguments
 */
export function clientArgs(
  relay: Pick<StagedRelay, "port" | "fingerprint">,
  name: string,
  options: ClientStart = {},
): string[] {
  return [
    `127.0.0.1:${options.port ?? relay.port}`,
    "--name",
    name,
    "--relay-key",
    relay.fingerprint,
    ...(options.dataDir === undefined ? ["--ephemeral"] : ["--data-dir", options.dataDir]),
    ...options.flags ?? [],
  ];
}

/**
 * Asserts that a JSON program refused to start: one `error` line, nothing else anywhere, and the exit code.
 * @param exit how it ended
 * @param expected the error's code and the exit code
 * @returns the error line
 */
export function assertRefused(exit: Exit, expected: { readonly code: string; readonly exit: number }): JsonLine {
  const lines = exit.stdout.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
  assertEquals(lines.map(({ type, code }) => ({ type, code })), [{ type: "error", code: expected.code }], exit.stderr);
  assertEquals({ code: exit.code, stderr: exit.stderr }, { code: expected.exit, stderr: "" });
  const [line] = lines;
  assertEquals(Object.keys(line).toSorted(), ["code", "hint", "message", "type", "v"]);
  return line;
}
