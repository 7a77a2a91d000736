/**
 * How much may wait in an inbox that its owner has not been handed yet (PROTOCOL 6.4). A publisher that has too much
 * waiting is refused; nobody's events are thrown out for another's. What is handed no longer counts.
 *
 * After a restart of the relay an inbox is counted anew when the first event comes for it: all that the log has behind
 * the place that it remembers as handed. That place may be older than what was handed last, so a publisher may be refused
 * too early until the owner comes; never too late.
 * @module
 */

import { EVENT_OVERHEAD_BYTES, type EventLog } from "./event_log.ts";
import type { EventId, Fingerprint, StreamName } from "../wire/messages.ts";
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

/** Events, and the bytes of their bodies. */
export interface Share {
  /** How many. */
  events: number;
  /** How long they are together. */
  bytes: number;
}

/** What quotas need of the log. */
type InboxLog = Pick<EventLog, "read" | "head" | "oldest" | "hand" | "handed">;

/** What is counted at most, a full inbox; what is behind that is handed first, or waits for the next time. */
const COUNTED = { maxEvents: INBOX_MAX_EVENTS, maxBytes: INBOX_MAX_BYTES + INBOX_MAX_EVENTS * EVENT_OVERHEAD_BYTES };

const NOTHING: Readonly<Share> = { events: 0, bytes: 0 };

interface Inbox {
  readonly queue: Queue<Waiting>;
  readonly shares: Map<Fingerprint, Share>;
  bytes: number;
}

/** What was placed in one turn, before it is told: it counts although nobody knows yet whether it must wait. */
export class TurnShares {
  readonly #shares = new Map<string, Share>();
  readonly #events = new Set<string>();

  /**
   * Counts an event.
   * @param stream its stream
   * @param publisher who published it
   * @param event its id, and the length of its body
   */
  add(stream: StreamName, publisher: Fingerprint, event: { readonly id: EventId; readonly bytes: number }): void {
    this.#events.add(`${stream} ${publisher} ${event.id}`);
    for (const key of [stream, `${stream} ${publisher}`]) {
      const { events, bytes } = this.#shares.get(key) ?? NOTHING;
      this.#shares.set(key, { events: events + 1, bytes: bytes + event.bytes });
    }
  }

  /**
   * Tells whether an event was placed in this turn.
   * @param stream its stream
   * @param publisher who published it
   * @param id the publisher's id
   * @returns whether it was
   */
  has(stream: StreamName, publisher: Fingerprint, id: EventId): boolean {
    return this.#events.has(`${stream} ${publisher} ${id}`);
  }

  /**
   * Tells how much was placed in a stream.
   * @param stream the stream
   * @param publisher by whom; by anybody without it
   * @returns events, and the bytes of their bodies
   */
  of(stream: StreamName, publisher?: Fingerprint): Readonly<Share> {
    return this.#shares.get(publisher === undefined ? stream : `${stream} ${publisher}`) ?? NOTHING;
  }
}

/** The inboxes in which something waits; there are no more of them than streams in the log. */
export class InboxQuotas {
  readonly #log: InboxLog;
  readonly #inboxes = new Map<StreamName, Inbox>();
  /** Those that were counted since the relay started; when nothing waits there they are forgotten in a while. */
  readonly #counted = new Set<StreamName>();

  /**
   * Starts with nothing counted.
   * @param log where events wait
   */
  constructor(log: InboxLog) {
    this.#log = log;
  }

  /**
   * Tells whether one more event may wait.
   * @param inbox the inbox
   * @param publisher who wants to publish
   * @param bytes the length of the body
   * @param turn what was placed in this turn and may have to wait too; nothing without it
   * @returns whether there is room for it
   */
  hasRoom(inbox: StreamName, publisher: Fingerprint, bytes: number, turn: TurnShares = new TurnShares()): boolean {
    this.#count(inbox);
    const state = this.#inboxes.get(inbox);
    const placed = turn.of(inbox);
    if ((state?.queue.length ?? 0) + placed.events >= INBOX_MAX_EVENTS) return false;
    if ((state?.bytes ?? 0) + placed.bytes + bytes > INBOX_MAX_BYTES) return false;
    const share = state?.shares.get(publisher);
    const own = turn.of(inbox, publisher);
    return (share?.events ?? 0) + own.events < INBOX_PUBLISHER_MAX_EVENTS &&
      (share?.bytes ?? 0) + own.bytes + bytes <= INBOX_PUBLISHER_MAX_BYTES;
  }

  /**
   * Counts what waits in an inbox.
   * @param inbox the inbox
   * @returns how many events its owner was not handed yet
   */
  waitingIn(inbox: StreamName): number {
    this.#count(inbox);
    return this.#inboxes.get(inbox)?.queue.length ?? 0;
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
    this.#log.hand(inbox, seq);
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
   * Takes out what the log does not keep any more, so that old events of the absent do not count for ever. Nothing may
   * be on its way into the log.
   */
  expire(): void {
    for (const inbox of [...this.#inboxes.keys()]) this.handed(inbox, this.#log.oldest(inbox) - 1);
    for (const inbox of this.#counted) if (!this.#inboxes.has(inbox)) this.#counted.delete(inbox);
  }

  /** Counts what an earlier life of the relay left; before the first event of this one is placed there. */
  #count(inbox: StreamName): void {
    if (this.#counted.has(inbox)) return;
    this.#counted.add(inbox);
    const handed = this.#log.handed(inbox);
    if (this.#inboxes.has(inbox) || handed >= this.#log.head(inbox)) return;
    for (const { seq, publisher, body } of this.#log.read(inbox, handed, COUNTED)) {
      this.add(inbox, { seq, publisher, bytes: body.length });
    }
  }
}

function giveBack(shares: Map<Fingerprint, Share>, event: Waiting): void {
  const share = shares.get(event.publisher);
  if (share === undefined) return;
  share.events--;
  share.bytes -= event.bytes;
  if (share.events === 0) shares.delete(event.publisher);
}
