/**
 * Records our own test vectors, from fixed inputs and with the implementation under test:
 * `deno run --allow-read --allow-write tests/vectors/record.ts`
 *
 * They run where the official vectors are missing and hold the wire format still. Record again only for a deliberate
 * change of the protocol, and only while the official vectors pass.
 */

import { encodeHex } from "@std/encoding/hex";
import { type Bytes, concat, u32be, utf8 } from "../../lib/bytes/writer.ts";
import { aeadSeal, importAeadKey } from "../../lib/crypto/aead.ts";
import { dh, dhKeyPairFrom } from "../../lib/crypto/dh.ts";
import { sha256, sha512 } from "../../lib/crypto/hash.ts";
import { hkdf, hmacSha256 } from "../../lib/crypto/kdf.ts";
import { sign, signKeyPairFrom } from "../../lib/crypto/sign.ts";
import { XX, XX_PSK3 } from "../../lib/noise/patterns.ts";
import { type NoiseVector, playVector } from "../noise/_play_vector.ts";

const ORIGIN = "Sotto's own implementation, by tests/vectors/record.ts";
const LENGTHS: readonly number[] = [0, 1, 16, 63, 64, 65, 300];

/** What `noise.json` holds. */
export interface NoiseFile {
  readonly origin: string;
  readonly vectors: readonly NoiseVector[];
}

/** What `crypto.json` holds; all bytes in hex. */
export interface CryptoFile {
  readonly origin: string;
  readonly x25519: readonly { private: string; public: string; peerPublic: string; shared: string }[];
  readonly ed25519: readonly { seed: string; public: string; message: string; signature: string }[];
  readonly aes256gcm: readonly { key: string; nonce: string; aad: string; plaintext: string; sealed: string }[];
  readonly hkdfSha256: readonly { inputKey: string; salt: string; info: string; lengthBytes: number; output: string }[];
  readonly hmacSha256: readonly { key: string; data: string; mac: string }[];
  readonly sha256: readonly { data: string; digest: string }[];
  readonly sha512: readonly { data: string; digest: string }[];
}

/**
 * Plays Noise over fixed inputs: both patterns, with empty payloads and with full ones.
 * @returns the content of `noise.json`
 */
export async function recordNoise(): Promise<NoiseFile> {
  const vectors: NoiseVector[] = [];
  for (const { protocolName } of [XX, XX_PSK3]) {
    for (const payloadBytes of [0, 1, 120]) {
      const use = `${protocolName} ${payloadBytes}`;
      const psk = protocolName === XX_PSK3.protocolName ? [encodeHex(await input(`${use} psk`, 32))] : [];
      const prologue = encodeHex(utf8("recorded prologue"));
      const inputs = {
        protocol_name: protocolName,
        init_prologue: prologue,
        init_psks: psk,
        init_static: encodeHex(await input(`${use} init static`, 32)),
        init_ephemeral: encodeHex(await input(`${use} init ephemeral`, 32)),
        resp_prologue: prologue,
        resp_psks: psk,
        resp_static: encodeHex(await input(`${use} resp static`, 32)),
        resp_ephemeral: encodeHex(await input(`${use} resp ephemeral`, 32)),
      };
      const payloads = await Promise.all(
        [0, 1, 2, 3, 4, 5, 6].map(async (i) => encodeHex(await input(`${use} payload ${i}`, payloadBytes))),
      );
      const messages = payloads.map((payload) => ({ payload, ciphertext: "" }));
      const played = await playVector({ ...inputs, messages });
      vectors.push({
        ...inputs,
        handshake_hash: played.handshakeHash,
        messages: payloads.map((payload, i) => ({ payload, ciphertext: played.ciphertexts[i] as string })),
      });
    }
  }
  return { origin: ORIGIN, vectors };
}

/**
 * Runs every primitive over fixed inputs of several lengths.
 * @returns the content of `crypto.json`
 */
