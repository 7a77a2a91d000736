// Aim: packets and runs round-trip, and no bytes make a decoder throw anything but DecodeError.
import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import fc from "fast-check";
import { DecodeError } from "../../lib/bytes/errors.ts";
import { concat, u16be, u32be, utf8 } from "../../lib/bytes/writer.ts";
import {
  decodePacket,
  decodeRun,
  encodePacket,
  encodeRun,
  PACKET_HEADER_MAX_BYTES,
  PACKET_MAX_BYTES,
} from "../../lib/wire/packet.ts";

const headers = fc.dictionary(
  fc.string({ unit: "grapheme", maxLength: 12 }).filter((key) => key !== "__proto__"),
  fc.oneof(fc.string({ unit: "grapheme", maxLength: 20 }), fc.integer(), fc.boolean(), fc.constant(null)),
  { maxKeys: 6, noNullPrototype: true },
);
const bodies = fc.uint8Array({ maxLength: 200, size: "max" });

Deno.test("decodePacket() gives back what encodePacket() took", () => {
  fc.assert(fc.property(headers, bodies, (header, body) => {
    const packet = decodePacket(encodePacket(header, body));
    assertEquals(packet.header, header);
    assertEquals([...packet.body], [...body]);
  }));
});

Deno.test("decodePacket() throws on every cut inside the header, and shortens the body on later ones", () => {
  const packet = encodePacket({ t: "event", seq: 7 }, Uint8Array.of(1, 2, 3));
  const headerEnd = packet.length - 3;
  for (let cut = 0; cut < packet.length; cut++) {
    if (cut < headerEnd) assertThrows(() => decodePacket(packet.subarray(0, cut)), DecodeError);
    else assertEquals(decodePacket(packet.subarray(0, cut)).body.length, cut - headerEnd);
  }
});

Deno.test("decodePacket() throws nothing but DecodeError on flipped or random bytes, and what it gives re-encodes", () => {
  const flipped = fc.tuple(headers, bodies, fc.nat(), fc.integer({ min: 1, max: 255 })).map(
    ([header, body, at, mask]) => {
      const packet = encodePacket(header, body);
      packet[at % packet.length] = (packet[at % packet.length] as number) ^ mask;
      return packet;
    },
  );
  fc.assert(
    fc.property(fc.oneof(flipped, fc.uint8Array({ maxLength: 100 })), (bytes) => {
      try {
        const packet = decodePacket(bytes);
        if (typeof packet.header !== "object" || packet.header === null) return;
        // JSON has many spellings of one value: the second encoding is the canonical one, and a fixed point.
        const canonical = encodePacket(packet.header, packet.body);
        const again = decodePacket(canonical);
        assertEquals([...encodePacket(again.header as object, again.body)], [...canonical]);
      } catch (error) {
        assertInstanceOf(error, DecodeError);
      }
    }),
    { numRuns: 1000 },
  );
});

Deno.test("decodePacket() throws on a header that is too long, not UTF-8 or not JSON", () => {
  const long = PACKET_HEADER_MAX_BYTES + 1;
  assertThrows(() => decodePacket(concat(u16be(long), new Uint8Array(long).fill(0x20))), DecodeError, "2049");
  assertThrows(() => decodePacket(concat(u16be(1), Uint8Array.of(0xff))), DecodeError, "UTF-8");
  assertThrows(() => decodePacket(concat(u16be(1), utf8("{"))), DecodeError, "JSON");
  assertThrows(() => decodePacket(new Uint8Array(PACKET_MAX_BYTES + 1)), DecodeError, "49153");
});

Deno.test("encodePacket() takes the longest packet and refuses one byte more", () => {
  const room = PACKET_MAX_BYTES - 2 - "{}".length;
  assertEquals(encodePacket({}, new Uint8Array(room)).length, PACKET_MAX_BYTES);
  assertThrows(() => encodePacket({}, new Uint8Array(room + 1)), RangeError);
  assertThrows(() => encodePacket({ x: "x".repeat(PACKET_HEADER_MAX_BYTES) }), RangeError);
});

Deno.test("decodeRun() gives back what encodeRun() took, and no cut of a run passes for a whole one", () => {
  fc.assert(
    fc.property(fc.array(bodies, { minLength: 1, maxLength: 6 }), (packets) => {
      const run = encodeRun(packets);
      assertEquals(decodeRun(run).map((packet) => [...packet]), packets.map((packet) => [...packet]));
      const ends = new Set<number>();
      let end = 0;
      for (const packet of packets) ends.add(end += 4 + packet.length);
      for (let cut = 0; cut < run.length; cut++) {
        if (!ends.has(cut)) assertThrows(() => decodeRun(run.subarray(0, cut)), DecodeError);
      }
    }),
    { numRuns: 30 },
  );
});

Deno.test("decodeRun() throws nothing but DecodeError on random bytes, and what it gives re-encodes to itself", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      try {
        assertEquals([...encodeRun(decodeRun(bytes))], [...bytes]);
      } catch (error) {
        assertInstanceOf(error, DecodeError);
      }
    }),
    { numRuns: 1000 },
  );
  // Lengths that fit are rare among random bytes.
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(5), fc.uint8Array({ maxLength: 5 }))), (parts) => {
      const bytes = concat(...parts.map(([length, body]) => concat(u32be(length), body)));
      try {
        assertEquals([...encodeRun(decodeRun(bytes))], [...bytes]);
      } catch (error) {
        assertInstanceOf(error, DecodeError);
      }
    }),
    { numRuns: 1000 },
  );
});

Deno.test("decodeRun() throws on a packet above the bound before it looks for its bytes", () => {
  assertThrows(() => decodeRun(u32be(PACKET_MAX_BYTES + 1)), DecodeError, "49153");
});
