// Aim: trust belongs to the key; what the book exports is all that a store needs.
import { assertEquals, assertThrows } from "@std/assert";
import type { Certificate } from "../../lib/e2ee/certificate.ts";
import type { Life } from "../../lib/e2ee/life.ts";
import type { PeerRecord } from "../../lib/chat/peer_record.ts";
import { MET_MAX, NAMES_BY_MEETING_MAX, TrustBook } from "../../lib/chat/trust_book.ts";

const EMPTY = new Uint8Array(0);
const BOB = { fingerprint: "K1", folded: "bob" };
const OTHER = { fingerprint: "K2", folded: "bob" };

function meet(book: TrustBook, key: typeof BOB, options: { nowMs?: number; life?: Life } = {}): void {
  const { nowMs = 1_000, life = "lasting" } = options;
  const bytes = { signPublic: EMPTY, dhPublic: EMPTY, noisePublic: EMPTY, id: EMPTY, encoded: EMPTY };
  const { fingerprint, folded: handle } = key;
  const certificate: Certificate = { suite: 1, handle, fingerprint, life, createdMs: 1, ...bytes };
  book.meet(certificate, handle, { nowMs, hasComeBack: false });
}

function bookOf(...keys: (typeof BOB)[]): TrustBook {
  const book = new TrustBook();
  for (const key of keys) meet(book, key);
  return book;
}

function recordOf(fingerprint: string, name: string): PeerRecord {
  const bytes = { signPublic: EMPTY, dhPublic: EMPTY, noisePublic: EMPTY, id: EMPTY, encoded: EMPTY };
  const certificate: Certificate = { suite: 1, handle: name, fingerprint, life: "lasting", createdMs: 1, ...bytes };
  return { certificate, firstSeenMs: 1, how: "tofu", names: [name] };
}

function recordsOf(book: TrustBook): PeerRecord[] {
  return book.takeChanges().flatMap(({ record }) => record ?? []);
}

Deno.test("TrustBook.trust() is what the last word about the key says", () => {
  const book = bookOf(BOB);
  const marks = [book.trust(BOB)];
  for (const say of ["accept", "verify", "accept"] as const) {
    book[say](BOB);
    marks.push(book.trust(BOB));
  }
  book.distrust(BOB.fingerprint);
  marks.push(book.trust(BOB));
  book.accept(BOB);
  marks.push(book.trust(BOB));
  assertEquals(marks, ["new", "known", "verified", "verified", "changed", "known"]);
});

Deno.test("TrustBook.trust() is changed for a key that was never met", () => {
  assertEquals(new TrustBook().trust(BOB), "changed");
  assertThrows(() => new TrustBook().verify(BOB), TypeError);
});

Deno.test("TrustBook.verify() moves the name, and the key before loses the mark with it", () => {
  const book = bookOf(BOB, OTHER);
  book.verify(BOB);
  assertEquals([book.trust(BOB), book.trust(OTHER), book.isVerifiedName("bob")], ["verified", "changed", true]);
  book.accept(OTHER);
  assertEquals([book.trust(BOB), book.trust(OTHER), book.isVerifiedName("bob")], ["changed", "known", false]);
  book.accept(BOB); // accepting is no comparison, although there was one long ago
  assertEquals([book.trust(BOB), book.trust(OTHER)], ["known", "changed"]);
});

Deno.test("TrustBook.distrust() leaves the name with its owner", () => {
  const book = bookOf(BOB);
  book.distrust(BOB.fingerprint);
  meet(book, OTHER);
  assertEquals([book.trust(BOB), book.trust(OTHER)], ["changed", "changed"]);
  assertEquals([book.isDistrusted("K1"), book.isDistrusted("K2")], [true, false]);
});

Deno.test("TrustBook.takeChanges() restores to the same marks, and whoever was met is known", () => {
  const keys = ["a", "b", "c", "d"].map((folded, i) => ({ fingerprint: `K${i}`, folded })) as [
    typeof BOB,
    typeof BOB,
    typeof BOB,
    typeof BOB,
  ];
  const book = bookOf(...keys, { fingerprint: "K9", folded: "a" });
  meet(book, { ...keys[1], folded: "bea" }, { nowMs: 9_000 });
  book.accept(keys[1]);
  book.verify(keys[2]);
  book.distrust(keys[3].fingerprint);
  const records = recordsOf(book);
  const { certificate, ...rest } = records[1] as PeerRecord;
  assertEquals(certificate.handle, "bea");
  assertEquals(rest, { firstSeenMs: 1_000, how: "accepted", names: ["b", "bea"] });
  const restored = new TrustBook(records);
  assertEquals(restored.takeChanges(), []);
  assertEquals(keys.map((key) => restored.trust(key)), ["known", "known", "verified", "changed"]);
  assertEquals(restored.isDistrusted("K3"), true);
  assertEquals(restored.trust({ fingerprint: "K9", folded: "a" }), "changed");
  meet(restored, keys[2], { nowMs: 20_000 });
  assertEquals([restored.trust(keys[2]), restored.firstSeenMs("K2")], ["verified", 1_000]);
});

