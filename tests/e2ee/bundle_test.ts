import { assertEquals, assertRejects } from "@std/assert";
import { decodeHex } from "@std/encoding/hex";
import { AuthError, DecodeError, ProtocolError } from "../../lib/bytes/errors.ts";
import { ByteReader } from "../../lib/bytes/reader.ts";
import { type Bytes, concat, lv, lvCat, u32be, u64be, u8 } from "../../lib/bytes/writer.ts";
import { generateDhKeyPair } from "../../lib/crypto/dh.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import {
  BUNDLE_MAX_BYTES,
  createLiveBundle,
  encodeBundle,
  encodeOneTimePrekeys,
  LIVE_BUNDLE_MAX_BYTES,
  ONE_TIME_PREKEY_BYTES,
  verifyBundle,
  verifyLiveBundle,
} from "../../lib/e2ee/bundle.ts";
import { createCertificate } from "../../lib/e2ee/certificate.ts";
import { findOneTimePrekey, refillOneTimePrekeys } from "../../lib/e2ee/prekeys.ts";
import { signFields, suiteField } from "../../lib/e2ee/signed.ts";
import { DAY_MS, flipped, handedBundle, makePerson, NOW_MS, oneTimeOf } from "./_people.ts";
import { SMALL_ORDER_X25519 } from "./_small_order.ts";

const alice = await makePerson("alice");
const bob = await makePerson("bob");
const carol = await makePerson("carol");
const EXPECT_BOB = { expectFingerprint: bob.certificate.fingerprint, nowMs: NOW_MS };
const NONE = new Uint8Array(0);
const NONCE = secureRandom(16);
const REQUEST = { requesterId: alice.certificate.id, nonce: NONCE };

/** Bob's bundle around any signed prekey, properly signed. */
async function forge(publicBytes: Bytes, createdMs = NOW_MS): Promise<Bytes> {
  const fields = [suiteField(), bob.certificate.encoded, u32be(1), publicBytes, u64be(createdMs)];
  return lvCat(await signFields(bob.identity.sign, "bundle", fields), NONE);
}

async function liveBundle(): Promise<Bytes> {
  return (await bob.book.updatePrekeys((store) => createLiveBundle(bob, store, REQUEST))).encoded;
}

async function assertRefused(promise: Promise<unknown>, what: string): Promise<void> {
  const error = await promise.then(() => undefined, (reason) => reason);
  assertEquals(error instanceof DecodeError || error instanceof AuthError, true, `${what}: ${error}`);
}

Deno.test("verifyBundle() gives the keys that encodeBundle() and encodeOneTimePrekeys() published", async () => {
  const made = await bob.book.updatePrekeys((store) => refillOneTimePrekeys(store, 0));
  const list = new ByteReader(await encodeOneTimePrekeys(bob, made.fresh), "list");
  const bundle = await encodeBundle(bob, bob.book.prekeys);
  const current = bob.book.prekeys.signed[0];
  for (const prekey of made.fresh) {
    const handed = lvCat(bundle, list.lvExactly(ONE_TIME_PREKEY_BYTES));
    const verified = await verifyBundle(handed, EXPECT_BOB);
    assertEquals(verified.certificate, bob.certificate);
    assertEquals(verified.signedPrekey, { id: current.id, publicBytes: current.pair.publicBytes, createdMs: NOW_MS });
    assertEquals(verified.oneTimePrekey, { id: prekey.id, publicBytes: prekey.pair.publicBytes });
  }
  list.end();
  assertEquals((await verifyBundle(lvCat(bundle, NONE), EXPECT_BOB)).oneTimePrekey, undefined);
});

Deno.test("encodeBundle() of the longest certificate has the longest length", async () => {
  const certificate = await createCertificate(bob.identity, { handle: "b".repeat(128), createdMs: NOW_MS });
  const owner = { identity: bob.identity, certificate };
  assertEquals((await encodeBundle(owner, bob.book.prekeys)).length, BUNDLE_MAX_BYTES);
  assertEquals((await createLiveBundle(owner, bob.book.prekeys, REQUEST)).encoded.length, LIVE_BUNDLE_MAX_BYTES);
});

Deno.test("verifyBundle() refuses every flipped byte, every truncation and what follows the end", async () => {
  const handed = await handedBundle(bob);
  await verifyBundle(handed, EXPECT_BOB);
  for (let i = 0; i < handed.length; i++) {
    await assertRefused(verifyBundle(flipped(handed, i), EXPECT_BOB), `byte ${i}`);
    await assertRefused(verifyBundle(handed.slice(0, i), EXPECT_BOB), `length ${i}`);
  }
  await assertRejects(() => verifyBundle(concat(handed, u8(0)), EXPECT_BOB), DecodeError);
});

Deno.test("verifyBundle() refuses another identity's bundle and another identity's one-time prekey", async () => {
  await assertRejects(async () => verifyBundle(await handedBundle(carol), EXPECT_BOB), AuthError, "another identity");
  const mixed = lvCat(await encodeBundle(bob, bob.book.prekeys), await oneTimeOf(carol));
  await assertRejects(() => verifyBundle(mixed, EXPECT_BOB), AuthError);
});

