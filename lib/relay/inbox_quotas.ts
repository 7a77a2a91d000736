/**
 * How much may wait in an inbox that its owner has not been handed yet (PROTOCOL 6). A publisher that has too much
 * waiting is refused; nobody's events are thrown out for another's. What is handed no longer counts.
 * @module
 */

import type { Fingerprint, StreamName } from "../wire/messages.ts";
import { Queue } from "./queue.ts";

/** Events of one publisher that may wait in one inbox: its share, so that five publishers must join to fill it. */
export const INBOX_PUBLISHER_MAX_EVENTS = 1000;
/** Bytes of one publisher that may wait in one inbox, for the same reason. */
export const INBOX_PUBLISHER_MAX_BYTES = 2 * 1024 * 1024;
/** Events that may wait in one inbox: half of what a stream keeps, so that the log never trims one that waits. */
export const INBOX_MAX_EVENTS = 5000;
/** Bytes that may wait in one inbox, for the same reason. */
export const INBOX_MAX_BYTES = 6 * 1024 * 1024;

interface Waiting {
  readonly seq: number;
  readonly publisher: Fingerprint;
  readonly bytes: number;
}

interface Share {
  events: number;
  bytes: number;
}

interface Inbox {
  readonly queue: Queue<Waiting>;
  readonly shares: Map<Fingerprint, Share>;
  bytes: number;
}

/** The inboxes in which something waits; there are no more of them than streams in the log. */
export class InboxQuotas {
  readonly #inboxes = new Map<StreamName, Inbox>();

  /**
   * Tells whether one more event may wait.
   * @param inbox the inbox
   * @param publisher who wants to publish
   * @param bytes the length of the body
   * @returns whether there is room for it
   */
  hasRoom(inbox: StreamName, publisher: Fingerprint, bytes: number): boolean {
    const state = this.#inboxes.get(inbox);
    if (state === undefined) return true;
    if (state.queue.length >= INBOX_MAX_EVENTS || state.bytes + bytes > INBOX_MAX_BYTES) return false;
    const share = state.shares.get(publisher) ?? { events: 0, bytes: 0 };
    return share.events < INBOX_PUBLISHER_MAX_EVENTS && share.bytes + bytes <= INBOX_PUBLISHER_MAX_BYTES;
  }

  /**
   * Counts an event that its owner was not handed at once.
   * @param inbox the inbox
   * @param event its place, publisher and length
   */
  add(
    inbox: StreamName,
    event: { readonly seq: number; readonly publisher: Fingerprint; readonly bytes: number },
  ): void {
    const state = this.#inboxes.get(inbox) ?? { queue: new Queue<Waiting>(), shares: new Map(), bytes: 0 };
    this.#inboxes.set(inbox, state);
    state.queue.push(event);
    state.bytes += event.bytes;
    const share = state.shares.get(event.publisher) ?? { events: 0, bytes: 0 };
    state.shares.set(event.publisher, { events: share.events + 1, bytes: share.bytes + event.bytes });
  }

  /**
   * Takes out what the owner was handed.
   * @param inbox the inbox
   * @param seq the last place that it was handed
   */
  handed(inbox: StreamName, seq: number): void {
    const state = this.#inboxes.get(inbox);
    if (state === undefined) return;
    for (let next = state.queue.at(0); next !== undefined && next.seq <= seq; next = state.queue.at(0)) {
      state.queue.shift();
      state.bytes -= next.bytes;
      giveBack(state.shares, next);
    }
    if (state.queue.length === 0) this.#inboxes.delete(inbox);
  }

  /**
   * Takes out what the log does not keep any more, so that old events of the absent do not count for ever.
   * @param oldest gives the oldest place of a stream
   */
  expire(oldest: (inbox: StreamName) => number): void {
    for (const inbox of [...this.#inboxes.keys()]) this.handed(inbox, oldest(inbox) - 1);
  }
}

function giveBack(shares: Map<Fingerprint, Share>, event: Waiting): void {
  const share = shares.get(event.publisher);
  if (share === undefined) return;
  share.events--;
  share.bytes -= event.bytes;
  if (share.events === 0) shares.delete(event.publisher);
}
