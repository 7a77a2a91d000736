/**
 * The SQLite file under the sealed store: who it belongs to, how it is opened, and its few statements. It sees sealed
 * bytes alone. All of it is synchronous: a write is done, or was not, when the call returns.
 *
 *     application_id 0x534f5454 ("SOTT"), user_version = schema of the tables
 *     wrap  id = 1, value                          the wrapped data key
 *     rows  seq, tbl, id, schema, value            sealed rows; `seq` is the order in which ids were first written
 *     entries                                      the history, see sealed_entries.ts; since schema 2
 *
 * The file is made whole under another name and then renamed: `client.db` is never half a database. While it is open,
 * nothing else in this process may open and close it: POSIX would drop SQLite's lock with that.
 * @module
 */

import { DatabaseSync, type SQLOutputValue, type StatementSync } from "node:sqlite";
import type { Bytes } from "../bytes/writer.ts";
import { ENTRIES_TABLE, type EntryTally, type EntryWrites, SealedEntries } from "./sealed_entries.ts";
import {
  damaged,
  firstOf,
  guarded as guardedBy,
  refuseDamaged,
  refuseForeign,
  refuseUnknownSchema,
  rollBack,
} from "./sqlite_file.ts";

export { damaged };

/** The newest schema of tables that this program knows; it stands as `user_version` in the file. */
export const STORE_SCHEMA = 2;
/** The version of what rows and entries hold; it stands as `schema` in each row, and is sealed with it. */
export const ROW_SCHEMA = 1;

/** One row as it lies in the file. */
export interface StoredRow {
  /** Its place in the order of `page()`. */
  readonly seq: number;
  /** 16 bytes. */
  readonly id: Bytes;
  /** The schema under which it was sealed. */
  readonly schema: number;
  /** The sealed key and value. */
  readonly sealed: Bytes;
}

/** One row to write, or with `undefined` to remove. */
export interface RowWrite {
  /** The table's name. */
  readonly table: string;
  /** 16 bytes. */
  readonly id: Bytes;
  /** What it holds from now on. */
  readonly sealed: Bytes | undefined;
}

const APPLICATION_ID = 0x534f5454;
const BUSY_HINT = "End the other one, name another directory with --data-dir, or use --ephemeral.";

const TABLES = `
  CREATE TABLE wrap (id INTEGER PRIMARY KEY CHECK (id = 1), value BLOB NOT NULL) STRICT;
  CREATE TABLE rows (
    seq INTEGER PRIMARY KEY, tbl TEXT NOT NULL, id BLOB NOT NULL, schema INTEGER NOT NULL, value BLOB NOT NULL,
    UNIQUE (tbl, id)
  ) STRICT;
  CREATE INDEX rows_by_tbl ON rows (tbl);
`;

/** From schema 1 to 2. Until then no history was kept. */
const MIGRATE_1 = ENTRIES_TABLE;

/** FULL: what was committed survives a power cut. EXCLUSIVE: one process, and no -shm file. */
const SETTINGS = `
  PRAGMA busy_timeout = 0; PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;
`;

/**
 * Makes a database that holds a wrap and no rows, closed, in one file.
 * @param path an empty file for its owner alone
 * @param wrap the wrapped data key
 * @throws {UserError} `dataDirUnusable`, when it cannot be written
 */
export function makeSealedDatabase(path: string, wrap: Bytes): void {
  guarded(path, () => {
    const db = new DatabaseSync(path);
    try {
      db.exec(
        `${SETTINGS} PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${STORE_SCHEMA}; ${TABLES} ${ENTRIES_TABLE}`,
      );
      db.prepare("INSERT INTO wrap VALUES (1, ?)").run(wrap);
      // Kept in the file; closing moves the log into it and removes the log.
      db.exec("PRAGMA journal_mode = WAL");
    } finally {
      db.close();
    }
  });
}

/** An open database, locked for this process. */
export class SealedDatabase {
  readonly #path: string;
  readonly #db: DatabaseSync;
  readonly #get: StatementSync;
  readonly #page: StatementSync;
  readonly #put: StatementSync;
  readonly #remove: StatementSync;
  readonly #entries: SealedEntries;

