// Aim: no nonce is ever used twice under one key, and nothing is opened behind a message that failed.
import { assert, assertEquals, assertRejects } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import fc from "fast-check";
import { AuthError, DecodeError, ProtocolError } from "../../lib/bytes/errors.ts";
import { type Bytes, concat, u64be, utf8 } from "../../lib/bytes/writer.ts";
import { aeadOpen, importAeadKey } from "../../lib/crypto/aead.ts";
import {
  CipherState,
  NOISE_MESSAGE_MAX_BYTES,
  NOISE_PLAINTEXT_MAX_BYTES,
  NONCE_COUNT_MAX,
} from "../../lib/noise/cipher_state.ts";
import { seed } from "./_join.ts";

const EMPTY = new Uint8Array(0);
const KEY = await seed(20);

async function statePair(): Promise<{ sending: CipherState; receiving: CipherState }> {
  return { sending: await CipherState.fromKey(KEY), receiving: await CipherState.fromKey(KEY) };
}

Deno.test("CipherState.encryptWithAd() gives overlapping calls distinct nonces, in the order of the calls", async () => {
  const { sending, receiving } = await statePair();
  // A long message first: it is done long after the short ones, which must not matter.
  const plaintexts = Array.from({ length: 64 }, (_, i) => new Uint8Array(i % 8 === 0 ? 60_000 : i).fill(i));
  const sealed = await Promise.all(plaintexts.map((plaintext) => sending.encryptWithAd(EMPTY, plaintext)));
  const key = await importAeadKey(KEY);
  for (const [i, message] of sealed.entries()) {
    const nonce = concat(new Uint8Array(4), u64be(i));
    assertEquals(await aeadOpen(key, message, { nonce, aad: EMPTY }), plaintexts[i] as Bytes);
    assertEquals(await receiving.decryptWithAd(EMPTY, message), plaintexts[i] as Bytes);
  }
  assertEquals(sending.messageCount, 64);
});

Deno.test("CipherState.encryptWithAd() of one plaintext never gives the same bytes twice", async () => {
  const { sending } = await statePair();
  const sealed = await Promise.all(Array.from({ length: 200 }, () => sending.encryptWithAd(EMPTY, utf8("same"))));
  assertEquals(new Set(sealed.map(encodeHex)).size, 200);
});

Deno.test("CipherState.decryptWithAd() serves overlapping calls in the order of the calls", async () => {
  const { sending, receiving } = await statePair();
  const sealed: Bytes[] = [];
  for (const lengthBytes of [60_000, 1, 30_000, 0]) {
    sealed.push(await sending.encryptWithAd(EMPTY, new Uint8Array(lengthBytes)));
  }
  const done: number[] = [];
  await Promise.all(
    sealed.map(async (message) => done.push((await receiving.decryptWithAd(EMPTY, message)).length)),
  );
  assertEquals(done, [60_000, 1, 30_000, 0]);
});

Deno.test("CipherState.decryptWithAd() refuses everything after a message that failed, even the honest one", async () => {
  const { sending, receiving } = await statePair();
  const [first, second] = [
    await sending.encryptWithAd(EMPTY, utf8("a")),
    await sending.encryptWithAd(EMPTY, utf8("b")),
  ];
  const forged = first.slice();
  forged[0] = (forged[0] as number) ^ 1;
  const results = await Promise.allSettled([forged, first, second].map((m) => receiving.decryptWithAd(EMPTY, m)));
  const reasons = results.map((result) => result.status === "rejected" ? result.reason.constructor : "opened");
  assertEquals(reasons, [AuthError, ProtocolError, ProtocolError]);
});

Deno.test("CipherState.decryptWithAd() refuses a replay, a reordered message and a gap", async () => {
  const { sending } = await statePair();
  const [a, b, c] = [
    await sending.encryptWithAd(EMPTY, utf8("a")),
    await sending.encryptWithAd(EMPTY, utf8("b")),
    await sending.encryptWithAd(EMPTY, utf8("c")),
  ];
  for (const order of [[a, a], [b], [a, c]]) {
    const { receiving } = await statePair();
    for (const message of order.slice(0, -1)) await receiving.decryptWithAd(EMPTY, message);
    await assertRejects(() => receiving.decryptWithAd(EMPTY, order.at(-1) as Bytes), AuthError);
  }
});

