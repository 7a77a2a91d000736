// Aim: the map is Elligator 2 by its own equations, which are written here another way round than in the code.
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { decodeHex, encodeHex } from "@std/encoding/hex";
import fc from "fast-check";
import { AuthError } from "../../lib/bytes/errors.ts";
import type { Bytes } from "../../lib/bytes/writer.ts";
import { assertDhPublicKey, x25519 } from "../../lib/crypto/dh.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { elligator2 } from "../../lib/pake/elligator2.ts";
import { setTopBit } from "../support/vectors.ts";

const P = 2n ** 255n - 19n;
const A = 486_662n;

const element = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => new Uint8Array(bytes));

Deno.test("elligator2() gives a canonical point on the curve from which the input can be found again", () => {
  const branches = new Set<string>();
  const check = (input: Bytes) => {
    fc.pre(mod(toNumber(input) & (2n ** 255n - 1n)) !== 0n); // see the next test
    const output = elligator2(input);
    assertDhPublicKey(output); // canonical and of no small order
    const [r, u] = [toNumber(input) & (2n ** 255n - 1n), toNumber(output)];
    assert(isSquare(u * (u * u + A * u + 1n)), "it lies on the twist");
    // The inverse of the map: 2 r^2 is -(u + A) / u in one case, -u / (u + A) in the other.
    const squared = 2n * r * r;
    const isFirst = mod(squared * u + u + A) === 0n;
    const isSecond = mod(squared * (u + A) + u) === 0n;
    assert(isFirst || isSecond, "it is another map");
    branches.add(isFirst ? "first" : "second");
  };
  fc.assert(fc.property(element, check), { numRuns: 60 });
  assertEquals(branches.size, 2);
});

Deno.test("elligator2() maps 0 and p alone to u = 0, which x25519() refuses", async () => {
  const zero = new Uint8Array(32);
  assertEquals(elligator2(zero), zero); // v = -A lies on the twist, so u = -v - A
  assertEquals(elligator2(toBytes(P)), zero);
  await assertRejects(() => x25519(secureRandom(32), elligator2(zero)), AuthError, "order is small");
});

Deno.test("elligator2() ignores the top bit, reduces modulo p, and gives r and -r one point", () => {
  fc.assert(
    fc.property(element, (input) => {
      const image = elligator2(input);
      const r = toNumber(input) & (2n ** 255n - 1n);
      assertEquals(elligator2(decodeHex(setTopBit(encodeHex(toBytes(r))))), elligator2(toBytes(r)));
      assertEquals(elligator2(toBytes(mod(-r))), image);
    }),
    { numRuns: 20 },
  );
  for (let low = 0n; low < 19n; low++) assertEquals(elligator2(toBytes(P + low)), elligator2(toBytes(low)));
});

Deno.test("elligator2() refuses 0, 31, 33 and 64 bytes", () => {
  for (const lengthBytes of [0, 31, 33, 64]) {
    assertThrows(() => elligator2(new Uint8Array(lengthBytes)), RangeError, `${lengthBytes} bytes`);
  }
});

function mod(value: bigint): bigint {
  return ((value % P) + P) % P;
}

/** Euler's criterion, by right-to-left squaring. */
function isSquare(value: bigint): boolean {
  let [result, base] = [1n, mod(value)];
  for (let exponent = (P - 1n) / 2n; exponent > 0n; exponent >>= 1n) {
    if (exponent & 1n) result = mod(result * base);
    base = mod(base * base);
  }
  return result === 1n;
}

function toNumber(bytes: Bytes): bigint {
  return BigInt(`0x${encodeHex(bytes.toReversed())}`);
}

function toBytes(value: bigint): Bytes {
  return decodeHex(value.toString(16).padStart(64, "0")).reverse();
}
