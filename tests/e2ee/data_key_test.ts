// Aim: only the right secret opens a data key, a wrong one is told from a damaged record, and no decoder trusts a byte.
import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { createHash, pbkdf2Sync } from "node:crypto";
import { AuthError, DecodeError } from "../../lib/bytes/errors.ts";
import { type Bytes, concat, u32be, u8, utf8 } from "../../lib/bytes/writer.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import {
  DATA_KEY_FILE_BYTES,
  decodeKeyFile,
  decodeWrap,
  encodeKeyFile,
  encodePassphrase,
  encodeWrap,
  ITERATIONS,
  ITERATIONS_MAX,
  ITERATIONS_MIN,
  unwrapDataKey,
  wrapDataKey,
  type WrapSecret,
} from "../../lib/e2ee/data_key.ts";
import { open } from "../../lib/e2ee/seal.ts";
import { flipped } from "./_people.ts";

const FAST = { testOnlyIterations: ITERATIONS_MIN };
const DATA_KEY = secureRandom(32);
const under = (text: string): WrapSecret => ({ kind: "passphrase", passphrase: encodePassphrase(text) });
const KEY_FILE: WrapSecret = { kind: "keyFile", key: secureRandom(32) };

const byPassphrase = await encodeWrap(await wrapDataKey(DATA_KEY, under("correct horse"), FAST));
const byKeyFile = await encodeWrap(await wrapDataKey(DATA_KEY, KEY_FILE));

/** The body with a sum that fits, computed by node:crypto. */
function summed(use: string, body: Bytes): Bytes {
  return concat(body, createHash("sha256").update(`sotto/1 ${use}\0`).update(body).digest());
}

Deno.test("unwrapDataKey() gives back what wrapDataKey() took, with the real number of iterations", async () => {
  const wrap = await wrapDataKey(DATA_KEY, under("correct horse"));
  assert(wrap.kind === "passphrase");
  assertEquals([wrap.iterations, ITERATIONS], [1_000_000, 1_000_000]);
  assertEquals(await unwrapDataKey(await decodeWrap(await encodeWrap(wrap)), under("correct horse")), DATA_KEY);
});

Deno.test("wrapDataKey() lays a wrap out as its head says", async () => {
  const salt = byPassphrase.slice(6, 22);
  const key = new Uint8Array(pbkdf2Sync("correct horse", salt, ITERATIONS_MIN, 32, "sha256"));
  const head = concat(u8(1), u8(1), u32be(ITERATIONS_MIN), salt);
  assertEquals(byPassphrase.slice(0, 22), head);
  assertEquals(
    await open(key, byPassphrase.slice(22, 150), { aad: concat(utf8("sotto/1 data key\0"), head) }),
    DATA_KEY,
  );
  assertEquals(byPassphrase, summed("data key wrap", byPassphrase.slice(0, 150)));
  assertEquals([byPassphrase.length, byKeyFile.length], [182, 162]);
  assertEquals(byKeyFile.slice(0, 2), Uint8Array.of(1, 2));
});

Deno.test("unwrapDataKey() throws an AuthError on every other secret", async () => {
  const wrap = await decodeWrap(byPassphrase);
  for (const wrong of ["correct hors", "Correct horse", "correct horse ", "x"]) {
    await assertRejects(() => unwrapDataKey(wrap, under(wrong)), AuthError, "commitment");
  }
  await assertRejects(() => unwrapDataKey(wrap, KEY_FILE), AuthError, "another kind");
  const fileWrap = await decodeWrap(byKeyFile);
  assertEquals(await unwrapDataKey(fileWrap, KEY_FILE), DATA_KEY);
  await assertRejects(() => unwrapDataKey(fileWrap, { kind: "keyFile", key: secureRandom(32) }), AuthError);
  await assertRejects(() => unwrapDataKey(fileWrap, under("correct horse")), AuthError, "another kind");
});

Deno.test("unwrapDataKey() refuses a head or a key that was exchanged", async () => {
  const wrap = await decodeWrap(byPassphrase);
  assert(wrap.kind === "passphrase");
  const right = under("correct horse");
  await assertRejects(() => unwrapDataKey({ ...wrap, salt: flipped(wrap.salt, 0) }, right), AuthError);
  await assertRejects(() => unwrapDataKey({ ...wrap, iterations: wrap.iterations + 1 }, right), AuthError);
  for (let i = 0; i < wrap.sealed.length; i += 9) {
    await assertRejects(() => unwrapDataKey({ ...wrap, sealed: flipped(wrap.sealed, i) }, right), AuthError);
  }
  // The same key under the other kind: the head is in the aad.
  const key = new Uint8Array(pbkdf2Sync("correct horse", wrap.salt, wrap.iterations, 32, "sha256"));
  await assertRejects(
    () => unwrapDataKey({ kind: "keyFile", sealed: wrap.sealed }, { kind: "keyFile", key }),
    AuthError,
    "tag",
  );
});

Deno.test("wrapDataKey() never gives the same wrap twice", async () => {
  assertNotEquals(
    await wrapDataKey(DATA_KEY, under("x"), FAST),
    await wrapDataKey(DATA_KEY, under("x"), FAST),
  );
  assertNotEquals(await wrapDataKey(DATA_KEY, KEY_FILE), await wrapDataKey(DATA_KEY, KEY_FILE));
});

