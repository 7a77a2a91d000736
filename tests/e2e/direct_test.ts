// Aim: two people without a relay, as real processes: what they hear, what is refused, and how it all ends.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Stage } from "../support/e2e_stage.ts";
import type { JsonLine, Process, StartOptions } from "../support/process.ts";
import { RecordingProxy } from "../support/proxy.ts";

interface Listening {
  readonly process: Process;
  readonly first: JsonLine;
  readonly port: number;
}

type Who = readonly string[];

/** Somebody who keeps nothing. */
function nobody(name: string): Who {
  return ["--ephemeral", "--name", name];
}

/** Somebody who is kept. */
async function kept(stage: Stage, name: string): Promise<Who> {
  return ["--data-dir", `${await stage.directory()}/${name}`, "--name", name];
}

async function listening(stage: Stage, who: Who, ...flags: string[]): Promise<Listening> {
  const process = stage.start("sotto", ["listen", "0", ...who, "--json", ...flags]);
  const first = await process.next("listening");
  return { process, first, port: first["port"] };
}

function calling(stage: Stage, port: number, who: Who, flags: Who = [], options: StartOptions = {}): Process {
  return stage.start("sotto", ["connect", `127.0.0.1:${port}`, ...who, "--json", ...flags], options);
}

/** Two people who talk. */
async function talking(stage: Stage, one: Who, other: Who): Promise<[Process, Process, Listening]> {
  const listener = await listening(stage, one);
  const caller = calling(stage, listener.port, other);
  await Promise.all([listener.process.next("secured"), caller.next("secured")]);
  return [listener.process, caller, listener];
}

/** The types and codes that were printed. */
function told(process: Process): string[] {
  return process.printedJson.map(({ type, code }) => type === "waiting" ? type : code ?? type);
}

Deno.test("two people talk without a relay, and the listener ends with its caller", async () => {
  await using stage = new Stage();
  const [alice, bob, { first }] = await talking(stage, nobody("alice"), nobody("bob"));
  const [, withBob] = alice.printedJson;
  const [withAlice] = bob.printedJson;
  assertEquals(Object.keys(first), ["v", "type", "host", "port", "fingerprint"]);
  assertEquals(withAlice, {
    v: 1,
    type: "secured",
    with: "alice",
    fingerprint: first["fingerprint"],
    trust: "new",
    path: "direct",
  });
  assertEquals([withBob?.["with"], withBob?.["path"]], ["bob", "direct"]);
  await alice.send({ type: "say", text: "hello bob", ref: "a" });
  const heard = await bob.next("message");
  assertEquals([heard["from"], heard["to"], heard["text"], heard["trust"]], ["alice", "bob", "hello bob", "new"]);
  const accepted = await alice.next("accepted");
  assertEquals([accepted["ref"], accepted["to"], accepted["id"]], ["a", "bob", heard["id"]]);
  await bob.send({ type: "say", text: "hello alice" });
  assertEquals((await alice.next("message"))["text"], "hello alice");
  await bob.send({ type: "users" });
  assertEquals((await bob.next("error"))["code"], "badLine");
  await bob.send({ type: "quit" });
  const [aliceExit, bobExit] = [await alice.exit(), await bob.exit()];
  assertEquals([aliceExit.code, aliceExit.stderr, bobExit.code, bobExit.stderr], [0, "", 0, ""]);
  assertEquals(told(alice).slice(-2), ["peerLeft", "bye"]);
  assertEquals(told(bob).at(-1), "bye");
});

