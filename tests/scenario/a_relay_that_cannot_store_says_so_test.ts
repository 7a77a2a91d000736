// Aim: while a relay cannot store, whoever writes is told which line was not sent, no line is taken that nobody has the
// keys for, and all can read each other at once when it can store again.
import { assertEquals } from "@std/assert";
import { FakeNet } from "../support/fake_net.ts";

/** A relay whose disk is full from the beginning, and what makes room. */
async function stage() {
  const net = await FakeNet.create();
  const append = net.log.append.bind(net.log);
  const disk = { isFull: false };
  net.log.append = (event) => disk.isFull ? { kind: "failed", reason: "diskFull" } : append(event);
  return { net, disk, alice: await net.join("alice"), bob: await net.join("bob") };
}

Deno.test("a line whose keys the relay cannot store does not leave, and whoever has none is not left out for it", async () => {
  const { disk, alice, bob } = await stage();
  disk.isFull = true;
  for (const line of ["one", "two"]) await alice.type(line);
  assertEquals(alice.all("error").map(({ code, message }) => [code, message]), [
    ["unsent", "Not sent to #lobby: one"],
    ["unsent", "Not sent to #lobby: two"],
  ]);
  disk.isFull = false;
  await alice.type("three");
  assertEquals([alice.notices, alice.all("accepted").length, bob.texts, bob.all("gap")], [[], 1, ["three"], []]);
});

Deno.test("a line that the relay cannot store is named by its text, and missed by its readers alone", async () => {
  const { disk, alice, bob } = await stage();
  await alice.type("one");
  await alice.type("/pm bob first");
  disk.isFull = true;
  await alice.type("two");
  await alice.type("/pm bob second");
  disk.isFull = false;
  await alice.type("three");
  assertEquals(alice.all("error").map(({ message }) => message), [
    "Not sent to #lobby: two",
    "Not sent to bob: second",
  ]);
  assertEquals(bob.texts, ["one", "first", "three"]);
  assertEquals(bob.all("gap").map(({ count }) => count), [1]);
});
