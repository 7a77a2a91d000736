import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { DecodeError } from "../../lib/bytes/errors.ts";
import { type Bytes, concat, lv, lvCat, u16be, u32be, utf8 } from "../../lib/bytes/writer.ts";
import {
  CARD_MAX_BYTES,
  decodeHello,
  encodeHello,
  type Hello,
  linkPrologue,
  PROTOCOL_VERSION,
} from "../../lib/link/hello.ts";
import { HANDSHAKE_FRAME_MAX_BYTES } from "../../lib/wire/frame.ts";

/** What Noise adds to the payload of message 2, the longest overhead. */
const NOISE_OVERHEAD_BYTES = 96;

const hellos = fc.record({
  version: fc.constant(PROTOCOL_VERSION),
  card: fc.uint8Array({ maxLength: CARD_MAX_BYTES, size: "max" }).map((card) => new Uint8Array(card)),
});

/** Decodes, or answers `undefined` on the one error that is allowed. */
function decodeOrRefuse(payload: Uint8Array): Hello | undefined {
  try {
    return decodeHello(payload);
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

Deno.test("encodeHello() gives the documented bytes", () => {
  const card = utf8("relay");
  assertEquals(encodeHello({ version: 0x0102, card }), concat(u32be(2), u16be(0x0102), u32be(5), card));
});

Deno.test("decodeHello() gives back what encodeHello() took", () => {
  fc.assert(fc.property(hellos, (hello) => assertEquals(decodeHello(encodeHello(hello)), hello)));
});

Deno.test("encodeHello() takes the longest card, which fits a handshake frame, and throws on a longer one", () => {
  const longest = encodeHello({ version: 1, card: new Uint8Array(CARD_MAX_BYTES) });
  assertEquals(decodeHello(longest).card.length, CARD_MAX_BYTES);
  assertEquals(longest.length + NOISE_OVERHEAD_BYTES <= HANDSHAKE_FRAME_MAX_BYTES, true);
  assertThrows(() => encodeHello({ version: 1, card: new Uint8Array(CARD_MAX_BYTES + 1) }), RangeError);
});

Deno.test("decodeHello() throws on a card that is too long", () => {
  assertThrows(() => decodeHello(lvCat(u16be(1), new Uint8Array(CARD_MAX_BYTES + 1))), DecodeError);
});

Deno.test("decodeHello() throws on a version that is not two bytes", () => {
  for (const version of [new Uint8Array(0), new Uint8Array(1), new Uint8Array(3)]) {
    assertThrows(() => decodeHello(lvCat(version, utf8("card"))), DecodeError);
  }
});

Deno.test("decodeHello() throws on every truncation and on a byte more", () => {
  fc.assert(
    fc.property(hellos, (hello) => {
      const payload = encodeHello(hello);
      for (let length = 0; length < Math.min(payload.length, 40); length++) {
        assertThrows(() => decodeHello(payload.slice(0, length)), DecodeError);
      }
      assertThrows(() => decodeHello(payload.slice(0, -1)), DecodeError);
      assertThrows(() => decodeHello(concat(payload, Uint8Array.of(0))), DecodeError);
      assertThrows(() => decodeHello(concat(payload, lv(utf8("field")))), DecodeError);
    }),
    { numRuns: 30 },
  );
});

Deno.test("decodeHello() refuses a flipped byte or gives what encodes to exactly those bytes, or another version", () => {
  fc.assert(fc.property(hellos, fc.nat(), fc.integer({ min: 1, max: 255 }), (hello, at, mask) => {
    const payload = encodeHello(hello);
    const i = at % payload.length;
    payload[i] = payload[i] as number ^ mask;
    const found = decodeOrRefuse(payload);
    if (found?.version === PROTOCOL_VERSION) assertEquals(encodeHello(found), payload);
  }));
});

Deno.test("decodeHello() refuses random bytes or gives what encodes to exactly those bytes, or another version", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200, size: "max" }), (bytes) => {
    const found = decodeOrRefuse(bytes);
    if (found?.version === PROTOCOL_VERSION) assertEquals(encodeHello(found), new Uint8Array(bytes));
  }));
});

Deno.test("linkPrologue() gives the documented bytes, others for each listener", () => {
  const field = (text: string): Bytes => lv(utf8(text));
  assertEquals(linkPrologue("relay"), concat(field("sotto/1 link\0"), field("relay"), lv(Uint8Array.of(1))));
  assertNotEquals(linkPrologue("relay"), linkPrologue("peer"));
});

Deno.test("decodeHello() reads nothing but the number of another version", () => {
  const future = concat(lvCat(u16be(PROTOCOL_VERSION + 1)), new Uint8Array(7).fill(0xff));
  assertEquals(decodeHello(future), { version: PROTOCOL_VERSION + 1, card: new Uint8Array(0) });
});
