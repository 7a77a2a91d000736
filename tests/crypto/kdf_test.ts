// Aim: HKDF-SHA256 as RFC 5869 has it, with its bound, and HMAC-SHA256 in agreement with it.
// Origins of the official vectors: C2SP/wycheproof testvectors_v1 @ dac1dd47; RFC 5869 as pyca/cryptography keeps it.
import { assertEquals, assertRejects } from "@std/assert";
import { decodeHex, encodeHex } from "@std/encoding/hex";
import fc from "fast-check";
import { type Bytes, concat, utf8 } from "../../lib/bytes/writer.ts";
import { sha256 } from "../../lib/crypto/hash.ts";
import { hkdf, hmacSha256 } from "../../lib/crypto/kdf.ts";
import { parseBlocks, testWithOfficial } from "../support/vectors.ts";

interface HkdfFile {
  readonly testGroups: readonly {
    readonly tests: readonly {
      readonly tcId: number;
      readonly ikm: string;
      readonly salt: string;
      readonly info: string;
      readonly size: number;
      readonly okm: string;
      readonly result: "valid" | "invalid";
    }[];
  }[];
}

testWithOfficial("hkdf() follows Wycheproof", "wycheproof_hkdf_sha256_test.json", async (text) => {
  const counts = { valid: 0, invalid: 0 };
  for (const test of (JSON.parse(text) as HkdfFile).testGroups.flatMap(({ tests }) => tests)) {
    const options = { salt: decodeHex(test.salt), info: decodeHex(test.info), lengthBytes: test.size };
    if (test.result === "valid") {
      assertEquals(encodeHex(await hkdf(decodeHex(test.ikm), options)), test.okm, `tcId ${test.tcId}`);
    } else {
      await assertRejects(() => hkdf(decodeHex(test.ikm), options), RangeError);
    }
    counts[test.result]++;
  }
  assertEquals(counts, { valid: 83, invalid: 3 });
});

testWithOfficial("hkdf() and hmacSha256() follow RFC 5869", "rfc5869_hkdf_sha256.txt", async (text) => {
  const blocks = parseBlocks(text);
  assertEquals(blocks.length, 3);
  for (const block of blocks) {
    const [ikm, salt, info] = [block.IKM, block.salt, block.info].map((hex) => decodeHex(hex as string));
    const okm = await hkdf(ikm as Bytes, { salt: salt as Bytes, info: info as Bytes, lengthBytes: Number(block.L) });
    assertEquals(encodeHex(okm), block.OKM);
    // HMAC takes no empty key in WebCrypto; an absent salt means 32 zeros (RFC 5869 §2.2).
    const hmacKey = salt?.length === 0 ? new Uint8Array(32) : salt;
    assertEquals(encodeHex(await hmacSha256(hmacKey as Bytes, ikm as Bytes)), block.PRK);
  }
});

Deno.test("hkdf() is extract and expand by hmacSha256(), for any input", async () => {
  const bytes = (minLength: number) => fc.uint8Array({ minLength, maxLength: 300, size: "max" });
  await fc.assert(
    fc.asyncProperty(
      bytes(0),
      bytes(1),
      bytes(0),
      fc.integer({ min: 1, max: 500 }),
      async (ikm, salt, info, length) => {
        const options = { salt: salt.slice(), info: info.slice(), lengthBytes: length };
        assertEquals(await hkdf(ikm.slice(), options), await slowHkdf(ikm.slice(), options));
      },
    ),
  );
});

Deno.test("hkdf() takes empty salt, label and input key", async () => {
  const empty = new Uint8Array(0);
  const out = await hkdf(empty, { salt: empty, info: empty, lengthBytes: 32 });
  assertEquals(out, await slowHkdf(empty, { salt: new Uint8Array(32), info: empty, lengthBytes: 32 }));
});

Deno.test("hkdf() gives 1 to 8,160 bytes and refuses any other number", async () => {
  const options = { salt: utf8("salt"), info: utf8("info") };
  const longest = await hkdf(utf8("key"), { ...options, lengthBytes: 8_160 });
  assertEquals(longest.length, 8_160);
  assertEquals(await hkdf(utf8("key"), { ...options, lengthBytes: 1 }), longest.slice(0, 1));
  for (const lengthBytes of [0, -1, 1.5, 8_161, Number.NaN, Number.POSITIVE_INFINITY]) {
    await assertRejects(() => hkdf(utf8("key"), { ...options, lengthBytes }), RangeError, "Cannot derive key");
  }
});

Deno.test("hmacSha256() is the construction of RFC 2104, below, at and above one block of key", async () => {
  for (const lengthBytes of [1, 32, 63, 64, 65, 200]) {
    const key = new Uint8Array(lengthBytes).fill(lengthBytes);
    const block = new Uint8Array(64);
    block.set(lengthBytes > 64 ? await sha256(key) : key);
    const inner = await sha256(concat(block.map((byte) => byte ^ 0x36), utf8("data")));
    const outer = await sha256(concat(block.map((byte) => byte ^ 0x5c), inner));
    assertEquals(await hmacSha256(key, utf8("data")), outer);
  }
});

/** RFC 5869 §2.2 and §2.3, step by step. */
async function slowHkdf(ikm: Bytes, { salt, info, lengthBytes }: { salt: Bytes; info: Bytes; lengthBytes: number }) {
  const prk = await hmacSha256(salt, ikm);
  let block: Bytes = new Uint8Array(0);
  let out: Bytes = new Uint8Array(0);
  for (let i = 1; out.length < lengthBytes; i++) {
    block = await hmacSha256(prk, concat(block, info, Uint8Array.of(i)));
    out = concat(out, block);
  }
  return out.slice(0, lengthBytes);
}
