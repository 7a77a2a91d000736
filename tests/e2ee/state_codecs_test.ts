// Aim: every field of a stored state comes back, what decodes encodes to the same bytes, and all else is a DecodeError.
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import fc from "fast-check";
import { DecodeError } from "../../lib/bytes/errors.ts";
import { type Bytes, concat, u8 } from "../../lib/bytes/writer.ts";
import { type DhKeyPair, dhKeyPairFrom } from "../../lib/crypto/dh.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { createCertificate } from "../../lib/e2ee/certificate.ts";
import { decodeForgotten, decodePeer, encodeForgotten, encodePeer, type PeerState } from "../../lib/e2ee/peer_codec.ts";
import { createPrekeyStore, type PrekeyStore, refillOneTimePrekeys } from "../../lib/e2ee/prekeys.ts";
import { decodePrekeyStore, encodePrekeyStore } from "../../lib/e2ee/prekeys_codec.ts";
import type { RatchetState } from "../../lib/e2ee/ratchet_state.ts";
import type { Session } from "../../lib/e2ee/session.ts";
import { decodeSession, encodeSession, SESSION_ENCODED_MAX_BYTES } from "../../lib/e2ee/session_codec.ts";
import type { SkippedKey } from "../../lib/e2ee/skipped_keys.ts";
import { encodeX3dhHeader } from "../../lib/e2ee/x3dh.ts";
import { AT, firstBox, flipped, hear, makePerson, NOW_MS, say, sessionsWith } from "./_people.ts";

const alice = await makePerson("alice");
const bob = await makePerson("bob");
const carol = await createCertificate(alice.identity, { handle: "carol", createdMs: NOW_MS + 1 });

// A few pairs, for each costs a multiplication; which pair stands where is drawn.
const PAIRS: readonly DhKeyPair[] = await Promise.all(Array.from({ length: 8 }, () => dhKeyPairFrom(secureRandom(32))));

const bytes = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((all) => new Uint8Array(all));
const hex = (length: number) => bytes(length).map(encodeHex);
const pairs = fc.constantFrom(...PAIRS);
const publics = pairs.map((pair) => pair.publicBytes);
const times = fc.maxSafeNat();
const u32s = fc.nat(2 ** 32 - 1);
const counters = fc.oneof(fc.nat(5_000), fc.constantFrom(0, 2 ** 32 - 1, 2 ** 32));

const skippedKeys: fc.Arbitrary<SkippedKey> = fc.record({
  ratchetPublic: publics,
  n: u32s,
  messageKey: bytes(32),
  sinceMs: times,
});

function ratchets(sessionId: Bytes): fc.Arbitrary<RatchetState> {
  return fc.record({
    sessionId: fc.constant(sessionId),
    ad: bytes(32),
    rootKey: bytes(32),
    own: pairs,
    sending: fc.option(fc.record({ chainKey: bytes(32), n: counters }), { nil: undefined }),
    receiving: fc.option(fc.record({ ratchetPublic: publics, chainKey: bytes(32), n: counters }), { nil: undefined }),
    previousN: counters,
    oldPublics: fc.array(publics, { maxLength: 5 }),
    skipped: fc.array(skippedKeys, { maxLength: 6 }),
  });
}

const x3dhHeaders = fc.record({
  certificateBytes: fc.uint8Array({ maxLength: 326, size: "max" }).map((all) => new Uint8Array(all)),
  ephemeralPublic: publics,
  signedPrekeyId: u32s,
  oneTimePrekeyId: fc.option(fc.integer({ min: 1, max: 2 ** 32 - 1 }), { nil: undefined }),
});

const sessions: fc.Arbitrary<Session> = fc.tuple(bytes(16), x3dhHeaders).chain(([id, header]) =>
  fc.record({
    id: fc.constant(id),
    key: fc.constant(encodeHex(id)),
    startedBy: fc.constantFrom("us" as const, "peer" as const),
    ephemeralPublic: fc.constant(header.ephemeralPublic),
    x3dhBytes: fc.constant(encodeX3dhHeader(header)),
    isAnswered: fc.boolean(),
    ratchet: ratchets(id),
    boxHashes: fc.array(hex(32), { maxLength: 6 }),
  })
);

