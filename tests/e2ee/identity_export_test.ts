// Aim: only its passphrase opens an exported identity, a wrong one is told from damage, and no decoder trusts a byte.
import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import fc from "fast-check";
import { createHash, pbkdf2Sync } from "node:crypto";
import { AuthError, DecodeError } from "../../lib/bytes/errors.ts";
import { type Bytes, concat, u32be, u8, utf8 } from "../../lib/bytes/writer.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { encodePassphrase, encodeWrap, ITERATIONS_MIN, wrapDataKey } from "../../lib/e2ee/data_key.ts";
import { encodeIdentity, generateIdentity } from "../../lib/e2ee/identity.ts";
import {
  decodeExportedIdentity,
  encodeExportedIdentity,
  type ExportedIdentity,
  openProtectedIdentity,
  PROTECTED_IDENTITY_BYTES,
  protectIdentity,
} from "../../lib/e2ee/identity_export.ts";
import { open, seal } from "../../lib/e2ee/seal.ts";
import { flipped, NOW_MS } from "./_people.ts";

const FAST = { testOnlyIterations: ITERATIONS_MIN };
const RIGHT = encodePassphrase("correct horse");
const HEAD_BYTES = 9;
const WRAP_END = HEAD_BYTES + 182;
const BODY_BYTES = 511;

const identity = await generateIdentity({ life: "lasting", nowMs: NOW_MS });
const keyFile = await encodeIdentity(identity);
const protectedIdentity = await protectIdentity(identity, RIGHT, FAST);
const file = await encodeExportedIdentity({ kind: "protected", protectedIdentity });

/** The body with a sum that fits, computed by node:crypto. */
function summed(body: Bytes): Bytes {
  return concat(body, createHash("sha256").update("sotto/1 identity export file\0").update(body).digest());
}

/** What stands in the seal's aad. */
function aadOf(head: Bytes): Bytes {
  return concat(utf8("sotto/1 identity export\0"), head);
}

async function decodedProtected(bytes: Bytes) {
  const decoded = await decodeExportedIdentity(bytes);
  assert(decoded.kind === "protected");
  return decoded.protectedIdentity;
}

Deno.test("openProtectedIdentity() gives back what protectIdentity() took, with the real number of iterations", async () => {
  const real = await protectIdentity(identity, RIGHT);
  assertEquals(real.wrap.iterations, 1_000_000);
  const decoded = await decodedProtected(await encodeExportedIdentity({ kind: "protected", protectedIdentity: real }));
  assertEquals(await encodeIdentity(await openProtectedIdentity(decoded, RIGHT)), keyFile);
});

Deno.test("encodeExportedIdentity() lays a protected file out as its head says", async () => {
  assertEquals([file.length, PROTECTED_IDENTITY_BYTES], [543, 543]);
  assertEquals(file.slice(0, HEAD_BYTES), concat(utf8("SOTTOEXP"), u8(1)));
  assertEquals(file, summed(file.slice(0, BODY_BYTES)));
  // Opened by hand, from the passphrase on.
  const wrap = file.slice(HEAD_BYTES, WRAP_END);
  assertEquals(wrap.slice(0, 6), concat(u8(1), u8(1), u32be(ITERATIONS_MIN)));
  const key = new Uint8Array(pbkdf2Sync("correct horse", wrap.slice(6, 22), ITERATIONS_MIN, 32, "sha256"));
  const dataKey = await open(key, wrap.slice(22, 150), {
    aad: concat(utf8("sotto/1 data key\0"), wrap.slice(0, 22)),
  });
  assertEquals(
    await open(dataKey, file.slice(WRAP_END, BODY_BYTES), { aad: aadOf(file.slice(0, WRAP_END)) }),
    keyFile,
  );
});

Deno.test("encodeExportedIdentity() gives the plain key file without a passphrase, and takes it back", async () => {
  assertEquals(await encodeExportedIdentity({ kind: "plain", identity }), keyFile);
  const decoded = await decodeExportedIdentity(keyFile);
  assert(decoded.kind === "plain");
  assertEquals(await encodeIdentity(decoded.identity), keyFile);
});

Deno.test("openProtectedIdentity() throws an AuthError on every other passphrase", async () => {
  const decoded = await decodedProtected(file);
  for (const wrong of ["correct hors", "Correct horse", "correct horse ", "x"]) {
    await assertRejects(() => openProtectedIdentity(decoded, encodePassphrase(wrong)), AuthError);
  }
  for (const length of [0, 1_025]) {
    await assertRejects(() => openProtectedIdentity(decoded, new Uint8Array(length)), RangeError);
    await assertRejects(() => protectIdentity(identity, new Uint8Array(length), FAST), RangeError);
  }
});

Deno.test("protectIdentity() never gives the same file twice, and none of the keys stands in it", async () => {
  assertNotEquals(await protectIdentity(identity, RIGHT, FAST), protectedIdentity);
  for (const { privateBytes } of [identity.sign, identity.dh, identity.noise]) {
    assert(!encodeHex(file).includes(encodeHex(privateBytes.subarray(0, 8))));
  }
});

