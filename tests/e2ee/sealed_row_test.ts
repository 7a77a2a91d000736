// Aim: a row opens in its own place, whole and unchanged, or not at all; and no (key, iv) comes twice.
import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import fc from "fast-check";
import { createCipheriv, createHmac, hkdfSync } from "node:crypto";
import { AuthError } from "../../lib/bytes/errors.ts";
import { type Bytes, concat, lvCat, u32be, u8, utf8 } from "../../lib/bytes/writer.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import {
  decodeContent,
  deriveRowKeys,
  encodeContent,
  openRow,
  ROW_KEY_MAX_BYTES,
  ROW_VALUE_MAX_BYTES,
  rowId,
  type RowPlace,
  sealRow,
} from "../../lib/e2ee/sealed_row.ts";
import { flipped } from "./_people.ts";

const KEYS = await deriveRowKeys(secureRandom(32));
const KEY = utf8("bob");
const PLACE: RowPlace = { table: "peers", id: await rowId(KEYS, "peers", KEY), schema: 1 };
const VALUE = utf8("met on a tuesday");

/** K || C as PROTOCOL §7 has them, computed by node:crypto. */
function keysOf(salt: Bytes): Bytes {
  return new Uint8Array(hkdfSync("sha256", KEYS.dataKey, salt, utf8("sotto/1 row\0"), 64));
}

Deno.test("sealRow() and rowId() lay a row out as their head says", async () => {
  const nameKey = new Uint8Array(hkdfSync("sha256", KEYS.dataKey, new Uint8Array(32), utf8("sotto/1 row name\0"), 32));
  const hmac = createHmac("sha256", nameKey).update(lvCat(utf8("peers"), KEY)).digest();
  assertEquals(PLACE.id, new Uint8Array(hmac).slice(0, 16));

  const sealed = await sealRow(KEYS, PLACE, { key: KEY, value: VALUE });
  const salt = sealed.slice(0, 16);
  const aad = concat(utf8("sotto/1 row\0"), lvCat(utf8("peers"), PLACE.id, u32be(1)));
  const cipher = createCipheriv("aes-256-gcm", keysOf(salt).slice(0, 32), new Uint8Array(12)).setAAD(aad);
  const padded = concat(lvCat(KEY, VALUE), new Uint8Array(64 - 8 - 3 - 16));
  const ciphertext = concat(cipher.update(padded), cipher.final(), cipher.getAuthTag());
  assertEquals(sealed, concat(salt, keysOf(salt).slice(32), ciphertext));
});

Deno.test("openRow() gives back what sealRow() took, from nothing to the longest", async () => {
  const sizes: [number, number, number][] = [
    [0, 0, 64],
    [3, 53, 64],
    [3, 54, 128],
    [3, 4_085, 4_096],
    [3, 4_086, 8_192],
    [3, 150_000, 37 * 4_096],
    [ROW_KEY_MAX_BYTES, ROW_VALUE_MAX_BYTES, 257 * 4_096],
  ];
  for (const [keyBytes, valueBytes, paddedBytes] of sizes) {
    const content = { key: secureRandom(keyBytes), value: new Uint8Array(valueBytes).fill(7) };
    const sealed = await sealRow(KEYS, PLACE, content);
    assertEquals(sealed.length, paddedBytes + 64);
    const opened = await openRow(KEYS, PLACE, sealed);
    // Not `assertEquals` on a megabyte: it would take a second.
    assertEquals([opened.key, opened.value.length], [content.key, valueBytes]);
    assert(opened.value.every((byte) => byte === 7));
  }
});

Deno.test("sealRow() refuses what is too long", async () => {
  const longKey = { key: new Uint8Array(ROW_KEY_MAX_BYTES + 1), value: VALUE };
  await assertRejects(() => sealRow(KEYS, PLACE, longKey), RangeError, "too long");
  const longValue = { key: KEY, value: new Uint8Array(ROW_VALUE_MAX_BYTES + 1) };
  await assertRejects(() => sealRow(KEYS, PLACE, longValue), RangeError, "too long");
  for (const length of [0, 31, 33]) await assertRejects(() => deriveRowKeys(new Uint8Array(length)), RangeError);
});

