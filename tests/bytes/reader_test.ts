// Aim: what the writer wrote is read back exactly, and a length that lies is an error before anything is cut.
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { DecodeError } from "../../lib/bytes/errors.ts";
import { ByteReader, fromUtf8 } from "../../lib/bytes/reader.ts";
import { type Bytes, concat, lv, u16be, u32be, U64_MAX, u64be, u8, utf8 } from "../../lib/bytes/writer.ts";

type Field =
  | { readonly kind: "u8" | "u16" | "u32" | "u64"; readonly value: number }
  | { readonly kind: "take" | "lv" | "lvExactly"; readonly value: Bytes };

const LV_MAX_BYTES = 400;
const FIELD_BYTES = fc.uint8Array({ maxLength: LV_MAX_BYTES, size: "max" }).map((bytes) => bytes.slice());
const FIELD: fc.Arbitrary<Field> = fc.oneof(
  fc.record({ kind: fc.constant("u8" as const), value: fc.integer({ min: 0, max: 0xff }) }),
  fc.record({ kind: fc.constant("u16" as const), value: fc.integer({ min: 0, max: 0xffff }) }),
  fc.record({ kind: fc.constant("u32" as const), value: fc.integer({ min: 0, max: 0xffffffff }) }),
  fc.record({ kind: fc.constant("u64" as const), value: fc.maxSafeNat() }),
  fc.record({ kind: fc.constantFrom("take" as const, "lv" as const, "lvExactly" as const), value: FIELD_BYTES }),
);

function write(field: Field): Bytes {
  switch (field.kind) {
    case "u8":
      return u8(field.value);
    case "u16":
      return u16be(field.value);
    case "u32":
      return u32be(field.value);
    case "u64":
      return u64be(field.value);
    case "take":
      return field.value;
    case "lv":
    case "lvExactly":
      return lv(field.value);
  }
}

function read(reader: ByteReader, like: Field): number | Bytes {
  switch (like.kind) {
    case "take":
    case "lvExactly":
      return reader[like.kind](like.value.length);
    case "lv":
      return reader.lv(LV_MAX_BYTES);
    default:
      return reader[like.kind]();
  }
}

Deno.test("ByteReader reads back what the writer wrote, and re-encodes to the same bytes", () => {
  fc.assert(fc.property(fc.array(FIELD, { maxLength: 12 }), (fields) => {
    const bytes = concat(...fields.map(write));
    const reader = new ByteReader(bytes, "test");
    const values = fields.map((field) => read(reader, field));
    reader.end();
    assertEquals(values, fields.map(({ value }) => value));
    const again = fields.map((field, i) => write({ ...field, value: values[i] } as Field));
    assertEquals(concat(...again), bytes);
  }));
});

Deno.test("ByteReader refuses every truncation with a DecodeError", () => {
  fc.assert(
    fc.property(fc.array(FIELD, { minLength: 1, maxLength: 4 }), fc.nat(), (fields, random) => {
      const bytes = concat(...fields.map(write));
      fc.pre(bytes.length > 0);
      const reader = new ByteReader(bytes.subarray(0, random % bytes.length), "test");
      assertThrows(() => fields.forEach((field) => read(reader, field)), DecodeError, "Cannot decode test");
    }),
  );
});

Deno.test("ByteReader on random bytes gives values or a DecodeError, and never reads past the end", () => {
  const calls = fc.array(fc.constantFrom("u8", "u16", "u32", "u64", "lv", "take", "end"), { maxLength: 20 });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100, size: "max" }), calls, (bytes, names) => {
      const reader = new ByteReader(bytes, "test");
      for (const name of names) {
        const before = reader.remaining;
        try {
          if (name === "lv" || name === "take") reader[name](7);
          else (reader[name as "u8"])();
        } catch (error) {
          assert(error instanceof DecodeError);
          return;
        }
        assert(reader.remaining >= 0 && reader.remaining <= before);
      }
    }),
    { numRuns: 1_000 },
  );
});

