/**
 * The event log in memory. Each stream is a queue of records: the newest of them are whole events, older ones have lost
 * their body and are there to recognise a repeat. The ledger says what has to go; appending costs a constant amount.
 * @module
 */

import type { Bytes } from "../bytes/writer.ts";
import type { EventId, EventKind, Fingerprint, StreamName } from "../wire/messages.ts";
import {
  type AppendResult,
  type CommitResult,
  EVENT_OVERHEAD_BYTES,
  type EventLog,
  type EventLogLimits,
  type NewEvent,
  type Place,
  type ReadLimits,
  type StoredEvent,
} from "./event_log.ts";
import { Queue } from "./queue.ts";
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
  }

  /**
   * Gives an event the next place of its stream; see `EventLog.append`.
   * @param event the event
   * @returns its place, or `full` when its stream is new and no other may be forgotten for it
   */
  append(event: NewEvent): AppendResult {
    const known = this.find(event.stream, event.publisher, event.id);
    if (known !== undefined) return { kind: "placed", ...known, isRepeat: true };
    const place = this.#ledger.place(event.stream, event.body.length, event.atMs);
    if (place === undefined) return { kind: "full" };
    const { streamId, seq, at, offset } = place;
    const { publisher, kind, id, body } = event;
    const records = this.#records.get(streamId) ?? { queue: new Queue(), byKey: new Map(), oldest: seq };
    this.#records.set(streamId, records);
    const record: EventRecord = { key: publisher + id, seq, at, offset, publisher, kind, id, body };
    records.queue.push(record);
    records.byKey.set(record.key, record);
    this.#ledger.keepBounds(event.stream);
    this.#clearAway();
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
    const state = this.#ledger.get(stream);
    const record = state && this.#records.get(state.id)?.byKey.get(publisher + id);
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
   * Drops events and ids that are too old; see `EventLog.trim`.
   * @param nowMs the time of the relay's clock
   */
  trim(nowMs: number): void {
    this.#ledger.trim(nowMs);
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

function toStoredEvent(stream: StreamName, record: EventRecord): StoredEvent {
  const { seq, at, publisher, kind, id, body } = record;
  if (body === undefined) throw new TypeError(`Cannot read stream: place ${seq} has no event`);
  return { stream, seq, at, publisher, kind, id, body };
}
