/**
 * The relay over all its processes, always on the same files and each time on another port.
 * @module
 */

import type { History } from "./_history.ts";
import { Program } from "./_program.ts";

/** What a relay needs. */
export interface RelayOptions {
  /** A directory of its own. */
  readonly folder: string;
  /** Takes what happens. */
  readonly history: History;
  /** Is told on which port it listens, and that it does no more. */
  readonly listens: (port: number | undefined) => void;
}

/** A relay. */
export class FaultRelay {
  readonly #options: RelayOptions;
  #program: Program | undefined;
  #runs = 0;
  #isWanted = false;
  #fingerprint = "";
  /** Why it ended in a way that it should not, if it did. */
  failure: string | undefined;

  /**
   * Makes a relay that is not started.
   * @param options what it needs
   */
  constructor(options: RelayOptions) {
    this.#options = options;
  }

  /** Its fingerprint, once it has listened. */
  get fingerprint(): string {
    return this.#fingerprint;
  }

  /** Where its clock is bent. */
  get clock(): string {
    return `${this.#options.folder}/clock`;
  }

  /** The directory of what is noted of its seals. */
  get seals(): string {
    return `${this.#options.folder}/seals`;
  }

  /** Starts it, and waits until it listens or has ended. */
  async start(): Promise<void> {
    const { folder, history, listens } = this.#options;
    this.#isWanted = true;
    const run = ++this.#runs;
    history.tell("relay", run, "started");
    const listening = Promise.withResolvers<void>();
    const program = new Program({
      task: "server",
      args: ["--host", "127.0.0.1", "--port", "0", "--name", "faults", "--data-dir", `${folder}/data`, "--json"],
      seals: this.seals,
      clock: this.clock,
      printed: (line) => {
        if (line["type"] === "error") {
          history.tell("relay", run, "refused", { code: line["code"], text: line["message"] });
        }
        if (line["type"] !== "listening") return;
        this.#fingerprint = line["fingerprint"];
        history.tell("relay", run, "listens");
        listens(line["port"]);
        listening.resolve();
      },
    });
    this.#program = program;
    program.ended.then(({ code, isKilled, stderr }) => {
      listens(undefined);
      history.tell("relay", run, isKilled ? "killed" : "ended", isKilled ? {} : { code });
      if (stderr !== "") this.failure = `The relay wrote to standard error: ${stderr.slice(0, 2_000)}`;
      else if (this.#isWanted || (!isKilled && code !== 0)) this.failure = `The relay ended by itself with ${code}`;
      listening.resolve();
    });
    await listening.promise;
  }

  /**
   * Ends its process.
   * @param signal with which one
   */
  async end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    this.#isWanted = false;
    this.#program?.signal(signal);
    await this.#program?.ended;
  }

  /**
   * Lets no file of its process grow beyond a size, or takes that back: as if the disk were full.
   * @param maxBytes the size; without it, files may grow
   * @returns whether this machine can do that
   */
  async limitFiles(maxBytes?: number): Promise<boolean> {
    const pid = this.#program?.pid;
    if (Deno.build.os !== "linux" || pid === undefined) return false;
    const command = new Deno.Command("prlimit", {
      args: ["--pid", String(pid), `--fsize=${maxBytes ?? "unlimited"}:`],
      stdout: "null",
      stderr: "null",
    });
    return await command.output().then(({ success }) => success, () => false);
  }
}
