/**
 * Text from other people, made fit for a screen. `SafeText` is the only kind of peer text that reaches one, and
 * `safeText()` is the only way to make it: no escape sequence, no control, bidi or invisible character, no line break,
 * no pile of combining marks comes through. Its law: the output of `safeText()` is a fixed point of `safeText()`.
 *
 * Removed: escape sequences, bidi controls and marks, everything zero-width (ZWJ and ZWNJ outside emoji too), tags.
 * Replaced: line breaks by `⏎`, every space but U+3000 by a plain one, other controls, private-use and unassigned code
 * points and lone surrogates by U+FFFD. Kept: emoji with their joiners, variation selectors and skin tones.
 * @module
 */

/** One line of text that cannot steer a terminal, reorder its neighbours or hide anything. */
export type SafeText = string & { readonly __brand: "SafeText" };

/** How long a safe line may be. */
export interface SafeTextOptions {
  /** The most code points to give, the final `…` of a cut text included; without it nothing is cut. */
  readonly maxChars?: number;
}

/** How many and how long lines may be. */
export interface SafeLinesOptions extends SafeTextOptions {
  /** The most lines to give, the closing remark included; `SAFE_LINES_MAX` without it. */
  readonly maxLines?: number;
}

/** The looks that `paint()` knows. */
export type Paint = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";

/** Enough for any real message; beyond it one message of newlines would push everybody else off the screen. */
export const SAFE_LINES_MAX = 200;

/** Vietnamese, Hebrew and Tibetan stay below it; more only serves to paint over other lines. */
export const MARKS_PER_BASE_MAX = 4;

/** No emoji that fonts know joins more; an endless chain would be one endless "character". */
export const EMOJI_JOINED_MAX = 8;

const LINE_BREAK = /\r\n|[\n\r\v\f\x85\u2028\u2029]/gu;
const LINE_BREAK_MARK = "⏎";
const REPLACEMENT = "\ufffd";

// Strings (OSC, DCS, SOS, PM, APC) only with their end: of an unfinished one the rest stays visible text.
const ESCAPE_SEQUENCE = new RegExp(
  [
    "(?:\\x1b\\[|\\x9b)[0-?]*[ -/]*[@-~]",
    "(?:\\x1b[\\]PX^_]|[\\x90\\x98\\x9d-\\x9f])[^\\x07\\x1b\\x9c]*(?:\\x07|\\x1b\\\\|\\x9c)",
    "\\x1b[ -/]*[0-~]",
  ].join("|"),
  "gu",
);
// U+2800 is a Braille cell without dots: a blank that counts as a symbol.
const SPACE = /[\t\u2800]|(?!\u3000)\p{Zs}/gu;
const UNSHOWABLE = /[\p{Cc}\p{Cs}\p{Co}\ufffc]|(?!\p{Default_Ignorable_Code_Point})\p{Cn}/gu;
// All but ZWJ, VS15 and VS16, whose place in an emoji is judged after this.
const INVISIBLE = /(?![\u200d\ufe0e\ufe0f])[\p{Cf}\p{Default_Ignorable_Code_Point}]/gu;
const EMOJI_ELEMENT = "\\p{Extended_Pictographic}(?:[\\ufe0e\\ufe0f]|\\p{Emoji_Modifier})?";
const EMOJI_OR_LONE_JOINER = new RegExp(
  `${EMOJI_ELEMENT}(?:\\u200d${EMOJI_ELEMENT}){0,${
    EMOJI_JOINED_MAX - 1
  }}|[0-9#*]\\ufe0f\\u20e3|[\\u200d\\ufe0e\\ufe0f]`,
  "gu",
);
const LONE_JOINER = /^[\u200d\ufe0e\ufe0f]$/u;
const SURPLUS_MARKS = new RegExp(`(\\p{M}{${MARKS_PER_BASE_MAX}})\\p{M}+`, "gu");
const LEADING_MARK = /^\p{M}/u;
const PLAIN = /^[ -~]*$/;

