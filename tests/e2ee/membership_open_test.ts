// Aim: every rule of open rooms: who may come, stay, go and be removed, and where an op may stand.
import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import { ProtocolError } from "../../lib/bytes/errors.ts";
import { concat, lvCat, u8, utf8 } from "../../lib/bytes/writer.ts";
import { sha256 } from "../../lib/crypto/hash.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { Membership } from "../../lib/e2ee/membership.ts";
import { addOp, createRoomOp, hereOp, joinOp, leaveOp, promoteOp, removeOp } from "../../lib/e2ee/membership_make.ts";
import { DAY_MS, NOW_MS } from "./_people.ts";
import { makeAuthor, MINUTE_MS, renewed, Room, STEP_MS } from "./_membership.ts";

const alice = await makeAuthor("alice");
const bob = await makeAuthor("bob");
const carol = await makeAuthor("carol");
const passer = await makeAuthor("passer", "ephemeral");

async function roomOf(...people: Awaited<ReturnType<typeof makeAuthor>>[]): Promise<Room> {
  const room = await Room.open();
  await room.join(...people);
  return room;
}

Deno.test("Membership.apply() makes the head and the roster that the page tells", async () => {
  const id = secureRandom(32);
  const room = await Room.open(id);
  const head = async (...fields: Uint8Array[]) => await sha256(concat(utf8("sotto/1 head\0"), lvCat(...fields)));
  const head0 = await head(id);
  assertEquals([room.membership.epoch, room.membership.head], [0, head0]);
  assertEquals(room.membership.roster, await sha256(utf8("sotto/1 roster\0")));
  // The higher id comes first, so that the order of coming is not the order of ids.
  const [high, low] = encodeHex(alice.certificate.id) > encodeHex(bob.certificate.id) ? [alice, bob] : [bob, alice];
  assert(high !== undefined && low !== undefined);
  await room.join(high, low);
  const [first, second] = await Promise.all(room.ops.map((op) => sha256(op)));
  assert(first !== undefined && second !== undefined);
  assertEquals(room.membership.head, await head(await head(head0, first), second));
  const entries = [concat(low.certificate.id, u8(1), second), concat(high.certificate.id, u8(1), first)];
  assertEquals(room.membership.roster, await sha256(concat(utf8("sotto/1 roster\0"), lvCat(...entries))));
});

Deno.test("anybody joins and leaves an open room by themselves, and nobody else's doing brings them in", async () => {
  const room = await roomOf(alice);
  assertEquals(await room.add(alice, bob), "void: notEntitled (alice)");
  assertEquals(await room.join(bob), "bob joined by bob");
  assertEquals(await room.promote(alice, bob), "void: notEntitled (alice)");
  assertEquals(await room.remove(alice, bob), "void: notEntitled (alice)");
  assertEquals(await room.leave(bob), "bob left");
  assertEquals(await room.leave(bob), "void: unknownActor");
  assertEquals(room.people, "alice");
  assertEquals(await room.join(bob), "bob joined by bob");
  assertEquals(await room.leave(alice), "alice left");
  assertEquals(room.people, "bob");
});

Deno.test("a remove of oneself is a leave, and nobody is absent by their own word", async () => {
  const room = await roomOf(alice, bob);
  assertEquals(await room.remove(bob, bob, "absent", 8 * DAY_MS), "void: notAbsent (bob)");
  assertEquals(await room.remove(bob, bob), "bob left");
  assertEquals(room.membership.removalsSince(0), 1);
});

