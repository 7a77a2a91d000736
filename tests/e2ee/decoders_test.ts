// Aim: no decoder throws anything but its own errors on any bytes, and what parses encodes to the same bytes again.
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { AuthError, DecodeError, ProtocolError } from "../../lib/bytes/errors.ts";
import { ByteReader } from "../../lib/bytes/reader.ts";
import { type Bytes, concat, lvCat, u32be, u64be, u8, utf8 } from "../../lib/bytes/writer.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { decodeBox, encodeBox } from "../../lib/e2ee/box.ts";
import { createLiveBundle, verifyBundle, verifyLiveBundle, verifyOneTimePrekey } from "../../lib/e2ee/bundle.ts";
import { type Certificate, verifyCertificate } from "../../lib/e2ee/certificate.ts";
import { decodeIdentity, encodeIdentity, fingerprintOf, idOf } from "../../lib/e2ee/identity.ts";
import { lifeToByte } from "../../lib/e2ee/life.ts";
import { pad, unpad } from "../../lib/e2ee/padding.ts";
import { decodePlaintext, encodePlaintext } from "../../lib/e2ee/plaintext.ts";
import { decodeRatchetHeader, encodeRatchetHeader } from "../../lib/e2ee/ratchet_header.ts";
import { open, seal } from "../../lib/e2ee/seal.ts";
import { encodeX3dhHeader, readX3dhHeader } from "../../lib/e2ee/x3dh.ts";
import { firstBox, handedBundle, makePerson, NOW_MS, oneTimeOf, say } from "./_people.ts";

const alice = await makePerson("alice");
const bob = await makePerson("bob");
const request = { requesterId: alice.certificate.id, nonce: secureRandom(16) };
const live = await createLiveBundle(bob, bob.book.prekeys, request);
const expectBob = { expectFingerprint: bob.certificate.fingerprint, nowMs: NOW_MS };
const initial = await firstBox(alice, bob, "hello");
const messageKey = secureRandom(32);
const aad = secureRandom(8);

/** A decoder, an honest input, and an encoder of what the decoder gives that must give the input back. */
interface Codec {
  readonly name: string;
  readonly honest: Bytes;
  readonly recode: (bytes: Bytes) => Bytes | Promise<Bytes>;
}

const CODECS: readonly Codec[] = [
  {
    name: "decodeIdentity()",
    honest: await encodeIdentity(alice.identity),
    recode: async (bytes) => await encodeIdentity(await decodeIdentity(bytes)),
  },
  {
    name: "idOf()",
    honest: utf8(alice.certificate.fingerprint),
    recode: (bytes) => utf8(fingerprintOf(idOf(new TextDecoder().decode(bytes)))),
  },
  {
    name: "verifyCertificate()",
    honest: alice.certificate.encoded,
    recode: async (bytes) => recodeCertificate(await verifyCertificate(bytes), bytes),
  },
  {
    name: "verifyBundle()",
    honest: await handedBundle(bob),
    recode: async (bytes) => {
      await verifyBundle(bytes, expectBob);
      const reader = new ByteReader(bytes, "bundle");
      return lvCat(reader.lv(455), reader.lv(113));
    },
  },
  {
    name: "verifyOneTimePrekey()",
    honest: await oneTimeOf(bob),
    recode: async (bytes) => {
      const { id, publicBytes } = await verifyOneTimePrekey(bytes, bob.certificate);
      return concat(lvCat(u8(1), u32be(id), publicBytes), bytes.slice(-64));
    },
  },
  {
    name: "verifyLiveBundle()",
    honest: live.encoded,
    recode: async (bytes) => {
      const { certificate, signedPrekey, oneTimePrekey } = await verifyLiveBundle(bytes, { ...expectBob, ...request });
      assert(oneTimePrekey !== undefined);
      const spk = [u32be(signedPrekey.id), signedPrekey.publicBytes, u64be(signedPrekey.createdMs)];
      const opk = [u32be(oneTimePrekey.id), oneTimePrekey.publicBytes];
      const fields = lvCat(u8(1), certificate.encoded, request.requesterId, request.nonce, ...spk, ...opk);
      return concat(fields, bytes.slice(-64));
    },
  },
  {
    name: "decodeBox() of an initial box",
    honest: initial,
    recode: recodeBox,
  },
  {
    name: "decodeBox() of a ratchet box",
    honest: encodeBox(undefined, decodeBox(await say(alice, bob, "again")).message),
    recode: recodeBox,
  },
  {
    name: "decodePlaintext()",
    honest: encodePlaintext({ head: { kind: "text", m: 1 }, text: "hé" }),
    // JSON has many spellings: what parses must give the same value again, not the same bytes.
    recode: (bytes) => {
      const once = decodePlaintext(bytes);
      // A short escape can grow by being spelt out, so only what fits again is compared.
      if (JSON.stringify(once.head).length < 1_000) assertEquals(decodePlaintext(encodePlaintext(once)), normal(once));
      return bytes;
    },
  },
  { name: "unpad()", honest: pad(secureRandom(61)), recode: (bytes) => pad(unpad(bytes)) },
  {
    name: "open()",
    honest: await seal(messageKey, secureRandom(20), { aad }),
    recode: async (bytes) => {
      const plaintext = await open(messageKey, bytes, { aad });
      return await seal(messageKey, plaintext, { aad, random: () => bytes.slice(0, 16) });
    },
  },
];

