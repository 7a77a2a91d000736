// Aim: however a program ends, by a signal, a command, a broken pipe or a dead peer, the other side is told, what is
// pending is sent or named, and the exit code says what happened.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { clientArgs, Stage } from "../support/e2e_stage.ts";
import type { JsonLine, Process } from "../support/process.ts";
import { RecordingProxy } from "../support/proxy.ts";

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  Deno.test(`sotto at ${signal} sends what is pending, tells the others and exits 0`, async () => {
    await using stage = new Stage();
    const relay = await stage.relay();
    const [bob] = await stage.clients(relay, "bob");
    const proxy = stage.own(new RecordingProxy(relay.port));
    const { process: alice } = await stage.client(relay, "alice", { port: proxy.port });
    await bob.next("joined");
    await alice.send({ type: "say", text: "first" }); // makes the keys
    await bob.next("message");
    proxy.hold("toRelay");
    for (const ref of [1, 2, 3]) await alice.send({ type: "say", text: `line ${ref}`, ref });
    await hasRead(alice);
    alice.signal(signal);
    alice.signal(signal); // npx and deno task deliver one signal twice
    await alice.send({ type: "say", text: "too late" });
    proxy.release("toRelay");
    const { code, stderr } = await alice.exit();
    assertEquals({ code, stderr }, { code: 0, stderr: "" });
    assertEquals(alice.printedJson.filter(({ ref }) => ref > 0).map(({ type, ref }) => `${type} ${ref}`), [
      "accepted 1",
      "accepted 2",
      "accepted 3",
    ]);
    assertEquals(alice.printedJson.at(-1)?.["type"], "bye");
    for (const ref of [1, 2, 3]) assertEquals((await bob.next("message"))["text"], `line ${ref}`);
    assertEquals((await bob.next("left"))["reason"], "left");
  });
}

Deno.test("sotto before it is in the room ends at a signal as well", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const proxy = stage.own(new RecordingProxy(relay.port));
  proxy.hold("toClient");
  const alice = stage.call(relay, "alice", { port: proxy.port });
  await proxy.hasHeard("toRelay"); // its signals are listened to by then
  alice.signal("SIGTERM");
  const { code, stdout, stderr } = await alice.exit();
  assertEquals({ code, stdout, stderr }, { code: 0, stdout: "", stderr: "" });
});

for (const signal of ["SIGINT", "SIGTERM", "SIGKILL"] as const) {
  Deno.test(`a relay at ${signal} leaves its clients calling, and who gives up names what was not sent`, async () => {
    await using stage = new Stage();
    const relay = await stage.relay();
    const [bob] = await stage.clients(relay, "bob");
    const proxy = stage.own(new RecordingProxy(relay.port));
    const { process: alice } = await stage.client(relay, "alice", { port: proxy.port });
    await bob.next("joined");
    proxy.hold("toRelay");
    await alice.send({ type: "say", text: "one", ref: "a" });
    await alice.send({ type: "pm", to: "bob", text: "two", ref: "b" });
    await alice.send({ type: "say", text: "three" });
    await hasRead(alice);
    relay.process.signal(signal);
    const ended = await relay.process.exit();
    for (const client of [alice, bob]) await client.next("link");
    bob.signal("SIGINT"); // nothing is pending: it leaves
    await giveUp(alice);
    const [last, other] = await Promise.all([alice.exit(), bob.exit()]);
    if (signal !== "SIGKILL") assertEquals({ code: ended.code, stderr: ended.stderr }, { code: 0, stderr: "" });
    assertEquals([last.code, last.stderr, other.code, other.stderr], [3, "", 0, ""]);
    const words = alice.printedJson.filter(({ type }) => type !== "ready" && type !== "notice").slice(2);
    assertEquals(words.map(({ type, code, ref }) => ({ type, code, ref })), [
      { type: "error", code: "unsent", ref: "a" },
      { type: "error", code: "unsent", ref: "b" },
      { type: "error", code: "unsent", ref: undefined },
      { type: "error", code: "linkLost", ref: undefined },
      { type: "bye", code: undefined, ref: undefined },
    ]);
    for (const [i, text] of ["one", "two", "three"].entries()) assertStringIncludes(words[i]?.["message"], text);
    assertEquals(bob.printedJson.slice(-2).map(({ type, state }) => state ?? type), ["reconnecting", "bye"]);
    assert(!bob.printedJson.some(({ type }) => type === "left"), "one's own lost link prints no left");
  });
}

Deno.test("a plain client that gives up on its relay names the unsent lines on stderr and exits 3", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const proxy = stage.own(new RecordingProxy(relay.port));
  const alice = stage.start("sotto", clientArgs(relay, "alice", { port: proxy.port }));
  await alice.nextLine((line) => line.startsWith("Secured"));
  proxy.hold("toRelay");
  await alice.write("never arrives\n/help\n");
  await alice.nextLine((line) => line.includes("/fingerprint"));
  relay.process.signal("SIGKILL");
  await alice.nextLine((line) => line.startsWith("* No connection since"));
  await giveUp(alice);
  const { code, stderr } = await alice.exit();
  assertEquals(code, 3);
  assertMatch(stderr, /^! Not sent to #lobby: never arrives\n! The connection to the relay was lost: .*\n {2}.*\n$/);
});

