/**
 * A relay's log in a directory, with what the tests of the file under it ask.
 */
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { UserError } from "../../lib/bytes/errors.ts";
import { openDataDir } from "../../lib/io/data_dir.ts";
import { SqliteEventLog, type SqliteEventLogOptions } from "../../lib/io/sqlite_event_log.ts";
import { event } from "./_event_log_suite.ts";
import { GENERATION } from "./_workbench.ts";

/** Whether files have permissions. */
export const IS_POSIX = Deno.build.os !== "windows";
/** The body of most events. */
export const BODY = new Uint8Array(1000);
/** How the tests open a log. */
const OPTIONS: SqliteEventLogOptions = { makeGeneration: () => GENERATION };

/** Opens directory and log, and closes both afterwards, however it ends. */
export async function withLog<T>(
  path: string,
  use: (log: SqliteEventLog) => T | Promise<T>,
  options: Partial<SqliteEventLogOptions> = {},
): Promise<T> {
  const dir = await openDataDir(path, { what: "relay" });
  try {
    const log = await SqliteEventLog.open(dir, { ...OPTIONS, ...options });
    try {
      return await use(log);
    } finally {
      log.close();
    }
  } finally {
    dir.close();
  }
}

/** Uses a closed database behind the log's back. */
export function peek(path: string, sql: string): Record<string, unknown>[] {
  const db = new DatabaseSync(`${path}/events.db`);
  try {
    return db.prepare(sql).all().map((row) => ({ ...row }));
  } finally {
    db.close();
  }
}

/** Makes a log with some pages of events. */
export function fill(path: string): Promise<void> {
  return withLog(path, (log) => {
    for (let id = 1; id <= 200; id++) log.append(event("room/a", id, { body: BODY }));
    assertEquals(log.commit(), { kind: "stored", hasMore: false });
  });
}

/** Expects that the database is refused and stays as it is. */
export async function refusedAsItIs(path: string, options: Partial<SqliteEventLogOptions> = {}): Promise<UserError> {
  const before = await Deno.readFile(`${path}/events.db`);
  const error = await assertRejects(() => withLog(path, () => {}, options), UserError);
  assertEquals(error.code, "dataDirUnusable");
  assert(error.hint !== "");
  assertStringIncludes(error.message, `${path}/events.db`);
  const after = await Deno.readFile(`${path}/events.db`);
  assert(before.length === after.length && before.every((byte, i) => byte === after[i]), "the file was changed");
  return error;
}

/** Starts a process that publishes, under another command if one is given. */
export function startLoop(path: string, under: readonly string[] = []): Deno.ChildProcess {
  const script = new URL("./_publish_loop.ts", import.meta.url).pathname;
  const loop = [Deno.execPath(), "run", "--no-prompt", "--allow-read", "--allow-write", script, path];
  const [command, ...args] = [...under, ...loop] as [string, ...string[]];
  return new Deno.Command(command, { args, stdout: "piped" }).spawn();
}
