/**
 * What answers about the past of a client: a store that lasts, or the memory of one that keeps nothing. Places of
 * entries grow by one with each entry, over all conversations.
 * @module
 */

import type { HistoryTarget, KeptEvent } from "../chat/history_events.ts";
import type { StreamName } from "../wire/messages.ts";
import { foldedText } from "./history_search.ts";

/** How long history is kept, and whether. */
export interface HistoryPolicy {
  /** Whether what was shown is kept. */
  readonly keeps: boolean;
  /** For how many days, 1 to 3,650. */
  readonly days: number;
}

/** The relay that a run is on. */
export interface HistoryRelay {
  /** Its fingerprint. */
  readonly fingerprint: string;
  /** What it calls itself. */
  readonly name: string;
}

/** An entry and its place. */
export interface FoundEntry {
  /** Its place. */
  readonly seq: number;
  /** What was told. */
  readonly event: KeptEvent;
  /** What its relay calls itself, when it is another than the one that we are on. */
  readonly relay?: string;
}

/** Some entries. */
export interface FoundEntries {
  /** In the order of their places. */
  readonly entries: readonly FoundEntry[];
  /** How many could not be read and are left out. */
  readonly damaged: number;
}

/** What of earlier runs on a relay was not noted as shown. */
export interface UnshownEntries extends FoundEntries {
  /** Whether they may have been shown all the same. */
  readonly mayBeShown: boolean;
  /** Rows about the history itself that could not be read. */
  readonly damagedRows: number;
}

/** A page of all entries, the newest first. */
export interface EntryPage extends FoundEntries {
  /** Where the next page begins. */
  readonly before: number;
}

/** The past of one client. */
export interface HistoryLog {
  /**
   * Begins a run.
   * @param relay the relay that it is on
   * @param nowMs the time now
   * @returns what is to be shown first
   */
  begin(relay: HistoryRelay, nowMs: number): Promise<UnshownEntries>;
  /** The newest place that was given. */
  readonly last: number;
  /**
   * Notes that all entries up to a place were shown; it is kept with the next commit.
   * @param seq the place
   */
  noteShown(seq: number): void;
  /** Whether {@linkcode noteShown} told something that is not kept yet. */
  readonly hasNews: boolean;
  /**
   * Keeps what was noted.
   * @param isOver whether the run is over and nothing else was shown
   */
  saveShown(isOver: boolean): Promise<void>;
  /**
   * Lists conversations of this relay that a name means, of whom something is kept.
   * @param target what the person typed
   * @returns each with its name
   */
  named(target: HistoryTarget): readonly { readonly stream: StreamName; readonly name: string }[];
  /**
   * Reads the newest entries of a conversation of this relay.
   * @param stream the conversation
   * @param count how many at most
   * @returns the entries
   */
  recent(stream: StreamName, count: number): Promise<FoundEntries>;
  /**
   * Reads a page of the entries of all conversations.
   * @param before only those before this place; `Infinity` for the newest
   * @returns the page; `undefined` after the oldest
   */
  page(before: number): Promise<EntryPage | undefined>;
  /**
   * Deletes what is kept of a conversation of this relay, for good.
   * @param stream the conversation
   * @returns how many entries there were
   */
  forget(stream: StreamName): Promise<number>;
  /**
   * Deletes what is too old, and what is too much.
   * @param nowMs the time now
   */
  expire(nowMs: number): Promise<void>;
}

/** How many entries a page has: they are opened in a moment, so that a search holds nobody up. */
export const PAGE_ENTRIES = 256;

/** A day. */
export const DAY_MS: number = 24 * 60 * 60 * 1_000;

/**
 * Tells whether a conversation is the one that a name means.
 * @param conversation the conversation
 * @param target what the person typed
 * @returns whether it is
 */
export function isMeant(
  conversation: { readonly stream: StreamName; readonly name: string },
  target: HistoryTarget,
): boolean {
  if (target.stream !== undefined) return conversation.stream === target.stream;
  const kind = conversation.stream.startsWith("room/") ? "room" : "person";
  if (target.kind !== undefined && target.kind !== kind) return false;
  const typed = target.name.replace(/[\s-]/gu, "").toUpperCase();
  return foldedText(conversation.name) === foldedText(target.name.replace(/^#/u, "")) ||
    (kind === "person" && conversation.stream === `inbox/${typed}`);
}
