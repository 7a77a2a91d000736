/**
 * Builds the two executables, `dist/sotto` and `dist/sotto-server`, for this machine or for `--target TRIPLE`
 * (see `deno compile --help` for the list). They ask for the permissions that the tasks `client` and `server` name.
 * @module
 */

import { permissionsOf } from "./_permissions.ts";

const PROGRAMS = [
  { task: "client", entry: "client.ts", output: "dist/sotto" },
  { task: "server", entry: "server.ts", output: "dist/sotto-server" },
] as const;

const target = targetOf(Deno.args);
for (const { task, entry, output } of PROGRAMS) {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: [
      "compile",
      "--no-check", // `deno task ok` checks; a release builds the same tree for five targets
      ...await permissionsOf(task),
      ...(target === undefined ? [] : ["--target", target]),
      "--output",
      target?.includes("windows") ? `${output}.exe` : output,
      entry,
    ],
  }).spawn().status;
  if (!success) {
    console.error(`Cannot build ${output}: deno compile failed, see above`);
    Deno.exit(1);
  }
}

function targetOf(args: readonly string[]): string | undefined {
  if (args.length === 0) return undefined;
  const [flag, value] = args[0]?.startsWith("--target=") ? ["--target", args[0].slice("--target=".length)] : args;
  if (flag !== "--target" || !value || args.length > 2) {
    console.error("Usage: deno task compile [--target TRIPLE]");
    Deno.exit(2);
  }
  return value;
}
