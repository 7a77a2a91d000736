/**
 * The SQLite file under a relay's event log: its tables, how it is made and opened, and its few statements. The tables
 * hold what `relay/stream_ledger.ts` says; what it does not count any more is cleared away later, a bounded amount each
 * time.
 *
 *     application_id 0x534f5452 ("SOTR"), user_version = schema of the tables
 *     log       id = 1, generation, floor_seq, floor_at, last_id
 *     streams   id, name (NULL: forgotten), head, last_at, end_offset, first, first_at, oldest, oldest_offset,
 *               kept_from, bodies_from         below these two places no record and no body is left
 *               handed                         of an inbox: the last place that its owner was handed
 *     records   stream, seq, at, offset, publisher, event_id, kind, body (NULL: only the id is remembered),
 *               epoch                          of an op: its place among the ops of its room
 *     rooms     room, epoch, bytes             how many ops were placed, and what is kept of them costs, snapshot included
 *               oldest, oldest_at              the oldest that is kept, and when it was stored
 *     ops       room, epoch, at, is_departure, op
 *     snapshots room, epoch, body              from what newcomers of a room start, and after which op it was taken
 *
 * Schema 1 had neither ops nor handed places, schema 2 no snapshots; they become schema 3 when they are opened, in one
 * transaction.
 *
 * The file is made whole under another name and then renamed: `events.db` is never half a database. Pages that become
 * free are used again and not given back: the file keeps the size that it once had, `EVENT_FILE_MAX_BYTES` at most.
 * @module
 */

import { DatabaseSync, type StatementSync } from "node:sqlite";
import { UserError } from "../bytes/errors.ts";
import type { LedgerFloor, StreamState } from "../relay/stream_ledger.ts";
import type { DataDir } from "./data_dir.ts";
import { asUserError, exists } from "./private_file.ts";
import {
  damaged,
  firstOf,
  guarded,
  refuseDamaged,
  refuseForeign,
  refuseUnknownSchema,
  rollBack,
} from "./sqlite_file.ts";

/** The file's name in the relay's data directory. */
export const EVENT_FILE_NAME = "events.db";
/** The newest schema that this program knows. */
export const EVENT_FILE_SCHEMA = 3;
/**
 * The most that the file may take: what all streams and all rooms keep (`LOG_MAX_BYTES` and `OPS_MAX_BYTES`, three
 * eighths of it together), their indexes, half-filled pages, and what is still to be cleared away, with room to spare. It stands for a full disk before the disk is full.
 */
export const EVENT_FILE_MAX_BYTES: number = 1024 * 1024 * 1024;
/** What the log beside the file shrinks to after it was moved into it. */
export const EVENT_WAL_MAX_BYTES: number = 16 * 1024 * 1024;

const APPLICATION_ID = 0x534f5452;
const MAKING_NAME = "events.db.new";
const PAGE_BYTES = 4096;
const GENERATION = /^[0-9a-f]{32}$/;
/** What helps when another program has the file open. */
const BUSY_HINT = "End the other one, or name another directory with --data-dir.";

/** Schema 1. */
const TABLES = `
  CREATE TABLE log (
    id INTEGER PRIMARY KEY CHECK (id = 1), generation TEXT NOT NULL,
    floor_seq INTEGER NOT NULL, floor_at INTEGER NOT NULL, last_id INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE streams (
    id INTEGER PRIMARY KEY, name TEXT UNIQUE, head INTEGER NOT NULL, last_at INTEGER NOT NULL,
    end_offset INTEGER NOT NULL, first INTEGER NOT NULL, first_at INTEGER NOT NULL,
    oldest INTEGER NOT NULL, oldest_offset INTEGER NOT NULL,
    kept_from INTEGER NOT NULL DEFAULT 0, bodies_from INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX streams_to_clear ON streams (id) WHERE kept_from < first OR bodies_from < oldest;
  CREATE TABLE records (
    stream INTEGER NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, "offset" INTEGER NOT NULL,
    publisher TEXT NOT NULL, event_id TEXT NOT NULL, kind TEXT NOT NULL, body BLOB,
    PRIMARY KEY (stream, seq)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX records_by_event ON records (stream, publisher, event_id);
`;

