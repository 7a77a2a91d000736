/**
 * The ops of rooms in the file of a relay's log, and their snapshots, apart from the events, so that what a stream trims
 * leaves them alone. How many there are is counted in memory and written with the transaction that adds or drops them;
 * when it fails, both are what they were before.
 * @module
 */

import type { DatabaseSync } from "node:sqlite";
import type { Bytes } from "../bytes/writer.ts";
import type { EventLogLimits, ReadLimits, StoredOp } from "../relay/event_log.ts";
import { cutOps, type NewOp, OpLedger, type OpMark, type OpStore, type RoomOps } from "../relay/op_ledger.ts";
import type { SnapshotMark, Snapshots } from "../relay/snapshots.ts";
import { isDeparture } from "../wire/bodies.ts";
import type { Fingerprint } from "../wire/messages.ts";
import { type EventStatements, readingEvents } from "./sqlite_event_database.ts";
import { damaged } from "./sqlite_file.ts";

/** What an `OpTable` is made from. */
export interface OpTableOptions {
  /** The file, for errors. */
  readonly path: string;
  /** What asks its tables. */
  readonly sql: EventStatements;
  /** What was there. */
  readonly saved: readonly RoomOps[];
  /** Does something within the transaction, which it begins if none is open. */
  readonly write: (use: () => void) => void;
  /** Other bounds than the real ones, for tests. */
  readonly limits?: Partial<EventLogLimits>;
}

/** The ops of all rooms. */
export class OpTable implements Snapshots, OpStore {
  readonly #path: string;
  readonly #sql: EventStatements;
  readonly #write: OpTableOptions["write"];
  readonly #ledger: OpLedger;

  /**
   * Starts where an earlier life ended.
   * @param options the tables and what was in them
   */
  constructor(options: OpTableOptions) {
    this.#path = options.path;
    this.#sql = options.sql;
    this.#write = options.write;
    this.#ledger = new OpLedger({ ...options, store: this });
  }

  /**
   * Tells how many ops a room has; see `EventLog.epoch`.
   * @param room the room
   * @returns the place of the last
   */
  epoch(room: Fingerprint): number {
    return this.#ledger.epoch(room);
  }

  /**
   * Tells whether one more op may perhaps be kept; changes nothing.
   * @param room its room
   * @param op its length, and whether it may have one of the last places
   * @returns `false` when a bound stands against it, and nothing may go
   */
  mayFit(room: Fingerprint, op: NewOp): boolean {
    return this.#ledger.mayFit(room, op);
  }

  /**
   * Makes room for one more op, within a transaction.
   * @param room its room
   * @param op its length, and whether it may have one of the last places
   * @returns whether it may be kept
   */
  makeRoom(room: Fingerprint, op: NewOp): boolean {
    return this.#ledger.makeRoom(room, op);
  }

  /**
   * Adds an op, within a transaction; ask `makeRoom` before.
   * @param room its room
   * @param at when it is stored
   * @param op the op
   * @returns its place
   */
  add(room: Fingerprint, at: number, op: Bytes): number {
    const epoch = this.#ledger.place(room, at, op.length);
    this.#sql.insertOp.run(room, epoch, at, isDeparture(op) ? 1 : 0, op);
    return epoch;
  }

