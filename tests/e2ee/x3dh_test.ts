import { assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { decodeHex } from "@std/encoding/hex";
import { Buffer } from "node:buffer";
import { createHash, createPrivateKey, createPublicKey, diffieHellman, hkdfSync } from "node:crypto";
import { AuthError, DecodeError } from "../../lib/bytes/errors.ts";
import { ByteReader } from "../../lib/bytes/reader.ts";
import { type Bytes, concat, lvCat, u32be, u8, utf8 } from "../../lib/bytes/writer.ts";
import type { DhKeyPair } from "../../lib/crypto/dh.ts";
import { findOneTimePrekey, withoutOneTimePrekey } from "../../lib/e2ee/prekeys.ts";
import {
  encodeX3dhHeader,
  readX3dhHeader,
  UnknownPrekeyError,
  x3dhInitiate,
  x3dhRespond,
} from "../../lib/e2ee/x3dh.ts";
import { makePerson, verifiedBundle } from "./_people.ts";
import { SMALL_ORDER_X25519 } from "./_small_order.ts";

const alice = await makePerson("alice");
const bob = await makePerson("bob");

/** X25519 by node:crypto, from raw keys. */
function nodeDh(own: DhKeyPair, publicBytes: Bytes): Uint8Array {
  const privateKey = createPrivateKey({
    key: Buffer.from(concat(decodeHex("302e020100300506032b656e04220420"), own.privateBytes)),
    format: "der",
    type: "pkcs8",
  });
  const publicKey = createPublicKey({
    key: Buffer.from(concat(decodeHex("302a300506032b656e032100"), publicBytes)),
    format: "der",
    type: "spki",
  });
  return diffieHellman({ privateKey, publicKey });
}

function nodeHash(...parts: Uint8Array[]): Bytes {
  return new Uint8Array(createHash("sha256").update(concat(...parts)).digest());
}

Deno.test("x3dhInitiate() and x3dhRespond() agree with a plain computation by node:crypto", async () => {
  for (const withOneTime of [true, false]) {
    const bundle = await verifiedBundle(bob, withOneTime);
    const result = await x3dhInitiate(alice, bundle);
    const header = readX3dhHeader(new ByteReader(result.header, "header"));
    const response = await x3dhRespond(bob, bob.book.prekeys, header);

    const spk = bob.book.prekeys.signed[0];
    const opk = findOneTimePrekey(bob.book.prekeys, bundle.oneTimePrekey?.id ?? 0);
    assertEquals(opk !== undefined, withOneTime);
    const ek = header.ephemeralPublic;
    const input = concat(
      new Uint8Array(32).fill(0xff),
      nodeDh(spk.pair, alice.identity.dh.publicBytes),
      nodeDh(bob.identity.dh, ek),
      nodeDh(spk.pair, ek),
      opk === undefined ? new Uint8Array(0) : nodeDh(opk.pair, ek),
    );
    const secret = new Uint8Array(hkdfSync("sha256", input, new Uint8Array(32), utf8("sotto/1 x3dh\0"), 32));
    const ids = [alice, bob].map(({ identity }) =>
      nodeHash(utf8("sotto/1 id\0"), lvCat(identity.sign.publicBytes, identity.dh.publicBytes))
    );
    const ad = nodeHash(
      utf8("sotto/1 x3dh ad\0"),
      lvCat(
        u8(1),
        ...ids,
        spk.pair.publicBytes,
        opk?.pair.publicBytes ?? new Uint8Array(0),
        ek,
        u32be(spk.id),
        u32be(opk?.id ?? 0),
      ),
    );
    const sessionId = nodeHash(utf8("sotto/1 session\0"), lvCat(ad)).slice(0, 16);
    for (const side of [result, response]) {
      assertEquals(side.sharedKey, secret);
      assertEquals(side.ad, ad);
      assertEquals(side.sessionId, sessionId);
    }
    assertEquals(response.peer, alice.certificate);
    assertEquals(response.signedPrekey, spk.pair);
  }
});

Deno.test("x3dhInitiate() gives other keys each time", async () => {
  const bundle = await verifiedBundle(bob);
  const [one, two] = [await x3dhInitiate(alice, bundle), await x3dhInitiate(alice, bundle)];
  assertNotEquals(one.sharedKey, two.sharedKey);
  assertNotEquals(one.sessionId, two.sessionId);
});

Deno.test("x3dhRespond() refuses prekeys that are not here, without using any up", async () => {
  const bundle = await verifiedBundle(bob);
  const header = readX3dhHeader(new ByteReader((await x3dhInitiate(alice, bundle)).header, "header"));
  const before = bob.book.prekeys;
  await x3dhRespond(bob, before, header);
  assertEquals(bob.book.prekeys, before);
  const used = withoutOneTimePrekey(before, header.oneTimePrekeyId as number);
  await assertRejects(() => x3dhRespond(bob, used, header), UnknownPrekeyError);
  const other = { ...header, signedPrekeyId: header.signedPrekeyId ^ 0x80000000 >>> 0 };
  await assertRejects(() => x3dhRespond(bob, before, other), UnknownPrekeyError);
});

Deno.test("readX3dhHeader() gives back what encodeX3dhHeader() took and refuses what no initiator writes", async () => {
  const { header } = await x3dhInitiate(alice, await verifiedBundle(bob));
  const fields = readX3dhHeader(new ByteReader(header, "header"));
  assertEquals(encodeX3dhHeader(fields), header);
  for (let i = 0; i < header.length; i++) {
    assertThrows(() => readX3dhHeader(new ByteReader(header.slice(0, i), "header")), DecodeError);
  }
  const flag = header.length - 5;
  for (const value of [0, 2, 255]) {
    const bad = header.slice();
    bad[flag] = value;
    assertThrows(() => readX3dhHeader(new ByteReader(bad, "header")), DecodeError);
  }
  const absent = concat(header.slice(0, flag), u8(1), u32be(0));
  assertThrows(() => readX3dhHeader(new ByteReader(absent, "header")), DecodeError);
  for (const hex of SMALL_ORDER_X25519) {
    const bad = encodeX3dhHeader({ ...fields, ephemeralPublic: decodeHex(hex) });
    assertThrows(() => readX3dhHeader(new ByteReader(bad, "header")), AuthError);
  }
});
