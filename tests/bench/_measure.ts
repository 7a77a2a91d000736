/**
 * How the benchmarks measure: CPU time of this process beside the clock, several rounds, the median. This machine may be
 * busy with other things; compare lines of one run with each other, not with those of another day.
 */

import process from "node:process";

/** What a round cost. */
export interface Cost {
  /** Things done in a second of the clock. */
  readonly perSecond: number;
  /** CPU time for one thing, in microseconds. */
  readonly cpuMicros: number;
}

const ROUNDS = 5;

/**
 * Measures what one thing costs.
 * @param count how many things one call of `work` does
 * @param work does them
 * @returns the median of five rounds, after one to warm up
 */
export async function measure(count: number, work: () => Promise<unknown> | void): Promise<Cost> {
  const costs = await measureRounds(count, work);
  return costs.toSorted((a, b) => a.perSecond - b.perSecond)[ROUNDS >> 1] as Cost;
}

/**
 * Measures what one thing costs at best, for figures that are held against what is asked of a machine of its own.
 * @param count how many things one call of `work` does
 * @param work does them
 * @returns the round of five that took the least CPU time, after one to warm up
 */
export async function measureBest(count: number, work: () => Promise<unknown> | void): Promise<Cost> {
  const costs = await measureRounds(count, work);
  return costs.toSorted((a, b) => a.cpuMicros - b.cpuMicros)[0] as Cost;
}

async function measureRounds(count: number, work: () => Promise<unknown> | void): Promise<Cost[]> {
  await work();
  const costs: Cost[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const cpuBefore = cpuMicros();
    const before = performance.now();
    await work();
    const ms = performance.now() - before;
    costs.push({ perSecond: count / ms * 1_000, cpuMicros: (cpuMicros() - cpuBefore) / count });
  }
  return costs;
}

/**
 * Prints a line of a table.
 * @param what what was measured
 * @param cost what it cost
 * @param beside what it is compared with, and by which factor it is cheaper
 */
export function report(what: string, cost: Cost, beside = ""): void {
  const rate = Math.round(cost.perSecond).toLocaleString("en-US").padStart(11);
  console.log(`  ${what.padEnd(46)} ${rate}/s ${cost.cpuMicros.toFixed(1).padStart(9)} µs CPU  ${beside}`);
}

function cpuMicros(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
