/**
 * The history of a client that lasts: what was told of each conversation, in sealed rows beside everything else that it
 * keeps (PROTOCOL §7). Entries are committed in the transaction of the step that brought them; how far they were shown is
 * noted with a later one. So nothing is lost that was taken from the relay, and what a kill left open is shown again.
 *
 * Its law: an entry that was not shown stays, however old it is, unless there are too many; one that was, and is not to
 * be kept, goes with the note of it. The key of a conversation goes first, then its rows.
 * @module
 */

import type { Bytes } from "../bytes/writer.ts";
import { encodeClock, HistoryClock } from "../chat/history_clock.ts";
import { encodeEntry } from "../chat/history_entry.ts";
import type { HistoryEntry, HistoryTarget, KeptEvent } from "../chat/history_events.ts";
import { type RandomBytes, secureRandom } from "../crypto/random.ts";
import type { Fingerprint, StreamName } from "../wire/messages.ts";
import { HistoryBook } from "./history_book.ts";
import {
  DAY_MS,
  type EntryPage,
  type FoundEntries,
  type FoundEntry,
  type HistoryLog,
  type HistoryPolicy,
  type HistoryRelay,
  isMeant,
  PAGE_ENTRIES,
  type UnshownEntries,
} from "./history_log.ts";
import {
  CLOCK_KEY,
  conversationKey,
  CONVERSATIONS,
  encodeConversation,
  encodeShown,
  HISTORY,
  type HistoryRows,
  type KeptConversation,
  readHistoryRows,
  receiptRows,
  shownKey,
  type ShownMark,
} from "./history_rows.ts";
import type { EntryTally, StoredEntry } from "./sealed_entries.ts";
import type { EntryAddition, EntryChanges, RowChange, SealedStore } from "./sealed_store.ts";

/** The most entries of a client: years of a busy room, and a search of half a minute that disturbs nobody. */
export const HISTORY_MAX_ENTRIES = 200_000;
/** The most sealed bytes of them: what a client may take of a disk without asking. */
export const HISTORY_MAX_BYTES = 268_435_456;
/** Entries that one transaction removes: some milliseconds. */
export const REMOVE_MAX_ENTRIES = 500;
/** The longest name of a relay that is kept with its conversations. */
const RELAY_NAME_MAX_CHARS = 64;

/** How a history is opened. */
export interface HistoryStoreOptions {
  /** How long it is kept, and whether. */
  readonly policy: HistoryPolicy;
  /** The time now. */
  readonly nowMs: number;
  /** Where ids and keys come from. */
  readonly random?: RandomBytes | undefined;
  /** Other bounds, for tests. */
  readonly testOnlyMax?: { readonly entries: number; readonly bytes: number };
}

/** What a commit writes of the history. */
export interface HistoryWrites {
  /** Rows beside the entries. */
  readonly rows: readonly RowChange[];
  /** The entries. */
  readonly entries: EntryChanges;
}

/** The kept past of one client. */
export class HistoryStore implements HistoryLog {
  readonly #sealed: SealedStore;
  readonly #policy: HistoryPolicy;
  readonly #random: RandomBytes;
  readonly #max: { readonly entries: number; readonly bytes: number };
  readonly #book: HistoryBook;
  readonly #marks = new Map<Fingerprint, ShownMark>();
  readonly #clock: HistoryClock;
  #relay: HistoryRelay = { fingerprint: "", name: "" };
  #last = 0;
  #count = 0;
  #bytes = 0;
  #shown = 0;
  #hasNews = false;
  /** Places that go once they were shown, in order. */
  #transient: number[] = [];
  readonly #damagedRows: number;

