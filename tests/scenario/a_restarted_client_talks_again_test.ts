// Aim: ratchets live in memory; who comes back with the same key and a newer certificate starts afresh, both ways.
import { assertEquals } from "@std/assert";
import { FakeNet } from "../support/fake_net.ts";
import { HostileRelay } from "../support/hostile_relay.ts";

Deno.test("a client that quits and starts again talks in both directions, in the room and in private", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  const bob = await net.join("bob");
  await alice.type("a1");
  await bob.type("b1");
  for (let life = 2; life <= 4; life++) {
    await net.everybody.findLast((client) => client.identity === bob.identity)?.type("/quit");
    const again = await net.join("bob", { identity: bob.identity });
    await alice.type(`a${life}`);
    await again.type(`b${life}`);
    await alice.type(`/pm bob private a${life}`);
    await again.type(`/pm alice private b${life}`);
    assertEquals(again.texts, [`a${life}`, `private a${life}`]);
    assertEquals(alice.texts.slice(-2), [`b${life}`, `private b${life}`]);
    assertEquals(again.notices, []);
  }
  assertEquals(alice.notices, []);
  assertEquals(alice.all("left").length, 3);
  assertEquals(alice.all("joined").map(({ trust }) => trust), ["new", "known", "known", "known"]);
});

Deno.test("a client that comes back before its line was known to be lost replaces itself", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  const bob = await net.join("bob");
  await alice.type("a1");
  const again = await net.join("bob", { identity: bob.identity });
  assertEquals(bob.closed?.code, "replaced");
  await alice.type("a2");
  await again.type("b2");
  assertEquals([again.texts, alice.texts], [["a2"], ["b2"]]);
  assertEquals(alice.all("left").map(({ reason }) => reason), ["lost"]);
});

Deno.test("whoever writes first after a restart, the other's next message is read", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  const bob = await net.join("bob");
  await alice.type("a1"); // never answered: alice's session still waits
  await bob.drop();
  const again = await net.join("bob", { identity: bob.identity });
  await again.enter("b2");
  await alice.enter("a2");
  await net.settle();
  await alice.type("a3");
  assertEquals([again.texts, alice.texts], [["a2", "a3"], ["b2"]]);
});

Deno.test("a restart that the relay keeps quiet about is learnt from the first message", async () => {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  const alice = await net.join("alice");
  const bob = await net.join("bob");
  await alice.type("a1"); // alice started this session and it was never answered
  relay.always(alice, "left", () => []);
  relay.always(alice, "joined", () => []);
  await bob.drop();
  const again = await net.join("bob", { identity: bob.identity });
  await again.type("b2");
  await alice.type("a2");
  await alice.type("/pm bob a3");
  assertEquals([again.texts, alice.texts], [["a2", "a3"], ["b2"]]);
});

Deno.test("lines that waited for the keys of somebody who restarted reach the new client", async () => {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  const alice = await net.join("alice");
  const bob = await net.join("bob");
  relay.once(alice, "bundle", () => []);
  await alice.type("waiting");
  assertEquals(alice.all("accepted").length, 0);
  await bob.drop();
  assertEquals(alice.all("accepted").length, 0); // bob is away and reads it on his return: his keys are asked for still
  relay.once(alice, "bundle", () => []);
  const again = await net.join("bob", { identity: bob.identity });
  await alice.type("waiting again");
  assertEquals(again.texts, ["waiting", "waiting again"]);
  await again.drop();
  const third = await net.join("bob", { identity: bob.identity });
  await alice.type("at last");
  assertEquals(third.texts, ["at last"]);
});
