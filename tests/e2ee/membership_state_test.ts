// Aim: a stored membership comes back to the byte and nothing else decodes; a newcomer starts from what members signed.
import { assert, assertEquals, assertRejects } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import fc from "fast-check";
import { AuthError, DecodeError, ProtocolError } from "../../lib/bytes/errors.ts";
import { type Bytes, concat, u64be, u8, utf8 } from "../../lib/bytes/writer.ts";
import { sha256 } from "../../lib/crypto/hash.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { Membership } from "../../lib/e2ee/membership.ts";
import { decodeMembership, encodeMembership } from "../../lib/e2ee/membership_codec.ts";
import { addOp, createRoomOp, hereOp, joinOp, leaveOp } from "../../lib/e2ee/membership_make.ts";
import type { MembershipState } from "../../lib/e2ee/membership_state.ts";
import { type Member, roleFromByte, rosterHash } from "../../lib/e2ee/roster.ts";
import { DAY_MS, flipped, NOW_MS } from "./_people.ts";
import { type Author, describeApplied, makeAuthor, MINUTE_MS, renewed, Room } from "./_membership.ts";

const alice = await makeAuthor("alice");
const bob = await makeAuthor("bob");
const carol = await makeAuthor("carol", "ephemeral");
const dave = await makeAuthor("dave");
const ghost = await makeAuthor("ghost");

/** An open room with a past: a grace of its own, junk, somebody who left, a newer certificate, a quiet member. */
async function oldRoom(): Promise<Room> {
  const room = await Room.open();
  const grace = { lastingMs: DAY_MS, ephemeralMs: 20 * MINUTE_MS };
  await room.place(await createRoomOp(alice, { room: room.membership.room, grace, atMs: NOW_MS }));
  await room.join(alice, bob, dave);
  await room.place(secureRandom(40));
  await room.leave(dave);
  await room.join(carol, await renewed(bob, NOW_MS + 5));
  await room.here(alice, 7);
  return room;
}

async function oldInviteRoom(): Promise<Room> {
  const room = await Room.invite(alice);
  await room.add(alice, bob, carol, dave);
  await room.promote(alice, bob);
  await room.remove(bob, carol);
  await room.join(await renewed(dave, NOW_MS + 5));
  return room;
}

const OPEN = await oldRoom();
const INVITE = await oldInviteRoom();

/** A state with some of it replaced, and the roster of its last place made to fit again. */
async function changed(room: Room, change: Partial<MembershipState>): Promise<Bytes> {
  const state = { ...await decodeMembership(room.membership.encode()), ...change };
  const roster = await rosterHash(state.members);
  const last = state.places[state.places.length - 1];
  const places = last === undefined ? [] : [...state.places.slice(0, -1), { ...last, roster }];
  return encodeMembership({ ...state, places });
}

function membersWith(room: Room, who: Author, change: Partial<Member>): Map<string, Member> {
  const members = new Map(room.membership.members().map((member) => [member.certificate.fingerprint, member]));
  return members.set(who.who, { ...members.get(who.who) as Member, ...change });
}

