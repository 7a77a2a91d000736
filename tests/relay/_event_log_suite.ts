/**
 * What every event log must do, run against each of them: places, repeats, bounds, and a naive model step by step.
 */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { concat, lv, u8 } from "../../lib/bytes/writer.ts";
import { EVENT_OVERHEAD_BYTES, type EventLog, type EventLogLimits, type NewEvent } from "../../lib/relay/event_log.ts";
import { idOf } from "./_workbench.ts";

/** Reads without a bound. */
export const ALL = { maxEvents: Infinity, maxBytes: Infinity };

/** How the suite gets a log of one kind, empty and with these bounds, and gives it back. */
export type WithLog = (limits: Partial<EventLogLimits>, use: (log: EventLog) => void) => Promise<void>;

/** An event; `changes` say in what it differs. */
export function event(stream: string, id: number, changes: Partial<NewEvent> = {}): NewEvent {
  return {
    stream,
    publisher: "P",
    kind: "message",
    id: idOf(id),
    body: Uint8Array.of(id & 255),
    atMs: 1000,
    ...changes,
  };
}

/** What stands for an op of a kind: as much of one as the log looks at. */
export function opLike(kind: number): Uint8Array<ArrayBuffer> {
  return concat(lv(u8(1)), lv(new Uint8Array(32)), lv(u8(kind)), lv(new Uint8Array(0)));
}

/** The places that can be read. */
export function seqs(log: EventLog, stream: string, afterSeq = 0): number[] {
  return log.read(stream, afterSeq, ALL).map((stored) => stored.seq);
}