/** From schema 1 to 2. Until then inboxes took events only while their owner was handed them. */
const MIGRATE_1 = `
  ALTER TABLE records ADD COLUMN epoch INTEGER;
  ALTER TABLE streams ADD COLUMN handed INTEGER NOT NULL DEFAULT 0;
  UPDATE streams SET handed = head;
  CREATE TABLE rooms (room TEXT PRIMARY KEY, epoch INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE ops (
    room TEXT NOT NULL, epoch INTEGER NOT NULL, at INTEGER NOT NULL, is_departure INTEGER NOT NULL, op BLOB NOT NULL,
    PRIMARY KEY (room, epoch)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX ops_departures ON ops (room, epoch) WHERE is_departure = 1;
`;

/** From schema 2 to 3. Until then no op was dropped. */
const MIGRATE_2 = `
  ALTER TABLE rooms ADD COLUMN oldest INTEGER NOT NULL DEFAULT 1;
  ALTER TABLE rooms ADD COLUMN oldest_at INTEGER NOT NULL DEFAULT 0;
  UPDATE rooms SET oldest_at = ifnull((SELECT at FROM ops WHERE ops.room = rooms.room AND ops.epoch = 1), 0);
  CREATE TABLE snapshots (room TEXT PRIMARY KEY, epoch INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
`;

/** What makes a file of an earlier schema one of today, by the schema that it has. */
const MIGRATIONS: Readonly<Record<number, string>> = { 1: MIGRATE_1 + MIGRATE_2, 2: MIGRATE_2 };

/**
 * FULL: what was committed survives a power cut. EXCLUSIVE: one process, and no -shm file. FAST: what was deleted is
 * overwritten where that costs no further write.
 */
const SETTINGS = `
  PRAGMA busy_timeout = 0; PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL; PRAGMA secure_delete = FAST;
  PRAGMA journal_size_limit = ${EVENT_WAL_MAX_BYTES};
`;

/** What the log asks of the tables; each is answered by an index, one of them only when told. */
export const EVENT_SQL = {
  insert: "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
  find: "SELECT seq, at, epoch FROM records INDEXED BY records_by_event " +
    "WHERE stream = ? AND publisher = ? AND event_id = ? AND seq >= ? LIMIT 1",
  look: 'SELECT at, "offset" FROM records WHERE stream = ? AND seq = ?',
  read: "SELECT seq, at, publisher, kind, event_id AS id, body, epoch FROM records " +
    "WHERE stream = ? AND seq >= ? ORDER BY seq LIMIT ?",
  saveStream:
    "INSERT INTO streams (id, name, head, last_at, end_offset, first, first_at, oldest, oldest_offset, handed) " +
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET name = excluded.name, " +
    "head = excluded.head, last_at = excluded.last_at, end_offset = excluded.end_offset, " +
    "first = excluded.first, first_at = excluded.first_at, oldest = excluded.oldest, " +
    "oldest_offset = excluded.oldest_offset, handed = excluded.handed",
  saveLog: "UPDATE log SET floor_seq = ?, floor_at = ?, last_id = max(last_id, ?)",
  toClear: "SELECT id, name, first, oldest, kept_from, bodies_from FROM streams " +
    "WHERE kept_from < first OR bodies_from < oldest LIMIT 1",
  sizes: "SELECT seq, ifnull(length(body), 0) AS bytes FROM records " +
    "WHERE stream = ? AND seq >= ? AND seq < ? ORDER BY seq",
  dropRecords: "DELETE FROM records WHERE stream = ? AND seq >= ? AND seq < ?",
  dropBodies: "UPDATE records SET body = NULL WHERE stream = ? AND seq >= ? AND seq < ?",
  keptFrom: "UPDATE streams SET kept_from = ?, bodies_from = max(bodies_from, ?) WHERE id = ?",
  bodiesFrom: "UPDATE streams SET bodies_from = ? WHERE id = ?",
  dropStream: "DELETE FROM streams WHERE id = ?",
  insertOp: "INSERT INTO ops VALUES (?, ?, ?, ?, ?)",
  // The lengths first: whatever groups rows would take the bodies along.
  received: "WITH o AS MATERIALIZED (SELECT publisher, ifnull(length(body), 0) AS bytes, at FROM records NOT INDEXED " +
    "WHERE stream = ?), g AS MATERIALIZED (SELECT publisher, count(*) AS events, sum(bytes) AS bytes, " +
    "min(at) AS firstAt, max(at) AS lastAt FROM o GROUP BY publisher) SELECT *, (SELECT count(*) FROM g) AS authors, " +
    "(SELECT sum(events) FROM g) AS allEvents, (SELECT sum(bytes) FROM g) AS allBytes FROM g ORDER BY events DESC LIMIT ?",
  // One look into each stream, and one at the first and the last of the events that are listed.
  published: "WITH o AS MATERIALIZED (SELECT s.id, s.name, count(*) AS events, min(r.seq) AS first, " +
    "max(r.seq) AS last FROM streams s CROSS JOIN records r INDEXED BY records_by_event ON r.stream = s.id AND " +
    "r.publisher = ? WHERE s.name IS NOT NULL GROUP BY s.id) SELECT name AS stream, events, f.at AS firstAt, " +
    "l.at AS lastAt, (SELECT count(*) FROM o) AS streams, (SELECT sum(events) FROM o) AS allEvents " +
    "FROM (SELECT * FROM o ORDER BY events DESC LIMIT ?) AS t CROSS JOIN records f ON f.stream = t.id AND " +
    "f.seq = t.first CROSS JOIN records l ON l.stream = t.id AND l.seq = t.last ORDER BY events DESC",
  readOps: "SELECT epoch, at, op FROM ops WHERE room = ? AND epoch > ? ORDER BY epoch LIMIT ?",
  departure: "SELECT epoch FROM ops INDEXED BY ops_departures WHERE room = ? AND is_departure = 1 " +
    "ORDER BY epoch DESC LIMIT 1 OFFSET ?",
  opMarks: "SELECT at, length(op) AS bytes FROM ops WHERE room = ? AND epoch >= ? ORDER BY epoch LIMIT ?",
  dropOps: "DELETE FROM ops WHERE room = ? AND epoch < ?",
  saveRoom: "INSERT INTO rooms (room, epoch, bytes, oldest, oldest_at) VALUES (?, ?, ?, ?, ?) " +
    "ON CONFLICT (room) DO UPDATE SET epoch = excluded.epoch, bytes = excluded.bytes, oldest = excluded.oldest, " +
    "oldest_at = excluded.oldest_at",
  keepSnapshot: "INSERT INTO snapshots VALUES (?, ?, ?) ON CONFLICT (room) DO UPDATE SET " +
    "epoch = excluded.epoch, body = excluded.body",
  readSnapshot: "SELECT substr(body, ?, ?) AS part FROM snapshots WHERE room = ?",
} as const;

