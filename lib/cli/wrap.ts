/**
 * Long lines for a screen: broken between words, so that no name and no group of a fingerprint is cut in two.
 * @module
 */

import stringWidth from "string-width";
import type { SafeText } from "./safe_text.ts";

/** What a line goes on with, after the spaces that it began with. */
const INDENT = "  ";
/** Screens that are narrower break lines where they end: there is no room for an indent. */
const COLUMNS_MIN = 20;

/**
 * Breaks lines that are wider than the screen. A word that is wider than a line is left to the terminal.
 * @param lines lines, coloured or not
 * @param columns how wide the screen is
 * @returns the same lines, of a broken one its parts in order, each but the first indented
 */
export function wrapLines(lines: readonly SafeText[], columns: number): SafeText[] {
  return columns < COLUMNS_MIN ? [...lines] : lines.flatMap((line) => wrapLine(line, columns));
}

function wrapLine(line: SafeText, columns: number): SafeText[] {
  if (stringWidth(line) <= columns) return [line];
  const start = /^ */.exec(line)?.[0] ?? "";
  const indent = `${start}${INDENT}`;
  const parts: string[] = [];
  let part = start;
  for (const [i, word] of line.slice(start.length).split(" ").entries()) {
    const longer = i === 0 ? part + word : `${part} ${word}`;
    if (i > 0 && stringWidth(longer) > columns) {
      parts.push(part);
      part = indent + word;
    } else {
      part = longer;
    }
  }
  // Spaces and words of a safe line are safe, and so are the spaces in front of them.
  return [...parts, part] as SafeText[];
}
