// Aim: trust belongs to the key, never to the name. A known name under another key gets nothing until it is accepted.
import { assert, assertEquals } from "@std/assert";
import { FakeNet } from "../support/fake_net.ts";
import { HostileRelay } from "../support/hostile_relay.ts";

Deno.test("a name under another key is shown as changed and gets nothing until /trust", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  const carol = await net.join("carol");
  const bob = await net.join("bob");
  await alice.type("hello all");
  await bob.type("/quit");
  await net.advance(61_000); // a name is free again after a minute here
  const other = await net.join("bob");
  assertEquals(alice.all("joined").at(-1)?.trust, "changed");
  assertEquals(alice.notices, ["keyChanged"]);

  await alice.type("not for the new bob");
  assertEquals(alice.notices, ["keyChanged", "keyChanged"]);
  await alice.type("/pm bob nor this", "r1");
  const [error] = alice.all("error");
  assertEquals([error?.code, error?.ref], ["keyChanged", "r1"]);
  assertEquals(other.texts, []);
  assertEquals(carol.texts, ["hello all", "not for the new bob"]);

  await alice.type("/fingerprint bob");
  const shown = alice.all("notice").at(-1)?.text ?? "";
  assert(shown.replaceAll(" ", "").includes(other.fingerprint));
  await alice.type("/trust bob");
  await alice.type("now for you too");
  await alice.type("/pm bob and this");
  assertEquals(other.texts, ["now for you too", "and this"]);
  assertEquals(alice.all("users").length, 0);
  await alice.type("/users");
  const members = alice.all("users")[0]?.members.map(({ handle, trust, isHere }) => `${handle} ${trust} ${isHere}`);
  assertEquals(members?.toSorted(), ["bob changed false", "bob known true", "carol new true"]);
});

Deno.test("what a changed key writes is shown with its mark", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  const bob = await net.join("bob");
  await bob.drop();
  await net.advance(61_000);
  const other = await net.join("bob");
  await other.type("it is me, bob");
  assertEquals(alice.all("message").map(({ text, trust }) => [text, trust]), [["it is me, bob", "changed"]]);
});

Deno.test("a look-alike of a known name counts as that name", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  const bill = await net.join("bill");
  await bill.drop();
  await net.advance(61_000);
  await net.join("Bi1l");
  assertEquals(alice.all("joined").at(-1)?.trust, "changed");
});

Deno.test("after /trust the key that had the name before is the changed one", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  const bob = await net.join("bob");
  await bob.drop();
  await net.advance(61_000);
  const other = await net.join("bob");
  await alice.type("/trust bob");
  await other.drop();
  await net.advance(61_000);
  const first = await net.join("bob", { identity: bob.identity });
  assertEquals(alice.all("joined").at(-1)?.trust, "changed");
  await alice.type("not for the first any more");
  assertEquals(first.texts, []);
});

Deno.test("somebody who takes another name keeps the trust in their key, and their old name stays theirs", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  const bob = await net.join("bob");
  await alice.type("hello bob");
  await bob.drop();
  const robert = await net.join("robert", { identity: bob.identity });
  assertEquals(alice.all("joined").at(-1)?.trust, "known");
  await alice.type("/pm robert hello again");
  await alice.type("/pm bob not here");
  await robert.type("my new name");
  assertEquals(robert.texts, ["hello again"]);
  assertEquals(alice.all("error").map(({ code }) => code), ["noSuchPerson"]);
  assertEquals(alice.all("message").at(-1)?.from, "robert");
});

Deno.test("a client that changes somebody's name into that of a known person is marked as changed", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  const bob = await net.join("bob");
  const mallory = await net.join("mallory");
  await bob.drop();
  await mallory.drop();
  await net.advance(61_000);
  const fake = await net.join("bob", { identity: mallory.identity });
  assertEquals(alice.all("joined").at(-1)?.trust, "changed");
  await alice.type("for nobody");
  assertEquals(fake.texts, []);
});

Deno.test("a line that waits for keys does not go to somebody who takes a known name meanwhile", async () => {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  const alice = await net.join("alice");
  const bob = await net.join("bob");
  await bob.drop();
  await net.advance(61_000);
  const mallory = await net.join("mallory");
  relay.once(alice, "bundle", () => []);
  await alice.type("/pm mallory for mallory");
  await alice.type("for the room");
  relay.once(alice, "left", () => []); // or the lines would have gone out when mallory left
  await mallory.drop();
  const fake = await net.join("bob", { identity: mallory.identity });
  assertEquals(alice.all("joined").at(-1)?.trust, "changed");
  assertEquals(fake.texts, []);
  assertEquals(alice.all("accepted").map(({ text }) => text), ["for the room"]);
  assertEquals(alice.all("error").map(({ code }) => code), ["noSuchPerson"]);
});

Deno.test("a name of an ephemeral key is nobody's: its next run is new, not changed", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  const first = await net.join("ci", { life: "ephemeral" });
  await first.drop();
  await net.advance(61_000);
  const second = await net.join("ci", { life: "ephemeral" });
  assertEquals(alice.all("joined").map((joined) => joined.trust), ["new", "new"]);
  await alice.type("hello again");
  assertEquals(second.texts, ["hello again"]);
});
