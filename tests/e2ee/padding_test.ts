import { assertEquals, assertThrows } from "@std/assert";
import { AuthError } from "../../lib/bytes/errors.ts";
import { concat, u32be } from "../../lib/bytes/writer.ts";
import { pad, PADDED_SIZES, unpad } from "../../lib/e2ee/padding.ts";
import { secureRandom } from "../../lib/crypto/random.ts";

Deno.test("pad() takes the smallest size that fits, and unpad() gives the plaintext back", () => {
  let smallest = 0;
  for (const size of PADDED_SIZES) {
    for (const length of [smallest, smallest + 1, size - 5, size - 4]) {
      const plaintext = secureRandom(length);
      const padded = pad(plaintext);
      assertEquals(padded.length, size, `${length} bytes`);
      assertEquals(unpad(padded), plaintext);
    }
    smallest = size - 3;
  }
  assertThrows(() => pad(new Uint8Array(32_765)), RangeError);
});

Deno.test("unpad() refuses filler that is not zero, at every place", () => {
  const padded = pad(secureRandom(20));
  for (let i = 24; i < 64; i++) {
    const bad = padded.slice();
    bad[i] = 1;
    assertThrows(() => unpad(bad), AuthError);
  }
});

Deno.test("unpad() refuses sizes that are not the smallest that fits", () => {
  assertThrows(() => unpad(concat(u32be(60), new Uint8Array(252))), AuthError);
  assertThrows(() => unpad(concat(u32be(61), new Uint8Array(60))), AuthError);
  assertThrows(() => unpad(concat(u32be(0xffffffff), new Uint8Array(60))), AuthError);
  for (const length of [0, 3, 4, 63, 65]) assertThrows(() => unpad(new Uint8Array(length)), AuthError);
});
