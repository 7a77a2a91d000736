// Aim: whatever a relay does to events, nothing altered is ever displayed: a cheat is refused, or told, or a gap with
// its count. After it, honest messages still flow.
import { assertEquals } from "@std/assert";
import { concat } from "../../lib/bytes/writer.ts";
import { type FakeClient, FakeNet } from "../support/fake_net.ts";
import { flipped, HostileRelay, makeStranger } from "../support/hostile_relay.ts";

const OTHER_ID = "0123456789abcdef0123456789abcdef";

async function stage() {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  const alice = await net.join("alice");
  const bob = await net.join("bob");
  const carol = await net.join("carol");
  await alice.type("from alice");
  await bob.type("from bob");
  await carol.type("from carol");
  const room = net.sent.flatMap(({ packet: { message } }) => message.t === "enter" ? [message.room] : [])[0] ?? "";
  return { net, relay, alice, bob, carol, room };
}

/** Both still hear each other, in the room and in private, with nothing but these notices on the way. */
async function stillTalk(alice: FakeClient, bob: FakeClient, notices: readonly string[]): Promise<void> {
  const [heardByAlice, heardByBob] = [alice.texts.length, bob.texts.length];
  await alice.type("still here");
  await bob.type("me too");
  await alice.type("/pm bob and in private");
  assertEquals(alice.texts.slice(heardByAlice), ["me too"]);
  assertEquals(bob.texts.slice(heardByBob), ["still here", "and in private"]);
  assertEquals(bob.notices, notices);
  assertEquals([alice.failure, bob.failure], [undefined, undefined]);
}

Deno.test("an event that is repeated under its own place is dropped in silence", async () => {
  const { relay, alice, bob } = await stage();
  relay.once(bob, "event", (packet) => [packet, packet, packet]);
  await alice.type("once");
  assertEquals(bob.texts.filter((text) => text === "once").length, 1);
  const { message, body } = relay.last(bob, "event");
  await relay.say(bob, message, body);
  await stillTalk(alice, bob, []);
  assertEquals(bob.texts.filter((text) => text === "once").length, 1);
});

Deno.test("an event that is repeated under a new place, or with a new id, is not shown again", async () => {
  const { relay, alice, bob } = await stage();
  await alice.type("once");
  const { message, body } = relay.last(bob, "event");
  await relay.insert(bob, message, body);
  await relay.insert(bob, { ...message, id: OTHER_ID }, body);
  assertEquals(bob.texts.filter((text) => text === "once").length, 1);
  await stillTalk(alice, bob, []);
});

Deno.test("a room message in an inbox, and a private one in a room, are told and not shown", async () => {
  const { relay, alice, bob, room } = await stage();
  relay.lose(bob, 2);
  for (const [line, stream] of [["/pm bob for bob alone", `room/${room}`], ["for the room", bob.inbox]] as const) {
    await alice.type(line);
    const moved = relay.last(bob, "event");
    await relay.insert(bob, { ...moved.message, stream }, moved.body);
  }
  assertEquals(bob.texts.filter((text) => text.startsWith("for ")), []);
  assertEquals(bob.notices, ["cannotOpen", "cannotOpen"]);
  assertEquals(bob.failure, undefined);
});

Deno.test("a message of another room is told and not shown", async () => {
  const { net, relay, alice, bob, room } = await stage();
  const attic = await net.join("bob-too", { room: "attic" });
  const dave = await net.join("dave", { room: "attic" });
  await dave.type("in the attic");
  assertEquals(attic.texts, ["in the attic"]);
  relay.once(attic, "event", () => []);
  await dave.type("held back");
  const { message, body } = relay.last(attic, "event");
  // The room that the relay moves it to is the one that attic is in; the text belongs to another id of room.
  await relay.say(attic, { ...message, stream: `room/${room}` }, body);
  assertEquals(attic.texts, ["in the attic"]); // never subscribed there
  await relay.say(attic, message, body);
  assertEquals(attic.texts, ["in the attic", "held back"]);
  await stillTalk(alice, bob, []);
});

Deno.test("a message under another id is shown under its own in a room, and in private told and not shown", async () => {
  const { relay, alice, bob } = await stage();
  relay.once(bob, "event", ({ message, body }) => [{ message: { ...message, id: OTHER_ID }, body }]);
  await alice.type("renamed in the room");
  relay.once(bob, "event", ({ message, body }) => [{ message: { ...message, id: OTHER_ID }, body }]);
  await alice.type("/pm bob renamed in private");
  assertEquals(bob.texts.filter((text) => text.startsWith("renamed")), ["renamed in the room"]);
  assertEquals(bob.all("message").at(-1)?.id, alice.all("accepted").at(-2)?.id);
  await stillTalk(alice, bob, ["misplaced"]);
});

Deno.test("the publisher that the relay names is never shown", async () => {
  const { relay, alice, bob, carol } = await stage();
  relay.once(bob, "event", ({ message, body }) => [{ message: { ...message, from: carol.fingerprint }, body }]);
  await alice.type("by alice");
  const last = bob.all("message").at(-1);
  assertEquals([last?.from, last?.fingerprint, last?.text], ["alice", alice.fingerprint, "by alice"]);
  await stillTalk(alice, bob, []);
});