/** Registers the tests. */
export function testEventLog(name: string, withLog: WithLog, options: { readonly numRuns: number }): void {
  Deno.test(`${name}.append() gives places from 1 and answers the first one when an event comes again`, () =>
    withLog({}, (log) => {
      assertEquals(log.append(event("s", 1)), { kind: "placed", seq: 1, at: 1000, isRepeat: false });
      assertEquals(log.append(event("s", 2)), { kind: "placed", seq: 2, at: 1000, isRepeat: false });
      const again = event("s", 1, { atMs: 5000, body: Uint8Array.of(99) });
      assertEquals(log.append(again), { kind: "placed", seq: 1, at: 1000, isRepeat: true });
      assertEquals(log.read("s", 0, ALL)[0]?.body, Uint8Array.of(1));
      assertEquals([log.head("s"), log.oldest("s"), log.head("t"), log.oldest("t")], [2, 1, 0, 1]);
    }));

  Deno.test(`${name}.about() counts what is kept of one identity, and of no other`, () =>
    withLog({ streamEvents: 2, streamIds: 3 }, (log) => {
      const nothing = {
        received: { events: 0, bytes: 0, authors: 0, from: [] },
        published: { events: 0, streams: 0, in: [] },
      };
      assertEquals(log.about("P", 9), nothing);
      for (let id = 1; id <= 4; id++) log.append(event("inbox/P", id, { publisher: "Q", atMs: id * 1_000 }));
      log.append(event("room/a", 5, { atMs: 5_000, body: new Uint8Array(7) }));
      log.append(event("room/a", 6, { atMs: 6_000 }));
      log.append(event("inbox/Q", 7, { publisher: "R", atMs: 7_000 }));
      log.commit();
      const { received, published } = log.about("P", 9);
      assertEquals(published, {
        events: 2,
        streams: 1,
        in: [{ stream: "room/a", events: 2, firstAt: 5_000, lastAt: 6_000 }],
      });
      // Of the four, one is gone, and of one only the id is left.
      const fromQ = { publisher: "Q", events: 3, bytes: 2, firstAt: 2_000, lastAt: 4_000 };
      assertEquals(received, { events: 3, bytes: 2, authors: 1, from: [fromQ] });
      assertEquals(log.about("Q", 9).published.in, [
        { stream: "inbox/P", events: 3, firstAt: 2_000, lastAt: 4_000 },
      ]);
      assertEquals([log.about("P", 0).published.in, log.about("Q", 0).received.from], [[], []]);
    }));

  Deno.test(`${name}.append() takes the same id from another publisher or for another stream as another event`, () =>
    withLog({}, (log) => {
      log.append(event("s", 1));
      assertEquals(log.append(event("s", 1, { publisher: "Q" })), {
        kind: "placed",
        seq: 2,
        at: 1000,
        isRepeat: false,
      });
      assertEquals(log.append(event("t", 1)), { kind: "placed", seq: 1, at: 1000, isRepeat: false });
    }));

  Deno.test(`${name}.append() never lets the time of a stream decrease`, () =>
    withLog({}, (log) => {
      const times = [5, 3, 9, 1].map((atMs, id) => log.append(event("s", id, { atMs })));
      assertEquals(times.map((placed) => placed.kind === "placed" && placed.at), [5, 5, 9, 9]);
    }));

  Deno.test(`${name}.append() drops the oldest event over the count but remembers its id`, () =>
    withLog({ streamEvents: 3 }, (log) => {
      for (let id = 1; id <= 5; id++) log.append(event("s", id));
      assertEquals(seqs(log, "s"), [3, 4, 5]);
      assertEquals(log.oldest("s"), 3);
      assertEquals(log.append(event("s", 1)), { kind: "placed", seq: 1, at: 1000, isRepeat: true });
    }));

  Deno.test(`${name}.append() drops the oldest events over the bytes and keeps the new one whatever its size`, () =>
    withLog({ streamBytes: 3 * EVENT_OVERHEAD_BYTES }, (log) => {
      for (let id = 1; id <= 4; id++) log.append(event("s", id));
      assertEquals(seqs(log, "s"), [3, 4]);
      log.append(event("s", 5, { body: new Uint8Array(10_000) }));
      assertEquals(seqs(log, "s"), [5]);
    }));

  Deno.test(`${name}.append() forgets the oldest ids over their bound`, () =>
    withLog({ streamEvents: 2, streamIds: 4 }, (log) => {
      for (let id = 1; id <= 6; id++) log.append(event("s", id));
      assertEquals([1, 2, 3, 4].map((id) => log.find("s", "P", idOf(id))?.seq), [undefined, undefined, 3, 4]);
    }));

  Deno.test(`${name}.append() takes from the largest stream when all are too large`, () =>
    withLog({ totalBytes: 40 * (EVENT_OVERHEAD_BYTES + 1) }, (log) => {
      for (let id = 1; id <= 35; id++) log.append(event("flood", id));
      for (let id = 1; id <= 10; id++) log.append(event("quiet", id));
      assertEquals(seqs(log, "quiet").length, 10);
      assert(seqs(log, "flood").length <= 30);
      assertEquals(log.head("flood"), 35);
    }));

  Deno.test(`${name}.append() answers full when all streams are inboxes, and takes on for those it has`, () =>
    withLog({ streams: 2, ageMs: 100 }, (log) => {
      log.append(event("inbox/a", 1));
      log.append(event("inbox/b", 1, { atMs: 1050 }));
      assertEquals(log.append(event("room/c", 1)), { kind: "full" });
      assertEquals(log.append(event("inbox/c", 1)), { kind: "full" });
      assertEquals(log.append(event("inbox/a", 2)).kind, "placed");
      log.trim(1120);
      assertEquals(log.append(event("room/c", 1)).kind, "placed", "an inbox that became empty makes room");
    }));

  Deno.test(`${name}.append() forgets the room written longest ago when there are too many streams`, () =>
    withLog({ streams: 4, totalBytes: 6 * (EVENT_OVERHEAD_BYTES + 1) }, (log) => {
      log.append(event("inbox/a", 1, { atMs: 0 }));
      log.append(event("room/old", 1, { atMs: 1 }));
      log.append(event("room/quiet", 1, { atMs: 2 }));
      log.append(event("room/busy", 1, { atMs: 3 }));
      log.append(event("room/old", 2, { atMs: 4 }));
      assertEquals(log.append(event("room/new", 1, { atMs: 5 })), { kind: "placed", seq: 2, at: 5, isRepeat: false });
      assertEquals(["inbox/a", "room/old", "room/busy"].map((stream) => seqs(log, stream)), [[1], [1, 2], [1]]);
      assertEquals([seqs(log, "room/quiet"), log.head("room/quiet")], [[], 1], "forgotten, and no place comes twice");
      log.append(event("room/new", 2, { atMs: 6 }));
      assertEquals(seqs(log, "room/old"), [1, 2], "what was forgotten does not count");
    }));

  Deno.test(`${name}.append() gives no place twice when a forgotten stream starts again`, () =>
    withLog({ streams: 1, ageMs: 100 }, (log) => {
      for (let id = 1; id <= 3; id++) log.append(event("a", id, { atMs: 0 }));
      log.trim(1000);
      assertEquals([log.head("a"), log.oldest("a"), seqs(log, "a")], [3, 4, []]);
      log.append(event("b", 1, { atMs: 1000 }));
      assertEquals(seqs(log, "b"), [4]);
      log.trim(5000);
      log.append(event("a", 4, { atMs: 5000 }));
      assert((seqs(log, "a")[0] as number) > 3);
    }));

  Deno.test(`${name}.append() numbers the ops of a room, and gives a repeat its number again`, () =>
    withLog({}, (log) => {
      assertEquals(log.append(event("room/a", 1)), { kind: "placed", seq: 1, at: 1000, isRepeat: false });
      for (const [room, id, seq, epoch] of [["room/a", 2, 2, 1], ["room/b", 2, 1, 1], ["room/a", 3, 3, 2]] as const) {
        const placed = log.append(event(room, id, { kind: "op" }));
        assertEquals(placed, { kind: "placed", seq, at: 1000, epoch, isRepeat: false });
      }
      const again = log.append(event("room/a", 2, { kind: "op", body: opLike(4) }));
      assertEquals(again, { kind: "placed", seq: 2, at: 1000, epoch: 1, isRepeat: true });
      assertEquals(log.find("room/a", "P", idOf(3)), { seq: 3, at: 1000, epoch: 2 });
      assertEquals(log.find("room/a", "P", idOf(1)), { seq: 1, at: 1000 });
      assertEquals(log.read("room/a", 0, ALL).map(({ kind, epoch }) => [kind, epoch]), [
        ["message", undefined],
        ["op", 1],
        ["op", 2],
      ]);
      assertEquals([log.epoch("a"), log.epoch("b"), log.epoch("c"), log.departure("a", 0)], [2, 1, 0, 0]);
    }));

  Deno.test(`${name}.ops() gives them in order, within its limits, whatever became of their stream`, () =>
    withLog({ streamEvents: 2, streamIds: 3, ageMs: 100 }, (log) => {
      for (let id = 1; id <= 6; id++) {
        log.append(event("room/a", id, { kind: "op", body: new Uint8Array(100).fill(id), atMs: 1000 + id }));
      }
      log.trim(5000);
      assertEquals(log.commit().kind, "stored");
      assertEquals(seqs(log, "room/a"), []);
      const all = log.ops("a", 0, ALL);
      assertEquals(
        all.map(({ epoch, at, op }) => [epoch, at, op[99]]),
        [1, 2, 3, 4, 5, 6].map((n) => [n, 1000 + n, n]),
      );
      const epochs = (after: number, limits: Partial<typeof ALL>) =>
        log.ops("a", after, { ...ALL, ...limits }).map(({ epoch }) => epoch);
      assertEquals(epochs(2, { maxEvents: 2 }), [3, 4]);
      assertEquals([epochs(0, { maxBytes: 224 }), epochs(0, { maxBytes: 223 }), epochs(0, { maxBytes: 1 })], [
        [1, 2],
        [1],
        [1],
      ]);
      assertEquals([epochs(6, {}), epochs(99, {}), log.ops("b", 0, ALL)], [[], [], []]);
      assertEquals(log.append(event("room/a", 7, { kind: "op", atMs: 5000 })), {
        kind: "placed",
        seq: 7,
        at: 5000,
        epoch: 7,
        isRepeat: false,
      });
    }));

  Deno.test(`${name}.departure() counts leaves and removes from the last back`, () =>
    withLog({}, (log) => {
      // create, join, add, leave, remove, promote, here, what is no op, leave
      for (const [id, kind] of [1, 2, 3, 4, 5, 6, 7, 200, 4].entries()) {
        log.append(event("room/a", id, { kind: "op", body: opLike(kind) }));
      }
      assertEquals([0, 1, 2, 3, 64].map((skip) => log.departure("a", skip)), [9, 5, 4, 0, 0]);
      log.append(event("room/a", 99, { body: opLike(4) }));
      assertEquals([log.departure("a", 0), log.departure("b", 0)], [9, 0], "a message is no departure");
    }));

  Deno.test(`${name}.append() answers opsFull at the bounds of a room and of all, and changes nothing by it`, () =>
    withLog({ roomOps: 2, opBytes: 3 * (EVENT_OVERHEAD_BYTES + 1) }, (log) => {
      const kinds = ["room/a", "room/a", "room/a", "room/b", "room/b"].map((room, id) =>
        log.append(event(room, id, { kind: "op" })).kind
      );
      assertEquals(kinds, ["placed", "placed", "opsFull", "placed", "opsFull"]);
      assertEquals([log.epoch("a"), log.epoch("b"), log.head("room/a"), log.head("room/b")], [2, 1, 2, 1]);
      assertEquals(log.append(event("room/a", 0, { kind: "op" })).kind, "placed", "a repeat is no new one");
      assertEquals(log.append(event("room/a", 9)).kind, "placed", "messages go on");
    }));

  Deno.test(`${name}.append() keeps the last places of a room for ops that may have them`, () =>
    withLog({ roomOps: 3, opsReserved: 1 }, (log) => {
      const kinds = [false, false, false, true, true].map((isReserved, id) =>
        log.append(event("room/a", id, { kind: "op", isReserved })).kind
      );
      assertEquals(kinds, ["placed", "placed", "opsFull", "placed", "opsFull"]);
    }));

  Deno.test(`${name}.append() goes on numbering ops when their stream was forgotten`, () =>
    withLog({ streams: 1 }, (log) => {
      log.append(event("room/a", 1, { kind: "op" }));
      log.append(event("room/b", 1));
      const placed = log.append(event("room/a", 2, { kind: "op" }));
      assertEquals(placed.kind === "placed" && placed.epoch, 2);
      assertEquals(log.ops("a", 0, ALL).length, 2);
    }));

  Deno.test(`${name}.handed() is the furthest place that hand() was told`, () =>
    withLog({}, (log) => {
      for (let id = 1; id <= 3; id++) log.append(event("inbox/a", id));
      log.hand("inbox/a", 2);
      log.hand("inbox/a", 1);
      log.hand("inbox/b", 5);
      assertEquals([log.handed("inbox/a"), log.handed("inbox/b")], [2, 0]);
    }));

  Deno.test(`${name}.read() stops at its limits and gives one event at least`, () =>
    withLog({}, (log) => {
      for (let id = 1; id <= 5; id++) log.append(event("s", id, { body: new Uint8Array(100) }));
      assertEquals(log.read("s", 1, { maxEvents: 2, maxBytes: Infinity }).map((stored) => stored.seq), [2, 3]);
      const bytes = 2 * (100 + EVENT_OVERHEAD_BYTES);
      assertEquals(log.read("s", 0, { maxEvents: 9, maxBytes: bytes }).map((stored) => stored.seq), [1, 2]);
      assertEquals(log.read("s", 0, { maxEvents: 9, maxBytes: 1 }).map((stored) => stored.seq), [1]);
      assertEquals(log.read("s", 5, ALL), []);
      assertEquals(log.read("s", 99, ALL), []);
    }));

  Deno.test(`${name}.trim() drops events and ids that are too old`, () =>
    withLog({ ageMs: 100 }, (log) => {
      for (const [id, atMs] of [[1, 0], [2, 50], [3, 100]] as const) log.append(event("s", id, { atMs }));
      log.trim(149);
      assertEquals(seqs(log, "s"), [2, 3]);
      assertEquals(log.find("s", "P", idOf(1)), undefined);
      assertEquals(log.append(event("s", 2, { atMs: 149 })), { kind: "placed", seq: 2, at: 50, isRepeat: true });
    }));

  Deno.test(`${name} does what a naive model does, step by step`, async () => {
    const limits = { streamEvents: 7, streamIds: 12, ageMs: 200 };
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 200, size: "max" }), (steps) =>
        withLog(limits, (log) => {
          const model = new NaiveLog(limits);
          const clock = { nowMs: 1000 };
          for (const next of steps) takeStep(log, model, next, clock);
        })),
      { numRuns: options.numRuns },
    );
  });
}

