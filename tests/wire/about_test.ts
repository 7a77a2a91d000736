// Aim: what a relay says that it holds is taken in its one shape, and fits a packet at its longest.
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { DecodeError } from "../../lib/bytes/errors.ts";
import { type Bytes, utf8 } from "../../lib/bytes/writer.ts";
import { type About, ABOUT_LIST_MAX, decodeAbout, encodeAbout } from "../../lib/wire/about.ts";
import { encodeRelayMessage } from "../../lib/wire/messages.ts";
import { ABOUT } from "../cli/_events.ts";

const KEY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRSA";
const MOST = Number.MAX_SAFE_INTEGER;
const SPAN = { events: MOST, firstAt: MOST, lastAt: MOST };
const FULL: About = {
  names: Array(4).fill({ handle: "\u{1d552}".repeat(32), life: "ephemeral", madeAt: MOST, lastSeen: MOST }),
  namesKeptForMs: MOST,
  certificateBytes: MOST,
  address: "f".repeat(64),
  rooms: Array(ABOUT_LIST_MAX).fill({ room: KEY, ops: MOST }),
  heard: MOST,
  received: {
    events: MOST,
    bytes: MOST,
    waiting: MOST,
    authors: MOST,
    from: Array(ABOUT_LIST_MAX).fill({ publisher: KEY, bytes: MOST, ...SPAN }),
  },
  published: { events: MOST, streams: MOST, in: Array(ABOUT_LIST_MAX).fill({ stream: `inbox/${KEY}`, ...SPAN }) },
  eventsKeptForMs: MOST,
  bundle: { bytes: MOST, putAt: MOST, oneTimePrekeys: MOST },
  keysGivenToYou: MOST,
  keysGivenOfYou: MOST,
  mailboxes: MOST,
};

Deno.test("the longest answer fits a packet, and is read back", () => {
  const encoded = encodeAbout(FULL);
  assertEquals(decodeAbout(encoded), FULL);
  assert(encodeRelayMessage({ t: "aboutYou", ref: 4_294_967_295 }, encoded).length < 40_000);
});

Deno.test("decodeAbout() reads what encodeAbout() wrote, and gives DecodeError alone for cuts, flips and anything else", () => {
  fc.assert(
    fc.property(ABOUT, fc.nat(), fc.integer({ min: 1, max: 255 }), (about, at, mask) => {
      const encoded = encodeAbout(about);
      const before = tryDecode(encoded);
      if (before !== undefined) assertEquals(tryDecode(encodeAbout(before)), before);
      assertThrows(() => decodeAbout(encoded.slice(0, at % encoded.length)), DecodeError);
      const index = at % encoded.length;
      encoded[index] = (encoded[index] as number) ^ mask;
      tryDecode(encoded);
    }),
    { numRuns: 300 },
  );
  fc.assert(fc.property(fc.json(), (json) => assertEquals(tryDecode(utf8(json)), undefined)));
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => void tryDecode(new Uint8Array(bytes))));
});

Deno.test("decodeAbout() refuses lists over their bound and what is missing", () => {
  const bad = [
    { ...FULL, rooms: Array(ABOUT_LIST_MAX + 1).fill({ room: KEY, ops: 0 }) },
    { ...FULL, rooms: [{ room: "lobby", ops: 0 }] },
    { ...FULL, address: "x".repeat(257) },
    { ...FULL, heard: -1 },
    { ...FULL, heard: 1.5 },
    { ...FULL, published: { ...FULL.published, in: [{ stream: `room/${KEY}x`, ...SPAN }] } },
    { ...FULL, bundle: undefined },
  ];
  for (const about of bad) assertThrows(() => decodeAbout(utf8(JSON.stringify(about))), DecodeError);
});

function tryDecode(bytes: Bytes): About | undefined {
  try {
    return decodeAbout(bytes);
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}
