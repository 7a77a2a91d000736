/**
 * What both programs share: their two bounded writers, the way an error is told, and the way they end.
 * @module
 */

import { UserError } from "../bytes/errors.ts";
import { type ExitCode, exitCodeFor } from "../cli/exit_codes.ts";
import { toJsonLine } from "../cli/json_lines.ts";
import { renderError } from "../cli/render.ts";
import { BoundedWriter } from "./output.ts";

/** How long a reader that does not read may hold up the end. */
const DRAIN_TIMEOUT_MS = 5_000;

/** The streams of a program. */
export interface Streams {
  /** Standard output. */
  readonly out: BoundedWriter;
  /** Standard error. */
  readonly err: BoundedWriter;
}

/**
 * Runs a program to its end: errors become sentences and exit codes, and what was printed is out before the process
 * ends.
 * @param main the program; gives its exit code
 * @param wantsJson whether errors are JSON lines on stdout
 */
export async function runProgram(main: (streams: Streams) => Promise<ExitCode>, wantsJson: boolean): Promise<never> {
  const streams = { out: new BoundedWriter(Deno.stdout), err: new BoundedWriter(Deno.stderr) };
  let code: ExitCode;
  try {
    code = await main(streams);
  } catch (error) {
    code = tellError(error, streams, wantsJson);
  }
  await Promise.all([streams.out, streams.err].map((to) => to.drain({ timeoutMs: DRAIN_TIMEOUT_MS })));
  Deno.exit(code);
}

function tellError(error: unknown, streams: Streams, wantsJson: boolean): ExitCode {
  const told = error instanceof UserError ? error : bugReport(error);
  if (wantsJson) {
    const { code, message, hint } = told;
    streams.out.write(toJsonLine({ type: "error", code, message, hint }) + "\n");
  } else {
    for (const line of renderError(told, { hasColor: false })) streams.err.write(line + "\n");
  }
  return exitCodeFor(told.code);
}

/** An error of ours: its place, never its data. */
function bugReport(error: unknown): UserError {
  const name = error instanceof Error ? error.name : typeof error;
  const message = error instanceof Error ? error.message : "";
  const place = (error instanceof Error ? error.stack ?? "" : "").split("\n").find((line) => line.includes("at ")) ??
    "";
  return new UserError(
    "internal",
    `Something went wrong inside Sotto: ${name}: ${message} ${place.trim()}`,
    "Please report this line; see SECURITY.md if it could matter to others.",
    { cause: error },
  );
}
