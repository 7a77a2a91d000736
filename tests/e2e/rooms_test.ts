// Aim: rooms over real processes: the very JSON lines that a script gets, the lines that a person sees, and rooms that
// are there again after a restart, however the client ended.
import { assert, assertEquals, assertMatch } from "@std/assert";
import { clientArgs, Stage, type StagedRelay } from "../support/e2e_stage.ts";
import type { JsonLine, Process } from "../support/process.ts";

const STAMP = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$/;

const ROOM_TYPES: ReadonlySet<string> = new Set([
  ...["ready", "joined", "left", "roomJoined", "roomCreated", "roomLeft", "switched", "invited", "topic", "members"],
  ...["memberAdded", "memberRemoved", "memberPromoted", "users", "fork"],
]);

/** Types a command as a script does. */
async function type(client: Process, line: string, fields: JsonLine = {}): Promise<void> {
  await client.send({ type: "command", line, ...fields });
}

/** Takes the next line of a type and asserts all of it; its time is only looked at. */
async function expect(client: Process, line: JsonLine): Promise<void> {
  const { at, ...told } = await client.next(line["type"]);
  assertEquals(told, { v: 1, ...line });
  if (at !== undefined) assertMatch(at, TIME);
}

/** What belongs to a room says to which one. */
function assertSayWhere(...clients: readonly Process[]): void {
  for (const line of clients.flatMap(({ printedJson }) => printedJson)) {
    const { type, room, to } = line;
    if (ROOM_TYPES.has(type)) assert(typeof room === "string" && room !== "", JSON.stringify(line));
    if (type === "message" || type === "accepted") assert((room === undefined) !== (to === undefined));
  }
}

function key(handle: string, fingerprint: string): JsonLine {
  return { handle, fingerprint, trust: "new" };
}

/** Starts alice and others, tells their fingerprints, and lets alice make #den and invite them. */
async function den(stage: Stage, relay: StagedRelay, ...names: readonly string[]) {
  const { process: alice, ready } = await stage.client(relay, "alice");
  const people: { readonly process: Process; readonly print: string }[] = [];
  for (const name of names) {
    const { process, ready: { fingerprint } } = await stage.client(relay, name);
    await alice.next("joined");
    people.push({ process, print: fingerprint });
  }
  await type(alice, "/room create den --invite-only");
  await alice.next("roomJoined");
  for (const name of names) {
    await type(alice, `/invite ${name}`);
    await alice.next("memberAdded");
  }
  return { alice, print: ready["fingerprint"] as string, people };
}

Deno.test("sotto --json tells of a room that people are invited to, line by line", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const [{ process: alice, ready: asAlice }, { process: bob, ready: asBob }] = [
    await stage.client(relay, "alice"),
    await stage.client(relay, "bob"),
  ];
  const [ofAlice, ofBob] = [key("alice", asAlice["fingerprint"]), key("bob", asBob["fingerprint"])];
  const { handle: by, ...byKey } = ofAlice;
  const room = "plans";

  await type(alice, "/room create plans --invite-only", { ref: 1 });
  await expect(alice, { type: "roomCreated", room, inviteOnly: true, ref: 1 });
  await expect(alice, { type: "roomJoined", room, inviteOnly: true, current: true, members: [], ref: 1 });
  await type(alice, "/topic to sea", { ref: 2 });
  await expect(alice, { type: "topic", room, topic: "to sea", ref: 2 });
  await type(alice, "/invite bob", { ref: 3 });
  await expect(alice, { type: "memberAdded", ...ofBob, room, by, ref: 3 });
  await expect(bob, { type: "invited", room, by, ...byKey });
  await type(bob, "/rooms", { ref: 4 });
  const lobby = { room: "lobby", inviteOnly: false, state: "in", current: true, members: 1, here: 1, topic: "" };
  const invited = { room, inviteOnly: true, state: "invited", current: false, members: 0, here: 0, topic: "to sea" };
  await expect(bob, { type: "rooms", rooms: [lobby, invited], ref: 4 });

  await type(bob, "/join plans", { ref: 5 });
  const owner = { ...ofAlice, role: "owner", here: true };
  const joined = { type: "roomJoined", room, inviteOnly: true, current: true, members: [owner], topic: "to sea" };
  await expect(bob, { ...joined, ref: 5 });
  await expect(alice, { type: "joined", ...ofBob, room: "lobby" }); // when he came
  await expect(alice, { type: "joined", ...ofBob, room });
  await type(alice, "/promote bob", { ref: 6 });
  await expect(alice, { type: "memberPromoted", ...ofBob, room, by, ref: 6 });
  await type(alice, "/members", { room: "plans", ref: 7 });
  await expect(alice, { type: "members", room, members: [{ ...ofBob, role: "admin", here: true }], ref: 7 });

  await type(bob, "/topic to land");
  await expect(bob, { type: "topic", room, topic: "to land" });
  await expect(alice, { type: "topic", room, topic: "to land", by: "bob" });
  await type(bob, "/switch lobby", { ref: 8 });
  await expect(bob, { type: "switched", room: "lobby", ref: 8 });
  await type(bob, "/leave plans", { ref: 9 });
  await expect(bob, { type: "roomLeft", room, reason: "left", current: "lobby", ref: 9 });
  const { trust: _, ...gone } = ofBob;
  await expect(alice, { type: "left", ...gone, room, reason: "left" });
  await type(alice, "/rooms");
  const left = { room, inviteOnly: true, state: "in", current: true, members: 0, here: 0, topic: "to land" };
  await expect(alice, { type: "rooms", rooms: [{ ...lobby, current: false }, left] });
  assertSayWhere(alice, bob);
});

