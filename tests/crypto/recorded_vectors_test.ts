// Aim: no primitive changes its output, also where the official vectors are not at hand.
// Origin: our own implementation, recorded by tests/vectors/record.ts while the official vectors passed.
import { assert, assertEquals } from "@std/assert";
import { decodeHex, encodeHex } from "@std/encoding/hex";
import { aeadOpen, aeadSeal, importAeadKey } from "../../lib/crypto/aead.ts";
import { dh, dhKeyPairFrom } from "../../lib/crypto/dh.ts";
import { sha256, sha512 } from "../../lib/crypto/hash.ts";
import { hkdf, hmacSha256 } from "../../lib/crypto/kdf.ts";
import { sign, signKeyPairFrom, verify } from "../../lib/crypto/sign.ts";
import recorded from "../vectors/crypto.json" with { type: "json" };
import { recordCrypto } from "../vectors/record.ts";

Deno.test("recordCrypto() makes tests/vectors/crypto.json again, byte for byte", async () => {
  assertEquals(await recordCrypto(), recorded);
});

Deno.test("dh() computes the recorded secrets", async () => {
  assert(recorded.x25519.length > 0);
  for (const vector of recorded.x25519) {
    const own = await dhKeyPairFrom(decodeHex(vector.private));
    assertEquals(encodeHex(own.publicBytes), vector.public);
    assertEquals(encodeHex(await dh(own, decodeHex(vector.peerPublic))), vector.shared);
  }
});

Deno.test("sign() makes the recorded signatures and verify() takes them", async () => {
  assert(recorded.ed25519.length > 0);
  for (const vector of recorded.ed25519) {
    const own = await signKeyPairFrom(decodeHex(vector.seed));
    assertEquals(encodeHex(own.publicBytes), vector.public);
    assertEquals(encodeHex(await sign(own, decodeHex(vector.message))), vector.signature);
    await verify(decodeHex(vector.public), decodeHex(vector.message), decodeHex(vector.signature));
  }
});

Deno.test("aeadSeal() makes the recorded bytes and aeadOpen() opens them", async () => {
  assert(recorded.aes256gcm.length > 0);
  for (const vector of recorded.aes256gcm) {
    const key = await importAeadKey(decodeHex(vector.key));
    const options = { nonce: decodeHex(vector.nonce), aad: decodeHex(vector.aad) };
    assertEquals(encodeHex(await aeadSeal(key, decodeHex(vector.plaintext), options)), vector.sealed);
    assertEquals(encodeHex(await aeadOpen(key, decodeHex(vector.sealed), options)), vector.plaintext);
  }
});

Deno.test("hkdf() derives the recorded outputs", async () => {
  assert(recorded.hkdfSha256.length > 0);
  for (const { inputKey, salt, info, lengthBytes, output } of recorded.hkdfSha256) {
    const options = { salt: decodeHex(salt), info: decodeHex(info), lengthBytes };
    assertEquals(encodeHex(await hkdf(decodeHex(inputKey), options)), output);
  }
});

Deno.test("hmacSha256(), sha256() and sha512() give the recorded digests", async () => {
  assert(recorded.hmacSha256.length > 0 && recorded.sha256.length > 0 && recorded.sha512.length > 0);
  for (const { key, data, mac } of recorded.hmacSha256) {
    assertEquals(encodeHex(await hmacSha256(decodeHex(key), decodeHex(data))), mac);
  }
  for (const { data, digest } of recorded.sha256) assertEquals(encodeHex(await sha256(decodeHex(data))), digest);
  for (const { data, digest } of recorded.sha512) assertEquals(encodeHex(await sha512(decodeHex(data))), digest);
});
