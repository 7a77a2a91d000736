/** CPU time of other processes, where the system tells (`/proc` is Linux). */

/** Of `getconf CLK_TCK`, which is 100 wherever Linux runs. */
const TICKS_PER_SECOND = 100;

/**
 * Tells how much CPU time a process took so far, in all its threads.
 * @param pid the process
 * @returns seconds, to a hundredth; `NaN` where that is not known
 */
export async function cpuSecondsOf(pid: number): Promise<number> {
  try {
    const { success, stdout } = await new Deno.Command("cat", { args: [`/proc/${pid}/stat`], stderr: "null" }).output();
    if (!success) return NaN;
    const stat = new TextDecoder().decode(stdout);
    // The name in brackets may hold anything; the numbers follow it, from the third field on.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return NaN;
    throw error;
  }
}