  private constructor(path: string, db: DatabaseSync) {
    this.#path = path;
    this.#db = db;
    this.#get = db.prepare("SELECT seq, id, schema, value FROM rows WHERE tbl = ? AND id = ?");
    this.#page = db.prepare("SELECT seq, id, schema, value FROM rows WHERE tbl = ? AND seq > ? ORDER BY seq LIMIT ?");
    this.#put = db.prepare(
      "INSERT INTO rows (tbl, id, schema, value) VALUES (?, ?, ?, ?) " +
        "ON CONFLICT (tbl, id) DO UPDATE SET schema = excluded.schema, value = excluded.value",
    );
    this.#remove = db.prepare("DELETE FROM rows WHERE tbl = ? AND id = ?");
    this.#entries = new SealedEntries(db, (use) => guarded(path, use));
  }

  /** The history's rows, to be read; written by `apply()` alone. */
  get entries(): Omit<SealedEntries, "write"> {
    return this.#entries;
  }

  /**
   * Opens a database of ours and checks that it is whole. One of an earlier schema is brought up to date, all or nothing;
   * what is refused is left as it is.
   * @param path the file
   * @returns the database; its log is empty
   * @throws {UserError} `dataDirUnusable`, when it is foreign, damaged, or of a later schema; `dataDirBusy`, when
   *   another process has it open
   */
  static open(path: string): SealedDatabase {
    return guarded(path, () => {
      refuseForeign(path, APPLICATION_ID);
      const db = new DatabaseSync(path);
      try {
        db.exec(SETTINGS);
        const isEarlier = firstOf(db, "PRAGMA user_version") === 1;
        refuseUnknownSchema(path, db, isEarlier ? 1 : STORE_SCHEMA);
        refuseDamaged(path, db);
        if (isEarlier) migrate(db);
        db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
        return new SealedDatabase(path, db);
      } catch (error) {
        db.close();
        throw error;
      }
    });
  }

  /**
   * Reads the wrapped data key.
   * @returns its encoding
   * @throws {UserError} `dataDirUnusable`, when it is missing
   */
  readWrap(): Bytes {
    return guarded(this.#path, () => {
      const value = firstOf(this.#db, "SELECT value FROM wrap");
      if (value instanceof Uint8Array) return new Uint8Array(value);
      throw damaged(this.#path);
    });
  }

  /**
   * Replaces the wrapped data key. The old one stays in the log until `truncateLog()`.
   * @param wrap the new one
   * @throws {UserError} `dataDirUnusable`, when it cannot be written; the old one then stands
   */
  writeWrap(wrap: Bytes): void {
    guarded(this.#path, () => this.#db.prepare("UPDATE wrap SET value = ?").run(wrap));
  }

  /**
   * Reads one row.
   * @param table the table's name
   * @param id 16 bytes
   * @returns the row, or `undefined` when there is none
   * @throws {UserError} `dataDirUnusable`, when it cannot be read
   */
  get(table: string, id: Bytes): StoredRow | undefined {
    const row = guarded(this.#path, () => this.#get.get(table, id));
    return row === undefined ? undefined : rowOf(row);
  }

  /**
   * Reads some rows of a table, in the order in which their ids were first written.
   * @param table the table's name
   * @param afterSeq the last row of the page before, 0 for the first page
   * @param maxRows how many at most
   * @returns the rows; none after the last
   * @throws {UserError} `dataDirUnusable`, when they cannot be read
   */
  page(table: string, afterSeq: number, maxRows: number): StoredRow[] {
    return guarded(this.#path, () => this.#page.all(table, afterSeq, maxRows)).map(rowOf);
  }

  /**
   * Writes rows and entries, all or none.
   * @param writes the rows, in order
   * @param entries what changes in the history
   * @returns what changed in the history
   * @throws {UserError} `dataDirUnusable`, when they cannot be written; nothing has changed then
   */
  apply(writes: readonly RowWrite[], entries: EntryWrites = {}): EntryTally {
    return guarded(this.#path, () => {
      this.#db.exec("BEGIN IMMEDIATE");
      try {
        for (const { table, id, sealed } of writes) {
          if (sealed === undefined) this.#remove.run(table, id);
          else this.#put.run(table, id, ROW_SCHEMA, sealed);
        }
        const tally = this.#entries.write(entries);
        this.#db.exec("COMMIT");
        return tally;
      } catch (error) {
        rollBack(this.#db);
        throw error;
      }
    });
  }

  /** Moves the log into the file and empties it, so that what was deleted or replaced does not stay in it. */
  truncateLog(): void {
    guarded(this.#path, () => this.#db.exec("PRAGMA wal_checkpoint(TRUNCATE)"));
  }

  /** Closes it; another process may open it. */
  close(): void {
    this.#db.close();
  }
}

function migrate(db: DatabaseSync): void {
  db.exec("BEGIN IMMEDIATE");
  try {
    db.exec(`${MIGRATE_1} PRAGMA user_version = ${STORE_SCHEMA}; COMMIT`);
  } catch (error) {
    rollBack(db);
    throw error;
  }
}

function rowOf(row: Record<string, SQLOutputValue>): StoredRow {
  return {
    seq: Number(row.seq),
    id: new Uint8Array(row.id as Uint8Array),
    schema: Number(row.schema),
    sealed: new Uint8Array(row.value as Uint8Array),
  };
}

function guarded<T>(path: string, use: () => T): T {
  return guardedBy(path, BUSY_HINT, use);
}
