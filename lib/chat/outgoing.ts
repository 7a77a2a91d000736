/**
 * One's own lines on their way: first they wait in their conversation for the keys of whom they are for, then they are
 * with the relay until it accepts them. Lines of one conversation leave in the order in which they were written.
 * @module
 */

import type { EventId, Fingerprint, StreamName } from "../wire/messages.ts";
import type { Place, Ref } from "./events.ts";

/** How many lines may be on their way; while so many are, no input is read. */
export const OUTGOING_MAX = 256;

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
  readonly #waiting = new Map<StreamName, OutgoingLine[]>();
  readonly #published = new Map<EventId, OutgoingLine>();
  #waitingCount = 0;

  /** Whether no further line may be taken. */
  get isFull(): boolean {
    return this.#waitingCount + this.#published.size >= OUTGOING_MAX;
  }

  /** Whether no line is on its way. */
  get isEmpty(): boolean {
    return this.#waitingCount + this.#published.size === 0;
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
    const queue = this.#waiting.get(line.stream);
    if (queue === undefined) this.#waiting.set(line.stream, [line]);
    else queue.push(line);
    this.#waitingCount++;
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
   * Takes the line that leaves next out of its conversation.
   * @param stream the conversation's stream
   */
  take(stream: StreamName): void {
    const queue = this.#waiting.get(stream);
    if (queue?.shift() !== undefined) this.#waitingCount--;
    if (queue?.length === 0) this.#waiting.delete(stream);
  }

  /**
   * Notes that a line is with the relay.
   * @param line a line that was taken
   */
  publish(line: OutgoingLine): void {
    this.#published.set(line.id, line);
  }

  /**
   * Notes that the relay has answered for a line.
   * @param id its event's id
   * @returns the line, `undefined` when none of that id was with the relay
   */
  settle(id: EventId): OutgoingLine | undefined {
    const line = this.#published.get(id);
    this.#published.delete(id);
    return line;
  }

  /**
   * Lists every line that was not accepted.
   * @returns first those with the relay, then those that wait, each in order
   */
  unaccepted(): OutgoingLine[] {
    return [...this.#published.values(), ...[...this.#waiting.values()].flat()];
  }
}
