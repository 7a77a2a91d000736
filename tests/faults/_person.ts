/**
 * One client over all its processes: what it is made to write, and what it prints, goes into the history as it happens.
 * @module
 */

import type { JsonLine } from "../support/process.ts";
import type { Chance } from "./_chance.ts";
import type { Fields, History } from "./_history.ts";
import { Program, type ProgramEnd } from "./_program.ts";
import type { FaultProxy } from "./_proxy.ts";

/** What a client needs to be started. */
export interface PersonOptions {
  /** Its handle. */
  readonly name: string;
  /** A directory of its own: its data and what is noted of it are in there. */
  readonly folder: string;
  /** Its way to the relay. */
  readonly proxy: FaultProxy;
  /** The relay's fingerprint. */
  readonly relayKey: string;
  /** Takes what happens. */
  readonly history: History;
  /** Draws what it writes. */
  readonly chance: Chance;
}

/** Lines that may be unanswered while it writes more. */
const AHEAD_MAX = 4;
/** With these a client may end that has not begun: nobody is there, or the line breaks. */
const MAY_END_WITH = ["relayUnreachable", "linkLost", "notARelay", "alreadyLinked"];
/** How long it is let be after such an end. */
const AGAIN_AFTER_MS = 150;
/** Letters of many kinds, for texts that are changed by nobody. */
const LETTERS = [..."abcdefghijklmnopqrstuvwxyz \"\\'{}<>&%,;äßéøλжאع中文🙂👩‍👩‍👧"];

/** One client. */
export class Person {
  readonly options: PersonOptions;
  /** The rooms that the process that runs now has entered, by name. */
  readonly rooms = new Set<string>();
  /** Why it ended in a way that it should not, if it did. */
  failure: string | undefined;
  #program: Program | undefined;
  #runs = 0;
  #refs = 0;
  #unanswered = new Set<number>();
  /** What the process printed last of an error that ends it. */
  #lastError = "";
  #isReady = false;
  #isWanted = false;
  #isRunning = false;
  #againTimer: ReturnType<typeof setTimeout> | undefined;

  /**
   * Makes a client that is not started.
   * @param options what it needs
   */
  constructor(options: PersonOptions) {
    this.options = options;
  }

  /** Its handle. */
  get name(): string {
    return this.options.name;
  }

  /** Where its data is. */
  get dataDir(): string {
    return `${this.options.folder}/data`;
  }

  /** Where its clock is bent. */
  get clock(): string {
    return `${this.options.folder}/clock`;
  }

  /** The directory of what is noted of its seals. */
  get seals(): string {
    return `${this.options.folder}/seals`;
  }

  /** Whether the process that runs has begun to chat. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** Whether nothing that it wrote to the process that runs is without an answer. */
  get isAnswered(): boolean {
    return this.#unanswered.size === 0;
  }

  /** Starts it; what ends before it has begun, because nobody is there, is started again. */
  start(): void {
    this.#isWanted = true;
    this.#run();
  }

