// Aim: what is kept of a room comes back whole, has one spelling, and all else is refused as damaged, by no other error.
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { DecodeError } from "../../lib/bytes/errors.ts";
import { type Bytes, concat, lvCat, u64be, u8, utf8 } from "../../lib/bytes/writer.ts";
import { TOPIC_MAX_CHARS } from "../../lib/chat/content.ts";
import { decodeRoomRecord, encodeRoomRecord, type RoomRecord } from "../../lib/chat/room_record.ts";
import { fingerprintOf } from "../../lib/e2ee/identity.ts";
import { suiteField } from "../../lib/e2ee/signed.ts";
import { STATE_VERSION } from "../../lib/e2ee/state_fields.ts";
import { NAME_MAX_CODE_POINTS } from "../../lib/wire/handle.ts";

const ids = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((id) => fingerprintOf(new Uint8Array(id)));
const texts = (maxLength: number) =>
  fc.string({ unit: "binary", size: "max", maxLength }).map((text) => text.slice(0, maxLength).toWellFormed());
const records: fc.Arbitrary<RoomRecord> = fc.record({
  name: texts(NAME_MAX_CODE_POINTS),
  kind: fc.constantFrom("open", "invite"),
  state: fc.constantFrom("in", "invited"),
  isCurrent: fc.boolean(),
  invitedBy: fc.option(ids, { nil: undefined }),
  topic: fc.option(fc.record({ text: texts(TOPIC_MAX_CHARS), by: ids, sentAtMs: fc.maxSafeNat() }), { nil: undefined }),
});

const SHORT: RoomRecord = { name: "den", kind: "open", state: "in", isCurrent: false };
const ID = new Uint8Array(32).fill(7);
const FULL: RoomRecord = {
  name: "Küche",
  kind: "invite",
  state: "invited",
  isCurrent: true,
  invitedBy: fingerprintOf(ID),
  topic: { text: "tea 🫖", by: fingerprintOf(ID), sentAtMs: 1_767_225_600_000 },
};

/** The fields of a valid record, each to be replaced. */
const FIELDS = {
  suite: suiteField(),
  kind: u8(2),
  state: u8(1),
  current: u8(0),
  name: utf8("den"),
  invitedBy: ID,
  topic: utf8("tea"),
  by: ID,
  at: u64be(5),
};
const NONE = new Uint8Array(0);

function encodedWith(changes: Partial<typeof FIELDS>): Bytes {
  return concat(u8(STATE_VERSION), lvCat(...Object.values({ ...FIELDS, ...changes })));
}

/** Decodes; what parses must encode to itself, and what does not must be refused as damaged. */
function parses(bytes: Bytes): boolean {
  try {
    assertEquals(encodeRoomRecord(decodeRoomRecord(bytes)), bytes);
    return true;
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return false;
  }
}

Deno.test("decodeRoomRecord() gives back every field that encodeRoomRecord() was given", () => {
  fc.assert(fc.property(records, (record) => {
    const bytes = encodeRoomRecord(record);
    assertEquals(decodeRoomRecord(bytes), record);
    assertEquals(encodeRoomRecord(decodeRoomRecord(bytes)), bytes);
  }));
});

Deno.test("decodeRoomRecord() takes the longest name and topic that can be", () => {
  // Four bytes a character is the most that UTF-8 has, three what one UTF-16 unit may take.
  const name = "𝒶".repeat(NAME_MAX_CODE_POINTS);
  const topic = { text: "語".repeat(TOPIC_MAX_CHARS), by: fingerprintOf(ID), sentAtMs: Number.MAX_SAFE_INTEGER };
  const record = { ...FULL, name, topic };
  assertEquals(decodeRoomRecord(encodeRoomRecord(record)), record);
});

Deno.test("encodeRoomRecord() has the layout that stands at the head of its file", () => {
  assertEquals(decodeRoomRecord(encodedWith({})), {
    name: "den",
    kind: "invite",
    state: "in",
    isCurrent: false,
    invitedBy: fingerprintOf(ID),
    topic: { text: "tea", by: fingerprintOf(ID), sentAtMs: 5 },
  });
  assertEquals(
    encodeRoomRecord(SHORT),
    concat(
      u8(1),
      lvCat(u8(1), u8(1), u8(1), u8(0), utf8("den"), NONE, NONE, NONE, u64be(0)),
    ),
  );
});

