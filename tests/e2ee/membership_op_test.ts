// Aim: an op has one spelling, nothing of it is believed before its signature fits, and ids are what the page says.
import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { decodeHex, encodeHex } from "@std/encoding/hex";
import fc from "fast-check";
import { AuthError, DecodeError, ProtocolError } from "../../lib/bytes/errors.ts";
import { type Bytes, concat, label, lvCat, u64be, u8, utf8 } from "../../lib/bytes/writer.ts";
import { sha256 } from "../../lib/crypto/hash.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { createCertificate } from "../../lib/e2ee/certificate.ts";
import { idOf } from "../../lib/e2ee/identity.ts";
import { addOp, createRoomOp, hereOp, joinOp, leaveOp, promoteOp, removeOp } from "../../lib/e2ee/membership_make.ts";
import {
  encodeGrace,
  GRACE_MAX_MS,
  GRACE_MIN_MS,
  type Op,
  OP_MAX_BYTES,
  unsafeAdmission,
  verifyOp,
} from "../../lib/e2ee/membership_op.ts";
import { inviteRoomId } from "../../lib/e2ee/room_id.ts";
import { signFields } from "../../lib/e2ee/signed.ts";
import { flipped, NOW_MS } from "./_people.ts";
import { SMALL_ORDER_ED25519 } from "./_small_order.ts";
import { makeAuthor } from "./_membership.ts";

const alice = await makeAuthor("alice");
const bob = await makeAuthor("bob");
const ROOM = secureRandom(32);
const CONTEXT = { room: ROOM, seen: { epoch: 7, head: secureRandom(32) }, roster: secureRandom(32), atMs: NOW_MS };
const GRACE = { lastingMs: GRACE_MAX_MS, ephemeralMs: GRACE_MIN_MS };

const OPS: Readonly<Record<string, Bytes>> = {
  "create of an open room": await createRoomOp(alice, { room: ROOM, grace: GRACE, atMs: NOW_MS }),
  "create of an invite room": await createRoomOp(alice, { room: undefined, atMs: NOW_MS }),
  join: await joinOp(alice, CONTEXT),
  add: await addOp(alice, CONTEXT, bob.certificate),
  leave: await leaveOp(alice, CONTEXT),
  "remove for absence": await removeOp(alice, CONTEXT, { subject: bob.who, reason: "absent" }),
  remove: await removeOp(alice, CONTEXT, { subject: bob.who, reason: "removed" }),
  promote: await promoteOp(alice, CONTEXT, bob.who),
  here: await hereOp(alice, CONTEXT),
};

function read(bytes: Bytes): Promise<Op> {
  return verifyOp(bytes, (actor) => actor === alice.who ? alice.certificate.signPublic : undefined);
}

/** The op by the page, from what was read and no other code: all but the signature. */
function respelt(op: Op): Bytes {
  const kind = { create: 1, join: 2, add: 3, leave: 4, remove: 5, promote: 6, here: 7 }[op.kind];
  const none = new Uint8Array(0);
  const detail = op.kind === "create"
    ? concat(op.random ?? none, u64be(op.grace.lastingMs), u64be(op.grace.ephemeralMs))
    : op.kind === "remove"
    ? u8(op.reason === "absent" ? 1 : 2)
    : none;
  const subject = !("subject" in op) ? none : typeof op.subject === "string" ? idOf(op.subject) : op.subject.encoded;
  const [seen, roster] = op.kind === "create" ? [none, none] : [concat(u64be(op.seen.epoch), op.seen.head), op.roster];
  return lvCat(u8(1), op.room, u8(kind), detail, subject, idOf(op.actor), seen, roster, u64be(op.atMs));
}

/** Fields of a remove by alice, some replaced, signed properly by her. */
function forge(change: Partial<Record<keyof typeof REMOVE_FIELDS, Bytes>>): Promise<Bytes> {
  return signFields(alice.sign, "op", Object.values({ ...REMOVE_FIELDS, ...change }));
}

const REMOVE_FIELDS = {
  suite: u8(1),
  room: ROOM,
  kind: u8(5),
  detail: u8(2),
  subject: bob.certificate.id,
  actor: alice.certificate.id,
  seen: concat(u64be(7), CONTEXT.seen.head),
  roster: CONTEXT.roster,
  at: u64be(NOW_MS),
};

for (const [name, bytes] of Object.entries(OPS)) {
  Deno.test(`verifyOp() reads a ${name} as it was signed, and nothing else`, async () => {
    const op = await read(bytes);
    assertEquals(op.encoded, bytes);
    assertEquals([op.actor, op.atMs], [alice.who, NOW_MS]);
    assertEquals(respelt(op), bytes.slice(0, -64));
    for (let i = 0; i < bytes.length; i++) {
      await assertRefused(flipped(bytes, i));
      await assertRefused(bytes.slice(0, i));
    }
    await assertRefused(concat(bytes, u8(0)));
  });
}