Deno.test("sotto --json tells who said no, who was removed, and by whom", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const { alice, people } = await den(stage, relay, "bob", "carol");
  const [bob, carol] = people as [typeof people[number], typeof people[number]];
  const room = "den";
  await carol.process.next("invited");
  await type(carol.process, "/leave den", { ref: "no" });
  await expect(carol.process, { type: "roomLeft", room, reason: "declined", current: "lobby", ref: "no" });
  await expect(alice, { type: "left", handle: "carol", fingerprint: carol.print, room, reason: "left" });
  await bob.process.next("invited");
  await type(bob.process, "/join den");
  const { members } = await bob.process.next("roomJoined");
  assertEquals(members.map(({ handle }: JsonLine) => handle), ["alice"]);
  await alice.send({ type: "say", text: "for bob" });
  assertEquals((await bob.process.next("message"))["text"], "for bob");

  await type(alice, "/remove bob", { ref: "r" });
  const removed = { type: "memberRemoved", ...key("bob", bob.print), room, by: "alice", reason: "removed", ref: "r" };
  await expect(alice, removed);
  await expect(bob.process, { type: "roomLeft", room, reason: "removed", by: "alice", current: "lobby" });
  await bob.process.send({ type: "say", text: "let me in", room, ref: "x" });
  assertEquals(pick(await bob.process.next("error"), "code", "room", "ref"), ["noSuchRoom", "den", "x"]);
  await alice.send({ type: "say", text: "for nobody" });
  assertEquals(pick(await alice.next("notice"), "code", "room"), ["nobodyHere", "den"]);
  await alice.send({ type: "say", text: "end", room: "lobby" });
  for (const { process } of [bob, carol]) await process.next("message", ({ text }) => text === "end");
  const read = [bob, carol].map(({ process }) => process.printedJson.filter(({ type }) => type === "message").length);
  assertEquals(read, [2, 1]);
  assertSayWhere(alice, bob.process, carol.process);
});

Deno.test("sotto --json is in several rooms at once, and each line says which one it belongs to", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const [alice, bob] = await stage.clients(relay, "alice", "bob");
  for (const client of [alice, bob]) {
    await type(client, "/join #garden");
    await client.next("roomJoined");
  }
  await alice.next("joined", ({ room }) => room === "garden");
  const carol = await stage.client(relay, "carol", { flags: ["--room", "garden"] });
  for (const client of [alice, bob]) await client.next("joined", ({ handle }) => handle === "carol");
  for (let i = 0; i < 3; i++) {
    for (const room of ["lobby", "garden"]) await alice.send({ type: "say", text: `${room} ${i}`, room, ref: i });
  }
  for (const [reader, rooms] of [[bob, ["lobby", "garden"]], [carol.process, ["garden"]]] as const) {
    for (const name of rooms) {
      const texts: string[] = [];
      for (let i = 0; i < 3; i++) texts.push((await reader.next("message", ({ room }) => room === name))["text"]);
      assertEquals(texts, [`${name} 0`, `${name} 1`, `${name} 2`]);
    }
  }
  for (const name of ["lobby", "garden"]) {
    for (let i = 0; i < 3; i++) assertEquals((await alice.next("accepted", ({ room }) => room === name))["ref"], i);
  }
  assertEquals(carol.process.printedJson.filter(({ type }) => type === "message").length, 3);
  await type(alice, "/leave", { room: "lobby" });
  assertEquals(pick(await alice.next("roomLeft"), "room", "current"), ["lobby", "garden"]);
  assertEquals(pick(await bob.next("left"), "room", "handle"), ["lobby", "alice"]);
  await type(alice, "/leave");
  assertEquals(pick(await alice.next("roomLeft"), "room", "current"), ["garden", undefined]);
  await alice.send({ type: "say", text: "nowhere", ref: "n" });
  assertEquals(pick(await alice.next("error"), "code", "ref"), ["badLine", "n"]);
});

