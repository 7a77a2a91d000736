// Aim: Ed25519 as RFC 8032 has it, and stricter than the runtime: keys of small order never verify anything.
// Origin of the official vectors: C2SP/wycheproof testvectors_v1 @ dac1dd47.
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { decodeHex, encodeHex } from "@std/encoding/hex";
import fc from "fast-check";
import { AuthError } from "../../lib/bytes/errors.ts";
import { concat, utf8 } from "../../lib/bytes/writer.ts";
import {
  assertSignPublicKey,
  generateSignKeyPair,
  sign,
  SIGN_KEY_BYTES,
  SIGNATURE_BYTES,
  signKeyPairFrom,
  verify,
} from "../../lib/crypto/sign.ts";
import { setTopBit, testWithOfficial } from "../support/vectors.ts";

interface EddsaFile {
  readonly testGroups: readonly {
    readonly publicKey: { readonly pk: string };
    readonly tests: readonly {
      readonly tcId: number;
      readonly msg: string;
      readonly sig: string;
      readonly result: "valid" | "invalid";
    }[];
  }[];
}

/**
 * The eight points of small order by their y (0, 1, p - 1 and the two of order 8) and the spellings p and p + 1 of 0
 * and 1, sign bit clear; each is refused with the sign bit set as well.
 */
const SMALL_ORDER_Y_HEX = [
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

const P = 2n ** 255n - 19n;
/** The group order, little endian in a signature's second half. */
const L = 2n ** 252n + 27742317777372353535851937790883648493n;

testWithOfficial(
  "verify() follows Wycheproof, a refusal being an AuthError",
  "wycheproof_ed25519_test.json",
  async (text) => {
    const counts = { valid: 0, invalid: 0 };
    for (const group of (JSON.parse(text) as EddsaFile).testGroups) {
      const publicBytes = decodeHex(group.publicKey.pk);
      for (const test of group.tests) {
        const [message, signature] = [decodeHex(test.msg), decodeHex(test.sig)];
        if (test.result === "valid") await verify(publicBytes, message, signature);
        else await assertRejects(() => verify(publicBytes, message, signature), AuthError);
        counts[test.result]++;
      }
    }
    assertEquals(counts, { valid: 88, invalid: 63 });
  },
);

Deno.test("verify() is stricter than the runtime: no small-order key verifies, with either sign bit", async () => {
  // With A of order 1, S = 0 and R = A, the equation S*B = R + k*A holds for every message.
  const identity = decodeHex(SMALL_ORDER_Y_HEX[1] as string);
  const fitsAll = concat(identity, new Uint8Array(32));
  const key = await crypto.subtle.importKey("raw", identity, { name: "Ed25519" }, false, ["verify"]);
  const isFooled = await crypto.subtle.verify("Ed25519", key, fitsAll, utf8("anything"));
  assert(isFooled, "the runtime has become strict by itself: say so in lib/crypto/sign.ts");

  for (const hex of SMALL_ORDER_Y_HEX.flatMap((y) => [y, setTopBit(y)])) {
    const publicBytes = decodeHex(hex);
    assertThrows(() => assertSignPublicKey(publicBytes), AuthError, "order is small");
    const signature = concat(publicBytes, new Uint8Array(32));
    await assertRejects(() => verify(publicBytes, utf8("anything"), signature), AuthError, "order is small");
    await assertRejects(() => verify(publicBytes, utf8("anything"), fitsAll), AuthError, "order is small");
  }
});

Deno.test("assertSignPublicKey() knows every y of small order, computed here from the curve", () => {
  // Orders 4, 1 and 2 have y = 0, 1 and p - 1; order 8 is computed; p and p + 1 are other spellings of 0 and 1.
  const computed = new Set<string>();
  for (const y of [0n, 1n, P - 1n, P, P + 1n, ...orderEightYs()]) computed.add(littleEndianHex(y));
  assertEquals([...computed].sort(), [...SMALL_ORDER_Y_HEX].sort());
  for (const hex of computed) assertThrows(() => assertSignPublicKey(decodeHex(hex)), AuthError);
});

Deno.test("verify() refuses public keys of 0, 31, 33 and 64 bytes", async () => {
  const own = await signKeyPairFrom(new Uint8Array(32).fill(1));
  const signature = await sign(own, utf8("text"));
  for (const lengthBytes of [0, 31, 33, 64]) {
    const publicBytes = concat(own.publicBytes, own.publicBytes).slice(0, lengthBytes);
    await assertRejects(() => verify(publicBytes, utf8("text"), signature), AuthError, `${lengthBytes} bytes`);
    assertThrows(() => assertSignPublicKey(publicBytes), AuthError, `${lengthBytes} bytes`);
  }
});

Deno.test("verify() refuses signatures of 0, 31, 33, 63, 65 and 128 bytes", async () => {
  const own = await signKeyPairFrom(new Uint8Array(32).fill(1));
  const signature = await sign(own, utf8("text"));
  for (const lengthBytes of [0, 31, 33, 63, 65, 128]) {
    const cut = concat(signature, signature).slice(0, lengthBytes);
    await assertRejects(() => verify(own.publicBytes, utf8("text"), cut), AuthError, `${lengthBytes} bytes`);
  }
});

Deno.test("signKeyPairFrom() and sign() refuse seeds of 0, 31, 33 and 64 bytes", async () => {
  const { publicBytes } = await generateSignKeyPair();
  for (const lengthBytes of [0, 31, 33, 64]) {
    const privateBytes = new Uint8Array(lengthBytes);
    await assertRejects(() => signKeyPairFrom(privateBytes), RangeError, `${lengthBytes} bytes`);
    await assertRejects(() => sign({ publicBytes, privateBytes }, utf8("")), RangeError, `${lengthBytes} bytes`);
  }
});

Deno.test("verify() refuses every flipped bit of the signature, another message and another key", async () => {
  const own = await signKeyPairFrom(new Uint8Array(32).fill(2));
  const signature = await sign(own, utf8("text"));
  await verify(own.publicBytes, utf8("text"), signature);
  for (let bit = 0; bit < SIGNATURE_BYTES * 8; bit++) {
    const forged = signature.slice();
    forged[bit >> 3] = (forged[bit >> 3] as number) ^ (1 << (bit & 7));
    await assertRejects(() => verify(own.publicBytes, utf8("text"), forged), AuthError);
  }
  await assertRejects(() => verify(own.publicBytes, utf8("texT"), signature), AuthError);
  const other = await generateSignKeyPair();
  await assertRejects(() => verify(other.publicBytes, utf8("text"), signature), AuthError);
});

Deno.test("verify() refuses the second spelling of a signature, S + L", async () => {
  const own = await signKeyPairFrom(new Uint8Array(32).fill(3));
  const signature = await sign(own, utf8("text"));
  const s = BigInt(`0x${encodeHex(signature.slice(32).reverse())}`);
  const malleable = concat(signature.slice(0, 32), decodeHex(littleEndianHex(s + L)));
  await assertRejects(() => verify(own.publicBytes, utf8("text"), malleable), AuthError, "does not fit");
});

Deno.test("verify() refuses a public key that is not a point", async () => {
  const signature = new Uint8Array(SIGNATURE_BYTES);
  const notAPoint = new Uint8Array(SIGN_KEY_BYTES);
  notAPoint[0] = 2; // y = 2 is on no point of the curve
  await assertRejects(() => verify(notAPoint, utf8("text"), signature), AuthError);
});

Deno.test("verify() takes what sign() made, for any seed and message", async () => {
  const seed = fc.uint8Array({ minLength: 32, maxLength: 32 });
  await fc.assert(
    fc.asyncProperty(seed, fc.uint8Array({ maxLength: 3_000, size: "max" }), async (bytes, message) => {
      const own = await signKeyPairFrom(bytes.slice());
      const signature = await sign(own, message.slice());
      assertEquals(signature, await sign(own, message.slice()), "Ed25519 is deterministic");
      await verify(own.publicBytes, message.slice(), signature);
    }),
  );
});

Deno.test("verify() refuses random keys and signatures with an AuthError and nothing else", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 40, size: "max" }),
      fc.uint8Array({ minLength: 60, maxLength: 68 }),
      async (publicBytes, signature) => {
        await assertRejects(() => verify(publicBytes.slice(), utf8("text"), signature.slice()), AuthError);
      },
    ),
    { numRuns: 300 },
  );
});

