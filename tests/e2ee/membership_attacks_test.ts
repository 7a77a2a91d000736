// Aim: a relay or a member that lies, replays, reorders or floods gains nothing in the log and wedges no room.
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { decodeHex, encodeHex } from "@std/encoding/hex";
import { type Bytes, concat, label, lvCat, u64be, u8, utf8 } from "../../lib/bytes/writer.ts";
import { sha256 } from "../../lib/crypto/hash.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { generateSignKeyPair } from "../../lib/crypto/sign.ts";
import { createCertificate } from "../../lib/e2ee/certificate.ts";
import { Membership } from "../../lib/e2ee/membership.ts";
import { MEMBERSHIP_ENCODED_MAX_BYTES } from "../../lib/e2ee/membership_codec.ts";
import { addOp, createRoomOp, hereOp, joinOp, leaveOp, promoteOp, removeOp } from "../../lib/e2ee/membership_make.ts";
import { OP_MAX_BYTES } from "../../lib/e2ee/membership_op.ts";
import { inviteRoomId } from "../../lib/e2ee/room_id.ts";
import { ROSTER_MEMBERS_MAX } from "../../lib/e2ee/roster.ts";
import { DAY_MS, flipped, NOW_MS } from "./_people.ts";
import { SMALL_ORDER_ED25519 } from "./_small_order.ts";
import { type Author, describeApplied, makeAuthor, Room } from "./_membership.ts";

const alice = await makeAuthor("alice");
const bob = await makeAuthor("bob");
const carol = await makeAuthor("carol");
const ghost = await makeAuthor("ghost");

/** Signs with its own key in another's name. */
function posing(as: Author): Author {
  return { ...as, sign: ghost.sign };
}

/** What every room must still do after an attack. */
async function assertNotWedged(room: Room): Promise<void> {
  const said = room.membership.kind === "open" ? await room.join(carol) : await room.add(alice, carol);
  assertEquals(said.startsWith("carol joined by"), true, said);
}

Deno.test("a ghost that the relay puts into an invite room is no member, however it signs", async () => {
  const room = await Room.invite(alice);
  await room.add(alice, bob);
  const { context } = room;
  const mine = ghost.certificate;
  assertEquals(await room.place(await addOp(ghost, context, mine)), "void: unknownActor");
  assertEquals(await room.place(await addOp(posing(alice), context, mine)), "void: forged");
  assertEquals(await room.place(await addOp(bob, context, mine)), "void: notEntitled (bob)"); // a member that helps it
  assertEquals(await room.place(await joinOp(ghost, context)), "void: notEntitled (ghost)");
  assertEquals(await room.place(await createRoomOp(ghost, { room: undefined, atMs: 1 })), "void: otherRoom (ghost)");
  assertEquals(await room.place(await promoteOp(posing(alice), context, bob.who)), "void: forged");
  assertEquals(room.people, "alice (owner), bob");
  await assertNotWedged(room);
});

Deno.test("nobody is made to leave, be removed or be here by another's key", async () => {
  const room = await Room.open();
  await room.join(alice, bob);
  const { context } = room;
  const ops = [
    await leaveOp(posing(alice), context),
    await hereOp(posing(alice), context),
    await removeOp(posing(alice), context, { subject: bob.who, reason: "absent" }),
    await joinOp({ ...posing(alice), certificate: alice.certificate }, context),
  ];
  for (const op of ops) assertEquals(await room.place(op, 8 * DAY_MS), "void: forged");
  assertEquals(room.people, "alice, bob");
  await assertNotWedged(room);
});

Deno.test("no byte of a placed op can be changed on the way", async () => {
  const room = await Room.open();
  await room.join(alice);
  const op = await joinOp(bob, room.context);
  for (let i = 0; i < op.length; i += 5) {
    const said = await room.place(flipped(op, i), 0);
    assertEquals(["void: malformed", "void: forged", "void: unknownActor"].includes(said), true, said);
  }
  assertEquals(await room.place(op), "bob joined by bob");
});