Deno.test("a message with any byte flipped is told and not shown, and costs the next one nothing", async () => {
  const { relay, alice, bob } = await stage();
  await alice.type("/pm bob sample");
  const length = relay.last(bob, "event").body.length;
  let count = 0;
  for (let index = 0; index < length; index += 29, count++) {
    relay.once(bob, "event", ({ message, body }) => [{ message, body: flipped(body, index) }]);
    await alice.type("/pm bob altered");
  }
  assertEquals(bob.texts.includes("altered"), false);
  await stillTalk(alice, bob, Array.from({ length: count }, () => "cannotOpen"));
});

Deno.test("an altered first message is told, and the honest one is still read", async () => {
  const { net, relay, alice } = await stage();
  const dave = await net.join("dave");
  relay.once(alice, "event", (packet) => [{ message: packet.message, body: flipped(packet.body, -1) }]);
  await dave.enter("/pm alice one");
  await net.settle();
  await dave.type("/pm alice two");
  assertEquals(alice.texts.slice(-1), ["two"]);
  assertEquals(alice.notices, ["cannotOpen"]);
});

Deno.test("what is dropped shows as a gap with its count", async () => {
  const { relay, alice, bob } = await stage();
  relay.lose(bob);
  await alice.type("lost");
  await alice.type("heard");
  assertEquals(bob.all("gap").map(({ id: _, ...gap }) => gap), [{ type: "gap", place: { room: "lobby" }, count: 1 }]);
  relay.behave();
  relay.lose(bob, 3);
  for (let i = 0; i < 3; i++) await alice.type(`lost ${i}`);
  await alice.type("heard too");
  assertEquals(bob.all("gap").at(-1)?.count, 3);
  assertEquals(bob.texts.slice(-2), ["heard", "heard too"]);
  assertEquals(bob.all("gap").length, 2); // the relay's count, and no second time each author's
  await stillTalk(alice, bob, []);
});

Deno.test("a gap before one's own message shows too", async () => {
  const { relay, alice, bob } = await stage();
  relay.lose(bob);
  await alice.type("lost");
  await bob.type("mine");
  assertEquals(bob.events.slice(-2).map(({ type }) => type), ["accepted", "gap"]);
});

Deno.test("what a relay leaves out once is asked for again, and shown in its order", async () => {
  const { relay, alice, bob } = await stage();
  relay.once(bob, "event", () => []);
  await alice.type("first");
  await alice.type("second");
  assertEquals(bob.texts.slice(-2), ["first", "second"]);
  assertEquals(bob.all("gap"), []);
  await stillTalk(alice, bob, []);
});

Deno.test("what is reordered shows as a gap, and the late one is not shown", async () => {
  const { net, relay, alice, bob } = await stage();
  relay.lose(bob);
  await alice.type("first");
  const late = relay.last(bob, "event");
  await alice.type("second");
  relay.behave();
  net.inject(bob, late);
  await net.settle();
  assertEquals(bob.texts.slice(-1), ["second"]);
  assertEquals(bob.all("gap").length, 1);
  await stillTalk(alice, bob, []);
});

Deno.test("one's own message that comes back is not shown", async () => {
  const { net, relay, alice, bob, room } = await stage();
  await alice.type("mine");
  const inRoom = relay.last(bob, "event");
  await alice.type("/pm bob mine too");
  const inPrivate = relay.last(bob, "event");
  const heard = alice.texts.length;
  await relay.insert(alice, inRoom.message, inRoom.body);
  await relay.insert(alice, { ...inPrivate.message, stream: alice.inbox }, inPrivate.body);
  await relay.insert(
    alice,
    { ...inRoom.message, stream: `room/${room}`, id: OTHER_ID },
    inPrivate.body,
  );
  assertEquals(alice.texts.length, heard);
  assertEquals(alice.notices, ["cannotOpen", "cannotOpen"]);
  await stillTalk(alice, bob, []);
  assertEquals(net.clients.size, 3);
});

Deno.test("one's own first message that comes back before any answer is not shown", async () => {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  const alice = await net.join("alice");
  const bob = await net.join("bob");
  await alice.type("/pm bob first");
  const { message, body } = relay.last(bob, "event");
  await relay.insert(alice, { ...message, stream: alice.inbox }, body);
  assertEquals([alice.texts, alice.notices], [[], ["cannotOpen"]]);
  await stillTalk(alice, bob, []);
});

Deno.test("somebody else's copy is not for us", async () => {
  const { relay, alice, bob, carol } = await stage();
  await alice.type("/pm carol for carol alone");
  const { message, body } = relay.last(carol, "event");
  await relay.insert(bob, { ...message, stream: bob.inbox }, body);
  assertEquals(bob.texts.includes("for carol alone"), false);
  await stillTalk(alice, bob, ["cannotOpen"]);
});

