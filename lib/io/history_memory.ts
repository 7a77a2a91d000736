/**
 * The history of a client that keeps nothing: the last entries, in memory alone, as long as it runs.
 * @module
 */

import type { HistoryEntry, HistoryTarget } from "../chat/history_events.ts";
import type { StreamName } from "../wire/messages.ts";
import {
  type EntryPage,
  type FoundEntries,
  type HistoryLog,
  type HistoryPolicy,
  isMeant,
  PAGE_ENTRIES,
  type UnshownEntries,
} from "./history_log.ts";

/** The most entries that are in memory: what a person scrolls back in one sitting. */
export const MEMORY_MAX_ENTRIES = 1_000;

interface MemoryEntry extends HistoryEntry {
  readonly seq: number;
}

/** The past of a client that keeps nothing. */
export class MemoryHistory implements HistoryLog {
  readonly #keeps: boolean;
  readonly #entries: MemoryEntry[] = [];
  #last = 0;

  /**
   * Starts with no past.
   * @param policy whether anything is remembered
   */
  constructor(policy: HistoryPolicy) {
    this.#keeps = policy.keeps;
  }

  /** The newest place that was given. */
  get last(): number {
    return this.#last;
  }

  /** Nothing is noted here. */
  get hasNews(): boolean {
    return false;
  }

  /**
   * Begins a run.
   * @returns nothing to be shown
   */
  begin(): Promise<UnshownEntries> {
    return Promise.resolve({ entries: [], damaged: 0, damagedRows: 0, mayBeShown: false });
  }

  /**
   * Remembers what was told; the oldest goes for it when there is too much.
   * @param history in order
   */
  add(history: readonly HistoryEntry[]): void {
    for (const entry of history) {
      this.#last++;
      if (this.#keeps) this.#entries.push({ ...entry, seq: this.#last });
    }
    this.#entries.splice(0, Math.max(0, this.#entries.length - MEMORY_MAX_ENTRIES));
  }

  /** Nothing is noted here. */
  noteShown(): void {}

  /**
   * Nothing is kept here.
   * @returns at once
   */
  saveShown(): Promise<void> {
    return Promise.resolve();
  }

  /**
   * Lists conversations that a name means.
   * @param target what the person typed
   * @returns each with its name
   */
  named(target: HistoryTarget): { readonly stream: StreamName; readonly name: string }[] {
    const names = new Map(this.#entries.map(({ stream, event }) => {
      const { place } = event;
      return [stream, "room" in place ? place.room : event.type === "message" ? event.from : place.to];
    }));
    return [...names].map(([stream, name]) => ({ stream, name })).filter((one) => isMeant(one, target));
  }

  /**
   * Finds the newest entries of a conversation.
   * @param stream the conversation
   * @param count how many at most
   * @returns the entries
   */
  recent(stream: StreamName, count: number): Promise<FoundEntries> {
    return Promise.resolve({ entries: this.#entries.filter((one) => one.stream === stream).slice(-count), damaged: 0 });
  }

  /**
   * Gives a page of the entries of all conversations.
   * @param before only those before this place
   * @returns the page; `undefined` after the oldest
   */
  page(before: number): Promise<EntryPage | undefined> {
    const entries = this.#entries.filter(({ seq }) => seq < before).slice(-PAGE_ENTRIES).reverse();
    const last = entries.at(-1);
    return Promise.resolve(last === undefined ? undefined : { entries, damaged: 0, before: last.seq });
  }

  /**
   * Forgets a conversation.
   * @param stream the conversation
   * @returns how many entries there were
   */
  forget(stream: StreamName): Promise<number> {
    const others = this.#entries.filter((one) => one.stream !== stream);
    const count = this.#entries.length - others.length;
    this.#entries.splice(0, this.#entries.length, ...others);
    return Promise.resolve(count);
  }

  /**
   * Nothing grows old here.
   * @returns at once
   */
  expire(): Promise<void> {
    return Promise.resolve();
  }
}