for (const [kind, room] of [["open", OPEN], ["invite", INVITE]] as const) {
  Deno.test(`Membership.decode() gives an ${kind} room back, and it goes on in the same way`, async () => {
    const stored = room.membership.encode();
    const again = await Membership.decode(stored);
    assertEquals(again.encode(), stored);
    assertEquals([again.kind, again.room, again.epoch], [kind, room.membership.room, room.membership.epoch]);
    assertEquals(again.members(), room.membership.members());
    const twin = await Membership.decode(stored);
    for (const author of [dave, ghost]) {
      const op = kind === "open"
        ? await joinOp(author, again.context(0))
        : await addOp(bob, again.context(0), author.certificate);
      const place = { epoch: again.epoch + 1, atMs: room.atMs + DAY_MS };
      const said = [await again.apply(op, place), await twin.apply(op, place)].map(describeApplied);
      assertEquals(said[0], said[1]);
    }
    assertEquals(again.encode(), twin.encode());
  });

  Deno.test(`Membership.decode() refuses what is cut off, too long, or does not encode to itself (${kind})`, async () => {
    const stored = room.membership.encode();
    await assertRejects(() => Membership.decode(concat(stored, u8(0))), DecodeError);
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(fc.nat(stored.length - 1), fc.integer({ min: 1, max: 255 }), async (at, mask) => {
        await assertRejects(() => Membership.decode(stored.slice(0, at)), DecodeError);
        const bytes = flipped(stored, at, mask);
        const decoded = await Membership.decode(bytes).catch((error) =>
          assert(error instanceof DecodeError, `${error}`)
        );
        if (decoded === undefined) refused++;
        else assertEquals(decoded.encode(), bytes);
      }),
      { numRuns: 300 },
    );
    assert(refused > 100);
    for (const length of [0, 1, 50]) await assertRejects(() => Membership.decode(secureRandom(length)), DecodeError);
  });
}

Deno.test("Membership.decode() refuses what no room can be", async () => {
  const state = await decodeMembership(OPEN.membership.encode());
  const place = state.places[0];
  assert(place !== undefined);
  const { epoch } = state;
  const reversed = new Map([...state.members].reverse());
  const wrong: readonly (readonly [Room, Partial<MembershipState>])[] = [
    [OPEN, { places: [] }],
    [OPEN, { places: Array.from({ length: epoch + 2 }, () => place) }],
    [OPEN, { epoch: 5_000, places: Array.from({ length: 1_281 }, () => place) }],
    [OPEN, { isBegun: false }],
    [OPEN, { isBegun: false, members: new Map() }], // somebody was touched
    [OPEN, { touched: new Map([[bob.who, 2], [alice.who, 1]]) }],
    [OPEN, { touched: new Map([[bob.who, 1], [alice.who, 1]]) }],
    [OPEN, { touched: new Map([[bob.who, epoch + 1]]) }],
    [OPEN, { touched: new Map([[bob.who, 0]]) }],
    [OPEN, { members: reversed }],
    [OPEN, { members: membersWith(OPEN, bob, { joinedEpoch: 0 }) }],
    [OPEN, { members: membersWith(OPEN, carol, { joinedEpoch: epoch + 1 }) }],
    [OPEN, { members: membersWith(OPEN, bob, { role: "admin" }) }],
    [OPEN, { members: membersWith(OPEN, bob, { role: "owner" }) }],
    [INVITE, { members: membersWith(INVITE, bob, { role: "owner" }) }],
    [INVITE, { members: membersWith(INVITE, alice, { role: "admin" }) }],
    [OPEN, { members: membersWith(OPEN, bob, { admittingOp: await leaveOp(bob, OPEN.context) }) }],
    [OPEN, { members: membersWith(OPEN, bob, { admittingOp: await joinOp(alice, OPEN.context) }) }],
    [OPEN, { members: membersWith(OPEN, bob, { admittingOp: secureRandom(100) }) }],
  ];
  for (const [room, change] of wrong) {
    const bytes = await changed(room, change);
    await assertRejects(() => decodeMembership(bytes), DecodeError);
  }
  await decodeMembership(await changed(OPEN, {})); // the changes are what is refused
  const otherRoster = { ...state, places: [...state.places.slice(0, -1), place] };
  await assertRejects(() => decodeMembership(encodeMembership(otherRoster)), DecodeError);
  const touched = new Map([[alice.who, 1], [bob.who, 2]]);
  const doubled = await changed(OPEN, { touched });
  const at = encodeHex(doubled).indexOf(encodeHex(concat(bob.certificate.id, u64be(2)))) / 2;
  await decodeMembership(doubled);
  doubled.set(alice.certificate.id, at);
  await assertRejects(() => decodeMembership(doubled), DecodeError, "last subjects");
  for (const byte of [0, 4]) {
    await assertRejects(() => Promise.resolve().then(() => roleFromByte(byte)), DecodeError);
  }
});

