/**
 * What stands between a client's front and its history: it shows first what an earlier run did not, notes what the output
 * has really written, and answers what the person asks. Questions are answered one after the other, beside the chat.
 *
 * Its law: an entry counts as shown when the output has taken its last byte, and not before; what is not noted is shown
 * again by the next run, and says so.
 * @module
 */

import { UserError } from "../bytes/errors.ts";
import type { ChatEvent, Place, Ref } from "../chat/events.ts";
import type { HistoryEntry, HistoryQuery, HistoryTarget } from "../chat/history_events.ts";
import type { StreamName } from "../wire/messages.ts";
import type { Front } from "./front.ts";
import type { FoundEntry, HistoryLog, HistoryRelay, UnshownEntries } from "./history_log.ts";
import { MemoryHistory } from "./history_memory.ts";
import { searchHistory } from "./history_search.ts";

/** Questions that may wait; a script that asks faster is told so. */
export const QUESTIONS_MAX = 64;
/** How long nothing is shown until it is noted what was. */
export const SHOWN_QUIET_MS = 250;
/** How often old entries are looked for. */
export const EXPIRE_EVERY_MS = 3_600_000;
/** How long the end of a run waits for a slow reader, so that it is known what it has read. */
const DRAIN_MAX_MS = 2_000;

/** What a desk works with. */
export interface HistoryDeskOptions {
  /** The past. */
  readonly log: HistoryLog;
  /** Where it is shown. */
  readonly front: Front;
  /** Gives the time. */
  readonly nowMs: () => number;
  /** Is told of what cannot be kept, and of bugs. */
  readonly failed: (error: unknown) => void;
}

/** The history of one run. */
export class HistoryDesk {
  readonly #options: HistoryDeskOptions;
  /** What was given to the output: the place of an entry, and where its last byte is. */
  readonly #handed: { readonly seq: number; readonly atBytes: number }[] = [];
  readonly #over = Promise.withResolvers<void>();
  #isOver = false;
  #unshown: UnshownEntries | undefined;
  /** Whether there is something of an earlier run that it may have shown and this one has not. */
  #isInDoubt = false;
  #base = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #expiry: ReturnType<typeof setInterval> | undefined;
  #stall: ReturnType<typeof setInterval> | undefined;
  #work: Promise<void> = Promise.resolve();
  #questions = 0;

  /**
   * Makes a desk that has not begun.
   * @param options the past and the front
   */
  constructor(options: HistoryDeskOptions) {
    this.#options = options;
  }

