// Aim: receipts between real processes, over kills of the writer; what the relay says that it holds is what its file has.
import { assert, assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { Stage } from "../support/e2e_stage.ts";
import type { Process } from "../support/process.ts";

Deno.test("who wrote is told once that it was delivered, and read when its reader's program says so, after a kill too", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const dataDir = await stage.directory();
  const alice = await stage.client(relay, "alice", { dataDir });
  const bob = await stage.client(relay, "bob");
  await alice.process.next("joined");
  await alice.process.send({ type: "pm", to: "bob", text: "one" });
  const accepted = await alice.process.next("accepted");
  const message = await bob.process.next("message");
  assertEquals(message["id"], accepted["id"]);
  const delivered = await alice.process.next("delivered");
  assertEquals([delivered["id"], delivered["by"]], [accepted["id"], "bob"]);
  alice.process.signal("SIGKILL");
  await alice.process.exit();
  await bob.process.send({ type: "read", ids: [message["id"]] });
  const again = stage.start("sotto", [`127.0.0.1:${relay.port}`, "--json", "--data-dir", dataDir]);
  assertEquals((await again.next("read"))["id"], accepted["id"]);
  await again.send({ type: "quit" });
  await again.exit();
  assertEquals(receiptsOf(again), ["read"]);
});

Deno.test("with --no-receipts nothing is said and nothing is told", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const alice = await stage.client(relay, "alice");
  const bob = await stage.client(relay, "bob", { flags: ["--no-receipts"] });
  await alice.process.next("joined");
  await alice.process.send({ type: "pm", to: "bob", text: "one" });
  await bob.process.next("message");
  await bob.process.send({ type: "pm", to: "alice", text: "two" });
  await alice.process.next("message");
  await alice.process.send({ type: "quit" }); // what it has to say is said first
  await alice.process.exit();
  await bob.process.send({ type: "quit" });
  await bob.process.exit();
  assertEquals([receiptsOf(alice.process), receiptsOf(bob.process)], [[], []]);
});

Deno.test("/what-the-server-knows has the numbers of the relay's database", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const alice = await stage.client(relay, "alice", { flags: ["--no-receipts"] });
  const bob = await stage.client(relay, "bob", { flags: ["--no-receipts"] });
  await alice.process.next("joined");
  for (const text of ["one", "two", "three"]) await bob.process.send({ type: "pm", to: "alice", text });
  for (let i = 0; i < 3; i++) await alice.process.next("message");
  await alice.process.send({ type: "command", line: "/what-the-server-knows" });
  const told = await alice.process.next("serverKnows");
  for (const { process } of [alice, bob, relay]) {
    process.signal("SIGTERM");
    await process.exit();
  }
  const kind = (name: string) => told["knows"].find(({ kind }: { kind: string }) => kind === name);
  const db = new DatabaseSync(`${relay.dataDir}/events.db`);
  const own = alice.ready["fingerprint"];
  const row = db.prepare(
    "SELECT count(*) AS events, sum(length(body)) AS bytes FROM records WHERE stream = " +
      "(SELECT id FROM streams WHERE name = ?)",
  ).get(`inbox/${own}`);
  const published = db.prepare("SELECT count(*) AS events FROM records WHERE publisher = ? AND at <= ?")
    .get(own, Date.parse(told["knows"].find(({ kind }: { kind: string }) => kind === "published").in[0].lastAt));
  db.close();
  assertEquals([kind("received").events, kind("received").bytes], [row?.["events"], row?.["bytes"]]);
  assert(kind("published").events >= 1 && kind("published").events === published?.["events"]);
  assertEquals(kind("link").address, "127.0.0.1");
});

function receiptsOf(process: Process): string[] {
  return process.printedJson.map((line) => line["type"]).filter((type) => type === "delivered" || type === "read");
}
