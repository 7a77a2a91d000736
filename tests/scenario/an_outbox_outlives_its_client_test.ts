// Aim: what was written is sent once, in its order, whatever becomes of the client before the relay has it.
import { assertEquals } from "@std/assert";
import { FakeNet } from "../support/fake_net.ts";

Deno.test("lines that waited when the client died are sent by the next one, once and in order", async () => {
  const net = await FakeNet.create();
  const [alice, bob] = [await net.join("alice"), await net.join("bob")];
  await alice.type("before");
  await net.unlink(alice);
  for (const line of ["one", "two", "/pm bob three", "four"]) await alice.type(line);
  const again = await net.restart(alice);
  assertEquals(bob.texts.toSorted(), ["before", "four", "one", "three", "two"]);
  assertEquals(bob.texts.filter((text) => text !== "three"), ["before", "one", "two", "four"]);
  assertEquals([again.notices, again.all("accepted").length, again.chat.unsent()], [["outbox"], 4, []]);
  assertEquals([bob.all("gap"), bob.all("fork"), bob.notices], [[], [], []]);
  assertEquals((await restarted(net, again)).notices, []);
});

for (const lost of ["the line on its way", "its answer"] as const) {
  Deno.test(`a client that dies with ${lost} says it once`, async () => {
    const net = await FakeNet.create();
    const [alice, bob] = [await net.join("alice"), await net.join("bob")];
    await alice.type("first");
    if (lost === "its answer") net.tamper = (packet, to) => to === alice ? [] : [packet];
    else net.hold(alice, "toRelay");
    for (const line of ["second", "/pm bob third", "fourth"]) await alice.type(line);
    await alice.drop();
    net.tamper = (packet) => [packet];
    const again = await net.restart(alice);
    await again.type("fifth");
    assertEquals(bob.texts.toSorted(), ["fifth", "first", "fourth", "second", "third"]);
    assertEquals(bob.texts.filter((text) => text !== "third"), ["first", "second", "fourth", "fifth"]);
    assertEquals([bob.all("gap"), bob.all("fork"), bob.notices], [[], [], []]);
    assertEquals(again.chat.unsent(), []);
  });
}

Deno.test("lines to a room that one was removed from are given up and named", async () => {
  const net = await FakeNet.create();
  const [alice, bob] = [await net.join("alice"), await net.join("bob")];
  await alice.type("/room create den --invite-only");
  await alice.type("/invite bob");
  await bob.type("/join den");
  await net.unlink(bob);
  await bob.type("too late");
  await alice.type("/remove bob");
  const again = await net.restart(bob);
  assertEquals(again.all("error").map(({ code, message }) => [code, message]), [["unsent", "Not sent: too late"]]);
  assertEquals([alice.texts, again.chat.unsent()], [[], []]);
  assertEquals((await restarted(net, again)).notices, []);
});

async function restarted(net: FakeNet, client: Awaited<ReturnType<FakeNet["join"]>>) {
  await client.drop();
  return await net.restart(client);
}
