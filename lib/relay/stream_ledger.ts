/**
 * The book-keeping of an event log, whatever it keeps its records in: which places and bytes each stream has, and what
 * has to go when a bound is met. The largest stream pays when all together are too large; nobody else's events go for
 * another stream's.
 *
 * Since places have no gaps, a count is a difference of places. Bytes are such a difference too: each record knows its
 * `offset`, the bytes of all bodies before it in its stream, as if the bodies lay on a tape. So nothing here walks
 * through records.
 *
 *     places   1 …… first ………… oldest ……… head
 *              gone    id alone    id and body
 *
 * What a stream is said to have may be undone up to the last `commit()`: states are replaced, never changed.
 * @module
 */

import type { StreamName } from "../wire/messages.ts";
import { EVENT_LOG_LIMITS, EVENT_OVERHEAD_BYTES, type EventLogLimits } from "./event_log.ts";

/** The share of the largest stream that goes when all are too large: scanning for it then costs little an event. */
const SHRINK_SHARE = 8;
/** The share of all streams that goes when there are too many: a scan of all then makes room for many new ones. */
const FORGET_SHARE = 100;
/** How the names of streams begin that may go: an inbox's events wait for somebody, a room's were told to who was there. */
const ROOM_PREFIX = "room/";

/** What is known of a stream. */
export interface StreamState {
  /** A number that the log never gives twice, even when a stream of this name was forgotten. */
  readonly id: number;
  /** Its name. */
  readonly name: StreamName;
  /** The last place. */
  readonly head: number;
  /** When that was placed. */
  readonly lastAt: number;
  /** Where the tape ends. */
  readonly endOffset: number;
  /** The first place whose id is remembered; one above `head` when there is none. */
  readonly first: number;
  /** When that was placed, or an earlier time. */
  readonly firstAt: number;
  /** The first place whose event can be read; one above `head` when there is none. */
  readonly oldest: number;
  /** Its offset. */
  readonly oldestOffset: number;
  /** Of an inbox: the last place that its owner was handed. */
  readonly handed: number;
}

/** Above which place and time a stream starts that is new, or was forgotten: no place is given twice. */
export interface LedgerFloor {
  /** The place. */
  readonly seq: number;
  /** The time. */
  readonly at: number;
}

/** What the ledger asks of a record. */
export interface RecordMark {
  /** When it was placed. */
  readonly at: number;
  /** The bytes of all bodies before it in its stream. */
  readonly offset: number;
}

/** Where an event goes. */
export interface LedgerPlace extends RecordMark {
  /** The stream's number. */
  readonly streamId: number;
  /** The place. */
  readonly seq: number;
}

/** What happened since the last commit. */
export interface LedgerChanges {
  /** Streams that changed and are known, as they are now. */
  readonly changed: readonly StreamState[];
  /** Streams that are known no more, as they were at their end; none of their records is needed. */
  readonly forgotten: readonly StreamState[];
}

/** What a `StreamLedger` is made from. */
export interface StreamLedgerOptions {
  /** Other bounds than the real ones, for tests. */
  readonly limits?: Partial<EventLogLimits>;
  /** Gives the mark of a record between `first` and `head`. */
  readonly look: (streamId: number, seq: number) => RecordMark;
  /** What an earlier life of this log had; empty without it. */
  readonly saved?: { readonly streams: Iterable<StreamState>; readonly floor: LedgerFloor; readonly lastId: number };
}

interface Totals {
  readonly bytes: number;
  readonly floor: LedgerFloor;
  readonly lastId: number;
}

/** The streams of a log and their bounds. */
export class StreamLedger {
  readonly #limits: EventLogLimits;
  readonly #look: (streamId: number, seq: number) => RecordMark;
  readonly #streams = new Map<StreamName, StreamState>();
  #totals: Totals;
  /** Whether a scan found no stream to forget, and none became empty since: scanning again would be in vain. */
  #isFull = false;
  // What the last commit left, for what changed since.
  readonly #committed = new Map<StreamName, StreamState | undefined>();
  #forgotten: StreamState[] = [];
  #committedTotals: Totals;

  /**
   * Starts where an earlier life ended.
   * @param options bounds, and how records are looked at
   */
  constructor(options: StreamLedgerOptions) {
    this.#limits = { ...EVENT_LOG_LIMITS, ...options.limits };
    this.#look = options.look;
    let bytes = 0;
    for (const stream of options.saved?.streams ?? []) {
      this.#streams.set(stream.name, stream);
      bytes += costOf(stream);
    }
    this.#totals = { bytes, floor: options.saved?.floor ?? { seq: 0, at: 0 }, lastId: options.saved?.lastId ?? 0 };
    this.#committedTotals = this.#totals;
  }

  /** Where new streams start. */
  get floor(): LedgerFloor {
    return this.#totals.floor;
  }

