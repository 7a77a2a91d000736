// Aim: no flood of junk and no long absence wedges an open room: who comes, or comes back, starts from a snapshot that
// members bear out, and talks with those who have read the whole log.
import { assert, assertEquals } from "@std/assert";
import { joinOp } from "../../lib/e2ee/membership_make.ts";
import { HERE_AFTER_OPS } from "../../lib/chat/room_absence.ts";
import { LASTING_JOINS_BURST } from "../../lib/relay/op_rules.ts";
import type { Fingerprint } from "../../lib/wire/messages.ts";
import { archive, flood, LIMITS, smallNet } from "../support/archived.ts";
import { type FakeClient, FakeNet } from "../support/fake_net.ts";
import { firstRoom, membershipOf, RawMember } from "../support/raw_member.ts";

const WEEK_MS = 7 * 24 * 3600 * 1000;

interface Stage {
  readonly net: FakeNet;
  readonly alice: FakeClient;
  readonly bob: FakeClient;
  readonly room: Fingerprint;
}

async function stage(): Promise<Stage> {
  const net = await smallNet();
  const [alice, bob] = [await net.join("alice"), await net.join("bob")];
  await alice.type("hello");
  return { net, alice, bob, room: firstRoom(net) };
}

/** A member comes and goes, so that an op bears out where the room stands. */
async function comeAndGo(net: FakeNet, room: Fingerprint): Promise<void> {
  const passer = await net.join(`passer${net.everybody.length}`, { life: "ephemeral" });
  await passer.type("/quit");
  assert(net.log.epoch(room) > 0);
}

function sees(client: FakeClient): string[] {
  const page = client.all("members").at(-1);
  return page?.members.map(({ handle }) => handle) ?? [];
}

async function assertTalk(...people: FakeClient[]): Promise<void> {
  for (const [i, person] of people.entries()) await person.type(`${i} speaks`);
  for (const [i, person] of people.entries()) {
    const others = people.map((_, other) => `${other} speaks`).filter((_, other) => other !== i);
    assertEquals(person.texts.slice(-others.length), others, person.certificate.handle);
    assertEquals([person.failure, person.all("fork"), person.all("gap")], [undefined, [], []]);
  }
  for (const person of people) await person.type("/members");
  const names = people.map((person) => [...sees(person), person.certificate.handle].toSorted());
  for (const seen of names) assertEquals(seen, names[0]);
}

Deno.test("a room that was flooded with junk takes newcomers, who talk with those of before", async () => {
  const { net, alice, bob, room } = await stage();
  await flood(net, room, 60);
  await comeAndGo(net, room);
  assertEquals((await archive(net.log)).told, ["snapshotStored"]);
  await flood(net, room, 100);
  await comeAndGo(net, room);
  await archive(net.log);
  await flood(net, room, 100);
  assert(net.log.epoch(room) > 2 * LIMITS.roomOps, "all were placed");
  assert(net.log.snapshots.oldestOp(room) > 100);
  const carol = await net.join("carol");
  assertEquals([carol.all("ready").length, carol.notices.includes("skipped")], [1, false]);
  await assertTalk(alice, bob, carol);
});

Deno.test("one who read the whole log and one who started from a snapshot are in one room", async () => {
  const { net, alice, room } = await stage();
  await flood(net, room, 40);
  const whole = await net.join("whole");
  await comeAndGo(net, room);
  await archive(net.log);
  const late = await net.join("late");
  const told = net.sent.filter(({ from, packet }) => from === late && packet.message.t === "getOps").length;
  assertEquals(told, 1);
  await comeAndGo(net, room);
  await assertTalk(alice, whole, late);
  // What comes later they judge alike.
  await net.advance(WEEK_MS / 4 + 1000);
  await flood(net, room, 5);
  await assertTalk(alice, whole, late);
});

Deno.test("somebody who was away for longer than the log reaches is told, is still a member, and reads and writes on", async () => {
  const { net, alice, bob, room } = await stage();
  await bob.drop();
  await alice.type("never read");
  await flood(net, room, 60);
  await comeAndGo(net, room);
  await archive(net.log);
  await flood(net, room, 100);
  const again = await net.restart(bob);
  assertEquals(again.notices.filter((code) => code === "skipped").length, 1);
  const joins = net.sent.filter(({ from, packet: { message } }) =>
    from === again && message.t === "publish" && message.kind === "op"
  );
  assertEquals(joins, [], "a member does not join again");
  await alice.type("read again");
  const gap = { type: "gap", place: { room: "lobby" }, from: "alice", count: 1 } as const;
  const gaps = again.all("gap").map(({ id: _, ...told }) => told);
  assertEquals([again.texts, gaps], [["read again"], [gap]], "what is missing has a number");
  await again.type("back");
  assertEquals([alice.texts.at(-1), alice.all("gap"), alice.all("fork")], ["back", [], []]);
  await again.drop();
  const third = await net.restart(again);
  assertEquals(third.notices, [], "it is told once, and kept");
  await assertTalk(alice, third);
});

