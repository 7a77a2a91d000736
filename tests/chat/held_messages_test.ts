// Aim: what waits for its author is kept as it was, in one spelling, for its own relay, in its order, and forgotten once.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import fc from "fast-check";
import { DecodeError } from "../../lib/bytes/errors.ts";
import type { Bytes } from "../../lib/bytes/writer.ts";
import { encodeContent } from "../../lib/chat/content.ts";
import { HELD_MAX, type HeldMessage, HeldMessages } from "../../lib/chat/held_messages.ts";
import { decodeHeldRecord, encodeHeldRecord, type HeldContent } from "../../lib/chat/held_record.ts";
import type { HeldRowChange, StoredHeldRow } from "../../lib/chat/state.ts";
import { fingerprintOf } from "../../lib/e2ee/identity.ts";
import { encodePlaintext } from "../../lib/e2ee/plaintext.ts";

const RELAY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRSA";
const OTHER = "BBCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRSA";
const INBOX = `inbox/${OTHER}` as const;
const NOW = Date.UTC(2026, 0, 1);

const BYTES = (length: number) => fc.uint8Array({ minLength: length, maxLength: length }).map((b) => new Uint8Array(b));
const CONTENT: fc.Arbitrary<HeldContent> = fc.record({
  id: fc.stringMatching(/^[0-9a-f]{32}$/),
  sentAtMs: fc.maxSafeNat(),
  text: fc.string({ unit: "grapheme", maxLength: 300 }),
  to: fc.option(BYTES(32).map((id) => fingerprintOf(id))),
}).map(({ id, sentAtMs, text, to }) =>
  to === null
    ? { kind: "text", id, room: null, sentAtMs, text }
    : { kind: "invitation", id, room: null, sentAtMs, text: "den", to, topic: text }
);
const RECORD = fc.record({
  from: BYTES(32).map((id) => fingerprintOf(id)),
  seq: fc.maxSafeNat(),
  at: fc.maxSafeNat(),
  boxHash: BYTES(32),
  content: CONTENT,
}).map(({ content, ...head }) => ({ ...head, id: content.id, content, plaintext: encodeContent(content) }));

Deno.test("decodeHeldRecord() gives back what was encoded, and refuses every cut and every other spelling", () => {
  fc.assert(fc.property(RECORD, fc.nat(), fc.integer({ min: 1, max: 255 }), (record, at, mask) => {
    const encoded = encodeHeldRecord(record);
    assertEquals(decodeHeldRecord(encoded), record);
    for (let length = 0; length < encoded.length; length++) {
      assertThrows(() => decodeHeldRecord(encoded.slice(0, length)), DecodeError);
    }
    assertThrows(() => decodeHeldRecord(new Uint8Array([...encoded, 0])), DecodeError);
    const index = at % encoded.length;
    encoded[index] = (encoded[index] as number) ^ mask;
    assertStrict(encoded);
  }));
  fc.assert(
    fc.property(fc.uint8Array({ size: "max", maxLength: 300 }), (bytes) => assertStrict(new Uint8Array(bytes))),
  );
});

Deno.test("decodeHeldRecord() refuses every flipped byte of version, suite, lengths and event", () => {
  const record = held(1);
  const encoded = encodeHeldRecord(record);
  // Where 32, 8, 8 and 32 bytes of any value stand.
  const free = [[10, 42], [46, 54], [58, 66], [90, 122]] as const;
  const plaintextAt = encoded.length - record.plaintext.length;
  for (let index = 0; index < plaintextAt; index++) {
    if (free.some(([from, to]) => index >= from && index < to)) continue;
    const flipped = new Uint8Array(encoded);
    flipped[index] = (flipped[index] as number) ^ 1;
    assertThrows(() => decodeHeldRecord(flipped), DecodeError);
  }
});

Deno.test("decodeHeldRecord() refuses what never waits: a receipt, a message of a room, one of another event, junk", () => {
  const { id } = held(1);
  const digest = "A".repeat(43);
  const base = { id, sentAt: NOW };
  const heads = [
    { kind: "receipt", ...base, room: null, delivered: [digest], read: [] },
    { kind: "text", ...base, m: 1, count: 0, digest },
    { kind: "text", ...base, id: "ff".repeat(16), room: null },
    { kind: "other", ...base, room: null },
  ];
  for (const head of heads) {
    const plaintext = encodePlaintext({ head, text: "" });
    assertThrows(() => decodeHeldRecord(encodeHeldRecord({ ...held(1), plaintext })), DecodeError);
  }
  const tooLong = new Uint8Array(32_765);
  assertThrows(() => decodeHeldRecord(encodeHeldRecord({ ...held(1), plaintext: tooLong })), DecodeError, "above");
});

