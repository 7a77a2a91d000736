// Aim: keys that come late keep lines in order; keys that never come leave one person out, by name, and nobody else.
import { assertEquals } from "@std/assert";
import { KEY_REQUEST_TIMEOUT_MS, KEY_RETRY_AFTER_MS } from "../../lib/chat/key_requests.ts";
import { FakeNet } from "../support/fake_net.ts";
import { HostileRelay } from "../support/hostile_relay.ts";

async function stage() {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  const alice = await net.join("alice");
  const bob = await net.join("bob");
  const carol = await net.join("carol");
  return { net, relay, alice, bob, carol };
}

/** Holds back the answers about one person; gives back what releases them. */
function holdKeysOf(relay: HostileRelay, { alice, of, net }: { alice: Joined; of: Joined; net: FakeNet }) {
  const held: (() => void)[] = [];
  relay.always(alice, "bundle", (packet) => {
    const asked = net.sent.findLast(({ packet: { message } }) =>
      message.t === "getBundle" && message.ref === packet.message.ref
    )?.packet.message;
    if (asked?.t !== "getBundle" || asked.of !== of.fingerprint) return [packet];
    held.push(() => net.inject(alice, packet));
    return [];
  });
  return async () => {
    relay.behave();
    for (const release of held) release();
    await net.settle();
  };
}

type Joined = Awaited<ReturnType<FakeNet["join"]>>;

Deno.test("somebody whose keys never come is left out after 5 s and named, the others get the message", async () => {
  const { net, relay, alice, bob, carol } = await stage();
  holdKeysOf(relay, { alice, of: carol, net });
  await alice.type("hello");
  assertEquals(bob.texts, []);
  assertEquals(alice.wakeAtMs, net.nowMs + KEY_REQUEST_TIMEOUT_MS);
  await net.advance(KEY_REQUEST_TIMEOUT_MS);
  assertEquals(bob.texts, ["hello"]);
  assertEquals(carol.texts, []);
  const [told] = alice.all("notice");
  assertEquals([told?.code, told?.text.includes("carol")], ["keysMissing", true]);
  assertEquals(alice.all("accepted").length, 1);
});

Deno.test("somebody who was left out is asked for again after 30 s", async () => {
  const { net, relay, alice, bob, carol } = await stage();
  holdKeysOf(relay, { alice, of: carol, net });
  await alice.type("one");
  await net.advance(KEY_REQUEST_TIMEOUT_MS);
  relay.behave();
  await net.advance(KEY_RETRY_AFTER_MS - 1);
  await alice.type("two"); // too early: goes out at once, without carol
  assertEquals([bob.texts, carol.texts], [["one", "two"], []]);
  await net.advance(1);
  await alice.type("three");
  assertEquals([bob.texts, carol.texts], [["one", "two", "three"], ["three"]]);
});

Deno.test("an answer that comes after it was given up serves the next line", async () => {
  const { net, relay, alice, bob, carol } = await stage();
  const release = holdKeysOf(relay, { alice, of: carol, net });
  await alice.type("one");
  await net.advance(KEY_REQUEST_TIMEOUT_MS);
  await release();
  await alice.type("two");
  assertEquals([bob.texts, carol.texts], [["one", "two"], ["two"]]);
  assertEquals(alice.failure, undefined);
});

Deno.test("lines keep their order while keys are fetched, each conversation by itself", async () => {
  const { net, relay, alice, bob, carol } = await stage();
  const release = holdKeysOf(relay, { alice, of: carol, net });
  await alice.type("room 1");
  await alice.type("/pm carol private 1");
  await alice.type("room 2");
  await alice.type("/pm bob not held up");
  await alice.type("/pm carol private 2");
  assertEquals([bob.texts, carol.texts], [["not held up"], []]);
  await release();
  assertEquals(bob.texts, ["not held up", "room 1", "room 2"]);
  const byPlace = (isRoom: boolean) =>
    carol.all("message").filter(({ place }) => "room" in place === isRoom).map(({ text }) => text);
  assertEquals([byPlace(true), byPlace(false)], [["room 1", "room 2"], ["private 1", "private 2"]]);
});

Deno.test("somebody who goes while their keys are fetched holds up nobody for long", async () => {
  const { net, relay, alice, bob, carol } = await stage();
  holdKeysOf(relay, { alice, of: carol, net });
  await alice.type("hello");
  await alice.type("/pm carol just you", "r7");
  await carol.type("/quit");
  await net.advance(KEY_REQUEST_TIMEOUT_MS);
  assertEquals(bob.texts, ["hello"]);
  assertEquals(alice.notices, ["keysMissing"]); // she is a member still, and would have read it on her return
  assertEquals(alice.all("error").map(({ code, ref }) => [code, ref]), [["noSuchPerson", "r7"]]); // no keys, no line
  assertEquals(alice.chat.unsent(), []);
});

Deno.test("somebody for whom the relay has no keys is named at once", async () => {
  const { relay, alice, bob, carol } = await stage();
  relay.always(alice, "bundle", (packet) => [{ message: { ...packet.message, kind: "none" }, body: new Uint8Array() }]);
  await alice.type("hello");
  assertEquals([bob.texts, carol.texts], [[], []]);
  assertEquals(alice.notices, ["keysMissing", "keysMissing"]);
  await alice.type("/pm bob hello");
  assertEquals(alice.all("error").map(({ code }) => code), ["noSuchPerson"]);
});

Deno.test("a client that asks for more keys than it is answered live gets stored ones", async () => {
  const net = await FakeNet.create();
  const people = [];
  for (let i = 0; i < 9; i++) people.push(await net.join(`person-${i}`));
  const [target, ...others] = people;
  for (const other of others) await other?.enter(`/pm person-0 from ${other.certificate.handle}`);
  await net.settle();
  assertEquals(target?.texts.toSorted(), others.map((other) => `from ${other.certificate.handle}`));
  const stored = net.sent.filter(({ from, packet }) => from === target && packet.message.t === "liveBundle").length;
  assertEquals(stored, 5);
});
