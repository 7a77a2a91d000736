// Aim: a short run of the fault suite, with what can be had in some seconds; `deno task test:faults` is the long one.
import { assertEquals } from "@std/assert";
import { runFaults } from "./_run.ts";

Deno.test("a relay and three clients that are killed and cut off under load lose, repeat and reorder nothing", async () => {
  const options = { names: ["ada", "ben", "cyd"], kills: 8, putBacks: 0, mayBeDark: false };
  assertEquals(await runFaults(options, false), []);
});
