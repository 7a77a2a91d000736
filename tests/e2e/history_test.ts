// Aim: whatever moment a client is killed at, what was accepted is shown by one of its runs, in order, and /history has it
// once; what may have been shown twice says so. What is not to be kept is gone once it was shown.
import { assert, assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { clientArgs, Stage, type StagedRelay } from "../support/e2e_stage.ts";
import type { JsonLine, Process } from "../support/process.ts";

const MESSAGES = 400;

/** The texts that somebody was shown in one run or several. */
function shown(lines: readonly JsonLine[]): JsonLine[] {
  return lines.filter(({ type }) => type === "message");
}

/** Asks for the newest entries and gives their texts, in order. */
async function history(process: Process, count: number, where: object = {}): Promise<string[]> {
  const ref = `h${Math.random()}`;
  await process.send({ type: "history", count, ref, ...where });
  const { count: found } = await process.next("history", (line) => line["ref"] === ref);
  const texts: string[] = [];
  for (let i = 0; i < Number(found); i++) {
    texts.push(String((await process.next("entry", (line) => line["ref"] === ref))["text"]));
  }
  return texts;
}

/** How many entries a data directory holds, when nobody uses it. */
function entriesIn(dataDir: string): number {
  const db = new DatabaseSync(`${dataDir}/client.db`, { readOnly: true });
  try {
    return Number(db.prepare("SELECT count(*) AS n FROM entries").get()?.["n"]);
  } finally {
    db.close();
  }
}

function numbers(count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, i) => String(from + i));
}

async function say(process: Process, texts: readonly string[], more: object = {}): Promise<void> {
  for (const text of texts) await process.send({ type: "say", text, ...more });
}

async function killed(process: Process): Promise<JsonLine[]> {
  process.signal("SIGKILL");
  await process.exit();
  return process.printedJson;
}

/** Goes through a killing at random moments while somebody writes; gives what was shown, run by run. */
async function underKills(relay: StagedRelay, stage: Stage, flags: readonly string[], dataDir: string) {
  const alice = await stage.client(relay, "alice");
  const writing = (async () => {
    // In bursts, so that every run has something to be killed over.
    for (let i = 0; i < MESSAGES; i += 20) {
      await say(alice.process, numbers(20, i));
      await alice.process.next("accepted");
      for (let j = 1; j < 20; j++) await alice.process.next("accepted");
    }
  })();
  const runs: JsonLine[][] = [];
  for (let run = 0; run < 6; run++) {
    const bob = stage.call(relay, "bob", { dataDir, flags });
    await bob.next("ready");
    const wanted = Math.floor(Math.random() * 60);
    // However much there is to read: after so many, or when nothing comes any more.
    await Promise.race([
      (async () => {
        for (let i = 0; i < wanted; i++) await bob.next("message");
      })().catch(() => {}),
      writing.then(() => new Promise((resolve) => setTimeout(resolve, 300))),
    ]);
    runs.push(await killed(bob));
  }
  await writing;
  return runs;
}

function merged(runs: readonly (readonly JsonLine[])[]): string[] {
  const ids = new Set<string>();
  const texts: string[] = [];
  for (const run of runs) {
    const inRun = new Set<string>();
    for (const { id, text, again, late } of shown(run)) {
      assert(!inRun.has(id), `${text} was shown twice in one run`);
      inRun.add(id);
      if (ids.has(id)) assertEquals([again, late], [true, true], `${text} was shown before`);
      else texts.push(text);
      ids.add(id);
    }
  }
  return texts;
}

Deno.test("a client killed under load has shown all that was accepted, once and in order, over its runs", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const dataDir = await stage.directory();
  const first = await stage.client(relay, "bob", { dataDir }); // a member before anything is written
  await killed(first.process);
  const runs = await underKills(relay, stage, [], dataDir);
  const last = await stage.client(relay, "bob", { dataDir });
  const have = new Set(runs.flatMap((run) => shown(run).map(({ text }) => text)));
  if (!have.has(String(MESSAGES - 1))) await last.process.next("message", ({ text }) => text === String(MESSAGES - 1));
  const kept = await history(last.process, 1_000);
  assertEquals(merged([...runs, last.process.printedJson]), numbers(MESSAGES));
  assertEquals(kept, numbers(MESSAGES));
});

Deno.test("a client killed under load loses nothing without a history, and then has deleted all", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const dataDir = await stage.directory();
  const flags = ["--no-history"];
  const first = await stage.client(relay, "bob", { dataDir, flags });
  await killed(first.process);
  const runs = await underKills(relay, stage, flags, dataDir);
  const last = await stage.client(relay, "bob", { dataDir, flags });
  const have = new Set(runs.flatMap((run) => shown(run).map(({ text }) => text)));
  if (!have.has(String(MESSAGES - 1))) await last.process.next("message", ({ text }) => text === String(MESSAGES - 1));
  await last.process.send({ type: "quit" });
  assertEquals((await last.process.exit()).code, 0);
  assertEquals(merged([...runs, last.process.printedJson]), numbers(MESSAGES));
  assertEquals(entriesIn(dataDir), 0);
});