  /**
   * Reads the ops of a room after a place; see `EventLog.ops`.
   * @param room the room
   * @param afterEpoch the place before the first one wanted
   * @param limits how much at once
   * @returns the ops, in order
   * @throws {UserError} `dataDirUnusable`, when the file cannot be read any more
   */
  read(room: Fingerprint, afterEpoch: number, limits: ReadLimits): readonly StoredOp[] {
    const after = Math.max(afterEpoch, this.oldestOp(room) - 1);
    const count = Math.min(limits.maxEvents, this.epoch(room) - after);
    return readingEvents(this.#path, () => cutOps(this.#rows(room, after, Math.max(0, count)), limits));
  }

  /**
   * Finds a departure of a room; see `EventLog.departure`.
   * @param room the room
   * @param skip how many to pass over, from the last back
   * @returns its place, or 0
   * @throws {UserError} `dataDirUnusable`, when the file cannot be read any more
   */
  departure(room: Fingerprint, skip: number): number {
    const row = readingEvents(this.#path, () => this.#sql.departure.get(room, skip));
    return Number(row?.["epoch"] ?? 0);
  }

  /**
   * Drops ops that are too old and may go, within a transaction; see `EventLog.trim`.
   * @param nowMs the time of the relay's clock
   * @returns whether more is left
   */
  trim(nowMs: number): boolean {
    return this.#ledger.trim(nowMs);
  }

  /**
   * Tells the oldest op of a room that is kept; see `Snapshots.oldestOp`.
   * @param room the room
   * @returns its place
   */
  oldestOp(room: Fingerprint): number {
    return this.#ledger.oldest(room);
  }

  /**
   * Tells the snapshot of a room; see `Snapshots.of`.
   * @param room the room
   * @returns where it stands; `undefined` without one
   */
  of(room: Fingerprint): SnapshotMark | undefined {
    return this.#ledger.snapshot(room);
  }

  /**
   * Reads a part of a snapshot; see `Snapshots.readPart`.
   * @param room the room
   * @param offset where it begins
   * @param maxBytes how much at once
   * @returns the bytes
   * @throws {UserError} `dataDirUnusable`, when the file cannot be read any more
   */
  readPart(room: Fingerprint, offset: number, maxBytes: number): Bytes {
    if (this.of(room) === undefined) return new Uint8Array(0);
    const row = readingEvents(this.#path, () => this.#sql.readSnapshot.get(offset + 1, maxBytes, room));
    if (!(row?.["part"] instanceof Uint8Array)) throw damaged(this.#path, "a snapshot is missing");
    return row["part"] as Bytes;
  }

  /**
   * Keeps a snapshot in the place of the former; see `Snapshots.keep`. When the file refuses it, `commit` says so.
   * @param room the room
   * @param epoch the op after which it was taken
   * @param body the snapshot
   * @throws {RangeError} when the place is not a later one, or not there yet
   */
  keep(room: Fingerprint, epoch: number, body: Bytes): void {
    this.#write(() => {
      this.#ledger.archive(room, epoch, body.length);
      this.#sql.keepSnapshot.run(room, epoch, body);
    });
  }

  /**
   * Finds rooms that have many ops since their snapshot; see `Snapshots.due`.
   * @param moreThan how many
   * @returns the rooms
   */
  due(moreThan: number): Fingerprint[] {
    return this.#ledger.due(moreThan);
  }

  /**
   * Looks at ops that are kept; see `OpStore.marks`.
   * @param room whose
   * @param from the place of the first
   * @param count how many at most
   * @returns them, in order
   */
  marks(room: Fingerprint, from: number, count: number): OpMark[] {
    return this.#sql.opMarks.all(room, from, count) as unknown as OpMark[];
  }

  /**
   * Drops ops, within a transaction; see `OpStore.drop`.
   * @param room whose
   * @param before the place of the first that stays
   */
  drop(room: Fingerprint, before: number): void {
    this.#sql.dropOps.run(room, before);
  }

  /** Writes how many there are, within the transaction. */
  save(): void {
    for (const { room, epoch, bytes, oldest, oldestAt } of this.#ledger.changes()) {
      this.#sql.saveRoom.run(room, epoch, bytes, oldest, oldestAt);
    }
  }

  /** Takes what was added for granted. */
  commit(): void {
    this.#ledger.commit();
  }

  /** Undoes what was added since the last commit. */
  rollBack(): void {
    this.#ledger.rollBack();
  }

  *#rows(room: Fingerprint, afterEpoch: number, count: number): Generator<StoredOp> {
    let expected = afterEpoch;
    for (const { epoch, at, op } of this.#sql.readOps.iterate(room, afterEpoch, count)) {
      if (epoch !== ++expected || !(op instanceof Uint8Array)) throw damaged(this.#path, "an op is missing");
      yield { epoch: expected, at: Number(at), op: op as Bytes };
    }
  }
}

/**
 * Reads which rooms have ops.
 * @param db the database
 * @returns how many, and what they cost
 */
export function readSavedRooms(db: DatabaseSync): RoomOps[] {
  return db.prepare(
    "SELECT room, rooms.epoch, bytes, oldest, oldest_at AS oldestAt, ifnull(snapshots.epoch, 0) AS snapshot, " +
      "ifnull(length(body), 0) AS snapshotBytes FROM rooms LEFT JOIN snapshots USING (room)",
  ).all() as unknown as RoomOps[];
}
