/**
 * Links that take new keys (PROTOCOL 2.6): a client says `bye` with the code `renew` and calls again at once. Until then
 * it counts as linked and stays in its rooms, so that nobody is told that it went and came.
 * @module
 */

import { equalBytes } from "../bytes/equal.ts";
import type { Caller } from "./effects.ts";
import type { RelayLink } from "./links.ts";

/** How long a client may take to call again: a call and a handshake over a slow line. */
export const RENEW_HOLD_MS = 10_000;

/** The links that are to come back; at most as many as there are links. */
export class Renewals {
  readonly #untilMs = new Map<RelayLink, number>();

  /** When the first of them has waited long enough, in milliseconds since 1970 (UTC); `Infinity` when none waits. */
  get nextDeadlineMs(): number {
    const [first = Infinity] = this.#untilMs.values(); // each waits equally long
    return first;
  }

  /**
   * Begins to wait for a link.
   * @param link the one that said `renew`
   * @param nowMs the time now
   */
  hold(link: RelayLink, nowMs: number): void {
    link.isRenewing = true;
    this.#untilMs.set(link, nowMs + RENEW_HOLD_MS);
  }

  /**
   * Takes in that an identity has linked.
   * @param link the link that it had, now over
   * @param caller who calls
   * @returns whether this is what was waited for: the same certificate in the place of one that said `renew`
   */
  take(link: RelayLink, caller: Caller): boolean {
    return this.#untilMs.delete(link) && equalBytes(link.caller.certificate, caller.certificate);
  }

  /**
   * Gives up those that did not come back.
   * @param nowMs the time now
   * @returns them
   */
  expire(nowMs: number): RelayLink[] {
    const late = [...this.#untilMs].filter(([, untilMs]) => untilMs <= nowMs).map(([link]) => link);
    for (const link of late) this.#untilMs.delete(link);
    return late;
  }
}
