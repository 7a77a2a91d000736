// Aim: two people who write to each other at the same moment start two sessions; nothing is lost, before or after.
import { assertEquals } from "@std/assert";
import { FakeNet } from "../support/fake_net.ts";

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
