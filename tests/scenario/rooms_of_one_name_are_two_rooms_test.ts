// Aim: the name of a room that people are invited to is each one's own word for it: two invitations to rooms of one name
// are two rooms, under two names, with nothing of the one in the other.
import { assertEquals } from "@std/assert";
import { type FakeClient, FakeNet } from "../support/fake_net.ts";

/** Alice and bob each have a room #plans of their own, and invite carol. */
async function stage() {
  const net = await FakeNet.create();
  const [alice, bob, carol] = [await net.join("alice"), await net.join("bob"), await net.join("carol")];
  for (const owner of [alice, bob]) {
    await owner.type("/room create plans --invite-only");
    await owner.type("/invite carol");
  }
  return { net, alice, bob, carol };
}

function lines(reader: FakeClient): string[] {
  return reader.all("message").map(({ place, from, text }) => `${"room" in place ? place.room : ""} ${from}: ${text}`);
}

Deno.test("two invitations to rooms of one name are two rooms, and what is said in the one is not in the other", async () => {
  const { net, alice, bob, carol } = await stage();
  assertEquals(carol.all("invited").map(({ room, by }) => [room, by]), [["plans", "alice"], ["plans-2", "bob"]]);
  for (const room of ["plans", "plans-2"]) await carol.type(`/join ${room}`);
  await alice.type("from alice");
  await bob.type("from bob");
  for (const room of ["plans", "plans-2"]) await carol.command({ kind: "say", text: `in ${room}`, room });
  await net.settle();
  assertEquals(lines(carol), ["plans alice: from alice", "plans-2 bob: from bob"]);
  assertEquals([lines(alice), lines(bob)], [["plans carol: in plans"], ["plans carol: in plans-2"]]);
});

Deno.test("saying no to the one leaves the other as it was, also over a restart", async () => {
  const { net, alice, bob, carol } = await stage();
  await carol.type("/leave plans");
  await carol.drop();
  const again = await net.restart(carol);
  await again.type("/join plans-2");
  await bob.type("only two of us");
  await alice.type("nobody hears this");
  assertEquals(lines(again), ["plans-2 bob: only two of us"]);
  assertEquals([alice.notices, bob.notices], [["nobodyHere"], []]);
  await again.type("/rooms");
  const rooms = again.all("rooms")[0]?.rooms.map(({ room, state }) => `${room} ${state}`);
  assertEquals(rooms?.toSorted(), ["lobby in", "plans-2 in"]);
});

Deno.test("an invitation to a room that is named like one of ours gets another name", async () => {
  const net = await FakeNet.create();
  const [alice, bob] = [await net.join("alice"), await net.join("bob")];
  await bob.type("/room create plans --invite-only");
  await alice.type("/room create PLANS --invite-only");
  await alice.type("/invite bob");
  assertEquals(bob.all("invited").map(({ room }) => room), ["PLANS-2"]);
  await bob.type("/join plans-2");
  await alice.type("hello");
  assertEquals(lines(bob), ["PLANS-2 alice: hello"]);
});

Deno.test("a second invitation to one room is the same room, and the invitation to one that we are in is dropped", async () => {
  const { alice, bob, carol } = await stage();
  await alice.type("/remove carol");
  await alice.type("/invite carol");
  assertEquals(carol.all("invited").map(({ room, by }) => [room, by]), [
    ["plans", "alice"],
    ["plans-2", "bob"],
    ["plans", "alice"],
  ]);
  await carol.type("/join plans");
  await alice.type("welcome");
  assertEquals([lines(carol), bob.all("error")], [["plans alice: welcome"], []]);
});
