// Aim: bodies that both ends read have one spelling, nothing else is taken, and an op claims what clients read in it.
import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import fc from "fast-check";
import { DecodeError } from "../../lib/bytes/errors.ts";
import { type Bytes, concat, lv, u64be, u8 } from "../../lib/bytes/writer.ts";
import { createCertificate } from "../../lib/e2ee/certificate.ts";
import { generateIdentity, idOf } from "../../lib/e2ee/identity.ts";
import { DEFAULT_GRACE, OP_MAX_BYTES, type OpContent, signOp } from "../../lib/e2ee/membership_op.ts";
import {
  decodeEventIds,
  decodeMany,
  decodeOps,
  decodeSnapshot,
  encodeEventIds,
  encodeMany,
  encodeOps,
  encodeSnapshot,
  isDeparture,
  MANY_MAX_EVENTS,
  OP_BODY_MAX_BYTES,
  OP_KIND,
  opClaimsOf,
  opKindAt,
  REASON_ABSENT,
  spellId,
} from "../../lib/wire/bodies.ts";

const bytes = (lengthBytes: number) => fc.uint8Array({ minLength: lengthBytes, maxLength: lengthBytes });
const hexId = bytes(16).map((id) => [...id].map((byte) => byte.toString(16).padStart(2, "0")).join(""));
const item = fc.record({ to: bytes(32).map(spellId), id: hexId, box: fc.uint8Array({ maxLength: 300 }) });
const items = fc.uniqueArray(item, { selector: ({ id }) => id, minLength: 1, maxLength: 20 });
const op = fc.uint8Array({ minLength: 1, maxLength: 600 });
const pagedOps = fc.array(fc.record({ at: fc.nat(Number.MAX_SAFE_INTEGER), op }), { maxLength: 20 });

/** Every cut and every flipped byte is refused or gives something that encodes to the very bytes. */
function breakIt<T>(encoded: Bytes, decode: (body: Bytes) => T, encode: (value: T) => Bytes): void {
  for (let index = 0; index < encoded.length; index++) {
    const flipped = encoded.slice();
    flipped[index] = (flipped[index] as number) ^ 0x81;
    for (const broken of [encoded.slice(0, index), flipped]) {
      try {
        assertEquals(encode(decode(broken)), broken);
      } catch (error) {
        assertInstanceOf(error, DecodeError);
      }
    }
  }
}

Deno.test("decodeMany() gives back what encodeMany() took, and every broken body is refused or another one", () => {
  fc.assert(
    fc.property(items, (events) => {
      const encoded = encodeMany(events as Parameters<typeof encodeMany>[0]);
      assertEquals(decodeMany(encoded) as unknown, events);
      breakIt(encoded.slice(0, 400), decodeMany, encodeMany);
    }),
    { numRuns: 30 },
  );
});

Deno.test("decodeMany() refuses nothing at all, an id twice, and one event too many", () => {
  const to = spellId(new Uint8Array(32));
  const events = Array.from({ length: MANY_MAX_EVENTS + 1 }, (_, number) => ({
    to,
    id: number.toString(16).padStart(32, "0"),
    box: new Uint8Array(1),
  }));
  assertEquals(decodeMany(encodeMany(events.slice(1))).length, MANY_MAX_EVENTS);
  assertThrows(() => decodeMany(encodeMany(events)), DecodeError, "more than 256");
  assertThrows(() => decodeMany(new Uint8Array(0)), DecodeError, "are left");
  const twice = events.slice(0, 1).flatMap((event) => [event, event]);
  assertThrows(() => decodeMany(encodeMany(twice)), DecodeError, "twice");
});

Deno.test("decodeEventIds() gives back what encodeEventIds() took, and refuses a cut id and too many", () => {
  fc.assert(fc.property(fc.array(hexId, { maxLength: 10 }), (ids) => {
    assertEquals(decodeEventIds(encodeEventIds(ids)), ids);
    breakIt(encodeEventIds(ids), decodeEventIds, encodeEventIds);
  }));
  assertThrows(() => decodeEventIds(new Uint8Array(15)), DecodeError);
  assertThrows(() => decodeEventIds(new Uint8Array((MANY_MAX_EVENTS + 1) * 16)), DecodeError);
});

Deno.test("decodeOps() gives back what encodeOps() took, and every broken page is refused or another one", () => {
  fc.assert(
    fc.property(pagedOps, (ops) => {
      const encoded = encodeOps(ops as Parameters<typeof encodeOps>[0]);
      assertEquals(decodeOps(encoded) as unknown, ops);
      breakIt(encoded.slice(0, 400), decodeOps, encodeOps);
    }),
    { numRuns: 30 },
  );
});

Deno.test("decodeOps() refuses an op that is empty or too long", () => {
  assertEquals(decodeOps(concat(u64be(1), lv(new Uint8Array(OP_BODY_MAX_BYTES)))).length, 1);
  for (const length of [0, OP_BODY_MAX_BYTES + 1]) {
    assertThrows(() => decodeOps(concat(u64be(1), lv(new Uint8Array(length)))), DecodeError);
  }
});

