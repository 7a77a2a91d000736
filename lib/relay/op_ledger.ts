/**
 * The book-keeping of the ops that an event log keeps apart for each room (PROTOCOL 4.4): how many there are, whether one
 * more fits, and which may go. Members are derived from all ops of a room, so none goes unless the room has a snapshot of
 * a later place; then those before it do, the oldest first, when they are too old or their place is needed.
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
  type NewEvent,
  type ReadLimits,
  type StoredOp,
} from "./event_log.ts";
import type { SnapshotMark } from "./snapshots.ts";

/** Ops that are dropped at once to make room for one: so that it is not done for each, and takes no time. */
export const OPS_DROPPED_AT_ONCE = 64;
/** Ops that one trim drops because they are too old: a few milliseconds' work. */
export const OPS_TRIMMED_AT_ONCE = 512;

/** An op that asks for a place. */
export interface NewOp {
  /** Its length. */
  readonly lengthBytes: number;
  /** Whether it may have one of the last places of its room. */
  readonly isReserved: boolean;
}

/**
 * Says what is asked of an op that is placed.
 * @param event the op as an event
 * @returns its length, and whether it may have one of the last places
 */
export function newOpOf({ body, isReserved = false }: Pick<NewEvent, "body" | "isReserved">): NewOp {
  return { lengthBytes: body.length, isReserved };
}

/** What is known of a room's ops. */
export interface RoomOps {
  /** Whose ops. */
  readonly room: Fingerprint;
  /** How many were placed, which is the place of the last. */
  readonly epoch: number;
  /** What those that are kept and the snapshot cost, `EVENT_OVERHEAD_BYTES` each included. */
  readonly bytes: number;
  /** The place of the oldest that is kept. */
  readonly oldest: number;
  /** When that was stored. */
  readonly oldestAt: number;
  /** The place of the room's snapshot, 0 without one. */
  readonly snapshot: number;
  /** How long the snapshot is, 0 without one. */
  readonly snapshotBytes: number;
}

/** What the ledger asks of an op that is kept. */
export interface OpMark {
  /** When it was stored. */
  readonly at: number;
  /** Its length. */
  readonly bytes: number;
}

/** The ops of which the books are kept. */
export interface OpStore {
  /**
   * Looks at ops that are kept.
   * @param room whose
   * @param from the place of the first
   * @param count how many at most
   * @returns them, in order
   */
  marks(room: Fingerprint, from: number, count: number): readonly OpMark[];

  /**
   * Drops ops.
   * @param room whose
   * @param before the place of the first that stays
   */
  drop(room: Fingerprint, before: number): void;
}

/** What an `OpLedger` is made from. */
export interface OpLedgerOptions {
  /** The ops. */
  readonly store: OpStore;
  /** Other bounds than the real ones, for tests. */
  readonly limits?: Partial<EventLogLimits>;
  /** What an earlier life of this log had; empty without it. */
  readonly saved?: Iterable<RoomOps>;
}

/** The rooms of a log that have ops; bounded by what one op costs at least. */
export class OpLedger {
  readonly #store: OpStore;
  readonly #limits: EventLogLimits;
  readonly #rooms = new Map<Fingerprint, RoomOps>();
  /** Those of them that have a snapshot. */
  readonly #archived = new Set<Fingerprint>();
  #bytes = 0;
  /** What the last commit left, for what changed since. */
  readonly #committed = new Map<Fingerprint, RoomOps | undefined>();

  /**
   * Starts where an earlier life ended.
   * @param options the ops, bounds, and what was there
   */
  constructor(options: OpLedgerOptions) {
    this.#store = options.store;
    const { limits = {} } = options;
    // Smaller bounds for tests have none.
    const opsReserved = limits.roomOps === undefined ? EVENT_LOG_LIMITS.opsReserved : 0;
    this.#limits = { ...EVENT_LOG_LIMITS, opsReserved, ...limits };
    for (const ops of options.saved ?? []) this.#set(ops);
    this.#committed.clear();
  }