Deno.test("verifyOp() gives back what each op says", async () => {
  const { seen, roster } = CONTEXT;
  const frame = { room: ROOM, actor: alice.who, atMs: NOW_MS };
  const expected: readonly (readonly [Bytes | undefined, Record<string, unknown>])[] = [
    [OPS.join, { kind: "join", subject: alice.certificate, seen, roster }],
    [OPS.add, { kind: "add", subject: bob.certificate, seen, roster }],
    [OPS.leave, { kind: "leave", seen, roster }],
    [OPS["remove for absence"], { kind: "remove", subject: bob.who, reason: "absent", seen, roster }],
    [OPS.remove, { kind: "remove", subject: bob.who, reason: "removed", seen, roster }],
    [OPS.promote, { kind: "promote", subject: bob.who, seen, roster }],
    [OPS.here, { kind: "here", seen, roster }],
    [OPS["create of an open room"], { kind: "create", subject: alice.certificate, grace: GRACE, random: undefined }],
  ];
  for (const [encoded, content] of expected) {
    assert(encoded !== undefined);
    assertEquals<unknown>(await read(encoded), { ...frame, ...content, encoded });
  }
});

Deno.test("verifyOp() refuses on any bytes with its own errors alone", async () => {
  const honest = Object.values(OPS);
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.uint8Array({ maxLength: OP_MAX_BYTES + 10 }),
        fc.tuple(fc.constantFrom(...honest), fc.nat(), fc.integer({ min: 1, max: 255 }))
          .map(([op, at, mask]) => flipped(op, at % op.length, mask)),
      ),
      async (bytes) => await assertRefused(new Uint8Array(bytes)),
    ),
    { numRuns: 150 },
  );
});

Deno.test("verifyOp() takes any properly signed fields to the same bytes, or refuses them", async () => {
  const lengths = fc.constantFrom(0, 1, 8, 16, 31, 32, 33, 40);
  const bytes = lengths.chain((length) => fc.uint8Array({ minLength: length, maxLength: length }));
  const names = fc.constantFrom(...Object.keys(REMOVE_FIELDS) as (keyof typeof REMOVE_FIELDS)[]);
  let taken = 0;
  await fc.assert(
    fc.asyncProperty(names, bytes, async (name, value) => {
      const encoded = await forge({ [name]: new Uint8Array(value) });
      const op = await read(encoded).catch(assertIsRefusal);
      if (op === undefined) return;
      taken++;
      assertEquals(respelt(op), encoded.slice(0, -64));
    }),
    { numRuns: 150, seed: 1, examples: [["room", secureRandom(32)], ["roster", secureRandom(32)]] },
  );
  assert(taken > 1);
});

Deno.test("verifyOp() refuses fields that do not fit their kind, properly signed", async () => {
  await read(await forge({})); // or nothing below would mean anything
  const malformed = [
    { suite: u8(2) },
    { suite: new Uint8Array(2) },
    { room: new Uint8Array(0) },
    { room: new Uint8Array(31) },
    { kind: u8(0) },
    { kind: u8(8) },
    { kind: u8(4) }, // a leave has no reason and no subject
    { kind: u8(6) }, // a promote has no reason
    { kind: u8(4), detail: new Uint8Array(0) },
    { kind: u8(7), detail: new Uint8Array(0) },
    { kind: u8(1), detail: encodeGrace(GRACE), subject: alice.certificate.encoded }, // a create has seen nothing
    { detail: u8(0) },
    { detail: u8(3) },
    { detail: new Uint8Array(0) },
    { subject: new Uint8Array(0) },
    { subject: new Uint8Array(31) },
    { subject: bob.certificate.encoded },
    { actor: new Uint8Array(33) },
    { seen: new Uint8Array(0) },
    { seen: new Uint8Array(39) },
    { seen: new Uint8Array(40).fill(0xff) },
    { roster: new Uint8Array(0) },
    { at: new Uint8Array(8).fill(0xff) },
    { at: new Uint8Array(7) },
  ];
  for (const change of malformed) {
    await assertRejects(async () => read(await forge(change)), DecodeError);
  }
});

Deno.test("verifyOp() refuses a grace out of its bounds, which createRoomOp() does not sign", async () => {
  const hour = 60 * 60 * 1_000;
  const create = {
    kind: u8(1),
    subject: alice.certificate.encoded,
    seen: new Uint8Array(0),
    roster: new Uint8Array(0),
  };
  await read(await forge({ ...create, detail: concat(u64be(hour), u64be(hour)) }));
  for (const [lastingMs, ephemeralMs] of [[GRACE_MIN_MS - 1, hour], [hour, GRACE_MAX_MS + 1], [0, 0]] as const) {
    const detail = concat(u64be(lastingMs), u64be(ephemeralMs));
    await assertRejects(async () => read(await forge({ ...create, detail })), DecodeError);
    const grace = { lastingMs, ephemeralMs };
    await assertRejects(() => createRoomOp(alice, { room: ROOM, grace, atMs: NOW_MS }), RangeError);
  }
});