Deno.test("a time that runs backwards within a stream ends the link", async () => {
  const { relay, alice, bob } = await stage();
  relay.once(bob, "event", ({ message, body }) => [{ message: { ...message, at: 1 }, body }]);
  await alice.type("long ago");
  assertEquals(bob.failure?.name, "ProtocolError");
  assertEquals(bob.texts.includes("long ago"), false);
});

Deno.test("a wrong time changes nothing of what the sender says about it", async () => {
  const { net, relay, alice, bob } = await stage();
  relay.once(bob, "event", ({ message, body }) => [{ message: { ...message, at: Number.MAX_SAFE_INTEGER }, body }]);
  await alice.type("/pm bob from the far future");
  const last = bob.all("message").at(-1);
  assertEquals([last?.sentAt, last?.text], [net.nowMs, "from the far future"]);
});

Deno.test("`accepted` and `refused` for what we never wrote change nothing", async () => {
  const { net, relay, alice, bob, room } = await stage();
  const before = bob.events.length;
  const stream = `room/${room}`;
  await relay.say(bob, { t: "accepted", stream, id: OTHER_ID, seq: 9_999, at: net.nowMs });
  await relay.say(bob, { t: "refused", id: OTHER_ID, code: "offline", message: "no" });
  relay.once(bob, "accepted", ({ message, body }) => [
    { message: { ...message, stream: bob.inbox, seq: 700 }, body },
    { message, body },
    { message: { ...message, seq: 9_999 }, body },
  ]);
  await bob.type("mine");
  assertEquals(bob.events.slice(before).map(({ type }) => type), ["accepted"]);
  await stillTalk(alice, bob, []);
});

Deno.test("`left` and `joined` for unknown people or rooms show nobody", async () => {
  const { net, relay, alice, bob, room } = await stage();
  const { certificate } = await makeStranger("dave", net.nowMs);
  const before = bob.events.length;
  const at = net.nowMs;
  await relay.say(bob, { t: "left", room, who: certificate.fingerprint, at, reason: "quit" });
  await relay.say(bob, { t: "left", room, who: bob.fingerprint, at, reason: "removed" });
  await relay.say(bob, { t: "joined", room: certificate.fingerprint, at }, certificate.encoded);
  await relay.say(bob, { t: "roster", room: certificate.fingerprint, more: false });
  assertEquals(bob.events.length, before);
  await stillTalk(alice, bob, []);
});

Deno.test("a `left` for somebody who is here is shown and withholds nothing from them: members come from the log", async () => {
  const { net, relay, alice, bob, room } = await stage();
  await relay.say(alice, { t: "left", room, who: bob.fingerprint, at: net.nowMs, reason: "lost" });
  assertEquals(alice.all("left").map(({ handle }) => handle), ["bob"]);
  await alice.type("for bob too");
  await relay.say(alice, { t: "joined", room, at: net.nowMs }, bob.certificate.encoded);
  await stillTalk(alice, bob, []);
  assertEquals(bob.texts.includes("for bob too"), true);
});

Deno.test("events of streams that were never subscribed are not taken", async () => {
  const { net, relay, alice, bob, carol } = await stage();
  await alice.type("/pm bob once");
  const { message, body } = relay.last(bob, "event");
  const before = bob.events.length;
  for (const stream of [carol.inbox, `room/${carol.fingerprint}`]) {
    await relay.say(bob, { ...message, stream, seq: 1 }, body);
  }
  assertEquals(bob.events.length, before);
  await stillTalk(alice, bob, []);
  await relay.say(bob, { t: "subscribed", stream: carol.inbox, generation: OTHER_ID, head: 0 });
  assertEquals(bob.failure?.name, "ProtocolError");
  assertEquals(net.clients.has(bob.link), false);
});

for (const t of ["subscribed", "reset"] as const) {
  Deno.test(`a second \`${t}\` cannot hide messages or repeat them`, async () => {
    for (const head of [0, 1_000]) {
      const { relay, bob, room } = await stage();
      await relay.say(bob, { t, stream: `room/${room}`, generation: OTHER_ID, head });
      assertEquals(bob.failure?.name, "ProtocolError");
    }
  });
}

Deno.test("a second welcome, or anything before the first, ends the link", async () => {
  const { net, relay, alice } = await stage();
  await relay.say(alice, { t: "welcome", at: net.nowMs, generation: OTHER_ID });
  assertEquals(alice.failure?.name, "ProtocolError");
  const dave = await net.link("dave");
  await relay.say(dave, { t: "prekeysLow", left: 0 });
  assertEquals(dave.failure?.name, "ProtocolError");
  assertEquals(net.sent.some(({ from }) => from === dave), false);
});

Deno.test("bodies that are no message are told", async () => {
  const { relay, alice, bob } = await stage();
  const { message, body } = relay.last(bob, "event");
  const bodies = [
    new Uint8Array(0),
    Uint8Array.of(0),
    Uint8Array.of(0xff, 0xff),
    concat(body, Uint8Array.of(0)),
    body.subarray(0, body.length - 1).slice(),
  ];
  for (const one of bodies) await relay.insert(bob, { ...message, id: OTHER_ID }, one);
  await stillTalk(alice, bob, bodies.map(() => "cannotOpen"));
});
