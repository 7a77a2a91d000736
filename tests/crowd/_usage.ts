/**
 * What the processes of the crowd cost: the CPU time of those that have ended, the memory of those that run. Where the
 * system does not tell (`/proc` is Linux), nothing is known.
 * @module
 */

/** Of `getconf CLK_TCK`, which is 100 wherever Linux runs. */
const TICKS_PER_SECOND = 100;

/** What running processes hold. */
export interface Memory {
  /** How many processes. */
  readonly processes: number;
  /** All of them together, where what they share counts once, in bytes. */
  readonly sharedBytes: number;
  /** The largest one by itself, shared pages included, in bytes. */
  readonly largestBytes: number;
}

/**
 * Tells how much CPU time the processes that this one started, and that have ended, took.
 * @returns seconds, `undefined` where that is not known
 */
export async function cpuSecondsOfChildren(): Promise<number | undefined> {
  const stat = await printed("cat", [`/proc/${Deno.pid}/stat`]);
  // The name in brackets may hold anything; the numbers follow it, from the third field on.
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields && (Number(fields[13]) + Number(fields[14])) / TICKS_PER_SECOND;
}

/**
 * Looks at the processes that this one started and that run.
 * @returns what they hold, `undefined` where that is not known
 */
export async function memoryOfChildren(): Promise<Memory | undefined> {
  const list = await printed("ps", ["-A", "-o", "pid=,ppid=,comm="]);
  const children = (list ?? "").split("\n").map((line) => line.trim().split(/\s+/))
    .filter(([, parent, command]) => parent === String(Deno.pid) && command !== "ps").map(([pid]) => pid as string);
  const maps = await printed("cat", children.map((pid) => `/proc/${pid}/smaps_rollup`));
  if (maps === undefined) return undefined;
  const of = (name: string): number[] =>
    [...maps.matchAll(new RegExp(`^${name}:\\s+(\\d+) kB`, "gm"))].map(([, kilobytes]) => Number(kilobytes) * 1_024);
  const sharedBytes = of("Pss").reduce((sum, bytes) => sum + bytes, 0);
  return { processes: children.length, sharedBytes, largestBytes: Math.max(0, ...of("Rss")) };
}

async function printed(command: string, args: readonly string[]): Promise<string | undefined> {
  try {
    const { success, stdout } = await new Deno.Command(command, { args: [...args], stderr: "null" }).output();
    return success ? new TextDecoder().decode(stdout) : undefined;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
