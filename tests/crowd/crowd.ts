// Aim: fifty real clients in one room of one real relay write 2,000 messages at once, while some come late, some leave for
// good and some are killed and started again. Every message that was accepted is read by every member who should read it,
// once and in the relay's order. What it cost is printed; no time is asserted.
//
//     deno task test:crowd                  50 clients, 2,000 messages, at most 100 of them not read by all
//     deno task test:crowd -- 5 100         5 clients, 100 messages
//     deno task test:crowd -- 50 2000 500   at most 500 messages that somebody has not read yet

import { assertEquals } from "@std/assert";
import { Stage, type StagedRelay } from "../support/e2e_stage.ts";
import { Member, type Part, ROOM } from "./_member.ts";
import { Pace } from "./_pace.ts";
import { Report } from "./_report.ts";
import { readRoomLog } from "./_room_log.ts";
import { judge, type Verdict } from "./_verdict.ts";

const [CLIENTS = 50, MESSAGES = 2_000, LAG_MAX = 100] = Deno.args.map(Number);
/** Lines of one member that may be on their way. */
const AHEAD_MAX = 4;
/** Clients that are started at the same time; each takes half a second of CPU. */
const STARTS_AT_ONCE = 4;
/**
 * Clients that give all others their keys for the first time, at the same time: it takes half a second of CPU, and whoever
 * has not got them after five, on whatever machine, is left out.
 */
const GREET_AT_ONCE = 2;
/** As `LAG_MAX`, while somebody comes. */
const LAG_AT_ENTRANCE_MAX = Math.min(10, LAG_MAX);
/** When what happens, as shares of what was accepted. */
const LATE_COME_AT = 0.2;
const SOME_GO_AT = 0.4;
const SOME_ARE_KILLED_AT = 0.6;
/** What is written only once all who come late or again are in, so that they have something to read. */
const HELD_BACK = 0.2;

Deno.test(`${CLIENTS} clients in one room read ${MESSAGES} messages, each once and in order`, async () => {
  await using stage = new Stage();
  const crowd = new Crowd(stage, await stage.relay());
  await crowd.gather();
  await crowd.talk();
  const { faults } = await crowd.end();
  assertEquals(faults.slice(0, 30), [], `${faults.length} faults`);
});

/** Everybody, and the lines that there are to write. */
class Crowd {
  readonly #stage: Stage;
  readonly #relay: StagedRelay;
  readonly #pace = new Pace();
  readonly #report = new Report();
  readonly #members: Member[] = [];
  #claimed = 0;
  #accepted = 0;
  /** Whose turn it is. */
  #turn = 0;
  #lastShare = 1 - HELD_BACK;
  #entering = 0;

  constructor(stage: Stage, relay: StagedRelay) {
    this.#stage = stage;
    this.#relay = relay;
  }

  /** Brings all into the room who are there from the beginning, until each was shown all others and has their keys. */
  async gather(): Promise<void> {
    for (const [i, part] of parts().entries()) this.#members.push(await this.#member(`m${i}`, part));
    const founders = this.#members.filter(({ part }) => part !== "late");
    await inTurns(founders, STARTS_AT_ONCE, (member) => member.enter());
    this.#report.tell(`${founders.length} clients are in the room`);
    await this.#pace.until(() =>
      founders.every(({ name, shownFrom }) =>
        founders.every((other) => other.name === name || shownFrom.has(other.name))
      )
    );
    this.#report.tell("each was shown all others");
    await inTurns(founders, GREET_AT_ONCE, (member) => this.#greet(member));
    await this.#allHaveRead();
    this.#report.tell("each has said one line, and all have read it");
  }

