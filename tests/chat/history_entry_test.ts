// Aim: an entry is read back as it was kept, and nothing else is taken for one.
import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { DecodeError } from "../../lib/bytes/errors.ts";
import { decodeEntry, encodeEntry, type KeptEntry } from "../../lib/chat/history_entry.ts";
import type { KeptEvent } from "../../lib/chat/history_events.ts";
import { ID, KEY, TRUSTS } from "../cli/_events.ts";

const NAME = fc.string({ maxLength: 20 });
const PLACE = fc.oneof(fc.record({ room: NAME }), fc.record({ to: NAME }));
const TEXT = fc.string({ unit: "grapheme", size: "max", maxLength: 400 });
const TIME = fc.maxSafeNat();
const TRUE = fc.constant(true as const);

const MESSAGE = fc.record({
  type: fc.constant("message" as const),
  id: fc.constant(ID),
  place: PLACE,
  from: NAME,
  fingerprint: fc.constant(KEY),
  trust: fc.constantFrom(...TRUSTS),
  distrusted: TRUE,
  text: TEXT,
  sentAt: TIME,
  at: TIME,
  late: TRUE,
}, { requiredKeys: ["type", "id", "place", "from", "fingerprint", "trust", "text", "sentAt", "at"] });
const OWN = fc.record({
  type: fc.constant("accepted" as const),
  id: fc.constant(ID),
  place: PLACE,
  at: TIME,
  sentAt: TIME,
  text: TEXT,
});
const GAP = fc.record(
  { type: fc.constant("gap" as const), id: fc.constant(ID), place: PLACE, from: NAME, count: TIME },
  { requiredKeys: ["type", "place", "count"] },
);
const ENTRY = fc.record({
  event: fc.oneof(MESSAGE, OWN, GAP) as fc.Arbitrary<KeptEvent>,
  keptMs: TIME,
  isTransient: fc.boolean(),
});

/** What an entry that has everything looks like. */
const FULL: KeptEntry = {
  event: {
    type: "message",
    id: ID,
    place: { room: "lobby" },
    from: "ben",
    fingerprint: KEY,
    trust: "known",
    text: "grüße",
    sentAt: 1,
    at: 2,
  },
  keptMs: 3,
  isTransient: false,
};

Deno.test("decodeEntry() gives what encodeEntry() was given", () => {
  fc.assert(fc.property(ENTRY, (entry) => {
    assertEquals(decodeEntry(encodeEntry(entry)), entry);
  }));
});

Deno.test("decodeEntry() refuses every truncation, and bytes behind the end", () => {
  const whole = encodeEntry(FULL);
  for (let length = 0; length < whole.length; length++) {
    assertThrows(() => decodeEntry(whole.slice(0, length)), DecodeError);
  }
  assertThrows(() => decodeEntry(Uint8Array.of(...whole, 0)), DecodeError);
});

Deno.test("decodeEntry() throws DecodeError at any bytes, and what it reads encodes to the same", () => {
  const whole = encodeEntry(FULL);
  const changed = fc.tuple(ENTRY.map(encodeEntry), fc.nat(), fc.nat(255)).map(([bytes, at, to]) => {
    return bytes.map((byte, i) => i === at % bytes.length ? to : byte);
  });
  fc.assert(
    fc.property(fc.oneof(changed, fc.uint8Array({ maxLength: whole.length + 8 })), (bytes) => {
      let entry: KeptEntry;
      try {
        entry = decodeEntry(new Uint8Array(bytes));
      } catch (error) {
        assertEquals(error instanceof DecodeError, true, String(error));
        return;
      }
      assertEquals(encodeEntry(entry), new Uint8Array(bytes));
    }),
    { numRuns: 2_000 },
  );
});
