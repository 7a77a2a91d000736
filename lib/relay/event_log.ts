/**
 * The log of events behind the relay (DESIGN 2): what the relay needs of a store, and nothing else. Each stream is an
 * ordered log; an event's place never changes, and the places of a stream are given without a gap, 1 first.
 * Implementations: in memory (`memory_event_log.ts`) and in a file (`io/sqlite_event_log.ts`), later JetStream.
 * @module
 */

import type { Bytes } from "../bytes/writer.ts";
import type { EventId, EventKind, Fingerprint, StreamName } from "../wire/messages.ts";
import type { Snapshots } from "./snapshots.ts";

/** Events a stream keeps: a busy room's weeks, and a catch-up that takes seconds. */
export const STREAM_MAX_EVENTS = 10_000;
/** Bytes a stream keeps, so that one room of long messages takes a sixteenth of the memory at most. */
export const STREAM_MAX_BYTES = 16 * 1024 * 1024;
/** How long an event is kept; longer, and the signed prekeys that it was made with are gone (PROTOCOL 3). */
export const EVENT_MAX_AGE_MS = 30 * 24 * 3600 * 1000;
/** Ids a stream remembers, with the event or after it: what a client that was away may send once more. */
export const STREAM_MAX_IDS = 40_000;
/** What all streams may take together: a relay must fit a small machine beside other programs. */
export const LOG_MAX_BYTES = 256 * 1024 * 1024;
/**
 * Streams a log knows: rooms and inboxes, of which an empty one costs a few hundred bytes. At the bound empty ones are
 * forgotten, then inboxes that were handed over, then the rooms that were written longest ago.
 */
export const LOG_MAX_STREAMS = 20_000;
/**
 * Ops of one room that are kept: a thousand members who come and go ten times. One room can take a ninth of what all may.
 * Where there is a snapshot the oldest before it then go.
 */
export const ROOM_OPS_MAX = 20_000;
/**
 * The last of them, which only signs of life may have: whatever filled a room while its members were away, one who comes
 * back can bear out where it stands, so that a snapshot is made and old ops go.
 */
export const OPS_RESERVED = 1_000;
/** Bytes of all ops and snapshots together, `EVENT_OVERHEAD_BYTES` each included: half of what events may take. */
export const OPS_MAX_BYTES = 128 * 1024 * 1024;
/**
 * The newest ops of a room, which stay whatever its snapshot says: the places that members know, and so those that an op
 * or the head of a message may name.
 */
export const OPS_KEPT_MIN = 1_280;
/** What an event costs beside its body: ids, strings and index, by measure of a heap. */
export const EVENT_OVERHEAD_BYTES = 512;

/** The bounds of a log; tests make them small. */
export interface EventLogLimits {
  /** Events of one stream. */
  readonly streamEvents: number;
  /** Bytes of one stream's events, `EVENT_OVERHEAD_BYTES` each included. */
  readonly streamBytes: number;
  /** Remembered ids of one stream, those of kept events included. */
  readonly streamIds: number;
  /** The age in milliseconds at which events and ids go. */
  readonly ageMs: number;
  /** Bytes of all streams together. */
  readonly totalBytes: number;
  /** Streams. */
  readonly streams: number;
  /** Ops of one room. */
  readonly roomOps: number;
  /** How many of them only signs of life of lasting identities may have. */
  readonly opsReserved: number;
  /** Bytes of all ops and snapshots, `EVENT_OVERHEAD_BYTES` each included. */
  readonly opBytes: number;
  /** The newest ops of a room that always stay, 1 at least. */
  readonly opsKept: number;
}

/** The bounds of a real log. */
export const EVENT_LOG_LIMITS: EventLogLimits = {
  streamEvents: STREAM_MAX_EVENTS,
  streamBytes: STREAM_MAX_BYTES,
  streamIds: STREAM_MAX_IDS,
  ageMs: EVENT_MAX_AGE_MS,
  totalBytes: LOG_MAX_BYTES,
  streams: LOG_MAX_STREAMS,
  roomOps: ROOM_OPS_MAX,
  opsReserved: OPS_RESERVED,
  opBytes: OPS_MAX_BYTES,
  opsKept: OPS_KEPT_MIN,
};

