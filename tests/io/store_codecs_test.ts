// Aim: cursors and pins come back whole, have one spelling, and all else is refused.
import { assertEquals, assertThrows } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import fc from "fast-check";
import { DecodeError } from "../../lib/bytes/errors.ts";
import { type Bytes, utf8 } from "../../lib/bytes/writer.ts";
import { fingerprintOf } from "../../lib/e2ee/identity.ts";
import { cursorKey, decodeCursor, encodeCursor } from "../../lib/io/cursor_codec.ts";
import { decodeRelayPin, encodeRelayPin } from "../../lib/io/relay_pin.ts";

const prints = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => fingerprintOf(new Uint8Array(bytes)));
const cursors = fc.record({
  relay: prints,
  stream: fc.tuple(fc.constantFrom("room", "inbox"), prints).map(([kind, print]) => `${kind}/${print}`),
  generation: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => encodeHex(bytes)),
  seq: fc.maxSafeNat(),
  at: fc.maxSafeNat(),
});
const pins = fc.record({
  fingerprint: prints,
  name: fc.string({ unit: "grapheme", maxLength: 10 }).map((name) => name.toWellFormed()),
  firstMetMs: fc.maxSafeNat(),
}).filter(({ name }) => utf8(name).length <= 64);

function assertOneSpelling(bytes: Bytes, recode: (bytes: Bytes) => Bytes): void {
  for (let length = 0; length < bytes.length; length++) {
    assertThrows(() => recode(bytes.slice(0, length)), DecodeError);
  }
  for (let i = 0; i < bytes.length; i++) {
    const flipped = bytes.slice();
    flipped[i] = (flipped[i] as number) ^ 1;
    try {
      assertEquals(recode(flipped), flipped);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
    }
  }
}

Deno.test("decodeCursor() gives back every field, and refuses what is no cursor", () => {
  fc.assert(fc.property(cursors, (cursor) => {
    const [key, value] = [cursorKey(cursor), encodeCursor(cursor)];
    assertEquals(decodeCursor(key, value), cursor);
    assertOneSpelling(value, (bytes) => encodeCursor(decodeCursor(key, bytes)));
    assertOneSpelling(key, (bytes) => cursorKey(decodeCursor(bytes, value)));
  }));
});

Deno.test("decodeRelayPin() gives back every field, and refuses what is no pin", () => {
  fc.assert(fc.property(pins, (pin) => {
    const bytes = encodeRelayPin(pin);
    assertEquals(decodeRelayPin(bytes), pin);
    assertOneSpelling(bytes, (changed) => encodeRelayPin(decodeRelayPin(changed)));
  }));
});
