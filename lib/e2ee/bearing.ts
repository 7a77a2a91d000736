/**
 * Which ops bear out a place of an open room's log, so that newcomers can start there (PROTOCOL 3.12, 4.4).
 * @module
 */

import type { AppliedOp } from "./membership.ts";

/**
 * Tells whether an op shows that a member saw the place that it names as we did: the head and the members there.
 * @param applied what became of it, in an open room
 * @returns whether it is valid and its roster fits; not for one who just joined, who was no member there
 */
export function bearsOut(applied: AppliedOp): boolean {
  if (!applied.valid || !applied.rosterFits) return false;
  const { kind } = applied.change;
  return kind === "left" || kind === "removed" || kind === "here" || kind === "renewed";
}
