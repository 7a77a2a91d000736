// Aim: what a hostile relay or a hostile peer can put into an inbox costs nobody else anything.
import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { decodeHex } from "@std/encoding/hex";
import { DecodeError } from "../../lib/bytes/errors.ts";
import { type Bytes, concat, lvCat, u8 } from "../../lib/bytes/writer.ts";
import { decodeBox, encodeBox } from "../../lib/e2ee/box.ts";
import { createLiveBundle, encodeBundle, verifyBundle, verifyLiveBundle } from "../../lib/e2ee/bundle.ts";
import { createCertificate } from "../../lib/e2ee/certificate.ts";
import { findOneTimePrekey, rotateSignedPrekey } from "../../lib/e2ee/prekeys.ts";
import { encodeRatchetHeader } from "../../lib/e2ee/ratchet_header.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { fingerprintOf } from "../../lib/e2ee/identity.ts";
import { STRANGER_KEEP_MS } from "../../lib/e2ee/peer_ranks.ts";
import { PEERS_MAX, SessionBook, STRANGERS_MAX } from "../../lib/e2ee/session_book.ts";
import { encodeX3dhHeader } from "../../lib/e2ee/x3dh.ts";
import {
  AT,
  DAY_MS,
  describe,
  firstBox,
  flipped,
  handedBundle,
  hear,
  makePerson,
  NOW_MS,
  oneTimeOf,
  type Person,
  say,
  sessionsWith,
  verifiedBundle,
} from "./_people.ts";
import { SMALL_ORDER_X25519 } from "./_small_order.ts";

function initialBox(box: Bytes) {
  const decoded = decodeBox(box);
  if (decoded.kind !== "initial") throw new TypeError("Cannot read: the box is not initial");
  return decoded;
}

async function start(alice: Person, bob: Person, bundleBytes: Bytes): Promise<void> {
  const expectFingerprint = bob.certificate.fingerprint;
  await sessionsWith(alice, bob).startFrom(await verifyBundle(bundleBytes, { expectFingerprint, ...AT }), AT);
}

Deno.test("SessionBook.open() refuses a first box with any byte flipped, burns no prekey, then opens the box", async () => {
  const [alice, bob] = [await makePerson("alice"), await makePerson("bob")];
  const honest = await firstBox(alice, bob, "hello");
  const before = bob.book.prekeys;
  for (let i = 0; i < honest.length; i++) {
    const heard = await hear(bob, flipped(honest, i, i % 2 === 0 ? 1 : 0x80));
    assert(heard.startsWith("unopenable"), `byte ${i}: ${heard}`);
  }
  for (let length = 0; length < honest.length; length += 7) {
    assert((await hear(bob, honest.slice(0, length))).startsWith("unopenable"), `length ${length}`);
  }
  assert((await hear(bob, concat(honest, u8(0)))).startsWith("unopenable"));
  assertStrictEquals(bob.book.prekeys, before);
  assertEquals(bob.book.hasSessionWith(alice.certificate.fingerprint), false);
  assertEquals(await hear(bob, honest), "alice: hello");
  assertEquals(bob.book.prekeys.oneTime, []);
});

Deno.test("SessionBook.open() refuses later boxes with any byte flipped, then opens the honest ones", async () => {
  const [alice, bob] = [await makePerson("alice"), await makePerson("bob")];
  await hear(bob, await firstBox(alice, bob, "first"));
  const repeated = await say(alice, bob, "with the header again");
  await hear(alice, await say(bob, alice, "answer"));
  const plain = await say(alice, bob, "without it");
  for (const honest of [plain, repeated]) {
    for (let i = 0; i < honest.length; i++) {
      const heard = await hear(bob, flipped(honest, i, i % 2 === 0 ? 1 : 0x80));
      assert(heard.startsWith("unopenable"), `byte ${i}: ${heard}`);
    }
  }
  assertEquals(await hear(bob, repeated), "alice: with the header again");
  assertEquals(await hear(bob, plain), "alice: without it");
  assertEquals(await hear(alice, await say(bob, alice, "all is well")), "bob: all is well");
});

