// Aim: what scripts rely on (README "JSON lines"), field by field, between real processes. What a line holds is compared
// whole, so that a field too many or too few fails.

import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { assertRefused, Stage } from "../support/e2e_stage.ts";
import type { JsonLine } from "../support/process.ts";

const FINGERPRINT = /^[A-Z2-7]{52}$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const EVENT_ID = /^[0-9a-f]{32}$/;

Deno.test("sotto-server --json says first where it listens and who it is", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  assertEquals(relay.process.printedJson, [
    { v: 1, type: "listening", host: "127.0.0.1", port: relay.port, fingerprint: relay.fingerprint },
  ]);
  assertMatch(relay.fingerprint, FINGERPRINT);
  assert(Number.isInteger(relay.port) && relay.port > 0);
});

Deno.test("sotto --json tells who is here, who comes and who goes", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const alice = await stage.client(relay, "alice");
  assertEquals(alice.ready, {
    v: 1,
    type: "ready",
    handle: "alice",
    fingerprint: alice.ready["fingerprint"],
    relay: { name: "stage", fingerprint: relay.fingerprint },
    room: "lobby",
    members: [],
  });
  assertMatch(alice.ready["fingerprint"], FINGERPRINT);

  const bob = await stage.client(relay, "bob");
  const { fingerprint } = bob.ready;
  assertNotEquals(fingerprint, alice.ready["fingerprint"]);
  const asSeenByBob = {
    handle: "alice",
    fingerprint: alice.ready["fingerprint"],
    trust: "new",
    role: "member",
    here: true,
  };
  assertEquals(bob.ready["members"], [asSeenByBob]);
  const joined = await alice.process.next("joined");
  assertEquals(joined, {
    v: 1,
    type: "joined",
    handle: "bob",
    fingerprint,
    trust: "new",
    room: "lobby",
    at: joined.at,
  });
  assertMatch(joined["at"], TIME);

  const carol = await stage.client(relay, "carol");
  await bob.process.next("joined");
  assertEquals(handles(carol.ready["members"]), ["alice", "bob"]);
  await carol.process.send({ type: "users" });
  const users = await carol.process.next("users");
  assertEquals(handles(users["members"]), ["alice", "bob"]);
  assertEquals(Object.keys(users["members"][0]).toSorted(), ["fingerprint", "handle", "here", "role", "trust"]);

  await bob.process.send({ type: "quit" });
  assertEquals((await bob.process.exit()).code, 0);
  const left = await carol.process.next("left");
  assertEquals(left, { v: 1, type: "left", handle: "bob", fingerprint, room: "lobby", at: left["at"], reason: "left" });
  assertMatch(left["at"], TIME);
  alice.process.signal("SIGKILL");
  assertEquals(pick(await carol.process.next("left"), "handle", "reason"), { handle: "alice", reason: "lost" });
  await carol.process.send({ type: "users", ref: "after" });
  const after = await carol.process.next("users");
  // Who was lost without a word may come back, and is a member until then or until they were away for too long.
  assertEquals([handles(after["members"]), after["members"][0]["here"], after["ref"]], [["alice"], false, "after"]);
});

Deno.test("sotto --json gives a message of the room the same id at every reader and in accepted", async () => {
  await using stage = new Stage();
  const [alice, bob, carol] = await stage.clients(await stage.relay(), "alice", "bob", "carol");
  const text = 'Grüße 👋 \u0007\u202e\n\t\\ "two" 日本';
  await alice.send({ type: "say", text, ref: "r1", unknown: [1] });
  const accepted = await alice.next("accepted");
  assertEquals(accepted, { v: 1, type: "accepted", id: accepted["id"], room: "lobby", at: accepted["at"], ref: "r1" });
  assertMatch(accepted["id"], EVENT_ID);
  assertMatch(accepted["at"], TIME);
  for (const reader of [bob, carol]) {
    const message = await reader.next("message");
    const { fingerprint, sentAt } = message;
    assertEquals(message, {
      v: 1,
      type: "message",
      id: accepted["id"],
      room: "lobby",
      from: "alice",
      fingerprint,
      trust: "new",
      text,
      sentAt,
      at: accepted["at"],
    });
    assertMatch(fingerprint, FINGERPRINT);
    assertMatch(sentAt, TIME);
  }
  await bob.send({ type: "say", text: "back", room: "lobby" });
  assertEquals(Object.keys(await bob.next("accepted")).toSorted(), ["at", "id", "room", "type", "v"]);
  await alice.next("message", ({ text }) => text === "back");
  assertEquals(alice.printedJson.filter(({ type }) => type === "message").length, 1, "one's own is no message");
});