interface NaiveEvent {
  readonly key: string;
  readonly seq: number;
  readonly at: number;
  hasBody: boolean;
}

/** The law as plainly as it can be said: lists, filters, no offsets. */
export class NaiveLog {
  readonly streams = new Map<string, { head: number; at: number; events: NaiveEvent[] }>();
  constructor(readonly limits: { streamEvents: number; streamIds: number; ageMs: number }) {}

  append(stream: string, key: string, atMs: number): { seq: number; at: number; isRepeat: boolean } {
    const state = this.streams.get(stream) ?? { head: 0, at: 0, events: [] };
    this.streams.set(stream, state);
    const known = state.events.find((stored) => stored.key === key);
    if (known !== undefined) return { seq: known.seq, at: known.at, isRepeat: true };
    state.head++;
    state.at = Math.max(state.at, atMs);
    state.events.push({ key, seq: state.head, at: state.at, hasBody: true });
    state.events.forEach((stored, index) => {
      if (index < state.events.length - this.limits.streamEvents) stored.hasBody = false;
    });
    state.events = state.events.slice(-this.limits.streamIds);
    return { seq: state.head, at: state.at, isRepeat: false };
  }

  readable(stream: string, afterSeq: number, maxEvents: number): number[] {
    const events = this.streams.get(stream)?.events ?? [];
    return events.filter((stored) => stored.hasBody && stored.seq > afterSeq).map((stored) => stored.seq)
      .slice(0, maxEvents);
  }