Deno.test("decodeSnapshot() gives back what encodeSnapshot() took, and every broken one is refused or another one", () => {
  fc.assert(
    fc.property(fc.record({ op, membership: fc.uint8Array({ maxLength: 600 }) }), (snapshot) => {
      const encoded = encodeSnapshot(snapshot as Parameters<typeof encodeSnapshot>[0]);
      assertEquals(decodeSnapshot(encoded) as unknown, snapshot);
      breakIt(encoded.slice(0, 400), decodeSnapshot, encodeSnapshot);
      breakIt(encoded, decodeSnapshot, encodeSnapshot);
    }),
    { numRuns: 30 },
  );
});

Deno.test("decodeSnapshot() refuses an op that is empty or too long, and bytes after the end", () => {
  const membership = lv(u8(1));
  const fitting = concat(lv(new Uint8Array(OP_BODY_MAX_BYTES)), membership);
  assertEquals(decodeSnapshot(fitting).op.length, OP_BODY_MAX_BYTES);
  assertThrows(() => decodeSnapshot(concat(fitting, u8(0))), DecodeError);
  for (const length of [0, OP_BODY_MAX_BYTES + 1]) {
    assertThrows(() => decodeSnapshot(concat(lv(new Uint8Array(length)), membership)), DecodeError);
  }
});

Deno.test("opClaimsOf() reads of a signed op of every kind what clients read in it", async () => {
  const actor = await generateIdentity({ life: "lasting", nowMs: 1 });
  const certificate = await createCertificate(actor, { handle: "ada", createdMs: 1 });
  const room = new Uint8Array(32).fill(7);
  const empty = new Uint8Array(0);
  const placed = { seen: { epoch: 1, head: new Uint8Array(32) }, roster: new Uint8Array(32) };
  const subject = certificate.fingerprint;
  const create = { kind: "create", subject: certificate, grace: DEFAULT_GRACE } as const;
  const cases: readonly (readonly [OpContent, subject: Bytes, detailBytes: number])[] = [
    [{ ...create, random: undefined }, certificate.encoded, 16],
    [{ ...create, random: new Uint8Array(16) }, certificate.encoded, 32],
    [{ ...placed, kind: "join", subject: certificate }, certificate.encoded, 0],
    [{ ...placed, kind: "add", subject: certificate }, certificate.encoded, 0],
    [{ ...placed, kind: "leave" }, empty, 0],
    [{ ...placed, kind: "remove", subject, reason: "absent" }, idOf(subject), 1],
    [{ ...placed, kind: "remove", subject, reason: "removed" }, idOf(subject), 1],
    [{ ...placed, kind: "promote", subject }, idOf(subject), 0],
    [{ ...placed, kind: "here" }, empty, 0],
  ];
  for (const [content, claimed, detailBytes] of cases) {
    const isRoomless = content.kind === "create" && content.random !== undefined;
    const frame = { room: isRoomless ? empty : room, actor: certificate.fingerprint, atMs: 1 };
    const op = await signOp(actor.sign, content, frame);
    assertEquals(op[isRoomless ? 13 : 45], OP_KIND[content.kind]);
    assertEquals(opKindAt(op), OP_KIND[content.kind]);
    const claims = opClaimsOf(op);
    assertEquals([claims?.kind, claims?.subject, claims?.detail?.length], [
      OP_KIND[content.kind],
      claimed,
      detailBytes,
    ]);
    assertEquals(claims?.actor, idOf(certificate.fingerprint));
    assertEquals(isDeparture(op), content.kind === "leave" || content.kind === "remove");
    const isAbsent = content.kind === "remove" && content.reason === "absent";
    assertEquals(claims?.detail?.[0] === REASON_ABSENT, isAbsent);
    assert(op.length <= OP_MAX_BYTES && OP_MAX_BYTES <= OP_BODY_MAX_BYTES);
  }
});

Deno.test("opKindAt() and opClaimsOf() take any bytes, and what is cut short claims less", () => {
  const head = concat(lv(u8(1)), lv(new Uint8Array(32)), lv(u8(OP_KIND.leave)));
  assertEquals(opClaimsOf(head), { kind: OP_KIND.leave, detail: undefined, subject: undefined, actor: undefined });
  assertEquals(opClaimsOf(concat(head, lv(u8(9)))), {
    kind: OP_KIND.leave,
    detail: u8(9),
    subject: undefined,
    actor: undefined,
  });
  for (let length = 0; length < head.length; length++) assertEquals(opKindAt(head.subarray(0, length)), undefined);
  // Another length of suite, room or kind puts something else at the place.
  for (const place of [3, 8, 44]) {
    assertEquals(opKindAt(head.map((byte, index) => index === place ? byte + 1 : byte)), undefined, `${place}`);
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (noise) => {
    for (const any of [noise, concat(head, noise)]) {
      const claims = opClaimsOf(any as Bytes);
      assertEquals(claims?.kind, opKindAt(any));
    }
  }));
});
