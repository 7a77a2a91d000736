/**
 * One member of the crowd: a real client that is driven over JSON lines, in one run or, when it is killed, in several on
 * one data directory. It notes what it was shown and when.
 * @module
 */

import type { JsonLine, Process } from "../support/process.ts";
import type { Pace } from "./_pace.ts";

/** The room that everybody is in. */
export const ROOM = "lobby";

/**
 * What a member does: `stays` to the end, comes `late`, `leaves` the room and stays connected, `quits` for good, or is
 * `killed` and comes back.
 */
export type Part = "stays" | "late" | "leaves" | "quits" | "killed";

/** Who somebody is, and what becomes of them. */
export interface MemberOptions {
  /** The handle. */
  readonly name: string;
  /** What they do. */
  readonly part: Part;
  /** Where its state is; without it, the client is ephemeral. */
  readonly dataDir?: string;
  /** Starts the client. */
  readonly start: () => Process;
  /** How far everybody is. */
  readonly pace: Pace;
  /** Is told after each line, with how many of the lines that were written it answers, and whether they are accepted. */
  readonly took: (answered: { readonly accepted: number; readonly failed: number }) => void;
}

/** One run of a client; `isOver` once its end is ours, or of no interest. */
interface Run {
  readonly process: Process;
  isKilled: boolean;
  isOver: boolean;
}

const NO_ANSWER = { accepted: 0, failed: 0 };

/** One member. */
export class Member {
  readonly #options: MemberOptions;
  readonly #runs: Run[] = [];
  /** Names that the member was shown, each with the number of the first line that it wrote after. */
  readonly shownFrom = new Map<string, number>();
  /** The number of each accepted line, by its id. */
  readonly accepted = new Map<string, number>();
  /** The key behind the handle, once the client runs. */
  fingerprint = "";
  /** Whether it writes when it is its turn. */
  isWriting = false;
  /** Lines that were written and not answered. */
  readonly #onTheirWay = new Set<number>();
  #written = 0;
  #position = 0;
  #isIn = false;
  #following: Promise<void> = Promise.resolve();

  /**
   * Makes a member whose client does not run.
   * @param options who it is
   */
  constructor(options: MemberOptions) {
    this.#options = options;
  }

  /** The handle. */
  get name(): string {
    return this.#options.name;
  }

  /** What it does. */
  get part(): Part {
    return this.#options.part;
  }

  /** Whether its state outlives the client. */
  get isLasting(): boolean {
    return this.#options.dataDir !== undefined;
  }

  /** Whether it is in the room now. */
  get isIn(): boolean {
    return this.#isIn;
  }

  /** How far it has read. */
  get position(): number {
    return this.#position;
  }

  /** How many lines of it were not answered. */
  get onTheirWay(): number {
    return this.#onTheirWay.size;
  }

  /** All that was printed, one list for each run; what a kill cut off is left out. */
  printed(): JsonLine[][] {
    return this.#runs.map(({ process: { printed }, isKilled }) => {
      const isCut = isKilled && printed.at(-1)?.endsWith("}") === false;
      return (isCut ? printed.slice(0, -1) : printed).map((line) => JSON.parse(line));
    });
  }

  /** Starts its client, and waits until it is in the room. */
  async enter(): Promise<void> {
    const run = { process: this.#options.start(), isKilled: false, isOver: false };
    this.#runs.push(run);
    this.#following = this.#follow(run);
    await this.#options.pace.until(() => this.#isIn);
  }

  /** Writes one line. */
  say(): void {
    const n = this.#written++;
    this.#onTheirWay.add(n);
    void this.#run.process.send({ type: "say", text: `${this.name} ${n}`, ref: n });
  }

  /** Leaves the room for good, whatever is on its way, and stays connected. */
  async leave(): Promise<void> {
    this.isWriting = false;
    this.#run.isOver = true;
    await this.#run.process.send({ type: "command", line: `/leave ${ROOM}` });
    await this.#options.pace.until(() => !this.#isIn);
  }

  /**
   * Ends its input, whatever is on its way, and waits until the client has ended by itself.
   * @returns the exit code
   */
  async quit(): Promise<number> {
    this.isWriting = false;
    this.#run.isOver = true;
    const { process } = this.#run;
    await process.closeInput();
    const { code } = await process.exit();
    await this.#following;
    return code;
  }

  /** Kills its client; what was not answered is for others to write. */
  async kill(): Promise<void> {
    this.isWriting = false;
    this.#run.isKilled = true;
    this.#run.isOver = true;
    this.#run.process.signal("SIGKILL");
    await this.#run.process.exit();
    await this.#following;
    const failed = this.#onTheirWay.size;
    this.#onTheirWay.clear();
    this.#options.took({ accepted: 0, failed });
  }

  get #run(): Run {
    const run = this.#runs.at(-1);
    if (run === undefined) throw new TypeError("Cannot drive a client that was never started");
    return run;
  }

  /** Takes every line of one run until it ends, or until the room is left: nothing need come any more then. */
  async #follow(run: Run): Promise<void> {
    const { pace, took } = this.#options;
    try {
      let line = await nextOf(run.process);
      while (line !== undefined && line["type"] !== "roomLeft") {
        took(this.#take(line));
        pace.beat();
        line = await nextOf(run.process);
      }
      if (!run.isOver) throw new Error(`${this.name} is gone: ${run.process.printed.slice(-3).join("\n")}`);
    } catch (error) {
      pace.fail(error);
    }
    this.#isIn = false;
    took(NO_ANSWER);
    pace.beat();
  }

  #take(line: JsonLine): { readonly accepted: number; readonly failed: number } {
    const { pace } = this.#options;
    switch (line["type"]) {
      case "ready":
        if (this.#runs.length === 1) this.#position = pace.seen;
        this.#isIn = true;
        this.fingerprint = line["fingerprint"];
        for (const { handle } of line["members"]) this.#show(handle);
        return NO_ANSWER;
      case "joined":
      case "memberAdded":
        this.#show(line["handle"]);
        return NO_ANSWER;
      case "message":
        this.#reach(line["id"]);
        return NO_ANSWER;
      case "accepted":
        this.#reach(line["id"]);
        this.accepted.set(line["id"], line["ref"]);
        return { accepted: this.#answered(line["ref"]), failed: 0 };
      case "error":
        return { accepted: 0, failed: this.#answered(line["ref"]) };
      default:
        return NO_ANSWER;
    }
  }

  #show(handle: string): void {
    if (!this.shownFrom.has(handle)) this.shownFrom.set(handle, this.#written);
  }

  #reach(id: string): void {
    this.#position = Math.max(this.#position, this.#options.pace.print(id));
  }

  #answered(n: number): number {
    return this.#onTheirWay.delete(n) ? 1 : 0;
  }
}

/** The next line, `undefined` when there is none any more, or when it was cut off. */
async function nextOf(process: Process): Promise<JsonLine | undefined> {
  const line = await process.nextLine(() => true).catch((error) => {
    if (error instanceof Error && error.message.includes("ended its output")) return "";
    throw error;
  });
  return line.endsWith("}") ? JSON.parse(line) : undefined;
}
