// Aim: a client that is killed under load, at whatever moment, never seals two messages under one number: what it wrote
// before and what it writes afterwards can all be opened, in order and once.
import { assert, assertEquals } from "@std/assert";
import { clientArgs, Stage } from "../support/e2e_stage.ts";

Deno.test("a client killed under load goes on in its sessions, and nobody meets a message that cannot be opened", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const dataDir = await stage.directory();
  const bob = await stage.client(relay, "bob");
  const killedAfter = [37, 5, 71].map((lines) => lines + Math.floor(Math.random() * 10));
  let written = 0;
  let accepted = 0;
  for (const killAt of killedAfter) {
    const { process: alice } = await stage.client(relay, "alice", { dataDir });
    await bob.process.next("joined");
    const writing = (async () => {
      for (let i = 0; i < 100; i++) await alice.send({ type: "pm", to: "bob", text: String(written++) });
    })().catch(() => {}); // its input breaks when it is killed
    for (let i = 0; i < killAt; i++) {
      await alice.next("accepted", ({ again }) => again !== true);
      accepted++;
    }
    alice.signal("SIGKILL");
    await alice.exit();
    await writing;
    await bob.process.next("left");
  }
  const last = stage.start("sotto", [...clientArgs(relay, "alice", { dataDir }), "--json"]);
  await last.next("ready");
  await last.send({ type: "pm", to: "bob", text: "end" });
  await bob.process.next("message", ({ text }) => text === "end");
  const seen = bob.process.printedJson;
  const texts = seen.filter(({ type }) => type === "message").map(({ text }) => text).slice(0, -1).map(Number);
  assertEquals(texts, [...new Set(texts)].toSorted((a, b) => a - b), "in order, each once");
  assert(texts.length >= accepted, `${texts.length} of at least ${accepted} accepted lines were read`);
  assertEquals(seen.filter(({ type }) => type === "notice" || type === "error"), []);
});

Deno.test("lines that waited for a dead relay when their client was killed are sent by the next, once and in order", async () => {
  await using stage = new Stage();
  const relayDir = await stage.directory();
  const dataDir = await stage.directory();
  const relay = await stage.relay({ dataDir: relayDir });
  const [bob] = await stage.clients(relay, "bob");
  const { process: alice } = await stage.client(relay, "alice", { dataDir });
  await bob.next("joined");
  relay.process.signal("SIGKILL");
  await alice.next("link");
  for (const text of ["one", "two"]) await alice.send({ type: "say", text });
  await alice.send({ type: "command", line: "/help" });
  await alice.next("notice", ({ code }) => code === "help"); // the lines before it are kept by then
  alice.signal("SIGKILL");
  await alice.exit();
  const second = await stage.relay({ dataDir: relayDir, port: relay.port });
  await bob.next("link", ({ state }) => state === "connected"); // ephemeral: nothing waits for him while he is away
  const { process: again } = await stage.client(second, "alice", { dataDir });
  for (const text of ["one", "two"]) assertEquals((await bob.next("message"))["text"], text);
  assertEquals(
    (await again.next("notice", ({ code }) => code === "outbox"))["text"],
    "2 lines of last time are sent now",
  );
  await again.send({ type: "say", text: "three" });
  assertEquals((await bob.next("message"))["text"], "three");
});
