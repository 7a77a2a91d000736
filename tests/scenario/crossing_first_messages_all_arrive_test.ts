// Aim: two people who write to each other at the same moment start two sessions; nothing is lost, before or after.
import { assertEquals } from "@std/assert";
import { KEY_REQUEST_TIMEOUT_MS } from "../../lib/chat/key_requests.ts";
import { decodeBox } from "../../lib/e2ee/box.ts";
import { FakeNet } from "../support/fake_net.ts";
import { HostileRelay } from "../support/hostile_relay.ts";

Deno.test("first messages that cross in private all arrive, and so does what follows", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  const bob = await net.join("bob");
  await alice.enter("/pm bob a1");
  await bob.enter("/pm alice b1");
  await net.settle();
  assertEquals([alice.texts, bob.texts], [["b1"], ["a1"]]);
  for (let i = 2; i <= 4; i++) {
    await alice.enter(`/pm bob a${i}`);
    await bob.enter(`/pm alice b${i}`);
    await net.settle();
  }
  assertEquals(alice.texts, ["b1", "b2", "b3", "b4"]);
  assertEquals(bob.texts, ["a1", "a2", "a3", "a4"]);
  assertEquals([...alice.notices, ...bob.notices], []);
});

Deno.test("a first message brings the keys that a line was waiting for, and the answer goes out on its session", async () => {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  const alice = await net.join("alice", { receipts: false });
  const bob = await net.join("bob");
  let release = () => {};
  relay.once(alice, "bundle", (packet) => {
    release = () => net.inject(alice, packet);
    return [];
  });
  await alice.type("/pm bob waiting for keys");
  assertEquals(bob.texts, []);
  await bob.type("/pm alice first");
  assertEquals([alice.texts, bob.texts], [["first"], ["waiting for keys"]]);
  release(); // too late to be of use: it must not start another session
  await net.settle();
  await alice.type("/pm bob and on");
  await net.advance(KEY_REQUEST_TIMEOUT_MS);
  assertEquals(bob.texts, ["waiting for keys", "and on"]);
  assertEquals(alice.notices, []);
  const kinds = net.sent.filter(({ from, packet }) =>
    from === alice && packet.message.t === "publish" && packet.message.stream === bob.inbox
  )
    .map(({ packet }) => decodeBox(packet.body).kind);
  assertEquals(kinds, ["ratchet", "ratchet"]);
});

Deno.test("keys that never come do not matter once their owner has written", async () => {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  const alice = await net.join("alice");
  const bob = await net.join("bob");
  relay.once(alice, "bundle", () => []);
  await alice.type("hello");
  await bob.type("hello yourself");
  await net.advance(KEY_REQUEST_TIMEOUT_MS);
  assertEquals([bob.texts, alice.notices], [["hello"], []]);
});

Deno.test("first messages that cross in a room of twelve all arrive", async () => {
  const net = await FakeNet.create();
  const people = [];
  for (let i = 0; i < 12; i++) people.push(await net.join(`person-${i}`));
  for (const [i, person] of people.entries()) await person.enter(`from ${i}`);
  await net.settle();
  for (const [i, person] of people.entries()) {
    const others = people.map((_, other) => `from ${other}`).filter((_, other) => other !== i);
    assertEquals(person.texts.toSorted(), others.toSorted());
    assertEquals(person.notices, []);
  }
});