Deno.test("CipherState.decryptWithAd() refuses every flipped byte, every truncation and other additional data", async () => {
  const { sending } = await statePair();
  const sealed = await sending.encryptWithAd(utf8("ad"), utf8("text"));
  for (let i = 0; i < sealed.length; i++) {
    const forged = sealed.slice();
    forged[i] = (forged[i] as number) ^ 0x10;
    const state = await CipherState.fromKey(KEY);
    await assertRejects(() => state.decryptWithAd(utf8("ad"), forged), AuthError);
  }
  for (let length = 0; length < sealed.length; length++) {
    const state = await CipherState.fromKey(KEY);
    const due = length < 16 ? DecodeError : AuthError;
    await assertRejects<Error>(() => state.decryptWithAd(utf8("ad"), sealed.slice(0, length)), due);
    await assertRejects(() => state.decryptWithAd(utf8("ad"), sealed), ProtocolError, "an earlier message failed");
  }
  for (const ad of [utf8(""), utf8("Ad"), utf8("ad ")]) {
    const state = await CipherState.fromKey(KEY);
    await assertRejects(() => state.decryptWithAd(ad, sealed), AuthError);
  }
});

Deno.test("CipherState takes messages of 65,535 bytes and refuses one more", async () => {
  const { sending, receiving } = await statePair();
  const tooLong = new Uint8Array(NOISE_PLAINTEXT_MAX_BYTES + 1);
  await assertRejects(() => sending.encryptWithAd(EMPTY, tooLong), RangeError, "65520");
  assertEquals(sending.messageCount, 0, "a refused plaintext takes no nonce");
  const sealed = await sending.encryptWithAd(EMPTY, new Uint8Array(NOISE_PLAINTEXT_MAX_BYTES));
  assertEquals(sealed.length, NOISE_MESSAGE_MAX_BYTES);
  assertEquals((await receiving.decryptWithAd(EMPTY, sealed)).length, NOISE_PLAINTEXT_MAX_BYTES);
  const longer = new Uint8Array(NOISE_MESSAGE_MAX_BYTES + 1);
  await assertRejects(() => receiving.decryptWithAd(EMPTY, longer), DecodeError, "65536");
});

Deno.test("CipherState stops at its bound instead of counting on", async () => {
  const sending = await CipherState.testOnlyAt(KEY, NONCE_COUNT_MAX - 1);
  const receiving = await CipherState.testOnlyAt(KEY, NONCE_COUNT_MAX - 1);
  const results = await Promise.allSettled([sending.encryptWithAd(EMPTY, EMPTY), sending.encryptWithAd(EMPTY, EMPTY)]);
  assertEquals(results.map(({ status }) => status), ["fulfilled", "rejected"]);
  const last = (results[0] as PromiseFulfilledResult<Bytes>).value;
  assertEquals(await receiving.decryptWithAd(EMPTY, last), EMPTY);
  await assertRejects(() => sending.encryptWithAd(EMPTY, EMPTY), RangeError, "has sealed");
  await assertRejects(() => receiving.decryptWithAd(EMPTY, last), ProtocolError, "under one key");
});

Deno.test("CipherState.fromKey() refuses keys of 0, 31 and 33 bytes", async () => {
  for (const lengthBytes of [0, 31, 33]) {
    await assertRejects(() => CipherState.fromKey(new Uint8Array(lengthBytes)), RangeError, `${lengthBytes} bytes`);
  }
});

Deno.test("CipherState opens what it sealed, for any additional data and plaintext, and grows it by a tag", async () => {
  const bytes = fc.uint8Array({ maxLength: 5_000, size: "max" });
  const { sending, receiving } = await statePair();
  await fc.assert(
    fc.asyncProperty(bytes, bytes, async (ad, plaintext) => {
      const sealed = await sending.encryptWithAd(ad.slice(), plaintext.slice());
      assertEquals(sealed.length, plaintext.length + 16);
      assertEquals(await receiving.decryptWithAd(ad.slice(), sealed), plaintext.slice());
    }),
  );
});

Deno.test("CipherState.decryptWithAd() refuses random bytes", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 500, size: "max" }), async (bytes) => {
      const state = await CipherState.fromKey(KEY);
      const error = await assertRejects(() => state.decryptWithAd(EMPTY, bytes.slice()));
      assert(bytes.length < 16 ? error instanceof DecodeError : error instanceof AuthError);
    }),
  );
});