/** The y of the points of order 8: doubling one gives y = 0, so x^2 = -y^2 and, from the curve, d*y^4 + 2*y^2 - 1 = 0. */
function orderEightYs(): bigint[] {
  const d = mod(-121665n * inverse(121666n));
  const root = squareRoot(mod(1n + d)); // y^2 = (-1 ± sqrt(1 + d)) / d
  if (root === undefined) return [];
  return [root, P - root].flatMap((r) => {
    const y = squareRoot(mod((r - 1n) * inverse(d)));
    return y === undefined ? [] : [y, P - y];
  });
}

function mod(value: bigint): bigint {
  return ((value % P) + P) % P;
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let b = mod(base), e = exponent; e > 0n; e >>= 1n, b = mod(b * b)) if (e & 1n) result = mod(result * b);
  return result;
}

function inverse(value: bigint): bigint {
  return power(value, P - 2n);
}

/** RFC 8032 §5.1.3 with v = 1. */
function squareRoot(square: bigint): bigint | undefined {
  const candidate = power(square, (P + 3n) / 8n);
  for (const root of [candidate, mod(candidate * power(2n, (P - 1n) / 4n))]) {
    if (mod(root * root) === square) return root;
  }
  return undefined;
}

function littleEndianHex(value: bigint): string {
  return encodeHex(decodeHex(value.toString(16).padStart(64, "0")).reverse());
}

Deno.test("assertSignPublicKey() refuses every non-canonical spelling, both signs", () => {
  for (let low = 0xed; low <= 0xff; low++) {
    for (const top of [0x7f, 0xff]) {
      const spelling = new Uint8Array(32).fill(0xff);
      spelling[0] = low;
      spelling[31] = top;
      assertThrows(() => assertSignPublicKey(spelling), AuthError);
    }
  }
});