const peers: fc.Arbitrary<PeerState> = fc.constantFrom(alice.certificate, carol, undefined).chain((certificate) =>
  fc.record({
    fingerprint: fc.constant(alice.certificate.fingerprint),
    isStranger: fc.boolean(),
    lastUsedMs: times,
    certificate: fc.constant(certificate),
    sessions: fc.uniqueArray(sessions, { maxLength: certificate === undefined ? 0 : 5, selector: (one) => one.key }),
    retired: fc.uniqueArray(hex(16), { maxLength: 6 }),
  })
);

const oneTimePrekeys = fc.record({ pair: pairs, use: fc.constantFrom("published" as const, "live" as const) });
const signedPrekeys = fc.record({ pair: pairs, createdMs: times, replacedMs: times });
const prekeyStores: fc.Arbitrary<PrekeyStore> = fc.record({
  from: fc.integer({ min: 1, max: 2 ** 31 }),
  signed: fc.array(signedPrekeys, { minLength: 1, maxLength: 8 }),
  oneTime: fc.array(oneTimePrekeys, { maxLength: 8 }),
}).map(({ from, signed, oneTime }) => {
  let nextId = from;
  const [current, ...replaced] = signed.map((prekey) => ({ ...prekey, id: nextId++ }));
  if (current === undefined) throw new TypeError("Cannot draw: there is no signed prekey");
  return {
    signed: [{ ...current, replacedMs: undefined }, ...replaced],
    oneTime: oneTime.map((prekey) => ({ ...prekey, id: nextId++ })),
    nextId,
  };
});

/** Somebody with sessions in all states: begun by both sides, answered and not, with skipped keys and retired ids. */
async function realPeer(): Promise<PeerState> {
  const [ada, ben] = [await makePerson("ada"), await makePerson("ben")];
  for (let i = 0; i < 6; i++) await hear(ben, await firstBox(ada, ben, "hello", i % 2 === 0));
  for (const text of ["one", "two"]) await hear(ada, await say(ben, ada, text));
  const late = [await say(ada, ben, "late"), await say(ada, ben, "later")];
  await hear(ben, await say(ada, ben, "in time"));
  await hear(ben, late[1] as Bytes);
  await firstBox(ben, ada, "not answered");
  return { ...sessionsWith(ben, ada).state, isStranger: false };
}

async function realPrekeys(): Promise<PrekeyStore> {
  return (await refillOneTimePrekeys(await createPrekeyStore(AT), 20)).store;
}

interface Codec<T> {
  readonly name: string;
  readonly drawn: fc.Arbitrary<T>;
  readonly real: T;
  readonly encode: (state: T) => Bytes;
  readonly decode: (bytes: Bytes) => T | Promise<T>;
}

const real = await realPeer();

codec({
  name: "PrekeyStore",
  drawn: prekeyStores,
  real: await realPrekeys(),
  encode: encodePrekeyStore,
  decode: decodePrekeyStore,
});
codec({
  name: "Session",
  drawn: sessions,
  real: real.sessions[1] as Session,
  encode: encodeSession,
  decode: decodeSession,
});
codec({ name: "Peer", drawn: peers, real, encode: encodePeer, decode: decodePeer });
codec({
  name: "Forgotten",
  drawn: fc.uniqueArray(hex(16)),
  real: [...real.retired, "00".repeat(16)],
  encode: encodeForgotten,
  decode: decodeForgotten,
});

function codec<T>({ name, drawn, real, encode, decode }: Codec<T>): void {
  const recode = async (bytes: Bytes) => encode(await decode(bytes));

  Deno.test(`decode${name}() gives back every field that encode${name}() took`, async () => {
    assertEquals(await decode(encode(real)), real);
    await fc.assert(
      fc.asyncProperty(drawn, async (state) => {
        assertEquals(await decode(encode(state)), state);
      }),
      { numRuns: 200 },
    );
  });

  Deno.test(`decode${name}() refuses every truncation, a byte more, another version and another suite`, async () => {
    const honest = encode(real);
    for (let length = 0; length < honest.length; length++) {
      await refuses(decode, honest.slice(0, length), `length ${length}`);
    }
    await refuses(decode, concat(honest, u8(0)), "a byte more");
    for (const version of [0, 2, 255]) await refuses(decode, concat(u8(version), honest.slice(1)), `v${version}`);
    await refuses(decode, flipped(honest, 5), "the suite");
    await refuses(decode, flipped(honest, 4), "the length of the suite");
  });

  Deno.test(`decode${name}() parses what encodes to itself and refuses the rest with DecodeError`, async () => {
    const cases = fc.oneof(
      drawn.chain((state) => changed(encode(state))),
      changed(encode(real)),
      fc.uint8Array({ maxLength: 600, size: "max" }).map((all) => new Uint8Array(all)),
    );
    await fc.assert(
      fc.asyncProperty(cases, async (input) => {
        const output = await recode(input).catch((error) => {
          if (!(error instanceof DecodeError)) throw error;
          return input;
        });
        assertEquals(output, input);
      }),
      { numRuns: 600 },
    );
  });
}

