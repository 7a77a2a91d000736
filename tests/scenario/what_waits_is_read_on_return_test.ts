// Aim: what was accepted for somebody who had just left waits at the relay, and is read once, in order, when they return.
import { assertEquals } from "@std/assert";
import { FakeNet } from "../support/fake_net.ts";

Deno.test("what was written to somebody who had just left is read once when they are back", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice", { room: "attic" });
  const carol = await net.join("carol", { room: "attic" });
  const bob = await net.join("bob");
  for (const friend of [alice, carol]) {
    await friend.type("/users");
    await friend.type("/pm bob hello");
  }
  await bob.drop(); // nobody of another room is told
  await alice.type("/pm bob one");
  await carol.type("/pm bob two");
  await alice.type("/pm bob three");
  assertEquals([alice, carol].map((friend) => [friend.all("accepted").length, friend.all("error").length]), [
    [3, 0],
    [2, 0],
  ]);
  const again = await net.restart(bob);
  assertEquals(again.all("message").map(({ from, text }) => [from, text]), [
    ["alice", "one"],
    ["carol", "two"],
    ["alice", "three"],
  ]);
  assertEquals(again.notices, []);
  await again.type("/pm alice got it");
  await alice.type("/pm bob good");
  assertEquals([alice.texts, again.texts.at(-1)], [["got it"], "good"]);
  await again.drop();
  assertEquals((await net.restart(again)).texts, [], "what was read is not read again");
});

Deno.test("what waited is read by a client that was killed before it kept what it had been sent", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice", { room: "attic" });
  const bob = await net.join("bob");
  await alice.type("/users");
  await alice.type("/pm bob hello");
  await bob.drop();
  await alice.type("/pm bob one");
  const before = bob.kept.copy();
  const killed = await net.restart(bob);
  assertEquals(killed.texts, ["one"]);
  await killed.drop();
  const again = await net.restart(bob, before);
  assertEquals(again.texts, ["one"]);
});

Deno.test("a first message waits too: it needs nobody's answer", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice", { room: "attic" });
  const bob = await net.join("bob");
  await alice.type("/users");
  await bob.drop(); // its stored keys are enough
  await alice.type("/pm bob we have not met");
  assertEquals(alice.all("error"), []);
  const again = await net.restart(bob);
  assertEquals([again.texts, again.notices], [["we have not met"], []]);
});

Deno.test("nothing waits for an ephemeral client: its author is told that it was not sent", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice", { room: "attic" });
  const bob = await net.join("bob", { life: "ephemeral" });
  await alice.type("/users");
  await alice.type("/pm bob hello");
  await bob.drop();
  await alice.type("/pm bob too late", "r1");
  assertEquals(alice.all("error").map(({ code, ref }) => [code, ref]), [["noSuchPerson", "r1"]]);
});

Deno.test("somebody who is away can be written to by name, and the person is told that it waits", async () => {
  const net = await FakeNet.create();
  const [alice, bob] = [await net.join("alice"), await net.join("bob")];
  await bob.drop();
  await alice.type("/pm bob for later");
  assertEquals([alice.notices, alice.all("accepted").length], [["away"], 1]);
  await alice.drop();
  const again = await net.restart(alice); // bob is known from before
  await again.type("/pm bob and another");
  assertEquals([again.notices, again.all("error")], [["away"], []]);
  const back = await net.restart(bob);
  assertEquals(back.all("message").map(({ from, text }) => [from, text]), [
    ["alice", "for later"],
    ["alice", "and another"],
  ]);
});

Deno.test("somebody whom this relay never saw cannot be written to, whoever knows them from elsewhere", async () => {
  const [net, other] = [await FakeNet.create(), await FakeNet.create()];
  const alice = await net.join("alice");
  await net.join("bob");
  const away = await other.restart(alice);
  await away.type("/pm bob hello", "r1");
  await other.advance(10_000);
  assertEquals(away.all("error").map(({ code, ref }) => [code, ref]), [["noSuchPerson", "r1"]]);
});