Deno.test("a join shows a newer certificate and keeps the place; an older or equal one is void", async () => {
  const room = await roomOf(alice, bob);
  const before = room.membership.memberOf(alice.who);
  const newer = await renewed(alice, NOW_MS + 1);
  const roster = room.membership.roster;
  assertEquals(await room.join(newer), "alice renewed");
  const after = room.membership.memberOf(alice.who);
  assertEquals(after?.certificate, newer.certificate);
  assertEquals(after?.joinedEpoch, before?.joinedEpoch);
  assertEquals(room.people, "alice, bob");
  assertNotEquals(room.membership.roster, roster);
  assertEquals(await room.join(newer), "void: notNewer (alice)");
  assertEquals(await room.join(alice), "void: notNewer (alice)");
  assertEquals(after?.lastActiveMs, room.atMs - 2 * STEP_MS);
  assertEquals(await room.leave(alice), "alice left"); // the identity counts, not the certificate
  assertEquals(await room.join(await renewed(bob, NOW_MS + 1)), "bob renewed");
  assertEquals(room.membership.memberOf(bob.who)?.lastActiveMs, room.atMs);
});

Deno.test("a create op sets the grace when it is the first valid op, and gives no rights", async () => {
  const id = secureRandom(32);
  const hour = 60 * MINUTE_MS;
  const grace = { lastingMs: hour, ephemeralMs: 10 * MINUTE_MS };
  const create = await createRoomOp(alice, { room: id, grace, atMs: NOW_MS });
  const room = await Room.open(id);
  assertEquals(await room.place(new Uint8Array(5)), "void: malformed");
  assertEquals(await room.place(create), "created by alice");
  assertEquals(room.people, "");
  assertEquals(await room.place(create), "void: notFirst (alice)");
  assertEquals(await room.place(await createRoomOp(bob, { room: id, atMs: NOW_MS })), "void: notFirst (bob)");
  await room.join(alice, bob, passer);
  const [member, guest] = [bob, passer].map(({ who }) => room.membership.memberOf(who));
  assert(member !== undefined && guest !== undefined);
  assertEquals([room.membership.graceMs(member), room.membership.graceMs(guest)], [hour, 10 * MINUTE_MS]);
  assertEquals(await room.remove(alice, bob), "void: notEntitled (alice)");
  assertEquals(await room.remove(alice, bob, "absent", hour + 1), "bob absent by alice");
});

Deno.test("a create op after a join is void, and the grace is 7 days, or 30 minutes for the ephemeral", async () => {
  const room = await roomOf(alice, bob, passer);
  const create = await createRoomOp(passer, { room: room.membership.room, atMs: NOW_MS });
  assertEquals(await room.place(create), "void: notFirst (passer)");
  const graces = [alice, passer].map(({ who }) => room.membership.memberOf(who)).map((member) =>
    member && room.membership.graceMs(member)
  );
  assertEquals(graces, [7 * DAY_MS, 30 * MINUTE_MS]);
});

Deno.test("a member is absent when the last own event is older than the grace, not when it is as old", async () => {
  const room = await roomOf(alice, bob);
  const sinceMs = room.atMs;
  room.atMs = sinceMs + 7 * DAY_MS;
  assertEquals(room.membership.isAbsent(bob.who, room.atMs), false);
  assertEquals(await room.remove(alice, bob, "absent", 0), "void: notAbsent (alice)");
  assertEquals(room.membership.isAbsent(bob.who, room.atMs + 1), true);
  assertEquals(await room.remove(alice, bob, "absent", 1), "bob absent by alice");
  assertEquals(await room.join(bob), "bob joined by bob"); // the removed one comes back by itself
  assertEquals(room.membership.isAbsent(carol.who, room.atMs), false);
});

Deno.test("an ephemeral member is absent after 30 minutes", async () => {
  const room = await roomOf(alice, passer);
  assertEquals(await room.remove(alice, passer, "absent", 30 * MINUTE_MS), "void: notAbsent (alice)");
  assertEquals(await room.remove(alice, passer, "absent", 1), "passer absent by alice");
});

