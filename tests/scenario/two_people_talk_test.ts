// Aim: the whole story, end to end, on the real cores: two people meet on a relay and talk. Read this first.
import { assert, assertEquals } from "@std/assert";
import { FakeNet } from "../support/fake_net.ts";

Deno.test("two people talk in the room and in private", async () => {
  const net = await FakeNet.create();

  const alice = await net.join("alice");
  const [ready] = alice.events;
  assert(ready?.type === "ready");
  assertEquals(ready.members, []);
  assertEquals(ready.handle, "alice");

  const bob = await net.join("bob");
  assertEquals(alice.all("joined").map((joined) => joined.handle), ["bob"]);
  const bobsReady = bob.all("ready")[0];
  assertEquals(bobsReady?.members.map((member) => [member.handle, member.trust]), [["alice", "new"]]);

  await alice.type("hello bob");
  await bob.type("hello alice");
  await alice.type("/pm bob just between us");
  assertEquals(bob.texts, ["hello bob", "just between us"]);
  assertEquals(alice.texts, ["hello alice"]);

  const [inRoom, inPrivate] = bob.all("message");
  assertEquals(inRoom?.place, { room: "lobby" });
  assertEquals(inPrivate?.place, { to: "bob" });
  assertEquals(inRoom?.from, "alice");
  assertEquals(inRoom?.fingerprint, alice.certificate.fingerprint);
  assertEquals(inRoom?.id, alice.all("accepted")[0]?.id);

  await bob.type("/quit");
  assert(bob.hasFinished);
  assertEquals(alice.all("left").map((left) => [left.handle, left.reason]), [["bob", "quit"]]);
});

Deno.test("a third person hears only what is written after they were shown", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  const bob = await net.join("bob");
  await alice.type("before");
  const carol = await net.join("carol");
  await alice.type("after");
  assertEquals(bob.texts, ["before", "after"]);
  assertEquals(carol.texts, ["after"]);
});