Deno.test("decodeRoomRecord() refuses every truncation and every byte too many", () => {
  for (const record of [SHORT, FULL]) {
    const bytes = encodeRoomRecord(record);
    for (let length = 0; length < bytes.length; length++) {
      assertThrows(() => decodeRoomRecord(bytes.slice(0, length)), DecodeError, "Cannot decode");
    }
    assertThrows(() => decodeRoomRecord(concat(bytes, u8(0))), DecodeError, "1 bytes follow its end");
  }
});

Deno.test("decodeRoomRecord() refuses every flipped bit, unless it is another record with its own spelling", () => {
  for (const record of [SHORT, FULL]) {
    const bytes = encodeRoomRecord(record);
    const taken: number[] = [];
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const flipped = bytes.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      if (parses(flipped)) taken.push(bit >> 3);
    }
    assert(taken.includes(bytes.indexOf(utf8(record.name)[0] as number))); // a flip within a name is another name
    assert(Math.min(...taken) > 6); // version, the length of the suite, the suite
  }
});

Deno.test("decodeRoomRecord() gives DecodeError alone for any bytes", () => {
  fc.assert(fc.property(fc.uint8Array({ size: "max", maxLength: 200 }), (bytes) => {
    parses(new Uint8Array(bytes));
  }));
  // Any bytes in any field, so that more than the first length is read.
  const fields = fc.record(
    Object.fromEntries(
      Object.entries(FIELDS).map(([name, bytes]) => [
        name,
        fc.oneof(
          fc.constant(bytes),
          fc.uint8Array({ minLength: bytes.length, maxLength: bytes.length }),
          fc.uint8Array({ maxLength: 40 }),
        ),
      ]),
    ),
  );
  fc.assert(
    fc.property(fields, (changes) => void parses(encodedWith(changes as Partial<typeof FIELDS>))),
    { numRuns: 1_000 },
  );
});

const REFUSED: readonly (readonly [what: string, changes: Partial<typeof FIELDS>])[] = [
  ["suite 2", { suite: u8(2) }],
  ["kind 0", { kind: u8(0) }],
  ["kind 3", { kind: u8(3) }],
  ["a kind of two bytes", { kind: Uint8Array.of(0, 2) }],
  ["state 0", { state: u8(0) }],
  ["state 3", { state: u8(3) }],
  ["2 for a flag", { current: u8(2) }],
  ["a name that is not UTF-8", { name: Uint8Array.of(0xff) }],
  ["a name in a longer spelling of UTF-8", { name: Uint8Array.of(0xc1, 0xa1) }],
  ["a name of 257 bytes", { name: new Uint8Array(257).fill(97) }],
  ["a topic of 2,049 bytes", { topic: new Uint8Array(2_049).fill(97) }],
  ["an id of 31 bytes", { invitedBy: ID.slice(1) }],
  ["an id of 33 bytes", { invitedBy: concat(ID, u8(0)) }],
  ["an id of 1 byte", { by: u8(0) }],
  ["a topic of nobody", { by: NONE }],
  ["a topic of nobody without a time", { by: NONE, at: u64be(0) }],
  ["a time of no topic", { by: NONE, topic: NONE }],
  ["a time of 7 bytes", { at: new Uint8Array(7) }],
  ["a time above 2^53 - 1", { at: Uint8Array.of(0, 32, 0, 0, 0, 0, 0, 0) }],
];

for (const [what, changes] of REFUSED) {
  Deno.test(`decodeRoomRecord() refuses ${what}`, () => {
    assert(parses(encodedWith({})));
    assertThrows(() => decodeRoomRecord(encodedWith(changes)), DecodeError, "Cannot decode");
  });
}

Deno.test("decodeRoomRecord() refuses another version", () => {
  const bytes = encodeRoomRecord(SHORT);
  assertThrows(() => decodeRoomRecord(concat(u8(STATE_VERSION + 1), bytes.slice(1))), DecodeError, "version 2");
});
