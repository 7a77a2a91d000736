import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { compareBytes, equalBytes } from "../../lib/bytes/equal.ts";
import { concat, utf8 } from "../../lib/bytes/writer.ts";

const BYTES = fc.uint8Array({ maxLength: 200, size: "max" });
/** Few values and short arrays, so that equal and nearly equal ones come up. */
const CLOSE = fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 4 }).map((numbers) => Uint8Array.from(numbers));

Deno.test("equalBytes() agrees with a comparison element by element", () => {
  fc.assert(fc.property(CLOSE, CLOSE, (a, b) => {
    assertEquals(equalBytes(a, b), a.join() === b.join());
  }));
  fc.assert(fc.property(BYTES, (a) => equalBytes(a, a.slice())));
});

Deno.test("equalBytes() finds any one flipped bit", () => {
  const bytes = utf8("some thirty-two bytes of a secret");
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const other = bytes.slice();
    other[bit >> 3] = (other[bit >> 3] as number) ^ (1 << (bit & 7));
    assertEquals(equalBytes(bytes, other), false);
  }
});

Deno.test("equalBytes() looks at the view and not at its buffer", () => {
  const buffer = utf8("xxabcxx");
  assertEquals(equalBytes(buffer.subarray(2, 5), utf8("abc")), true);
  assertEquals(equalBytes(utf8("abc"), utf8("abcd")), false);
  assertEquals(equalBytes(new Uint8Array(0), new Uint8Array(0)), true);
});

Deno.test("compareBytes() is 0 exactly for equal bytes, antisymmetric and transitive", () => {
  fc.assert(fc.property(CLOSE, CLOSE, CLOSE, (a, b, c) => {
    assertEquals(compareBytes(a, b) === 0, equalBytes(a, b));
    assertEquals(Math.sign(compareBytes(a, b)) + Math.sign(compareBytes(b, a)), 0);
    if (compareBytes(a, b) < 0 && compareBytes(b, c) < 0) assertEquals(compareBytes(a, c) < 0, true);
  }));
});

Deno.test("compareBytes() sorts unsigned, and a prefix before what it starts", () => {
  const sorted = [
    utf8(""),
    Uint8Array.of(0),
    Uint8Array.of(0, 0),
    Uint8Array.of(1),
    Uint8Array.of(127),
    Uint8Array.of(128),
  ];
  assertEquals(sorted.toReversed().sort(compareBytes), sorted);
  fc.assert(fc.property(BYTES, BYTES, (a, b) => b.length === 0 || compareBytes(a, concat(a, b)) < 0));
});
