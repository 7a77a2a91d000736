// Aim: what a room message holds is decoded strictly: one spelling, nothing but DecodeError for anything else.
import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { compareBytes } from "../../lib/bytes/equal.ts";
import { DecodeError } from "../../lib/bytes/errors.ts";
import { concat } from "../../lib/bytes/writer.ts";
import {
  BODY_MAX_BYTES,
  decodeRoomCopies,
  encodeRoomCopies,
  roomBodyBytes,
  type RoomCopy,
} from "../../lib/chat/room_copies.ts";
import { BOX_MAX_BYTES } from "../../lib/e2ee/box.ts";
import { EVENT_BODY_MAX_BYTES } from "../../lib/relay/placing.ts";

const own = (bytes: Uint8Array) => new Uint8Array(bytes);
const ID = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(own);
const COPY: fc.Arbitrary<RoomCopy> = fc.record({
  recipientId: ID,
  box: fc.uint8Array({ maxLength: 300 }).map(own),
});
const COPIES = fc.uniqueArray(COPY, {
  maxLength: 8,
  comparator: (a, b) => compareBytes(a.recipientId, b.recipientId) === 0,
});

/** Decodes, and checks that what decodes has one spelling; `undefined` when it is refused as it should be. */
function decodeStrictly(body: Uint8Array): RoomCopy[] | undefined {
  try {
    const copies = decodeRoomCopies(body);
    assertEquals(encodeRoomCopies(copies), own(body));
    return copies;
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

Deno.test("decodeRoomCopies() gives back what encodeRoomCopies() took, sorted by recipient", () => {
  fc.assert(fc.property(COPIES, (copies) => {
    const sorted = copies.toSorted((a, b) => compareBytes(a.recipientId, b.recipientId));
    const body = encodeRoomCopies(copies);
    assertEquals(decodeRoomCopies(body), sorted);
    assertEquals(body.length, roomBodyBytes(copies.map(({ box }) => box.length)));
  }));
});

Deno.test("decodeRoomCopies() refuses every truncation and every byte more", () => {
  fc.assert(
    fc.property(COPIES, (copies) => {
      const body = encodeRoomCopies(copies);
      for (let length = 0; length < body.length; length++) {
        assertThrows(() => decodeRoomCopies(body.subarray(0, length)), DecodeError);
      }
      assertThrows(() => decodeRoomCopies(concat(body, Uint8Array.of(0))), DecodeError);
    }),
    { numRuns: 25 },
  );
});

Deno.test("decodeRoomCopies() gives DecodeError alone for flipped and random bytes", () => {
  fc.assert(
    fc.property(COPIES, fc.nat(), fc.integer({ min: 1, max: 255 }), (copies, at, mask) => {
      const body = encodeRoomCopies(copies);
      const index = at % body.length;
      body[index] = (body[index] as number) ^ mask;
      decodeStrictly(body);
    }),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ size: "max", maxLength: 400 }), (body) => {
      decodeStrictly(body);
    }),
    { numRuns: 500 },
  );
});

Deno.test("decodeRoomCopies() refuses copies out of order and a recipient twice", () => {
  const copy = (first: number): RoomCopy => ({
    recipientId: own(new Uint8Array(32).fill(first)),
    box: Uint8Array.of(7),
  });
  const body = encodeRoomCopies([copy(1), copy(2)]);
  const entry = (body.length - 2) / 2;
  const [head, a, b] = [body.subarray(0, 2), body.subarray(2, 2 + entry), body.subarray(2 + entry)];
  assertThrows(() => decodeRoomCopies(concat(head, b, a)), DecodeError);
  assertThrows(() => decodeRoomCopies(concat(head, a, a)), DecodeError);
  assertEquals(decodeRoomCopies(concat(head, a, b)).length, 2);
});

Deno.test("decodeRoomCopies() refuses a count that the body cannot hold, before it allocates", () => {
  assertThrows(() => decodeRoomCopies(Uint8Array.of(0xff, 0xff)), DecodeError);
  assertThrows(
    () => decodeRoomCopies(concat(Uint8Array.of(0, 1), new Uint8Array(32), Uint8Array.of(255, 255, 255, 255))),
    DecodeError,
  );
});

Deno.test("BODY_MAX_BYTES holds the longest box, and a relay takes what fits it", () => {
  assertEquals(roomBodyBytes([BOX_MAX_BYTES]) <= BODY_MAX_BYTES, true);
  assertEquals(BODY_MAX_BYTES <= EVENT_BODY_MAX_BYTES, true);
  assertEquals(roomBodyBytes([]), 2);
});
