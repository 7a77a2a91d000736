// Aim: whoever is invited is asked, however they are found and whenever they answer: nothing of the room is heard before
// yes, all since they were added after it, and after no they are no member.
import { assertEquals } from "@std/assert";
import { ADD_TIMEOUT_MS } from "../../lib/chat/room_stay.ts";
import { type FakeClient, FakeNet } from "../support/fake_net.ts";

async function stage() {
  const net = await FakeNet.create();
  const [alice, bob] = [await net.join("alice"), await net.join("bob")];
  await alice.type("/room create den --invite-only");
  return { net, alice, bob };
}

/** Alice has invited bob and does not hear that the relay has it, so that she adds nobody yet. */
async function stageUnadded() {
  const { net, alice, bob } = await stage();
  await alice.type("/pm bob expect something");
  net.hold(alice, "toClient");
  await alice.type("/invite bob");
  assertEquals(bob.all("invited").length, 1);
  return { net, alice, bob };
}

async function members(asking: FakeClient): Promise<string[]> {
  await asking.type("/members");
  return asking.all("members").at(-1)?.members.map(({ handle }) => handle) ?? [];
}

Deno.test("one who says no hears nothing, is no member, and can be invited again", async () => {
  const { alice, bob } = await stage();
  await alice.type("/invite bob");
  assertEquals(await members(alice), ["bob"]);
  await alice.type("while he thinks");
  await bob.type("/leave den");
  assertEquals(bob.all("roomLeft").map(({ room, reason, by }) => [room, reason, by]), [["den", "declined", undefined]]);
  assertEquals([await members(alice), alice.all("left").map(({ handle, reason }) => [handle, reason])], [
    [],
    [["bob", "left"]],
  ]);
  assertEquals([bob.texts, bob.all("roomJoined"), bob.all("error")], [[], [], []]);
  await alice.type("/invite bob");
  await bob.type("/join den");
  await alice.type("welcome");
  assertEquals([await members(alice), bob.texts], [["bob"], ["welcome"]]);
});

Deno.test("an invitation waits for somebody who is away, and what was written since for whoever says yes later", async () => {
  const { net, alice, bob } = await stage();
  await bob.drop();
  await alice.type("/invite bob");
  await alice.type("one");
  const back = await net.restart(bob);
  assertEquals(back.all("invited").map(({ room, by, trust }) => [room, by, trust]), [["den", "alice", "known"]]);
  await alice.type("two");
  await back.drop();
  await alice.type("three");
  const again = await net.restart(back);
  assertEquals([again.texts, again.all("invited")], [[], []]);
  await again.type("/join den");
  assertEquals([again.texts, again.all("gap"), again.all("fork")], [["one", "two", "three"], [], []]);
  assertEquals(again.all("roomJoined").map(({ room, members }) => [room, members.length]), [["den", 1]]);
});

for (const answer of ["/join den", "/leave den"] as const) {
  Deno.test(`${answer} before the op that adds is there waits for it`, async () => {
    const { net, alice, bob } = await stageUnadded();
    await bob.type(answer);
    assertEquals([bob.all("roomJoined"), bob.all("roomLeft")], [[], []]);
    net.release(alice);
    await net.settle();
    await net.advance(ADD_TIMEOUT_MS + 1);
    await alice.type("is anybody there?");
    assertEquals([await members(alice), bob.texts.slice(1), bob.all("roomLeft").map(({ reason }) => reason)], [
      ...(answer === "/join den" ? [["bob"], ["is anybody there?"], []] : [[], [], ["declined"]]),
    ]);
  });
}

Deno.test("an invitation to a room that never adds is over after a while", async () => {
  const { net, bob } = await stageUnadded();
  await bob.type("/join den");
  await net.advance(ADD_TIMEOUT_MS + 1);
  assertEquals(bob.all("roomLeft").map(({ room, reason, by }) => [room, reason, by]), [["den", "removed", undefined]]);
  await bob.type("still in the lobby");
  assertEquals(bob.all("accepted").length, 1);
});

Deno.test("somebody who was removed before they answered is told that they are no member", async () => {
  const { alice, bob } = await stage();
  await alice.type("/invite bob");
  await alice.type("/remove bob");
  await bob.type("/join den");
  await bob.net.advance(ADD_TIMEOUT_MS + 1);
  assertEquals(bob.all("roomLeft").map(({ room, reason }) => [room, reason]), [["den", "removed"]]);
  await alice.type("hello");
  assertEquals([bob.texts, alice.notices], [[], ["nobodyHere"]]);
});

Deno.test("whoever was removed while away is told by whom when they are back", async () => {
  const { net, alice, bob } = await stage();
  await alice.type("/invite bob");
  await bob.type("/join den");
  await alice.type("one");
  await bob.drop();
  await alice.type("two");
  await alice.type("/remove bob");
  await alice.type("three");
  const again = await net.restart(bob);
  assertEquals(again.all("roomLeft").map(({ room, reason, by }) => [room, reason, by]), [["den", "removed", "alice"]]);
  assertEquals(again.texts, ["two"]);
});

Deno.test("somebody who was removed and invited again while away is told both, and can come in", async () => {
  const net = await FakeNet.create();
  const [alice, bob] = [await net.join("alice"), await net.join("bob")];
  await alice.type("/room create den --invite-only");
  await alice.type("/invite bob");
  await bob.type("/join den");
  await bob.drop();
  await alice.type("/remove bob");
  await alice.type("/invite bob");
  const again = await net.restart(bob);
  assertEquals(again.all("roomLeft").map(({ room, reason }) => [room, reason]), [["den", "removed"]]);
  assertEquals(again.all("invited").map(({ room, by }) => [room, by]), [["den", "alice"]]);
  await again.type("/join den");
  await alice.type("welcome back");
  assertEquals(again.texts.at(-1), "welcome back");
});
