// Aim: whatever happens to relay, clients and the lines between them, no accepted message is lost, repeated, reordered or
// altered, no line is taken and forgotten, and no key is used twice with one IV. 200 processes are killed.
//
//     deno task test:faults                          200 kills
//     deno task test:faults -- 50                    50 kills
//     FAULT_SEED=7 deno task test:faults             the same faults again, as far as processes allow
import { assertEquals } from "@std/assert";
import { runFaults } from "./_run.ts";

const [KILLS = 200] = Deno.args.map(Number);

Deno.test(`${KILLS} kills, bad lines, a full disk, wrong clocks and old copies break no promise`, async () => {
  const options = { names: ["ada", "ben", "cyd", "dan", "eve"], kills: KILLS, putBacks: 2, mayBeDark: true };
  const faults = await runFaults(options, true);
  assertEquals(faults.slice(0, 30), [], `${faults.length} faults`);
});