/** Some bytes changed, or a piece taken out, or put in. */
function changed(honest: Bytes): fc.Arbitrary<Bytes> {
  const edits = fc.array(fc.tuple(fc.nat(honest.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 });
  const edited = edits.map((list) => {
    const copy = honest.slice();
    for (const [index, value] of list) copy[index] = value;
    return copy;
  });
  const middle = fc.uint8Array({ maxLength: 80 });
  const spliced = fc.tuple(fc.nat(honest.length), fc.nat(honest.length), middle).map(([from, to, piece]) =>
    concat(honest.slice(0, from), piece, honest.slice(to))
  );
  return fc.oneof(edited, spliced);
}

async function refuses<T>(decode: (bytes: Bytes) => T | Promise<T>, bytes: Bytes, what: string): Promise<void> {
  const error = await Promise.resolve(bytes).then(decode).then(() => undefined, (error) => error);
  assert(error instanceof DecodeError, `${what}: ${error}`);
}

Deno.test("decodeSession() holds every bound", async () => {
  const honest = real.sessions[0] as Session;
  const { ratchet } = honest;
  const skipped = { ratchetPublic: ratchet.own.publicBytes, n: 1, messageKey: new Uint8Array(32), sinceMs: 0 };
  const sending = { chainKey: new Uint8Array(32), n: 2 ** 32 };
  const receiving = { ...sending, ratchetPublic: ratchet.own.publicBytes };
  const fullRatchet: RatchetState = {
    ...ratchet,
    sending,
    receiving,
    oldPublics: Array.from({ length: 5 }, () => ratchet.own.publicBytes),
    skipped: Array.from({ length: 2_000 }, () => skipped),
  };
  const x3dhBytes = encodeX3dhHeader({
    certificateBytes: new Uint8Array(326),
    ephemeralPublic: honest.ephemeralPublic,
    signedPrekeyId: 1,
    oneTimePrekeyId: undefined,
  });
  const boxHashes = Array.from({ length: 1_000 }, () => "ab".repeat(32));
  const full: Session = { ...honest, x3dhBytes, boxHashes, ratchet: fullRatchet };
  const encoded = encodeSession(full);
  assertEquals(encoded.length, SESSION_ENCODED_MAX_BYTES);
  assertEquals(await decodeSession(encoded), full);

  const key = ratchet.own.publicBytes;
  const tooMuch: readonly Session[] = [
    { ...full, boxHashes: [...boxHashes, "ab".repeat(32)] },
    { ...full, ratchet: { ...fullRatchet, oldPublics: [...fullRatchet.oldPublics, key] } },
    { ...full, ratchet: { ...fullRatchet, skipped: [...fullRatchet.skipped, skipped] } },
    { ...full, ratchet: { ...fullRatchet, previousN: 2 ** 32 + 1 } },
    { ...full, ratchet: { ...fullRatchet, sending: { ...sending, n: 2 ** 32 + 1 } } },
    { ...full, ratchet: { ...fullRatchet, receiving: { ...receiving, n: 2 ** 32 + 1 } } },
    { ...full, x3dhBytes: concat(x3dhBytes, u8(0)) },
  ];
  for (const session of tooMuch) await assertRejects(() => decodeSession(encodeSession(session)), DecodeError);
});

Deno.test("decodeSession() refuses fields of another length and keys that no honest party has", async () => {
  const honest = real.sessions[0] as Session;
  const { ratchet } = honest;
  const chainKey = new Uint8Array(32);
  for (const length of [0, 31, 33]) {
    const wrong = new Uint8Array(length).fill(9);
    const ratchets: RatchetState[] = [
      { ...ratchet, ad: wrong },
      { ...ratchet, rootKey: wrong },
      { ...ratchet, own: { ...ratchet.own, privateBytes: wrong } },
      { ...ratchet, sending: { chainKey: wrong, n: 1 } },
      { ...ratchet, receiving: { ratchetPublic: wrong, chainKey, n: 1 } },
    ];
    if (length > 0) ratchets.push({ ...ratchet, oldPublics: [wrong] });
    for (const bad of ratchets) {
      await assertRejects(() => decodeSession(encodeSession({ ...honest, ratchet: bad })), DecodeError);
    }
  }
  const zero = new Uint8Array(32); // small order
  for (
    const bad of [{ ...ratchet, oldPublics: [zero] }, {
      ...ratchet,
      receiving: { ratchetPublic: zero, chainKey, n: 1 },
    }]
  ) {
    await assertRejects(() => decodeSession(encodeSession({ ...honest, ratchet: bad })), DecodeError);
  }
  const header = { certificateBytes: zero, ephemeralPublic: zero, signedPrekeyId: 1, oneTimePrekeyId: undefined };
  await assertRejects(
    () => decodeSession(encodeSession({ ...honest, x3dhBytes: encodeX3dhHeader(header) })),
    DecodeError,
  );
  assertThrows(() => encodeSession({ ...honest, id: new Uint8Array(16) }), RangeError);
});

Deno.test("decodePeer() holds every bound and refuses what does not belong together", async () => {
  const session = real.sessions[0] as Session;
  const renamed = (i: number): Session => {
    const id = new Uint8Array(16).fill(i);
    return { ...session, id, key: encodeHex(id), ratchet: { ...session.ratchet, sessionId: id } };
  };
  const ids = Array.from({ length: 1_001 }, (_, i) => `${i}`.padStart(32, "a"));
  const full = { ...real, sessions: [1, 2, 3, 4, 5].map(renamed), retired: ids.slice(1) };
  assertEquals(await decodePeer(encodePeer(full)), full);
  const bad: readonly PeerState[] = [
    { ...full, sessions: [1, 2, 3, 4, 5, 6].map(renamed) },
    { ...full, retired: ids },
    { ...full, certificate: undefined },
    { ...full, certificate: bob.certificate },
    { ...full, sessions: [renamed(1), renamed(1)] },
    { ...full, retired: [renamed(1).key] },
    { ...full, retired: [ids[0] as string, ids[0] as string] },
  ];
  for (const peer of bad) await assertRejects(() => decodePeer(encodePeer(peer)), DecodeError);
  const { certificate } = real;
  assert(certificate !== undefined);
  const forged = { ...certificate, encoded: flipped(certificate.encoded, certificate.encoded.length - 1) };
  await assertRejects(() => decodePeer(encodePeer({ ...real, certificate: forged })), DecodeError);
});

Deno.test("decodeForgotten() takes 10,000 ids and no more, each once", () => {
  const ids = Array.from({ length: 10_001 }, (_, i) => `${i}`.padStart(32, "0"));
  assertEquals(decodeForgotten(encodeForgotten(ids.slice(1))), ids.slice(1));
  assertThrows(() => decodeForgotten(encodeForgotten(ids)), DecodeError);
  assertThrows(() => decodeForgotten(encodeForgotten(["00".repeat(16), "00".repeat(16)])), DecodeError);
});

Deno.test("decodePrekeyStore() holds every bound and wants ids that were given out, each once", async () => {
  const store = await createPrekeyStore(AT);
  const [current] = store.signed;
  const { pair } = current;
  const nextId = current.id + 2_000;
  const replaced = Array.from({ length: 32 }, (_, i) => ({ ...current, id: current.id + 1 + i, replacedMs: i }));
  const oneTime = Array.from({ length: 1_501 }, (_, i) => ({ id: current.id + 100 + i, pair, use: "live" as const }));
  const full: PrekeyStore = { nextId, signed: [current, ...replaced.slice(1)], oneTime: oneTime.slice(1) };
  assertEquals(await decodePrekeyStore(encodePrekeyStore(full)), full);
  const bad: readonly PrekeyStore[] = [
    { ...full, signed: [current, ...replaced] },
    { ...full, oneTime },
    { ...full, nextId: current.id + 1_600 },
    { ...full, oneTime: [{ id: 0, pair, use: "live" }] },
    { ...full, oneTime: [{ id: current.id, pair, use: "live" }] },
    { ...full, oneTime: [{ id: nextId, pair, use: "live" }] },
  ];
  for (const one of bad) await assertRejects(() => decodePrekeyStore(encodePrekeyStore(one)), DecodeError);
  assertThrows(() => encodePrekeyStore({ ...full, signed: [{ ...current, replacedMs: 1 }] }), RangeError);
  assertThrows(() => encodePrekeyStore({ ...full, signed: [current, current] }), RangeError);
});
