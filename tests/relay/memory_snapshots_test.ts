// Aim: the log in memory keeps snapshots, and drops ops before them, as every log must.
import { MemoryEventLog } from "../../lib/relay/memory_event_log.ts";
import { testSnapshots } from "./_snapshot_suite.ts";
import { GENERATION } from "./_workbench.ts";

testSnapshots(
  "MemoryEventLog",
  (limits, use) => Promise.resolve(use(new MemoryEventLog({ generation: GENERATION, limits }))),
  { numRuns: 200 },
);