Deno.test("what a reader never took is shown by the next run", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const dataDir = await stage.directory();
  const first = await stage.client(relay, "bob", { dataDir });
  await killed(first.process);
  const alice = await stage.client(relay, "alice");
  const texts = numbers(200).map((number) => `${number} ${"x".repeat(4_000)}`);
  for (const text of texts) {
    await alice.process.send({ type: "say", text });
    await alice.process.next("accepted");
  }
  const blocked = stage.call(relay, "bob", { dataDir, readsOutput: false });
  await alice.process.next("joined", ({ handle }) => handle === "bob");
  await new Promise((resolve) => setTimeout(resolve, 1_500)); // it has all by then, and nobody reads it
  blocked.signal("SIGKILL");
  await blocked.status();
  const { process: bob } = await stage.client(relay, "bob", { dataDir });
  await bob.next("message", ({ text }) => text === texts.at(-1));
  const lines = shown(bob.printedJson);
  const seen = lines.map(({ text }) => text);
  // The pipe took some before it was full; nobody read them, but that is not ours to know.
  assertEquals(seen, texts.slice(texts.length - seen.length));
  assert(seen.length > 150, `${seen.length} of 200`);
  assert(lines.every(({ late }) => late === true));
  assert(lines.some(({ again }) => again === true), "some of it was kept by the run that was killed");
});

Deno.test("a client that ended by itself shows nothing again, and a plain one says what it shows again", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const dataDir = await stage.directory();
  const alice = await stage.client(relay, "alice");
  const first = await stage.client(relay, "bob", { dataDir });
  await alice.process.next("joined");
  await alice.process.send({ type: "say", text: "one" });
  await first.process.next("message");
  await first.process.send({ type: "quit" });
  await first.process.exit();
  const second = await stage.client(relay, "bob", { dataDir });
  await alice.process.next("left");
  assertEquals(await history(second.process, 5), ["one"]);
  assertEquals(shown(second.process.printedJson), []);
  await alice.process.send({ type: "say", text: "two" });
  await second.process.next("message");
  await killed(second.process); // within the quiet time
  const third = stage.start("sotto", clientArgs(relay, "bob", { dataDir }));
  const line = await third.nextLine((text) => text.includes("two"));
  const before = third.printed[third.printed.indexOf(line) - 1];
  assertEquals(before, "* 1 line of last time, perhaps shown before: Sotto ended before it could note that:");
});

Deno.test("/forget deletes a conversation, and what is damaged in it keeps nobody from the rest", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const dataDir = await stage.directory();
  const bob = await stage.client(relay, "bob", { dataDir: await stage.directory() });
  const first = await stage.client(relay, "alice", { dataDir });
  await bob.process.next("joined");
  await say(first.process, ["One", "two", "three"]);
  for (let i = 0; i < 3; i++) await first.process.next("accepted");
  await first.process.send({ type: "pm", to: "bob", text: "a secret one" });
  await first.process.next("accepted", ({ to }) => to === "bob");
  await first.process.send({ type: "quit" });
  await first.process.exit();
  const db = new DatabaseSync(`${dataDir}/client.db`);
  db.exec("UPDATE entries SET value = zeroblob(length(value)) WHERE seq = 2");
  db.close();
  const { process: alice } = await stage.client(relay, "alice", { dataDir });
  assertEquals(await history(alice, 10, { room: "lobby" }), ["One", "three"]);
  await alice.send({ type: "search", text: "ONE", ref: 1 });
  const { count, more, damaged } = await alice.next("search");
  assertEquals([count, more, damaged], [2, false, 1]);
  assertEquals([(await alice.next("entry"))["kind"], (await alice.next("entry"))["to"]], ["own", "bob"]);
  await alice.send({ type: "forget", with: "bob", ref: 2 });
  const forgotten = await alice.next("forgotten");
  assertEquals([forgotten["to"], forgotten["count"], forgotten["ref"]], ["bob", 1, 2]);
  await alice.send({ type: "command", line: "/forget lobby", ref: 3 });
  assertEquals((await alice.next("forgotten", ({ ref }) => ref === 3))["count"], 3);
  await alice.send({ type: "forget", with: "nobody", ref: 4 });
  assertEquals((await alice.next("error"))["code"], "noSuchPerson");
  assertEquals(await history(alice, 10), []);
  await alice.send({ type: "quit" });
  await alice.exit();
  assertEquals(entriesIn(dataDir), 0);
});

Deno.test("an ephemeral client has its history in memory", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const [alice, bob] = await stage.clients(relay, "alice", "bob");
  await say(alice, ["one", "two"]);
  await bob.next("message", ({ text }) => text === "two");
  assertEquals([await history(bob, 1), await history(alice, 5)], [["two"], ["one", "two"]]);
  await bob.send({ type: "forget", room: "lobby" });
  assertEquals((await bob.next("forgotten"))["count"], 2);
  assertEquals(await history(bob, 5), []);
});