  /**
   * Finds a stream.
   * @param name its name
   * @returns its state, or `undefined` when nothing is known of it
   */
  get(name: StreamName): StreamState | undefined {
    return this.#streams.get(name);
  }

  /**
   * Goes through all streams that are known.
   * @returns their states
   */
  all(): IterableIterator<StreamState> {
    return this.#streams.values();
  }

  /**
   * Gives the last place of a stream.
   * @param name its name
   * @returns the place, the floor's for one that is not known
   */
  head(name: StreamName): number {
    return this.#streams.get(name)?.head ?? this.#totals.floor.seq;
  }

  /**
   * Gives the oldest place that can be read.
   * @param name its name
   * @returns the place, one above the head when there is none
   */
  oldest(name: StreamName): number {
    return this.#streams.get(name)?.oldest ?? this.#totals.floor.seq + 1;
  }

  /**
   * Tells how far an inbox was handed to its owner.
   * @param name its name
   * @returns the place, the floor's for one that is not known
   */
  handed(name: StreamName): number {
    return this.#streams.get(name)?.handed ?? this.#totals.floor.seq;
  }

  /**
   * Remembers how far an inbox was handed to its owner; never less than before.
   * @param name its name
   * @param seq the last place that was
   */
  hand(name: StreamName, seq: number): void {
    const stream = this.#streams.get(name);
    if (stream !== undefined && seq > stream.handed) this.#set({ ...stream, handed: seq });
  }

  /**
   * Gives an event the next place of its stream. Write its record, then call `keepBounds()`.
   * @param name its stream
   * @param lengthBytes the length of its body
   * @param atMs the time of the clock
   * @returns where it goes, or `undefined` when its stream is new and no other may be forgotten for it
   */
  place(name: StreamName, lengthBytes: number, atMs: number): LedgerPlace | undefined {
    const stream = this.#streams.get(name) ?? this.#open(name);
    if (stream === undefined) return undefined;
    const seq = stream.head + 1;
    // A clock that was set back must not make a later event look older.
    const at = Math.max(stream.lastAt, atMs);
    const firstAt = isEmpty(stream) ? at : stream.firstAt;
    this.#set({ ...stream, head: seq, lastAt: at, firstAt, endOffset: stream.endOffset + lengthBytes });
    return { streamId: stream.id, seq, at, offset: stream.endOffset };
  }

  /**
   * Drops what is over a bound after `place()`. The event that was just placed stays whatever the bounds are: its
   * publisher is about to hear that it is stored.
   * @param name the stream
   */
  keepBounds(name: StreamName): void {
    const { streamEvents, streamBytes, streamIds, totalBytes } = this.#limits;
    let stream = this.#known(name);
    const first = Math.max(stream.first, stream.head + 1 - Math.max(1, streamIds));
    stream = this.#cut(stream, first, stream.head + 1 - Math.max(1, streamEvents));
    while (stream.oldest < stream.head && eventBytesOf(stream) > streamBytes) {
      stream = this.#cut(stream, first, stream.oldest + 1);
    }
    this.#set(stream);
    while (this.#totals.bytes > totalBytes && this.#shrinkLargest(name));
  }

  /**
   * Drops what is too old.
   * @param nowMs the time of the clock
   * @param maxStreams how many streams may be changed at most
   * @returns whether there are more
   */
  trim(nowMs: number, maxStreams = Infinity): boolean {
    const oldestAt = nowMs - this.#limits.ageMs;
    let changed = 0;
    for (const stream of this.#streams.values()) {
      if (isEmpty(stream) || stream.firstAt >= oldestAt) continue;
      if (++changed > maxStreams) return true;
      const first = this.#firstSince(stream, oldestAt);
      const firstAt = first > stream.head ? stream.lastAt : this.#look(stream.id, first).at;
      this.#set({ ...this.#cut(stream, first, stream.oldest), firstAt });
    }
    return false;
  }

  /**
   * Tells what happened since the last commit.
   * @returns the streams that changed and those that are gone
   */
  changes(): LedgerChanges {
    const changed: StreamState[] = [];
    for (const name of this.#committed.keys()) {
      const stream = this.#streams.get(name);
      if (stream !== undefined) changed.push(stream);
    }
    return { changed, forgotten: this.#forgotten };
  }

  /** Takes what happened for granted. */
  commit(): void {
    this.#committed.clear();
    this.#forgotten = [];
    this.#committedTotals = this.#totals;
  }

  /** Undoes what happened since the last commit. */
  rollBack(): void {
    for (const [name, stream] of this.#committed) {
      if (stream === undefined) this.#streams.delete(name);
      else this.#streams.set(name, stream);
    }
    this.#totals = this.#committedTotals;
    this.#isFull = false;
    this.commit();
  }

  #known(name: StreamName): StreamState {
    const stream = this.#streams.get(name);
    if (stream === undefined) throw new TypeError("Cannot keep bounds: the stream is not known");
    return stream;
  }

  #set(stream: StreamState): void {
    const former = this.#streams.get(stream.name);
    this.#remember(stream.name);
    this.#streams.set(stream.name, stream);
    this.#addBytes(costOf(stream) - (former === undefined ? 0 : costOf(former)));
    if (isEmpty(stream)) this.#isFull = false;
  }

