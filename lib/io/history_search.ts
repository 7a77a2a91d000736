/**
 * Looking through all that is kept, page by page from the newest to the oldest: what is opened at once takes a moment,
 * and between two pages everything else has its turn.
 * @module
 */

import type { FoundEntries, FoundEntry, HistoryLog } from "./history_log.ts";

/** How many results a search gives. */
export const SEARCH_MAX_RESULTS = 50;

/** What was found. */
export interface SearchResults extends FoundEntries {
  /** Whether older ones fit too. */
  readonly hasMore: boolean;
}

/**
 * Finds the newest entries whose text has some text in it, whatever the case and the form of the letters.
 * @param log what is looked through
 * @param text what is looked for
 * @param goesOn asked before each page; the search ends when it says no
 * @returns the newest {@linkcode SEARCH_MAX_RESULTS}, the oldest of them first
 */
export async function searchHistory(log: HistoryLog, text: string, goesOn: () => boolean): Promise<SearchResults> {
  const wanted = foldedText(text);
  const found: FoundEntry[] = [];
  let damaged = 0;
  let coming = log.page(Infinity);
  while (goesOn() && found.length <= SEARCH_MAX_RESULTS) {
    const page = await coming;
    if (page === undefined) break;
    coming = log.page(page.before); // is opened while this one is looked through
    damaged += page.damaged;
    found.push(...page.entries.filter(({ event }) => event.type !== "gap" && foldedText(event.text).includes(wanted)));
  }
  await coming; // or what goes wrong in it would be nobody's
  const entries = found.slice(0, SEARCH_MAX_RESULTS);
  return { entries: entries.reverse(), damaged, hasMore: found.length > SEARCH_MAX_RESULTS };
}

/**
 * Makes text comparable: in one case, and in one form where there are several for the same letters.
 * @param text any text
 * @returns the folded text
 */
export function foldedText(text: string): string {
  return text.normalize("NFKC").toUpperCase().toLowerCase().replaceAll("ς", "σ").normalize("NFKC");
}