  /**
   * Tells how many ops were placed in a room.
   * @param room the room
   * @returns the place of the last, 0 when there is none
   */
  epoch(room: Fingerprint): number {
    return this.#rooms.get(room)?.epoch ?? 0;
  }

  /**
   * Tells the oldest op of a room that is kept.
   * @param room the room
   * @returns its place
   */
  oldest(room: Fingerprint): number {
    return this.#rooms.get(room)?.oldest ?? 1;
  }

  /**
   * Tells the snapshot of a room.
   * @param room the room
   * @returns where it stands; `undefined` without one
   */
  snapshot(room: Fingerprint): SnapshotMark | undefined {
    const { snapshot = 0, snapshotBytes = 0 } = this.#rooms.get(room) ?? {};
    return snapshot === 0 ? undefined : { epoch: snapshot, lengthBytes: snapshotBytes };
  }

  /**
   * Finds rooms that have many ops since their snapshot.
   * @param moreThan how many
   * @returns the rooms
   */
  due(moreThan: number): Fingerprint[] {
    return [...this.#rooms.values()].filter(({ epoch, snapshot }) => epoch - snapshot > moreThan)
      .map(({ room }) => room);
  }

  /**
   * Tells whether one more op may perhaps be kept; drops nothing.
   * @param room its room
   * @param op its length, and whether it may have one of the last places
   * @returns `false` when a bound stands against it, and nothing may go
   */
  mayFit(room: Fingerprint, { lengthBytes, isReserved }: NewOp): boolean {
    const isCounted = this.#count(room) < this.#mostFor(isReserved) || this.#dispensable(room) > 0;
    return isCounted && (this.#fits(lengthBytes) || this.#longestKept() !== undefined);
  }

  /**
   * Drops what may go until one more op fits.
   * @param room its room
   * @param op its length, and whether it may have one of the last places
   * @returns whether no bound stands against it now
   */
  makeRoom(room: Fingerprint, { lengthBytes, isReserved }: NewOp): boolean {
    const most = this.#mostFor(isReserved);
    if (this.#count(room) >= most) this.#drop(room, OPS_DROPPED_AT_ONCE);
    if (this.#count(room) >= most) return false;
    while (!this.#fits(lengthBytes)) {
      const other = this.#longestKept();
      if (other === undefined) return false;
      this.#drop(other, OPS_DROPPED_AT_ONCE);
    }
    return true;
  }

  /**
   * Gives an op the next place of its room; ask `makeRoom` before.
   * @param room its room
   * @param at when it is stored
   * @param lengthBytes its length
   * @returns the place, from 1
   */
  place(room: Fingerprint, at: number, lengthBytes: number): number {
    const former = this.#rooms.get(room) ?? { room, epoch: 0, bytes: 0, oldest: 1, oldestAt: at, ...NO_SNAPSHOT };
    const epoch = former.epoch + 1;
    this.#set({ ...former, epoch, bytes: former.bytes + costOf(lengthBytes) });
    return epoch;
  }

  /**
   * Counts a snapshot in the place of the former. It is kept even where all ops have no room for it, and these then go.
   * @param room the room
   * @param epoch the op after which it was taken
   * @param lengthBytes its length
   * @throws {RangeError} when it is not a later one, or not there yet
   */
  archive(room: Fingerprint, epoch: number, lengthBytes: number): void {
    const former = this.#rooms.get(room);
    if (former === undefined || epoch <= former.snapshot || epoch > former.epoch) {
      throw new RangeError(`Cannot keep snapshot: place ${epoch} is no later place of the room`);
    }
    const bytes = former.bytes - snapshotCost(former) + costOf(lengthBytes);
    this.#set({ ...former, bytes, snapshot: epoch, snapshotBytes: lengthBytes });
  }

  /**
   * Drops ops that are too old, or beyond what all may take, a bounded number.
   * @param nowMs the time of the relay's clock
   * @returns whether more is left
   */
  trim(nowMs: number): boolean {
    let left = OPS_TRIMMED_AT_ONCE;
    const beforeMs = nowMs - this.#limits.ageMs;
    for (const room of this.#archived) {
      for (let old = this.#old(room, beforeMs); old > 0; old = this.#old(room, beforeMs)) {
        if (left <= 0) return true;
        this.#drop(room, old);
        left -= old;
      }
    }
    for (let room = this.#overfull(); room !== undefined; room = this.#overfull()) {
      if (left <= 0) return true;
      this.#drop(room, OPS_DROPPED_AT_ONCE);
      left -= OPS_DROPPED_AT_ONCE;
    }
    return false;
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
    for (const [room, ops] of this.#committed) this.#put(room, ops);
    this.#committed.clear();
  }

  #set(ops: RoomOps): void {
    if (!this.#committed.has(ops.room)) this.#committed.set(ops.room, this.#rooms.get(ops.room));
    this.#put(ops.room, ops);
  }

  #put(room: Fingerprint, ops: RoomOps | undefined): void {
    this.#bytes += (ops?.bytes ?? 0) - (this.#rooms.get(room)?.bytes ?? 0);
    if (ops === undefined) this.#rooms.delete(room);
    else this.#rooms.set(room, ops);
    if (ops === undefined || ops.snapshot === 0) this.#archived.delete(room);
    else this.#archived.add(room);
  }

  #mostFor(isReserved: boolean): number {
    return this.#limits.roomOps - (isReserved ? 0 : this.#limits.opsReserved);
  }

  #fits(lengthBytes: number): boolean {
    return this.#bytes + costOf(lengthBytes) <= this.#limits.opBytes;
  }

  #count(room: Fingerprint): number {
    const ops = this.#rooms.get(room);
    return ops === undefined ? 0 : ops.epoch - ops.oldest + 1;
  }

  /** How many ops of a room may go: whoever starts from its snapshot needs all after it. */
  #dispensable(room: Fingerprint): number {
    const ops = this.#rooms.get(room);
    if (ops === undefined) return 0;
    return Math.max(0, Math.min(ops.snapshot, ops.epoch - this.#limits.opsKept) - ops.oldest + 1);
  }

  /** How many of those that may go are too old, as far as one look reaches. */
  #old(room: Fingerprint, beforeMs: number): number {
    const { oldest, oldestAt } = this.#rooms.get(room) as RoomOps;
    if (oldestAt >= beforeMs) return 0;
    const count = Math.min(this.#dispensable(room), OPS_DROPPED_AT_ONCE);
    const young = this.#store.marks(room, oldest, count).findIndex(({ at }) => at >= beforeMs);
    return young === -1 ? count : young;
  }

  /** The room whose ops may go and reach back furthest. */
  #longestKept(): Fingerprint | undefined {
    let found: RoomOps | undefined;
    for (const room of this.#archived) {
      const ops = this.#rooms.get(room) as RoomOps;
      if (this.#dispensable(room) > 0 && (found === undefined || ops.oldestAt < found.oldestAt)) found = ops;
    }
    return found?.room;
  }

  #overfull(): Fingerprint | undefined {
    return this.#bytes > this.#limits.opBytes ? this.#longestKept() : undefined;
  }

  #drop(room: Fingerprint, most: number): void {
    const count = Math.min(most, this.#dispensable(room));
    if (count === 0) return;
    const ops = this.#rooms.get(room) as RoomOps;
    const oldest = ops.oldest + count;
    const marks = this.#store.marks(room, ops.oldest, count + 1); // one stays at least
    const dropped = marks.slice(0, count).reduce((sum, { bytes }) => sum + costOf(bytes), 0);
    this.#store.drop(room, oldest);
    this.#set({ ...ops, oldest, oldestAt: marks[count]?.at ?? ops.oldestAt, bytes: ops.bytes - dropped });
  }
}

const NO_SNAPSHOT = { snapshot: 0, snapshotBytes: 0 } as const;

function costOf(lengthBytes: number): number {
  return lengthBytes + EVENT_OVERHEAD_BYTES;
}

function snapshotCost({ snapshot, snapshotBytes }: RoomOps): number {
  return snapshot === 0 ? 0 : costOf(snapshotBytes);
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
