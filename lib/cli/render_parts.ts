/**
 * What lines are drawn from: times, names, and the mark that says how well a key is known.
 * @module
 */

import type { Member } from "../chat/events.ts";
import { isoSeconds } from "./iso.ts";
import { type Paint, paint, safe, type SafeText, safeText } from "./safe_text.ts";

/** What a mark is made of. */
export type Key = Pick<Member, "trust" | "distrusted">;

/** How lines look. */
export interface Look {
  /** Whether the reader is a terminal that wants colour. */
  readonly hasColor: boolean;
}

/** The longest handle, relay or room name that is drawn; longer ones end in an ellipsis. */
const NAME_MAX_CHARS = 40;

/**
 * Draws a time.
 * @param atMs milliseconds since 1970 (UTC)
 * @returns ISO 8601, in seconds
 */
export function stamp(atMs: number): SafeText {
  return safeText(isoSeconds(atMs));
}

/**
 * Draws a name of somebody, or of a relay.
 * @param handle as its owner gives it
 * @returns safe text
 */
export function name(handle: string): SafeText {
  return safeText(handle, { maxChars: NAME_MAX_CHARS });
}

/**
 * Draws the name of a room.
 * @param roomName its name
 * @returns safe text
 */
export function room(roomName: string): SafeText {
  return safe`#${name(roomName)}`;
}

/**
 * Says in words how well a key is known; what is held back stands in capitals.
 * @param key what is known of it
 * @returns the mark
 */
export function mark({ trust, distrusted }: Key): SafeText {
  if (distrusted) return safeText("[NOT TRUSTED]");
  return trust === "changed" ? safeText("[KEY CHANGED]") : safeText(`[${trust}]`);
}

/**
 * Draws a line of less weight.
 * @param line the line
 * @param options whether there is colour
 * @returns the line
 */
export function dim(line: SafeText, options: Look): SafeText {
  return look(line, "dim", options);
}

/**
 * Paints a line, where there is colour.
 * @param line the line
 * @param as how
 * @param options whether there is colour
 * @returns the line
 */
export function look(line: SafeText, as: Paint, options: Look): SafeText {
  return options.hasColor ? paint(line, as) : line;
}