Deno.test("verifyOp() refuses an actor that is not a member, another's key, and a join in another's name", async () => {
  await assertRejects(() => verifyOp(OPS.here as Bytes, () => undefined), ProtocolError);
  await assertRejects(() => verifyOp(OPS.here as Bytes, () => bob.certificate.signPublic), AuthError);
  const named = { ...bob, certificate: alice.certificate };
  await assertRejects(async () => read(await joinOp(named, CONTEXT)), AuthError);
  const crossed = { kind: u8(2), detail: new Uint8Array(0), subject: bob.certificate.encoded };
  await assertRejects(async () => read(await forge(crossed)), AuthError);
  // With bob's own key and certificate, only the actor is alice: the signature alone would let it pass.
  const posed = await signFields(bob.sign, "op", Object.values({ ...REMOVE_FIELDS, ...crossed }));
  await assertRejects(() => read(posed), AuthError, "actor is not its subject");
});

Deno.test("verifyOp() refuses certificates with a key under which one signature fits everything", async () => {
  const one = `01${"00".repeat(31)}`;
  for (const hex of SMALL_ORDER_ED25519) {
    const fields = [u8(1), decodeHex(hex), alice.identity.dh.publicBytes, alice.identity.noise.publicBytes];
    // R = the neutral element, S = 0: it verifies for every message under the neutral key.
    const signature = concat(decodeHex(one), new Uint8Array(32));
    const certificate = concat(lvCat(...fields, utf8("ghost"), u8(1), u64be(NOW_MS)), signature);
    const id = await sha256(concat(label("id"), lvCat(decodeHex(hex), alice.identity.dh.publicBytes)));
    const join = { kind: u8(2), detail: new Uint8Array(0), subject: certificate, actor: id };
    const body = lvCat(...Object.values({ ...REMOVE_FIELDS, ...join }));
    await assertRejects(() => read(concat(body, signature)), AuthError);
    await assertRejects(
      async () => read(await forge({ ...join, kind: u8(3), actor: alice.certificate.id })),
      AuthError,
    );
  }
});

Deno.test("OP_MAX_BYTES is the longest op", async () => {
  const { identity } = alice;
  const certificate = await createCertificate(identity, { handle: "a".repeat(128), createdMs: NOW_MS });
  const longest = await joinOp({ sign: identity.sign, certificate }, CONTEXT);
  assertEquals(longest.length, OP_MAX_BYTES);
  assertEquals((await read(longest)).kind, "join");
  for (const op of Object.values(OPS)) assert(op.length <= OP_MAX_BYTES);
});

Deno.test("the makers refuse a room, head or roster of another length", async () => {
  const wrong = new Uint8Array(31);
  await assertRejects(() => hereOp(alice, { ...CONTEXT, room: wrong }), RangeError);
  await assertRejects(() => hereOp(alice, { ...CONTEXT, room: new Uint8Array(0) }), RangeError);
  await assertRejects(() => hereOp(alice, { ...CONTEXT, roster: wrong }), RangeError);
  await assertRejects(() => hereOp(alice, { ...CONTEXT, seen: { epoch: 1, head: wrong } }), RangeError);
  await assertRejects(() => createRoomOp(alice, { room: undefined, atMs: 1, random: () => wrong }), RangeError);
});

Deno.test("unsafeAdmission() tells whom an op admitted, and refuses ops that admit nobody", async () => {
  const { kind, room, certificate } = await unsafeAdmission(OPS.add as Bytes);
  assertEquals([kind, room, certificate], ["add", ROOM, bob.certificate]);
  await assertRejects(() => unsafeAdmission(OPS.leave as Bytes), DecodeError);
});

Deno.test("inviteRoomId() is the hash of the create op, and no two rooms share one", async () => {
  const op = OPS["create of an invite room"] as Bytes;
  const expected = await sha256(concat(utf8("sotto/1 invite room\0"), lvCat(op)));
  assertEquals(await inviteRoomId(op), expected);
  const again = await createRoomOp(alice, { room: undefined, atMs: NOW_MS });
  assertNotEquals(encodeHex(await inviteRoomId(again)), encodeHex(expected));
});

async function assertRefused(bytes: Bytes): Promise<void> {
  const op = await read(bytes).catch(assertIsRefusal);
  assertEquals(op, undefined);
}

function assertIsRefusal(error: unknown): undefined {
  const isOwn = error instanceof DecodeError || error instanceof AuthError || error instanceof ProtocolError;
  assert(isOwn, String(error));
}