Deno.test("Membership.fromRoster() starts where a member signed the roster, and then sees what all others see", async () => {
  const room = await oldRoom();
  const early = room.context; // before the snapshot: somebody is about to join who saw no more
  await room.place(u8(1));
  const snapshot = room.membership.encode();
  const op = await hereOp(alice, room.context);
  assertEquals(await room.place(op), "alice here");
  const from = room.membership.epoch - 1;
  assertEquals(await room.place(await joinOp(ghost, early)), "ghost joined by ghost");
  await room.join(dave);
  assertEquals(await room.remove(alice, carol, "absent", 21 * MINUTE_MS), "carol absent by alice");

  const newcomer = await Membership.fromRoster({ room: room.membership.room, snapshot, op });
  assertEquals(newcomer.epoch, from);
  const said = [];
  for (let epoch = from + 1; epoch <= room.membership.epoch; epoch++) {
    const applied = await newcomer.apply(room.ops[epoch - 1] as Bytes, { epoch, atMs: room.atMs });
    said.push(describeApplied(applied));
  }
  assertEquals(said, ["alice here", "ghost joined by ghost", "dave joined by dave", "carol absent by alice"]);
  assertEquals([newcomer.head, newcomer.roster], [room.membership.head, room.membership.roster]);
  assertEquals(newcomer.removalsSince(from), 1);
});

/** What a relay would hand a newcomer, with one thing wrong. */
async function start(room: Room, by: Author, change: Partial<MembershipState> = {}) {
  const snapshot = await changed(room, change);
  const claimed = await decodeMembership(snapshot);
  const last = claimed.places[claimed.places.length - 1];
  assert(last !== undefined);
  const seen = { epoch: claimed.epoch, head: last.head };
  const op = await hereOp(by, { room: claimed.room, seen, roster: last.roster, atMs: NOW_MS });
  return { room: room.membership.room, snapshot, op };
}

Deno.test("Membership.fromRoster() refuses members who did not sign their own join to this very room", async () => {
  await Membership.fromRoster(await start(OPEN, alice)); // or nothing below would mean anything
  const other = await Room.open();
  const { context } = OPEN;
  const early = { ...context, seen: { ...context.seen, epoch: 1 } };
  const forged = await joinOp(ghost, early);
  const admittingOps = [
    await joinOp({ ...ghost, sign: alice.sign }, early), // signed by another
    flipped(forged, forged.length - 1),
    await joinOp(ghost, other.context), // elsewhere
    await joinOp(ghost, context), // after the snapshot
    await createRoomOp(ghost, { room: context.room, atMs: NOW_MS }),
  ];
  for (const admittingOp of admittingOps) {
    const joinedEpoch = OPEN.membership.epoch;
    const base = OPEN.membership.memberOf(alice.who) as Member;
    const member = { ...base, certificate: ghost.certificate, admittingOp, joinedEpoch };
    const admittingHash = await sha256(admittingOp);
    const members = membersWith(OPEN, ghost, { ...member, admittingHash });
    const wrong = await start(OPEN, alice, { members });
    await assertRejects(() => Membership.fromRoster(wrong), AuthError);
  }
  const added = await addOp(alice, early, ghost.certificate); // by somebody else, though a member
  const base = OPEN.membership.memberOf(alice.who) as Member;
  const member = { ...base, certificate: ghost.certificate, admittingOp: added, admittingHash: await sha256(added) };
  const members = membersWith(OPEN, ghost, { ...member, joinedEpoch: OPEN.membership.epoch });
  const wrong = await start(OPEN, alice, { members });
  await assertRejects(() => Membership.fromRoster(wrong), ProtocolError);
});

