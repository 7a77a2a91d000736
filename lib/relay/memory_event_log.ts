/**
 * The event log in memory. Each stream is a queue of records: the newest of them are whole events, older ones have lost
 * their body and are there to recognise a repeat. The ledger says what has to go; appending costs a constant amount.
 * @module
 */

import type { Bytes } from "../bytes/writer.ts";
import type { EventId, EventKind, Fingerprint, StreamName } from "../wire/messages.ts";
import { roomOf } from "./effects.ts";
import {
  type AppendResult,
  type CommitResult,
  EVENT_OVERHEAD_BYTES,
  type EventLog,
  type EventLogLimits,
  type KeptAbout,
  type NewEvent,
  type Place,
  type PublishedIn,
  type ReadLimits,
  type ReceivedFrom,
  type StoredEvent,
  type StoredOp,
} from "./event_log.ts";
import { MemoryOps } from "./memory_event_ops.ts";
import { newOpOf } from "./op_ledger.ts";
import { Queue } from "./queue.ts";
import type { Snapshots } from "./snapshots.ts";
import { StreamLedger, type StreamState } from "./stream_ledger.ts";

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
  readonly offset: number;
  readonly publisher: Fingerprint;
  readonly kind: EventKind;
  readonly id: EventId;
  /** Of an op. */
  readonly epoch?: number;
  body: Bytes | undefined;
}

/** The records of a stream, without a gap; those from the place `oldest` on have bodies. */
interface Records {
  readonly queue: Queue<EventRecord>;
  readonly byKey: Map<string, EventRecord>;
  oldest: number;
}

/** An `EventLog` that lives as long as the process. */
export class MemoryEventLog implements EventLog {
  /** The life of this log. */
  readonly generation: string;
  readonly #ledger: StreamLedger;
  /** By the stream's number. */
  readonly #records = new Map<number, Records>();
  readonly #ops: MemoryOps;

