import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { DecodeError } from "../../lib/bytes/errors.ts";
import { decodeKeptLine, encodeKeptLine, type KeptLine } from "../../lib/chat/outbox_line.ts";

const ID32 = fc.stringMatching(/^[A-Z2-7]{51}[AQ]$/);
const TEXT = fc.string({ unit: "binary", maxLength: 100 }).map((text) => text.toWellFormed());
const BASE = {
  id: fc.stringMatching(/^[0-9a-f]{32}$/),
  audience: fc.array(ID32, { maxLength: 5 }),
  sentAtMs: fc.maxSafeNat(),
  text: TEXT,
};
const NAME = fc.stringMatching(/^[a-z]{1,20}$/);
const OF_ROOM = fc.record({ kind: fc.constantFrom("text" as const, "topic" as const), ...BASE, room: ID32, name: NAME })
  .map(({ name, ...line }) => ({ ...line, stream: `room/${line.room}`, place: { room: name } }));
const PRIVATE = fc.record({ kind: fc.constant("text" as const), ...BASE, owner: ID32, name: NAME })
  .map(({ name, owner, ...line }) => ({ ...line, room: null, stream: `inbox/${owner}`, place: { to: name } }));
const INVITATION = fc.record({ ...BASE, owner: ID32, name: NAME, invitesTo: ID32, topic: TEXT })
  .map(({ name, owner, topic, ...line }) => ({
    ...line,
    kind: "invitation" as const,
    room: null,
    stream: `inbox/${owner}`,
    place: { to: name },
    ...(topic === "" ? {} : { topic }),
  }));
const ORDER = fc.maxSafeNat();
const KEPT: fc.Arbitrary<KeptLine> = fc.oneof(
  fc.record({ order: ORDER, line: OF_ROOM, m: fc.integer({ min: 1 }) }),
  fc.record({ order: ORDER, line: fc.oneof(OF_ROOM, PRIVATE, INVITATION) }),
);

Deno.test("decodeKeptLine() gives back what encodeKeptLine() took, in one spelling", () => {
  fc.assert(fc.property(KEPT, (kept) => {
    const encoded = encodeKeptLine(kept);
    assertEquals(decodeKeptLine(encoded), kept);
    assertEquals(encodeKeptLine(decodeKeptLine(encoded)), encoded);
  }));
});

Deno.test("decodeKeptLine() refuses every cut, and takes nothing altered that encodes to other bytes", () => {
  fc.assert(
    fc.property(KEPT, fc.nat(), fc.integer({ min: 1, max: 255 }), (kept, at, mask) => {
      const encoded = encodeKeptLine(kept);
      for (let length = 0; length < encoded.length; length += 11) {
        assertThrows(() => decodeKeptLine(encoded.slice(0, length)), DecodeError);
      }
      const index = at % encoded.length;
      encoded[index] = (encoded[index] as number) ^ mask;
      try {
        assertEquals(encodeKeptLine(decodeKeptLine(encoded)), encoded);
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error;
      }
    }),
    { numRuns: 500 },
  );
});
