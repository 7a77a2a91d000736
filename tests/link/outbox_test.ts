import { assert, assertEquals, assertLessOrEqual, assertThrows } from "@std/assert";
import fc from "fast-check";
import { Outbox, OUTBOX_MAX_BYTES, RECORD_PLAINTEXT_MAX_BYTES } from "../../lib/link/outbox.ts";
import { NOISE_PLAINTEXT_MAX_BYTES } from "../../lib/noise/cipher_state.ts";
import { encodeRun, PACKET_MAX_BYTES, RUN_ENTRY_HEAD_BYTES } from "../../lib/wire/packet.ts";

/** Packets of given lengths; each is told from the others by its identity. */
function packetsOf(lengths: readonly number[]): Uint8Array[] {
  return lengths.map((length) => new Uint8Array(length));
}

Deno.test("Outbox.push() takes up to the bound, heads counted, and nothing above it", () => {
  const outbox = new Outbox(100);
  assert(outbox.push(new Uint8Array(50)));
  assert(!outbox.push(new Uint8Array(50 - 2 * RUN_ENTRY_HEAD_BYTES + 1)));
  assertEquals(outbox.waitingBytes, 54);
  assert(outbox.push(new Uint8Array(50 - 2 * RUN_ENTRY_HEAD_BYTES)));
  assertEquals(outbox.waitingBytes, 100);
  assert(!outbox.push(new Uint8Array(0)));
});

Deno.test("Outbox.push() takes packets again when some were taken out", () => {
  const outbox = new Outbox(100);
  assert(outbox.push(new Uint8Array(96)));
  assert(!outbox.push(new Uint8Array(96)));
  outbox.takeRecord();
  assert(outbox.push(new Uint8Array(96)));
});

Deno.test("Outbox.push() has a bound by default that holds eighty of the largest packets", () => {
  const outbox = new Outbox();
  let taken = 0;
  while (outbox.push(new Uint8Array(PACKET_MAX_BYTES))) taken++;
  assertEquals(taken, Math.floor(OUTBOX_MAX_BYTES / (PACKET_MAX_BYTES + RUN_ENTRY_HEAD_BYTES)));
  assert(taken >= 80);
});

Deno.test("Outbox.pushUnbounded() takes a packet above the bound, behind the others", () => {
  const outbox = new Outbox(20);
  const [first, bye] = packetsOf([16, 30]) as [Uint8Array, Uint8Array];
  assert(outbox.push(first));
  outbox.pushUnbounded(bye);
  assertEquals(outbox.waitingBytes, 54);
  assert(outbox.takeRecord().every((packet, i) => packet === [first, bye][i]));
});

for (const method of ["push", "pushUnbounded"] as const) {
  Deno.test(`Outbox.${method}() throws on a packet that is longer than any may be`, () => {
    const outbox = new Outbox();
    assertThrows(() => outbox[method](new Uint8Array(PACKET_MAX_BYTES + 1)), RangeError);
    assert(outbox.isEmpty);
    outbox[method](new Uint8Array(PACKET_MAX_BYTES));
    assertEquals(outbox.takeRecord().length, 1);
  });
}

Deno.test("Outbox.clear() drops all that waits", () => {
  const outbox = new Outbox(20);
  assert(outbox.push(new Uint8Array(16)));
  outbox.clear();
  assert(outbox.isEmpty);
  assertEquals(outbox.waitingBytes, 0);
  assertEquals(outbox.takeRecord(), []);
  assert(outbox.push(new Uint8Array(16)));
});

Deno.test("Outbox.takeRecord() gives nothing when nothing waits", () => {
  assertEquals(new Outbox().takeRecord(), []);
});

Deno.test("Outbox.takeRecord() fills a record to its last byte", () => {
  const outbox = new Outbox();
  const half = (RECORD_PLAINTEXT_MAX_BYTES - 1) / 2;
  for (const length of [half + 1 - RUN_ENTRY_HEAD_BYTES, half - RUN_ENTRY_HEAD_BYTES, 0]) {
    assert(outbox.push(new Uint8Array(length)));
  }
  const record = encodeRun(outbox.takeRecord());
  assertEquals(record.length, RECORD_PLAINTEXT_MAX_BYTES);
  assertEquals(RECORD_PLAINTEXT_MAX_BYTES, NOISE_PLAINTEXT_MAX_BYTES);
  assertEquals(outbox.takeRecord().length, 1);
});

Deno.test("Outbox.takeRecord() keeps the order, fits every record and never leaves out what would have fitted", () => {
  const lengths = fc.array(fc.oneof(fc.nat(200), fc.nat(PACKET_MAX_BYTES)), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(lengths, (lengths) => {
      const outbox = new Outbox(Infinity);
      const packets = packetsOf(lengths);
      for (const packet of packets) assert(outbox.push(packet));
      const records: Uint8Array[][] = [];
      while (!outbox.isEmpty) records.push(outbox.takeRecord());
      assert(records.flat().every((packet, i) => packet === packets[i]) && records.flat().length === packets.length);
      assertEquals(outbox.waitingBytes, 0);
      for (const [i, record] of records.entries()) {
        const lengthBytes = encodeRun(record).length;
        assertLessOrEqual(lengthBytes, RECORD_PLAINTEXT_MAX_BYTES);
        const next = records[i + 1]?.[0];
        if (next !== undefined) assert(lengthBytes + RUN_ENTRY_HEAD_BYTES + next.length > RECORD_PLAINTEXT_MAX_BYTES);
      }
    }),
    { numRuns: 50 },
  );
});

Deno.test("Outbox gives back what was pushed and taken in any mixture", () => {
  const step = fc.oneof(fc.constant("take" as const), fc.array(fc.nat(30_000), { maxLength: 20 }));
  fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const outbox = new Outbox(Infinity);
    const pushed: Uint8Array[] = [];
    const taken: Uint8Array[] = [];
    for (const step of steps) {
      if (step === "take") taken.push(...outbox.takeRecord());
      else {
        for (const packet of packetsOf(step)) {
          pushed.push(packet);
          outbox.push(packet);
        }
      }
      const waiting = pushed.slice(taken.length);
      assertEquals(outbox.waitingBytes, waiting.reduce((sum, { length }) => sum + length + RUN_ENTRY_HEAD_BYTES, 0));
      assertEquals(outbox.isEmpty, waiting.length === 0);
    }
    assert(taken.every((packet, i) => packet === pushed[i]));
  }));
});

Deno.test("Outbox.takeRecord() moves each packet a few times at most, however many wait", () => {
  // Counts what is moved instead of the time that it takes.
  const slice = Array.prototype.slice;
  let moved = 0;
  Array.prototype.slice = function (this: unknown[], ...args: [number?, number?]) {
    const result = slice.apply(this, args);
    moved += result.length;
    return result;
  };
  const count = 100_000;
  try {
    const outbox = new Outbox(Infinity);
    const packet = new Uint8Array(10_000);
    for (let i = 0; i < count; i++) outbox.push(packet);
    while (!outbox.isEmpty) {
      outbox.takeRecord();
      outbox.push(packet);
      outbox.takeRecord();
    }
  } finally {
    Array.prototype.slice = slice;
  }
  assertLessOrEqual(moved, 2 * count);
});
