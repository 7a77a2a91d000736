/**
 * What the rooms of the chat core share while one input is handled.
 * @module
 */

import type { Effects } from "./effects.ts";
import type { NoticeCode } from "./events.ts";

/** One call of the core's `handle`. */
export interface Turn {
  /** The time now, in milliseconds since 1970 (UTC). */
  readonly nowMs: number;
  /** Where effects go, in order. */
  readonly effects: Effects;
}

/**
 * Tells the person something in a sentence.
 * @param turn where it goes
 * @param code what it is about
 * @param text the sentence; names in it are cleaned where it is drawn
 */
export function notice(turn: Turn, code: NoticeCode, text: string): void {
  turn.effects.push({ kind: "show", event: { type: "notice", code, text } });
}
