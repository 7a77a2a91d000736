import { assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { createCipheriv, createHash, hkdfSync } from "node:crypto";
import { AuthError } from "../../lib/bytes/errors.ts";
import { type Bytes, concat, u8, utf8 } from "../../lib/bytes/writer.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { pad } from "../../lib/e2ee/padding.ts";
import { open, seal, SEALED_MAX_BYTES } from "../../lib/e2ee/seal.ts";
import { flipped } from "./_people.ts";

const KEY = secureRandom(32);
const AAD = utf8("aad");

/** K || C as PROTOCOL §0.5 has them, computed by node:crypto. */
function keysOf(messageKey: Bytes, salt: Bytes): Bytes {
  return new Uint8Array(hkdfSync("sha256", messageKey, salt, utf8("sotto/1 msg\0"), 64));
}

Deno.test("seal() gives salt, commitment and AES-256-GCM of the padded plaintext", async () => {
  const salt = secureRandom(16);
  const sealed = await seal(KEY, utf8("hello"), { aad: AAD, random: () => salt });
  const keys = keysOf(KEY, salt);
  const cipher = createCipheriv("aes-256-gcm", keys.slice(0, 32), new Uint8Array(12)).setAAD(AAD);
  const ciphertext = concat(cipher.update(pad(utf8("hello"))), cipher.final(), cipher.getAuthTag());
  assertEquals(sealed, concat(salt, keys.slice(32), ciphertext));
});

Deno.test("open() gives back what seal() took, from nothing to the longest", async () => {
  for (const length of [0, 1, 60, 61, 252, 253, 32_764]) {
    const plaintext = secureRandom(length);
    const sealed = await seal(KEY, plaintext, { aad: AAD });
    assertEquals(await open(KEY, sealed, { aad: AAD }), plaintext);
  }
  assertEquals((await seal(KEY, new Uint8Array(32_764), { aad: AAD })).length, SEALED_MAX_BYTES);
  await assertRejects(() => seal(KEY, new Uint8Array(32_765), { aad: AAD }), RangeError);
});

Deno.test("open() refuses every flipped byte, every other length, other aad and other keys", async () => {
  const sealed = await seal(KEY, utf8("hello"), { aad: AAD });
  for (let i = 0; i < sealed.length; i++) {
    await assertRejects(() => open(KEY, flipped(sealed, i), { aad: AAD }), AuthError);
    await assertRejects(() => open(KEY, sealed.slice(0, i), { aad: AAD }), AuthError);
  }
  await assertRejects(() => open(KEY, concat(sealed, u8(0)), { aad: AAD }), AuthError);
  await assertRejects(() => open(KEY, new Uint8Array(SEALED_MAX_BYTES + 1), { aad: AAD }), AuthError);
  await assertRejects(() => open(KEY, sealed, { aad: utf8("other") }), AuthError);
  await assertRejects(() => open(secureRandom(32), sealed, { aad: AAD }), AuthError);
});

Deno.test("open() refuses a right tag under a commitment of another key", async () => {
  const sealed = await seal(KEY, utf8("hello"), { aad: AAD });
  const other = keysOf(secureRandom(32), sealed.slice(0, 16)).slice(32);
  const forged = concat(sealed.slice(0, 16), other, sealed.slice(48));
  await assertRejects(() => open(KEY, forged, { aad: AAD }), AuthError, "commitment");
});

Deno.test("open() refuses wrong padding under a right tag", async () => {
  const salt = secureRandom(16);
  const keys = keysOf(KEY, salt);
  const padded = pad(utf8("hello"));
  padded[63] = 1;
  const cipher = createCipheriv("aes-256-gcm", keys.slice(0, 32), new Uint8Array(12)).setAAD(AAD);
  const ciphertext = concat(cipher.update(padded), cipher.final(), cipher.getAuthTag());
  await assertRejects(() => open(KEY, concat(salt, keys.slice(32), ciphertext), { aad: AAD }), AuthError, "filler");
});

Deno.test("seal() never repeats (key, iv), even for the same key and plaintext", async () => {
  const used = new Set<string>();
  for (let i = 0; i < 500; i++) {
    const sealed = await seal(KEY, utf8("hello"), { aad: AAD });
    const key = keysOf(KEY, sealed.slice(0, 16)).slice(0, 32);
    used.add(createHash("sha256").update(concat(key, new Uint8Array(12))).digest("hex"));
  }
  assertEquals(used.size, 500);
});

Deno.test("seal() and open() refuse keys that are not 32 bytes", async () => {
  const sealed = await seal(KEY, utf8("hello"), { aad: AAD });
  for (const length of [0, 31, 33]) {
    await assertRejects(() => seal(new Uint8Array(length), utf8("hello"), { aad: AAD }), RangeError);
    await assertRejects(() => open(new Uint8Array(length), sealed, { aad: AAD }), RangeError);
  }
  assertNotEquals(sealed, await seal(KEY, utf8("hello"), { aad: AAD }));
});
