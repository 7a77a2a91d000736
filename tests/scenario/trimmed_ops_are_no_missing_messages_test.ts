// Aim: a stream forgets its oldest events, ops among them, which are had elsewhere. Only what held messages is missing.
import { assertEquals } from "@std/assert";
import { type FakeClient, FakeNet } from "../support/fake_net.ts";
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

/** Bob comes back and hears none of the next events; what he is told then as missing. */
async function gapsAfter(
  speak: (people: FakeClient[], net: FakeNet) => Promise<void>,
  lost: number,
): Promise<unknown[]> {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  const people = [await net.join("alice"), await net.join("dave")];
  const bob = await net.join("bob");
  for (const person of people) await person.type("before");
  await bob.drop();
  await speak(people, net);
  const again = await net.link("bob", { identity: bob.identity, certificate: bob.certificate, kept: bob.kept });
  relay.lose(again, lost);
  await net.settle();
  assertEquals([again.all("fork"), again.all("error")], [[], []]);
  return again.all("gap").map(({ from, count }) => [from ?? "", count]);
}

Deno.test("a message that is missing is told, though ops pass by later in the stream", async () => {
  const gaps = gapsAfter(async ([alice], net) => {
    await alice?.type("lost");
    await net.join("carol");
  }, 1);
  assertEquals(await gaps, [["", 1]]);
});

Deno.test("a message that is missing is told once, though its author says so before an op passes by", async () => {
  const gaps = gapsAfter(async ([alice], net) => {
    await alice?.type("lost");
    await alice?.type("kept");
    await net.join("carol");
    await alice?.type("kept too");
  }, 1);
  assertEquals(await gaps, [["alice", 1]]);
});

Deno.test("messages that are missing are told, though others write before an op passes by", async () => {
  const gaps = gapsAfter(async ([alice, dave], net) => {
    await net.join("erin");
    for (const line of ["one", "two"]) await alice?.type(line);
    await dave?.type("kept");
    await net.join("carol");
    await alice?.type("kept too");
  }, 3);
  assertEquals(await gaps, [["", 1], ["", 1]]);
});

Deno.test("an op that is missing behind a message under an older head is no missing message", async () => {
  const gaps = gapsAfter(async ([alice, dave], net) => {
    await net.join("erin");
    await dave?.type("kept");
    for (const line of ["and", "more"]) await alice?.type(line);
  }, 1);
  assertEquals(await gaps, []);
});