Deno.test("a client whose link was lost for that long names who came before anything is for them", async () => {
  const { net, alice, bob, room } = await stage();
  await net.unlink(bob);
  await flood(net, room, 60);
  const carol = await net.join("carol");
  await comeAndGo(net, room);
  await archive(net.log);
  await flood(net, room, 100);
  const shown = bob.events.length;
  await bob.enter("who is there?");
  await net.relink(bob);
  const since = bob.events.slice(shown);
  const [joined] = since.filter((event) => event.type === "roomJoined");
  assertEquals(joined?.members.map(({ handle }) => handle), ["alice", "carol"]);
  assertEquals(bob.notices.at(-1), "skipped");
  // Written before carol was shown: it is not for her.
  assertEquals([alice.texts.at(-1), carol.texts.at(-1)], ["who is there?", undefined]);
  await assertTalk(alice, bob, carol);
});

Deno.test("somebody who was taken out for absence meanwhile joins by themselves", async () => {
  const { net, alice, bob, room } = await stage();
  await bob.drop();
  for (let day = 0; day < 9; day++) await net.advance(WEEK_MS / 7);
  await net.advance(120_000);
  assertEquals(alice.all("memberRemoved").map(({ handle }) => handle), ["bob"]);
  await flood(net, room, 60);
  await comeAndGo(net, room);
  await archive(net.log);
  await flood(net, room, 100);
  const again = await net.restart(bob);
  assertEquals(again.notices.includes("skipped"), true);
  await assertTalk(alice, again);
});

Deno.test("ops that are dropped while they are told are replaced by a snapshot in the same answer", async () => {
  const { net, alice, room } = await stage();
  await flood(net, room, 40);
  const carol = await net.link("carol");
  await net.settle(3);
  net.hold(carol, "toRelay");
  await comeAndGo(net, room);
  await archive(net.log);
  await flood(net, room, 100);
  net.release(carol);
  await net.settle();
  await assertTalk(alice, ...net.everybody.filter((one) => one.certificate.handle === "bob"), carol);
});

Deno.test("a room whose members are all away is as it was when one of them comes back", async () => {
  const { net, alice, bob, room } = await stage();
  await comeAndGo(net, room);
  await alice.drop();
  await bob.drop();
  await flood(net, room, 100);
  assertEquals((await archive(net.log)).told, [], "nobody bears out a later place");
  const [back, other] = [await net.restart(alice), await net.restart(bob)];
  assertEquals([back.notices, other.notices], [[], []]);
  await assertTalk(back, other);
});

Deno.test("after a flood a member who is there says so, once for all, and newcomers start behind it", async () => {
  const net = await FakeNet.create();
  const people = [await net.join("alice"), await net.join("bob"), await net.join("carol")];
  const room = firstRoom(net);
  const said = () =>
    net.sent.filter(({ packet: { message } }) => message.t === "publish" && message.kind === "op").length;
  const before = said();
  await flood(net, room, HERE_AFTER_OPS - 10); // what a room takes at once
  await net.advance(120_000);
  assertEquals(said() - before, 0);
  await flood(net, room, 10);
  await net.advance(1);
  for (let second = 0; second < 60; second++) await net.advance(1_000);
  assertEquals(said() - before, 1);
  assertEquals((await archive(net.log)).told, ["snapshotStored"]);
  assertEquals(net.log.snapshots.of(room)?.epoch, net.log.epoch(room) - 1);
  const dave = await net.join("dave");
  await assertTalk(...people, dave);
});

Deno.test("a room that was filled while its members were away takes newcomers again once one is back", async () => {
  const roomOps = HERE_AFTER_OPS + 60;
  const net = await FakeNet.create(undefined, undefined, { roomOps, opsReserved: 20, opsKept: 20 });
  const alice = await net.join("alice");
  const room = firstRoom(net);
  await alice.drop();
  await flood(net, room, HERE_AFTER_OPS - 10);
  await net.advance(600_000); // what a room takes at once is over
  await flood(net, room, 100);
  assertEquals(net.log.epoch(room), roomOps - 20);
  assertEquals((await archive(net.log, { afterOps: 40, stepOps: 20 })).told, []);
  const early = await net.join("early");
  assertEquals(early.all("ready"), [], "there is no place for a join");
  await early.drop();
  const back = await net.restart(alice);
  for (let second = 0; second < 61; second++) await net.advance(1_000);
  assertEquals((await archive(net.log)).told, ["snapshotStored"]);
  const bob = await net.join("bob");
  await assertTalk(back, bob);
});

Deno.test("members that one machine makes up cannot fill a room", async () => {
  const net = await FakeNet.create();
  const [alice, bob] = [await net.join("alice"), await net.join("bob")];
  const room = firstRoom(net);
  const context = (await membershipOf(net, room)).context(net.nowMs);
  const before = net.log.epoch(room);
  for (let i = 0; i < LASTING_JOINS_BURST + 12; i++) {
    const eve = await RawMember.open(net, `eve${i}`, "192.0.2.1");
    await eve.say({ t: "enter", room });
    await eve.publish(room, "op", await joinOp(eve.author, context));
    net.relayInput({ kind: "ended", link: eve.link, reason: "lost", nowMs: net.nowMs });
  }
  assertEquals(net.log.epoch(room) - before, LASTING_JOINS_BURST);
  assertEquals((await membershipOf(net, room)).members().length, LASTING_JOINS_BURST + 2);
  const carol = await net.join("carol");
  await carol.type("still room for me");
  assertEquals([alice.texts.at(-1), bob.texts.at(-1)], ["still room for me", "still room for me"]);
});