Deno.test("verifyBundle() refuses a certificate of bob over prekeys that carol signed", async () => {
  const spk = carol.book.prekeys.signed[0];
  const fields = [suiteField(), bob.certificate.encoded, u32be(spk.id), spk.pair.publicBytes, u64be(NOW_MS)];
  const swapped = lvCat(await signFields(carol.identity.sign, "bundle", fields), NONE);
  await assertRejects(() => verifyBundle(swapped, EXPECT_BOB), AuthError);
});

Deno.test("verifyBundle() refuses a signature made for another use", async () => {
  const spk = bob.book.prekeys.signed[0];
  const fields = [suiteField(), bob.certificate.encoded, u32be(spk.id), spk.pair.publicBytes, u64be(NOW_MS)];
  const other = lvCat(await signFields(bob.identity.sign, "live bundle", fields), NONE);
  await assertRejects(() => verifyBundle(other, EXPECT_BOB), AuthError);
});

Deno.test("verifyBundle() refuses a signed prekey over 30 days old or over 24 hours ahead", async () => {
  const { publicBytes } = await generateDhKeyPair();
  await verifyBundle(await forge(publicBytes, NOW_MS - 30 * DAY_MS), EXPECT_BOB);
  await verifyBundle(await forge(publicBytes, NOW_MS + DAY_MS), EXPECT_BOB);
  for (const createdMs of [NOW_MS - 30 * DAY_MS - 1, NOW_MS + DAY_MS + 1]) {
    await assertRejects(async () => verifyBundle(await forge(publicBytes, createdMs), EXPECT_BOB), ProtocolError);
  }
});

Deno.test("verifyBundle() refuses prekeys of small order or of another length, properly signed", async () => {
  for (const hex of SMALL_ORDER_X25519) {
    const bad = decodeHex(hex);
    await assertRejects(async () => verifyBundle(await forge(bad), EXPECT_BOB), AuthError);
    const oneTime = await signFields(bob.identity.sign, "opk", [suiteField(), u32be(7), bad]);
    const handed = lvCat(await encodeBundle(bob, bob.book.prekeys), oneTime);
    await assertRejects(() => verifyBundle(handed, EXPECT_BOB), AuthError);
  }
  for (const length of [0, 31, 33]) {
    await assertRejects(async () => verifyBundle(await forge(new Uint8Array(length).fill(9)), EXPECT_BOB), DecodeError);
  }
});

Deno.test("verifyBundle() refuses a one-time prekey without an id", async () => {
  const { publicBytes } = await generateDhKeyPair();
  const oneTime = await signFields(bob.identity.sign, "opk", [suiteField(), u32be(0), publicBytes]);
  const handed = concat(lv(await encodeBundle(bob, bob.book.prekeys)), lv(oneTime));
  await assertRejects(() => verifyBundle(handed, EXPECT_BOB), DecodeError);
});

Deno.test("verifyLiveBundle() gives keys of which createLiveBundle() kept the private half", async () => {
  const verified = await verifyLiveBundle(await liveBundle(), { ...EXPECT_BOB, ...REQUEST });
  assertEquals(verified.certificate, bob.certificate);
  const kept = findOneTimePrekey(bob.book.prekeys, verified.oneTimePrekey?.id as number);
  assertEquals(kept?.pair.publicBytes, verified.oneTimePrekey?.publicBytes);
  assertEquals(kept?.use, "live");
});

Deno.test("verifyLiveBundle() refuses an answer to another request, a replay included", async () => {
  const encoded = await liveBundle();
  const others = [
    { ...REQUEST, nonce: secureRandom(16) },
    { ...REQUEST, nonce: NONE },
    { ...REQUEST, requesterId: carol.certificate.id },
  ];
  for (const other of others) {
    await assertRejects(() => verifyLiveBundle(encoded, { ...EXPECT_BOB, ...other }), AuthError, "another request");
  }
  const expectCarol = { ...EXPECT_BOB, expectFingerprint: carol.certificate.fingerprint, ...REQUEST };
  await assertRejects(() => verifyLiveBundle(encoded, expectCarol), AuthError, "another identity");
  const late = { ...EXPECT_BOB, ...REQUEST, nowMs: NOW_MS + 31 * DAY_MS };
  await assertRejects(() => verifyLiveBundle(encoded, late), ProtocolError);
});

Deno.test("verifyLiveBundle() refuses every flipped byte, every truncation and a stored bundle", async () => {
  const encoded = await liveBundle();
  const options = { ...EXPECT_BOB, ...REQUEST };
  for (let i = 0; i < encoded.length; i++) {
    await assertRefused(verifyLiveBundle(flipped(encoded, i), options), `byte ${i}`);
    await assertRefused(verifyLiveBundle(encoded.slice(0, i), options), `length ${i}`);
  }
  await assertRejects(() => verifyLiveBundle(concat(encoded, u8(0)), options), DecodeError);
  await assertRefused(verifyLiveBundle(await encodeBundle(bob, bob.book.prekeys), options), "stored");
  await assertRefused(verifyBundle(lvCat(encoded, NONE), EXPECT_BOB), "live");
});

Deno.test("createLiveBundle() refuses requests of other lengths", async () => {
  for (const change of [{ nonce: secureRandom(15) }, { requesterId: secureRandom(31) }]) {
    await assertRejects(() => createLiveBundle(bob, bob.book.prekeys, { ...REQUEST, ...change }), RangeError);
  }
});