/** The same, prepared. */
export type EventStatements = Readonly<Record<keyof typeof EVENT_SQL, StatementSync>>;

/** What a log starts from. */
export interface SavedLog {
  /** The life of the log. */
  readonly generation: string;
  /** Its streams. */
  readonly streams: readonly StreamState[];
  /** Where new streams start. */
  readonly floor: LedgerFloor;
  /** The last number that a stream was given. */
  readonly lastId: number;
}

/**
 * Opens the database of a relay's data directory, and makes it at the first start.
 * @param dir the directory; it stays the caller's to close, after the database
 * @param makeGeneration gives 16 random bytes in lower-case hexadecimal for a log that starts without its past
 * @param maxBytes another bound on the file, for tests
 * @returns the database, locked for this process
 * @throws {UserError} `dataDirUnusable`, when the file is foreign, damaged, of a later schema, open to others, or cannot
 *   be written; `dataDirBusy`, when another process has it open. What is refused is left as it is
 */
export async function openEventDatabase(
  dir: DataDir,
  makeGeneration: () => string,
  maxBytes: number = EVENT_FILE_MAX_BYTES,
): Promise<DatabaseSync> {
  if (!await exists(`${dir.path}/${EVENT_FILE_NAME}`)) await make(dir, makeGeneration());
  const path = await dir.privateFile(EVENT_FILE_NAME);
  return guarded(path, BUSY_HINT, () => {
    refuseForeign(path, APPLICATION_ID);
    const db = new DatabaseSync(path);
    try {
      db.exec(SETTINGS);
      const schema = Number(firstOf(db, "PRAGMA user_version"));
      const migration = MIGRATIONS[schema];
      refuseUnknownSchema(path, db, migration === undefined ? EVENT_FILE_SCHEMA : schema);
      refuseDamaged(path, db);
      if (migration !== undefined) migrate(db, migration);
      // Takes the lock and proves that the file can be written, before anybody relies on it.
      db.exec("PRAGMA wal_checkpoint(TRUNCATE); BEGIN IMMEDIATE; UPDATE log SET last_id = last_id; COMMIT");
      // Less than the file has already would mean nothing to SQLite.
      db.exec(`PRAGMA max_page_count = ${Math.floor(maxBytes / PAGE_BYTES)}`);
      return db;
    } catch (error) {
      db.close();
      throw error;
    }
  });
}