  trim(nowMs: number): void {
    for (const state of this.streams.values()) {
      state.events = state.events.filter((stored) => stored.at >= nowMs - this.limits.ageMs);
    }
  }
}

/** One thing that may happen to a log. */
export type Step =
  | { readonly do: "append"; readonly stream: number; readonly id: number; readonly by: number }
  | { readonly do: "read"; readonly stream: number; readonly after: number; readonly max: number }
  | { readonly do: "pass"; readonly ms: number }
  | { readonly do: "trim" }
  | { readonly do: "commit" };

/** Draws steps. */
export const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constant("append" as const), stream: fc.nat(2), id: fc.nat(30), by: fc.nat(1) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("read" as const),
      stream: fc.nat(3),
      after: fc.nat(40),
      max: fc.integer({ min: 1, max: 9 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.integer({ min: -20, max: 60 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("trim" as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("commit" as const) }) },
);

/** Does one step to a log and to the model, and compares what they answer. */
export function takeStep(log: EventLog, model: NaiveLog, next: Step, clock: { nowMs: number }): void {
  if (next.do === "pass") clock.nowMs += next.ms;
  else if (next.do === "commit") assertEquals(log.commit().kind, "stored");
  else if (next.do === "trim") {
    log.trim(clock.nowMs);
    model.trim(clock.nowMs);
  } else if (next.do === "append") {
    const publisher = `P${next.by}`;
    const placed = log.append(event(`s${next.stream}`, next.id, { publisher, atMs: clock.nowMs }));
    assertEquals(placed, { kind: "placed", ...model.append(`s${next.stream}`, publisher + next.id, clock.nowMs) });
  } else {
    const stream = `s${next.stream}`;
    const found = log.read(stream, next.after, { maxEvents: next.max, maxBytes: Infinity });
    assertEquals(found.map((stored) => stored.seq), model.readable(stream, next.after, next.max));
    const head = model.streams.get(stream)?.head ?? 0;
    assertEquals([log.head(stream), log.oldest(stream)], [head, model.readable(stream, 0, 1)[0] ?? head + 1]);
  }
}
