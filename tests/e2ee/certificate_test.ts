import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { decodeHex } from "@std/encoding/hex";
import { AuthError, DecodeError } from "../../lib/bytes/errors.ts";
import { type Bytes, concat, u64be, u8, utf8 } from "../../lib/bytes/writer.ts";
import { assertDhPublicKey, dh, generateDhKeyPair } from "../../lib/crypto/dh.ts";
import { CERTIFICATE_MAX_BYTES, createCertificate, verifyCertificate } from "../../lib/e2ee/certificate.ts";
import { generateIdentity, type Identity } from "../../lib/e2ee/identity.ts";
import { signFields } from "../../lib/e2ee/signed.ts";
import { flipped, NOW_MS } from "./_people.ts";
import { SMALL_ORDER_ED25519, SMALL_ORDER_X25519 } from "./_small_order.ts";

const alice = await generateIdentity({ life: "lasting", nowMs: NOW_MS });

/** Certificate fields of alice, some of them replaced, signed properly by her. */
function forge(change: Partial<Record<keyof ReturnType<typeof fieldsOf>, Bytes>>): Promise<Bytes> {
  return signFields(alice.sign, "cert", Object.values({ ...fieldsOf(alice), ...change }));
}

function fieldsOf(identity: Identity) {
  return {
    suite: u8(1),
    sign: identity.sign.publicBytes,
    dh: identity.dh.publicBytes,
    noise: identity.noise.publicBytes,
    handle: utf8("alice"),
    life: u8(1),
    created: u64be(NOW_MS),
  };
}

Deno.test("createCertificate() and verifyCertificate() agree", async () => {
  for (const handle of ["a", "alice", "é".repeat(64), "𝒜".repeat(32)]) {
    const made = await createCertificate(alice, { handle, createdMs: NOW_MS });
    const read = await verifyCertificate(made.encoded);
    assertEquals(read, made);
    assertEquals(read.handle, handle);
    assertEquals(read.life, "lasting");
    assertEquals(read.noisePublic, alice.noise.publicBytes);
  }
  const longest = await createCertificate(alice, { handle: "a".repeat(128), createdMs: NOW_MS });
  assertEquals(longest.encoded.length, CERTIFICATE_MAX_BYTES);
  assertEquals(await forge({}), (await createCertificate(alice, { handle: "alice", createdMs: NOW_MS })).encoded);
});

Deno.test("createCertificate() refuses handles that cannot be encoded", async () => {
  for (const handle of ["", "a".repeat(129), "é".repeat(65), "\ud800"]) {
    await assertRejects(() => createCertificate(alice, { handle, createdMs: NOW_MS }), RangeError);
  }
});

Deno.test("verifyCertificate() refuses every flipped byte, every truncation and what follows the end", async () => {
  const { encoded } = await createCertificate(alice, { handle: "alice", createdMs: NOW_MS });
  for (let i = 0; i < encoded.length; i++) {
    for (const mask of [1, 0x80]) await assertRefused(flipped(encoded, i, mask));
    await assertRefused(encoded.slice(0, i));
  }
  await assertRejects(() => verifyCertificate(concat(encoded, u8(0))), DecodeError);
  await assertRejects(() => verifyCertificate(new Uint8Array(CERTIFICATE_MAX_BYTES + 1)), DecodeError);
});

Deno.test("verifyCertificate() refuses fields of other lengths, unknown suites and lives, properly signed", async () => {
  for (const length of [0, 31, 33]) {
    for (const field of ["sign", "dh", "noise"] as const) {
      await assertRejects(async () => verifyCertificate(await forge({ [field]: new Uint8Array(length) })), DecodeError);
    }
  }
  const malformed = [
    { suite: u8(0) },
    { suite: u8(2) },
    { suite: new Uint8Array(2) },
    { handle: new Uint8Array(0) },
    { handle: utf8("a".repeat(129)) },
    { handle: Uint8Array.of(0xff) },
    { handle: Uint8Array.of(0xc0, 0x80) },
    { life: u8(0) },
    { life: u8(3) },
    { life: new Uint8Array(0) },
    { created: new Uint8Array(7) },
    { created: new Uint8Array(8).fill(0xff) },
  ];
  for (const change of malformed) {
    await assertRejects(async () => verifyCertificate(await forge(change)), DecodeError);
  }
});

Deno.test("verifyCertificate() refuses keys of small order and spellings that are not canonical", async () => {
  for (const hex of SMALL_ORDER_X25519) {
    for (const field of ["dh", "noise"] as const) {
      await assertRejects(async () => verifyCertificate(await forge({ [field]: decodeHex(hex) })), AuthError);
    }
  }
  for (const hex of SMALL_ORDER_ED25519) {
    await assertRejects(async () => verifyCertificate(await forge({ sign: decodeHex(hex) })), AuthError);
  }
});

Deno.test("assertDhPublicKey() takes every honest key and no second spelling of one", async () => {
  const own = await generateDhKeyPair();
  for (let i = 0; i < 100; i++) {
    const { publicBytes } = await generateDhKeyPair();
    assertDhPublicKey(publicBytes);
    const respelled = flipped(publicBytes, 31, 0x80);
    assertEquals(await dh(own, publicBytes), await dh(own, respelled));
    assertThrows(() => assertDhPublicKey(respelled), AuthError);
  }
  for (const length of [0, 31, 33]) assertThrows(() => assertDhPublicKey(new Uint8Array(length).fill(9)), AuthError);
  for (const hex of SMALL_ORDER_X25519) assertThrows(() => assertDhPublicKey(decodeHex(hex)), AuthError);
  const top = new Uint8Array(32).fill(0xff);
  top[31] = 0x7f;
  top[0] = 0xeb; // p - 2
  assertDhPublicKey(top);
});

async function assertRefused(bytes: Bytes): Promise<void> {
  const error = await verifyCertificate(bytes).then(() => undefined, (reason) => reason);
  assertEquals(error instanceof DecodeError || error instanceof AuthError, true, String(error));
}
