// Aim: the person sees what the relay holds about them, with its numbers; a relay that answers wrongly harms nobody.
import { assert, assertEquals } from "@std/assert";
import { utf8 } from "../../lib/bytes/writer.ts";
import { SERVER_IGNORANCE, SERVER_KNOWLEDGE } from "../../lib/chat/server_knowledge.ts";
import { toJsonLine } from "../../lib/cli/json_lines.ts";
import { renderEvent } from "../../lib/cli/render.ts";
import { ABOUT_BURST } from "../../lib/relay/about.ts";
import { FakeNet } from "../support/fake_net.ts";
import { HostileRelay } from "../support/hostile_relay.ts";

const COMMAND = "/what-the-server-knows";

Deno.test("/what-the-server-knows gives the relay's numbers, and names for its ids", async () => {
  const net = await FakeNet.create();
  const [alice, bob] = [await net.join("alice"), await net.join("bob")];
  await alice.type("hello");
  await bob.type("/pm alice one");
  await alice.type(COMMAND, "r1");
  const [told] = alice.all("serverKnows");
  assert(told !== undefined);
  const held = net.log.about(alice.fingerprint, 64);
  assertEquals([told.ref, told.about.received], ["r1", {
    ...held.received,
    from: [...held.received.from],
    waiting: 0,
  }]);
  assertEquals(told.about.published.events, held.published.events);
  const room = told.about.rooms[0]?.room ?? "";
  assertEquals(told.about.rooms, [{ room, ops: net.log.epoch(room) }]);
  assertEquals([told.places[`room/${room}`], told.places[bob.inbox]], [{ room: "lobby" }, { to: "bob" }]);
  assertEquals(told.about.names.map(({ handle }) => handle), ["alice"]);
});

Deno.test("every kind of data and all that is not held are in the lines and in the JSON line", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  await alice.type(COMMAND);
  const [told] = alice.all("serverKnows");
  assert(told !== undefined);
  const lines = renderEvent(told, { hasColor: false, showsOwn: true, ownHandle: "alice" }).map(String).join("\n");
  const json = JSON.parse(toJsonLine(told));
  for (const text of [...Object.values(SERVER_KNOWLEDGE), ...SERVER_IGNORANCE]) assert(lines.includes(text), text);
  assertEquals(json.knows.map(({ kind }: { kind: string }) => kind), Object.keys(SERVER_KNOWLEDGE));
  assertEquals(json.unknown, SERVER_IGNORANCE);
});

Deno.test("nobody is told what they wait for without a relay, nor when it is asked too often", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  for (let i = 0; i <= ABOUT_BURST; i++) await alice.type(COMMAND, `r${i}`);
  assertEquals(alice.all("serverKnows").length, ABOUT_BURST);
  net.hold(alice, "toRelay");
  await alice.type(COMMAND, "lost");
  await net.unlink(alice);
  await alice.type(COMMAND, "later");
  assertEquals(alice.all("error").map(({ code, ref }) => [code, ref]), [
    ["notDone", `r${ABOUT_BURST}`],
    ["notDone", "lost"],
    ["notDone", "later"],
  ]);
});

Deno.test("a client that leaves waits for the answer", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  await alice.enter(COMMAND);
  await alice.enter("/quit");
  await net.settle();
  assertEquals([alice.all("serverKnows").length, alice.hasFinished], [1, true]);
});

Deno.test("an answer that nobody asked for is ignored, and one of another shape ends the link", async () => {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  const alice = await net.join("alice");
  net.inject(alice, { message: { t: "aboutYou", ref: 1 }, body: utf8("{}") });
  await net.settle();
  assertEquals([alice.all("serverKnows"), alice.failure], [[], undefined]);
  relay.once(alice, "aboutYou", ({ message }) => [{ message, body: utf8('{"names":[]}') }]);
  await alice.type(COMMAND);
  assertEquals([alice.all("serverKnows"), alice.failure?.name], [[], "DecodeError"]);
});
