// Aim: somebody in several rooms at once, open ones and others, has each line in its own room, in the order of that room,
// and nobody reads a line of a room that they are not in.
import { assertEquals } from "@std/assert";
import { type FakeClient, FakeNet } from "../support/fake_net.ts";

/** Alice is in all three, bob in the garden and in #den, carol in the lobby and in #den, dave in the lobby. */
async function stage() {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  const [carol, dave] = [await net.join("carol"), await net.join("dave")];
  const bob = await net.join("bob", { room: "garden" });
  await alice.type("/users");
  await alice.type("/room create den --invite-only");
  for (const person of [bob, carol]) {
    await alice.type(`/invite ${person.certificate.handle}`);
    await person.type("/join den");
  }
  await alice.type("/join garden");
  return { net, alice, bob, carol, dave };
}

function lines(reader: FakeClient): string[] {
  return reader.all("message").map(({ place, text }) => `${"room" in place ? place.room : `to ${place.to}`}: ${text}`);
}

function of(room: string, reader: FakeClient): string[] {
  return lines(reader).filter((line) => line.startsWith(`${room}: `));
}

Deno.test("lines for several rooms in one go arrive each in its own, in order, and with those who are in it alone", async () => {
  const { net, alice, bob, carol, dave } = await stage();
  for (let i = 0; i < 3; i++) {
    for (const room of ["lobby", "den", "garden"]) await alice.command({ kind: "say", text: `${i}`, room });
  }
  await bob.command({ kind: "say", text: "from bob", room: "den" });
  await net.settle();
  const said = (room: string) => ["0", "1", "2"].map((text) => `${room}: ${text}`);
  assertEquals(lines(dave), said("lobby"));
  assertEquals([of("garden", bob), of("den", bob), lines(bob).length], [said("garden"), said("den"), 6]);
  assertEquals([of("lobby", carol), lines(carol).length], [said("lobby"), 7]);
  assertEquals(of("den", carol).toSorted(), [...said("den"), "den: from bob"]);
  const accepted = alice.all("accepted").map(({ place }) => "room" in place ? place.room : "");
  assertEquals(accepted.toSorted(), ["den", "den", "den", "garden", "garden", "garden", "lobby", "lobby", "lobby"]);
});

Deno.test("a line that names no room goes to the one that was joined or switched to last", async () => {
  const { net, alice, bob, carol, dave } = await stage();
  await alice.type("in the garden");
  await alice.type("/switch den");
  await alice.type("in the den");
  await alice.enter("/switch lobby");
  await alice.enter("in the lobby");
  await net.settle();
  await alice.type("/leave lobby");
  await alice.type(`in the ${alice.all("roomLeft")[0]?.current}, where it leads`);
  assertEquals(lines(dave), ["lobby: in the lobby"]);
  const [den, garden] = [of("den", carol), of("garden", bob)];
  assertEquals([den[0], garden[0], den.length + garden.length], ["den: in the den", "garden: in the garden", 3]);
});

Deno.test("whoever comes back is in all their rooms, and reads in each what was written there meanwhile", async () => {
  const { net, alice, bob } = await stage();
  await bob.type("/switch den");
  await bob.drop();
  for (const room of ["garden", "den"]) await alice.command({ kind: "say", text: "later", room });
  await net.settle();
  const again = await net.restart(bob);
  assertEquals(again.all("ready").map(({ room }) => room), ["den"]);
  assertEquals(again.all("roomJoined").map(({ room, isCurrent }) => [room, isCurrent]), [["garden", false]]);
  assertEquals(lines(again).toSorted(), ["den: later", "garden: later"]);
  for (const room of ["garden", "den"]) await again.command({ kind: "say", text: "read", room });
  await net.settle();
  assertEquals(lines(alice), ["garden: read", "den: read"]);
});

Deno.test("removed from one room, one is in the others as before", async () => {
  const { net, alice, bob, carol } = await stage();
  await alice.command({ kind: "remove", name: "bob", room: "den" });
  await net.settle();
  for (const room of ["garden", "den"]) await alice.command({ kind: "say", text: "after", room });
  await net.settle();
  assertEquals([lines(bob), lines(carol)], [["garden: after"], ["den: after"]]);
  await bob.command({ kind: "say", text: "not there", room: "den" }, "r1");
  assertEquals(bob.all("error").map(({ code, ref }) => [code, ref]), [["noSuchRoom", "r1"]]);
});
