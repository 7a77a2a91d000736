/**
 * A relay and some clients that talk all the time, while faults strike; then all is healed, and everybody reads what
 * there is to read. What came of it is in the history, for the checker to judge.
 * @module
 */

import { Chance } from "./_chance.ts";
import { type Happening, History } from "./_history.ts";
import { Person } from "./_person.ts";
import { drawPlan, type Fault, killsOf } from "./_plan.ts";
import { FaultProxy } from "./_proxy.ts";
import { FaultRelay } from "./_relay.ts";

/** How large a run is. */
export interface StormOptions {
  /** What everything is drawn from. */
  readonly seed: string;
  /** The handles of the clients, two at least. */
  readonly names: readonly string[];
  /** How many processes are killed. */
  readonly kills: number;
  /** How many old copies of a client's directory are put back. */
  readonly putBacks: number;
  /** Whether lines may die without anybody hearing of it. */
  readonly mayBeDark: boolean;
  /** Where everything goes. */
  readonly folder: string;
}

/** What a run did beside what its history says. */
export interface StormCounts {
  /** Lines that were disturbed. */
  readonly cuts: number;
  /** Processes that were killed. */
  readonly kills: number;
  /** Whether the relay's disk could be filled whenever that was to be. */
  readonly isDiskTried: boolean;
  /** Whose lines somebody still does not read, as one of the two was put back: author and reader. */
  readonly unread: readonly string[];
}

/** The rooms: two open ones and one by invitation. */
export const ROOMS = ["lobby", "garden", "vault"];
/** Nothing at all for so long: something hangs. A line that died in silence is found out within 60 s. */
const STUCK_AFTER_MS = 150_000;
/** How often everybody says one line more until all read all, and how long it may take. */
const SAY_ROUNDS_MAX = 4;
const SAY_AGAIN_AFTER_MS = 35_000;
/** How often what is waited for is looked at. */
const LOOK_EVERY_MS = 20;

/** One run. */
export class Storm {
  readonly #options: StormOptions;
  readonly #history: History;
  readonly #people = new Map<string, Person>();
  readonly #proxies = new Map<string, FaultProxy>();
  readonly #relay: FaultRelay;
  /** Draws who writes to whom. */
  readonly #writing: Chance;
  #progressAtMs = performance.now();
  #shown = 0;
  /** The texts that each has shown. */
  readonly #shownIn = new Map<string, Set<string>>();
  readonly #invited = new Set<string>();
  #isWriting = false;
  readonly #faultsUnderWay = new Set<Promise<void>>();
  #isOver = false;
  #cuts = 0;
  #kills = 0;
  /** Whether the disk could be filled whenever that was to be. */
  #isDiskTried = true;
  /** Those who had an old copy put back, and who of them is not read yet, or does not read. */
  readonly #putBack = new Set<string>();
  #unread: readonly string[] = [];