Deno.test("a certificate whose key fits every signature joins nothing", async () => {
  const room = await Room.open();
  const one = decodeHex(`01${"00".repeat(31)}`);
  const signature = concat(one, new Uint8Array(32)); // fits everything under the neutral key
  for (const hex of SMALL_ORDER_ED25519) {
    const dhPublic = ghost.identity.dh.publicBytes;
    const body = [u8(1), decodeHex(hex), dhPublic, ghost.identity.noise.publicBytes, utf8("ghost"), u8(1)];
    const certificate = concat(lvCat(...body, u64be(NOW_MS)), signature);
    const id = await sha256(concat(label("id"), lvCat(decodeHex(hex), dhPublic)));
    const { room: roomId, seen, roster } = room.context;
    const fields = [u8(1), roomId, u8(2), new Uint8Array(0), certificate, id];
    const op = concat(lvCat(...fields, concat(u64be(seen.epoch), seen.head), roster, u64be(NOW_MS)), signature);
    assertEquals(await room.place(op), "void: forged");
  }
  assertEquals(room.people, "");
  await assertNotWedged(room);
});

Deno.test("an op placed a second time is void, whatever its kind, at once and later", async () => {
  const open = await Room.open();
  await open.place(await createRoomOp(alice, { room: open.membership.room, atMs: NOW_MS }));
  await open.join(alice);
  await open.join(bob, carol);
  await open.here(bob);
  await open.remove(alice, carol, "absent", 8 * DAY_MS);
  await open.leave(bob);
  const invite = await Room.invite(alice);
  await invite.add(alice, bob, carol);
  await invite.promote(alice, bob);
  await invite.remove(bob, carol);
  await invite.leave(bob);
  for (const room of [open, invite]) {
    const { people } = room;
    const ops = [...room.ops];
    for (const op of [...ops, ...ops]) assertEquals((await room.apply(op)).valid, false);
    assertEquals(room.people, people);
    await assertNotWedged(room);
  }
});

Deno.test("a replayed add does not bring a removed person back", async () => {
  const room = await Room.invite(alice);
  await room.add(alice, bob);
  const add = room.ops[1] as Bytes;
  await room.remove(alice, bob);
  assertEquals(await room.place(add), "void: outdated (alice)");
  for (let i = 0; i < 20; i++) await room.place(u8(i));
  assertEquals(await room.place(add), "void: oldSeen (alice)");
  assertEquals(room.people, "alice (owner)");
});

Deno.test("reordered ops give other heads, and no rights that nobody signed", async () => {
  const [here, there] = [await Room.open(), await Room.open()];
  there.membership = await Membership.begin("open", here.membership.room);
  await here.join(alice, bob);
  await here.leave(bob);
  const [join, second, leave] = here.ops as [Bytes, Bytes, Bytes];
  const said = [];
  for (const op of [leave, second, join]) said.push(await there.place(op));
  // The joins name places that the reordered log never went through.
  assertEquals(said, ["void: unknownActor", "void: unknownSeen (bob)", "alice joined by alice"]);
  assertEquals([here.people, there.people], ["alice", "alice"]);
  assertNotEquals(here.head, there.head);
  assertEquals(here.membership.knowsHead(there.membership.head), undefined);
});

Deno.test("two members who are told different stories have different heads for ever", async () => {
  const [here, there] = [await Room.open(), await Room.open()];
  there.membership = await Membership.begin("open", here.membership.room);
  await here.join(alice);
  await there.place(here.ops[0] as Bytes);
  assertEquals(here.head, there.head);
  const [joinOfBob, joinOfCarol] = [await joinOp(bob, here.context), await joinOp(carol, here.context)];
  for (const op of [joinOfBob, joinOfCarol]) await here.place(op);
  for (const op of [joinOfCarol, joinOfBob]) await there.place(op);
  for (let i = 0; i < 5; i++) {
    assertEquals(here.membership.epoch, there.membership.epoch);
    assertNotEquals(here.head, there.head);
    assertEquals(here.membership.knowsHead(there.membership.head), undefined);
    for (const room of [here, there]) await room.place(u8(i)); // the same story from here on
  }
  // An op of the one side counts for nothing on the other.
  assertEquals(await there.place(await leaveOp(alice, here.context)), "void: unknownSeen (alice)");
});

Deno.test("a room that withholds an op from one member shows it by an unknown head and another roster", async () => {
  const room = await Room.open();
  await room.join(alice, bob);
  const lied = await Membership.begin("open", room.membership.room);
  for (const [i, op] of room.ops.entries()) {
    const shown = i === 1 ? u8(0) : op; // something else in the place of bob's join
    await lied.apply(shown, { epoch: i + 1, atMs: NOW_MS });
  }
  assertEquals(lied.knowsHead(room.membership.head), undefined);
  assertEquals(lied.members().length, 1);
});