Deno.test("TrustBook.takeChanges() tells of both keys when a name moves", () => {
  const book = bookOf(BOB, OTHER);
  book.takeChanges();
  book.accept(OTHER);
  const names = book.takeChanges().map(({ fingerprint, record }) => [fingerprint, record?.names]);
  assertEquals(names.toSorted(), [["K1", []], ["K2", ["bob"]]]);
  assertEquals(book.takeChanges(), []);
});

Deno.test("TrustBook.takeChanges() keeps nothing of keys that are meant to be forgotten", () => {
  const book = bookOf(BOB);
  meet(book, { fingerprint: "K3", folded: "eve" }, { life: "ephemeral" });
  assertEquals(recordsOf(book).map(({ certificate }) => certificate.fingerprint), ["K1"]);
});

Deno.test("TrustBook.forget() drops only a key without a name that nobody spoke of", () => {
  const book = bookOf(BOB, OTHER, { fingerprint: "K3", folded: "bob" });
  book.distrust("K3");
  for (const fingerprint of ["K1", "K2", "K3"]) book.forget(fingerprint);
  assertEquals(recordsOf(book).map(({ certificate }) => certificate.fingerprint), ["K1", "K3"]);
  assertEquals([book.trust(BOB), book.isDistrusted("K3")], ["new", true]);
});

Deno.test("TrustBook.accept() of a key that is meant to be forgotten gives the name back in the next run", () => {
  const book = bookOf(BOB);
  book.verify(BOB);
  const kept = new Map(recordsOf(book).map((record) => [record.certificate.fingerprint, record]));
  meet(book, { fingerprint: "K9", folded: "bob" }, { life: "ephemeral" });
  book.accept({ fingerprint: "K9", folded: "bob" });
  assertEquals([book.trust({ fingerprint: "K9", folded: "bob" }), book.trust(BOB)], ["known", "changed"]);
  for (const { fingerprint, record } of book.takeChanges()) {
    if (record === undefined) kept.delete(fingerprint);
    else kept.set(fingerprint, record);
  }
  const next = new TrustBook([...kept.values()]);
  meet(next, OTHER);
  assertEquals([next.trust(OTHER), next.trust(BOB)], ["changed", "verified"]);
});

Deno.test("TrustBook.forget() keeps a key that owns an older name, and with it the name", () => {
  const book = bookOf({ fingerprint: "K3", folded: "carol" }, BOB);
  meet(book, { fingerprint: "K3", folded: "bob" });
  assertEquals([book.forget("K3"), book.forget("nobody")], [false, true]);
  const next = new TrustBook(recordsOf(book));
  meet(next, { fingerprint: "K4", folded: "carol" });
  assertEquals(next.trust({ fingerprint: "K4", folded: "carol" }), "changed");
});

Deno.test("TrustBook.meet() of a crowd ends nothing: names and keys beyond the bound are not kept, what is said is", () => {
  const book = new TrustBook();
  for (let i = 0; i < MET_MAX; i++) meet(book, { fingerprint: `M${i}`, folded: `m${i}` });
  meet(book, BOB);
  assertEquals([book.trust(BOB), recordsOf(book).length], ["new", MET_MAX]);
  book.verify(BOB);
  assertEquals(recordsOf(book).map(({ certificate, names }) => [certificate.fingerprint, names]), [["K1", ["bob"]]]);
  const next = new TrustBook(Array.from({ length: MET_MAX }, (_, i) => recordOf(`M${i}`, `m${i}`)));
  meet(next, BOB);
  assertEquals(next.trust(BOB), "new");
});

Deno.test("TrustBook.meet() gives a key eight names, and frees its first for the next", () => {
  const book = new TrustBook();
  for (let i = 0; i <= NAMES_BY_MEETING_MAX; i++) meet(book, { fingerprint: "K1", folded: `n${i}` });
  assertEquals(recordsOf(book)[0]?.names, Array.from({ length: NAMES_BY_MEETING_MAX }, (_, i) => `n${i + 1}`));
  meet(book, { fingerprint: "K2", folded: "n0" });
  assertEquals(book.trust({ fingerprint: "K2", folded: "n0" }), "new");
});

Deno.test("TrustBook.verifyByCode() verifies and moves the name as a comparison of numbers does, and is remembered", () => {
  const book = bookOf(BOB, OTHER);
  book.accept(BOB);
  book.verifyByCode(OTHER);
  assertEquals([book.trust(BOB), book.trust(OTHER), book.isVerifiedName("bob")], ["changed", "verified", true]);
  book.accept(OTHER);
  assertEquals(book.trust(OTHER), "verified");
  const records = recordsOf(book);
  assertEquals(records.find(({ certificate }) => certificate.fingerprint === "K2")?.how, "code");
  assertEquals(new TrustBook(records).trust(OTHER), "verified");
  book.distrust("K2");
  assertEquals(book.trust(OTHER), "changed");
});