export async function recordCrypto(): Promise<CryptoFile> {
  return {
    origin: ORIGIN,
    x25519: await Promise.all([0, 1, 2].map(recordDh)),
    ed25519: await Promise.all(LENGTHS.map(recordSignature)),
    aes256gcm: await Promise.all(LENGTHS.map(recordAead)),
    hkdfSha256: await Promise.all(LENGTHS.map(recordHkdf)),
    hmacSha256: await Promise.all(LENGTHS.map(async (lengthBytes) => {
      const [key, data] = [await input("hmac key", lengthBytes + 1), await input("hmac data", lengthBytes)];
      return { key: encodeHex(key), data: encodeHex(data), mac: encodeHex(await hmacSha256(key, data)) };
    })),
    sha256: await Promise.all(LENGTHS.map((lengthBytes) => recordHash(sha256, lengthBytes))),
    sha512: await Promise.all(LENGTHS.map((lengthBytes) => recordHash(sha512, lengthBytes))),
  };
}

async function recordDh(number: number) {
  const own = await dhKeyPairFrom(await input(`x25519 ${number}`, 32));
  const peer = await dhKeyPairFrom(await input(`x25519 peer ${number}`, 32));
  return {
    private: encodeHex(own.privateBytes),
    public: encodeHex(own.publicBytes),
    peerPublic: encodeHex(peer.publicBytes),
    shared: encodeHex(await dh(own, peer.publicBytes)),
  };
}

async function recordSignature(lengthBytes: number) {
  const own = await signKeyPairFrom(await input(`ed25519 ${lengthBytes}`, 32));
  const message = await input("ed25519 message", lengthBytes);
  return {
    seed: encodeHex(own.privateBytes),
    public: encodeHex(own.publicBytes),
    message: encodeHex(message),
    signature: encodeHex(await sign(own, message)),
  };
}

async function recordAead(lengthBytes: number) {
  const key = await input(`aead key ${lengthBytes}`, 32);
  const nonce = await input(`aead nonce ${lengthBytes}`, 12);
  const aad = await input("aead aad", lengthBytes % 40);
  const plaintext = await input("aead plaintext", lengthBytes);
  const sealed = await aeadSeal(await importAeadKey(key), plaintext, { nonce, aad });
  return {
    key: encodeHex(key),
    nonce: encodeHex(nonce),
    aad: encodeHex(aad),
    plaintext: encodeHex(plaintext),
    sealed: encodeHex(sealed),
  };
}

async function recordHkdf(lengthBytes: number) {
  const inputKey = await input("hkdf input key", lengthBytes);
  const salt = await input("hkdf salt", lengthBytes % 33);
  const info = await input("hkdf info", lengthBytes % 20);
  const outputBytes = lengthBytes + 32;
  return {
    inputKey: encodeHex(inputKey),
    salt: encodeHex(salt),
    info: encodeHex(info),
    lengthBytes: outputBytes,
    output: encodeHex(await hkdf(inputKey, { salt, info, lengthBytes: outputBytes })),
  };
}

async function recordHash(hash: (data: Bytes) => Promise<Bytes>, lengthBytes: number) {
  const data = await input("hash data", lengthBytes);
  return { data: encodeHex(data), digest: encodeHex(await hash(data)) };
}

/** Makes fixed bytes for a use: SHA-256 of the use and a counter, as often as needed. */
async function input(use: string, lengthBytes: number): Promise<Bytes> {
  let out: Bytes = new Uint8Array(0);
  for (let i = 0; out.length < lengthBytes; i++) out = concat(out, await sha256(concat(utf8(use), u32be(i))));
  return out.slice(0, lengthBytes);
}

if (import.meta.main) {
  for (
    const [fileName, content] of [["noise.json", await recordNoise()], ["crypto.json", await recordCrypto()]] as const
  ) {
    await Deno.writeTextFile(new URL(fileName, import.meta.url), JSON.stringify(content, null, 2) + "\n");
    console.log(`Wrote tests/vectors/${fileName}`);
  }
}