Deno.test("SessionBook.open() calls only the very same bytes a repeat", async () => {
  const [alice, bob] = [await makePerson("alice"), await makePerson("bob")];
  const box = await firstBox(alice, bob, "hello");
  assertEquals(await hear(bob, box), "alice: hello");
  assertEquals(await hear(bob, box.slice()), "repeat");
  assertEquals(await hear(bob, flipped(box, box.length - 1)), "unopenable: used");
});

Deno.test("SessionBook.open() keeps the hashes of the last 1,000 boxes", async () => {
  const [alice, bob] = [await makePerson("alice"), await makePerson("bob")];
  const boxes = [await firstBox(alice, bob, "0")];
  for (let i = 1; i <= 1_000; i++) boxes.push(await say(alice, bob, `${i}`));
  for (const box of boxes) assert((await hear(bob, box)).startsWith("alice"));
  assertEquals(await hear(bob, boxes[1] as Bytes), "repeat");
  assertEquals(await hear(bob, boxes[0] as Bytes), "unopenable: used");
});

Deno.test("SessionBook.open() uses a one-time prekey once", async () => {
  const [alice, bob, carol] = [await makePerson("alice"), await makePerson("bob"), await makePerson("carol")];
  // A hostile relay hands the same prekey to two.
  const handed = await handedBundle(bob);
  await start(alice, bob, handed);
  await start(carol, bob, handed);
  assertEquals(await hear(bob, await say(alice, bob, "first")), "alice: first");
  const opened = await bob.book.open(await say(carol, bob, "second"), AT);
  assertEquals(opened, { kind: "unopenable", peer: carol.certificate.fingerprint, reason: "noPrekey" });
  assertEquals(await hear(carol, await firstBox(bob, carol, "please send that again")), "bob: please send that again");
});

Deno.test("SessionBook.open() lets only one of two concurrent boxes have a one-time prekey", async () => {
  const [alice, bob, carol] = [await makePerson("alice"), await makePerson("bob"), await makePerson("carol")];
  const handed = await handedBundle(bob);
  await start(alice, bob, handed);
  await start(carol, bob, handed);
  const boxes = [await say(alice, bob, "first"), await say(carol, bob, "second")];
  assertEquals(await Promise.all(boxes.map((box) => hear(bob, box))), ["alice: first", "unopenable: noPrekey"]);
});

Deno.test("SessionBook.open() refuses swapped prekeys, ephemeral keys and certificates", async () => {
  const [alice, bob, carol] = [await makePerson("alice"), await makePerson("bob"), await makePerson("carol")];
  const honest = await firstBox(alice, bob, "hello");
  const { x3dh, message } = initialBox(honest);
  const spare = decodeHex("0a".repeat(32));
  await oneTimeOf(bob);
  const otherPrekey = bob.book.prekeys.oneTime.at(-1)?.id as number;
  const forgeries = [
    { ...x3dh, certificateBytes: carol.certificate.encoded },
    { ...x3dh, ephemeralPublic: spare },
    { ...x3dh, oneTimePrekeyId: undefined },
    { ...x3dh, oneTimePrekeyId: otherPrekey },
  ];
  for (const forged of forgeries) {
    assertEquals(await hear(bob, encodeBox(encodeX3dhHeader(forged), message)), "unopenable: notAuthentic");
  }
  for (const hex of SMALL_ORDER_X25519) {
    const bad = { ...x3dh, ephemeralPublic: decodeHex(hex) };
    assertEquals(await hear(bob, encodeBox(encodeX3dhHeader(bad), message)), "unopenable: notAuthentic");
    const header = encodeRatchetHeader({ ...decodeBox(honest).header, ratchetPublic: decodeHex(hex) });
    const badRatchet = encodeBox(initialBox(honest).x3dhBytes, concat(header, message.slice(56)));
    assertEquals(await hear(bob, badRatchet), "unopenable: notAuthentic");
  }
  for (const length of [0, 31, 33]) {
    const bad = { ...x3dh, ephemeralPublic: new Uint8Array(length).fill(9) };
    assert((await hear(bob, encodeBox(encodeX3dhHeader(bad), message))).startsWith("unopenable"));
  }
  assertEquals(bob.book.prekeys.oneTime.length, 2);
  assertEquals(await hear(bob, honest), "alice: hello");
});

