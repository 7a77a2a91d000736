/**
 * One's own lines on their way: first they wait in their conversation for the keys of whom they are for, then they are
 * with the relay until it accepts them. Lines of one conversation leave in the order in which they were written.
 * @module
 */

import type { SealedForRoom } from "../e2ee/room_types.ts";
import type { EventId, Fingerprint, StreamName } from "../wire/messages.ts";
import type { Place, Ref } from "./events.ts";
import type { KeptLine } from "./outbox_line.ts";

/** How many lines may be on their way; while so many are, no input is read. */
export const OUTGOING_MAX = 256;
/** How many may wait for a relay that cannot be reached. */
export const OUTBOX_MAX = 10_000;
/**
 * How many bytes may be with the relay and not accepted: a quarter of what a link's outbox holds. Lines that waited for
 * keys all become ready in one turn; without this bound they would burst that outbox, and the link with it.
 */
export const PUBLISHED_MAX_BYTES: number = 1024 * 1024;

/** A line and whom it is for. */
export interface OutgoingLine {
  /** The id of its event, the same for all readers. */
  readonly id: EventId;
  /** What it is. */
  readonly kind: "text" | "topic" | "invitation";
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
  /** The room that somebody is invited to. */
  readonly invitesTo?: Fingerprint;
  /** What that room is about. */
  readonly topic?: string;
}

/** What was sealed of a line for a room; nothing of it is in a private one. */
export interface PublishedRoomMessage extends SealedForRoom {
  /** Its number among ours, which it keeps when it is sealed again. */
  readonly m: number;
}

/** A change of what is kept of the lines. */
export interface OutgoingChange {
  /** The id of the line's event. */
  readonly id: EventId;
  /** The line as it is to be kept; `undefined` when it is not to be kept any more. */
  readonly kept: KeptLine | undefined;
}

/** The lines of one client that the relay has not accepted yet. */
export class Outgoing {
  /** Every line on its way, in the order in which they were written. */
  readonly #lines = new Map<EventId, OutgoingLine>();
  readonly #waiting = new Map<StreamName, OutgoingLine[]>();
  /** What of them is with the relay, and how long it is, in the order in which it was handed over. */
  readonly #publishedBytes = new Map<EventId, number>();
  #publishedTotalBytes = 0;
  /** What was sealed of those for rooms, the ones that wait to be sealed again included. */
  readonly #sealed = new Map<EventId, PublishedRoomMessage>();

  /** Lines that were with the relay when the link was lost: they may be stored or not. */
  readonly #unanswered = new Set<EventId>();
  /** The order of every line, and the numbers of those that were sealed for a room. */
  readonly #orders = new Map<EventId, number>();
  readonly #numbers = new Map<EventId, number>();
  #nextOrder = 1;
  /** Lines that a store has, and those whose row is not the one that {@linkcode takeChanges} gave last. */
  readonly #stored = new Set<EventId>();
  readonly #changed = new Set<EventId>();

  /**
   * Tells whether no further line may be taken.
   * @param isLinked whether the relay takes lines now
   * @returns whether so many are on their way already
   */
  isFull(isLinked: boolean): boolean {
    return this.#lines.size >= (isLinked ? OUTGOING_MAX : OUTBOX_MAX);
  }

  /** Whether no line is on its way. */
  get isEmpty(): boolean {
    return this.#lines.size === 0;
  }

  /** Whether so much is with the relay that nothing more is handed to it before it accepts some. */
  get isRelayBusy(): boolean {
    return this.#publishedTotalBytes >= PUBLISHED_MAX_BYTES;
  }

