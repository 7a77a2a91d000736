// Aim: every rule of invite rooms: the owner and the admins decide, in the order in which the relay placed their ops.
import { assertEquals } from "@std/assert";
import { u8 } from "../../lib/bytes/writer.ts";
import { Membership } from "../../lib/e2ee/membership.ts";
import { decodeMembership } from "../../lib/e2ee/membership_codec.ts";
import { addOp, createRoomOp, joinOp, leaveOp, promoteOp, removeOp } from "../../lib/e2ee/membership_make.ts";
import { inviteRoomId } from "../../lib/e2ee/room_id.ts";
import { DAY_MS, NOW_MS } from "./_people.ts";
import { describeApplied, makeAuthor, renewed, Room } from "./_membership.ts";

const alice = await makeAuthor("alice");
const bob = await makeAuthor("bob");
const carol = await makeAuthor("carol");
const dave = await makeAuthor("dave");

/** alice owns it; the admins come first, then the others. */
async function roomOf(admins: readonly (typeof alice)[], members: readonly (typeof alice)[] = []): Promise<Room> {
  const room = await Room.invite(alice);
  await room.add(alice, ...admins, ...members);
  for (const admin of admins) await room.promote(alice, admin);
  return room;
}

Deno.test("the create op that the id is made of makes its actor the owner, once", async () => {
  const create = await createRoomOp(alice, { room: undefined, atMs: NOW_MS });
  const id = await inviteRoomId(create);
  const membership = await Membership.begin("invite", id);
  const place = async (op: typeof create) =>
    describeApplied(await membership.apply(op, { epoch: membership.epoch + 1, atMs: NOW_MS }));
  const others = [
    await createRoomOp(bob, { room: undefined, atMs: NOW_MS }),
    await createRoomOp(bob, { room: id, atMs: NOW_MS }),
  ];
  for (const other of others) assertEquals(await place(other), "void: otherRoom (bob)");
  assertEquals(await place(await joinOp(bob, membership.context(NOW_MS))), "void: notEntitled (bob)");
  assertEquals(await place(create), "created by alice"); // junk before it does not matter
  assertEquals(await place(create), "void: notFirst (alice)");
  for (const other of others) assertEquals(await place(other), "void: otherRoom (bob)");
  assertEquals(membership.members().map(({ role }) => role), ["owner"]);
});

Deno.test("the owner and admins add, promote and remove; members do none of it", async () => {
  const room = await Room.invite(alice);
  assertEquals(await room.add(alice, bob), "bob joined by alice");
  assertEquals(await room.add(bob, carol), "void: notEntitled (bob)");
  assertEquals(await room.promote(bob, bob), "void: notEntitled (bob)");
  assertEquals(await room.remove(bob, alice), "void: notEntitled (bob)");
  assertEquals(await room.promote(alice, bob), "bob promoted by alice");
  assertEquals(await room.add(bob, carol, dave), "dave joined by bob");
  assertEquals(await room.promote(bob, carol), "carol promoted by bob");
  assertEquals(await room.remove(carol, bob), "bob removed by carol"); // admins remove admins
  assertEquals(await room.remove(carol, alice), "void: notEntitled (carol)"); // but never the owner
  assertEquals(await room.remove(alice, dave), "dave removed by alice");
  assertEquals(room.people, "alice (owner), carol (admin)");
});

Deno.test("nobody joins by themselves, and nobody is removed for absence or says here", async () => {
  const room = await roomOf([bob]);
  assertEquals(await room.join(carol), "void: notEntitled (carol)");
  assertEquals(await room.remove(alice, bob, "absent", 100 * DAY_MS), "void: notEntitled (alice)");
  assertEquals(room.membership.isAbsent(bob.who, room.atMs), false);
  assertEquals(await room.here(bob), "void: notEntitled (bob)");
});

Deno.test("a member's own join shows a newer certificate and leaves the role", async () => {
  const room = await roomOf([bob]);
  const newer = await renewed(bob, NOW_MS + 1);
  assertEquals(await room.join(newer), "bob renewed");
  assertEquals(room.people, "alice (owner), bob (admin)");
  assertEquals(room.membership.memberOf(bob.who)?.certificate, newer.certificate);
  assertEquals(await room.add(alice, bob), "void: alreadyMember (alice)");
});

Deno.test("what is there already, or is not, is not done again", async () => {
  const room = await roomOf([bob], [carol]);
  assertEquals(await room.promote(alice, bob), "void: alreadyAdmin (alice)");
  assertEquals(await room.promote(bob, alice), "void: alreadyAdmin (bob)"); // nor is the owner made less
  assertEquals(await room.add(alice, carol), "void: alreadyMember (alice)");
  assertEquals(await room.remove(alice, dave), "void: notMember (alice)");
  assertEquals(await room.promote(alice, dave), "void: notMember (alice)");
});