Deno.test("own valid ops count as being there; void ops and those of others do not", async () => {
  const room = await roomOf(alice, bob, carol);
  assertEquals(await room.here(bob, 5 * DAY_MS), "bob here");
  assertEquals(await room.join(carol), "void: notNewer (carol)");
  assertEquals(await room.here(alice, 0), "alice here");
  room.atMs += 3 * DAY_MS;
  const absent = [alice, bob, carol].filter(({ who }) => room.membership.isAbsent(who, room.atMs));
  assertEquals(absent.map(({ certificate }) => certificate.handle), ["carol"]);
  assertEquals(await room.remove(alice, carol, "absent", 0), "carol absent by alice");
  assertEquals(await room.remove(alice, bob, "absent", 0), "void: notAbsent (alice)");
  room.atMs += 6 * DAY_MS;
  assertEquals(room.membership.isAbsent(alice.who, room.atMs), false); // her remove showed that she was there
});

Deno.test("here is for members, and said twice with the same bytes it counts once", async () => {
  const room = await roomOf(alice);
  assertEquals(await room.here(bob), "void: unknownActor");
  const op = await hereOp(alice, room.context);
  assertEquals(await room.place(op), "alice here");
  assertEquals(await room.place(op), "void: outdated (alice)");
  assertEquals([room.people, room.membership.removalsSince(0)], ["alice", 0]);
});

Deno.test("`seen` may lie 1,024 ops back and no further", async () => {
  const room = await roomOf(alice, bob);
  const [inTime, late] = [await joinOp(carol, room.context), await joinOp(passer, room.context)];
  for (let i = 0; i < 1_024; i++) await room.place(u8(i % 256), 0);
  assertEquals(await room.place(inTime), "carol joined by carol");
  assertEquals(await room.place(late), "void: oldSeen (passer)");
});

Deno.test("`seen` must be a place of this log: not ahead, and with its very head", async () => {
  const room = await roomOf(alice);
  const { context } = room;
  const { epoch, head } = context.seen;
  const at = (seen: { epoch: number; head: typeof head }) => joinOp(bob, { ...context, seen });
  assertEquals(await room.place(await at({ epoch: epoch + 1, head })), "void: unknownSeen (bob)");
  assertEquals(await room.place(await at({ epoch: epoch - 1, head })), "void: unknownSeen (bob)");
  assertEquals(await room.place(await at({ epoch, head: secureRandom(32) })), "void: unknownSeen (bob)");
  assertEquals(await room.place(await at({ epoch, head })), "bob joined by bob");
});

Deno.test("an op is void when a valid op on its subject or actor lies between `seen` and it", async () => {
  const room = await roomOf(alice, bob);
  const before = room.context;
  assertEquals(await room.here(bob, 8 * DAY_MS), "bob here");
  const onSubject = await removeOp(alice, before, { subject: bob.who, reason: "absent" });
  assertEquals(await room.place(onSubject, 8 * DAY_MS), "void: outdated (alice)");
  const byActor = await removeOp(bob, before, { subject: alice.who, reason: "absent" });
  assertEquals(await room.place(byActor), "void: outdated (bob)");
  assertEquals(await room.place(await joinOp(carol, before)), "carol joined by carol"); // nothing was on carol
});

Deno.test("a void op outdates nothing", async () => {
  const room = await roomOf(alice, bob);
  const before = room.context;
  assertEquals(await room.remove(alice, bob, "absent"), "void: notAbsent (alice)");
  assertEquals(await room.place(await leaveOp(bob, before)), "bob left");
});

Deno.test("an op that does not match the roster at `seen` is valid, and shown", async () => {
  const room = await roomOf(alice);
  const roster = secureRandom(32);
  assertEquals(await room.place(await joinOp(bob, { ...room.context, roster })), "bob joined by bob, another roster");
  const older = room.context;
  await room.join(carol);
  assertEquals(await room.place(await leaveOp(alice, older)), "alice left"); // the roster at `seen`, not the newest
});

