/**
 * What the rooms of the chat core share while one input is handled.
 * @module
 */

import type { Effects } from "./effects.ts";
import type { NoticeCode, Ref } from "./events.ts";

/** One call of the core's `handle`. */
export interface Turn {
  /** The time now, in milliseconds since 1970 (UTC). */
  readonly nowMs: number;
  /** Where effects go, in order. */
  readonly effects: Effects;
}

/** What something is about. */
export interface About {
  /** A room of ours, by what it is called here. */
  readonly room?: string;
}

/**
 * Gives what a script put beside its line, as the field of an event.
 * @param ref what it put there, if anything
 * @returns the field, or none
 */
export function refFieldOf(ref: Ref | undefined): { readonly ref?: Ref } {
  return ref === undefined ? {} : { ref };
}

/**
 * Tells the person something in a sentence.
 * @param turn where it goes
 * @param code what it is about
 * @param text the sentence; names in it are cleaned where it is drawn
 * @param about the room, for whatever is about one
 */
export function notice(turn: Turn, code: NoticeCode, text: string, about: About = {}): void {
  turn.effects.push({ kind: "show", event: { type: "notice", code, text, ...about } });
}