Deno.test("a lasting client that quit or was killed is in its rooms again and reads what was written meanwhile", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const dataDir = await stage.directory();
  const { process: alice } = await stage.client(relay, "alice");
  const start = () => stage.client(relay, "bob", { dataDir });
  const { process: first } = await start();
  await alice.next("joined");
  await type(alice, "/room create den --invite-only");
  await alice.next("roomJoined");
  await type(alice, "/invite bob");
  await first.next("invited");
  await type(first, "/join den");
  await first.next("roomJoined");

  let bob = first;
  for (const end of ["quit", "SIGKILL"] as const) {
    await bob.send({ type: "say", text: `before ${end}`, room: "den" });
    assertEquals((await alice.next("message"))["text"], `before ${end}`);
    await bob.next("accepted");
    if (end === "quit") await bob.send({ type: "quit" });
    else bob.signal(end);
    await bob.exit();
    for (const room of ["lobby", "den"]) {
      const reason = end === "quit" ? "quit" : "lost";
      assertEquals(pick(await alice.next("left", (left) => left["room"] === room), "reason"), [reason]);
      await alice.send({ type: "say", text: `after ${end} in ${room}`, room });
      await alice.next("accepted");
    }
    const again = await start();
    bob = again.process;
    assertEquals(pick(again.ready, "room"), ["den"]);
    const { room, current, members } = await bob.next("roomJoined");
    assertEquals([room, current, members[0]["handle"], members[0]["here"]], ["lobby", false, "alice", true]);
    for (const room of ["lobby", "den"]) {
      const message = await bob.next("message", (one) => one["room"] === room);
      assertEquals(pick(message, "from", "text"), ["alice", `after ${end} in ${room}`]);
    }
  }
  await bob.send({ type: "say", text: "all read" });
  assertEquals(pick(await alice.next("message"), "room", "text"), ["den", "all read"]);
  await alice.send({ type: "say", text: "good" });
  assertEquals((await bob.next("message"))["text"], "good");
  for (const client of [alice, bob]) {
    const types = new Set(client.printedJson.map(({ type }) => type));
    assert(!types.has("gap") && !types.has("fork") && !types.has("error"), [...types].join());
  }
});

Deno.test("a client that was killed before it answered an invitation still has it", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const dataDir = await stage.directory();
  const { process: alice } = await stage.client(relay, "alice");
  const { process: bob } = await stage.client(relay, "bob", { dataDir });
  await alice.next("joined");
  await type(alice, "/room create den --invite-only");
  await alice.next("roomJoined");
  await type(alice, "/invite bob");
  await bob.next("invited");
  bob.signal("SIGKILL");
  await bob.exit();
  await alice.send({ type: "say", text: "once added" });
  await alice.next("accepted");
  const { process: again, ready } = await stage.client(relay, "bob", { dataDir });
  assertEquals(ready["room"], "lobby");
  await type(again, "/join den");
  await again.next("roomJoined");
  assertEquals(pick(await again.next("message"), "room", "text"), ["den", "once added"]);
  assertEquals(again.printedJson.filter(({ type }) => type === "gap" || type === "error"), []);
});

Deno.test("a person in a pipe reads what happens in rooms, and what follows /join at once is read there", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const alice = stage.start("sotto", clientArgs(relay, "alice"));
  await alice.nextLine((line) => line.startsWith("Secured with relay stage "));
  const bob = stage.start("sotto", clientArgs(relay, "bob"));
  await alice.nextLine((line) => line.includes("bob joined #lobby"));
  await alice.write("/room create plans --invite-only\n/invite bob\n");
  for (
    const line of [
      "* You made #plans, by invitation only: /invite <name> adds somebody",
      "* You are in #plans (by invitation only) with nobody yet",
    ]
  ) await alice.nextLine((printed) => printed === line, line);
  await alice.nextLine(stamped(String.raw`\* alice added bob to #plans \[new\]`));
  await bob.nextLine((line) => line === "* alice [new] invites you to #plans");
  await bob.nextLine((line) => line === "  /join plans goes in, /leave plans says no.");
  await bob.write("/join plans\nhere I am\n/rooms\n");
  await bob.nextLine((line) => line === "* You are in #plans (by invitation only) with alice [new]");
  await bob.nextLine((line) => line === "> #plans by invitation, 1 other, here");
  await alice.nextLine(stamped(String.raw`\* bob joined #plans \[new\]`));
  await alice.nextLine(stamped(String.raw`#plans bob \[new\]: here I am`));
  await alice.write("/promote bob\n/topic to sea\n");
  await alice.nextLine((line) => line === "* The topic of #plans: to sea");
  await alice.write("/remove bob\n");
  await bob.nextLine((line) => line === "* You are an admin of #plans now");
  await bob.nextLine((line) => line === "* alice says what #plans is about: to sea");
  await bob.nextLine((line) => line === "* alice removed you from #plans; you write to #lobby");
  await alice.nextLine(stamped(String.raw`\* alice made bob an admin of #plans`));
  await alice.nextLine(stamped(String.raw`\* alice removed bob from #plans`));
  await alice.write("/leave\n");
  await alice.nextLine((line) => line === "* You left #plans; you write to #lobby");
});

function pick(line: JsonLine, ...fields: readonly string[]): unknown[] {
  return fields.map((field) => line[field]);
}

function stamped(rest: string): (line: string) => boolean {
  const pattern = new RegExp(`^${STAMP} ${rest}$`);
  return (line) => pattern.test(line);
}