Deno.test("SessionBook.open() refuses a repeat with another certificate of the same person", async () => {
  const [alice, bob] = [await makePerson("alice"), await makePerson("bob")];
  await hear(bob, await firstBox(alice, bob, "hello"));
  const { x3dh, message } = initialBox(await say(alice, bob, "again"));
  const renamed = await createCertificate(alice.identity, { handle: "renamed", createdMs: NOW_MS + 1 });
  const forged = encodeBox(encodeX3dhHeader({ ...x3dh, certificateBytes: renamed.encoded }), message);
  assertEquals(await hear(bob, forged), "unopenable: notAuthentic");
  assertEquals(await hear(bob, encodeBox(encodeX3dhHeader(x3dh), message)), "alice: again");
});

Deno.test("SessionBook.open() refuses a box sent to somebody else, and one's own box coming back", async () => {
  const [alice, bob, carol] = [await makePerson("alice"), await makePerson("bob"), await makePerson("carol")];
  const box = await firstBox(alice, bob, "for bob");
  assertEquals(await hear(carol, box), "unopenable: noPrekey");
  assertEquals(await hear(alice, box), "unopenable: notAuthentic");
  assertEquals(await hear(bob, box), "alice: for bob");
  const answer = await say(bob, alice, "for alice");
  assertEquals(await hear(bob, answer), "unopenable: notAuthentic");
  assertEquals(await hear(carol, answer), "unopenable: unknownSession");
  assertEquals(await hear(alice, answer), "bob: for alice");
});

Deno.test("SessionBook.open() still opens first boxes for a replaced signed prekey, for 8 days", async () => {
  const [alice, bob] = [await makePerson("alice"), await makePerson("bob")];
  const early = await firstBox(alice, bob, "early");
  const late = await firstBox(alice, bob, "late");
  await bob.book.updatePrekeys((store) => rotateSignedPrekey(store, NOW_MS + DAY_MS));
  assertEquals(await hear(bob, early), "alice: early");
  await bob.book.updatePrekeys((store) => rotateSignedPrekey(store, NOW_MS + 10 * DAY_MS));
  assertEquals(await hear(bob, late), "unopenable: noPrekey");
});

Deno.test("SessionBook.open() opens a session that began with a live answer", async () => {
  const [alice, bob] = [await makePerson("alice"), await makePerson("bob")];
  const request = { requesterId: alice.certificate.id, nonce: new Uint8Array(16).fill(7) };
  const { encoded } = await bob.book.updatePrekeys((store) => createLiveBundle(bob.book.owner, store, request));
  const options = { expectFingerprint: bob.certificate.fingerprint, ...AT, ...request };
  const bundle = await verifyLiveBundle(encoded, options);
  await sessionsWith(alice, bob).startFrom(bundle, AT);
  assertEquals(await hear(bob, await say(alice, bob, "hello")), "alice: hello");
  assertEquals(findOneTimePrekey(bob.book.prekeys, bundle.oneTimePrekey?.id as number), undefined);
});

Deno.test("SessionBook.open() gives the certificate with the highest creation time", async () => {
  const [alice, bob] = [await makePerson("alice"), await makePerson("bob")];
  const old = await firstBox(alice, bob, "under the old name");
  const renamed = await createCertificate(alice.identity, { handle: "alice2", createdMs: NOW_MS + 1 });
  alice.book.renewCertificate(renamed);
  assertEquals(await hear(bob, await firstBox(alice, bob, "under the new name")), "alice2: under the new name");
  assertEquals(await hear(bob, old), "alice2: under the old name");
  assertEquals(sessionsWith(bob, alice).certificate, renamed);
  assertThrows(() => alice.book.renewCertificate(bob.certificate), RangeError);
});

Deno.test("SessionBook.forgetPeer() drops the sessions, and no old box brings them back", async () => {
  const [alice, bob] = [await makePerson("alice"), await makePerson("bob")];
  const first = await firstBox(alice, bob, "first", false);
  assertEquals(await hear(bob, first), "alice: first");
  const later = await say(alice, bob, "later");
  await bob.book.forgetPeer(alice.certificate.fingerprint);
  assertEquals(bob.book.hasSessionWith(alice.certificate.fingerprint), false);
  assertEquals(await hear(bob, first), "unopenable: retired");
  assertEquals(await hear(bob, later), "unopenable: retired");
  assertEquals(await hear(bob, await firstBox(alice, bob, "anew", false)), "alice: anew");
  assertEquals(await hear(alice, await say(bob, alice, "hello again")), "bob: hello again");
  await bob.book.forgetPeer("nobody");
});

