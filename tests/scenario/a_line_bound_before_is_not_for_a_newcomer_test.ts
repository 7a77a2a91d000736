// Aim: whom a line is for is settled when it is written. A newcomer who is a member by the time it is sealed gets neither
// the line nor a word about it.
import { assertEquals } from "@std/assert";
import { FakeNet } from "../support/fake_net.ts";

Deno.test("a line that was written before a newcomer was shown says nothing to them", async () => {
  const net = await FakeNet.create();
  const [alice, bob] = [await net.join("alice"), await net.join("bob")];
  net.hold(alice, "toClient"); // the keys of bob, and carol's coming
  await alice.type("for bob");
  const carol = await net.join("carol");
  net.release(alice);
  await net.settle();
  await alice.type("for both");
  assertEquals([bob.texts, carol.texts], [["for bob", "for both"], ["for both"]]);
  assertEquals([carol.notices, carol.all("gap")], [[], []]);
});
