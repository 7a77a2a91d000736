// Aim: a script that is in several rooms learns of everything which room it is about, and of what it did which line of its
// own that was. Every sentence that names a room is looked at in all scenarios, too (`fake_net.ts`).
import { assert, assertEquals } from "@std/assert";
import { FakeNet } from "../support/fake_net.ts";

const CHAT = new URL("../../lib/chat/", import.meta.url);

/** The arguments of every call of a function in a source text. */
function callsOf(name: string, source: string): string[] {
  const calls: string[] = [];
  for (const { index } of source.matchAll(new RegExp(`(?<![\\w.])${name}\\(`, "g"))) {
    const from = index + name.length + 1;
    let depth = 1;
    let to = from;
    while (depth > 0 && to < source.length) {
      const char = source[to++];
      if (char === "(") depth++;
      if (char === ")") depth--;
    }
    calls.push(source.slice(from, to - 1));
  }
  return calls;
}

Deno.test("every notice of the parts that are about rooms says which room", async () => {
  // Of whose room it is nobody knows before the invitation is taken.
  const ofNoRoom = ["invites you to a room, but"];
  let count = 0;
  for await (const { name } of Deno.readDir(CHAT)) {
    const source = await Deno.readTextFile(new URL(name, CHAT));
    for (const call of callsOf("notice", source)) {
      const isOfRoom = name.startsWith("room_") || call.includes("#$");
      if (!isOfRoom || ofNoRoom.some((text) => call.includes(text))) continue;
      count++;
      const says = /(\{\s*room: [\w.]+,?\s*\}|this\.#place|this\.#about),?\s*$/.test(call);
      assert(says, `${name}: notice(${call})`);
    }
  }
  assert(count >= 10, `${count} calls`);
});

Deno.test("what a client did in a room carries the ref of its line, and for others none", async () => {
  const net = await FakeNet.create();
  const [alice, bob, carol] = [await net.join("alice"), await net.join("bob"), await net.join("carol")];
  await alice.type("/room create den --invite-only", "r1");
  await alice.type("/invite bob", "r2");
  await bob.type("/join den", "r3");
  await alice.type("/invite carol", "r4");
  await carol.type("/join den");
  await alice.type("/promote bob", "r5");
  await bob.type("/topic tea", "r6");
  await bob.type("/remove carol", "r7");
  await bob.type("/leave den", "r8");
  const refs = (who: typeof alice) =>
    who.events.flatMap((event) =>
      "room" in event && event.room === "den" && event.type !== "joined"
        ? [`${event.type} ${("ref" in event ? event.ref : undefined) ?? "-"}`]
        : []
    );
  assertEquals(refs(alice), [
    "roomCreated r1",
    "roomJoined r1",
    "memberAdded r2",
    "memberAdded r4",
    "memberPromoted r5",
    "topic -",
    "memberRemoved -",
    "left -",
  ]);
  assertEquals(refs(bob), [
    "invited -",
    "roomJoined r3",
    "memberAdded -",
    "notice -",
    "topic r6",
    "memberRemoved r7",
    "roomLeft r8",
  ]);
  assert(refs(carol).every((line) => line.endsWith(" -")), refs(carol).join());
});

Deno.test("an error says which room it is about, however the line named it", async () => {
  const net = await FakeNet.create();
  const [alice, bob] = [await net.join("alice"), await net.join("bob")];
  await alice.type("/room create Den --invite-only");
  await alice.type("/invite bob");
  const errors = (who: typeof alice) => who.all("error").map(({ code, room }) => [code, room]);
  await bob.command({ kind: "say", text: "hi", room: "den" });
  await bob.type("/switch DEN");
  await bob.type("/join den");
  await bob.type("/invite alice");
  await bob.type("/promote bob");
  await bob.type("/switch nowhere");
  await bob.command({ kind: "join", room: "no such name" });
  await bob.type("/remove alice");
  await bob.type(`/topic ${"x".repeat(600)}`);
  await bob.type("x".repeat(20_000));
  await bob.command({ kind: "invite", name: "alice", room: "lobby" });
  await bob.type("/trust nobody");
  assertEquals(errors(bob), [
    ["noSuchRoom", "Den"],
    ["noSuchRoom", "Den"],
    ["notDone", "Den"],
    ["notDone", "Den"],
    ["noSuchRoom", "nowhere"],
    ["nameInvalid", undefined],
    ["notDone", "Den"],
    ["tooLong", "Den"],
    ["tooLong", "Den"],
    ["badLine", "lobby"],
    ["noSuchPerson", undefined],
  ]);
});

Deno.test("a line that was on its way into a room is told as unsent with that room", async () => {
  const net = await FakeNet.create();
  const [alice, bob] = [await net.join("alice"), await net.join("bob")];
  await alice.type("/room create den --invite-only");
  await alice.type("/invite bob");
  await bob.type("/join den");
  net.hold(bob, "toRelay");
  await bob.enter("one", "r1");
  await alice.type("/remove bob");
  net.release(bob);
  await net.settle();
  assertEquals(bob.all("error").map(({ code, room, ref }) => [code, room, ref]), [["unsent", "den", "r1"]]);
});