Deno.test("Membership.fromRoster() refuses a roster, a place or a room that no member signed", async () => {
  const honest = await start(OPEN, alice);
  const { context } = OPEN;
  const withoutBob = new Map(OPEN.membership.members().map((member) => [member.certificate.fingerprint, member]));
  withoutBob.delete(bob.who);
  const ops: readonly (readonly [Bytes, string])[] = [
    [await hereOp(alice, { ...context, roster: secureRandom(32) }), "AuthError"],
    [await hereOp(alice, { ...context, seen: { ...context.seen, epoch: context.seen.epoch - 1 } }), "AuthError"],
    [await hereOp(alice, { ...context, seen: { ...context.seen, head: secureRandom(32) } }), "AuthError"],
    [await hereOp(alice, { ...context, room: secureRandom(32) }), "AuthError"],
    [await hereOp({ ...alice, sign: ghost.sign }, context), "AuthError"],
    [await hereOp(ghost, context), "ProtocolError"],
    [await joinOp(ghost, context), "ProtocolError"], // carries its own key, and is no member all the same
    [await createRoomOp(alice, { room: context.room, atMs: NOW_MS }), "AuthError"],
    [secureRandom(100), "DecodeError"],
  ];
  for (const [op, name] of ops) {
    const error = await assertRejects(() => Membership.fromRoster({ ...honest, op }));
    assertEquals(error instanceof Error && error.name, name);
  }
  const { snapshot } = await start(OPEN, alice, { members: withoutBob });
  await assertRejects(() => Membership.fromRoster({ ...honest, snapshot }), AuthError); // a member was left out
  await assertRejects(() => Membership.fromRoster({ ...honest, room: secureRandom(32) }), AuthError);
  await assertRejects(() => Membership.fromRoster({ ...honest, snapshot: secureRandom(50) }), DecodeError);
  const alone = await Room.invite(alice);
  await alone.join(await renewed(alice, NOW_MS + 5)); // so that its one member has signed a join
  for (const room of [INVITE, alone]) {
    const invite = await start(room, alice);
    await assertRejects(() => Membership.fromRoster(invite), AuthError); // its log is never cut
  }
});

Deno.test("a newcomer who was told a wrong past is found out by the next roster", async () => {
  const room = await oldRoom();
  const { context } = room;
  const withoutBob = new Map(room.membership.members().map((member) => [member.certificate.fingerprint, member]));
  withoutBob.delete(bob.who);
  const lied = await start(room, alice, { members: withoutBob }); // alice lends a hand to the relay
  const newcomer = await Membership.fromRoster(lied);
  const epoch = newcomer.epoch + 1;
  const applied = await newcomer.apply(await joinOp(ghost, context), { epoch, atMs: room.atMs });
  assertEquals(describeApplied(applied), "ghost joined by ghost, another roster");
});

Deno.test("rosterHash() of members that differ from known ones is what it is without them", async () => {
  const people = await Promise.all(Array.from({ length: 12 }, (_, i) => makeAuthor(`p${i}`)));
  const memberOf = (i: number, joinedEpoch: number): [string, Member] => {
    const { certificate } = people[i] as (typeof people)[number];
    const base = { role: "member", admittingOp: utf8("op"), lastActiveMs: 0 } as const;
    return [certificate.fingerprint, { certificate, ...base, admittingHash: secureRandom(32), joinedEpoch }];
  };
  const step = fc.record({ who: fc.nat(people.length - 1), comes: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(step, { maxLength: 3 }), { maxLength: 12 }), async (plan) => {
      let before = new Map<string, Member>();
      await rosterHash(before);
      for (const [epoch, steps] of plan.entries()) {
        const next = new Map(before);
        for (const { who, comes } of steps) {
          const [fingerprint, member] = memberOf(who, epoch);
          if (comes) next.set(fingerprint, member);
          else next.delete(fingerprint);
        }
        assertEquals(await rosterHash(next, before), await rosterHash(new Map(next)));
        before = next;
      }
    }),
    { numRuns: 60 },
  );
});
