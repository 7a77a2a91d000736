/**
 * Which receipts a person at a terminal is shown: few. That the last of a run of lines was read says it of all before
 * it; that something was delivered is news only when it took a while.
 * @module
 */

import type { ChatEvent } from "../chat/events.ts";
import type { EventId } from "../wire/messages.ts";

/** When somebody's client gets a line later than this after the relay, it is told. */
export const DELIVERED_LATE_MS = 60_000;
/** Conversations whose last line is remembered. */
const LAST_LINES_MAX = 1_024;

/** The last line of each private conversation of one run. */
export class ReceiptMarks {
  readonly #last = new Map<string, { readonly id: EventId; readonly atMs: number }>();

  /**
   * Takes an event that is about to be shown.
   * @param event what happened
   * @returns `false` for a receipt that is not worth a line
   */
  take(event: ChatEvent): boolean {
    if (event.type === "accepted" && "to" in event.place) this.#remember(event.place.to, event.id, event.at);
    if (event.type !== "delivered" && event.type !== "read") return true;
    const last = [...this.#last.values()].find(({ id }) => id === event.id);
    if (last === undefined) return false;
    return event.type === "read" || event.at - last.atMs >= DELIVERED_LATE_MS;
  }

  #remember(to: string, id: EventId, atMs: number): void {
    this.#last.delete(to);
    this.#last.set(to, { id, atMs });
    const [oldest] = this.#last.keys();
    if (this.#last.size > LAST_LINES_MAX && oldest !== undefined) this.#last.delete(oldest);
  }
}
