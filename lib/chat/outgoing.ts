/**
 * One's own lines on their way: first they wait in their conversation for the keys of whom they are for, then they are
 * with the relay until it accepts them. Lines of one conversation leave in the order in which they were written.
 * @module
 */

import type { EventId, Fingerprint, StreamName } from "../wire/messages.ts";
import type { Place, Ref } from "./events.ts";

/** How many lines may be on their way; while so many are, no input is read. */
export const OUTGOING_MAX = 256;
/**
 * How many bytes may be with the relay and not accepted: a quarter of what a link's outbox holds. Lines that waited for
 * keys all become ready in one turn; without this bound they would burst that outbox, and the link with it.
 */
export const PUBLISHED_MAX_BYTES: number = 1024 * 1024;

/** A line and whom it is for. */
export interface OutgoingLine {
  /** The id of its event, the same for all readers. */
  readonly id: EventId;
  /** Where the person wrote it. */
  readonly place: Place;
  /** The stream that it is published in. */
  readonly stream: StreamName;
  /** The room that it belongs to; `null` in a private conversation. */
  readonly room: Fingerprint | null;
  /** Whom the person was shown when it was written; nobody else ever gets it. */
  readonly audience: readonly Fingerprint[];
  /** What was written. */
  readonly text: string;
  /** When it was written. */
  readonly sentAtMs: number;
  /** What a script put beside it. */
  readonly ref?: Ref;
}

/** The lines of one client that the relay has not accepted yet. */
export class Outgoing {
  /** Every line on its way, in the order in which they were written. */
  readonly #lines = new Map<EventId, OutgoingLine>();
  readonly #waiting = new Map<StreamName, OutgoingLine[]>();
  /** What of them is with the relay, and how long it is. */
  readonly #publishedBytes = new Map<EventId, number>();
  #publishedTotalBytes = 0;

  /** Whether no further line may be taken. */
  get isFull(): boolean {
    return this.#lines.size >= OUTGOING_MAX;
  }

  /** Whether no line is on its way. */
  get isEmpty(): boolean {
    return this.#lines.size === 0;
  }

  /** Whether so much is with the relay that nothing more is handed to it before it accepts some. */
  get isRelayBusy(): boolean {
    return this.#publishedTotalBytes >= PUBLISHED_MAX_BYTES;
  }

  /** The streams in which lines wait. */
  get waitingStreams(): StreamName[] {
    return [...this.#waiting.keys()];
  }

  /**
   * Adds a line at the end of its conversation.
   * @param line what was written
   */
  add(line: OutgoingLine): void {
    this.#lines.set(line.id, line);
    const queue = this.#waiting.get(line.stream);
    if (queue === undefined) this.#waiting.set(line.stream, [line]);
    else queue.push(line);
  }

  /**
   * Looks at the line that leaves next.
   * @param stream the conversation's stream
   * @returns the line, `undefined` when none waits
   */
  peek(stream: StreamName): OutgoingLine | undefined {
    return this.#waiting.get(stream)?.[0];
  }

  /**
   * Takes the line that leaves next out of its conversation; it stays on its way until it is settled or dropped.
   * @param stream the conversation's stream
   */
  take(stream: StreamName): void {
    const queue = this.#waiting.get(stream);
    queue?.shift();
    if (queue?.length === 0) this.#waiting.delete(stream);
  }

  /**
   * Notes that a line is with the relay.
   * @param line a line that was taken
   * @param bodyBytes the length of what was handed over
   */
  publish(line: OutgoingLine, bodyBytes: number): void {
    this.#publishedBytes.set(line.id, bodyBytes);
    this.#publishedTotalBytes += bodyBytes;
  }

  /**
   * Finds a line that is with the relay.
   * @param id its event's id
   * @returns the line, `undefined` when none of that id is with the relay
   */
  published(id: EventId): OutgoingLine | undefined {
    return this.#publishedBytes.has(id) ? this.#lines.get(id) : undefined;
  }

  /**
   * Notes that a line is not on its way any more: the relay has answered for it, or it cannot be sent.
   * @param id its event's id
   */
  settle(id: EventId): void {
    this.#publishedTotalBytes -= this.#publishedBytes.get(id) ?? 0;
    this.#publishedBytes.delete(id);
    this.#lines.delete(id);
  }

  /**
   * Lists every line that was not accepted.
   * @returns the lines, in the order in which they were written
   */
  unaccepted(): OutgoingLine[] {
    return [...this.#lines.values()];
  }
}