  /** Writes all lines, and lets happen what is to happen meanwhile. */
  async talk(): Promise<void> {
    for (const member of this.#members) member.isWriting = member.isIn;
    this.#deal();
    await Promise.all([this.#lateCome(), this.#someGo(), this.#someAreKilled()]);
    this.#report.tell("all who come late or again are in");
    await this.#report.look();
    this.#lastShare = 1;
    this.#deal();
    await this.#pace.until(() =>
      this.#accepted >= MESSAGES && this.#members.every(({ onTheirWay }) => onTheirWay === 0)
    );
    await this.#allHaveRead();
    this.#report.tell(`${this.#accepted} messages were accepted, and all have read the last`);
  }

  /** Ends everybody, and judges. */
  async end(): Promise<Verdict> {
    await this.#report.look();
    const codes = await Promise.all(
      this.#members.filter(({ part }) => part !== "quits").map((member) => member.quit()),
    );
    this.#report.tell("all clients have ended");
    await this.#report.count("clients");
    this.#relay.process.signal("SIGTERM");
    const { code } = await this.#relay.process.exit();
    await this.#report.count("relay");
    const log = await readRoomLog(this.#relay.dataDir, ROOM);
    const verdict = judge(this.#members, log);
    this.#report.print(verdict, log);
    assertEquals([code, ...codes].filter((each) => each !== 0), [], "exit codes");
    return verdict;
  }

  async #lateCome(): Promise<void> {
    await this.#pace.until(() => this.#accepted >= MESSAGES * LATE_COME_AT);
    this.#report.tell("some come late");
    await this.#enter(this.#members.filter(({ part }) => part === "late"));
    this.#report.tell("they are in");
  }

  async #someGo(): Promise<void> {
    await this.#pace.until(() => this.#accepted >= MESSAGES * SOME_GO_AT);
    this.#report.tell("some go");
    await Promise.all(this.#members.filter(({ part }) => part === "leaves").map((member) => member.leave()));
    const codes = await Promise.all(
      this.#members.filter(({ part }) => part === "quits").map((member) => member.quit()),
    );
    assertEquals(codes.filter((code) => code !== 0), [], "exit codes of those who quit");
    this.#report.tell("they are gone");
  }

  async #someAreKilled(): Promise<void> {
    await this.#pace.until(() => this.#accepted >= MESSAGES * SOME_ARE_KILLED_AT);
    this.#report.tell("some are killed");
    const killed = this.#members.filter(({ part }) => part === "killed");
    await Promise.all(killed.map((member) => member.kill()));
    await this.#enter(killed);
    this.#report.tell("they are back");
  }

  /** Lets some come while the others go on, and write once everybody has their keys. */
  async #enter(members: readonly Member[]): Promise<void> {
    this.#entering++;
    await inTurns(members, GREET_AT_ONCE, async (member) => {
      await member.enter();
      await this.#greet(member);
      member.isWriting = true;
    });
    this.#entering--;
    this.#deal();
  }

  /** Says a first line, for which all others must be given keys. */
  async #greet(member: Member): Promise<void> {
    this.#claimed++;
    member.say();
    await this.#pace.until(() => member.onTheirWay === 0);
  }

  #allHaveRead(): Promise<void> {
    return this.#pace.until(() => this.#pace.lag(this.#members) === 0);
  }

  /** Gives out lines, one to each in turn, as far as the slowest reader allows. */
  #deal(): void {
    const most = Math.floor(MESSAGES * this.#lastShare);
    const lagMax = this.#entering > 0 ? LAG_AT_ENTRANCE_MAX : LAG_MAX;
    const lag = this.#pace.lag(this.#members);
    for (let passed = 0; passed < this.#members.length; passed++) {
      const isTooMuch = lag + this.#claimed - this.#accepted >= lagMax;
      if (this.#claimed >= most || isTooMuch) return;
      const member = this.#members[this.#turn++ % this.#members.length] as Member;
      if (!member.isWriting || !member.isIn || member.onTheirWay >= AHEAD_MAX) continue;
      passed = 0;
      this.#claimed++;
      member.say();
    }
  }

  async #member(name: string, part: Part): Promise<Member> {
    const isLasting = part === "killed" || part === "leaves" || (part !== "quits" && this.#members.length % 2 === 0);
    const dataDir = isLasting ? { dataDir: await this.#stage.directory() } : {};
    const start = () => this.#stage.call(this.#relay, name, dataDir);
    const took = ({ accepted, failed }: { readonly accepted: number; readonly failed: number }) => {
      this.#accepted += accepted;
      this.#claimed -= failed;
      this.#deal();
    };
    return new Member({ name, part, ...dataDir, start, pace: this.#pace, took });
  }
}

/** What everybody does, in the order of their coming. */
function parts(): Part[] {
  const some = Math.ceil(CLIENTS / 20);
  const special = { late: some, leaves: some, quits: Math.floor(CLIENTS / 20), killed: some };
  const odd = Object.entries(special).flatMap(([part, count]) => Array<Part>(count).fill(part as Part));
  return [...odd, ...Array<Part>(Math.max(2, CLIENTS - odd.length)).fill("stays")];
}

async function inTurns(
  members: readonly Member[],
  atOnce: number,
  work: (member: Member) => Promise<void>,
): Promise<void> {
  const waiting = [...members];
  await Promise.all(Array.from({ length: atOnce }, async () => {
    for (let member = waiting.shift(); member !== undefined; member = waiting.shift()) await work(member);
  }));
}