Deno.test("sotto --json delivers pm to its recipient alone, with the id of accepted", async () => {
  await using stage = new Stage();
  const [alice, bob, carol] = await stage.clients(await stage.relay(), "alice", "bob", "carol");
  await alice.send({ type: "pm", to: "BOB", text: "for you alone", ref: 7 });
  const accepted = await alice.next("accepted");
  assertEquals(accepted, { v: 1, type: "accepted", id: accepted["id"], to: "bob", at: accepted["at"], ref: 7 });
  const message = await bob.next("message");
  assertEquals(pick(message, "id", "to", "from", "text", "trust", "at"), {
    id: accepted["id"],
    to: "bob",
    from: "alice",
    text: "for you alone",
    trust: "new",
    at: accepted["at"],
  });
  assert(!("room" in message));
  await alice.send({ type: "say", text: "for all" });
  assertEquals((await carol.next("message"))["text"], "for all");
  assertEquals(carol.printedJson.filter(({ type }) => type === "message").length, 1);
});

Deno.test("sotto --json obeys slash commands and answers with a notice or the typed line", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const [alice, bob] = await stage.clients(relay, "alice", "bob");
  const { fingerprint } = alice.printedJson[0] as JsonLine;

  await alice.send({ type: "command", line: "/fingerprint", ref: 1 });
  const own = await alice.next("notice");
  assertEquals(pick(own, "code", "ref"), { code: "fingerprint", ref: 1 });
  assert(own["text"].replaceAll(" ", "").includes(fingerprint));
  await alice.send({ type: "command", line: "/fingerprint bob" });
  assert((await alice.next("notice"))["text"].startsWith("bob is\n"));
  await alice.send({ type: "command", line: "/help" });
  const help = await alice.next("notice");
  assertEquals(help["code"], "help");
  for (const command of ["/pm", "/users", "/fingerprint", "/help", "/quit", "/exit"]) {
    assert(help["text"].includes(command), command);
  }
  await alice.send({ type: "command", line: "/users", ref: "u" });
  assertEquals(pick(await alice.next("users"), "ref"), { ref: "u" });
  await alice.send({ type: "command", line: "/pm bob by command", ref: 2 });
  assertEquals(pick(await alice.next("accepted"), "to", "ref"), { to: "bob", ref: 2 });
  assertEquals((await bob.next("message"))["text"], "by command");

  const refused = ["/nope", "/pm", "/pm bob", "/users now", " /users", "just text", "//text", "/fingerprint a b", ""];
  for (const [ref, line] of refused.entries()) {
    await alice.send({ type: "command", line, ref });
    assertEquals(pick(await alice.next("error"), "code", "ref"), { code: "badLine", ref }, line);
  }
  await alice.send({ type: "command", line: "/quit" });
  const { code, stdout } = await alice.exit();
  assertEquals(code, 0);
  assertEquals(JSON.parse(stdout.trimEnd().split("\n").at(-1) as string), { v: 1, type: "bye" });
  await bob.send({ type: "command", line: "/exit" });
  assertEquals((await bob.exit()).code, 0);
  assertEquals(bob.printedJson.filter(({ type }) => type === "message").length, 1, "no refused line was sent");
});