Deno.test("encodePassphrase() takes one spelling of a letter for another, and bounds the length", () => {
  assertEquals(encodePassphrase("e\u0301"), encodePassphrase("\u00e9"));
  assertNotEquals(encodePassphrase("a"), encodePassphrase("A"));
  assertEquals(encodePassphrase("é".repeat(512)).length, 1_024);
  assertEquals(encodePassphrase("e\u0301".repeat(512)).length, 1_024);
  for (const bad of ["", "é".repeat(513)]) assertThrows(() => encodePassphrase(bad), RangeError, "not 1 to 1024");
});

Deno.test("wrapDataKey() and unwrapDataKey() refuse keys and passphrases of other lengths", async () => {
  const wrap = await decodeWrap(byKeyFile);
  for (const length of [0, 31, 33]) {
    const key = new Uint8Array(length);
    await assertRejects(() => wrapDataKey(key, KEY_FILE), RangeError);
    await assertRejects(() => wrapDataKey(DATA_KEY, { kind: "keyFile", key }), RangeError);
    await assertRejects(() => unwrapDataKey(wrap, { kind: "keyFile", key }), RangeError);
    await assertRejects(() => encodeKeyFile(key), RangeError);
  }
  for (const length of [0, 1_025]) {
    const secret: WrapSecret = { kind: "passphrase", passphrase: new Uint8Array(length) };
    await assertRejects(() => wrapDataKey(DATA_KEY, secret, FAST), RangeError);
  }
});

Deno.test("decodeWrap() bounds the iterations", async () => {
  const withIterations = (iterations: number): Bytes =>
    summed("data key wrap", concat(u8(1), u8(1), u32be(iterations), byPassphrase.slice(6, 150)));
  for (const iterations of [ITERATIONS_MIN, ITERATIONS, ITERATIONS_MAX]) {
    const wrap = await decodeWrap(withIterations(iterations));
    assertEquals(wrap.kind === "passphrase" && wrap.iterations, iterations);
  }
  for (const iterations of [0, 1, ITERATIONS_MIN - 1, ITERATIONS_MAX + 1, 0xffffffff]) {
    await assertRejects(() => decodeWrap(withIterations(iterations)), DecodeError, `${iterations} iterations`);
  }
});

Deno.test("decodeWrap() and decodeKeyFile() refuse every flipped byte, every cut and every addition", async () => {
  const keyFile = await encodeKeyFile(secureRandom(32));
  assertEquals(keyFile.length, DATA_KEY_FILE_BYTES);
  for (
    const [bytes, decode] of [[byPassphrase, decodeWrap], [byKeyFile, decodeWrap], [keyFile, decodeKeyFile]] as const
  ) {
    for (let i = 0; i < bytes.length; i++) {
      await assertRejects(async () => void await decode(flipped(bytes, i)), DecodeError);
      await assertRejects(async () => void await decode(bytes.slice(0, i)), DecodeError);
    }
    await assertRejects(async () => void await decode(concat(bytes, u8(0))), DecodeError);
  }
});

Deno.test("decodeWrap() and decodeKeyFile() say which version they do not know", async () => {
  const later = summed("data key wrap", concat(u8(2), byKeyFile.slice(1, 130)));
  await assertRejects(() => decodeWrap(later), DecodeError, "version 2 is unknown");
  const kind = summed("data key wrap", concat(u8(1), u8(3), byKeyFile.slice(2, 130)));
  await assertRejects(() => decodeWrap(kind), DecodeError, "kind 3 is unknown");
  const file = concat(utf8("SOTTODKF"), u8(9), new Uint8Array(64));
  await assertRejects(() => decodeKeyFile(file), DecodeError, "version 9 is unknown");
  await assertRejects(() => decodeKeyFile(utf8("SOTTOKEY and more")), DecodeError, "not a data key file");
});

Deno.test("decodeWrap() and decodeKeyFile() throw nothing else on any bytes, and what parses encodes to the same", async () => {
  const sealed = fc.uint8Array({ minLength: 120, maxLength: 136, size: "max" });
  const body = fc.oneof(
    fc.tuple(fc.constantFrom(1, 2, 3), sealed).map(([kind, rest]) => concat(u8(1), u8(kind), rest)),
    fc.tuple(fc.nat(), fc.uint8Array({ minLength: 140, maxLength: 148 }))
      .map(([iterations, rest]) => concat(u8(1), u8(1), u32be(iterations), rest)),
    fc.uint8Array({ maxLength: 300, size: "max" }).map((bytes) => concat(bytes)),
  );
  await fc.assert(
    fc.asyncProperty(body, async (body) => {
      const bytes = summed("data key wrap", body);
      const wrap = await decodeWrap(bytes).catch(expectDecodeError);
      if (wrap !== undefined) assertEquals(await encodeWrap(wrap), bytes);
    }),
    { numRuns: 500 },
  );
  const file = fc.oneof(
    fc.uint8Array({ minLength: 30, maxLength: 34 }).map((key) => concat(utf8("SOTTODKF"), u8(1), key)),
    fc.uint8Array({ maxLength: 100, size: "max" }).map((bytes) => concat(bytes)),
  );
  await fc.assert(
    fc.asyncProperty(file, async (body) => {
      const bytes = summed("data key file", body);
      const key = await decodeKeyFile(bytes).catch(expectDecodeError);
      if (key !== undefined) assertEquals(await encodeKeyFile(key), bytes);
    }),
    { numRuns: 500 },
  );
});

function expectDecodeError(error: unknown): undefined {
  assert(error instanceof DecodeError, String(error));
}
