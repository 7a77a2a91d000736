// Aim: whoever leaves a room is gone after their last line, not before it: what was typed before `/leave` or `/quit`
// arrives first, also if it waits for keys or has to be sealed again; and a leave holds up no other room.
import { assertEquals } from "@std/assert";
import { type FakeClient, FakeNet } from "../support/fake_net.ts";
import { HostileRelay } from "../support/hostile_relay.ts";

/** What somebody was shown of another: lines, and that they left for good. */
function seen(reader: FakeClient, of: string): string[] {
  return reader.events.flatMap((event) => {
    if (event.type === "message" && event.from === of) return [event.text];
    return event.type === "left" && event.handle === of && event.reason === "left" ? [`left ${event.room}`] : [];
  });
}

async function enter(client: FakeClient, ...lines: readonly string[]): Promise<void> {
  for (const line of lines) await client.enter(line);
  await client.net.settle();
}

Deno.test("lines typed before /leave arrive before it, whether or not the keys are there", async () => {
  const net = await FakeNet.create();
  const [alice, bob] = [await net.join("alice", { room: "garden" }), await net.join("bob", { room: "garden" })];
  await enter(alice, "one", "two", "/leave");
  assertEquals(seen(bob, "alice"), ["one", "two", "left garden"]);
  await alice.type("/join garden");
  await alice.type("three");
  await enter(alice, "four", "five", "/leave");
  assertEquals(seen(bob, "alice").slice(3), ["three", "four", "five", "left garden"]);
  assertEquals([alice.all("error"), alice.all("roomLeft").map(({ reason }) => reason)], [[], ["left", "left"]]);
});

Deno.test("a leave waits for lines whose keys do not come, and no longer", async () => {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  const [alice, bob] = [await net.join("alice", { room: "garden" }), await net.join("bob", { room: "garden" })];
  const carol = await net.join("carol", { room: "garden" });
  let count = 0;
  relay.always(alice, "bundle", (packet) => ++count === 1 ? [packet] : []); // of two there is one
  await enter(alice, "one", "two", "/leave");
  assertEquals([seen(bob, "alice"), alice.all("roomLeft")], [[], []]);
  await net.advance(5_001);
  const read = [bob, carol].map((reader) => seen(reader, "alice"));
  assertEquals(read.toSorted((a, b) => a.length - b.length), [["left garden"], ["one", "two", "left garden"]]);
  assertEquals([alice.notices, alice.all("accepted").length], [["keysMissing"], 2]);
});

Deno.test("a leave waits for a line that has to be sealed again", async () => {
  const net = await FakeNet.create();
  const [alice, bob, carol] = [await net.join("alice"), await net.join("bob"), await net.join("carol")];
  await alice.type("/room create den --invite-only");
  for (const person of [bob, carol]) {
    await alice.type(`/invite ${person.certificate.handle}`);
    await person.type("/join den");
  }
  await bob.type("zero");
  net.hold(bob, "toClient");
  await alice.type("/remove carol");
  await enter(bob, "one", "two", "/leave den");
  net.release(bob);
  await net.settle();
  assertEquals(seen(alice, "bob"), ["zero", "one", "two", "left den"]);
  assertEquals([bob.all("error"), carol.texts], [[], ["zero"]]);
});

Deno.test("a leave of one room holds up no line for another", async () => {
  const net = await FakeNet.create();
  const [alice, bob] = [await net.join("alice"), await net.join("bob")];
  await alice.type("/join garden");
  await bob.type("/join garden");
  await enter(alice, "one", "/leave garden");
  await enter(alice, "in the lobby");
  assertEquals(seen(bob, "alice"), ["one", "left garden", "in the lobby"]);
});

Deno.test("one who keeps nothing leaves all rooms at /quit, after their last lines", async () => {
  const net = await FakeNet.create();
  const bob = await net.join("bob");
  const alice = await net.join("alice", { life: "ephemeral" });
  for (const person of [alice, bob]) await person.type("/join garden");
  await enter(alice, "one", "two", "/quit");
  assertEquals([alice.hasFinished, alice.chat.unsent()], [true, []]);
  assertEquals(seen(bob, "alice").toSorted(), ["left garden", "left lobby", "one", "two"]);
  assertEquals(seen(bob, "alice").slice(0, 2), ["one", "two"]);
});
