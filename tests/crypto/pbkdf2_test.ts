import { assertEquals, assertRejects } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import { pbkdf2Sync } from "node:crypto";
import { utf8 } from "../../lib/bytes/writer.ts";
import { pbkdf2Sha256 } from "../../lib/crypto/pbkdf2.ts";
import { secureRandom } from "../../lib/crypto/random.ts";

Deno.test("pbkdf2Sha256() gives the vectors of RFC 7914 §11", async () => {
  const salted = (salt: string, iterations: number) => ({ salt: utf8(salt), iterations, lengthBytes: 64 });
  assertEquals(
    encodeHex(await pbkdf2Sha256(utf8("passwd"), salted("salt", 1))),
    "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc" +
      "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783",
  );
  assertEquals(
    encodeHex(await pbkdf2Sha256(utf8("Password"), salted("NaCl", 80_000))),
    "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56" +
      "a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d",
  );
});

Deno.test("pbkdf2Sha256() agrees with node:crypto for other lengths", async () => {
  for (const lengthBytes of [1, 31, 32, 33, 100]) {
    for (const passwordBytes of [1, 63, 64, 65, 1_024]) {
      const [password, salt] = [secureRandom(passwordBytes), secureRandom(16)];
      const expected = new Uint8Array(pbkdf2Sync(password, salt, 7, lengthBytes, "sha256"));
      assertEquals(await pbkdf2Sha256(password, { salt, iterations: 7, lengthBytes }), expected);
    }
  }
});

Deno.test("pbkdf2Sha256() refuses an empty password and numbers out of range", async () => {
  const options = { salt: secureRandom(16), iterations: 1, lengthBytes: 32 };
  await assertRejects(() => pbkdf2Sha256(utf8(""), options), RangeError, "empty");
  for (const iterations of [0, -1, 1.5, NaN, 2 ** 32]) {
    await assertRejects(() => pbkdf2Sha256(utf8("x"), { ...options, iterations }), RangeError, "iterations");
  }
  for (const lengthBytes of [0, -1, 1.5, NaN]) {
    await assertRejects(() => pbkdf2Sha256(utf8("x"), { ...options, lengthBytes }), RangeError, "bytes");
  }
});