/** An event before it has a place. */
export interface NewEvent {
  /** The stream that it is for. */
  readonly stream: StreamName;
  /** Who publishes it. */
  readonly publisher: Fingerprint;
  /** What it holds; an op is for a room's stream alone. */
  readonly kind: EventKind;
  /** The publisher's id for it. */
  readonly id: EventId;
  /** The ciphertext; kept as it is, the caller must not change it afterwards. */
  readonly body: Bytes;
  /** The time of the relay's clock. */
  readonly atMs: number;
  /** Of an op: whether it may have one of the last places of its room; `OPS_RESERVED`. */
  readonly isReserved?: boolean;
}

/** An event that is read back. */
export interface StoredEvent {
  /** Its stream. */
  readonly stream: StreamName;
  /** Its place, from 1. */
  readonly seq: number;
  /** When it was stored; never less than that of the event before it. */
  readonly at: number;
  /** Who published it. */
  readonly publisher: Fingerprint;
  /** What it holds. */
  readonly kind: EventKind;
  /** The publisher's id for it. */
  readonly id: EventId;
  /** The ciphertext; the reader must not change it. */
  readonly body: Bytes;
  /** Of an op: its place among the ops of its room. */
  readonly epoch?: number;
}

/** An op that is read back. */
export interface StoredOp {
  /** Its place among the ops of its room, from 1. */
  readonly epoch: number;
  /** When it was stored. */
  readonly at: number;
  /** The op; the reader must not change it. */
  readonly op: Bytes;
}

/** An event's place. */
export interface Place {
  /** The place, from 1. */
  readonly seq: number;
  /** When it was stored. */
  readonly at: number;
  /** Of an op: its place among the ops of its room, from 1. */
  readonly epoch?: number;
}

/**
 * What came of an append: a place, which holds once `commit` has stored it; no room for one more stream, for all are
 * inboxes with events; no room for one more op; or the store refuses, and `commit` will say so.
 */
export type AppendResult =
  | ({ readonly kind: "placed"; readonly isRepeat: boolean } & Place)
  | { readonly kind: "full" }
  | { readonly kind: "opsFull" }
  | { readonly kind: "failed" };

/** What came of a commit. */
export type CommitResult =
  /** Everything up to here is stored. `hasMore`: clearing away goes on; trim and commit again soon. */
  | { readonly kind: "stored"; readonly hasMore: boolean }
  /** The log is what it was after the last commit that succeeded; `reason` is a word for the operator. */
  | { readonly kind: "failed"; readonly reason: string };

/** What is kept of one author's events in the inbox of whoever asks. */
export interface ReceivedFrom {
  /** The author. */
  readonly publisher: Fingerprint;
  /** How many, those of which only the id is remembered included. */
  readonly events: number;
  /** How long the kept bodies are. */
  readonly bytes: number;
  /** When the first of them was stored. */
  readonly firstAt: number;
  /** When the last of them was. */
  readonly lastAt: number;
}

/** What is kept of one's own events in a stream. */
export interface PublishedIn {
  /** The stream. */
  readonly stream: StreamName;
  /** How many, those of which only the id is remembered included. */
  readonly events: number;
  /** When the first of them was stored. */
  readonly firstAt: number;
  /** When the last of them was. */
  readonly lastAt: number;
}

/** What is kept about one identity. */
export interface KeptAbout {
  /** What is in its inbox: all of it in numbers, and by author. */
  readonly received: {
    readonly events: number;
    readonly bytes: number;
    readonly authors: number;
    readonly from: readonly ReceivedFrom[];
  };
  /** What it published: all of it in numbers, and by stream. */
  readonly published: { readonly events: number; readonly streams: number; readonly in: readonly PublishedIn[] };
}

/** How much one read may give; the first event is given even when it is larger. */
export interface ReadLimits {
  /** Events. */
  readonly maxEvents: number;
  /** Bytes, `EVENT_OVERHEAD_BYTES` an event included. */
  readonly maxBytes: number;
}

