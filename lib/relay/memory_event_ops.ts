/**
 * The ops of rooms in memory, and their snapshots, apart from the events, so that what a stream trims leaves them alone.
 * Nothing here fails, so that all is committed at once.
 * @module
 */

import type { Bytes } from "../bytes/writer.ts";
import { isDeparture } from "../wire/bodies.ts";
import type { Fingerprint } from "../wire/messages.ts";
import type { EventLogLimits, ReadLimits, StoredOp } from "./event_log.ts";
import { cutOps, type NewOp, OpLedger, type OpMark, type OpStore } from "./op_ledger.ts";
import { Queue } from "./queue.ts";
import type { SnapshotMark, Snapshots } from "./snapshots.ts";

/** The ops of a room that are kept, and the places of those that say that they are departures. */
interface OpRecords {
  readonly ops: Queue<StoredOp>;
  readonly departures: Queue<number>;
}

/** The ops of all rooms. */
export class MemoryOps implements Snapshots, OpStore {
  readonly #ledger: OpLedger;
  readonly #records = new Map<Fingerprint, OpRecords>();
  readonly #snapshots = new Map<Fingerprint, Bytes>();

  /**
   * Starts empty.
   * @param options bounds for tests
   */
  constructor(options: { readonly limits?: Partial<EventLogLimits> | undefined }) {
    this.#ledger = new OpLedger({ store: this, ...(options.limits && { limits: options.limits }) });
  }

  /**
   * Makes room for one more op.
   * @param room its room
   * @param op its length, and whether it may have one of the last places
   * @returns whether it may be kept
   */
  makeRoom(room: Fingerprint, op: NewOp): boolean {
    return this.#ledger.makeRoom(room, op);
  }

  /**
   * Adds an op; ask `makeRoom` before.
   * @param room its room
   * @param at when it is stored
   * @param op the op
   * @returns its place
   */
  add(room: Fingerprint, at: number, op: Bytes): number {
    const epoch = this.#ledger.place(room, at, op.length);
    this.#ledger.commit();
    const records = this.#records.get(room) ?? { ops: new Queue(), departures: new Queue() };
    this.#records.set(room, records);
    records.ops.push({ epoch, at, op });
    if (isDeparture(op)) records.departures.push(epoch);
    return epoch;
  }

  /**
   * Reads the ops of a room after a place; see `EventLog.ops`.
   * @param room the room
   * @param afterEpoch the place before the first one wanted
   * @param limits how much at once
   * @returns the ops, in order
   */
  read(room: Fingerprint, afterEpoch: number, limits: ReadLimits): StoredOp[] {
    return cutOps(this.#from(room, afterEpoch + 1, limits.maxEvents), limits);
  }

  /**
   * Tells how many ops were placed in a room; see `EventLog.epoch`.
   * @param room the room
   * @returns the place of the last
   */
  epoch(room: Fingerprint): number {
    return this.#ledger.epoch(room);
  }

  /**
   * Finds a departure of a room; see `EventLog.departure`.
   * @param room the room
   * @param skip how many to pass over, from the last back
   * @returns its place, or 0
   */
  departure(room: Fingerprint, skip: number): number {
    const departures = this.#records.get(room)?.departures;
    return departures?.at(departures.length - 1 - skip) ?? 0;
  }

  /**
   * Drops ops that are too old and may go; see `EventLog.trim`.
   * @param nowMs the time of the relay's clock
   */
  trim(nowMs: number): void {
    while (this.#ledger.trim(nowMs));
    this.#ledger.commit();
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
   */
  readPart(room: Fingerprint, offset: number, maxBytes: number): Bytes {
    return this.#snapshots.get(room)?.slice(offset, offset + maxBytes) ?? new Uint8Array(0);
  }

  /**
   * Keeps a snapshot in the place of the former; see `Snapshots.keep`.
   * @param room the room
   * @param epoch the op after which it was taken
   * @param body the snapshot
   * @throws {RangeError} when the place is not a later one, or not there yet
   */
  keep(room: Fingerprint, epoch: number, body: Bytes): void {
    this.#ledger.archive(room, epoch, body.length);
    this.#ledger.commit();
    this.#snapshots.set(room, body);
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
    return [...this.#from(room, from, count)].map(({ at, op }) => ({ at, bytes: op.length }));
  }

  /**
   * Drops ops; see `OpStore.drop`.
   * @param room whose
   * @param before the place of the first that stays
   */
  drop(room: Fingerprint, before: number): void {
    const { ops, departures } = this.#records.get(room) ?? {};
    while ((ops?.at(0)?.epoch ?? before) < before) ops?.shift();
    while ((departures?.at(0) ?? before) < before) departures?.shift();
  }

  *#from(room: Fingerprint, from: number, count: number): Generator<StoredOp> {
    const ops = this.#records.get(room)?.ops;
    const start = Math.max(0, from - (ops?.at(0)?.epoch ?? 1));
    for (let i = start; i - start < count; i++) {
      const op = ops?.at(i);
      if (op === undefined) return;
      yield op;
    }
  }
}
