/**
 * The permissions of the two programs stand in one place, the tasks of `deno.json`; executables and the demo take them
 * from there.
 * @module
 */

/**
 * Reads which permissions a program runs with.
 * @param task the task that runs it
 * @returns flags for `deno run` and `deno compile`
 */
export async function permissionsOf(task: "client" | "server"): Promise<string[]> {
  const { tasks } = JSON.parse(await Deno.readTextFile(new URL("../deno.json", import.meta.url)));
  return String(tasks[task]).split(" ").filter((word) => word.startsWith("--"));
}
