/**
 * One run of the fault suite: the storm, the checker, and what is told of both.
 * @module
 */

import { check, checkSeals, type Fault, type Verdict } from "./_checker.ts";
import { formatHappening, type Happening } from "./_history.ts";
import { Storm, type StormOptions } from "./_storm.ts";

/** How large a run is. */
export type RunOptions = Pick<StormOptions, "names" | "kills" | "putBacks" | "mayBeDark">;

/** How many faults are told with their part of the history, and how much of it. */
const TOLD_FAULTS_MAX = 10;
const TOLD_LINES_MAX = 12;
const TOLD_LINE_MAX_CHARS = 240;

/**
 * Lets one run happen, judges it and tells what came of it on standard error. The history stays where it lies if anything
 * is wrong; of a run that `keepsHistory` always.
 * @param options how large it is
 * @param keepsHistory whether it stays in any case
 * @returns what is wrong, one sentence each
 */
export async function runFaults(options: RunOptions, keepsHistory: boolean): Promise<string[]> {
  const seed = Deno.env.get("FAULT_SEED") ?? String(Math.floor(Math.random() * 1e9));
  const folder = await Deno.makeTempDir({ prefix: "sotto-faults-" });
  const beganMs = performance.now();
  console.error(`fault suite: seed ${seed}, history in ${folder}/history.txt`);
  const storm = new Storm({ ...options, seed, folder });
  const failures: string[] = [];
  try {
    await storm.run();
  } catch (error) {
    failures.push(`The run came to no end: ${error instanceof Error ? error.message : error}`);
  } finally {
    await storm.close();
  }
  const verdict = check(storm.history, { isStrict: true });
  const { seals, faults: reused } = checkSeals(notesOf(storm.seals));
  const faults = [...verdict.faults, ...reused];
  failures.push(...storm.failures, ...faults.map(({ rule, what }) => `${rule}: ${what}`));
  for (const fault of faults.slice(0, TOLD_FAULTS_MAX)) tellFault(fault, storm.history);
  console.error(
    report({ seed, seconds: (performance.now() - beganMs) / 1000, seals, faults: failures.length }, storm, verdict),
  );
  if (failures.length === 0 && !keepsHistory) await Deno.remove(folder, { recursive: true });
  else console.error(`  history     ${folder}/history.txt`);
  return failures;
}

function* notesOf(
  folders: ReadonlyMap<string, string>,
): Generator<{ readonly who: string; readonly hashes: string[] }> {
  for (const [who, folder] of folders) {
    for (const { name } of Deno.readDirSync(folder)) {
      // A kill can cut off the last note in the middle.
      const hashes = Deno.readTextFileSync(`${folder}/${name}`).split("\n").filter((line) => line.length === 64);
      yield { who, hashes };
    }
  }
}

function tellFault({ rule, what, about }: Fault, history: readonly Happening[]): void {
  console.error(`  ${rule}: ${what}`);
  const lines = history.map(formatHappening).filter((line) =>
    about.some((text) => line.includes(JSON.stringify(text)))
  );
  for (const line of lines.slice(0, TOLD_LINES_MAX)) console.error(`    ${line.slice(0, TOLD_LINE_MAX_CHARS)}`);
}

function report(
  run: { readonly seed: string; readonly seconds: number; readonly seals: number; readonly faults: number },
  { counts: { kills, cuts, isDiskTried, unread } }: Storm,
  { accepted, deliveries, lostByKill, told, again }: Verdict,
): string {
  const rows = {
    kills,
    "lines cut": cuts,
    accepted,
    deliveries,
    "of them not shown by a killed client": lostByKill,
    "of them told as missing": told,
    "shown again": again,
    "seals": run.seals,
    "faults": run.faults,
    "full disk": isDiskTried ? "tried" : "not tried: this machine cannot limit files of a process",
    "put back and not read yet": unread.join(", ") || "nobody",
    "seed": run.seed,
    "seconds": run.seconds.toFixed(1),
  };
  return Object.entries(rows).map(([name, value]) => `  ${name.padEnd(38)} ${value}`).join("\n");
}
