/**
 * What became of the messages of each conversation since the client started, counted: for the person who wants to see
 * that nothing is lost. Nothing of it is kept, and nothing of it leaves.
 * @module
 */

import type { StreamName } from "../wire/messages.ts";
import type { Place } from "./events.ts";

/** Conversations that are counted; the ones counted first go. */
export const DELIVERY_MAX = 1_024;

/** What is counted of one conversation. */
export interface DeliveryCounts {
  /** Lines that were written there. */
  readonly sent: number;
  /** Lines of ours that the relay has stored. */
  readonly accepted: number;
  /** Of those to a person: kept by their client, as it says. */
  readonly delivered: number;
  /** Of those to a person: seen by them, as their client says. */
  readonly read: number;
  /** Messages that are missing here. */
  readonly missing: number;
  /** Events that came again and were not taken a second time. */
  readonly duplicates: number;
}

/** Which conversation it is: our own inbox is one, for what is missing there has no author. */
export interface CountedPlace {
  /** Its stream: a room's, that of somebody's inbox, or of ours. */
  readonly stream: StreamName;
  /** What it is called; what was called so last counts. */
  readonly place: Place;
}

/** What is counted of one conversation, and what that is called. */
export interface ConversationCounts extends DeliveryCounts {
  /** The room, or the person; our own handle for our inbox. */
  readonly place: Place;
  /** Whether it is our own inbox. */
  readonly isOwnInbox: boolean;
}

const NOTHING: DeliveryCounts = { sent: 0, accepted: 0, delivered: 0, read: 0, missing: 0, duplicates: 0 };

/** The counts of one client in one run. */
export class Delivery {
  /** Since when is counted, in milliseconds since 1970 (UTC). */
  readonly sinceMs: number;
  readonly #ownInbox: StreamName;
  readonly #counts = new Map<StreamName, { place: Place; counts: DeliveryCounts }>();

  /**
   * Starts with nothing counted.
   * @param ownInbox the stream of our own inbox
   * @param nowMs the time now
   */
  constructor(ownInbox: StreamName, nowMs: number) {
    this.#ownInbox = ownInbox;
    this.sinceMs = nowMs;
  }

  /**
   * Counts.
   * @param what what happened
   * @param conversation where
   * @param count how often
   */
  count(what: keyof DeliveryCounts, { stream, place }: CountedPlace, count = 1): void {
    const before = this.#counts.get(stream)?.counts ?? NOTHING;
    this.#counts.set(stream, { place, counts: { ...before, [what]: before[what] + count } });
    const [first] = this.#counts.keys();
    if (this.#counts.size > DELIVERY_MAX && first !== undefined) this.#counts.delete(first);
  }

  /**
   * Lists what was counted.
   * @returns rooms, then people, by name; our own inbox is the last, and there when something is to be told of it
   */
  all(): ConversationCounts[] {
    const rows = [...this.#counts].map(([stream, { place, counts }]) => {
      return { place, isOwnInbox: stream === this.#ownInbox, ...counts };
    });
    return rows.toSorted((a, b) => sortKey(a) < sortKey(b) ? -1 : 1);
  }
}

function sortKey({ place, isOwnInbox }: ConversationCounts): string {
  if (isOwnInbox) return "2";
  return "room" in place ? `0 ${place.room}` : `1 ${place.to}`;
}
