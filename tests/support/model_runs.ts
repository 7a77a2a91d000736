/**
 * How often a model test runs, from which seed, and how a failure says it the same again. `deno task test:model` runs
 * each many times (`-- --many`); `MODEL_RUNS` says how often instead, `MODEL_SEED` from which seed, and `MODEL_PATH`
 * goes straight to one run of that seed, as a failure prints it.
 */

import fc from "fast-check";

const MANY = 1_000;

/** What `fc.check` takes. */
export interface ModelRuns {
  readonly numRuns: number;
  readonly seed?: number;
  readonly path?: string;
}

/** Tells how often to run; without a seed another one is drawn each time. */
export function modelRuns(few: number): ModelRuns {
  const path = Deno.env.get("MODEL_PATH");
  const seed = numberOf("MODEL_SEED");
  const usual = Deno.args.includes("--many") ? MANY : few;
  return {
    numRuns: path === undefined ? numberOf("MODEL_RUNS") ?? usual : 1,
    ...(seed === undefined ? {} : { seed }),
    ...(path === undefined ? {} : { path }),
  };
}

/**
 * Runs a model as often as it is to run.
 * @param test which test this is: it stands in what a failure prints
 * @param property what holds
 * @param few how often it runs among all other tests
 * @returns how often it ran; nothing when one run was asked for, which says little of its own
 * @throws {Error} with the command that runs the same again, and what went wrong
 */
export async function checkModel<T extends unknown[]>(
  test: Pick<Deno.TestContext, "name" | "origin">,
  property: fc.IAsyncProperty<T>,
  few: number,
): Promise<number | undefined> {
  const runs = modelRuns(few);
  const { failed, seed, counterexamplePath, errorInstance, numRuns } = await fc.check(property, runs);
  if (failed) {
    const error = errorInstance as Error;
    const file = test.origin.slice(test.origin.lastIndexOf("/tests/") + 1);
    const again = `MODEL_SEED=${seed} MODEL_PATH=${counterexamplePath} deno test -A --filter "${test.name}" ${file}`;
    const text = `Run ${numRuns} of seed ${seed} went wrong. The same again: ${again}\n\n${error.message}`;
    throw new Error(text, { cause: error.cause ?? error });
  }
  if (numRuns >= MANY) console.log(`${numRuns} runs of seed ${seed}: ${test.name}`);
  return runs.path === undefined ? numRuns : undefined;
}

function numberOf(name: string): number | undefined {
  const text = Deno.env.get(name);
  if (text === undefined) return undefined;
  const number = Number(text);
  if (!Number.isSafeInteger(number)) throw new RangeError(`${name} is no whole number: ${text}`);
  return number;
}