  private constructor(sealed: SealedStore, options: HistoryStoreOptions, kept: HistoryRows) {
    this.#sealed = sealed;
    this.#book = new HistoryBook(kept.conversations, kept.damaged > 0);
    this.#damagedRows = kept.damaged;
    this.#policy = options.policy;
    this.#random = options.random ?? secureRandom;
    this.#max = options.testOnlyMax ?? { entries: HISTORY_MAX_ENTRIES, bytes: HISTORY_MAX_BYTES };
    this.#clock = new HistoryClock(options.nowMs, kept.clock);
    for (const { relay, mark } of kept.marks) this.#marks.set(relay, mark);
    const { count, bytes, last } = sealed.entries.totals();
    [this.#count, this.#bytes] = [count, bytes];
    // A place is never given twice: what is before a mark counts as shown.
    this.#last = Math.max(last, ...kept.marks.map(({ mark }) => mark.seq));
  }

  /**
   * Opens the history in a store.
   * @param sealed the store; it stays its owner's to close
   * @param options how
   * @returns the history; rows of it that are damaged are counted and left alone
   */
  static async open(sealed: SealedStore, options: HistoryStoreOptions): Promise<HistoryStore> {
    return new HistoryStore(sealed, options, await readHistoryRows(sealed));
  }

  /** The newest place that was given. */
  get last(): number {
    return this.#last;
  }

  /** Whether it is noted that something was shown, and not kept yet. */
  get hasNews(): boolean {
    return this.#hasNews;
  }

  /** How many entries there are, and their sealed bytes. */
  get size(): { readonly entries: number; readonly bytes: number } {
    return { entries: this.#count, bytes: this.#bytes };
  }

  /**
   * Begins a run.
   * @param relay the relay that it is on
   * @param nowMs the time now
   * @returns what is to be shown first
   */
  async begin(relay: HistoryRelay, nowMs: number): Promise<UnshownEntries> {
    this.#relay = { ...relay, name: [...relay.name].slice(0, RELAY_NAME_MAX_CHARS).join("") };
    this.#clock.note(nowMs);
    const mark = this.#marks.get(relay.fingerprint);
    const unshown: FoundEntry[] = [];
    this.#transient = [];
    let damaged = 0;
    for (let after = mark?.seq ?? this.#last;;) {
      const page = this.#sealed.entries.after(after, PAGE_ENTRIES);
      const ours = page.filter(({ conversation }) => this.#book.of(conversation)?.relay === relay.fingerprint);
      const opened = await this.#book.open(ours);
      damaged += opened.damaged;
      for (const { seq, entry } of opened.entries) {
        unshown.push({ seq, event: entry.event });
        if (entry.isTransient) this.#transient.push(seq);
      }
      const last = page.at(-1);
      if (last === undefined) break;
      after = last.seq;
    }
    this.#shown = mark?.seq ?? this.#last;
    // Before any of it is shown: a kill from now on leaves open whether it was.
    if (unshown.length > 0 && mark?.isOver) await this.#commit({ rows: [this.#markRow(false)], entries: {} });
    return { entries: unshown, damaged, damagedRows: this.#damagedRows, mayBeShown: mark?.isOver !== true };
  }

  /**
   * Notes that all entries up to a place were shown; it is kept with the next commit.
   * @param seq the place
   */
  noteShown(seq: number): void {
    if (seq <= this.#shown) return;
    this.#shown = seq;
    this.#hasNews = true;
  }

  /**
   * Gives what a commit is to write: what was told, and how far it was shown. To be called in the order of the commits.
   * @param history what was told
   * @returns rows and entries; `undefined` when there are none
   */
  writes(history: readonly HistoryEntry[]): HistoryWrites | undefined {
    if (history.length === 0 && !this.#hasNews) return undefined;
    const rows: RowChange[] = [];
    const add = history.map((entry) => this.#addition(entry, rows));
    rows.push(this.#markRow(false), { table: HISTORY, key: CLOCK_KEY, value: encodeClock(this.#clock.state) });
    return { rows, entries: { add, remove: [...this.#takeShownTransient(), ...this.#surplus(add.length)] } };
  }

  /**
   * Takes in what a commit changed.
   * @param tally what the store counted
   */
  committed({ added, addedBytes, removed, removedBytes }: EntryTally): void {
    this.#count += added - removed;
    this.#bytes += addedBytes - removedBytes;
  }

  /**
   * Keeps what was noted.
   * @param isOver whether the run is over and nothing else was shown
   */
  async saveShown(isOver: boolean): Promise<void> {
    if (!this.#hasNews && !isOver) return;
    const remove = this.#takeShownTransient();
    await this.#commit({ rows: [this.#markRow(isOver)], entries: { remove } });
    if (remove.length > 0) await this.#sealed.truncateLog(); // or what was to go would stay in it
  }

  /**
   * Lists conversations of this relay that a name means, of whom something is kept.
   * @param target what the person typed
   * @returns each with its name
   */
  named(target: HistoryTarget): KeptConversation[] {
    return this.#book.on(this.#relay.fingerprint).filter((conversation) => isMeant(conversation, target));
  }

  /**
   * Reads the newest entries of a conversation of this relay.
   * @param stream the conversation
   * @param count how many at most
   * @returns the entries
   */
  async recent(stream: StreamName, count: number): Promise<FoundEntries> {
    const conversation = this.#ours(stream);
    const entries: FoundEntry[] = [];
    let damaged = 0;
    for (let before = Infinity; conversation !== undefined && entries.length < count;) {
      const most = Math.min(PAGE_ENTRIES, count - entries.length);
      const page = this.#sealed.entries.before(placeBefore(before), most, conversation.id);
      const opened = await this.#book.open(page);
      entries.push(...opened.entries.map(({ seq, entry }) => ({ seq, event: entry.event })));
      damaged += opened.damaged;
      const last = page.at(-1);
      if (last === undefined) break;
      before = last.seq;
    }
    return { entries: entries.reverse(), damaged };
  }

  /**
   * Reads a page of the entries of all conversations.
   * @param before only those before this place; `Infinity` for the newest
   * @returns the page; `undefined` after the oldest
   */
  async page(before: number): Promise<EntryPage | undefined> {
    const page = this.#sealed.entries.before(placeBefore(before), PAGE_ENTRIES);
    const last = page.at(-1);
    if (last === undefined) return undefined;
    const opened = await this.#book.open(page);
    const entries = opened.entries.map(({ seq, entry, conversation: { relay, relayName } }) => {
      return { seq, event: entry.event, ...(relay === this.#relay.fingerprint ? {} : { relay: relayName }) };
    });
    return { entries, damaged: opened.damaged, before: last.seq };
  }

  /**
   * Deletes what is kept of a conversation of this relay, for good: its key at once, then its rows, and what the log of
   * the database has of both. Of a person, what waits for their receipts goes too.
   * @param stream the conversation
   * @returns how many entries there were
   */
  async forget(stream: StreamName): Promise<number> {
    const conversation = this.#ours(stream);
    if (conversation === undefined) return 0;
    // What is told from now on begins another conversation, under another key.
    this.#book.drop(conversation);
    const key = conversationKey(conversation);
    await this.#commit({ rows: [{ table: CONVERSATIONS, key, value: undefined }], entries: {} });
    const count = await this.#removeAllOf(conversation.id);
    const receipts = await receiptRows(this.#sealed, stream);
    if (receipts.length > 0) await this.#commit({ rows: receipts, entries: {} });
    await this.#sealed.truncateLog();
    return count;
  }

  /**
   * Deletes what is too old, and what is too much.
   * @param nowMs the time now
   */
  async expire(nowMs: number): Promise<void> {
    const oldestMs = this.#clock.note(nowMs) - this.#policy.days * DAY_MS;
    for (let after = 0;;) {
      const page = this.#sealed.entries.after(after, PAGE_ENTRIES);
      const { entries } = await this.#book.open(page);
      const lastOld = entries.filter(({ entry }) => entry.keptMs < oldestMs).at(-1);
      if (lastOld === undefined) break;
      // What cannot be read and lies before something too old is too old.
      const remove = page.filter((row) => row.seq <= lastOld.seq && this.#wasShown(row)).map(({ seq }) => seq);
      if (remove.length > 0) await this.#commit({ rows: [], entries: { remove } });
      after = lastOld.seq;
    }
    for (let remove = this.#surplus(0); remove.length > 0; remove = this.#surplus(0)) {
      await this.#commit({ rows: [], entries: { remove } });
    }
    await this.#sweep();
  }

  /** Removes what belongs to nothing: conversations without entries, and entries that a kill left without their key. */
  async #sweep(): Promise<void> {
    const used = this.#sealed.entries.conversations();
    const rows = this.#book.dropEmpty(used).map((conversation) => {
      return { table: CONVERSATIONS, key: conversationKey(conversation), value: undefined };
    });
    if (rows.length > 0) await this.#commit({ rows, entries: {} });
    for (const id of this.#book.orphans(used)) await this.#removeAllOf(id);
  }

  async #removeAllOf(id: Bytes): Promise<number> {
    for (let count = 0;;) {
      const removeOf = { conversation: id, max: REMOVE_MAX_ENTRIES };
      const { removed } = await this.#commit({ rows: [], entries: { removeOf } });
      if (removed === 0) return count;
      count += removed;
    }
  }

  async #commit({ rows, entries }: HistoryWrites): Promise<EntryTally> {
    const tally = await this.#sealed.commit(rows, entries);
    this.committed(tally);
    return tally;
  }

  #addition({ stream, isLasting, event, nowMs }: HistoryEntry, rows: RowChange[]): EntryAddition {
    const { id, key } = this.#conversationOf(stream, event, rows);
    const seq = ++this.#last;
    const isTransient = !isLasting || !this.#policy.keeps;
    if (isTransient) this.#transient.push(seq);
    const keptMs = this.#clock.note(nowMs);
    return { seq, conversation: id, key, value: encodeEntry({ event, keptMs, isTransient }) };
  }

  /** The conversation, made at its first entry; its row is written when it is new or has another name. */
  #conversationOf(stream: StreamName, event: KeptEvent, rows: RowChange[]): KeptConversation {
    const before = this.#ours(stream);
    const { fingerprint: relay, name: relayName } = this.#relay;
    const name = nameIn(event);
    if (before?.name === name && before.relayName === relayName) return before;
    const secret = before ?? { id: this.#random(16), key: this.#random(32) };
    const conversation = { relay, stream, id: secret.id, key: secret.key, name, relayName };
    this.#book.add(conversation);
    rows.push({ table: CONVERSATIONS, key: conversationKey(conversation), value: encodeConversation(conversation) });
    return conversation;
  }

  #ours(stream: StreamName): KeptConversation | undefined {
    return this.#book.find(this.#relay.fingerprint, stream);
  }

  #markRow(isOver: boolean): RowChange {
    const { fingerprint } = this.#relay;
    const mark = { seq: this.#shown, isOver };
    this.#marks.set(fingerprint, mark);
    this.#hasNews = false;
    return { table: HISTORY, key: shownKey(fingerprint), value: encodeShown(mark) };
  }

  #takeShownTransient(): number[] {
    const count = this.#transient.findIndex((seq) => seq > this.#shown);
    return this.#transient.splice(0, count === -1 ? this.#transient.length : count);
  }

  #wasShown({ seq, conversation }: StoredEntry): boolean {
    const of = this.#book.of(conversation);
    const mark = of && this.#marks.get(of.relay);
    return mark === undefined || seq <= mark.seq;
  }

  /** The oldest places, as many as must go so that so many more fit, and some more at a time. */
  #surplus(coming: number): number[] {
    const isMuch = this.#count + coming > this.#max.entries || this.#bytes > this.#max.bytes;
    if (!isMuch) return [];
    const over = this.#count + coming - this.#max.entries;
    const most = Math.min(REMOVE_MAX_ENTRIES, Math.max(over, coming + PAGE_ENTRIES));
    return this.#sealed.entries.after(0, most).map(({ seq }) => seq);
  }
}

/** What people call the conversation: the room, or the other. */
function nameIn(event: KeptEvent): string {
  if ("room" in event.place) return event.place.room;
  return event.type === "message" ? event.from : event.place.to;
}

function placeBefore(before: number): number {
  return Math.min(before, Number.MAX_SAFE_INTEGER);
}