Deno.test("an invented head belongs to no epoch", async () => {
  const room = await Room.open();
  await room.join(alice, bob);
  const invented = secureRandom(32);
  assertEquals(room.membership.knowsHead(invented), undefined);
  const seen = { epoch: room.membership.epoch, head: invented };
  assertEquals(await room.place(await leaveOp(bob, { ...room.context, seen })), "void: unknownSeen (bob)");
  for (const length of [0, 31, 33]) assertEquals(room.membership.knowsHead(new Uint8Array(length)), undefined);
  await assertNotWedged(room);
});

Deno.test("a thousand junk ops wedge no room, and what is kept stays bounded", async () => {
  for (const room of [await Room.open(), await Room.invite(alice)]) {
    if (room.membership.kind === "open") await room.join(alice);
    const sizes = new Set<number>();
    for (let i = 0; i < 1_400; i++) {
      const length = i % 7 === 0 ? OP_MAX_BYTES + i : i % 600;
      assertEquals(await room.place(secureRandom(length), 0), "void: malformed");
      if (i >= 1_300) sizes.add(room.membership.encode().length);
    }
    assertEquals(sizes.size, 1); // it does not grow any more
    await assertNotWedged(room);
    assertEquals(await room.leave(carol), "carol left");
  }
});

Deno.test("well-formed ops of strangers and quarrels of members do not grow what is kept either", async () => {
  const room = await Room.open();
  await room.join(alice);
  for (let i = 0; i < 1_400; i++) await room.place(i % 2 === 0 ? await hereOp(alice, room.context) : u8(1), 0);
  const size = room.membership.encode().length;
  for (let i = 0; i < 50; i++) {
    await room.join(bob);
    await room.leave(bob);
  }
  assert(room.membership.encode().length - size <= 40); // one more subject is remembered: bob
  for (let i = 0; i < 1_025; i++) await room.place(u8(1), 0);
  await room.here(alice);
  assertEquals(room.membership.encode().length, size); // and is forgotten when nothing can hang on it
});

Deno.test("sybils fill a room to its bound and no further, and their absence makes room again", async () => {
  const room = await Room.open();
  await room.join(alice);
  const sybils: Author[] = [];
  for (let i = 1; i < ROSTER_MEMBERS_MAX; i++) {
    const sign = await generateSignKeyPair();
    const identity = { ...ghost.identity, sign, life: "ephemeral" as const };
    // The longest handles and names that an op can carry.
    const certificate = await createCertificate(identity, { handle: `${i}`.padStart(128, "s"), createdMs: NOW_MS });
    sybils.push({ identity, sign, certificate, who: certificate.fingerprint });
  }
  const { context } = room;
  for (const sybil of sybils) assertEquals((await room.apply(await joinOp(sybil, context), 0)).valid, true);
  assertEquals(await room.join(bob), "void: roomFull (bob)");
  assertEquals(room.membership.members().length, ROSTER_MEMBERS_MAX);

  const encoded = room.membership.encode();
  assert(encoded.length <= MEMBERSHIP_ENCODED_MAX_BYTES && MEMBERSHIP_ENCODED_MAX_BYTES < 1_048_576); // fits one row
  const again = await Membership.decode(encoded);
  assertEquals(encodeHex(await sha256(again.encode())), encodeHex(await sha256(encoded)));

  const first = sybils[0] as Author;
  const said = describeApplied(
    await room.apply(await removeOp(alice, room.context, { subject: first.who, reason: "absent" }), 60 * 60 * 1_000),
  );
  assertEquals(said.endsWith("absent by alice"), true);
  await assertNotWedged(room);
});

Deno.test("a founder that makes another create op makes another room", async () => {
  const [first, second] = [
    await createRoomOp(alice, { room: undefined, atMs: NOW_MS, random: () => new Uint8Array(16).fill(1) }),
    await createRoomOp(alice, { room: undefined, atMs: NOW_MS, random: () => new Uint8Array(16).fill(2) }),
  ];
  const membership = await Membership.begin("invite", await inviteRoomId(first));
  const applied = await membership.apply(second, { epoch: 1, atMs: NOW_MS });
  assertEquals(describeApplied(applied), "void: otherRoom (alice)");
});