  /** Kills its process; one that has just ended by itself is started for that. */
  async kill(): Promise<void> {
    clearTimeout(this.#againTimer);
    if (this.#isWanted && !this.#isRunning) this.#run();
    await this.end();
  }

  /** Ends its process by force, if there is one. */
  async end(): Promise<void> {
    this.#isWanted = false;
    clearTimeout(this.#againTimer);
    this.#program?.signal("SIGKILL");
    await this.#program?.ended;
  }

  /** Lets it end by itself, with all that it has to do. */
  async quit(): Promise<void> {
    this.#isWanted = false;
    clearTimeout(this.#againTimer);
    await this.#program?.closeInput();
    await this.#program?.ended;
  }

  /**
   * Writes a line to somebody, unless too much is unanswered or it is not there.
   * @param to `#room` or `@name`
   * @param text what to write
   * @returns whether it was written
   */
  write(to: string, text: string): boolean {
    const isRoom = to.startsWith("#");
    if (!this.#isReady || this.#unanswered.size >= AHEAD_MAX || (isRoom && !this.rooms.has(to.slice(1)))) return false;
    const ref = ++this.#refs;
    this.#unanswered.add(ref);
    this.#tell("wrote", { to, ref, text });
    this.#program?.send(
      isRoom ? { type: "say", room: to.slice(1), text, ref } : { type: "pm", to: to.slice(1), text, ref },
    );
    return true;
  }

  /**
   * Draws a line that nobody has written before.
   * @param to `#room` or `@name`
   * @returns the line
   */
  draw(to: string): string {
    const { chance, name } = this.options;
    const length = chance.next() < 0.05 ? 1_000 : chance.between(0, 40);
    const filler = Array.from({ length }, () => chance.one(LETTERS)).join("");
    return `${name} to ${to}, line ${this.#refs + 1}: ${filler}`.trimEnd();
  }

  /** Asks for something that is answered once all lines before it are kept. */
  ask(): void {
    if (!this.#isReady) return;
    const ref = ++this.#refs;
    this.#tell("asked", { ref });
    this.#program?.send({ type: "command", line: "/help", ref });
  }

  /**
   * Gives it a command.
   * @param line the command, with its slash
   */
  command(line: string): void {
    this.#program?.send({ type: "command", line });
  }

  #run(): void {
    const { name, folder, proxy, relayKey } = this.options;
    this.#runs++;
    this.#isReady = false;
    this.#lastError = "";
    this.#unanswered.clear();
    this.rooms.clear();
    this.#tell("started");
    const program = new Program({
      task: "client",
      args: [`127.0.0.1:${proxy.port}`, "--name", name, "--relay-key", relayKey, "--data-dir", this.dataDir, "--json"],
      seals: this.seals,
      clock: `${folder}/clock`,
      printed: (line) => this.#printed(line),
    });
    this.#program = program;
    this.#isRunning = true;
    program.ended.then((end) => this.#ended(end));
  }

  #ended({ code, isKilled, stderr }: ProgramEnd): void {
    const hadBegun = this.#isReady;
    this.#isRunning = false;
    this.#isReady = false;
    this.rooms.clear();
    this.#tell(isKilled ? "killed" : "ended", isKilled ? {} : { code, error: this.#lastError || undefined });
    if (stderr !== "") this.failure = `${this.name} wrote to standard error: ${stderr.slice(0, 2_000)}`;
    if (!this.#isWanted) {
      if (!isKilled && code !== 0) this.failure = `${this.name} ended with ${code} (${this.#lastError})`;
    } else if (isKilled || hadBegun || !MAY_END_WITH.includes(this.#lastError)) {
      this.failure = `${this.name} ended by itself with ${code} (${this.#lastError})`;
    } else this.#againTimer = setTimeout(() => this.#run(), AGAIN_AFTER_MS);
  }

  #printed(line: JsonLine): void {
    const { ref, id, code } = line;
    const to = placeOf(line);
    switch (line["type"]) {
      case "ready":
        this.#isReady = true;
        return this.#entered(line["room"]);
      case "roomJoined":
        return this.#entered(line["room"]);
      case "accepted":
        this.#unanswered.delete(ref);
        return this.#tell("accepted", { to, ref, id, again: line["again"] });
      case "message":
        return this.#tell("shown", {
          to,
          from: line["from"],
          id,
          late: line["late"] || undefined,
          again: line["again"],
          text: line["text"],
        });
      case "error":
        this.#lastError = code;
        this.#unanswered.delete(ref);
        return this.#tell("refused", { ref, code, text: line["message"] });
      case "gap":
        return this.#tell("gap", { to, from: line["from"], count: line["count"] });
      case "fork":
        return this.#tell("fork", { to, from: line["from"] });
      case "notice":
        if (code === "help") return this.#tell("answered", { ref });
        return this.#tell("notice", { code, ref, text: line["text"] });
      case "link":
        return this.#tell("link", { state: line["state"], why: line["why"], missed: line["missed"] });
      case "invited":
        return this.#tell("invited", { to, by: line["by"] });
      case "memberAdded":
      case "memberRemoved":
      case "roomLeft":
        return this.#tell(line["type"], { to, of: line["handle"], by: line["by"], reason: line["reason"] });
      default:
    }
  }

  #entered(room: string): void {
    this.rooms.add(room);
    this.#tell("entered", { to: `#${room}` });
  }

  #tell(what: string, fields: Fields = {}): void {
    this.options.history.tell(this.name, this.#runs, what, fields);
  }
}

function placeOf({ room, to }: JsonLine): string | undefined {
  return room !== undefined ? `#${room}` : to !== undefined ? `@${to}` : undefined;
}