  #remember(name: StreamName): void {
    if (!this.#committed.has(name)) this.#committed.set(name, this.#streams.get(name));
  }

  #addBytes(bytes: number): void {
    this.#totals = { ...this.#totals, bytes: this.#totals.bytes + bytes };
  }

  /** Moves a stream's first and oldest places up; neither moves down. */
  #cut(stream: StreamState, first: number, oldest: number): StreamState {
    const from = Math.max(stream.oldest, first, oldest);
    if (from === stream.oldest) return first === stream.first ? stream : { ...stream, first };
    const oldestOffset = from > stream.head ? stream.endOffset : this.#look(stream.id, from).offset;
    return { ...stream, first, oldest: from, oldestOffset };
  }

  /** Finds the first place that is not older than a time: times never decrease within a stream. */
  #firstSince(stream: StreamState, oldestAt: number): number {
    if (stream.lastAt < oldestAt) return stream.head + 1;
    let low = stream.first;
    let high = stream.head;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.#look(stream.id, middle).at < oldestAt) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #shrinkLargest(justPlaced: StreamName): boolean {
    let largest = this.#known(justPlaced);
    for (const stream of this.#streams.values()) {
      if (costOf(stream) > costOf(largest)) largest = stream;
    }
    const count = largest.head + 1 - largest.first;
    const kept = largest.name === justPlaced ? 1 : 0;
    const due = Math.min(Math.ceil(count / SHRINK_SHARE), count - kept);
    if (due > 0) this.#set(this.#cut(largest, largest.first + due, largest.oldest));
    return due > 0;
  }

  #open(name: StreamName): StreamState | undefined {
    if (!this.#makeRoom()) return undefined;
    const { floor } = this.#totals;
    const id = this.#totals.lastId + 1;
    this.#totals = { ...this.#totals, lastId: id };
    return {
      id,
      name,
      head: floor.seq,
      lastAt: floor.at,
      endOffset: 0,
      first: floor.seq + 1,
      firstAt: floor.at,
      oldest: floor.seq + 1,
      oldestOffset: 0,
      handed: floor.seq,
    };
  }

  /** Sees to it that one more stream may begin, and tells whether it may. */
  #makeRoom(): boolean {
    const { streams } = this.#limits;
    if (this.#streams.size < streams) return true;
    if (this.#isFull) return false;
    for (const stream of this.#streams.values()) {
      if (isEmpty(stream)) this.#forget(stream);
    }
    if (this.#streams.size >= streams) this.#forgetRead();
    this.#isFull = this.#streams.size >= streams;
    return !this.#isFull;
  }

  /**
   * Forgets what nobody waits for: first inboxes that were handed over, then rooms, of each sort those written longest
   * ago. Otherwise whoever fills the log once shuts out all new streams.
   */
  #forgetRead(): void {
    const isRoom = ({ name }: StreamState) => name.startsWith(ROOM_PREFIX);
    const read = [...this.#streams.values()].filter((stream) => isRoom(stream) || stream.handed >= stream.head);
    read.sort((a, b) => Number(isRoom(a)) - Number(isRoom(b)) || a.lastAt - b.lastAt);
    const due = Math.ceil(this.#limits.streams / FORGET_SHARE);
    for (const stream of read.slice(0, due)) this.#forget(stream);
  }

  #forget(stream: StreamState): void {
    const { floor } = this.#totals;
    this.#remember(stream.name);
    this.#streams.delete(stream.name);
    this.#forgotten.push(stream);
    this.#totals = {
      ...this.#totals,
      bytes: this.#totals.bytes - costOf(stream),
      floor: { seq: Math.max(floor.seq, stream.head), at: Math.max(floor.at, stream.lastAt) },
    };
  }
}

function isEmpty(stream: StreamState): boolean {
  return stream.first > stream.head;
}

/** What the events that can be read cost. */
function eventBytesOf(stream: StreamState): number {
  return stream.endOffset - stream.oldestOffset + (stream.head + 1 - stream.oldest) * EVENT_OVERHEAD_BYTES;
}

/** What they cost with the remembered ids of those before them. */
function costOf(stream: StreamState): number {
  return stream.endOffset - stream.oldestOffset + (stream.head + 1 - stream.first) * EVENT_OVERHEAD_BYTES;
}
