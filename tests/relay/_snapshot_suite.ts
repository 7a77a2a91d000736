/**
 * What every event log must do with snapshots and the ops before them, run against each: nothing goes without one, what
 * stands after it stays, and a naive model agrees step by step.
 */
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { EVENT_OVERHEAD_BYTES, type EventLog } from "../../lib/relay/event_log.ts";
import { OPS_DROPPED_AT_ONCE } from "../../lib/relay/op_ledger.ts";
import { ALL, event, opLike, type WithLog } from "./_event_log_suite.ts";

const BODY = Uint8Array.of(1, 2, 3, 4, 5);

/** Places ops in a room, and gives what became of the last. */
export function place(log: EventLog, room: string, ids: readonly number[], atMs = 1000): string {
  const kinds = ids.map((id) => log.append(event(`room/${room}`, id, { kind: "op", body: opLike(4), atMs })).kind);
  return kinds.at(-1) ?? "";
}

/** Numbers from one to another. */
export function upTo(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

/** The places of the ops of a room that can be read. */
export function kept(log: EventLog, room: string): number[] {
  return log.ops(room, 0, ALL).map(({ epoch }) => epoch);
}

/** Registers the tests. */
export function testSnapshots(name: string, withLog: WithLog, options: { readonly numRuns: number }): void {
  Deno.test(`${name}.snapshots keeps one of a room, in parts, and lets a later one take its place`, () =>
    withLog({}, (log) => {
      const { snapshots } = log;
      place(log, "a", [1, 2, 3]);
      assertEquals([snapshots.of("a"), snapshots.readPart("a", 0, 9)], [undefined, new Uint8Array(0)]);
      snapshots.keep("a", 2, BODY);
      assertEquals(snapshots.of("a"), { epoch: 2, lengthBytes: 5 });
      assertEquals([0, 3, 5].map((offset) => [...snapshots.readPart("a", offset, 3)]), [[1, 2, 3], [4, 5], []]);
      for (const epoch of [0, 1, 2, 4]) assertThrows(() => snapshots.keep("a", epoch, BODY), RangeError);
      assertThrows(() => snapshots.keep("b", 1, BODY), RangeError);
      snapshots.keep("a", 3, Uint8Array.of(9));
      assertEquals([snapshots.of("a"), [...snapshots.readPart("a", 0, 9)]], [{ epoch: 3, lengthBytes: 1 }, [9]]);
      assertEquals(log.commit().kind, "stored");
      assertEquals(kept(log, "a"), [1, 2, 3], "nothing goes before its place is needed");
    }));

  Deno.test(`${name}.snapshots.due() tells rooms that have many ops since their snapshot`, () =>
    withLog({}, (log) => {
      place(log, "a", upTo(1, 5));
      place(log, "b", upTo(1, 3));
      assertEquals([log.snapshots.due(2), log.snapshots.due(4), log.snapshots.due(5)], [["a", "b"], ["a"], []]);
      log.snapshots.keep("a", 4, BODY);
      assertEquals(log.snapshots.due(2), ["b"]);
    }));

  Deno.test(`${name}.append() drops the oldest ops before a snapshot where a room has as many as it may`, () =>
    withLog({ roomOps: 100, opsKept: 10 }, (log) => {
      assertEquals([place(log, "a", upTo(1, 100)), place(log, "a", [101])], ["placed", "opsFull"]);
      log.snapshots.keep("a", 30, BODY);
      assertEquals([place(log, "a", [101]), kept(log, "a")], ["placed", upTo(31, 101)]);
      assertEquals([place(log, "a", upTo(102, 131)), log.snapshots.oldestOp("a")], ["opsFull", 31]);
      log.snapshots.keep("a", 130, BODY);
      assertEquals([place(log, "a", [131]), kept(log, "a")], ["placed", upTo(31 + OPS_DROPPED_AT_ONCE, 131)]);
      assertEquals([log.epoch("a"), log.departure("a", 0), log.departure("a", 36)], [131, 131, 95]);
      assertEquals(log.departure("a", 37), 0, "of those that went nothing is known");
      place(log, "a", upTo(132, 300));
      assertEquals(kept(log, "a"), upTo(131, 230), "what stands after the snapshot stays");
    }));

  Deno.test(`${name}.append() never drops the newest ops, however late the snapshot stands`, () =>
    withLog({ roomOps: 20, opsKept: 15 }, (log) => {
      place(log, "a", upTo(1, 20));
      log.snapshots.keep("a", 20, BODY);
      assertEquals([place(log, "a", [21]), kept(log, "a")], ["placed", upTo(6, 21)]);
    }));

  Deno.test(`${name}.append() drops ops before snapshots, the oldest first, where all rooms have as much as they may`, () => {
    const cost = EVENT_OVERHEAD_BYTES + opLike(4).length;
    const snapshot = EVENT_OVERHEAD_BYTES + BODY.length;
    return withLog({ opBytes: 300 * cost + 2 * snapshot, opsKept: 1 }, (log) => {
      place(log, "invited", upTo(1, 100), 1);
      place(log, "young", upTo(1, 100), 3);
      place(log, "old", upTo(1, 100), 2);
      for (const room of ["young", "old"]) log.snapshots.keep(room, 90, BODY);
      assertEquals([place(log, "invited", [101], 4), place(log, "young", upTo(101, 120), 4)], ["placed", "placed"]);
      const left = ["invited", "young", "old"].map((room) => kept(log, room).length);
      assertEquals(left, [101, 120, 100 - OPS_DROPPED_AT_ONCE], "a room without a snapshot gives nothing");
      assertEquals(place(log, "invited", upTo(102, 400), 5), "opsFull");
      assertEquals(kept(log, "invited").length, 300 - 10 - 30, "all that may go has gone");
      assertEquals([kept(log, "old"), kept(log, "young")], [upTo(91, 100), upTo(91, 120)]);
    });
  });

  Deno.test(`${name}.append() answers a repeat and a message where no op has room`, () =>
    withLog({ roomOps: 3, opsKept: 1 }, (log) => {
      place(log, "a", [1, 2, 3]);
      log.snapshots.keep("a", 2, BODY);
      place(log, "a", [4, 5]);
      assertEquals(place(log, "a", [6]), "opsFull");
      assertEquals([place(log, "a", [1]), log.append(event("room/a", 9)).kind], ["placed", "placed"]);
      assertEquals(log.epoch("a"), 5);
    }));

  Deno.test(`${name}.trim() drops ops that are too old where a snapshot stands after them, and no others`, () =>
    withLog({ ageMs: 100, opsKept: 2 }, (log) => {
      for (const room of ["a", "b"]) for (const id of upTo(1, 10)) place(log, room, [id], 1000 + id);
      log.snapshots.keep("a", 6, BODY);
      const trimmed = (nowMs: number) => {
        do log.trim(nowMs); while (hasMore(log));
        return [kept(log, "a"), kept(log, "b").length];
      };
      assertEquals(trimmed(1104), [upTo(4, 10), 10]);
      assertEquals(trimmed(9000), [upTo(7, 10), 10], "those after the snapshot stay");
      log.snapshots.keep("a", 10, BODY);
      assertEquals(trimmed(9000), [[9, 10], 10], "and the newest");
      assertEquals(place(log, "a", [11], 9000), "placed");
      assertEquals([log.epoch("a"), kept(log, "a")], [11, [9, 10, 11]]);
      assertEquals([log.ops("a", 3, ALL)[0]?.epoch, log.ops("a", 9, ALL)[0]?.epoch], [9, 10]);
    }));

  Deno.test(`${name} keeps and drops ops as a naive model does`, async () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ do: fc.constant("place" as const), room: fc.nat(1), count: fc.nat(30) }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constant("keep" as const), room: fc.nat(1), back: fc.nat(40) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("commit" as const) }) },
    );
    const limits = { roomOps: 80, opsKept: 7 };
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), (steps) =>
        withLog(limits, (log) => {
          const rooms = [{ epoch: 0, snapshot: 0 }, { epoch: 0, snapshot: 0 }];
          let id = 0;
          for (const next of steps) {
            if (next.do === "commit") {
              assertEquals(log.commit().kind, "stored");
              continue;
            }
            const model = rooms[next.room] as (typeof rooms)[number];
            const room = `r${next.room}`;
            if (next.do === "keep") {
              const epoch = model.epoch - next.back;
              if (epoch <= model.snapshot) continue;
              log.snapshots.keep(room, epoch, BODY);
              model.snapshot = epoch;
              continue;
            }
            for (let i = 0; i < next.count; i++) {
              const isPlaced = place(log, room, [++id]) === "placed";
              // It is refused only when none of all that are kept may go.
              const last = Math.min(model.snapshot, model.epoch - limits.opsKept);
              assertEquals(isPlaced, model.epoch - Math.max(0, last) < limits.roomOps);
              if (isPlaced) model.epoch++;
            }
            const epochs = kept(log, room);
            const oldest = log.snapshots.oldestOp(room);
            assertEquals(epochs, upTo(oldest, model.epoch), "without a gap, up to the last");
            assert(oldest <= Math.max(1, Math.min(model.snapshot, model.epoch - limits.opsKept) + 1));
            assert(epochs.length <= limits.roomOps);
          }
        })),
      { numRuns: options.numRuns },
    );
  });
}

function hasMore(log: EventLog): boolean {
  const result = log.commit();
  assertEquals(result.kind, "stored");
  return result.kind === "stored" && result.hasMore;
}
