// Aim: what decrypts is still checked: only the one shape of a text is taken, and nothing but DecodeError comes out.
import { assertEquals, assertThrows } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import fc from "fast-check";
import { DecodeError } from "../../lib/bytes/errors.ts";
import { type Bytes, U64_MAX } from "../../lib/bytes/writer.ts";
import {
  type Content,
  decodeContent,
  encodeContent,
  RECEIPT_BOXES_MAX,
  TOPIC_MAX_CHARS,
} from "../../lib/chat/content.ts";
import { PADDED_SIZES } from "../../lib/e2ee/padding.ts";
import { encodePlaintext, TEXT_MAX_BYTES } from "../../lib/e2ee/plaintext.ts";

const ID = "0123456789abcdef0123456789abcdef";
const ROOM = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRSA";
const TEXT = fc.string({ unit: "binary", maxLength: 200 }).map((text) => text.toWellFormed());
const BASE = { id: fc.stringMatching(/^[0-9a-f]{32}$/), sentAtMs: fc.maxSafeNat(), text: TEXT };
const PRIVATE = { ...BASE, room: fc.constant(null) };
const CONTENT: fc.Arbitrary<Content> = fc.oneof(
  fc.record({ kind: fc.constant("text" as const), ...PRIVATE }),
  receipts(),
  fc.record({
    kind: fc.constant("invitation" as const),
    ...PRIVATE,
    to: fc.stringMatching(/^[A-Z2-7]{51}[AQ]$/),
    topic: TEXT,
    text: fc.stringMatching(/^[a-z][a-z0-9]{0,20}$/),
  }),
  fc.record({
    kind: fc.constantFrom("text" as const, "topic" as const),
    ...BASE,
    claims: fc.record({
      m: fc.integer({ min: 1, max: U64_MAX }),
      tally: fc.record({
        count: fc.maxSafeNat(),
        digest: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => new Uint8Array(bytes)),
      }),
    }),
  }),
);

function receipts() {
  const box = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => encodeHex(bytes));
  return fc.tuple(
    fc.record({ ...PRIVATE, text: fc.constant("") }),
    fc.uniqueArray(box, { minLength: 1, maxLength: RECEIPT_BOXES_MAX }),
    fc.nat(RECEIPT_BOXES_MAX),
  ).map(([base, boxes, at]) => {
    return { kind: "receipt" as const, ...base, delivered: boxes.slice(0, at), read: boxes.slice(at) };
  });
}

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
  const head = { kind: "text", id: ID, room: null, sentAt: 1 };
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
      { room: ROOM },
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

Deno.test("decodeContent() takes no invitation and no room text of another shape", () => {
  const invitation = { kind: "invitation", id: ID, room: null, sentAt: 1, to: ROOM, topic: "" };
  const said = { kind: "text", id: ID, sentAt: 1, m: 1, count: 0, digest: "A".repeat(43) };
  const decode = (head: object, text = "hi") => decodeContent(encodePlaintext({ head, text }));
  assertEquals([decode(invitation).kind, decode(said).kind], ["invitation", "text"]);
  const bad = [
    ...["lobby", `${ROOM}A`, ROOM.replace(/A$/, "B"), undefined].map((to) => ({ ...invitation, to })), // B: a stray bit
    ...["x".repeat(TOPIC_MAX_CHARS + 1), undefined, 7].map((topic) => ({ ...invitation, topic })),
    ...[0, -1, 1.5, "1", undefined, U64_MAX + 1].map((m) => ({ ...said, m })),
    ...[-1, 1.5, undefined].map((count) => ({ ...said, count })),
    ...["A".repeat(42), "A".repeat(44), "A".repeat(42) + "B", undefined].map((digest) => ({ ...said, digest })),
  ];
  for (const head of bad) assertThrows(() => decode(head), DecodeError);
  for (const name of ["", "two words", "#den", "x".repeat(200), "bo\u202eb"]) {
    assertThrows(() => decode(invitation, name), DecodeError);
  }
  const long = encodePlaintext({ head: { ...said, kind: "topic" }, text: "x".repeat(TOPIC_MAX_CHARS + 1) });
  assertThrows(() => decodeContent(long), DecodeError);
});

Deno.test("encodeContent() refuses a text above 16 KiB, decodeContent() too", () => {
  const content = { kind: "text", id: ID, room: null, sentAtMs: 0, text: "x".repeat(TEXT_MAX_BYTES) } as const;
  assertEquals(decodeContent(encodeContent(content)), content);
  assertThrows(() => encodeContent({ ...content, text: content.text + "x" }), RangeError);
  const longer = new Uint8Array([...encodeContent(content), 0x78]);
  assertThrows(() => decodeContent(longer), DecodeError);
});

Deno.test("decodeContent() takes no receipt that names nothing, too much, one box twice, or says something", () => {
  const box = (i: number) => "A".repeat(40) + ["AA", "AB", "AC", "AD"][i % 4] + "AEIMQUYcgkosw048"[Math.floor(i / 4)];
  const boxes = Array.from({ length: 64 }, (_, i) => box(i));
  const head = { kind: "receipt", id: ID, room: null, sentAt: 1, delivered: boxes, read: [] as unknown[] };
  const of = (changes: object, text = "") => encodePlaintext({ head: { ...head, ...changes }, text });
  assertEquals(decodeContent(of({})).kind, "receipt");
  const bad = [
    of({ delivered: [] }),
    of({ read: [`${"B".repeat(42)}A`] }),
    of({ delivered: [box(0), box(0)] }),
    of({ delivered: [box(0)], read: [box(0)] }),
    of({ delivered: [`${"A".repeat(42)}B`] }), // more than 32 bytes' bits
    of({ delivered: [`${"A".repeat(41)}A`] }),
    of({ delivered: [1] }),
    of({ delivered: { 0: box(0) } }),
    of({ read: undefined }),
    of({ room: "lobby" }),
    of({}, "hello"),
  ];
  for (const plaintext of bad) assertThrows(() => decodeContent(plaintext), DecodeError);
});

Deno.test("a receipt for one text is padded like a short text, and one for 64 like a page", () => {
  const base = { id: ID, sentAtMs: Date.UTC(2026, 0, 1), room: null };
  const boxes = Array.from({ length: RECEIPT_BOXES_MAX }, (_, i) => i.toString(16).padStart(64, "0"));
  const receipt = (delivered: string[]) => encodeContent({ ...base, kind: "receipt", text: "", delivered, read: [] });
  const paddedSize = ({ length }: Bytes) => PADDED_SIZES.find((size) => size >= length + 4);
  assertEquals(
    paddedSize(receipt(boxes.slice(0, 1))),
    paddedSize(encodeContent({ ...base, kind: "text", text: "hello" })),
  );
  assertEquals(paddedSize(receipt(boxes)), 4096);
});
