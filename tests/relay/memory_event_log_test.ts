// Aim: the log in memory does what every log must do, at a cost that does not grow.
import { assert, assertEquals } from "@std/assert";
import type { EventLogLimits } from "../../lib/relay/event_log.ts";
import { MemoryEventLog } from "../../lib/relay/memory_event_log.ts";
import { ALL, event, seqs, testEventLog } from "./_event_log_suite.ts";
import { GENERATION } from "./_workbench.ts";

function makeLog(limits: Partial<EventLogLimits> = {}): MemoryEventLog {
  return new MemoryEventLog({ generation: GENERATION, limits });
}

testEventLog("MemoryEventLog", (limits, use) => Promise.resolve(use(makeLog(limits))), { numRuns: 300 });

Deno.test("MemoryEventLog.append() lets rooms come and go at the bound at little cost", () => {
  const log = makeLog({ streams: 20_000 });
  log.append(event("inbox/a", 1, { atMs: 0 }));
  const startMs = performance.now();
  for (let id = 0; id < 60_000; id++) assertEquals(log.append(event(`room/${id}`, 1, { atMs: id })).kind, "placed");
  // Going through 20,000 streams for each of 40,000 new ones would take many times as long.
  assert(performance.now() - startMs < 5000);
  assertEquals([seqs(log, "inbox/a").length, seqs(log, "room/59999").length, seqs(log, "room/0").length], [1, 1, 0]);
});

Deno.test("MemoryEventLog.append() costs no more when a stream is full", () => {
  const log = makeLog({ streamEvents: 10_000, streamIds: 10_000 });
  const startMs = performance.now();
  for (let id = 0; id < 200_000; id++) log.append(event("s", id));
  assertEquals(log.read("s", 0, ALL).length, 10_000);
  // Moving 10,000 places for each of 190,000 events would take many times as long.
  assert(performance.now() - startMs < 5000);
});