Deno.test("an owner that leaves is followed by the admin who came first, else by the member who came first", async () => {
  const room = await roomOf([], [bob, carol, dave]);
  await room.promote(alice, dave);
  await room.promote(alice, carol);
  assertEquals(await room.leave(alice), "alice left, carol owns it"); // carol came before dave
  assertEquals(room.people, "bob, carol (owner), dave (admin)");
  assertEquals(await room.leave(dave), "dave left");
  assertEquals(await room.remove(carol, carol), "carol left, bob owns it"); // a remove of oneself is a leave
  assertEquals(await room.add(bob, alice), "alice joined by bob");
  assertEquals(await room.leave(bob), "bob left, alice owns it");
  assertEquals(await room.leave(alice), "alice left");
  assertEquals(room.people, "");
  assertEquals(await room.join(alice), "void: notEntitled (alice)"); // nobody can bring anybody in again
  assertEquals(await room.place(room.ops[0] as Uint8Array<ArrayBuffer>), "void: notFirst (alice)");
});

Deno.test("without an admin the member who came first follows the owner", async () => {
  const room = await roomOf([], [carol, bob, dave]);
  assertEquals(await room.leave(alice), "alice left, carol owns it");
  assertEquals(room.people, "carol (owner), bob, dave");
});

Deno.test("a new owner has what the old one had, and an old owner that is added again does not", async () => {
  const room = await roomOf([bob], [carol]);
  await room.leave(alice);
  assertEquals(await room.add(bob, alice), "alice joined by bob");
  assertEquals(room.people, "bob (owner), carol, alice");
  assertEquals(await room.remove(alice, bob), "void: notEntitled (alice)");
  assertEquals(await room.remove(bob, alice), "alice removed by bob");
});

Deno.test("of two admins that remove each other the first in the log stays", async () => {
  for (const order of [[0, 1], [1, 0]] as const) {
    const room = await roomOf([bob, carol]);
    const ops = [
      await removeOp(bob, room.context, { subject: carol.who, reason: "removed" }),
      await removeOp(carol, room.context, { subject: bob.who, reason: "removed" }),
    ] as const;
    await room.place(ops[order[0]]);
    assertEquals(await room.place(ops[order[1]]), "void: unknownActor");
    assertEquals(room.people, `alice (owner), ${order[0] === 0 ? "bob" : "carol"} (admin)`);
  }
});

Deno.test("what an admin signed before being removed does not count after being added again", async () => {
  const room = await roomOf([bob, carol]);
  const late = await removeOp(bob, room.context, { subject: carol.who, reason: "removed" });
  await room.remove(alice, bob);
  await room.add(alice, bob);
  await room.promote(alice, bob);
  assertEquals(await room.place(late), "void: outdated (bob)");
});

Deno.test("a remove that races with a leave changes nothing more, in either order", async () => {
  for (const leaveFirst of [true, false]) {
    const room = await roomOf([bob], [carol]);
    const leave = await leaveOp(carol, room.context);
    const remove = await removeOp(bob, room.context, { subject: carol.who, reason: "removed" });
    const said = [await room.place(leaveFirst ? leave : remove), await room.place(leaveFirst ? remove : leave)];
    const expected = leaveFirst
      ? ["carol left", "void: outdated (bob)"]
      : ["carol removed by bob", "void: unknownActor"];
    assertEquals(said, expected);
    assertEquals(room.people, "alice (owner), bob (admin)");
  }
});

Deno.test("a promote after a remove is void, also when the person has been added again meanwhile", async () => {
  const room = await roomOf([bob], [carol]);
  const promote = await promoteOp(alice, room.context, carol.who);
  await room.remove(bob, carol);
  assertEquals(await room.place(promote), "void: outdated (alice)");
  assertEquals(await room.promote(alice, carol), "void: notMember (alice)");
  await room.add(bob, carol);
  assertEquals(await room.place(promote), "void: outdated (alice)");
  assertEquals(room.people, "alice (owner), bob (admin), carol");
});

Deno.test("ops of one admin on different people do not outdate each other", async () => {
  const room = await roomOf([bob]);
  const { context } = room;
  const ops = [await addOp(bob, context, carol.certificate), await addOp(bob, context, dave.certificate)];
  for (const op of ops) await room.place(op);
  assertEquals(room.people, "alice (owner), bob (admin), carol, dave");
});

Deno.test("`seen` may lie 16 ops back and no further", async () => {
  const room = await roomOf([bob]);
  const { context } = room;
  const [inTime, late] = [
    await addOp(bob, context, carol.certificate),
    await addOp(bob, context, dave.certificate),
  ];
  for (let i = 0; i < 16; i++) await room.place(u8(i));
  assertEquals(await room.place(inTime), "carol joined by bob");
  assertEquals(await room.place(late), "void: oldSeen (bob)");
});

Deno.test("the subjects of as many ops are remembered as `seen` may lie back", async () => {
  const room = await Room.invite(alice);
  for (let i = 0; i < 18; i++) await room.add(alice, await makeAuthor(`p${i}`));
  const { touched, epoch } = await decodeMembership(room.membership.encode());
  assertEquals([...touched.values()], Array.from({ length: 16 }, (_, i) => epoch - 15 + i));
});
