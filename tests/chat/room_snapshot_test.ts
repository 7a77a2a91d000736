// Aim: the parts of a snapshot are put together in their order and within a bound, whatever is sent.
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { ProtocolError } from "../../lib/bytes/errors.ts";
import { SNAPSHOT_MAX_BYTES, SnapshotParts } from "../../lib/chat/room_snapshot.ts";
import { SNAPSHOT_PART_BYTES } from "../../lib/wire/bodies.ts";

const FULL = new Uint8Array(SNAPSHOT_PART_BYTES).fill(5);

Deno.test("SnapshotParts.take() gives the whole once the last part is there", () => {
  fc.assert(
    fc.property(fc.nat(6), fc.nat(SNAPSHOT_PART_BYTES), fc.integer({ min: 1 }), (full, rest, epoch) => {
      const parts = new SnapshotParts();
      for (let i = 0; i < full; i++) {
        assertEquals(parts.take({ epoch, offset: i * SNAPSHOT_PART_BYTES, more: true }, FULL), undefined);
      }
      const last = new Uint8Array(rest).fill(7);
      const whole = parts.take({ epoch, offset: full * SNAPSHOT_PART_BYTES, more: false }, last);
      assertEquals(whole?.length, full * SNAPSHOT_PART_BYTES + rest);
      assert(whole?.every((byte, i) => byte === (i < full * SNAPSHOT_PART_BYTES ? 5 : 7)));
    }),
    { numRuns: 20 },
  );
});

Deno.test("SnapshotParts.take() refuses any other part than the next, and never holds more than its bound", () => {
  const part = fc.record({ epoch: fc.nat(3), offset: fc.nat(3), more: fc.boolean(), full: fc.boolean() });
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), (drawn) => {
      const parts = new SnapshotParts();
      let expected = { epoch: 0, count: 0 };
      for (const { epoch, offset, more, full } of drawn) {
        const take = () =>
          parts.take({ epoch, offset: offset * SNAPSHOT_PART_BYTES, more }, full ? FULL : FULL.subarray(0, 9).slice());
        if (offset === 0 && epoch > expected.epoch) expected = { epoch, count: 0 };
        const isNext = epoch === expected.epoch && offset === expected.count && (full || !more);
        if (!isNext) {
          assertThrows(take, ProtocolError);
          return; // the link ends
        }
        const whole = take();
        const length = offset * SNAPSHOT_PART_BYTES + (full ? SNAPSHOT_PART_BYTES : 9);
        assertEquals(whole?.length, more ? undefined : length);
        expected = { epoch, count: more ? expected.count + 1 : 0 };
      }
    }),
  );
  const parts = new SnapshotParts();
  let taken = 0;
  assertThrows(() => {
    for (let offset = 0;; offset += FULL.length, taken += FULL.length) {
      parts.take({ epoch: 1, offset, more: true }, FULL);
    }
  }, ProtocolError);
  assert(taken <= SNAPSHOT_MAX_BYTES && taken > SNAPSHOT_MAX_BYTES - 2 * FULL.length);
});