Deno.test("two people talk in plain lines, and a pipe sends all before it leaves", async () => {
  await using stage = new Stage();
  const alice = stage.start("sotto", ["listen", "0", ...nobody("alice")]);
  const port = /127\.0\.0\.1:(\d+)/.exec(await alice.nextLine((line) => line.includes("Waiting")))?.[1];
  const bob = stage.start("sotto", ["connect", `127.0.0.1:${port}`, ...nobody("bob")]);
  assertStringIncludes(await bob.nextLine((line) => line.startsWith("Secured")), "alice [new], directly");
  assertStringIncludes(await alice.nextLine((line) => line.startsWith("Secured")), "bob [new], directly");
  await bob.write("one\ntwo\n/help\n");
  await bob.closeInput();
  for (const text of ["one", "two"]) await alice.nextLine((line) => line.endsWith(`(private) bob [new]: ${text}`));
  const [bobExit, aliceExit] = [await bob.exit(), await alice.exit()];
  assertEquals([bobExit.code, bobExit.stderr, aliceExit.code, aliceExit.stderr], [0, "", 0, ""]);
  assertStringIncludes(bobExit.stdout, "/verify");
  assertStringIncludes(aliceExit.stdout, "bob has left");
});

Deno.test("sotto connect says who is not there: nobody, another program, a relay", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const answering = (async () => {
    for await (const conn of other) {
      await conn.read(new Uint8Array(100));
      await conn.write(new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n"));
      conn.close();
    }
  })();
  const { port: free } = (() => {
    using probe = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    return probe.addr;
  })();
  for (const [port, code] of [[free, "relayUnreachable"], [other.addr.port, "notARelay"], [relay.port, "notARelay"]]) {
    const bob = calling(stage, port as number, nobody("bob"));
    const { code: exit, stderr } = await bob.exit();
    assertEquals([exit, stderr, told(bob)], [3, "", [code]]);
  }
  other.close();
  await answering;
  const { code } = await stage.run("sotto", ["listen", String(relay.port), ...nobody("alice"), "--json"]);
  assertEquals(code, 1, "the port is in use");
});

Deno.test("a relay's client that calls a listener is refused, and no scan uses its place up", async () => {
  await using stage = new Stage();
  const alice = await listening(stage, nobody("alice"));
  const fingerprint = alice.first["fingerprint"];
  const { code } = await stage.call({ port: alice.port, fingerprint }, "carol").exit();
  assertEquals(code, 3);
  for (const words of ["", "GET / HTTP/1.1\r\n\r\n", "\0\0\0\x20" + "x".repeat(32)]) {
    using conn = await Deno.connect({ port: alice.port });
    await conn.write(new TextEncoder().encode(words));
  }
  // More silent ones than there is room for: those beyond are hung up at once, and the others make room when they go.
  const silent = await Promise.all(Array.from({ length: 40 }, () => Deno.connect({ port: alice.port })));
  const closed = await Promise.race(silent.map((conn) => conn.read(new Uint8Array(1)).catch(() => null)));
  assertEquals(closed, null);
  for (const conn of silent) conn.close();
  const bob = await firstThrough(stage, alice.port);
  assertEquals((await alice.process.next("secured"))["with"], "bob");
  await bob.send({ type: "quit" });
  assertEquals((await alice.process.exit()).code, 0);
});

/** Calls until there is room again: the listener may still be hanging up on those before. */
async function firstThrough(stage: Stage, port: number): Promise<Process> {
  for (let tries = 0;; tries++) {
    const bob = calling(stage, port, nobody("bob"));
    try {
      await bob.next("secured");
      return bob;
    } catch (error) {
      if (tries === 9) throw error;
    }
  }
}

Deno.test("a second caller is told that somebody else is there, and disturbs nobody", async () => {
  await using stage = new Stage();
  const [alice, bob, { port }] = await talking(stage, nobody("alice"), nobody("bob"));
  const carol = calling(stage, port, nobody("carol"));
  assertEquals((await carol.exit()).code, 4);
  assertEquals(told(carol), ["taken", "noSession"]);
  await alice.send({ type: "say", text: "still here" });
  assertEquals((await bob.next("message"))["text"], "still here");
  assertEquals(told(alice).includes("carol"), false);
});

