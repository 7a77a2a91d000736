// Aim: what was written before somebody was shown is not for them, even if they hold every byte of it.
import { assertEquals } from "@std/assert";
import { FakeNet } from "../support/fake_net.ts";
import { HostileRelay } from "../support/hostile_relay.ts";

Deno.test("a late joiner is not sent what was written before", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  const bob = await net.join("bob");
  await alice.type("before");
  const carol = await net.join("carol");
  await alice.type("after");
  assertEquals(bob.texts, ["before", "after"]);
  assertEquals(carol.texts, ["after"]);
});

Deno.test("a late joiner to whom the relay gives the history reads none of it", async () => {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  const alice = await net.join("alice");
  const bob = await net.join("bob");
  await alice.type("before");
  const history = relay.last(bob, "event");
  const carol = await net.join("carol");
  await relay.insert(carol, { ...history.message, at: net.nowMs }, history.body);
  await alice.type("after");
  assertEquals(carol.texts, ["after"]);
  assertEquals(carol.failure, undefined);
});
