// Aim: what decrypts is still checked: only the one shape of a text is taken, and nothing but DecodeError comes out.
import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { DecodeError } from "../../lib/bytes/errors.ts";
import { type Bytes, U64_MAX } from "../../lib/bytes/writer.ts";
import { type Content, decodeContent, encodeContent } from "../../lib/chat/content.ts";
import { encodePlaintext, TEXT_MAX_BYTES } from "../../lib/e2ee/plaintext.ts";

const ID = "0123456789abcdef0123456789abcdef";
const ROOM = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRSA";
const CONTENT: fc.Arbitrary<Content> = fc.record({
  id: fc.stringMatching(/^[0-9a-f]{32}$/),
  room: fc.option(fc.stringMatching(/^[A-Z2-7]{51}[AQ]$/)),
  sentAtMs: fc.maxSafeNat(),
  text: fc.string({ unit: "binary", maxLength: 200 }).map((text) => text.toWellFormed()),
});

/** Decodes, and checks that what decodes means the same again; `undefined` when it is refused as it should be. */
function decodeStrictly(plaintext: Bytes): Content | undefined {
  try {
    const content = decodeContent(plaintext);
    assertEquals(decodeContent(encodeContent(content)), content);
    return content;
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

Deno.test("decodeContent() gives back what encodeContent() took, and it re-encodes to the same bytes", () => {
  fc.assert(fc.property(CONTENT, (content) => {
    const encoded = encodeContent(content);
    assertEquals(decodeContent(encoded), content);
    assertEquals(encodeContent(decodeContent(encoded)), encoded);
  }));
});

Deno.test("decodeContent() refuses a cut in the head, and gives DecodeError alone for flipped and random bytes", () => {
  fc.assert(
    fc.property(CONTENT, fc.nat(), fc.integer({ min: 1, max: 255 }), (content, at, mask) => {
      const encoded = encodeContent(content);
      const headEnd = 2 + new DataView(encoded.buffer).getUint16(0);
      for (let length = 0; length < headEnd; length += 7) {
        assertThrows(() => decodeContent(encoded.slice(0, length)), DecodeError);
      }
      const index = at % encoded.length;
      encoded[index] = (encoded[index] as number) ^ mask;
      decodeStrictly(encoded);
    }),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ size: "max", maxLength: 400 }), (bytes) => {
      decodeStrictly(new Uint8Array(bytes));
    }),
    { numRuns: 500 },
  );
});

Deno.test("decodeContent() takes no head of another shape, whatever JSON it is", () => {
  const head = { kind: "text", id: ID, room: ROOM, sentAt: 1 };
  const good = (changes: object) => encodePlaintext({ head: { ...head, ...changes }, text: "hi" });
  assertEquals(decodeContent(good({})).text, "hi");
  assertEquals(decodeContent(good({ later: "a field of a later version" })).id, ID);
  for (
    const changes of [
      { kind: "file" },
      { kind: undefined },
      { id: ID.toUpperCase() },
      { id: ID + "0" },
      { id: 7 },
      { room: undefined },
      { room: "lobby" },
      { room: `${ROOM}A` },
      { room: ROOM.replace(/A$/, "B") }, // the last character carries a single bit
      { sentAt: -1 },
      { sentAt: 1.5 },
      { sentAt: U64_MAX + 1 },
      { sentAt: "1" },
      { sentAt: null },
    ]
  ) assertThrows(() => decodeContent(good(changes)), DecodeError);
  fc.assert(fc.property(fc.jsonValue(), (value) => {
    assertEquals(decodeStrictly(encodePlaintext({ head: value, text: "" })), undefined);
  }));
});

Deno.test("encodeContent() refuses a text above 16 KiB, decodeContent() too", () => {
  const content = { id: ID, room: null, sentAtMs: 0, text: "x".repeat(TEXT_MAX_BYTES) };
  assertEquals(decodeContent(encodeContent(content)), content);
  assertThrows(() => encodeContent({ ...content, text: content.text + "x" }), RangeError);
  const longer = new Uint8Array([...encodeContent(content), 0x78]);
  assertThrows(() => decodeContent(longer), DecodeError);
});