/**
 * An ordered log for each stream. Synchronous. What was appended can be read at once, but nobody may be told of it before
 * `commit` has made it as safe as the store can: many events then cost one wait for the disk.
 */
export interface EventLog {
  /** The life of this log: 16 random bytes in hexadecimal, another whenever a log starts without its past. */
  readonly generation: string;
  /** From what newcomers of rooms start whose old ops may go. */
  readonly snapshots: Snapshots;

  /**
   * Gives an event the next place of its stream. The same (publisher, stream, id) again gives the first place and
   * stores nothing; the pair is remembered beyond the event's own life, up to `streamIds` and `ageMs`. An op is kept
   * apart as well, whatever becomes of its stream; at a bound it takes the place of ops that a snapshot made dispensable.
   * @param event the event
   * @returns its place; `full` when its stream is new and no other may be forgotten for it; `opsFull` when its room has
   *   as many ops as it may; `failed` when the store refuses, and then for every event up to the next commit
   */
  append(event: NewEvent): AppendResult;

  /**
   * Finds the place that an event was given, so that a repeat is answered before anything else is judged.
   * @param stream its stream
   * @param publisher who published it
   * @param id the publisher's id
   * @returns the place, or `undefined` when it was never stored or is forgotten
   */
  find(stream: StreamName, publisher: Fingerprint, id: EventId): Place | undefined;

  /**
   * Reads the events after a place, in order; those already trimmed are left out.
   * @param stream the stream
   * @param afterSeq the place before the first one wanted
   * @param limits how much at once
   * @returns the events, none when there are no more
   */
  read(stream: StreamName, afterSeq: number, limits: ReadLimits): readonly StoredEvent[];

  /**
   * Gives the last place of a stream.
   * @param stream the stream
   * @returns the place, 0 when nothing was ever stored
   */
  head(stream: StreamName): number;

  /**
   * Gives the oldest place that can still be read.
   * @param stream the stream
   * @returns the place, one above `head` when nothing can be read
   */
  oldest(stream: StreamName): number;

  /**
   * Reads the ops of a room after a place, in order and without a gap; those that were dropped are left out.
   * @param room the room
   * @param afterEpoch the place before the first one wanted
   * @param limits how much at once; bytes as they stand on a page, `PAGED_OP_HEAD_BYTES` an op included
   * @returns the ops, none when there are no more
   */
  ops(room: Fingerprint, afterEpoch: number, limits: ReadLimits): readonly StoredOp[];

  /**
   * Tells how many ops a room has.
   * @param room the room
   * @returns the place of the last, 0 when there is none
   */
  epoch(room: Fingerprint): number;

  /**
   * Finds the last op of a room that says of itself that it is a departure, or one before it.
   * @param room the room
   * @param skip how many departures to pass over, from the last back
   * @returns the op's place, 0 when no more than `skip` are kept
   */
  departure(room: Fingerprint, skip: number): number;

  /**
   * Remembers how far an inbox was handed to its owner. Kept with a later commit: after a crash it may be less.
   * @param inbox the inbox
   * @param seq the last place that was handed
   */
  hand(inbox: StreamName, seq: number): void;

  /**
   * Tells how far an inbox was handed to its owner.
   * @param inbox the inbox
   * @returns the last place that was
   */
  handed(inbox: StreamName): number;

  /**
   * Counts what is kept about an identity: all that there is, what was trimmed and not cleared away yet included.
   * @param identity whose
   * @param most how many authors and streams are listed, those with most events
   * @returns what is in its inbox, by author, and what it published, by stream
   */
  about(identity: Fingerprint, most: number): KeptAbout;

  /**
   * Drops what is too old and may go, perhaps not all of it at once; to be followed by `commit`, which tells whether there is more.
   * @param nowMs the time of the relay's clock
   */
  trim(nowMs: number): void;

  /**
   * Stores all that happened since the last commit, or undoes it.
   * @returns which of the two
   */
  commit(): CommitResult;
}
