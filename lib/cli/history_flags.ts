/**
 * The flags of the chat that say how long history is kept. Does no I/O.
 * @module
 */

import { UserError } from "../bytes/errors.ts";
import type { GivenArgs } from "./args.ts";

/** How long history is kept. */
export interface HistoryFlags {
  /** Whether what was shown is kept. */
  readonly keepsHistory: boolean;
  /** For how many days, 1 to 3,650. */
  readonly historyDays: number;
}

/** How long history is kept when nothing else is said. */
export const HISTORY_DAYS_DEFAULT = 30;
/** The longest that it is kept: ten years. */
export const HISTORY_DAYS_MAX = 3_650;

/**
 * Reads them.
 * @param given the command line
 * @returns what it says
 * @throws {UserError} `badFlag` when the number is none, or both are there
 */
export function historyOf(given: GivenArgs): HistoryFlags {
  const typed = given.text("history-days");
  const keepsHistory = !given.has("no-history");
  if (typed === undefined) return { keepsHistory, historyDays: HISTORY_DAYS_DEFAULT };
  if (!keepsHistory) {
    throw new UserError("badFlag", "Cannot take --history-days with --no-history", "Leave one of them out.");
  }
  const historyDays = /^\d{1,4}$/.test(typed) ? Number(typed) : 0;
  if (historyDays >= 1 && historyDays <= HISTORY_DAYS_MAX) return { keepsHistory, historyDays };
  throw new UserError(
    "badFlag",
    `Cannot take ${JSON.stringify(typed)} for --history-days`,
    `Give a whole number of days from 1 to ${HISTORY_DAYS_MAX}.`,
  );
}