Deno.test("openProtectedIdentity() refuses parts of two files, and a forged rest, as damage", async () => {
  const other = await protectIdentity(await generateIdentity({ life: "lasting", nowMs: NOW_MS }), RIGHT, FAST);
  await assertRejects(
    () => openProtectedIdentity({ wrap: protectedIdentity.wrap, sealed: other.sealed }, RIGHT),
    DecodeError,
    "damaged or forged",
  );
  for (let i = 0; i < protectedIdentity.sealed.length; i += 31) {
    const forged = summed(concat(file.slice(0, WRAP_END), flipped(protectedIdentity.sealed, i)));
    const decoded = await decodedProtected(forged);
    await assertRejects(() => openProtectedIdentity(decoded, RIGHT), DecodeError, "damaged or forged");
  }
});

Deno.test("openProtectedIdentity() refuses what was sealed under the right passphrase and is no identity", async () => {
  const dataKey = secureRandom(32);
  const wrap = await wrapDataKey(dataKey, { kind: "passphrase", passphrase: RIGHT }, FAST);
  assert(wrap.kind === "passphrase");
  const aad = aadOf(concat(file.slice(0, HEAD_BYTES), await encodeWrap(wrap)));
  for (const content of [flipped(keyFile, 40), keyFile.slice(1), utf8("x".repeat(146)), new Uint8Array(0)]) {
    const sealed = await seal(dataKey, content, { aad });
    await assertRejects(() => openProtectedIdentity({ wrap, sealed }, RIGHT), DecodeError, "key file");
  }
});

Deno.test("decodeExportedIdentity() refuses every flipped byte, every cut and every addition, of either kind", async () => {
  for (const bytes of [file, keyFile]) {
    for (let i = 0; i < bytes.length; i++) {
      await assertRejects(() => decodeExportedIdentity(flipped(bytes, i)), DecodeError);
      await assertRejects(() => decodeExportedIdentity(bytes.slice(0, i)), DecodeError);
    }
    await assertRejects(() => decodeExportedIdentity(concat(bytes, u8(0))), DecodeError);
  }
});

Deno.test("decodeExportedIdentity() says what it is that it does not take", async () => {
  const cases: [Bytes, string][] = [
    [utf8("hello"), "not a key file of Sotto"],
    [new Uint8Array(0), "not a key file of Sotto"],
    [flipped(file, 8, 3), "version 2 is unknown"],
    [flipped(file, 300), "it is damaged"],
    [file.slice(0, 8), "it is damaged"],
  ];
  for (const [bytes, why] of cases) await assertRejects(() => decodeExportedIdentity(bytes), DecodeError, why);
  // A good sum over a wrap that asks for hours of work, or for next to none.
  for (const iterations of [1, 0xffffffff]) {
    const wrapBody = concat(u8(1), u8(1), u32be(iterations), file.slice(HEAD_BYTES + 6, HEAD_BYTES + 150));
    const sum = createHash("sha256").update("sotto/1 data key wrap\0").update(wrapBody).digest();
    const forged = summed(concat(file.slice(0, HEAD_BYTES), wrapBody, sum, file.slice(WRAP_END, BODY_BYTES)));
    await assertRejects(() => decodeExportedIdentity(forged), DecodeError, `${iterations} iterations`);
  }
});

Deno.test("decodeExportedIdentity() throws nothing else on any bytes, and what parses encodes to the same", async () => {
  const wrapOf = (body: Bytes) =>
    concat(body, createHash("sha256").update("sotto/1 data key wrap\0").update(body).digest());
  const rest = fc.uint8Array({ minLength: 144, maxLength: 144, size: "max" });
  const wrap = fc.oneof(
    fc.tuple(fc.constantFrom(1, 2, 3), fc.integer({ min: 90_000, max: 10_100_000 }), rest)
      .map(([kind, iterations, rest]) => wrapOf(concat(u8(1), u8(kind), u32be(iterations), rest))),
    fc.uint8Array({ minLength: 180, maxLength: 184, size: "max" }),
  );
  const sealed = fc.uint8Array({ minLength: 319, maxLength: 321, size: "max" });
  let parsed = 0;
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(0, 1, 1, 1, 2), wrap, sealed, async (version, wrap, sealed) => {
      const bytes = summed(concat(utf8("SOTTOEXP"), u8(version), wrap, sealed));
      let decoded: ExportedIdentity;
      try {
        decoded = await decodeExportedIdentity(bytes);
      } catch (error) {
        assert(error instanceof DecodeError, String(error));
        return;
      }
      assertEquals(await encodeExportedIdentity(decoded), bytes);
      parsed++;
    }),
    { numRuns: 500 },
  );
  assert(parsed > 0);
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 600, size: "max" }), async (bytes) => {
      await assertRejects(() => decodeExportedIdentity(concat(bytes)), DecodeError);
    }),
    { numRuns: 200 },
  );
});
