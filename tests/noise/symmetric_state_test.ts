// Aim: the symmetric half follows Noise 5.2 step by step, checked against the plain formulas.
import { assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { AuthError } from "../../lib/bytes/errors.ts";
import { concat, utf8 } from "../../lib/bytes/writer.ts";
import { sha256 } from "../../lib/crypto/hash.ts";
import { hmacSha256 } from "../../lib/crypto/kdf.ts";
import { CipherState } from "../../lib/noise/cipher_state.ts";
import { fieldBytes, SymmetricState } from "../../lib/noise/symmetric_state.ts";
import { seed } from "./_join.ts";

const NAME_28 = "Noise_XX_25519_AESGCM_SHA256";
const EMPTY = new Uint8Array(0);

Deno.test("SymmetricState.initialize() fills a short name, keeps one of 32 bytes and hashes a longer one", async () => {
  assertEquals((await SymmetricState.initialize(NAME_28)).handshakeHash(), concat(utf8(NAME_28), new Uint8Array(4)));
  const exact = "Noise_XXpsk3_25519_AESGCM_SHA256";
  assertEquals((await SymmetricState.initialize(exact)).handshakeHash(), utf8(exact));
  const longer = exact + "x";
  assertEquals((await SymmetricState.initialize(longer)).handshakeHash(), await sha256(utf8(longer)));
});

Deno.test("SymmetricState.mixHash() hashes the old hash with the data", async () => {
  const state = await SymmetricState.initialize(NAME_28);
  const before = state.handshakeHash();
  await state.mixHash(utf8("data"));
  assertEquals(state.handshakeHash(), await sha256(concat(before, utf8("data"))));
});

Deno.test("SymmetricState.mixKey() derives key and chaining key as Noise 4.3 says, by HMAC alone", async () => {
  const state = await SymmetricState.initialize(NAME_28);
  const input = await seed(30);
  const chainingKey = state.handshakeHash(); // they start equal
  const hash = state.handshakeHash();
  await state.mixKey(input);
  const tempKey = await hmacSha256(chainingKey, input);
  const newChainingKey = await hmacSha256(tempKey, Uint8Array.of(1));
  const cipher = await CipherState.fromKey(await hmacSha256(tempKey, concat(newChainingKey, Uint8Array.of(2))));
  assertEquals(await state.encryptAndHash(utf8("field")), await cipher.encryptWithAd(hash, utf8("field")));

  const splitKey = await hmacSha256(newChainingKey, EMPTY);
  const first = await hmacSha256(splitKey, Uint8Array.of(1));
  const second = await hmacSha256(splitKey, concat(first, Uint8Array.of(2)));
  const [there, back] = await state.split();
  const text = utf8("transport");
  assertEquals(
    await there.encryptWithAd(EMPTY, text),
    await (await CipherState.fromKey(first)).encryptWithAd(EMPTY, text),
  );
  assertEquals(
    await back.encryptWithAd(EMPTY, text),
    await (await CipherState.fromKey(second)).encryptWithAd(EMPTY, text),
  );
});

Deno.test("SymmetricState.mixKeyAndHash() mixes the second output into the hash and takes the third as key", async () => {
  const state = await SymmetricState.initialize(NAME_28);
  const input = await seed(31);
  const start = state.handshakeHash();
  await state.mixKeyAndHash(input);
  const tempKey = await hmacSha256(start, input);
  const first = await hmacSha256(tempKey, Uint8Array.of(1));
  const second = await hmacSha256(tempKey, concat(first, Uint8Array.of(2)));
  const third = await hmacSha256(tempKey, concat(second, Uint8Array.of(3)));
  const hash = await sha256(concat(start, second));
  assertEquals(state.handshakeHash(), hash);
  const cipher = await CipherState.fromKey(third);
  assertEquals(await state.encryptAndHash(utf8("x")), await cipher.encryptWithAd(hash, utf8("x")));
});

Deno.test("SymmetricState without a key passes fields through and hashes them", async () => {
  const state = await SymmetricState.initialize(NAME_28);
  const before = state.handshakeHash();
  assertEquals(state.hasKey, false);
  assertEquals(await state.encryptAndHash(utf8("clear")), utf8("clear"));
  assertEquals(state.handshakeHash(), await sha256(concat(before, utf8("clear"))));
  await state.mixKey(await seed(32));
  assertEquals(state.hasKey, true);
});

Deno.test("SymmetricState.decryptAndHash() opens only under the same history", async () => {
  const [writer, reader, other] = [
    await SymmetricState.initialize(NAME_28),
    await SymmetricState.initialize(NAME_28),
    await SymmetricState.initialize(NAME_28),
  ];
  await other.mixHash(utf8("something else"));
  for (const state of [writer, reader, other]) await state.mixKey(await seed(33));
  const field = await writer.encryptAndHash(utf8("field"));
  assertEquals(await reader.decryptAndHash(field), utf8("field"));
  assertEquals(reader.handshakeHash(), writer.handshakeHash());
  assertNotEquals(other.handshakeHash(), writer.handshakeHash());
  await assertRejects(() => other.decryptAndHash(field), AuthError);
});

Deno.test("SymmetricState.handshakeHash() gives a copy", async () => {
  const state = await SymmetricState.initialize(NAME_28);
  state.handshakeHash().fill(0);
  assertEquals(state.handshakeHash(), concat(utf8(NAME_28), new Uint8Array(4)));
});

Deno.test("fieldBytes() adds a tag when there is a key", () => {
  assertEquals([fieldBytes(32, false), fieldBytes(32, true), fieldBytes(0, true)], [32, 48, 16]);
});