Deno.test("HeldMessages starts with what it kept, of its relay alone, in the order of its stream", () => {
  const rows = new Rows();
  const first = make();
  for (const i of [3, 12, 1]) assert(first.add(held(i)));
  rows.keep(first.takeChanges());
  assertEquals(first.takeChanges(), [], "each is told once");
  rows.keep(make([], OTHER, [held(2)]).takeChanges());
  const second = make(rows.all);
  assertEquals(second.all().map(({ seq, stream, isOfEarlierRun }) => [seq, stream, isOfEarlierRun]), [
    [1, INBOX, true],
    [3, INBOX, true],
    [12, INBOX, true],
  ]);
  assertEquals(second.takeChanges(), []);
  assertEquals(make(rows.all, OTHER).all().map(({ seq }) => seq), [2]);
});

Deno.test("HeldMessages shows what an earlier log of the relay held before what a later one does", () => {
  const rows = new Rows();
  const later = { ...held(1), at: NOW + 100 };
  rows.keep(make([], RELAY, [held(40), later]).takeChanges());
  assertEquals(make(rows.all).all().map(({ seq }) => seq), [40, 1]);
});

Deno.test("HeldMessages.remove() forgets a row once, and tells nothing of what was never kept", () => {
  const rows = new Rows();
  const messages = make([], RELAY, [held(1), held(2)]);
  rows.keep(messages.takeChanges());
  messages.remove(held(1));
  assert(messages.add(held(3)));
  messages.remove(held(3));
  assertEquals(messages.takeChanges().map(({ box, value }) => [box, value]), [[encodeHex(held(1).boxHash), undefined]]);
  messages.remove(held(1));
  assertEquals([messages.takeChanges(), messages.isEmpty], [[], false]);
  const again = make(rows.all);
  for (const message of again.all()) again.remove(message);
  rows.keep(again.takeChanges());
  assertEquals([rows.all, again.isEmpty], [[], true]);
});

Deno.test("HeldMessages.add() refuses the one that is too many, restored ones counted", () => {
  const rows = new Rows();
  const messages = make();
  for (let i = 1; i <= HELD_MAX; i++) assert(messages.add(held(i)));
  assertEquals(messages.add(held(HELD_MAX + 1)), false);
  rows.keep(messages.takeChanges());
  assertEquals(rows.all.length, HELD_MAX);
  const again = make(rows.all);
  assertEquals(again.add(held(HELD_MAX + 1)), false);
  again.remove(held(1));
  assertEquals(again.add(held(HELD_MAX + 1)), true);
});

Deno.test("HeldMessages refuses a row that is damaged, or under the hash of another box", () => {
  const rows = new Rows();
  rows.keep(make([], RELAY, [held(1)]).takeChanges());
  const [row] = rows.all as [StoredHeldRow];
  assertThrows(() => make([{ ...row, box: "00".repeat(32) }]), DecodeError, "another box");
  assertThrows(() => make([{ ...row, value: row.value.slice(1) }]), DecodeError);
});

/** What a store would give back, in another order than it was kept in. */
class Rows {
  readonly #rows = new Map<string, StoredHeldRow>();

  keep(changes: readonly HeldRowChange[]): void {
    for (const { relay, box, value } of changes) {
      if (value === undefined) assert(this.#rows.delete(`${relay}/${box}`));
      else this.#rows.set(`${relay}/${box}`, { relay, box, value });
    }
  }

  get all(): StoredHeldRow[] {
    return [...this.#rows.values()].reverse();
  }
}

function held(i: number): HeldMessage {
  const id = i.toString(16).padStart(32, "0");
  const content = { kind: "text", id, room: null, sentAtMs: NOW, text: `text ${i}` } as const;
  const boxHash = new Uint8Array(32).fill(i);
  return { from: OTHER, stream: INBOX, seq: i, at: NOW + i, id, boxHash, plaintext: encodeContent(content), content };
}

function make(stored: readonly StoredHeldRow[] = [], relay = RELAY, added: readonly HeldMessage[] = []): HeldMessages {
  const messages = new HeldMessages({ relay, inbox: INBOX, stored });
  for (const message of added) assert(messages.add(message));
  return messages;
}

function assertStrict(bytes: Bytes): void {
  try {
    assertEquals(encodeHeldRecord(decodeHeldRecord(bytes)), bytes);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
  }
}
