/**
 * The event log in a file: `events.db` in the relay's data directory. It survives a power cut and a killed process: what
 * `commit()` called stored is there at the next start, under the same places, ids and generation.
 *
 * All that happens between two commits is one transaction, so that many events cost one wait for the disk. What a stream
 * has is counted in memory and written with that transaction; when it fails, both are what they were before.
 *
 * Nothing here takes long: what is not kept any more is cleared away with later commits, `CLEAR_MAX_ROWS` rows each.
 * @module
 */

import type { DatabaseSync, SQLOutputValue } from "node:sqlite";
import type { Bytes } from "../bytes/writer.ts";
import {
  type AppendResult,
  type CommitResult,
  EVENT_OVERHEAD_BYTES,
  type EventLog,
  type EventLogLimits,
  type KeptAbout,
  type NewEvent,
  type Place,
  type ReadLimits,
  type StoredEvent,
  type StoredOp,
} from "../relay/event_log.ts";
import { roomOf } from "../relay/effects.ts";
import { newOpOf } from "../relay/op_ledger.ts";
import type { Snapshots } from "../relay/snapshots.ts";
import { type LedgerFloor, type RecordMark, StreamLedger, type StreamState } from "../relay/stream_ledger.ts";
import type { EventId, EventKind, Fingerprint, StreamName } from "../wire/messages.ts";
import type { DataDir } from "./data_dir.ts";
import { readAbout } from "./sqlite_event_about.ts";
import { clearAway } from "./sqlite_event_clearing.ts";
import {
  EVENT_FILE_NAME,
  type EventStatements,
  openEventDatabase,
  prepareEventStatements,
  readingEvents,
  readSavedLog,
} from "./sqlite_event_database.ts";
import { OpTable, readSavedRooms } from "./sqlite_event_ops.ts";
import { damaged, rollBack } from "./sqlite_file.ts";

/** Streams that one trim looks into: a relay that was away for a month trims in several goes. */
export const TRIM_MAX_STREAMS = 1_000;
/** How often the log beside the file is moved into it and emptied; in between SQLite uses it again from the start. */
export const TRUNCATE_EVERY_MS: number = 3600 * 1000;

/** What a `SqliteEventLog` is opened with. */
export interface SqliteEventLogOptions {
  /** Gives 16 random bytes in lower-case hexadecimal for a log that starts without its past. */
  readonly makeGeneration: () => string;
  /** Other bounds than the real ones, for tests. */
  readonly limits?: Partial<EventLogLimits>;
  /** Another bound on the file, for tests. */
  readonly maxFileBytes?: number;
}

/** An `EventLog` that outlives the process. */
export class SqliteEventLog implements EventLog {
  /** The life of this log. */
  readonly generation: string;
  readonly #path: string;
  readonly #db: DatabaseSync;
  readonly #sql: EventStatements;
  readonly #ledger: StreamLedger;
  readonly #ops: OpTable;
  #isInTransaction = false;
  /** Why the open transaction cannot be committed. */
  #failure: string | undefined;
  #savedFloor: LedgerFloor;
  #addedRows = 0;
  #hasMoreToTrim = false;
  #truncateAtMs: number | undefined;
  #isTruncationDue = false;