Deno.test("a cable that is pulled ends both with 3, and they name what was not sent", async () => {
  await using stage = new Stage();
  const alice = await listening(stage, nobody("alice"));
  const proxy = stage.own(new RecordingProxy(alice.port));
  const bob = calling(stage, proxy.port, nobody("bob"));
  await Promise.all([alice.process.next("secured"), bob.next("secured")]);
  await bob.send({ type: "say", text: "arrives" });
  await bob.next("accepted");
  proxy.hold("toRelay");
  await bob.send({ type: "say", text: "one", ref: 1 });
  await bob.send({ type: "say", text: "two", ref: 2 });
  await bob.send({ type: "command", line: "/fingerprint", ref: 3 });
  await bob.next("notice", ({ ref }) => ref === 3); // the lines before it were read
  proxy.cut();
  const [bobExit, aliceExit] = [await bob.exit(), await alice.process.exit()];
  assertEquals([bobExit.code, bobExit.stderr, aliceExit.code, aliceExit.stderr], [3, "", 3, ""]);
  const errors = bob.printedJson.filter(({ type }) => type === "error");
  assertEquals(errors.map(({ code, ref }) => [code, ref]), [["unsent", 1], ["unsent", 2], ["linkLost", undefined]]);
  assertStringIncludes(errors[0]?.["message"], "one");
  assertEquals([told(bob).at(-1), told(alice.process).at(-1)], ["bye", "bye"]);
});

Deno.test("two people whose clients are killed know each other afterwards, as they left it", async () => {
  await using stage = new Stage();
  const [one, other] = [await kept(stage, "alice"), await kept(stage, "bob")];
  const [alice, bob] = await talking(stage, one, other);
  await alice.send({ type: "say", text: "remember me" });
  await alice.next("accepted");
  alice.signal("SIGKILL");
  assertEquals((await bob.exit()).code, 3);
  const [bobListens, aliceCalls] = await talking(stage, other, one);
  assertEquals(
    [bobListens, aliceCalls].map((end) => end.printedJson.find(({ type }) => type === "secured")?.["trust"]),
    [
      "known",
      "known",
    ],
  );
  for (const [i, line] of ["/verify alice", "/verify alice yes"].entries()) {
    await bobListens.send({ type: "command", line, ref: i });
    await bobListens.next("notice", ({ ref }) => ref === i);
  }
  bobListens.signal("SIGKILL");
  assertEquals((await aliceCalls.exit()).code, 3);
  const [again] = await talking(stage, other, one);
  assertEquals(again.printedJson.find(({ type }) => type === "secured")?.["trust"], "verified");
});

Deno.test("a known name under another key is refused by the caller, who is not shown, and held by the listener", async () => {
  await using stage = new Stage();
  const [alice, bob, impostor] = [await kept(stage, "alice"), await kept(stage, "bob"), await kept(stage, "alice")];
  const [first] = await talking(stage, alice, bob);
  await first.send({ type: "quit" });
  await first.exit();

  const posing = await listening(stage, impostor, "--verbose");
  const caller = calling(stage, posing.port, bob);
  assertEquals((await caller.exit()).code, 4);
  assertEquals(told(caller), ["keyChanged"]);
  posing.process.signal("SIGTERM");
  const { code, stdout, stderr } = await posing.process.exit();
  assertEquals([code, told(posing.process)], [0, ["listening"]]);
  assertEquals((stdout + stderr).includes("bob") || stderr.includes("linked"), false);

  const waiting = await listening(stage, bob);
  const wrong = calling(stage, waiting.port, impostor);
  assertEquals((await waiting.process.next("secured"))["trust"], "changed");
  await wrong.next("secured");
  await waiting.process.send({ type: "say", text: "a secret for alice", ref: 1 });
  const held = await waiting.process.next("error");
  assertEquals([held["code"], held["ref"]], ["keyChanged", 1]);
  await waiting.process.send({ type: "command", line: "/trust alice", ref: 2 });
  await waiting.process.send({ type: "say", text: "so be it" });
  assertEquals((await wrong.next("message"))["text"], "so be it");
});