/**
 * Reads what a log starts from.
 * @param path the file, for errors
 * @param db its database
 * @returns the streams and all that is known of them
 * @throws {UserError} `dataDirUnusable`, when it is missing or makes no sense
 */
export function readSavedLog(path: string, db: DatabaseSync): SavedLog {
  return guarded(path, BUSY_HINT, () => {
    const log = db.prepare("SELECT generation, floor_seq AS seq, floor_at AS at, last_id AS lastId FROM log").get();
    if (!GENERATION.test(String(log?.["generation"]))) throw damaged(path);
    const streams = db.prepare(
      "SELECT id, name, head, last_at AS lastAt, end_offset AS endOffset, first, first_at AS firstAt, oldest, " +
        "oldest_offset AS oldestOffset, handed FROM streams WHERE name IS NOT NULL",
    ).all() as unknown as StreamState[];
    const { generation, seq, at, lastId } = log as unknown as LedgerFloor & { generation: string; lastId: number };
    return { generation, streams, floor: { seq, at }, lastId };
  });
}

/**
 * Prepares what the log asks.
 * @param db the database
 * @returns a statement for each
 */
export function prepareEventStatements(db: DatabaseSync): EventStatements {
  const entries = Object.entries(EVENT_SQL).map(([name, sql]) => [name, db.prepare(sql)]);
  return Object.fromEntries(entries) as EventStatements;
}

/**
 * Says in words what SQLite refused while the log was read.
 * @param path the file
 * @param read what to do
 * @returns what it gives
 * @throws {UserError} `dataDirUnusable`, when the file is damaged or its disk fails
 */
export function readingEvents<T>(path: string, read: () => T): T {
  return guarded(path, BUSY_HINT, read);
}

/** All or nothing, whatever happens in between. */
function migrate(db: DatabaseSync, migration: string): void {
  try {
    db.exec(`BEGIN IMMEDIATE; ${migration} PRAGMA user_version = ${EVENT_FILE_SCHEMA}; COMMIT`);
  } catch (error) {
    rollBack(db);
    throw error;
  }
}

async function make(dir: DataDir, generation: string): Promise<void> {
  try {
    if (await exists(`${dir.path}/${EVENT_FILE_NAME}-wal`)) throw withoutItsFile(dir);
    // What a crash left of an earlier attempt.
    for (const ending of ["", "-journal", "-wal"]) {
      await Deno.remove(`${dir.path}/${MAKING_NAME}${ending}`).catch(ignoreMissing);
    }
    const path = await dir.privateFile(MAKING_NAME);
    guarded(path, BUSY_HINT, () => {
      const db = new DatabaseSync(path);
      try {
        db.exec(`PRAGMA page_size = ${PAGE_BYTES}; ${SETTINGS} PRAGMA application_id = ${APPLICATION_ID};`);
        db.exec(`BEGIN; ${TABLES} ${MIGRATIONS[1]} PRAGMA user_version = ${EVENT_FILE_SCHEMA};`);
        db.prepare("INSERT INTO log VALUES (1, ?, 0, 0, 0)").run(generation);
        db.exec("COMMIT");
        // Kept in the file; closing moves the log into it and removes the log.
        db.exec("PRAGMA journal_mode = WAL");
      } finally {
        db.close();
      }
    });
    await Deno.rename(path, `${dir.path}/${EVENT_FILE_NAME}`);
  } catch (cause) {
    throw asUserError(`${dir.path}/${EVENT_FILE_NAME}`, cause);
  }
}

/** SQLite would take what is in it into the new file. */
function withoutItsFile(dir: DataDir): UserError {
  return new UserError(
    "dataDirUnusable",
    `${dir.path}/${EVENT_FILE_NAME}-wal lies there without ${EVENT_FILE_NAME}; it was left alone`,
    `Put ${EVENT_FILE_NAME} back beside it, or move it away to start anew.`,
  );
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}
