/**
 * The event log in memory. Each stream is a queue of records: the newest of them are whole events, older ones have lost
 * their body and are there to recognise a repeat. Appending costs a constant amount; what is over a bound goes at once,
 * oldest first, and takes nothing from another stream, except that the largest stream pays when all are too large.
 * @module
 */

import type { Bytes } from "../bytes/writer.ts";
import type { EventId, EventKind, Fingerprint, StreamName } from "../wire/messages.ts";
import {
  type AppendResult,
  EVENT_LOG_LIMITS,
  EVENT_OVERHEAD_BYTES,
  type EventLog,
  type EventLogLimits,
  type NewEvent,
  type Place,
  type ReadLimits,
  type StoredEvent,
} from "./event_log.ts";
import { Queue } from "./queue.ts";

/** The share of the largest stream that goes when all are too large: scanning for it then costs little an event. */
const SHRINK_SHARE = 8;
/** The share of all streams that goes when there are too many: a scan of all then makes room for many new ones. */
const FORGET_SHARE = 100;
/** How the names of streams begin that may go: an inbox's events wait for somebody, a room's were told to who was there. */
const ROOM_PREFIX = "room/";

/** What `MemoryEventLog` is made from. */
export interface MemoryEventLogOptions {
  /** 16 random bytes in lower-case hexadecimal, fresh for each log. */
  readonly generation: string;
  /** Other bounds than the real ones, for tests. */
  readonly limits?: Partial<EventLogLimits>;
}

interface EventRecord {
  readonly key: string;
  readonly seq: number;
  readonly at: number;
  readonly publisher: Fingerprint;
  readonly kind: EventKind;
  readonly id: EventId;
  body: Bytes | undefined;
}

/** The records have the places up to `head` without a gap; the last `events` of them have bodies. */
interface StreamState {
  readonly name: StreamName;
  readonly records: Queue<EventRecord>;
  readonly byKey: Map<string, EventRecord>;
  head: number;
  lastAt: number;
  events: number;
  eventBytes: number;
}

/** An `EventLog` that lives as long as the process. */
export class MemoryEventLog implements EventLog {
  /** The life of this log. */
  readonly generation: string;
  readonly #limits: EventLogLimits;
  readonly #streams = new Map<StreamName, StreamState>();
  #totalBytes = 0;
  /** Whether a scan found no stream to forget, and none became empty since: scanning again would be in vain. */
  #isFull = false;
  // A stream that was forgotten starts again above every place that any forgotten one had: no place is given twice.
  #floorSeq = 0;
  #floorAt = 0;

  /**
   * Starts empty.
   * @param options the generation, and bounds for tests
   */
  constructor(options: MemoryEventLogOptions) {
    this.generation = options.generation;
    this.#limits = { ...EVENT_LOG_LIMITS, ...options.limits };
  }

  /**
   * Gives an event the next place of its stream; see `EventLog.append`.
   * @param event the event
   * @returns its place, or `full` when its stream is new and no other may be forgotten for it
   */
  append(event: NewEvent): AppendResult {
    const known = this.find(event.stream, event.publisher, event.id);
    if (known !== undefined) return { kind: "placed", ...known, isRepeat: true };
    const stream = this.#streams.get(event.stream) ?? this.#open(event.stream);
    if (stream === undefined) return { kind: "full" };
    const { seq, at } = this.#place(stream, event);
    this.#keepBounds(stream);
    return { kind: "placed", seq, at, isRepeat: false };
  }

  /**
   * Finds the place that an event was given; see `EventLog.find`.
   * @param stream its stream
   * @param publisher who published it
   * @param id the publisher's id
   * @returns the place, or `undefined` when it is not known
   */
  find(stream: StreamName, publisher: Fingerprint, id: EventId): Place | undefined {
    const record = this.#streams.get(stream)?.byKey.get(publisher + id);
    return record && { seq: record.seq, at: record.at };
  }

  /**
   * Reads the events after a place; see `EventLog.read`.
   * @param stream the stream
   * @param afterSeq the place before the first one wanted
   * @param limits how much at once
   * @returns the events, in order
   */
  read(stream: StreamName, afterSeq: number, limits: ReadLimits): readonly StoredEvent[] {
    const state = this.#streams.get(stream);
    if (state === undefined) return [];
    const events: StoredEvent[] = [];
    let bytes = 0;
    const firstSeq = Math.max(afterSeq + 1, this.oldest(stream));
    for (let seq = firstSeq; seq <= state.head && events.length < limits.maxEvents; seq++) {
      const event = toStoredEvent(state, seq);
      bytes += event.body.length + EVENT_OVERHEAD_BYTES;
      if (bytes > limits.maxBytes && events.length > 0) break;
      events.push(event);
    }
    return events;
  }

  /**
   * Gives the last place of a stream; see `EventLog.head`.
   * @param stream the stream
   * @returns the place
   */
  head(stream: StreamName): number {
    return this.#streams.get(stream)?.head ?? this.#floorSeq;
  }

  /**
   * Gives the oldest place that can still be read; see `EventLog.oldest`.
   * @param stream the stream
   * @returns the place, one above `head` when nothing can be read
   */
  oldest(stream: StreamName): number {
    const state = this.#streams.get(stream);
    return state === undefined ? this.#floorSeq + 1 : state.head - state.events + 1;
  }