/** `-0` is 0 and `__proto__` is no field once JSON went around. */
function normal<T>(value: T): T {
  return JSON.parse(JSON.stringify(value));
}

function recodeCertificate(certificate: Certificate, bytes: Bytes): Bytes {
  const { suite, signPublic, dhPublic, noisePublic, handle, life, createdMs } = certificate;
  const end = [utf8(handle), u8(lifeToByte(life)), u64be(createdMs)];
  return concat(lvCat(u8(suite), signPublic, dhPublic, noisePublic, ...end), bytes.slice(-64));
}

function recodeBox(bytes: Bytes): Bytes {
  const box = decodeBox(bytes);
  const header = encodeRatchetHeader(decodeRatchetHeader(box.message));
  const message = concat(header, box.message.slice(header.length));
  if (box.kind === "ratchet") return encodeBox(undefined, message);
  assertEquals(encodeX3dhHeader(readX3dhHeader(new ByteReader(box.x3dhBytes, "header"))), box.x3dhBytes);
  return encodeBox(encodeX3dhHeader(box.x3dh), message);
}

/** Refused with an error of ours, or parsed and encoded to the same bytes; never anything else. */
async function assertTotal(codec: Codec, bytes: Bytes): Promise<void> {
  try {
    assertEquals(await codec.recode(bytes), bytes);
  } catch (error) {
    const isOurs = error instanceof DecodeError || error instanceof AuthError || error instanceof ProtocolError;
    if (!isOurs) throw error;
  }
}

for (const codec of CODECS) {
  Deno.test(`${codec.name} parses what encodes to itself and refuses the rest with errors of ours`, async () => {
    const { honest } = codec;
    assertEquals(await codec.recode(honest), honest);
    const random = fc.uint8Array({ maxLength: honest.length + 40, size: "max" }).map((bytes) => new Uint8Array(bytes));
    const truncated = fc.nat(honest.length).map((length) => honest.slice(0, length));
    const edits = fc.array(fc.tuple(fc.nat(honest.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
    const edited = edits.map((list) => {
      const copy = honest.slice();
      for (const [index, value] of list) copy[index] = value;
      return copy;
    });
    const spliced = fc.tuple(fc.nat(honest.length), fc.nat(honest.length), random).map(([from, to, middle]) =>
      concat(honest.slice(0, from), middle, honest.slice(to))
    );
    await fc.assert(
      fc.asyncProperty(fc.oneof(random, truncated, edited, spliced), (bytes) => assertTotal(codec, bytes)),
      { numRuns: 400 },
    );
  });
}
