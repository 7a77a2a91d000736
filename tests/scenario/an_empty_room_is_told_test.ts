// Aim: nobody believes that they were heard when nobody was there.
import { assertEquals } from "@std/assert";
import { FakeNet } from "../support/fake_net.ts";

Deno.test("a line in an empty room is accepted, and the person is told that nobody reads it", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  await alice.type("anybody?");
  assertEquals(alice.notices, ["nobodyHere"]);
  assertEquals(alice.all("accepted").map(({ text }) => text), ["anybody?"]);
  const bob = await net.join("bob");
  assertEquals(bob.texts, []);
  await alice.type("hello bob");
  assertEquals(bob.texts, ["hello bob"]);
  assertEquals(alice.notices, ["nobodyHere"]);
});

Deno.test("a room whose members are all away says so, once, and they read it on their return", async () => {
  const net = await FakeNet.create();
  const [alice, bob] = [await net.join("alice"), await net.join("bob")];
  await bob.drop();
  await alice.type("anybody?");
  await alice.type("nobody?");
  assertEquals(alice.notices, ["away"]);
  assertEquals((await net.restart(bob)).texts, ["anybody?", "nobody?"]);
});

Deno.test("a room that emptied meanwhile is empty again", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  const bob = await net.join("bob");
  await bob.type("/leave lobby");
  await alice.type("anybody?");
  assertEquals(alice.notices, ["nobodyHere"]);
  assertEquals(alice.all("left").map(({ handle, reason, at }) => [handle, reason, at]), [["bob", "left", net.nowMs]]);
});
