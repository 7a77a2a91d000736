// Aim: AES-256-GCM as NIST has it, and no way around its nonce and tag lengths.
// Origin of the official vectors: C2SP/wycheproof testvectors_v1 @ dac1dd47, aes_gcm filtered to 256/96/128 bit.
import { assert, assertEquals, assertRejects } from "@std/assert";
import { decodeHex } from "@std/encoding/hex";
import fc from "fast-check";
import { AuthError } from "../../lib/bytes/errors.ts";
import { concat, utf8 } from "../../lib/bytes/writer.ts";
import { AEAD_NONCE_BYTES, AEAD_TAG_BYTES, aeadOpen, aeadSeal, importAeadKey } from "../../lib/crypto/aead.ts";
import { testWithOfficial } from "../support/vectors.ts";

interface AeadFile {
  readonly testGroups: readonly {
    readonly ivSize: number;
    readonly keySize: number;
    readonly tagSize: number;
    readonly tests: readonly AeadCase[];
  }[];
}

interface AeadCase {
  readonly tcId: number;
  readonly key: string;
  readonly iv: string;
  readonly aad: string;
  readonly msg: string;
  readonly ct: string;
  readonly tag: string;
  readonly result: "valid" | "invalid";
}

const KEY_BYTES = new Uint8Array(32).fill(7);
const NONCE = new Uint8Array(AEAD_NONCE_BYTES).fill(3);

testWithOfficial("aeadSeal() and aeadOpen() follow Wycheproof", "wycheproof_aes_gcm_test.json", async (text) => {
  const groups = (JSON.parse(text) as AeadFile).testGroups;
  let count = 0;
  for (const group of groups) {
    assertEquals([group.keySize, group.ivSize, group.tagSize], [256, 96, 128]);
    for (const test of group.tests) {
      const key = await importAeadKey(decodeHex(test.key));
      const options = { nonce: decodeHex(test.iv), aad: decodeHex(test.aad) };
      const sealed = decodeHex(test.ct + test.tag);
      if (test.result === "valid") {
        assertEquals(await aeadSeal(key, decodeHex(test.msg), options), sealed, `tcId ${test.tcId}`);
        assertEquals(await aeadOpen(key, sealed, options), decodeHex(test.msg), `tcId ${test.tcId}`);
      } else {
        await assertRejects(() => aeadOpen(key, sealed, options), AuthError);
      }
      count++;
    }
  }
  assert(count > 60, `${count} cases`);
});

Deno.test("importAeadKey() refuses keys of 0, 16, 31 and 33 bytes", async () => {
  for (const lengthBytes of [0, 16, 31, 33]) {
    await assertRejects(() => importAeadKey(new Uint8Array(lengthBytes)), RangeError, `${lengthBytes} bytes`);
  }
});

Deno.test("aeadSeal() and aeadOpen() refuse nonces of 0, 11, 13 and 16 bytes", async () => {
  const key = await importAeadKey(KEY_BYTES);
  for (const lengthBytes of [0, 11, 13, 16]) {
    const options = { nonce: new Uint8Array(lengthBytes), aad: utf8("") };
    await assertRejects(() => aeadSeal(key, utf8("text"), options), RangeError, `${lengthBytes} bytes`);
    await assertRejects(() => aeadOpen(key, new Uint8Array(32), options), RangeError, `${lengthBytes} bytes`);
  }
});

Deno.test("aeadOpen() refuses every flipped byte, every truncation, a byte more, other data, nonce and key", async () => {
  const key = await importAeadKey(KEY_BYTES);
  const options = { nonce: NONCE, aad: utf8("aad") };
  const sealed = await aeadSeal(key, utf8("text"), options);
  for (let i = 0; i < sealed.length; i++) {
    const forged = sealed.slice();
    forged[i] = (forged[i] as number) ^ 1;
    await assertRejects(() => aeadOpen(key, forged, options), AuthError);
    await assertRejects(() => aeadOpen(key, sealed.slice(0, i), options), AuthError);
  }
  await assertRejects(() => aeadOpen(key, concat(sealed, utf8("x")), options), AuthError);
  await assertRejects(() => aeadOpen(key, sealed, { ...options, aad: utf8("aae") }), AuthError);
  await assertRejects(() => aeadOpen(key, sealed, { ...options, nonce: new Uint8Array(12) }), AuthError);
  const other = await importAeadKey(new Uint8Array(32));
  const error = await assertRejects(() => aeadOpen(other, sealed, options), AuthError);
  assert(error.cause !== undefined, "the cause is kept");
});

Deno.test("aeadOpen() gives back what aeadSeal() took", async () => {
  const bytes = fc.uint8Array({ maxLength: 4_000, size: "max" });
  const fixed = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
  await fc.assert(
    fc.asyncProperty(fixed(32), fixed(12), bytes, bytes, async (keyBytes, nonce, aad, plaintext) => {
      const key = await importAeadKey(keyBytes.slice());
      const options = { nonce: nonce.slice(), aad: aad.slice() };
      const sealed = await aeadSeal(key, plaintext.slice(), options);
      assertEquals(sealed.length, plaintext.length + AEAD_TAG_BYTES);
      assertEquals(await aeadOpen(key, sealed, options), plaintext.slice());
    }),
  );
});
