// Aim: whoever starts from a snapshot judges all that follows as those who have the whole log, to the byte; one that no
// member bears out changes nothing.
import { assert, assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { AuthError, DecodeError, ProtocolError } from "../../lib/bytes/errors.ts";
import type { Bytes } from "../../lib/bytes/writer.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { Membership } from "../../lib/e2ee/membership.ts";
import { hereOp, joinOp, leaveOp, removeOp } from "../../lib/e2ee/membership_make.ts";
import { unsafeSeenOf } from "../../lib/e2ee/membership_op.ts";
import { type Author, makeAuthor, MINUTE_MS, renewed, Room } from "./_membership.ts";

const PEOPLE: readonly Author[] = await Promise.all(
  ["ann", "bob", "cy", "dee", "eli", "flo"].map((handle, i) => makeAuthor(handle, i % 2 ? "ephemeral" : "lasting")),
);
const RENEWED: readonly Author[] = await Promise.all(
  PEOPLE.map((author) => renewed(author, author.certificate.createdMs + 1)),
);

const step = fc.record({
  kind: fc.constantFrom("join", "renew", "leave", "here", "absent", "junk", "again"),
  who: fc.nat(PEOPLE.length - 1),
  whom: fc.nat(PEOPLE.length - 1),
  /** How many ops its author has missed. */
  behind: fc.oneof(fc.constant(0), fc.nat(6)),
  afterMs: fc.constantFrom(1_000, MINUTE_MS, 31 * MINUTE_MS),
});

/** A place of a log from which one may start. */
interface Start {
  readonly epoch: number;
  readonly snapshot: Bytes;
  readonly op: Bytes;
}

Deno.test("Membership.fromRoster() and skipTo() judge what follows as whoever has the whole log", async () => {
  let starts = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 12, maxLength: 60, size: "max" }), fc.nat(), async (steps, draw) => {
      const room = await Room.open(secureRandom(32));
      const contexts = [room.context];
      const places = [{ snapshot: room.membership.encode(), atMs: room.atMs }];
      const found: Start[] = [];
      for (const { kind, who, whom, behind, afterMs } of steps) {
        const author = (kind === "renew" ? RENEWED : PEOPLE)[who] as Author;
        const subject = (PEOPLE[whom] as Author).who;
        const context = { ...contexts[Math.max(0, contexts.length - 1 - behind)] as typeof room.context };
        const op = kind === "join" || kind === "renew"
          ? await joinOp(author, context)
          : kind === "leave"
          ? await leaveOp(author, context)
          : kind === "here"
          ? await hereOp(author, context)
          : kind === "absent"
          ? await removeOp(author, context, { subject, reason: "absent" })
          : kind === "again"
          ? room.ops[whom % Math.max(1, room.ops.length)] ?? secureRandom(40)
          : secureRandom(40);
        const applied = await room.apply(op, afterMs);
        const seen = applied.valid ? unsafeSeenOf(op)?.epoch : undefined;
        if (applied.valid && seen !== undefined && seen > 0 && applied.change.kind !== "joined") {
          found.push({ epoch: seen, snapshot: places[seen]?.snapshot as Bytes, op });
        }
        contexts.push(room.context);
        places.push({ snapshot: room.membership.encode(), atMs: room.atMs });
      }
      const start = found[draw % Math.max(1, found.length)];
      if (start === undefined) return;
      starts++;
      const id = room.membership.room;
      const newcomer = await Membership.fromRoster({ room: id, ...start });
      const returning = await Membership.begin("open", id);
      for (const [i, op] of room.ops.slice(0, draw % start.epoch).entries()) {
        await returning.apply(op, { epoch: i + 1, atMs: (places[i + 1] as { atMs: number }).atMs });
      }
      await returning.skipTo(start);
      for (const membership of [newcomer, returning]) {
        assertEquals(membership.encode(), start.snapshot);
        for (const [i, op] of room.ops.slice(start.epoch).entries()) {
          const epoch = start.epoch + i + 1;
          const place = places[epoch] as (typeof places)[number];
          await membership.apply(op, { epoch, atMs: place.atMs });
          // All of it: head, places, who was touched when, when members were active, and their order.
          assertEquals(membership.encode(), place.snapshot);
        }
      }
    }),
    { numRuns: 60 },
  );
  assert(starts > 30, `${starts} starts`);
});

Deno.test("Membership.skipTo() changes nothing for a start that is no later one, or that nobody bears out", async () => {
  const [ann, bob, eve] = [PEOPLE[0], PEOPLE[2], PEOPLE[4]] as [Author, Author, Author];
  const room = await Room.open();
  await room.join(ann, bob);
  const early = { epoch: 2, snapshot: room.membership.encode(), op: await hereOp(ann, room.context) };
  await room.place(early.op);
  await room.here(bob);
  const member = await Membership.begin("open", room.membership.room);
  for (const [i, op] of room.ops.entries()) await member.apply(op, { epoch: i + 1, atMs: room.atMs });
  const before = member.encode();
  await room.here(ann);
  await room.here(bob);
  const snapshot = room.membership.encode();
  const start = { epoch: 6, snapshot, op: await hereOp(ann, room.context) };
  const other = await Room.open();
  await other.join(ann, bob);
  for (let i = 0; i < 4; i++) await other.here(ann);
  const cases: readonly [typeof start, typeof ProtocolError | typeof AuthError | typeof DecodeError][] = [
    [early, ProtocolError],
    [{ ...start, epoch: 5 }, ProtocolError],
    [{ ...start, epoch: 7 }, ProtocolError],
    [{ ...start, op: early.op }, AuthError],
    [{ ...start, op: await hereOp(eve, room.context) }, ProtocolError],
    [{ ...start, op: secureRandom(100) }, DecodeError],
    [{ ...start, snapshot: snapshot.slice(0, -1) }, DecodeError],
    [{ epoch: 6, snapshot: other.membership.encode(), op: await hereOp(ann, other.context) }, AuthError],
  ];
  for (const [wrong, type] of cases) {
    await assertRejects(() => member.skipTo(wrong), type as typeof AuthError);
    assertEquals(member.encode(), before);
  }
  await member.skipTo(start);
  assertEquals(member.encode(), snapshot);
});

Deno.test("Membership.skipTo() is for open rooms alone", async () => {
  const [ann, bob] = [PEOPLE[0], PEOPLE[2]] as [Author, Author];
  const invite = await Room.invite(ann);
  await invite.add(ann, bob);
  const member = await Membership.begin("invite", invite.membership.room);
  const start = { epoch: 2, snapshot: invite.membership.encode(), op: await leaveOp(bob, invite.context) };
  await assertRejects(() => member.skipTo(start), ProtocolError);
  assertEquals(member.epoch, 0);
});