  /**
   * Begins a run, before anything of it is told.
   * @param relay the relay that it is on
   */
  async begin(relay: HistoryRelay): Promise<void> {
    const { log, nowMs } = this.#options;
    this.#unshown = await log.begin(relay, nowMs());
    this.#isInDoubt = this.#unshown.mayBeShown && this.#unshown.entries.length > 0;
    this.#base = log.last;
    this.#expiry = setInterval(() => this.#do(() => log.expire(nowMs())), EXPIRE_EVERY_MS);
    Deno.unrefTimer(this.#expiry);
  }

  /**
   * Shows what earlier runs did not, as fast as it is read; then old entries go.
   * @returns when all was given to the output
   */
  async showUnshown(): Promise<void> {
    const { front, log, nowMs } = this.#options;
    const unshown = this.#unshown;
    this.#unshown = undefined;
    if (unshown === undefined) return;
    for (const event of introductions(unshown)) front.show(event);
    for (const { seq, event } of unshown.entries) {
      this.show({ ...event, late: true, ...(unshown.mayBeShown ? { again: true } : {}) }, seq);
      await Promise.race([front.ready(), this.#over.promise]);
      if (this.#isOver) return;
    }
    this.#isInDoubt = false;
    this.#do(() => log.expire(nowMs()));
  }

  /**
   * Shows an entry of this run.
   * @param event what
   * @param entry which of the run's entries, from 1 on
   */
  showEntry(event: ChatEvent, entry: number): void {
    this.show(event, this.#base + entry);
  }

  /**
   * Shows an entry.
   * @param event what
   * @param seq its place
   */
  show(event: ChatEvent, seq: number): void {
    const { front } = this.#options;
    front.show(event);
    this.#handed.push({ seq, atBytes: front.progress.queuedBytesEver });
    if (!this.#isOver) this.#timer ??= setTimeout(() => this.#saveQuietly(), SHOWN_QUIET_MS);
  }

  /**
   * Remembers what was told, where nothing is kept.
   * @param entries in order; `undefined` before the chat
   */
  remember(entries: readonly HistoryEntry[] | undefined): undefined {
    const { log } = this.#options;
    if (log instanceof MemoryHistory && entries !== undefined) log.add(entries);
  }

  /** Notes what the output has written by now; what it was told goes into the next commit. */
  note(): void {
    const { log, front } = this.#options;
    const { writtenBytesEver } = front.progress;
    const first = this.#handed.findIndex(({ atBytes }) => atBytes > writtenBytesEver);
    const written = this.#handed.splice(0, first === -1 ? this.#handed.length : first);
    const last = written.at(-1);
    if (last !== undefined) log.noteShown(last.seq);
  }

  /**
   * Answers a question, after those that were asked before.
   * @param query what is asked
   * @param ref what a script put beside it
   */
  ask(query: HistoryQuery, ref: Ref | undefined): void {
    const refField = ref === undefined ? {} : { ref };
    if (this.#questions >= QUESTIONS_MAX) {
      const hint = "Wait for the answers.";
      return this.#tell(new UserError("notDone", `Nothing was done: ${QUESTIONS_MAX} questions wait`, hint), refField);
    }
    this.#questions++;
    this.#do(async () => {
      this.#questions--;
      try {
        await this.#answer(query, refField);
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        this.#tell(error, refField);
      }
    });
  }

  /**
   * Begins to end: whoever does not read holds nothing up any more.
   * @param isHasty whether nobody waits for answers either
   */
  leave(isHasty: boolean): void {
    if (isHasty) return this.#stop();
    const { progress } = this.#options.front;
    let before = progress.writtenBytesEver;
    this.#stall = setInterval(() => {
      const now = progress.writtenBytesEver;
      if (now === before && now < progress.queuedBytesEver) this.#stop();
      before = now;
    }, DRAIN_MAX_MS);
  }

  /**
   * Ends the run: waits for the answers, and notes what was shown.
   * @param canKeep whether anything can be kept
   */
  async close(canKeep: boolean): Promise<void> {
    const { front, log } = this.#options;
    await this.#work;
    const isHasty = this.#isOver;
    this.#stop();
    if (this.#expiry === undefined || !canKeep) return; // it never began
    await front.progress.drain({ timeoutMs: isHasty ? 0 : DRAIN_MAX_MS });
    this.note();
    const isOver = this.#handed.length === 0 && !this.#isInDoubt;
    await log.saveShown(isOver).catch((error) => this.#options.failed(error));
  }

  #stop(): void {
    this.#isOver = true;
    this.#over.resolve();
    clearTimeout(this.#timer);
    clearInterval(this.#expiry);
    clearInterval(this.#stall);
  }

  #saveQuietly(): void {
    this.#timer = undefined;
    this.note();
    const { log } = this.#options;
    if (log.hasNews) this.#do(() => log.saveShown(false));
    // What is not written yet is looked at again: a reader may be slow for long.
    if (this.#handed.length > 0) this.#timer = setTimeout(() => this.#saveQuietly(), 4 * SHOWN_QUIET_MS);
  }

  #do(work: () => Promise<void>): void {
    this.#work = this.#work.then(() => this.#isOver ? undefined : work()).catch((error) => this.#options.failed(error));
  }

  async #answer(query: HistoryQuery, ref: { readonly ref?: Ref }): Promise<void> {
    switch (query.kind) {
      case "history": {
        const { stream, place } = this.#find(query.of);
        const { entries, damaged } = await this.#options.log.recent(stream, query.count);
        this.#options.front.show({ type: "history", place, count: entries.length, damaged, ...ref });
        return await this.#showAll(entries, ref);
      }
      case "search":
        return await this.#search(query.text, ref);
      case "forget": {
        const { stream, place } = this.#find(query.of);
        const count = await this.#options.log.forget(stream);
        return this.#options.front.show({ type: "forgotten", place, count, ...ref });
      }
    }
  }

  async #search(text: string, ref: { readonly ref?: Ref }): Promise<void> {
    const { log, front } = this.#options;
    const { entries, hasMore, damaged } = await searchHistory(log, text, () => !this.#isOver);
    if (this.#isOver) return;
    front.show({ type: "search", count: entries.length, hasMore, damaged, ...ref });
    await this.#showAll(entries, ref);
  }

  async #showAll(entries: readonly FoundEntry[], ref: { readonly ref?: Ref }): Promise<void> {
    const { front } = this.#options;
    for (const { event, relay } of entries) {
      front.show({ type: "entry", entry: event, ...(relay === undefined ? {} : { relay }), ...ref });
      await Promise.race([front.ready(), this.#over.promise]);
      if (this.#isOver) return;
    }
  }

  #find(target: HistoryTarget): { readonly stream: StreamName; readonly place: Place } {
    const [found, other] = this.#options.log.named(target);
    if (other !== undefined && found?.name !== undefined) {
      const hint = "Write #name for a room, or the whole fingerprint of a person: /peers shows it.";
      throw new UserError("badLine", `Nothing was done: two conversations are called ${found.name}`, hint);
    }
    const stream = found?.stream ?? target.stream;
    if (stream !== undefined) {
      const name = target.stream === undefined ? found?.name ?? target.name : target.name;
      return { stream, place: stream.startsWith("room/") ? { room: name } : { to: name } };
    }
    const code = target.kind === "room" ? "noSuchRoom" : "noSuchPerson";
    const message = "Nothing was done: nothing is kept of a conversation of that name on this relay";
    throw new UserError(code, message, "/rooms shows your rooms, /peers whom you met.");
  }

  #tell({ code, message, hint }: UserError, ref: { readonly ref?: Ref }): void {
    this.#options.front.show({ type: "error", code, message, hint, ...ref });
  }
}

/** What is said before what an earlier run did not show, or may have. */
function introductions({ entries, damaged, damagedRows, mayBeShown }: UnshownEntries): ChatEvent[] {
  const events: ChatEvent[] = [];
  const broken = damaged + damagedRows;
  if (broken > 0) {
    const rows = broken === 1 ? "1 row of the history is" : `${broken} rows of the history are`;
    const text = `${rows} damaged and left out; everything else is there`;
    events.push({ type: "notice", code: "historyDamaged", text });
  }
  if (entries.length > 0) {
    const lines = entries.length === 1 ? "1 line" : `${entries.length} lines`;
    const text = mayBeShown
      ? `${lines} of last time, perhaps shown before: Sotto ended before it could note that:`
      : `${lines} of last time that you have not seen:`;
    events.push({ type: "notice", code: "unshown", text });
  }
  return events;
}