  /**
   * Makes the directories, and starts nothing.
   * @param options how large it is
   */
  constructor(options: StormOptions) {
    this.#options = options;
    const { folder, names, seed } = options;
    this.#history = new History(`${folder}/history.txt`, (happening) => this.#note(happening));
    this.#relay = new FaultRelay({
      folder: makeFolder(`${folder}/relay`),
      history: this.#history,
      listens: (port) => {
        for (const proxy of this.#proxies.values()) proxy.relayPort = port;
      },
    });
    for (const name of names) this.#proxies.set(name, new FaultProxy());
    this.#writing = new Chance(`${seed} texts`);
  }

  /** What happened so far. */
  get history(): readonly Happening[] {
    return this.#history.all;
  }

  /** What was done. */
  get counts(): StormCounts {
    return { cuts: this.#cuts, kills: this.#kills, isDiskTried: this.#isDiskTried, unread: this.#unread };
  }

  /** Where seals were noted, by who made them. */
  get seals(): ReadonlyMap<string, string> {
    return new Map([...this.#people.values(), this.#relay].map((each) => [
      each instanceof Person ? each.name : "relay",
      each.seals,
    ]));
  }

  /** What went wrong beside what the history says. */
  get failures(): string[] {
    return [...this.#people.values(), this.#relay].flatMap(({ failure }) => failure ?? []);
  }

  /** Lets everything happen. */
  async run(): Promise<void> {
    try {
      await this.#gather();
      const writing = this.#write();
      try {
        await this.#strikeAll();
        await this.#heal();
      } finally {
        this.#isWriting = false;
        await writing;
      }
      await this.#settle();
      await Promise.all([...this.#people.values()].map((person) => person.quit()));
      await this.#relay.end("SIGTERM");
      this.#history.tell("all", 0, "over");
    } catch (error) {
      this.#history.tell("all", 0, "givenUp", { why: String(error) });
      throw error;
    }
  }

  /** Ends whatever runs. */
  async close(): Promise<void> {
    this.#isWriting = false;
    this.#isOver = true;
    await Promise.allSettled(this.#faultsUnderWay); // one may be about to start somebody
    await Promise.all([...this.#people.values()].map((person) => person.end()));
    await this.#relay.end("SIGKILL");
    await Promise.all([...this.#proxies.values()].map((proxy) => proxy.close()));
    this.#history.close();
  }

  /** Brings everybody into all rooms, until each has read a line of each other everywhere. */
  async #gather(): Promise<void> {
    const { folder, names, seed } = this.#options;
    await this.#relay.start();
    for (const name of names) {
      this.#people.set(
        name,
        new Person({
          name,
          folder: makeFolder(`${folder}/${name}`),
          proxy: this.#proxy(name),
          relayKey: this.#relay.fingerprint,
          history: this.#history,
          chance: new Chance(`${seed} ${name}`),
        }),
      );
    }
    const people = [...this.#people.values()];
    for (const person of people) person.start();
    await this.#until(() => people.every((person) => person.rooms.has("lobby")), "everybody in the lobby");
    const [owner = people[0] as Person] = people;
    owner.command("/room create vault --invite-only");
    for (const person of people) person.command("/join garden");
    await this.#until(() => people.every((person) => person.rooms.has("garden")) && owner.rooms.has("vault"), "rooms");
    owner.command("/switch vault");
    for (const { name } of people.slice(1)) owner.command(`/invite ${name}`);
    for (const person of people.slice(1)) {
      await this.#until(() => this.#invited.has(person.name), `${person.name} to be invited`);
      person.command("/join vault");
    }
    await this.#until(() => people.every((person) => person.rooms.has("vault")), "everybody in the vault");
    await this.#allSay();
    this.#history.tell("all", 0, "gathered");
  }

  /**
   * Lets everybody write one line everywhere, and waits until all have read all of these. Whoever has no keys, or was put
   * back, is given some before a later line, so that there are more rounds. Two of whom one was put back may still not
   * read each other: that is told.
   */
  async #allSay(): Promise<void> {
    for (let round = 0; round < SAY_ROUNDS_MAX; round++) {
      const wanted: { readonly reader: string; readonly author: string; readonly text: string }[] = [];
      for (const person of this.#people.values()) {
        for (const to of this.#placesOf(person)) {
          let text = "";
          await this.#until(() => person.write(to, text = person.draw(to)), `${person.name} to write to ${to}`);
          for (const reader of this.#readersOf(person, to)) wanted.push({ reader, author: person.name, text });
        }
      }
      const missing = () => wanted.filter(({ reader, text }) => this.#shownIn.get(reader)?.has(text) !== true);
      const untilMs = performance.now() + SAY_AGAIN_AFTER_MS;
      await this.#until(() => missing().length === 0 || performance.now() > untilMs, "everybody to read everybody");
      const isOfPutBack = ({ reader, author }: (typeof wanted)[number]) =>
        [reader, author].some((who) => this.#putBack.has(who));
      this.#unread = [...new Set(missing().filter(isOfPutBack).map(({ reader, author }) => `${author} by ${reader}`))];
      const isOver = missing().every(isOfPutBack) && (this.#unread.length === 0 || round + 1 >= SAY_ROUNDS_MAX / 2);
      if (isOver) return;
    }
    throw new Error("Not everybody can read everybody, although all is well again");
  }

  /** Lets everybody write whenever they may. */
  async #write(): Promise<void> {
    const chance = this.#writing;
    const people = [...this.#people.values()];
    this.#isWriting = true;
    while (this.#isWriting) {
      const person = chance.one(people);
      const to = chance.one(this.#placesOf(person));
      if (chance.next() < 0.1) person.ask();
      else person.write(to, person.draw(to));
      await sleep(chance.between(1, 12));
    }
  }

  async #strikeAll(): Promise<void> {
    for (const { afterShown, atMostMs, fault } of drawPlan(new Chance(`${this.#options.seed} plan`), this.#options)) {
      const [shown, untilMs] = [this.#shown, performance.now() + atMostMs];
      await this.#until(() => this.#shown >= shown + afterShown || performance.now() >= untilMs, "time to pass");
      const work: Promise<void> = this.#strike(fault).finally(() => this.#faultsUnderWay.delete(work));
      this.#faultsUnderWay.add(work);
      // A second kill waits until the first is over, and so does all that follows a full disk.
      if (killsOf(fault) > 0 || fault.kind === "diskFull") await work;
    }
    await Promise.all(this.#faultsUnderWay);
  }

  async #strike(fault: Fault): Promise<void> {
    switch (fault.kind) {
      case "killClients":
        await Promise.all(fault.who.map((name) => this.#person(name).kill()));
        await sleep(fault.backAfterMs);
        for (const name of fault.who) this.#person(name).start();
        return;
      case "killRelay":
        await Promise.all([this.#relay.end("SIGKILL"), ...fault.with.map((name) => this.#person(name).kill())]);
        await sleep(fault.backAfterMs);
        await this.#relay.start();
        for (const name of fault.with) this.#person(name).start();
        return;
      case "clock":
        Deno.writeTextFileSync(`${this.#options.folder}/${fault.who}/clock`, String(fault.byMs));
        return this.#history.tell(fault.who, 0, "clock", { byMs: fault.byMs });
      case "diskFull":
        return await this.#fillDisk(fault.forMs);
      case "copy":
      case "putBack":
        return await this.#turnBack(fault.kind, fault.who);
      default:
        return await this.#disturb(fault);
    }
  }

  async #disturb(fault: Extract<Fault, { readonly forMs: number; readonly who: string }>): Promise<void> {
    const { kind, who, forMs } = fault;
    const proxy = this.#proxy(who);
    this.#cuts++;
    this.#history.tell("net", 0, kind, { of: who, forMs, ...("way" in fault ? { way: fault.way } : {}) });
    if (kind === "cut") return proxy.cut();
    if (kind === "stall") proxy.stall(fault.way);
    if (kind === "halfClose") return await proxy.halfClose(fault.way);
    if (kind === "split") proxy.splits = true;
    if (kind === "delay") proxy.delayMs = fault.byMs;
    if (kind === "blackhole" || kind === "dark") proxy.swallow();
    await sleep(forMs);
    proxy.heal();
    if (kind === "blackhole") proxy.cut();
    this.#history.tell("net", 0, "healed", { of: who });
  }

  async #fillDisk(forMs: number): Promise<void> {
    if (!await this.#relay.limitFiles(98_304)) {
      this.#isDiskTried = false;
      return;
    }
    this.#history.tell("relay", 0, "diskFull");
    await sleep(forMs);
    await this.#relay.limitFiles();
    this.#history.tell("relay", 0, "diskFree");
  }

  /** Copies a client's directory while it does not run, or puts the copy in its place. */
  async #turnBack(kind: "copy" | "putBack", who: string): Promise<void> {
    const person = this.#person(who);
    await person.kill();
    const [from, to] = [person.dataDir, `${this.#options.folder}/${who}/copy`];
    if (kind === "copy") await copyFolder(from, to);
    else {
      this.#putBack.add(who);
      await Deno.remove(from, { recursive: true });
      await copyFolder(to, from);
    }
    this.#history.tell(who, 0, kind === "copy" ? "copied" : "putBack");
    person.start();
  }

  /** Ends all faults. */
  async #heal(): Promise<void> {
    for (const proxy of this.#proxies.values()) proxy.heal();
    for (const name of [...this.#options.names, "relay"]) {
      Deno.writeTextFileSync(`${this.#options.folder}/${name}/clock`, "0");
    }
    this.#history.tell("net", 0, "healed", { of: "everybody" });
    await this.#until(
      () => this.#all((person) => ROOMS.every((room) => person.rooms.has(room))),
      "everybody to be back",
    );
  }

  /** Waits until everybody has answered for all that they took, and has read what was written last. */
  async #settle(): Promise<void> {
    await this.#until(() => this.#all((person) => person.isAnswered), "all lines to be answered");
    await this.#allSay();
  }

  #all(holds: (person: Person) => boolean): boolean {
    return [...this.#people.values()].every(holds);
  }

  #placesOf({ name }: Person): string[] {
    const others = this.#options.names.filter((other) => other !== name);
    return [...ROOMS.map((room) => `#${room}`), ...others.map((other) => `@${other}`)];
  }

  #readersOf({ name }: Person, to: string): string[] {
    return to.startsWith("@") ? [to.slice(1)] : this.#options.names.filter((other) => other !== name);
  }

  #person(name: string): Person {
    return this.#people.get(name) as Person;
  }

  #proxy(name: string): FaultProxy {
    return this.#proxies.get(name) as FaultProxy;
  }

  #note({ who, what, fields }: Happening): void {
    if (what !== "wrote" && what !== "asked") this.#progressAtMs = performance.now();
    if (what === "killed" && !this.#isOver) this.#kills++;
    if (what === "shown") {
      this.#shown++;
      const texts = this.#shownIn.get(who) ?? new Set();
      this.#shownIn.set(who, texts.add(String(fields["text"])));
    }
    if (what === "invited") this.#invited.add(who);
  }

  async #until(holds: () => boolean, what: string): Promise<void> {
    while (!holds()) {
      const [failure] = this.failures;
      if (failure !== undefined) throw new Error(failure);
      if (performance.now() - this.#progressAtMs > STUCK_AFTER_MS) throw new Error(`Nothing happens; awaited: ${what}`);
      await sleep(LOOK_EVERY_MS);
    }
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function makeFolder(path: string): string {
  Deno.mkdirSync(`${path}/seals`, { recursive: true });
  Deno.writeTextFileSync(`${path}/clock`, "0");
  return path;
}

async function copyFolder(from: string, to: string): Promise<void> {
  await Deno.remove(to, { recursive: true }).catch(() => {});
  await Deno.mkdir(to, { recursive: true, mode: 0o700 });
  for await (const { name } of Deno.readDir(from)) await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
}