  /**
   * Drops events and ids that are too old; see `EventLog.trim`.
   * @param nowMs the time of the relay's clock
   */
  trim(nowMs: number): void {
    const oldestAt = nowMs - this.#limits.ageMs;
    for (const stream of this.#streams.values()) {
      while ((stream.records.at(0)?.at ?? oldestAt) < oldestAt) this.#forgetRecord(stream);
    }
  }

  #open(name: StreamName): StreamState | undefined {
    if (!this.#makeRoom()) return undefined;
    const stream: StreamState = {
      name,
      records: new Queue(),
      byKey: new Map(),
      head: this.#floorSeq,
      lastAt: this.#floorAt,
      events: 0,
      eventBytes: 0,
    };
    this.#streams.set(name, stream);
    return stream;
  }

  #place(stream: StreamState, event: NewEvent): EventRecord {
    const record: EventRecord = {
      key: event.publisher + event.id,
      seq: stream.head + 1,
      // A clock that was set back must not make a later event look older.
      at: Math.max(stream.lastAt, event.atMs),
      publisher: event.publisher,
      kind: event.kind,
      id: event.id,
      body: event.body,
    };
    stream.records.push(record);
    stream.byKey.set(record.key, record);
    stream.head = record.seq;
    stream.lastAt = record.at;
    stream.events++;
    stream.eventBytes += costBytes(event.body);
    this.#totalBytes += costBytes(event.body);
    return record;
  }

  #keepBounds(stream: StreamState): void {
    const { streamEvents, streamBytes, streamIds, totalBytes } = this.#limits;
    // The event that was just placed stays whatever the bounds are: its publisher is about to hear that it is stored.
    while (stream.events > 1 && (stream.events > streamEvents || stream.eventBytes > streamBytes)) {
      this.#dropBody(stream);
    }
    while (stream.records.length > Math.max(1, streamIds)) this.#forgetRecord(stream);
    while (this.#totalBytes > totalBytes && this.#shrinkLargest(stream));
  }

  #shrinkLargest(justAppended: StreamState): boolean {
    let largest = justAppended;
    for (const stream of this.#streams.values()) {
      if (costOf(stream) > costOf(largest)) largest = stream;
    }
    const kept = largest === justAppended ? 1 : 0;
    const due = Math.min(Math.ceil(largest.records.length / SHRINK_SHARE), largest.records.length - kept);
    for (let i = 0; i < due; i++) this.#forgetRecord(largest);
    return due > 0;
  }

  #dropBody(stream: StreamState): void {
    const record = stream.records.at(stream.records.length - stream.events);
    if (record?.body === undefined) throw new TypeError("Cannot trim stream: its oldest event has no body");
    stream.events--;
    stream.eventBytes -= costBytes(record.body);
    this.#totalBytes -= record.body.length;
    record.body = undefined;
  }

  #forgetRecord(stream: StreamState): void {
    if (stream.events === stream.records.length) this.#dropBody(stream);
    const record = stream.records.shift();
    if (record === undefined) throw new TypeError("Cannot trim stream: it has no records");
    stream.byKey.delete(record.key);
    this.#totalBytes -= EVENT_OVERHEAD_BYTES;
    if (stream.records.length === 0) this.#isFull = false;
  }

  /** Sees to it that one more stream may begin, and tells whether it may. */
  #makeRoom(): boolean {
    if (this.#streams.size < this.#limits.streams) return true;
    if (this.#isFull) return false;
    this.#forgetEmptyStreams();
    if (this.#streams.size >= this.#limits.streams) this.#forgetOldRooms();
    this.#isFull = this.#streams.size >= this.#limits.streams;
    return !this.#isFull;
  }

  #forgetEmptyStreams(): void {
    for (const stream of this.#streams.values()) {
      if (stream.records.length === 0) this.#forgetStream(stream);
    }
  }

  /** Forgets the rooms that were written longest ago: otherwise whoever fills the log once shuts out all new ones. */
  #forgetOldRooms(): void {
    const rooms = [...this.#streams.values()].filter((stream) => stream.name.startsWith(ROOM_PREFIX));
    rooms.sort((a, b) => a.lastAt - b.lastAt);
    const due = Math.ceil(this.#limits.streams / FORGET_SHARE);
    for (const stream of rooms.slice(0, due)) this.#forgetStream(stream);
  }

  #forgetStream(stream: StreamState): void {
    this.#floorSeq = Math.max(this.#floorSeq, stream.head);
    this.#floorAt = Math.max(this.#floorAt, stream.lastAt);
    this.#totalBytes -= costOf(stream);
    this.#streams.delete(stream.name);
  }
}

function costBytes(body: Bytes): number {
  return body.length + EVENT_OVERHEAD_BYTES;
}

function costOf(stream: StreamState): number {
  return stream.eventBytes + (stream.records.length - stream.events) * EVENT_OVERHEAD_BYTES;
}

function toStoredEvent(stream: StreamState, seq: number): StoredEvent {
  const record = stream.records.at(stream.records.length - 1 - (stream.head - seq));
  if (record?.body === undefined) throw new TypeError(`Cannot read stream: place ${seq} has no event`);
  const { at, publisher, kind, id, body } = record;
  return { stream: stream.name, seq, at, publisher, kind, id, body };
}