Deno.test("SessionBook.peer() gives one object for each peer, a stranger's included", async () => {
  const [alice, bob] = [await makePerson("alice"), await makePerson("bob")];
  await hear(bob, await firstBox(alice, bob, "hello"));
  const sessions = sessionsWith(bob, alice);
  assertEquals(sessions.hasSession, true);
  assertStrictEquals(sessionsWith(bob, alice), sessions);
  assertThrows(() => bob.book.peer("nobody"), DecodeError);
});

Deno.test("SessionBook.open() bounds strangers without dropping an honest session", async () => {
  const bob = await makePerson("bob");
  const alice = await makePerson("alice");
  const handed = lvCat(await encodeBundle(bob, bob.book.prekeys), new Uint8Array(0));
  assertEquals(await hear(bob, await firstBox(alice, bob, "first", false)), "alice: first");
  let refused = 0;
  for (let i = 0; i < STRANGERS_MAX; i++) {
    const stranger = await makePerson(`s${i}`);
    await start(stranger, bob, handed);
    if (await hear(bob, await say(stranger, bob, "hi")) === "unopenable: full") refused++;
  }
  assertEquals(refused, 1);
  assertEquals(await hear(bob, await say(alice, bob, "still here")), "alice: still here");

  // Somebody whom bob asked for is no stranger, and after ten days of silence a stranger makes room.
  const carol = await makePerson("carol");
  await start(carol, bob, handed);
  const box = await say(carol, bob, "hello");
  assertEquals(await hear(bob, box), "unopenable: full");
  const later = { nowMs: NOW_MS + STRANGER_KEEP_MS };
  assertEquals(describe(await bob.book.open(box, later)), "carol: hello");
  const known = await makePerson("k0");
  await start(known, bob, handed);
  sessionsWith(bob, known);
  assertEquals(await hear(bob, await say(known, bob, "asked for")), "k0: asked for");
});

Deno.test("SessionBook.updatePrekeys() changes nothing when the change throws, and runs one change at a time", async () => {
  const bob = await makePerson("bob");
  const before = bob.book.prekeys;
  await bob.book.updatePrekeys(() => Promise.reject(new TypeError("no"))).catch(() => {});
  assertStrictEquals(bob.book.prekeys, before);
  await Promise.all(Array.from({ length: 20 }, () => oneTimeOf(bob)));
  assertEquals(new Set(bob.book.prekeys.oneTime.map((prekey) => prekey.id)).size, 20);
});

Deno.test("SessionBook takes keys and salts from the given source alone", async () => {
  const { identity, certificate, book } = await makePerson("alice");
  const bob = await makePerson("bob");
  const bundle = await verifiedBundle(bob);
  const make = async () => {
    let next = 0;
    const random = (lengthBytes: number) => new Uint8Array(lengthBytes).fill(++next);
    const own = new SessionBook({ identity, certificate, prekeys: book.prekeys, random });
    const sessions = own.peer(bob.certificate.fingerprint);
    await sessions.startFrom(bundle, AT);
    return await sessions.seal(new Uint8Array(3), AT);
  };
  assertEquals(await make(), await make());
});

Deno.test("SessionBook.peer() at its bound drops who has no session, then who was meant to be forgotten, never a friend", async () => {
  const alice = await makePerson("alice");
  const friend = await makePerson("bob");
  await hear(alice, await firstBox(friend, alice, "hello"));
  alice.book.peer(friend.certificate.fingerprint);
  const others = Array.from({ length: PEERS_MAX }, () => fingerprintOf(secureRandom(32)));
  for (const other of others) alice.book.peer(other);
  assertEquals(alice.book.hasSessionWith(friend.certificate.fingerprint), true);
  assertEquals(alice.book.sessionsWith(others[0] as string), undefined);
  assertEquals(alice.book.sessionsWith(others.at(-1) as string)?.isEmpty, true);
  const rows = alice.book.takeChanges().peers.filter(({ encoded }) => encoded !== undefined);
  assertEquals(rows.map(({ fingerprint }) => fingerprint), [friend.certificate.fingerprint]);
});
