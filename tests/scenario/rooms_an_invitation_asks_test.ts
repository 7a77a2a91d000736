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

Deno.test("whoever said yes and is not added is told so, writes elsewhere, and comes in when somebody adds them", async () => {
  const { net, alice, bob } = await stageUnadded();
  await bob.type("/join den", "yes");
  await net.advance(ADD_TIMEOUT_MS + 1);
  assertEquals([bob.all("roomLeft"), bob.all("switched").map(({ room }) => room)], [[], ["lobby"]]);
  assertEquals(bob.all("error").map(({ code, room, ref }) => [code, room, ref]), [["notDone", "den", "yes"]]);
  await bob.type("still in the lobby");
  assertEquals(bob.all("accepted").map(({ place }) => place), [{ room: "lobby" }]);
  await net.advance(60 * 60_000);
  net.release(alice);
  await net.settle();
  assertEquals(bob.all("roomJoined").map(({ room, isCurrent, ref }) => [room, isCurrent, ref]), [[
    "den",
    false,
    "yes",
  ]]);
  await alice.type("welcome");
  assertEquals([bob.texts.at(-1), bob.all("error").length], ["welcome", 1]);
  assertEquals(await members(alice), ["bob"]);
});

Deno.test("whoever said yes and was not added in time comes in by another yes, over whatever link", async () => {
  for (const how of ["same link", "new link", "new run"] as const) {
    const { net, alice, bob } = await stageUnadded();
    await bob.type("/join den");
    await net.advance(ADD_TIMEOUT_MS + 1);
    if (how === "new link") {
      await net.unlink(bob);
      await net.relink(bob);
    }
    if (how === "new run") await bob.drop();
    const again = how === "new run" ? await net.restart(bob) : bob;
    if (how !== "same link") {
      net.release(alice); // she adds him while he does not listen
      await net.settle();
    }
    await again.type("/join den");
    net.release(alice);
    await net.settle();
    assertEquals(again.all("roomJoined").map(({ room }) => room), ["den"], how);
    await alice.type("welcome");
    assertEquals([again.texts.at(-1), again.failure, again.closed], ["welcome", undefined, undefined], how);
  }
});

Deno.test("whoever said yes, was not added and says no after all is no member, however late they are added", async () => {
  const { net, alice, bob } = await stageUnadded();
  await bob.type("/join den");
  await net.advance(ADD_TIMEOUT_MS + 1);
  await bob.type("/leave den");
  net.release(alice);
  await net.settle();
  assertEquals(bob.all("roomLeft").map(({ room, reason }) => [room, reason]), [["den", "declined"]]);
  assertEquals([await members(alice), bob.all("roomJoined")], [[], []]);
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

Deno.test("an invitation that outlived its client adds its reader once the room is entered", async () => {
  const net = await FakeNet.create();
  const [alice, bob] = [await net.join("alice"), await net.join("bob")];
  await alice.type("/room create den --invite-only");
  await alice.type("/pm bob hi"); // so that nothing waits for his keys
  net.hold(alice, "toClient");
  await alice.enter("/invite bob");
  await alice.enter("/join garden");
  await alice.drop();
  const again = await net.restart(alice);
  assertEquals([again.closed, again.failure], [undefined, undefined]);
  assertEquals(again.all("memberAdded").map(({ room, handle }) => [room, handle]), [["den", "bob"]]);
  await bob.type("/join den");
  await again.command({ kind: "say", text: "welcome", room: "den" });
  await net.settle();
  assertEquals(bob.texts, ["hi", "welcome"]);
});

for (const lost of ["the op that adds", "its answer"] as const) {
  Deno.test(`one who is invited comes in though the client that invited dies with ${lost} on its way`, async () => {
    const { net, alice, bob } = await stageUnadded();
    if (lost === "its answer") {
      const isAnswer = ({ t }: { readonly t: string }, to: FakeClient) => to === alice && t !== "event";
      let hasAnswer = false; // the first one says that the relay has the invitation
      net.tamper = (packet, to) => {
        if (to !== alice) return [packet];
        if (!isAnswer(packet.message, to) || hasAnswer) return [];
        hasAnswer = packet.message.t === "accepted";
        return [packet];
      };
    } else net.hold(alice, "toRelay");
    net.release(alice);
    if (lost === "the op that adds") net.hold(alice, "toRelay");
    await net.settle();
    await alice.drop();
    net.tamper = (packet) => [packet];
    await bob.type("/join den");
    const again = await net.restart(alice);
    assertEquals([await members(again), again.all("error"), bob.all("error")], [["bob"], [], []]);
    assertEquals(bob.all("roomJoined").map(({ room }) => room), ["den"]);
    await again.type("welcome");
    assertEquals(bob.texts, ["expect something", "welcome"]);
    await again.drop();
    const ops = net.sent.filter(({ packet }) => packet.message.t === "publish" && packet.message.kind === "op").length;
    const last = await net.restart(again);
    assertEquals([last.all("error"), await members(last)], [[], ["bob"]]);
    const after = net.sent.filter(({ packet }) =>
      packet.message.t === "publish" && packet.message.kind === "op"
    ).length;
    assertEquals(after - ops, 0, "nobody is added twice");
  });
}