Deno.test("a relay keeps running at SIGHUP", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const [alice, bob] = await stage.clients(relay, "alice", "bob");
  relay.process.signal("SIGHUP");
  await alice.send({ type: "say", text: "still there?" });
  assertEquals((await bob.next("message"))["text"], "still there?");
  await stage.clients(relay, "carol");
});

Deno.test("a client whose output nobody can read any more ends, and the others see it quit", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const [bob] = await stage.clients(relay, "bob");
  const json = stage.call(relay, "alice", { readsOutput: false });
  const plain = stage.start("sotto", clientArgs(relay, "carol"), { readsOutput: false });
  await Promise.all([bob.next("joined"), bob.next("joined")]);
  await Promise.all([json.breakOutput(), plain.breakOutput()]);
  await bob.send({ type: "say", text: "nobody sees this" });
  await Promise.all([json.exit(), plain.exit()]);
  for (let i = 0; i < 2; i++) assertEquals((await bob.next("left"))["reason"], "left");
});

Deno.test("a client whose output nobody reads delays nobody else, and still ends at a signal", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const [alice, bob] = await stage.clients(relay, "alice", "bob");
  const mute = stage.call(relay, "mute", { readsOutput: false });
  await Promise.all([alice.next("joined"), bob.next("joined")]);
  const text = "x".repeat(16_000);
  const count = 400; // more than pipe and queue of the mute one hold
  const sending = (async () => {
    for (let ref = 0; ref < count; ref++) await alice.send({ type: "say", text: `${ref} ${text}`, ref });
  })();
  for (let ref = 0; ref < count; ref++) {
    assertEquals((await bob.next("message"))["text"].split(" ")[0], String(ref));
    assertEquals((await alice.next("accepted"))["ref"], ref);
  }
  await sending;
  mute.signal("SIGTERM");
  assertEquals((await alice.next("left"))["reason"], "left");
  assertEquals((await mute.status()).code, 0, "even if nobody ever reads");
});

Deno.test("a relay keeps its key and the names it bound over a restart", async () => {
  await using stage = new Stage();
  const dataDir = await stage.directory();
  const aliceDir = await stage.directory();
  const first = await stage.relay({ dataDir });
  const alice = await stage.client(first, "alice", { dataDir: aliceDir });
  await alice.process.closeInput();
  await alice.process.exit();
  first.process.signal("SIGTERM");
  assertEquals((await first.process.exit()).code, 0);

  const second = await stage.relay({ dataDir });
  assertEquals(second.fingerprint, first.fingerprint);
  const mallory = await stage.call(second, "ALICE").exit();
  assertEquals([mallory.code, JSON.parse(mallory.stdout)["code"]], [1, "nameTaken"]);
  const again = await stage.client(second, "alice", { dataDir: aliceDir });
  assertEquals(again.ready["fingerprint"], alice.ready["fingerprint"]);
  for (const file of Deno.readDirSync(dataDir)) {
    assertEquals(((await Deno.stat(`${dataDir}/${file.name}`)).mode ?? 0) & 0o077, 0, file.name);
  }

  const other = await stage.relay();
  assert(other.fingerprint !== first.fingerprint);
});

Deno.test("a relay tells people where it listens and what to type, and says when it has stopped", async () => {
  await using stage = new Stage();
  const dataDir = await stage.directory();
  const relay = stage.start("sotto-server", ["--host", "127.0.0.1", "--port", "0", "--data-dir", dataDir, "--memory"]);
  const command = await relay.nextLine((line) => line.includes("--relay-key"));
  const [, port, fingerprint] = /^ {2}sotto 127\.0\.0\.1:(\d+) --relay-key ([A-Z2-7]{52})$/.exec(command) ?? [];
  assert(port !== undefined && fingerprint !== undefined, command);
  await stage.clients({ port: Number(port), fingerprint }, "alice");
  await relay.nextLine((line) => line.startsWith("Ctrl-C"));
  relay.signal("SIGINT");
  const { code, stdout, stderr } = await relay.exit();
  assertEquals(code, 0);
  assertMatch(stdout, /The relay has stopped\.\n$/);
  assert(!(stdout + stderr).includes("alice"), "names are logged with --verbose alone");
});

/** Waits until a client has read all that was written to it: it answers a line that is none after it. */
async function hasRead(client: Process): Promise<void> {
  await client.write("no json\n");
  await client.next("error", ({ code }: JsonLine) => code === "badLine");
}

/** Ends a client that waits for a relay with something to send: the second signal means now, whatever is pending. */
async function giveUp(client: Process): Promise<void> {
  client.signal("SIGINT");
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  client.signal("SIGINT");
}