  private constructor(path: string, db: DatabaseSync, limits: Partial<EventLogLimits> | undefined) {
    const { generation, streams, floor, lastId } = readSavedLog(path, db);
    this.generation = generation;
    this.#path = path;
    this.#db = db;
    this.#sql = prepareEventStatements(db);
    this.#savedFloor = floor;
    this.#ledger = new StreamLedger({
      ...(limits && { limits }),
      look: (streamId, seq) => this.#look(streamId, seq),
      saved: { streams, floor, lastId },
    });
    const saved = readingEvents(path, () => readSavedRooms(db));
    const write = (use: () => void) => void this.#write(use);
    this.#ops = new OpTable({ path, sql: this.#sql, saved, write, ...(limits && { limits }) });
  }

  /**
   * Opens the log of a relay's data directory, and makes it at the first start.
   * @param dir the directory; it stays the caller's to close, after the log
   * @param options where a generation comes from, and bounds for tests
   * @returns the log
   * @throws {UserError} `dataDirUnusable`, when the file is foreign, damaged, of a later schema, open to others, or
   *   cannot be written; `dataDirBusy`, when another process has it open. What is refused is left as it is
   */
  static async open(dir: DataDir, options: SqliteEventLogOptions): Promise<SqliteEventLog> {
    const db = await openEventDatabase(dir, options.makeGeneration, options.maxFileBytes);
    try {
      return new SqliteEventLog(`${dir.path}/${EVENT_FILE_NAME}`, db, options.limits);
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /** From what newcomers of rooms start whose old ops may go. */
  get snapshots(): Snapshots {
    return this.#ops;
  }

  /**
   * Gives an event the next place of its stream; see `EventLog.append`.
   * @param event the event
   * @returns its place, `full`, `opsFull`, or `failed`
   * @throws {UserError} `dataDirUnusable`, when the file cannot be read any more
   */
  append(event: NewEvent): AppendResult {
    if (this.#failure !== undefined) return { kind: "failed" };
    const known = this.find(event.stream, event.publisher, event.id);
    if (known !== undefined) return { kind: "placed", ...known, isRepeat: true };
    const { stream, publisher, id, kind, body } = event;
    const room = kind === "op" ? roomOf(stream) : undefined;
    if (room !== undefined && !this.#ops.mayFit(room, newOpOf(event))) return { kind: "opsFull" };
    return this.#write((): AppendResult => {
      if (room !== undefined && !this.#ops.makeRoom(room, newOpOf(event))) return { kind: "opsFull" };
      const place = this.#ledger.place(stream, body.length, event.atMs);
      if (place === undefined) return { kind: "full" };
      const { streamId, seq, at, offset } = place;
      const epoch = room === undefined ? null : this.#ops.add(room, at, body);
      this.#sql.insert.run(streamId, seq, at, offset, publisher, id, kind, body, epoch);
      this.#addedRows++;
      this.#ledger.keepBounds(stream);
      return { kind: "placed", ...placeOf({ seq, at, epoch }), isRepeat: false };
    }) ?? { kind: "failed" };
  }

  /**
   * Finds the place that an event was given; see `EventLog.find`.
   * @param stream its stream
   * @param publisher who published it
   * @param id the publisher's id
   * @returns the place, or `undefined` when it is not known
   * @throws {UserError} `dataDirUnusable`, when the file cannot be read any more
   */
  find(stream: StreamName, publisher: Fingerprint, id: EventId): Place | undefined {
    const state = this.#ledger.get(stream);
    if (state === undefined) return undefined;
    // What was forgotten may still have its row.
    const row = readingEvents(this.#path, () => this.#sql.find.get(state.id, publisher, id, state.first));
    return row && placeOf(row);
  }

  /**
   * Reads the events after a place; see `EventLog.read`.
   * @param stream the stream
   * @param afterSeq the place before the first one wanted
   * @param limits how much at once
   * @returns the events, in order
   * @throws {UserError} `dataDirUnusable`, when the file cannot be read any more
   */
  read(stream: StreamName, afterSeq: number, limits: ReadLimits): readonly StoredEvent[] {
    const state = this.#ledger.get(stream);
    if (state === undefined) return [];
    return readingEvents(this.#path, () => {
      const events: StoredEvent[] = [];
      let bytes = 0;
      const fromSeq = Math.max(afterSeq + 1, state.oldest);
      const count = Math.min(limits.maxEvents, state.head + 1 - fromSeq);
      for (const row of this.#sql.read.iterate(state.id, fromSeq, Math.max(0, count))) {
        const event = this.#eventOf(stream, row);
        bytes += event.body.length + EVENT_OVERHEAD_BYTES;
        if (bytes > limits.maxBytes && events.length > 0) break;
        events.push(event);
      }
      return events;
    });
  }

  /**
   * Gives the last place of a stream; see `EventLog.head`.
   * @param stream the stream
   * @returns the place
   */
  head(stream: StreamName): number {
    return this.#ledger.head(stream);
  }

  /**
   * Gives the oldest place that can still be read; see `EventLog.oldest`.
   * @param stream the stream
   * @returns the place, one above `head` when nothing can be read
   */
  oldest(stream: StreamName): number {
    return this.#ledger.oldest(stream);
  }

  /**
   * Reads the ops of a room after a place; see `EventLog.ops`.
   * @param room the room
   * @param afterEpoch the place before the first one wanted
   * @param limits how much at once
   * @returns the ops, in order
   * @throws {UserError} `dataDirUnusable`, when the file cannot be read any more
   */
  ops(room: Fingerprint, afterEpoch: number, limits: ReadLimits): readonly StoredOp[] {
    return this.#ops.read(room, afterEpoch, limits);
  }

  /**
   * Tells how many ops a room has; see `EventLog.epoch`.
   * @param room the room
   * @returns the place of the last
   */
  epoch(room: Fingerprint): number {
    return this.#ops.epoch(room);
  }

  /**
   * Finds a departure of a room; see `EventLog.departure`.
   * @param room the room
   * @param skip how many to pass over, from the last back
   * @returns its place, or 0
   * @throws {UserError} `dataDirUnusable`, when the file cannot be read any more
   */
  departure(room: Fingerprint, skip: number): number {
    return this.#ops.departure(room, skip);
  }

  /**
   * Counts what is kept about an identity; see `EventLog.about`.
   * @param identity whose
   * @param most how many authors and streams are listed
   * @returns what is in its inbox, and what it published
   * @throws {UserError} `dataDirUnusable`, when the file cannot be read any more
   */
  about(identity: Fingerprint, most: number): KeptAbout {
    const inboxId = this.#ledger.get(`inbox/${identity}`)?.id;
    return readingEvents(this.#path, () => readAbout(this.#sql, { identity, inboxId, most }));
  }

  /**
   * Remembers how far an inbox was handed; see `EventLog.hand`.
   * @param inbox the inbox
   * @param seq the last place that was
   */
  hand(inbox: StreamName, seq: number): void {
    this.#ledger.hand(inbox, seq);
  }

  /**
   * Tells how far an inbox was handed; see `EventLog.handed`.
   * @param inbox the inbox
   * @returns the last place that was
   */
  handed(inbox: StreamName): number {
    return this.#ledger.handed(inbox);
  }

  /**
   * Drops what is too old, a bounded number of streams at a time; see `EventLog.trim`.
   * @param nowMs the time of the relay's clock
   */
  trim(nowMs: number): void {
    this.#write(() => {
      const hasMoreOps = this.#ops.trim(nowMs);
      this.#hasMoreToTrim = this.#ledger.trim(nowMs, TRIM_MAX_STREAMS) || hasMoreOps;
    });
    this.#truncateAtMs ??= nowMs + TRUNCATE_EVERY_MS;
    if (nowMs >= this.#truncateAtMs) {
      this.#truncateAtMs = nowMs + TRUNCATE_EVERY_MS;
      this.#isTruncationDue = true;
    }
  }

  /**
   * Stores all that happened since the last commit, or undoes it; see `EventLog.commit`.
   * @returns which of the two
   */
  commit(): CommitResult {
    if (!this.#isInTransaction && this.#failure === undefined) return { kind: "stored", hasMore: this.#hasMoreToTrim };
    const hasMoreToClear = this.#write(() => {
      this.#saveChanges();
      const hasMore = clearAway(this.#sql, this.#addedRows);
      this.#db.exec("COMMIT");
      return hasMore;
    });
    const reason = this.#failure;
    this.#isInTransaction = false;
    this.#failure = undefined;
    this.#addedRows = 0;
    if (reason !== undefined || hasMoreToClear === undefined) {
      this.#ledger.rollBack();
      this.#ops.rollBack();
      return { kind: "failed", reason: reason ?? "unknown" };
    }
    this.#ledger.commit();
    this.#ops.commit();
    this.#savedFloor = this.#ledger.floor;
    this.#truncateIfDue();
    return { kind: "stored", hasMore: hasMoreToClear || this.#hasMoreToTrim };
  }

  /** Closes it; what was not committed is undone. */
  close(): void {
    if (this.#isInTransaction) rollBack(this.#db);
    this.#db.close();
  }

  /** Does something within the transaction; `undefined` when that failed, now or before. */
  #write<T>(use: () => T): T | undefined {
    if (this.#failure !== undefined) return undefined;
    try {
      if (!this.#isInTransaction) this.#db.exec("BEGIN IMMEDIATE");
      this.#isInTransaction = true;
      return use();
    } catch (error) {
      this.#failure = reasonOf(error);
      rollBack(this.#db);
      return undefined;
    }
  }

  #saveChanges(): void {
    const { changed, forgotten } = this.#ledger.changes();
    for (const state of forgotten) {
      // Above all that may be cleared away already: so it is looked at once more, and its own row goes.
      const gone = state.head + 2;
      this.#save({ ...state, first: gone, oldest: gone }, null);
    }
    for (const state of changed) this.#save(state, state.name);
    this.#ops.save();
    const { floor } = this.#ledger;
    const lastId = Math.max(0, ...changed.map(({ id }) => id), ...forgotten.map(({ id }) => id));
    if (floor !== this.#savedFloor || lastId > 0) this.#sql.saveLog.run(floor.seq, floor.at, lastId);
  }

  #save(state: StreamState, name: StreamName | null): void {
    const { id, head, lastAt, endOffset, first, firstAt, oldest, oldestOffset, handed } = state;
    this.#sql.saveStream.run(id, name, head, lastAt, endOffset, first, firstAt, oldest, oldestOffset, handed);
  }

  /** Moves the log beside the file into it; it is as safe either way, so a failure waits for the next time. */
  #truncateIfDue(): void {
    if (!this.#isTruncationDue) return;
    this.#isTruncationDue = false;
    try {
      this.#db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    } catch (error) {
      reasonOf(error);
    }
  }

  #look(streamId: number, seq: number): RecordMark {
    const row = this.#sql.look.get(streamId, seq);
    if (row === undefined) throw damaged(this.#path, `place ${seq} of stream ${streamId} has no record`);
    return row as unknown as RecordMark;
  }

  #eventOf(stream: StreamName, row: Record<string, SQLOutputValue>): StoredEvent {
    const { seq, publisher, kind, id, body } = row;
    if (!(body instanceof Uint8Array)) throw damaged(this.#path, `place ${seq} has no body`);
    return {
      stream,
      ...placeOf(row),
      publisher: String(publisher),
      kind: kind as EventKind,
      id: String(id),
      body: body as Bytes,
    };
  }
}

function placeOf({ seq, at, epoch }: Record<string, SQLOutputValue | undefined>): Place {
  const place = { seq: Number(seq), at: Number(at) };
  return typeof epoch === "number" ? { ...place, epoch } : place;
}

/** A word for the operator; a mistake of ours surfaces. By its words, for not every refusal of SQLite carries its number. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error) || error instanceof TypeError || error instanceof RangeError) throw error;
  return REASONS.find(([words]) => words.test(error.message))?.[1] ?? "unknown";
}

const REASONS: readonly (readonly [words: RegExp, reason: string])[] = [
  [/is full/i, "diskFull"],
  [/readonly/i, "readOnly"],
  [/damaged|malformed|corrupt|not a database/i, "damaged"],
  [/disk i\/o|unable to open/i, "diskError"],
];