const PAINTS = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const satisfies Record<Paint, number>;

/**
 * Makes one safe line of any text.
 * @param text text from anywhere
 * @param options how long it may be
 * @returns the line, perhaps empty; a line break in it shows as `⏎`
 * @throws {RangeError} when `maxChars` is not a whole number above 0
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { safeText } from "./safe_text.ts";
 * assertEquals<string>(safeText("\x1b[2Jhi\nalice: \u202eevil"), "hi⏎alice: evil");
 * ```
 */
export function safeText(text: string, options: SafeTextOptions = {}): SafeText {
  const clean = PLAIN.test(text) ? text : cleaned(text);
  return (options.maxChars === undefined ? clean : shortened(clean, options.maxChars)) as SafeText;
}

/**
 * Makes safe lines of a text of several lines.
 * @param text text from anywhere
 * @param options how many lines it may give and how long each may be
 * @returns at least one line; when there are too many, the last one says how many are not shown
 * @throws {RangeError} when a bound is not a whole number above 0
 */
export function safeLines(text: string, options: SafeLinesOptions = {}): SafeText[] {
  const maxLines = options.maxLines ?? SAFE_LINES_MAX;
  checkBound("maxLines", maxLines);
  const lines = text.split(LINE_BREAK);
  const shown = lines.length <= maxLines ? lines : lines.slice(0, maxLines - 1);
  const safe = shown.map((line) => safeText(line, options));
  if (shown.length < lines.length) safe.push(safeText(`… ${lines.length - shown.length} more lines`, options));
  return safe;
}

/**
 * Joins safe pieces.
 * @param parts the pieces, in order
 * @param separator what stands between two of them; a literal of ours
 * @returns one safe line
 */
export function joinSafe(parts: readonly SafeText[], separator = ""): SafeText {
  return parts.join(separator) as SafeText;
}

/**
 * Composes safe pieces and literals of ours: ``safe`${handle} joined` ``. The literal parts are taken as they stand.
 * @param literals the literal parts, from the source alone
 * @param values the pieces between them
 * @returns one safe line
 */
export function safe(literals: TemplateStringsArray, ...values: readonly (SafeText | number)[]): SafeText {
  return literals.map((literal, i) => literal + String(values[i] ?? "")).join("") as SafeText;
}

/**
 * Gives a safe line a look, by the only escape sequences that SafeText may hold. Only for a terminal that wants
 * colour.
 * @param text the line
 * @param look how it shall look
 * @returns the line between the sequence for that look and the one that ends it
 */
export function paint(text: SafeText, look: Paint): SafeText {
  return `\x1b[${PAINTS[look]}m${text}\x1b[0m` as SafeText;
}

function cleaned(text: string): string {
  // The order matters: sequences need their controls, and marks are counted when nothing invisible parts them.
  return text.toWellFormed()
    .replace(ESCAPE_SEQUENCE, "")
    .replace(LINE_BREAK, LINE_BREAK_MARK)
    .replace(SPACE, " ")
    .replace(UNSHOWABLE, REPLACEMENT)
    .replace(INVISIBLE, "")
    .replace(EMOJI_OR_LONE_JOINER, (found) => LONE_JOINER.test(found) ? "" : found)
    .replace(SURPLUS_MARKS, "$1")
    // A mark without a base would settle on whatever we print before it.
    .replace(LEADING_MARK, "\u25cc$&");
}

function shortened(text: string, maxChars: number): string {
  checkBound("maxChars", maxChars);
  if (text.length <= maxChars || countChars(text) <= maxChars) return text;
  let kept = "";
  let keptChars = 0;
  for (const { segment } of new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(text)) {
    keptChars += countChars(segment);
    if (keptChars > maxChars - 1) break;
    kept += segment;
  }
  return `${kept}…`;
}

function countChars(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

function checkBound(name: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new RangeError(`Cannot shorten text: ${name} is ${value}, not a whole number above 0`);
  }
}
