// Aim: the real relay keeps what it accepted when it is killed, and keeps nothing on disk with --memory.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { Stage } from "../support/e2e_stage.ts";

const LINES = 60;

function fileNames(path: string): string[] {
  return [...Deno.readDirSync(path)].map(({ name }) => name).sort();
}

Deno.test("sotto-server loses nothing that it accepted when it is killed, and goes on under the same generation", async () => {
  await using stage = new Stage();
  const dataDir = await stage.directory();
  const relay = await stage.relay({ dataDir });
  const [ada] = await stage.clients(relay, "ada", "ben");
  for (let n = 1; n <= LINES; n++) await ada.send({ type: "say", text: `line ${n}` });
  // Killed with much of it under way.
  for (let n = 1; n <= LINES / 3; n++) await ada.next("accepted");
  relay.process.signal("SIGKILL");
  await ada.next("link");
  ada.signal("SIGKILL"); // it would wait for the relay
  await ada.exit();
  const ids = ada.printedJson.filter(({ type }) => type === "accepted").map(({ id }) => String(id));
  assert(ids.length >= LINES / 3);
  const kept = peek(
    dataDir,
    "SELECT event_id, seq FROM records JOIN streams ON id = stream WHERE name LIKE 'room/%' ORDER BY seq",
  );
  const keptIds = new Set(kept.map((row) => row["event_id"]));
  assertEquals(ids.filter((id) => !keptIds.has(id)), []);
  assertEquals(kept.map(({ seq }) => seq), kept.map((_, index) => index + 1));
  const generation = peek(dataDir, "SELECT generation FROM log");

  const second = await stage.relay({ dataDir });
  const carol = await stage.client(second, "carol");
  await carol.process.closeInput();
  await carol.process.exit();
  second.process.signal("SIGTERM");
  assertEquals((await second.process.exit()).code, 0);
  assertEquals(peek(dataDir, "SELECT generation FROM log"), generation);
  assertEquals(fileNames(dataDir), ["events.db", "lock.sqlite", "names.json", "relay.key"]);
});

Deno.test("sotto-server --memory keeps no events, and without it refuses a damaged log before it listens", async () => {
  await using stage = new Stage();
  const dataDir = await stage.directory();
  const relay = await stage.relay({ dataDir, flags: ["--memory"] });
  const [ada] = await stage.clients(relay, "ada", "ben");
  await ada.send({ type: "say", text: "hello" });
  await ada.next("accepted");
  relay.process.signal("SIGTERM");
  assertEquals((await relay.process.exit()).code, 0);
  assert(!fileNames(dataDir).includes("events.db"));
  await Deno.writeTextFile(`${dataDir}/events.db`, "not a log", { mode: 0o600 });
  const exit = await stage.run("sotto-server", ["--json", "--host", "127.0.0.1", "--port", "0", "--data-dir", dataDir]);
  const line = JSON.parse(exit.stdout.trim());
  assertEquals([exit.code, line["code"]], [1, "dataDirUnusable"]);
  assertStringIncludes(line["message"], "events.db is damaged; it was left alone");
  assertEquals(await Deno.readTextFile(`${dataDir}/events.db`), "not a log");
});

/** Reads a log whose relay is gone, by SQLite alone. */
function peek(path: string, sql: string): Record<string, unknown>[] {
  const db = new DatabaseSync(`${path}/events.db`);
  try {
    return db.prepare(sql).all();
  } finally {
    db.close();
  }
}
