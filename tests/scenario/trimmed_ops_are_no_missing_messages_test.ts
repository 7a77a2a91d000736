// Aim: a stream forgets its oldest events, ops among them, which are had elsewhere. Only what held messages is missing.
import { assertEquals } from "@std/assert";
import { FakeNet } from "../support/fake_net.ts";
import { HostileRelay } from "../support/hostile_relay.ts";

Deno.test("ops that the stream has forgotten are not told as missing messages, and messages are", async () => {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  const [alice, bob] = [await net.join("alice"), await net.join("bob")];
  await alice.type("before");
  await bob.drop();
  for (const name of ["carol", "dave", "erin"]) await net.join(name);
  await alice.type("lost");
  await alice.type("kept");
  const again = await net.link("bob", { identity: bob.identity, certificate: bob.certificate, kept: bob.kept });
  relay.lose(again, 4); // three joins and a line
  await net.settle();
  assertEquals(again.texts, ["kept"]);
  assertEquals(again.all("gap").map(({ count }) => count), [1]);
  assertEquals(again.all("fork"), []);
  await again.type("back");
  assertEquals([alice.texts, alice.all("fork")], [["back"], []]);
});