Deno.test("sotto --json answers a malformed line with an error and goes on", async () => {
  await using stage = new Stage();
  const [alice, bob] = await stage.clients(await stage.relay(), "alice", "bob");
  const lines: [string, JsonLine][] = [
    ["no json", {}],
    ["{", {}],
    ["[]", {}],
    ["null", {}],
    ['{"type":"sing","ref":1}', { ref: 1 }],
    ['{"type":"say","ref":2}', { ref: 2 }],
    ['{"type":"say","text":5,"ref":3}', { ref: 3 }],
    ['{"type":"say","text":"","ref":4}', { ref: 4 }],
    ['{"type":"pm","text":"x","ref":5}', { ref: 5 }],
    ['{"type":"say","text":"x","room":"elsewhere","ref":6}', { ref: 6, code: "noSuchRoom", room: "elsewhere" }],
    ['{"type":"say","text":"x","ref":{}}', {}],
  ];
  for (const [line, expected] of lines) {
    await alice.write(line + "\n");
    const { message, hint, ...error } = await alice.next("error");
    assertEquals(error, { v: 1, type: "error", code: "badLine", ...expected }, line);
    assert(message !== "" && hint !== "", line);
  }
  await alice.write("\n  \n\r\n"); // empty lines are nothing
  await alice.write('{"type":"say","text":"still here"}\r\n{"type":"say","text":"last');
  assertEquals((await bob.next("message"))["text"], "still here");
  await alice.write('"}'); // the last line needs no end
  await alice.closeInput();
  assertEquals((await bob.next("message"))["text"], "last");
  const { code, stdout, stderr } = await alice.exit();
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  for (const line of stdout.trimEnd().split("\n")) assertEquals(JSON.parse(line)["v"], 1);
});

Deno.test("sotto --json refuses what is too long or for nobody, and nothing after it is lost", async () => {
  await using stage = new Stage();
  const [alice, bob] = await stage.clients(await stage.relay(), "alice", "bob");
  const texts = ["ä".repeat(8_192), "ä".repeat(8_192) + "x", "x".repeat(200_000), "end"];
  for (const [ref, text] of texts.entries()) await alice.send({ type: "say", text, ref });
  assertEquals(pick(await alice.next("error"), "code", "ref"), { code: "tooLong", ref: 1 });
  assertEquals(pick(await alice.next("error"), "code"), { code: "tooLong" });
  assertEquals((await bob.next("message"))["text"], texts[0]);
  assertEquals((await bob.next("message"))["text"], "end");

  for (const to of ["nobody", "alice"]) {
    await alice.send({ type: "pm", to, text: "x", ref: to });
    assertEquals(pick(await alice.next("error"), "code", "ref"), { code: "noSuchPerson", ref: to });
  }
  await alice.send({ type: "command", line: "/pm nobody x", ref: 9 });
  assertEquals(pick(await alice.next("error"), "code", "ref"), { code: "noSuchPerson", ref: 9 });
  await alice.send({ type: "pm", to: "bob", text: "end" });
  assertEquals((await bob.next("message"))["text"], "end");
});

Deno.test("sotto --json sends what is pending at the end of input, answers what was asked, and says bye last", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const [bob] = await stage.clients(relay, "bob");
  const alice = stage.call(relay, "alice");
  const texts = Array.from({ length: 300 }, (_, i) => `line ${i}`);
  await alice.write(texts.map((text, ref) => JSON.stringify({ type: "say", text, ref }) + "\n").join(""));
  await alice.write('{"type":"users","ref":"last"}\n');
  await alice.closeInput();
  const { code, stderr } = await alice.exit();
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  const lines = alice.printedJson;
  assertEquals(lines.at(-1), { v: 1, type: "bye" });
  assertEquals(lines.filter(({ type }) => type === "accepted").map(({ ref }) => ref), texts.map((_, i) => i));
  assertEquals(lines.filter(({ type }) => type === "users").map(({ ref }) => ref), ["last"]);
  for (const text of texts) assertEquals((await bob.next("message"))["text"], text);
  assertEquals((await bob.next("left"))["reason"], "left");
});