  /**
   * Tells whether lines of a stream are on their way.
   * @param stream the stream
   * @returns `false` once all were accepted or given up
   */
  has(stream: StreamName): boolean {
    return [...this.#lines.values()].some((line) => line.stream === stream);
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
    this.#orders.set(line.id, this.#nextOrder++);
    this.#changed.add(line.id);
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
   * @param sealed what was sealed, of a line for a room
   */
  publish(line: OutgoingLine, bodyBytes: number, sealed?: PublishedRoomMessage): void {
    if (sealed !== undefined) {
      this.#sealed.set(line.id, sealed);
      if (this.#numbers.get(line.id) !== sealed.m) this.#changed.add(line.id);
      this.#numbers.set(line.id, sealed.m);
    }
    this.#unanswered.delete(line.id);
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
   * Puts a line back that the relay did not take, to be sealed again: before all that were written after it.
   * @param line one that is with the relay
   */
  requeue(line: OutgoingLine): void {
    this.#publishedTotalBytes -= this.#publishedBytes.get(line.id) ?? 0;
    this.#publishedBytes.delete(line.id);
    const order = new Map([...this.#lines.keys()].map((id, i) => [id, i]));
    const place = ({ id }: OutgoingLine) => order.get(id) ?? 0;
    const queue = [...this.#waiting.get(line.stream) ?? [], line];
    this.#waiting.set(line.stream, queue.toSorted((a, b) => place(a) - place(b)));
  }

  /**
   * Gives what was sealed last of a line for a room.
   * @param id its event's id
   * @returns the message and its number, `undefined` when it was never sealed
   */
  sealed(id: EventId): PublishedRoomMessage | undefined {
    return this.#sealed.get(id);
  }

  /**
   * Finds the line of a room that has been with the relay longest.
   * @param stream the room's
   * @returns what was sealed of it, `undefined` when none is
   */
  oldestPublished(stream: StreamName): PublishedRoomMessage | undefined {
    for (const id of this.#publishedBytes.keys()) {
      if (this.#lines.get(id)?.stream === stream) return this.#sealed.get(id);
    }
    return undefined;
  }

  /** Notes that the link is gone: what was with the relay waits again, in its order, and keeps what was sealed of it. */
  unlink(): void {
    for (const id of [...this.#publishedBytes.keys()]) {
      const line = this.#lines.get(id);
      if (line === undefined) continue;
      this.#unanswered.add(id);
      this.requeue(line);
    }
  }

  /**
   * Takes up the lines of earlier runs: the relay may have them or not.
   * @param lines as they were kept
   */
  restore(lines: readonly KeptLine[]): void {
    for (const { order, line, m } of lines.toSorted((a, b) => a.order - b.order)) {
      this.#nextOrder = order;
      this.add(line);
      this.#changed.delete(line.id);
      this.#unanswered.add(line.id);
      this.#stored.add(line.id);
      if (m !== undefined) this.#numbers.set(line.id, m);
    }
  }

  /**
   * Tells what a store is to keep that was not told before.
   * @returns one change for each line
   */
  takeChanges(): OutgoingChange[] {
    const changes = [...this.#changed].map((id) => {
      const [line, order] = [this.#lines.get(id), this.#orders.get(id)];
      if (line === undefined || order === undefined) {
        this.#stored.delete(id);
        return { id, kept: undefined };
      }
      this.#stored.add(id);
      return { id, kept: { order, line, m: this.#numbers.get(id) } };
    });
    this.#changed.clear();
    return changes;
  }

  /**
   * Tells which number a line has among ours in its room.
   * @param id its event's id
   * @returns the number; `undefined` before it was sealed
   */
  numberOf(id: EventId): number | undefined {
    return this.#numbers.get(id);
  }

  /**
   * Tells whether the relay may have a line that waits.
   * @param id its event's id
   * @returns whether it was with the relay when a link was lost
   */
  isUnanswered(id: EventId): boolean {
    return this.#unanswered.has(id);
  }

  /**
   * Finds a line on its way, wherever it is.
   * @param id its event's id
   * @returns the line, `undefined` when there is none
   */
  find(id: EventId): OutgoingLine | undefined {
    return this.#lines.get(id);
  }

  /**
   * Takes out all lines of a conversation that is over.
   * @param stream its stream
   * @returns them, in the order in which they were written
   */
  dropStream(stream: StreamName): OutgoingLine[] {
    const lines = [...this.#lines.values()].filter((line) => line.stream === stream);
    this.#waiting.delete(stream);
    for (const { id } of lines) this.settle(id);
    return lines;
  }

  /**
   * Notes that a line is not on its way any more: the relay has answered for it, or it cannot be sent.
   * @param id its event's id
   */
  settle(id: EventId): void {
    this.#publishedTotalBytes -= this.#publishedBytes.get(id) ?? 0;
    this.#publishedBytes.delete(id);
    this.#sealed.delete(id);
    this.#unanswered.delete(id);
    this.#dequeue(id);
    this.#lines.delete(id);
    this.#orders.delete(id);
    this.#numbers.delete(id);
    if (this.#stored.has(id)) this.#changed.add(id);
    else this.#changed.delete(id); // it was never kept
  }

  /**
   * Lists every line that was not accepted.
   * @returns the lines, in the order in which they were written
   */
  unaccepted(): OutgoingLine[] {
    return [...this.#lines.values()];
  }

  #dequeue(id: EventId): void {
    const stream = this.#lines.get(id)?.stream;
    const queue = stream === undefined ? undefined : this.#waiting.get(stream);
    const at = queue?.findIndex((line) => line.id === id) ?? -1;
    if (stream === undefined || at === -1) return;
    queue?.splice(at, 1);
    if (queue?.length === 0) this.#waiting.delete(stream);
  }
}
