// Aim: X25519 as RFC 7748 has it; no key of another length and none of small order gets through.
// Origins of the official vectors: C2SP/wycheproof testvectors_v1 @ dac1dd47; RFC 7748 as pyca/cryptography keeps it.
import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { decodeHex, encodeHex } from "@std/encoding/hex";
import fc from "fast-check";
import { AuthError } from "../../lib/bytes/errors.ts";
import { assertDhPublicKey, dh, DH_BYTES, dhKeyPairFrom, generateDhKeyPair } from "../../lib/crypto/dh.ts";
import { parseBlocks, setTopBit, SMALL_ORDER_U_HEX, testWithOfficial } from "../support/vectors.ts";

interface XdhFile {
  readonly testGroups: readonly { readonly curve: string; readonly tests: readonly XdhCase[] }[];
}

interface XdhCase {
  readonly tcId: number;
  readonly flags: readonly string[];
  readonly public: string;
  readonly private: string;
  readonly shared: string;
  readonly result: "valid" | "acceptable" | "invalid";
}

const ZERO_HEX = "00".repeat(DH_BYTES);

testWithOfficial(
  "dh() follows Wycheproof and is stricter on zero secrets",
  "wycheproof_x25519_test.json",
  async (text) => {
    let computed = 0;
    let refused = 0;
    for (const group of (JSON.parse(text) as XdhFile).testGroups) {
      assertEquals(group.curve, "curve25519");
      for (const test of group.tests) {
        const own = await dhKeyPairFrom(decodeHex(test.private));
        if (test.flags.includes("ZeroSharedSecret")) {
          // Stricter than Wycheproof, which calls these "acceptable": RFC 7748 §6.1 lets us refuse, and we do.
          assertEquals([test.result, test.shared], ["acceptable", ZERO_HEX]);
          await assertRejects(() => dh(own, decodeHex(test.public)), AuthError, "order is small");
          refused++;
        } else {
          // Keys on the twist and non-canonical ones are computed, as RFC 7748 §5 and §7 ask.
          assertNotEquals(test.result, "invalid");
          assertEquals(encodeHex(await dh(own, decodeHex(test.public))), test.shared, `tcId ${test.tcId}`);
          computed++;
        }
      }
    }
    assertEquals([computed, refused], [487, 31]);
  },
);

testWithOfficial("dh() follows RFC 7748 §5.2", "rfc7748.txt", async (text) => {
  const blocks = parseBlocks(text);
  assert(blocks.length >= 2);
  for (const { INPUT_SCALAR, INPUT_U, OUTPUT_U } of blocks) {
    const own = await dhKeyPairFrom(decodeHex(INPUT_SCALAR as string));
    assertEquals(encodeHex(await dh(own, decodeHex(INPUT_U as string))), OUTPUT_U);
  }
});

Deno.test("dh() refuses public keys of 0, 31, 33 and 64 bytes", async () => {
  const own = await generateDhKeyPair();
  for (const lengthBytes of [0, 31, 33, 64]) {
    await assertRejects(() => dh(own, new Uint8Array(lengthBytes).fill(9)), AuthError, `${lengthBytes} bytes`);
  }
});

Deno.test("dhKeyPairFrom() and dh() refuse private keys of 0, 31, 33 and 64 bytes", async () => {
  const { publicBytes } = await generateDhKeyPair();
  for (const lengthBytes of [0, 31, 33, 64]) {
    const privateBytes = new Uint8Array(lengthBytes).fill(9);
    await assertRejects(() => dhKeyPairFrom(privateBytes), RangeError, `${lengthBytes} bytes`);
    await assertRejects(() => dh({ publicBytes, privateBytes }, publicBytes), RangeError, `${lengthBytes} bytes`);
  }
});

Deno.test("dh() refuses every point of small order, canonical or not, whatever the unused bit", async () => {
  const own = await generateDhKeyPair();
  assertEquals(new Set(SMALL_ORDER_U_HEX).size, 14);
  for (const hex of SMALL_ORDER_U_HEX) {
    await assertRejects(() => dh(own, decodeHex(hex)), AuthError, "order is small");
  }
});

Deno.test("dh() ignores the unused top bit of a public key", async () => {
  const own = await generateDhKeyPair();
  const peer = await generateDhKeyPair();
  const spelled = decodeHex(setTopBit(encodeHex(peer.publicBytes)));
  assertEquals(await dh(own, spelled), await dh(own, peer.publicBytes));
});

Deno.test("dh() gives both parties one secret, for any keys", async () => {
  const seed = fc.uint8Array({ minLength: DH_BYTES, maxLength: DH_BYTES });
  await fc.assert(
    fc.asyncProperty(seed, seed, async (a, b) => {
      const [one, other] = [await dhKeyPairFrom(a.slice()), await dhKeyPairFrom(b.slice())];
      assertEquals(await dh(one, other.publicBytes), await dh(other, one.publicBytes));
    }),
  );
});

Deno.test("generateDhKeyPair() draws its private bytes from the given source", async () => {
  const drawn: number[] = [];
  const pair = await generateDhKeyPair((lengthBytes) => {
    drawn.push(lengthBytes);
    return new Uint8Array(lengthBytes).fill(5);
  });
  assertEquals(drawn, [DH_BYTES]);
  assertEquals(pair, await dhKeyPairFrom(new Uint8Array(DH_BYTES).fill(5)));
  assertNotEquals((await generateDhKeyPair()).privateBytes, (await generateDhKeyPair()).privateBytes);
});

Deno.test("assertDhPublicKey() refuses lengths 0, 31, 33, every small order and every spelling from p up", () => {
  for (const lengthBytes of [0, 31, 33, 64]) {
    assertThrows(() => assertDhPublicKey(new Uint8Array(lengthBytes).fill(9)), AuthError, `${lengthBytes} bytes`);
  }
  for (const hex of SMALL_ORDER_U_HEX) assertThrows(() => assertDhPublicKey(decodeHex(hex)), AuthError);
  for (let low = 0xed; low <= 0xff; low++) {
    const hex = low.toString(16) + "ff".repeat(30) + "7f"; // p + low - 0xed
    for (const spelled of [hex, setTopBit(hex)]) {
      assertThrows(() => assertDhPublicKey(decodeHex(spelled)), AuthError, "not canonical");
    }
  }
  assertDhPublicKey(decodeHex("eb" + "ff".repeat(30) + "7f")); // p - 2, the largest that is not of small order
  assertDhPublicKey(decodeHex("ff".repeat(15) + "fe" + "ff".repeat(15) + "7f"));
});

Deno.test("assertDhPublicKey() takes every key that dhKeyPairFrom() makes, and none with the top bit set", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: DH_BYTES, maxLength: DH_BYTES }), async (seed) => {
      const { publicBytes } = await dhKeyPairFrom(seed.slice());
      assertDhPublicKey(publicBytes);
      const spelled = decodeHex(setTopBit(encodeHex(publicBytes)));
      assertThrows(() => assertDhPublicKey(spelled), AuthError, "not canonical");
    }),
  );
});