Deno.test("ByteReader reads a view inside a larger buffer", () => {
  const inner = concat(u8(9), u16be(1), u32be(2), u64be(3), lv(utf8("x"))).subarray(1);
  const reader = new ByteReader(inner, "test");
  assertEquals([reader.u16(), reader.u32(), reader.u64()], [1, 2, 3]);
  assertEquals(reader.lv(1), utf8("x"));
  reader.end();
});

Deno.test("ByteReader.take(), lv() and rest() give copies", () => {
  const bytes = concat(utf8("ab"), lv(utf8("cd")), utf8("ef"));
  const reader = new ByteReader(bytes, "test");
  const taken = [reader.take(2), reader.lv(2), reader.rest()];
  bytes.fill(0);
  assertEquals(taken, [utf8("ab"), utf8("cd"), utf8("ef")]);
});

Deno.test("ByteReader.take() refuses lengths that are not whole numbers from 0 up", () => {
  for (const lengthBytes of [-1, 0.5, Number.NaN]) {
    const reader = new ByteReader(new Uint8Array(8), "test");
    assertThrows(() => reader.take(lengthBytes), RangeError);
    assertEquals(reader.remaining, 8);
  }
});

Deno.test("ByteReader.u64() takes 2^53 - 1 and refuses 2^53", () => {
  assertEquals(new ByteReader(u64be(U64_MAX), "test").u64(), U64_MAX);
  const tooLarge = Uint8Array.of(0, 0x20, 0, 0, 0, 0, 0, 0);
  assertThrows(() => new ByteReader(tooLarge, "test").u64(), DecodeError, "above 2^53 - 1");
  assertThrows(() => new ByteReader(new Uint8Array(8).fill(0xff), "test").u64(), DecodeError);
});

Deno.test("ByteReader.lv() refuses a length above its bound before it looks for the bytes", () => {
  const reader = new ByteReader(concat(u32be(0xffffffff), utf8("x")), "roster");
  assertThrows(() => reader.lv(10), DecodeError, "Cannot decode roster: a field of 4294967295 bytes is above 10");
  assertEquals(new ByteReader(lv(new Uint8Array(10)), "test").lv(10).length, 10);
  assertThrows(() => new ByteReader(lv(new Uint8Array(11)), "test").lv(10), DecodeError, "above 10");
});

Deno.test("ByteReader.lvExactly() refuses one byte less and one more", () => {
  assertEquals(new ByteReader(lv(new Uint8Array(32)), "test").lvExactly(32).length, 32);
  for (const lengthBytes of [0, 31, 33]) {
    const reader = new ByteReader(lv(new Uint8Array(lengthBytes)), "test");
    assertThrows(() => reader.lvExactly(32), DecodeError, `a field has ${lengthBytes} bytes, not 32`);
  }
});

Deno.test("ByteReader.end() refuses trailing bytes", () => {
  const reader = new ByteReader(utf8("abc"), "test");
  assertThrows(() => reader.end(), DecodeError, "3 bytes follow its end");
  reader.rest();
  reader.end();
  assertEquals(reader.rest(), new Uint8Array(0));
});

Deno.test("fromUtf8() gives back any well-formed text, a byte order mark included", () => {
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 200, size: "max" }), (text) => {
    assertEquals(fromUtf8(utf8(text)), text.toWellFormed());
  }));
  assertEquals(fromUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61)), "\ufeffa");
});

Deno.test("fromUtf8() refuses overlong, surrogate, cut and stray bytes", () => {
  const broken = [[0xc0, 0x80], [0xed, 0xa0, 0x80], [0xe2, 0x82], [0x80], [0xff], [0xf4, 0x90, 0x80, 0x80]];
  for (const bytes of broken) assertThrows(() => fromUtf8(Uint8Array.from(bytes)), DecodeError, "not UTF-8");
});

Deno.test("fromUtf8() re-encodes to itself whatever it takes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 8, size: "max" }), (bytes) => {
      try {
        assertEquals(utf8(fromUtf8(bytes)), bytes.slice());
      } catch (error) {
        assert(error instanceof DecodeError);
      }
    }),
    { numRuns: 2_000 },
  );
});
