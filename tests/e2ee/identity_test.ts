import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { createHash } from "node:crypto";
import { DecodeError } from "../../lib/bytes/errors.ts";
import { concat, lvCat, utf8 } from "../../lib/bytes/writer.ts";
import {
  decodeIdentity,
  encodeIdentity,
  fingerprintOf,
  generateIdentity,
  identityId,
  idOf,
  KEY_FILE_BYTES,
  openRoomId,
  relayFingerprint,
} from "../../lib/e2ee/identity.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { flipped, NOW_MS } from "./_people.ts";

Deno.test("encodeIdentity() and decodeIdentity() give the same identity back", async () => {
  for (const life of ["lasting", "ephemeral"] as const) {
    const identity = await generateIdentity({ life, nowMs: NOW_MS });
    const file = await encodeIdentity(identity);
    assertEquals(file.length, KEY_FILE_BYTES);
    assertEquals(await decodeIdentity(file), identity);
  }
});

Deno.test("decodeIdentity() tells a damaged file from a foreign one", async () => {
  const file = await encodeIdentity(await generateIdentity({ life: "lasting", nowMs: NOW_MS }));
  for (let i = 0; i < file.length; i++) {
    const complaint = i < 8 ? "not a key file" : i === 8 ? "version" : "damaged";
    await assertRejects(() => decodeIdentity(flipped(file, i)), DecodeError, complaint);
  }
  for (let length = 0; length < file.length; length++) {
    const complaint = length < 8 ? "not a key file" : "damaged";
    await assertRejects(() => decodeIdentity(file.slice(0, length)), DecodeError, complaint);
  }
  await assertRejects(() => decodeIdentity(concat(file, utf8("x"))), DecodeError, "damaged");
});

Deno.test("generateIdentity() takes its keys from the given source alone", async () => {
  const make = () => {
    let next = 0;
    const random = (lengthBytes: number) => new Uint8Array(lengthBytes).fill(++next);
    return generateIdentity({ life: "lasting", nowMs: NOW_MS, random });
  };
  assertEquals(await make(), await make());
});

Deno.test("idOf() reads back what fingerprintOf() spells, and nothing else", () => {
  for (let i = 0; i < 200; i++) {
    const id = secureRandom(32);
    const fingerprint = fingerprintOf(id);
    assertEquals(fingerprint.length, 52);
    assertEquals(idOf(fingerprint), id);
  }
  const good = fingerprintOf(new Uint8Array(32));
  for (const bad of ["", good.slice(1), `${good}A`, good.toLowerCase(), `${good.slice(1)}B`, `${good}====`]) {
    assertThrows(() => idOf(bad), DecodeError);
  }
  for (const length of [0, 31, 33]) assertThrows(() => fingerprintOf(new Uint8Array(length)), RangeError);
});

Deno.test("identityId(), relayFingerprint() and openRoomId() hash label and lv_cat", async () => {
  const a = new Uint8Array(32).fill(1);
  const b = new Uint8Array(32).fill(2);
  const hash = (...parts: Uint8Array[]) => new Uint8Array(createHash("sha256").update(concat(...parts)).digest());
  assertEquals(await identityId(a, b), hash(utf8("sotto/1 id\0"), lvCat(a, b)));
  assertEquals(idOf(await relayFingerprint(a)), hash(utf8("sotto/1 relay\0"), lvCat(a)));
  assertEquals(await openRoomId(a, "lobby"), hash(utf8("sotto/1 open room\0"), lvCat(a, utf8("lobby"))));
});