  /**
   * Starts empty.
   * @param options the generation, and bounds for tests
   */
  constructor(options: MemoryEventLogOptions) {
    this.generation = options.generation;
    this.#ledger = new StreamLedger({
      ...(options.limits && { limits: options.limits }),
      look: (streamId, seq) => this.#recordAt(streamId, seq),
    });
    this.#ops = new MemoryOps(options);
  }

  /** From what newcomers of rooms start whose old ops may go. */
  get snapshots(): Snapshots {
    return this.#ops;
  }

  /**
   * Gives an event the next place of its stream; see `EventLog.append`.
   * @param event the event
   * @returns its place, `full` when its stream is new and no other may be forgotten for it, or `opsFull`
   */
  append(event: NewEvent): AppendResult {
    const known = this.find(event.stream, event.publisher, event.id);
    if (known !== undefined) return { kind: "placed", ...known, isRepeat: true };
    const room = event.kind === "op" ? roomOf(event.stream) : undefined;
    if (room !== undefined && !this.#ops.makeRoom(room, newOpOf(event))) return { kind: "opsFull" };
    const place = this.#ledger.place(event.stream, event.body.length, event.atMs);
    if (place === undefined) return { kind: "full" };
    const { streamId, seq, at, offset } = place;
    const { publisher, kind, id, body } = event;
    const numbered = room === undefined ? {} : { epoch: this.#ops.add(room, at, body) };
    const records = this.#records.get(streamId) ?? { queue: new Queue(), byKey: new Map(), oldest: seq };
    this.#records.set(streamId, records);
    const record: EventRecord = { key: publisher + id, seq, at, offset, publisher, kind, id, body, ...numbered };
    records.queue.push(record);
    records.byKey.set(record.key, record);
    this.#ledger.keepBounds(event.stream);
    this.#clearAway();
    return { kind: "placed", seq, at, ...numbered, isRepeat: false };
  }

  /**
   * Finds the place that an event was given; see `EventLog.find`.
   * @param stream its stream
   * @param publisher who published it
   * @param id the publisher's id
   * @returns the place, or `undefined` when it is not known
   */
  find(stream: StreamName, publisher: Fingerprint, id: EventId): Place | undefined {
    const state = this.#ledger.get(stream);
    const record = state && this.#records.get(state.id)?.byKey.get(publisher + id);
    return record && { seq: record.seq, at: record.at, ...numberOf(record) };
  }

  /**
   * Reads the events after a place; see `EventLog.read`.
   * @param stream the stream
   * @param afterSeq the place before the first one wanted
   * @param limits how much at once
   * @returns the events, in order
   */
  read(stream: StreamName, afterSeq: number, limits: ReadLimits): readonly StoredEvent[] {
    const state = this.#ledger.get(stream);
    if (state === undefined) return [];
    const events: StoredEvent[] = [];
    let bytes = 0;
    const firstSeq = Math.max(afterSeq + 1, state.oldest);
    for (let seq = firstSeq; seq <= state.head && events.length < limits.maxEvents; seq++) {
      const event = toStoredEvent(stream, this.#recordAt(state.id, seq));
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
   */
  departure(room: Fingerprint, skip: number): number {
    return this.#ops.departure(room, skip);
  }

  /**
   * Counts what is kept about an identity; see `EventLog.about`.
   * @param identity whose
   * @param most how many authors and streams are listed
   * @returns what is in its inbox, and what it published
   */
  about(identity: Fingerprint, most: number): KeptAbout {
    const received = new Map<Fingerprint, ReceivedFrom>();
    const published: PublishedIn[] = [];
    for (const { id, name } of this.#ledger.all()) {
      const own = { stream: name, events: 0, firstAt: 0, lastAt: 0 };
      const queue = this.#records.get(id)?.queue;
      for (let i = 0; i < (queue?.length ?? 0); i++) {
        const { publisher, at, body } = queue?.at(i) as EventRecord;
        if (publisher === identity) {
          own.firstAt ||= at;
          own.lastAt = at;
          own.events++;
        }
        if (name !== `inbox/${identity}`) continue;
        const { events, bytes, firstAt } = received.get(publisher) ?? { events: 0, bytes: 0, firstAt: at };
        const more = { events: events + 1, bytes: bytes + (body?.length ?? 0), firstAt, lastAt: at };
        received.set(publisher, { publisher, ...more });
      }
      if (own.events > 0) published.push(own);
    }
    const from = [...received.values()];
    const bytes = from.reduce((total, row) => total + row.bytes, 0);
    return {
      received: { events: eventsOf(from), bytes, authors: from.length, from: mostOf(from, most) },
      published: { events: eventsOf(published), streams: published.length, in: mostOf(published, most) },
    };
  }

  /**
   * Remembers how far an inbox was handed; see `EventLog.hand`.
   * @param inbox the inbox
   * @param seq the last place that was
   */
  hand(inbox: StreamName, seq: number): void {
    this.#ledger.hand(inbox, seq);
    this.#ledger.commit();
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
   * Drops events and ids that are too old; see `EventLog.trim`.
   * @param nowMs the time of the relay's clock
   */
  trim(nowMs: number): void {
    this.#ledger.trim(nowMs);
    this.#ops.trim(nowMs);
    this.#clearAway();
  }

  /**
   * Does nothing: memory is as safe as it gets; see `EventLog.commit`.
   * @returns that all is stored
   */
  commit(): CommitResult {
    return { kind: "stored", hasMore: false };
  }

  #recordAt(streamId: number, seq: number): EventRecord {
    const queue = this.#records.get(streamId)?.queue;
    const first = queue?.at(0);
    const record = first && queue?.at(seq - first.seq);
    if (record === undefined) throw new TypeError(`Cannot read stream: place ${seq} has no record`);
    return record;
  }

  /** Drops what the ledger does not count any more. */
  #clearAway(): void {
    const { changed, forgotten } = this.#ledger.changes();
    for (const { id } of forgotten) this.#records.delete(id);
    for (const state of changed) this.#clearStream(state);
    this.#ledger.commit();
  }

  #clearStream({ id, first, oldest }: StreamState): void {
    const records = this.#records.get(id);
    if (records === undefined) return;
    for (; records.oldest < oldest; records.oldest++) this.#recordAt(id, records.oldest).body = undefined;
    for (let next = records.queue.at(0); next !== undefined && next.seq < first; next = records.queue.at(0)) {
      records.queue.shift();
      records.byKey.delete(next.key);
    }
  }
}

function eventsOf(rows: readonly { readonly events: number }[]): number {
  return rows.reduce((total, { events }) => total + events, 0);
}

function mostOf<T extends { readonly events: number }>(rows: readonly T[], most: number): T[] {
  return rows.toSorted((a, b) => b.events - a.events).slice(0, most);
}

function toStoredEvent(stream: StreamName, record: EventRecord): StoredEvent {
  const { seq, at, publisher, kind, id, body } = record;
  if (body === undefined) throw new TypeError(`Cannot read stream: place ${seq} has no event`);
  return { stream, seq, at, publisher, kind, id, body, ...numberOf(record) };
}

function numberOf({ epoch }: EventRecord): { epoch?: number } {
  return epoch === undefined ? {} : { epoch };
}
