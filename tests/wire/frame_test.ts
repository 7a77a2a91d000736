// Aim: a frame is the same however the stream is cut, and a hostile length costs nothing.
import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import fc from "fast-check";
import { DecodeError } from "../../lib/bytes/errors.ts";
import { concat, u32be } from "../../lib/bytes/writer.ts";
import {
  encodeFrame,
  FrameDecoder,
  HANDSHAKE_FRAME_MAX_BYTES,
  TRANSPORT_FRAME_MAX_BYTES,
} from "../../lib/wire/frame.ts";

const bodies = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300, size: "max" }), { maxLength: 8 });

function decodeInSteps(stream: Uint8Array, stepBytes: number): Uint8Array[] {
  const decoder = new FrameDecoder(TRANSPORT_FRAME_MAX_BYTES);
  const found: Uint8Array[] = [];
  for (let offset = 0; offset < stream.length; offset += stepBytes) {
    decoder.push(stream.subarray(offset, offset + stepBytes));
    for (let body = decoder.next(); body !== undefined; body = decoder.next()) found.push(body);
  }
  assertEquals(decoder.isMidFrame, false);
  return found;
}

Deno.test("FrameDecoder.next() gives the same bodies when the stream is cut in steps of 1, 2, 3 and whole", () => {
  fc.assert(fc.property(bodies, (list) => {
    const stream = concat(...list.map(encodeFrame));
    for (const step of [1, 2, 3, Math.max(1, stream.length)]) {
      assertEquals(decodeInSteps(stream, step).map((body) => [...body]), list.map((body) => [...body]));
    }
  }));
});

Deno.test("FrameDecoder.next() answers undefined and keeps the bytes when a frame is cut short", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 100 }), (body) => {
      const frame = encodeFrame(body);
      for (let cut = 0; cut < frame.length; cut++) {
        const decoder = new FrameDecoder(TRANSPORT_FRAME_MAX_BYTES);
        decoder.push(frame.subarray(0, cut));
        assertEquals(decoder.next(), undefined);
        assertEquals(decoder.isMidFrame, cut > 0);
        decoder.push(frame.subarray(cut));
        assertEquals([...decoder.next() ?? []], [...body]);
      }
    }),
    { numRuns: 20 },
  );
});

Deno.test("FrameDecoder.next() throws on an empty body", () => {
  const decoder = new FrameDecoder(TRANSPORT_FRAME_MAX_BYTES);
  decoder.push(u32be(0));
  assertThrows(() => decoder.next(), DecodeError, "empty");
});

Deno.test("FrameDecoder.next() throws on a length above the bound as soon as its four bytes are there", () => {
  for (const [max, length] of [[HANDSHAKE_FRAME_MAX_BYTES, 4097], [TRANSPORT_FRAME_MAX_BYTES, 65_536]] as const) {
    const decoder = new FrameDecoder(max);
    decoder.push(u32be(length).subarray(0, 3));
    assertEquals(decoder.next(), undefined);
    decoder.push(u32be(length).subarray(3));
    assertThrows(() => decoder.next(), DecodeError, String(length));
  }
});

Deno.test("FrameDecoder.next() takes bodies of exactly the bound, also after setMaxBytes()", () => {
  const decoder = new FrameDecoder(HANDSHAKE_FRAME_MAX_BYTES);
  decoder.push(encodeFrame(new Uint8Array(HANDSHAKE_FRAME_MAX_BYTES)));
  assertEquals(decoder.next()?.length, HANDSHAKE_FRAME_MAX_BYTES);
  decoder.setMaxBytes(TRANSPORT_FRAME_MAX_BYTES);
  decoder.push(encodeFrame(new Uint8Array(TRANSPORT_FRAME_MAX_BYTES)));
  assertEquals(decoder.next()?.length, TRANSPORT_FRAME_MAX_BYTES);
});

Deno.test("FrameDecoder.next() takes the longest frame byte by byte", () => {
  const body = new Uint8Array(TRANSPORT_FRAME_MAX_BYTES).fill(7);
  assertEquals(decodeInSteps(encodeFrame(body), 1).map((found) => found.length), [body.length]);
});

Deno.test("FrameDecoder.next() throws nothing but DecodeError on random bytes, and what it gives re-encodes", () => {
  // Lengths that fit are rare among random bytes.
  const likely = fc.tuple(fc.nat(18), fc.uint8Array({ maxLength: 18 })).map(([length, body]) =>
    concat(u32be(length), body)
  );
  const whole = fc.uint8Array({ minLength: 1, maxLength: 16 }).map(encodeFrame);
  fc.assert(
    fc.property(fc.array(fc.oneof(whole, likely, fc.uint8Array({ maxLength: 6 }))), (chunks) => {
      const decoder = new FrameDecoder(16);
      const fed: Uint8Array[] = [];
      let taken = 0;
      try {
        for (const chunk of chunks) {
          decoder.push(chunk);
          fed.push(chunk);
          for (let body = decoder.next(); body !== undefined; body = decoder.next()) {
            const frame = encodeFrame(body);
            assertEquals([...frame], [...concat(...fed).subarray(taken, taken + frame.length)]);
            taken += frame.length;
          }
        }
      } catch (error) {
        assertInstanceOf(error, DecodeError);
      }
    }),
    { numRuns: 1000 },
  );
});

Deno.test("encodeFrame() throws when the body is empty or too long", () => {
  assertThrows(() => encodeFrame(new Uint8Array(0)), RangeError);
  assertThrows(() => encodeFrame(new Uint8Array(TRANSPORT_FRAME_MAX_BYTES + 1)), RangeError);
});
