/**
 * How often a model test runs, and from which seed. `deno task test:model` runs each many times (`-- --many`);
 * `MODEL_RUNS` says how often instead, `MODEL_SEED` from which seed, and `MODEL_PATH` goes straight to one run of that
 * seed, as a failure prints it.
 */

const MANY = 1_000;

/** What `fc.assert` and `fc.check` take. */
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

function numberOf(name: string): number | undefined {
  const text = Deno.env.get(name);
  if (text === undefined) return undefined;
  const number = Number(text);
  if (!Number.isSafeInteger(number)) throw new RangeError(`${name} is no whole number: ${text}`);
  return number;
}
