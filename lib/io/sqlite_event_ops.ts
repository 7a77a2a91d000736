/**
 * The ops of rooms in the file of a relay's log, apart from the events, so that what a stream trims leaves them alone.
 * How many there are is counted in memory and written with the transaction that adds them; when it fails, both are what
 * they were before.
 * @module
 */

import type { DatabaseSync } from "node:sqlite";
import type { Bytes } from "../bytes/writer.ts";
import type { EventLogLimits, ReadLimits, StoredOp } from "../relay/event_log.ts";
import { cutOps, OpLedger, type RoomOps } from "../relay/op_ledger.ts";
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
  /** Other bounds than the real ones, for tests. */
  readonly limits?: Partial<EventLogLimits>;
}

/** The ops of all rooms. */
export class OpTable {
  readonly #path: string;
  readonly #sql: EventStatements;
  readonly #ledger: OpLedger;

  /**
   * Starts where an earlier life ended.
   * @param options the tables and what was in them
   */
  constructor(options: OpTableOptions) {
    this.#path = options.path;
    this.#sql = options.sql;
    this.#ledger = new OpLedger(options);
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
   * Tells whether one more op may be kept.
   * @param room its room
   * @param lengthBytes its length
   * @returns whether no bound stands against it
   */
  hasRoom(room: Fingerprint, lengthBytes: number): boolean {
    return this.#ledger.hasRoom(room, lengthBytes);
  }

  /**
   * Adds an op, within a transaction; ask `hasRoom` before.
   * @param room its room
   * @param at when it is stored
   * @param op the op
   * @returns its place
   */
  add(room: Fingerprint, at: number, op: Bytes): number {
    const epoch = this.#ledger.place(room, op.length);
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
    const count = Math.min(limits.maxEvents, this.epoch(room) - afterEpoch);
    return readingEvents(this.#path, () => cutOps(this.#rows(room, afterEpoch, Math.max(0, count)), limits));
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

  /** Writes how many there are, within the transaction. */
  save(): void {
    for (const { room, epoch, bytes } of this.#ledger.changes()) this.#sql.saveRoom.run(room, epoch, bytes);
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
  return db.prepare("SELECT room, epoch, bytes FROM rooms").all() as unknown as RoomOps[];
}
