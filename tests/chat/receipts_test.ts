// Aim: who confirms what: only the reader, once, of what was sealed for them; bounded in memory and over restarts.
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { DecodeError } from "../../lib/bytes/errors.ts";
import type { Bytes } from "../../lib/bytes/writer.ts";
import { RECEIPT_BOXES_MAX } from "../../lib/chat/content.ts";
import { decodeReceiptRecord, encodeReceiptRecord, type ReceiptRecord } from "../../lib/chat/receipt_record.ts";
import {
  AWAITED_MAX,
  AWAITED_MAX_AGE_MS,
  AWAITED_PER_PEER_MAX,
  AwaitedReceipts,
} from "../../lib/chat/receipts_awaited.ts";
import {
  OWED_PEERS_MAX,
  OWED_PER_PEER_MAX,
  OwedReceipts,
  RECEIPT_DELAY_MS,
  RECEIPT_EVERY_MS,
} from "../../lib/chat/receipts_owed.ts";
import type { StoredReceiptRow } from "../../lib/chat/state.ts";

const BOB = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRSA";
const EVE = "BBCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRSA";
const NOW = Date.UTC(2026, 0, 1);
const ID = (i: number) => i.toString(16).padStart(32, "0");
const BOX = (i: number) => i.toString(16).padStart(64, "0");

const RECORD: fc.Arbitrary<ReceiptRecord> = fc.record({
  sealedAtMs: fc.maxSafeNat(),
  isDelivered: fc.boolean(),
  boxes: fc.uniqueArray(fc.stringMatching(/^[0-9a-f]{64}$/), { minLength: 1, maxLength: 4 }),
});

/** What a store would give back. */
class Rows {
  readonly #rows = new Map<string, StoredReceiptRow>();

  keep(awaited: AwaitedReceipts): this {
    for (const { peer, id, value } of awaited.takeChanges()) {
      if (value === undefined) this.#rows.delete(`${peer}/${id}`);
      else this.#rows.set(`${peer}/${id}`, { peer, id, value });
    }
    return this;
  }

