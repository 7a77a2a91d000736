/**
 * The book-keeping of the ops that an event log keeps apart for each room (PROTOCOL 4.4): how many there are, and whether
 * one more fits. Ops are never trimmed: members are derived from all of them, so beyond a bound the next one is refused.
 *
 * What a room is said to have may be undone up to the last `commit()`: states are replaced, never changed.
 * @module
 */

import { PAGED_OP_HEAD_BYTES } from "../wire/bodies.ts";
import type { Fingerprint } from "../wire/messages.ts";
import {
  EVENT_LOG_LIMITS,
  EVENT_OVERHEAD_BYTES,
  type EventLogLimits,
  type ReadLimits,
  type StoredOp,
} from "./event_log.ts";

/** What is known of a room's ops. */
export interface RoomOps {
  /** Whose ops. */
  readonly room: Fingerprint;
  /** How many there are, which is the place of the last. */
  readonly epoch: number;
  /** What they cost, `EVENT_OVERHEAD_BYTES` each included. */
  readonly bytes: number;
}

/** What an `OpLedger` is made from. */
export interface OpLedgerOptions {
  /** Other bounds than the real ones, for tests. */
  readonly limits?: Partial<EventLogLimits>;
  /** What an earlier life of this log had; empty without it. */
  readonly saved?: Iterable<RoomOps>;
}

/** The rooms of a log that have ops; bounded by what one op costs at least. */
export class OpLedger {
  readonly #limits: EventLogLimits;
  readonly #rooms = new Map<Fingerprint, RoomOps>();
  #bytes = 0;
  /** What the last commit left, for what changed since. */
  readonly #committed = new Map<Fingerprint, RoomOps | undefined>();

  /**
   * Starts where an earlier life ended.
   * @param options bounds, and what was there
   */
  constructor(options: OpLedgerOptions = {}) {
    this.#limits = { ...EVENT_LOG_LIMITS, ...options.limits };
    for (const ops of options.saved ?? []) this.#set(ops);
    this.#committed.clear();
  }

  /**
   * Tells how many ops a room has.
   * @param room the room
   * @returns the place of the last, 0 when there is none
   */
  epoch(room: Fingerprint): number {
    return this.#rooms.get(room)?.epoch ?? 0;
  }

  /**
   * Tells whether one more op may be kept.
   * @param room its room
   * @param lengthBytes its length
   * @returns whether no bound stands against it
   */
  hasRoom(room: Fingerprint, lengthBytes: number): boolean {
    return this.epoch(room) < this.#limits.roomOps && this.#bytes + costOf(lengthBytes) <= this.#limits.opBytes;
  }

  /**
   * Gives an op the next place of its room; ask `hasRoom` before.
   * @param room its room
   * @param lengthBytes its length
   * @returns the place, from 1
   */
  place(room: Fingerprint, lengthBytes: number): number {
    const epoch = this.epoch(room) + 1;
    this.#set({ room, epoch, bytes: (this.#rooms.get(room)?.bytes ?? 0) + costOf(lengthBytes) });
    return epoch;
  }

  /**
   * Tells what happened since the last commit.
   * @returns the rooms that changed, as they are now
   */
  changes(): RoomOps[] {
    return [...this.#committed.keys()].flatMap((room) => this.#rooms.get(room) ?? []);
  }

  /** Takes what happened for granted. */
  commit(): void {
    this.#committed.clear();
  }

  /** Undoes what happened since the last commit. */
  rollBack(): void {
    for (const [room, ops] of this.#committed) {
      this.#bytes += (ops?.bytes ?? 0) - (this.#rooms.get(room)?.bytes ?? 0);
      if (ops === undefined) this.#rooms.delete(room);
      else this.#rooms.set(room, ops);
    }
    this.#committed.clear();
  }

  #set(ops: RoomOps): void {
    const former = this.#rooms.get(ops.room);
    if (!this.#committed.has(ops.room)) this.#committed.set(ops.room, former);
    this.#rooms.set(ops.room, ops);
    this.#bytes += ops.bytes - (former?.bytes ?? 0);
  }
}

function costOf(lengthBytes: number): number {
  return lengthBytes + EVENT_OVERHEAD_BYTES;
}

/**
 * Keeps to how much one read may give; the first op is given even when it is larger.
 * @param ops what is there, in order
 * @param limits how much at once, in bytes as they stand on a page
 * @returns the first of them
 */
export function cutOps(ops: Iterable<StoredOp>, limits: ReadLimits): StoredOp[] {
  const cut: StoredOp[] = [];
  let bytes = 0;
  for (const next of ops) {
    bytes += next.op.length + PAGED_OP_HEAD_BYTES;
    if (cut.length >= limits.maxEvents || (bytes > limits.maxBytes && cut.length > 0)) break;
    cut.push(next);
  }
  return cut;
}