Deno.test("openRow() refuses every flipped byte, every cut and every addition", async () => {
  const sealed = await sealRow(KEYS, PLACE, { key: KEY, value: VALUE });
  for (let i = 0; i < sealed.length; i++) {
    await assertRejects(() => openRow(KEYS, PLACE, flipped(sealed, i)), AuthError);
    await assertRejects(() => openRow(KEYS, PLACE, sealed.slice(0, i)), AuthError);
  }
  await assertRejects(() => openRow(KEYS, PLACE, concat(sealed, u8(0))), AuthError, "not the size");
  await assertRejects(() => openRow(KEYS, PLACE, new Uint8Array(64 + 258 * 4_096)), AuthError, "not the size");
});

Deno.test("openRow() refuses a row that was moved to another table, key, schema or data key", async () => {
  const sealed = await sealRow(KEYS, PLACE, { key: KEY, value: VALUE });
  const others: RowPlace[] = [
    { ...PLACE, table: "pins" },
    { ...PLACE, table: "peer" },
    { ...PLACE, id: await rowId(KEYS, "peers", utf8("eve")) },
    { ...PLACE, schema: 2 },
  ];
  for (const other of others) await assertRejects(() => openRow(KEYS, other, sealed), AuthError, "tag");
  const strange = await deriveRowKeys(secureRandom(32));
  await assertRejects(() => openRow(strange, PLACE, sealed), AuthError, "commitment");
});

Deno.test("openRow() refuses a right tag under a commitment of another key", async () => {
  const sealed = await sealRow(KEYS, PLACE, { key: KEY, value: VALUE });
  const forged = concat(sealed.slice(0, 16), secureRandom(32), sealed.slice(48));
  await assertRejects(() => openRow(KEYS, PLACE, forged), AuthError, "commitment");
});

Deno.test("rowId() differs by table, key and data key, however they are cut", async () => {
  const strange = await deriveRowKeys(secureRandom(32));
  const ids = [
    await rowId(KEYS, "a", utf8("bc")),
    await rowId(KEYS, "ab", utf8("c")),
    await rowId(KEYS, "abc", utf8("")),
    await rowId(strange, "a", utf8("bc")),
  ];
  assertEquals(new Set(ids.map(String)).size, 4);
  assertEquals(await rowId(KEYS, "a", utf8("bc")), ids[0]);
});

Deno.test("sealRow() never repeats (key, iv), even for the same row", async () => {
  const used = new Set<string>();
  for (let i = 0; i < 300; i++) {
    const sealed = await sealRow(KEYS, PLACE, { key: KEY, value: VALUE });
    used.add(String(keysOf(sealed.slice(0, 16)).slice(0, 32)));
  }
  assertEquals(used.size, 300);
  assertNotEquals(
    await sealRow(KEYS, PLACE, { key: KEY, value: VALUE }),
    await sealRow(KEYS, PLACE, { key: KEY, value: VALUE }),
  );
});

Deno.test("decodeContent() throws nothing but AuthError on any bytes, and what parses encodes to the same", () => {
  const bytes = fc.oneof(
    fc.tuple(fc.uint8Array({ maxLength: 80 }), fc.uint8Array({ maxLength: 300, size: "max" }), fc.nat(200))
      .map(([key, value, filler]) => concat(lvCat(key, value), new Uint8Array(filler))),
    fc.uint8Array({ maxLength: 300, size: "max" }).map((bytes) => concat(bytes)),
    fc.tuple(fc.uint8Array({ maxLength: 20 }), fc.uint8Array({ maxLength: 200 }))
      .map(([key, value]) => encodeContent({ key: concat(key), value: concat(value) })),
  );
  let parsed = 0;
  fc.assert(
    fc.property(bytes, (bytes) => {
      try {
        assertEquals(encodeContent(decodeContent(bytes)), bytes);
        parsed++;
      } catch (error) {
        if (!(error instanceof AuthError)) throw error;
      }
    }),
    { numRuns: 1_000 },
  );
  assert(parsed > 100);
});

Deno.test("decodeContent() refuses filler that is not zero and sizes that are not the smallest", () => {
  const padded = encodeContent({ key: KEY, value: VALUE });
  for (let i = 8 + 3 + 16; i < padded.length; i++) assertThrows(() => decodeContent(flipped(padded, i)), AuthError);
  assertThrows(() => decodeContent(concat(padded, new Uint8Array(64))), AuthError, "padding");
  assertThrows(() => decodeContent(lvCat(KEY, VALUE)), AuthError, "padding");
});