  get all(): StoredReceiptRow[] {
    return [...this.#rows.values()];
  }
}

Deno.test("decodeReceiptRecord() gives back what was encoded, and refuses every cut and every other spelling", () => {
  fc.assert(fc.property(RECORD, fc.nat(), fc.integer({ min: 1, max: 255 }), (record, at, mask) => {
    const encoded = encodeReceiptRecord(record);
    assertEquals(decodeReceiptRecord(encoded), record);
    for (let length = 0; length < encoded.length; length++) {
      assertThrows(() => decodeReceiptRecord(encoded.slice(0, length)), DecodeError);
    }
    const index = at % encoded.length;
    encoded[index] = (encoded[index] as number) ^ mask;
    assertStrict(encoded);
  }));
  fc.assert(
    fc.property(fc.uint8Array({ size: "max", maxLength: 200 }), (bytes) => assertStrict(new Uint8Array(bytes))),
  );
});

function assertStrict(bytes: Bytes): void {
  try {
    assertEquals(encodeReceiptRecord(decodeReceiptRecord(bytes)), bytes);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
  }
}

Deno.test("AwaitedReceipts.take() takes a word of the reader alone, and each once", () => {
  const awaited = new AwaitedReceipts([], NOW);
  awaited.add(BOB, { id: ID(1), box: BOX(1) }, NOW);
  assertEquals(awaited.take(EVE, { delivered: [BOX(1)], read: [] }), []);
  assertEquals(awaited.take(BOB, { delivered: [BOX(2)], read: [ID(1) + ID(1)] }), []);
  assertEquals(awaited.take(BOB, { delivered: [BOX(1)], read: [] }), [{ id: ID(1), state: "delivered" }]);
  assertEquals(awaited.take(BOB, { delivered: [BOX(1)], read: [] }), []);
  assertEquals(awaited.take(BOB, { delivered: [], read: [BOX(1)] }), [{ id: ID(1), state: "read" }]);
  assertEquals(awaited.take(BOB, { delivered: [BOX(1)], read: [BOX(1)] }), []);
  assertEquals(awaited.size, 0);
});

Deno.test("AwaitedReceipts.take() says delivered before read, in the order of writing, whatever the receipt's", () => {
  const awaited = new AwaitedReceipts([], NOW);
  for (const i of [1, 2, 3]) awaited.add(BOB, { id: ID(i), box: BOX(i) }, NOW);
  assertEquals(awaited.take(BOB, { delivered: [BOX(3)], read: [BOX(2), BOX(1)] }), [
    { id: ID(1), state: "delivered" },
    { id: ID(1), state: "read" },
    { id: ID(2), state: "delivered" },
    { id: ID(2), state: "read" },
    { id: ID(3), state: "delivered" },
  ]);
});

Deno.test("AwaitedReceipts knows a text by each box that it was sealed in, over a restart too", () => {
  const rows = new Rows();
  const first = new AwaitedReceipts([], NOW);
  first.add(BOB, { id: ID(1), box: BOX(1) }, NOW);
  rows.keep(first);
  const second = new AwaitedReceipts(rows.all, NOW);
  second.add(BOB, { id: ID(1), box: BOX(2) }, NOW + 1); // handed over anew
  const third = new AwaitedReceipts(rows.keep(second).all, NOW);
  assertEquals(third.take(BOB, { delivered: [BOX(1)], read: [] }), [{ id: ID(1), state: "delivered" }]);
  const fourth = new AwaitedReceipts(rows.keep(third).all, NOW);
  assertEquals(fourth.take(BOB, { delivered: [BOX(2)], read: [] }), [], "delivered was said in an earlier run");
  assertEquals(fourth.take(BOB, { delivered: [], read: [BOX(2)] }), [{ id: ID(1), state: "read" }]);
  assertEquals(rows.keep(fourth).all, []);
});

Deno.test("AwaitedReceipts remembers so many texts to one person, so many in all, and for so long", () => {
  const rows = new Rows();
  const awaited = new AwaitedReceipts([], NOW);
  for (let i = 0; i <= AWAITED_PER_PEER_MAX; i++) awaited.add(BOB, { id: ID(i), box: BOX(i) }, NOW + i);
  assertEquals(awaited.size, AWAITED_PER_PEER_MAX);
  assertEquals(awaited.take(BOB, { delivered: [BOX(0)], read: [] }), [], "the oldest went");
  awaited.add(EVE, { id: ID(0), box: BOX(0) }, NOW);
  assertEquals(awaited.size, AWAITED_PER_PEER_MAX + 1, "of each person by themselves");
  assertEquals(rows.keep(awaited).all.length, AWAITED_PER_PEER_MAX + 1);
  const old = new AwaitedReceipts(rows.all, NOW + AWAITED_MAX_AGE_MS);
  assertEquals(old.size, AWAITED_PER_PEER_MAX, "one was as old as that");
  assertEquals(rows.keep(old).all.length, AWAITED_PER_PEER_MAX);
  const crowd = new AwaitedReceipts([], NOW);
  for (let i = 0; i < AWAITED_MAX + 10; i++) crowd.add(`peer ${i % 40}`, { id: ID(i), box: BOX(i) }, NOW);
  assertEquals(crowd.size, AWAITED_MAX);
});

Deno.test("AwaitedReceipts.forget() forgets the texts to one person, in the store too, and what is said of them", () => {
  const rows = new Rows();
  const awaited = new AwaitedReceipts([], NOW);
  for (const i of [1, 2]) awaited.add(BOB, { id: ID(i), box: BOX(i) }, NOW);
  awaited.add(EVE, { id: ID(3), box: BOX(3) }, NOW);
  assertEquals(rows.keep(awaited).all.length, 3);
  awaited.forget(BOB);
  awaited.forget(BOB);
  assertEquals(rows.keep(awaited).all.map(({ peer }) => peer), [EVE]);
  assertEquals(awaited.take(BOB, { delivered: [BOX(1)], read: [BOX(2)] }), []);
  assertEquals(awaited.take(EVE, { delivered: [], read: [BOX(3)] }).length, 2);
  assertEquals(awaited.size, 0);
});

Deno.test("OwedReceipts makes one receipt of a burst, and the next no sooner than two seconds later", () => {
  const owed = new OwedReceipts();
  assertEquals(owed.nextDueMs(), Infinity);
  for (const i of [1, 2, 3]) owed.received(BOB, { id: ID(i), box: BOX(i) }, NOW + i);
  assertEquals([owed.due(NOW + RECEIPT_DELAY_MS), owed.nextDueMs()], [[], NOW + 1 + RECEIPT_DELAY_MS]);
  const atMs = NOW + 1 + RECEIPT_DELAY_MS;
  assertEquals(owed.due(atMs), [BOB]);
  assertEquals(owed.take(BOB, atMs), { delivered: [BOX(1), BOX(2), BOX(3)], read: [] });
  owed.read([ID(2), ID(2), ID(9)], atMs + 1);
  assertEquals(owed.nextDueMs(), atMs + RECEIPT_EVERY_MS);
  assertEquals(owed.take(BOB, atMs + RECEIPT_EVERY_MS), { delivered: [], read: [BOX(2)] });
  owed.read([ID(2)], atMs + 5_000);
  assertEquals(owed.nextDueMs(), Infinity, "it is said once");
});

Deno.test("OwedReceipts says of what was read at once only that, and no receipt names more than it may", () => {
  const owed = new OwedReceipts();
  for (let i = 0; i < RECEIPT_BOXES_MAX + 1; i++) owed.received(BOB, { id: ID(i), box: BOX(i) }, NOW);
  owed.read([ID(0)], NOW);
  const first = owed.take(BOB, NOW + RECEIPT_DELAY_MS);
  assertEquals([first?.read, first?.delivered.length], [[BOX(0)], RECEIPT_BOXES_MAX - 1]);
  assertEquals(owed.take(BOB, NOW + RECEIPT_DELAY_MS + RECEIPT_EVERY_MS)?.delivered, [BOX(RECEIPT_BOXES_MAX)]);
});

Deno.test("OwedReceipts keeps no more than its bounds of people and of texts", () => {
  const owed = new OwedReceipts();
  for (let i = 0; i < OWED_PER_PEER_MAX + 5; i++) owed.received(BOB, { id: ID(i), box: BOX(i) }, NOW);
  let count = 0;
  for (let nowMs = NOW; owed.nextDueMs() < Infinity; nowMs += RECEIPT_EVERY_MS) {
    count += owed.take(BOB, nowMs)?.delivered.length ?? 0;
  }
  assertEquals(count, OWED_PER_PEER_MAX);
  for (let i = 0; i < OWED_PEERS_MAX + 5; i++) owed.received(`peer ${i}`, { id: ID(i), box: BOX(i) }, NOW);
  assert(owed.due(NOW + RECEIPT_DELAY_MS).length <= OWED_PEERS_MAX);
});