Deno.test("an op for another room is void", async () => {
  const [here, there] = [await roomOf(alice), await roomOf(alice)];
  const { context } = here;
  const { room } = there.context;
  assertEquals(await here.place(await joinOp(bob, { ...context, room })), "void: otherRoom (bob)");
  assertEquals(await here.place(await leaveOp(alice, { ...context, room })), "void: otherRoom (alice)");
  const empty = await Room.open();
  assertEquals(await empty.place(await createRoomOp(bob, { room, atMs: NOW_MS })), "void: otherRoom (bob)");
  assertEquals(
    await empty.place(await createRoomOp(bob, { room: undefined, atMs: NOW_MS })),
    "void: otherRoom (bob)",
  );
});

Deno.test("Membership.apply() takes the next epoch alone, and refuses changes nothing", async () => {
  const room = await roomOf(alice);
  const { membership, head } = room;
  const op = await joinOp(bob, room.context);
  for (const epoch of [0, 1, 3, Number.NaN]) {
    await assertRejects(() => membership.apply(op, { epoch, atMs: NOW_MS }), ProtocolError);
  }
  for (const atMs of [-1, 0.5, Number.NaN]) assertThrows(() => membership.apply(op, { epoch: 2, atMs }), RangeError);
  assertEquals([room.head, membership.epoch], [head, 1]);
  assertEquals(await room.place(op), "bob joined by bob");
});

Deno.test("Membership.apply() takes overlapping calls in their order, and copies what it was given", async () => {
  const room = await roomOf(alice);
  const { membership } = room;
  const ops = [await joinOp(bob, room.context), u8(1), await joinOp(carol, room.context)];
  const buffer = ops[0] as Uint8Array<ArrayBuffer>;
  const running = ops.map((op, i) => membership.apply(op, { epoch: 2 + i, atMs: room.atMs }));
  buffer.fill(0);
  assertEquals((await Promise.all(running)).map(({ valid }) => valid), [true, false, true]);
  assertEquals(room.people, "alice, bob, carol");
});

Deno.test("knowsHead(), removalsSince() and joinedEpoch tell where things happened", async () => {
  const room = await roomOf(alice, bob, carol); // epochs 1 to 3
  const heads = [room.membership.head];
  await room.leave(bob); // 4
  heads.push(room.membership.head);
  await room.place(u8(0)); // 5, void
  await room.join(bob); // 6
  await room.remove(alice, bob, "absent", 8 * DAY_MS); // 7
  const { membership } = room;
  assertEquals(heads.map((head) => membership.knowsHead(head)), [3, 4]);
  assertEquals([membership.knowsHead(membership.head), membership.knowsHead(secureRandom(32))], [7, undefined]);
  assertEquals([0, 3, 4, 6, 7].map((epoch) => membership.removalsSince(epoch)), [2, 2, 1, 1, 0]);
  assertEquals(membership.removalsSince(3, 6), 1);
  assertEquals([membership.removalsSince(8), membership.removalsSince(4, 3)], [undefined, undefined]);
  assertEquals(membership.removalsSince(4, 8), undefined);
  assertEquals(membership.members().map(({ joinedEpoch }) => joinedEpoch), [1, 3]);
});

Deno.test("places older than 1,280 are forgotten, and said to be unknown", async () => {
  const room = await roomOf(alice, bob);
  const first = await (await Membership.begin("open", room.membership.room)).head;
  assertEquals(room.membership.knowsHead(first), 0);
  for (let i = 0; i < 1_277; i++) await room.place(u8(0), 0);
  assertEquals([room.membership.knowsHead(first), room.membership.removalsSince(0)], [0, 0]);
  await room.place(u8(0), 0);
  assertEquals([room.membership.knowsHead(first), room.membership.removalsSince(0)], [undefined, undefined]);
  assertEquals(room.membership.removalsSince(1), 0);
});

Deno.test("ops that no open room takes are void whoever signs them", async () => {
  const room = await roomOf(alice, bob);
  const ops = [await addOp(bob, room.context, carol.certificate), await promoteOp(bob, room.context, bob.who)];
  for (const op of ops) assertEquals(await room.place(op), "void: notEntitled (bob)");
});
