// Aim: whatever people do in rooms, and whatever happens to their clients and lines, each line is read once and in order
// by exactly those who should read it, and nobody is told of gaps, forks or messages that cannot be opened. More runs:
// `deno task test:model`.
import { assert } from "@std/assert";
import fc from "fast-check";
import { checkModel } from "../support/model_runs.ts";
import { World } from "./_rooms_model.ts";
import { faultsOf, type Seen, storyOf } from "./_rooms_model_check.ts";
import { type Plan, plans } from "./_rooms_model_steps.ts";

const seen: Seen = { lines: 0, reads: 0, returns: 0, departures: 0, sealedAgain: 0, must: 0, may: 0, never: 0 };

/** Runs a plan; what went wrong is an error that tells the whole story. */
async function run(plan: Plan): Promise<void> {
  const world = await World.begin(plan);
  try {
    for (const step of plan.steps) await world.take(step);
    await world.finish();
  } catch (cause) {
    throw new Error(`A client threw\n\n${story(world)}`, { cause });
  }
  const faults = await faultsOf(world, seen);
  if (faults.length > 0) throw new Error(`${faults.join("\n")}\n\n${story(world)}`);
}

function story(world: World): string {
  const cast = world.people.map(({ handle, isEphemeral }) => isEphemeral ? `${handle} (ephemeral)` : handle);
  return [`  with ${cast.join(", ")}`, ...world.history.map((one) => `  ${one}`), ...storyOf(world)].join("\n");
}

Deno.test("Chat: in rooms everybody reads exactly what is for them, whatever happens on the way", async (t) => {
  const runs = await checkModel(t, fc.asyncProperty(plans, run), 50);
  if (runs === undefined) return;
  // Or the runs say little.
  const { lines, must, never } = seen;
  assert(Math.min(lines, must, never) > runs, JSON.stringify(seen));
});
