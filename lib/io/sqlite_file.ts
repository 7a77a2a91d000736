/**
 * What the databases of both programs share: whose file it is, whether it is whole, and SQLite's refusals in words for a
 * person. A file that is refused is left byte for byte as it was.
 * @module
 */

import type { DatabaseSync, SQLOutputValue } from "node:sqlite";
import { UserError } from "../bytes/errors.ts";
import { asUserError } from "./private_file.ts";

const HEADER_BYTES = 100;
const APPLICATION_ID_OFFSET = 68;

/**
 * Looks before SQLite does: it would take an empty file for a new database, and tidy up a foreign one.
 * @param path the file
 * @param applicationId what stands in the header of ours
 * @throws {UserError} `dataDirUnusable`, when it is no database, or one of another program
 */
export function refuseForeign(path: string, applicationId: number): void {
  using file = Deno.openSync(path, { read: true });
  const header = new Uint8Array(HEADER_BYTES);
  const count = file.readSync(header) ?? 0;
  if (count < HEADER_BYTES || new TextDecoder().decode(header.subarray(0, 16)) !== "SQLite format 3\0") {
    throw damaged(path);
  }
  if (new DataView(header.buffer).getUint32(APPLICATION_ID_OFFSET) === applicationId) return;
  throw new UserError(
    "dataDirUnusable",
    `Cannot use ${path}: it is a database of another program; it was left alone`,
    "Name another directory with --data-dir.",
  );
}

/**
 * Refuses a database that this version cannot read.
 * @param path the file
 * @param db the database
 * @param known the only schema that this version knows
 * @throws {UserError} `dataDirUnusable`, when it has another one
 */
export function refuseUnknownSchema(path: string, db: DatabaseSync, known: number): void {
  const found = Number(firstOf(db, "PRAGMA user_version"));
  if (found === known) return;
  // Whoever can read an earlier one asks for that first, and brings it up to date.
  if (found < known) throw damaged(path);
  throw new UserError(
    "dataDirUnusable",
    `Cannot use ${path}: it has schema ${found}, and this version of Sotto knows up to ${known}`,
    "Start the newer version of Sotto that wrote it, or name another directory with --data-dir.",
  );
}

/**
 * Refuses a database whose pages are not what was written.
 * @param path the file
 * @param db the database
 * @throws {UserError} `dataDirUnusable`, when it is damaged
 */
export function refuseDamaged(path: string, db: DatabaseSync): void {
  if (firstOf(db, "PRAGMA quick_check(1)") !== "ok") throw damaged(path);
}

/**
 * Gives the first value of the first row.
 * @param db the database
 * @param sql a query without parameters
 * @returns the value, or `undefined` when there is no row
 */
export function firstOf(db: DatabaseSync, sql: string): SQLOutputValue | undefined {
  return Object.values(db.prepare(sql).get() ?? {})[0];
}

/**
 * Takes back an open transaction.
 * @param db the database
 */
export function rollBack(db: DatabaseSync): void {
  try {
    db.exec("ROLLBACK");
  } catch {
    // A full disk makes SQLite roll back by itself; there is nothing left to do then.
  }
}

/**
 * Makes the error for a file whose bytes are not what was written.
 * @param path the file
 * @param cause what was found
 * @returns the error
 */
export function damaged(path: string, cause?: unknown): UserError {
  return new UserError(
    "dataDirUnusable",
    `${path} is damaged; it was left alone`,
    "Restore the directory from a backup, or move it away to start anew.",
    { cause },
  );
}

/**
 * Uses a database, and says in words what SQLite refused.
 * @param path the file, for the words
 * @param busyHint what helps when another program has it open
 * @param use what to do
 * @returns what `use` gives
 * @throws {UserError} `dataDirBusy` or `dataDirUnusable`
 */
export function guarded<T>(path: string, busyHint: string, use: () => T): T {
  try {
    return use();
  } catch (cause) {
    if (cause instanceof UserError || cause instanceof TypeError || !(cause instanceof Error)) throw cause;
    throw explained(path, busyHint, cause);
  }
}

function explained(path: string, busyHint: string, cause: Error): unknown {
  const { message } = cause;
  if (/locked|busy/i.test(message)) {
    return new UserError("dataDirBusy", `Cannot use ${path}: another program has it open`, busyHint, { cause });
  }
  if (/not a database|malformed|corrupt/i.test(message)) return damaged(path, cause);
  if (/is full|disk i\/o|readonly/i.test(message)) {
    const why = /is full/i.test(message)
      ? "the disk is full"
      : /readonly/i.test(message)
      ? "it is read-only"
      : "the disk refuses";
    return new UserError(
      "dataDirUnusable",
      `Cannot write ${path}: ${why}; what was saved before is whole`,
      "Make room, or see to the disk, and try again.",
      { cause },
    );
  }
  return asUserError(path, cause);
}
