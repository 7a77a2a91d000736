/**
 * The file of `sotto-server --allow`: who may link, one fingerprint a line.
 *
 *     # the office
 *     LVOL TFMZ 7FEN WMB5 SZ5T PWGX QEPW LVY2 ZBJW AFOH 5W3R W5GP GPCA   # ada
 *
 * Any case, with spaces and dashes wherever they help; blank lines and what follows a `#` count for nothing. Does no
 * I/O, and never repeats what it could not read.
 * @module
 */

import type { Fingerprint } from "../e2ee/identity.ts";

/** What a list says. */
export type AllowListText =
  | { readonly kind: "list"; readonly fingerprints: ReadonlySet<Fingerprint> }
  /** A line that is no fingerprint; the first is 1. */
  | { readonly kind: "malformed"; readonly line: number };

/** The last character carries one bit alone. Spelled out: `i` and `toUpperCase()` make `ı` an `I`. */
const FINGERPRINT = /^[A-Za-z2-7]{51}[AaQq]$/;

/**
 * Parses a list.
 * @param text the whole file
 * @returns the fingerprints, in upper case without spaces, or the first line that is none
 */
export function parseAllowList(text: string): AllowListText {
  const fingerprints = new Set<Fingerprint>();
  // Editors of some systems put a byte order mark in front.
  for (const [index, line] of text.replace(/^\uFEFF/, "").split("\n").entries()) {
    const typed = line.replace(/#.*$/s, "").replace(/[\s-]/g, "");
    if (typed === "") continue;
    if (!FINGERPRINT.test(typed)) return { kind: "malformed", line: index + 1 };
    fingerprints.add(typed.toUpperCase());
  }
  return { kind: "list", fingerprints };
}