Deno.test("a code makes both verified, and they need none the next time", async () => {
  await using stage = new Stage();
  const [one, other] = [await kept(stage, "alice"), await kept(stage, "bob")];
  const alice = await listening(stage, one, "--code");
  const { code, expiresAt } = await alice.process.next("waiting");
  assert(/^[a-z]+-[a-z]+-[a-z]+$/.test(code), "three words");
  assert(new Date(expiresAt).getTime() > Date.now());
  const bob = calling(stage, alice.port, other, ["--code"]);
  await bob.write(`${code.toUpperCase().replaceAll("-", " ")}\n${JSON.stringify({ type: "say", text: "hi" })}\n`);
  assertEquals((await bob.next("secured"))["trust"], "verified");
  assertEquals((await alice.process.next("message"))["trust"], "verified");
  assertEquals(told(alice.process).slice(0, 4), ["listening", "waiting", "peerJoined", "secured"]);
  await bob.closeInput();
  assertEquals([(await bob.exit()).code, (await alice.process.exit()).code], [0, 0]);
  const [again] = await talking(stage, other, one);
  assertEquals(again.printedJson.find(({ type }) => type === "secured")?.["trust"], "verified");
});

Deno.test("a wrong code is burnt on both sides at the first guess, and both say so", async () => {
  await using stage = new Stage();
  const alice = await listening(stage, nobody("alice"), "--code");
  const { code } = await alice.process.next("waiting");
  const wrong = code === "able-able-able" ? "zoo-zoo-zoo" : "able-able-able";
  const bob = calling(stage, alice.port, nobody("bob"), ["--code"], { env: { SOTTO_CODE: wrong } });
  const [bobExit, aliceExit] = [await bob.exit(), await alice.process.exit()];
  assertEquals([bobExit.code, aliceExit.code], [4, 4]);
  assertEquals(told(bob), ["wrongCode", "noSession"]);
  assertEquals(told(alice.process), ["listening", "waiting", "peerJoined", "wrongCode", "noSession"]);
  for (const { stdout, stderr } of [bobExit]) assertEquals((stdout + stderr).includes(wrong), false);
});

Deno.test("what is no code, no code at all, and a code on one side alone spend nothing", async () => {
  await using stage = new Stage();
  const alice = await listening(stage, nobody("alice"), "--code");
  const { code } = await alice.process.next("waiting");
  for (const [line, flags] of [["able-sunsat-violin", ["--code"]], ["", ["--code"]], ["", []]] as const) {
    const bob = calling(stage, alice.port, nobody("bob"), flags);
    await bob.write(line === "" ? "" : `${line}\n`);
    await bob.closeInput();
    const { code: exit, stdout } = await bob.exit();
    assertEquals([exit, told(bob)], [4, ["noSession"]]);
    assertEquals(stdout.includes("sunsat"), false);
  }
  const bob = calling(stage, alice.port, nobody("bob"), ["--code"]);
  await bob.write(`${code}\n`);
  assertEquals((await bob.next("secured"))["trust"], "verified");

  const uncoded = await listening(stage, nobody("carol"));
  const wary = calling(stage, uncoded.port, nobody("bob"), ["--code"]);
  await wary.write("able-sunset-violin\n");
  assertEquals((await wary.exit()).code, 4);
  assertStringIncludes(wary.printedJson[0]?.["message"], "did not ask for the code");
  await firstThrough(stage, uncoded.port);
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test(`a direct link at ${signal} sends what is pending and ends both with 0`, async () => {
    await using stage = new Stage();
    const [alice, bob] = await talking(stage, nobody("alice"), nobody("bob"));
    await alice.send({ type: "say", text: "last words", ref: 1 });
    await alice.next("accepted");
    alice.signal(signal);
    const [aliceExit, bobExit] = [await alice.exit(), await bob.exit()];
    assertEquals([aliceExit.code, aliceExit.stderr, bobExit.code, bobExit.stderr], [0, "", 0, ""]);
    assertEquals(bob.printedJson.find(({ type }) => type === "message")?.["text"], "last words");
  });
}