Deno.test("sotto --json says nobodyHere when nobody reads, and who is in another room is not a member", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const alice = await stage.client(relay, "alice");
  const eve = await stage.client(relay, "eve", { flags: ["--room", "#attic"] });
  assertEquals(pick(eve.ready, "room", "members"), { room: "attic", members: [] });
  await alice.process.send({ type: "say", text: "anybody?", ref: 1 });
  assertEquals((await alice.process.next("notice"))["code"], "nobodyHere");
  assertEquals((await alice.process.next("accepted"))["ref"], 1);
  await alice.process.send({ type: "users" });
  const users = await alice.process.next("users");
  assertEquals([users["members"], handles(users["elsewhere"])], [[], ["eve"]]);
  await alice.process.send({ type: "pm", to: "eve", text: "psst" });
  assertEquals(pick(await eve.process.next("message"), "to", "text"), { to: "eve", text: "psst" });
  assertEquals(eve.process.printedJson.filter(({ type }) => type === "message").length, 1);
});

Deno.test("sotto --json answers users however often it is asked, and pm finds people meanwhile", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const [alice] = await stage.clients(relay, "alice");
  const eve = await stage.client(relay, "eve", { flags: ["--room", "attic"] });
  await alice.send({ type: "users", ref: "first" });
  assertEquals(handles((await alice.next("users"))["elsewhere"]), ["eve"]);
  const refs = Array.from({ length: 600 }, (_, ref) => ref);
  const asking = alice.write(refs.map((ref) => JSON.stringify({ type: "users", ref }) + "\n").join(""));
  await alice.send({ type: "pm", to: "eve", text: "still found" });
  await asking;
  for (const ref of refs) assertEquals(pick(await alice.next("users"), "ref"), { ref });
  assertEquals((await eve.process.next("message"))["text"], "still found");
});

Deno.test("sotto --json knows a key again that comes back", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const [alice] = await stage.clients(relay, "alice");
  const dataDir = await stage.directory();
  for (const trust of ["new", "known"]) {
    const bob = await stage.client(relay, "bob", { dataDir });
    assertEquals((await alice.next("joined"))["trust"], trust);
    await bob.process.send({ type: "say", text: trust });
    assertEquals(pick(await alice.next("message"), "text", "trust"), { text: trust, trust });
    await alice.send({ type: "say", text: "answer" }); // to the new life of the same key
    await bob.process.next("message");
    await bob.process.closeInput();
    assertEquals((await bob.process.exit()).code, 0);
    await alice.next("left");
  }
});

Deno.test("sotto --json refuses a taken name in one line", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  await stage.clients(relay, "alice", "coco");
  const cases: [string, string, number][] = [
    ["alice", "nameTaken", 1],
    ["Alice", "nameTaken", 1],
    ["ａｌｉｃｅ", "nameTaken", 1],
    ["a1ice", "nameTaken", 1],
    ["сосо", "nameTaken", 1], // Cyrillic
    ["аlice", "nameInvalid", 2], // one Cyrillic letter among Latin ones
    ["two words", "nameInvalid", 2],
    ["a\u202eb", "nameInvalid", 2],
    ["x".repeat(33), "nameInvalid", 2],
  ];
  await Promise.all(cases.map(async ([name, code, exit]) => {
    const line = assertRefused(await stage.call(relay, name).exit(), { code, exit });
    assert(line["message"] !== "" && line["hint"] !== "");
  }));
});

function handles(members: readonly JsonLine[]): string[] {
  return members.map(({ handle }) => handle);
}

function pick(line: JsonLine, ...fields: string[]): JsonLine {
  return Object.fromEntries(fields.filter((field) => field in line).map((field) => [field, line[field]]));
}
