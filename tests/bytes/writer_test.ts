import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { concat, label, lv, lvCat, u16be, u32be, U64_MAX, u64be, u8, utf8 } from "../../lib/bytes/writer.ts";

const BYTES = fc.uint8Array({ maxLength: 300, size: "max" });

Deno.test("u8(), u16be(), u32be() and u64be() write big endian", () => {
  assertEquals(u8(0xfe), Uint8Array.of(0xfe));
  assertEquals(u16be(0xfe01), Uint8Array.of(0xfe, 1));
  assertEquals(u32be(0xfe010203), Uint8Array.of(0xfe, 1, 2, 3));
  assertEquals(u64be(0x1f_0102_0304_0506), Uint8Array.of(0, 0x1f, 1, 2, 3, 4, 5, 6));
});

Deno.test("u8(), u16be(), u32be() and u64be() take their whole range and throw outside it", () => {
  for (
    const [write, max] of [[u8, 2 ** 8 - 1], [u16be, 2 ** 16 - 1], [u32be, 2 ** 32 - 1], [u64be, U64_MAX]] as const
  ) {
    assertEquals(write(0).every((byte) => byte === 0), true);
    assertEquals(write(max).at(-1), 0xff);
    for (const value of [-1, -0.5, 0.5, max + 1, Number.NaN, Number.POSITIVE_INFINITY]) {
      assertThrows(() => write(value), RangeError, "Cannot encode number");
    }
  }
});

Deno.test("u64be() writes what DataView writes", () => {
  fc.assert(fc.property(fc.maxSafeNat(), (value) => {
    const expected = new Uint8Array(8);
    new DataView(expected.buffer).setBigUint64(0, BigInt(value));
    assertEquals(u64be(value), expected);
  }));
});

Deno.test("concat() keeps order and length, and copies", () => {
  fc.assert(fc.property(fc.array(BYTES, { maxLength: 8 }), (parts) => {
    assertEquals([...concat(...parts)], parts.flatMap((part) => [...part]));
  }));
  const source = utf8("abc");
  const joined = concat(source);
  source[0] = 0;
  assertEquals(joined, utf8("abc"));
});

Deno.test("lv() puts four bytes of length in front", () => {
  assertEquals(lv(utf8("abc")), Uint8Array.of(0, 0, 0, 3, 0x61, 0x62, 0x63));
  assertEquals(lv(new Uint8Array(0)), Uint8Array.of(0, 0, 0, 0));
  assertEquals(lvCat(), new Uint8Array(0));
});

Deno.test("lvCat() never gives two lists of fields the same bytes", () => {
  assertNotEquals(lvCat(utf8("ab"), utf8("c")), lvCat(utf8("a"), utf8("bc")));
  const fields = fc.array(fc.uint8Array({ maxLength: 3 }), { maxLength: 4 });
  fc.assert(
    fc.property(fields, fields, (a, b) => {
      const isSameList = JSON.stringify(a.map((field) => [...field])) === JSON.stringify(b.map((field) => [...field]));
      assertEquals(lvCat(...a).join() === lvCat(...b).join(), isSameList);
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("utf8() writes U+FFFD for a lone surrogate", () => {
  assertEquals(utf8("\ud800"), Uint8Array.of(0xef, 0xbf, 0xbd));
  assertEquals(utf8("é"), Uint8Array.of(0xc3, 0xa9));
});

Deno.test("label() ends in a zero byte, so that no label starts another", () => {
  assertEquals(label("x3dh"), utf8("sotto/1 x3dh\0"));
  assertNotEquals(label("x3dh ad").slice(0, label("x3dh").length), label("x3dh"));
});
