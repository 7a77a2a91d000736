/**
 * Whether the other side of an open link is still there (PROTOCOL 2.5). Only silence counts against it: one whose words
 * wait behind all that it has for us, or behind all that we have for it, is alive. Does no I/O, and knows no clock.
 * @module
 */

/** After so long without a word from the peer we ask for one. */
export const PING_AFTER_MS = 15_000;
/** After so long without a word the line counts as broken: our ping had 30 seconds to be answered. */
export const IDLE_TIMEOUT_MS = 45_000;

const ANSWER_MS = IDLE_TIMEOUT_MS - PING_AFTER_MS;

/** What is due, and when to look again. */
export type LifeLook =
  | { readonly due: "nothing" | "ping" | "pong"; readonly atMs: number }
  | { readonly due: "end" };

/** What was heard and said on one link. */
export class LifeWatch {
  #heardMs = 0;
  /** When we asked for a sign of life that has not come. */
  #pingedMs: number | undefined;
  #hasWritten = false;

  /**
   * Takes in a verified word of the peer.
   * @param nowMs the time
   * @returns when to look again if a sign of life was awaited; else the next look finds out by itself
   */
  heard(nowMs: number): number | undefined {
    const wasAwaited = this.#pingedMs !== undefined;
    this.#heardMs = nowMs;
    this.#pingedMs = undefined;
    return wasAwaited ? nowMs + PING_AFTER_MS : undefined;
  }

  /** Takes in that something of ours leaves. */
  wrote(): void {
    this.#hasWritten = true;
  }

  /**
   * Looks at it.
   * @param nowMs the time
   * @param hasWaiting whether something of ours waits to be written
   * @returns what to say
   */
  look(nowMs: number, hasWaiting: boolean): LifeLook {
    const hasWritten = this.#hasWritten || hasWaiting;
    this.#hasWritten = false;
    // From the ping on, not from the last word: whoever looks late, for the machine slept or what came was not read
    // yet, gives the other side its time all the same.
    const dueMs = this.#pingedMs === undefined ? this.#heardMs + PING_AFTER_MS : this.#pingedMs + ANSWER_MS;
    if (nowMs < dueMs) {
      // Their ping may wait behind all that they have for us: they hear that we are here without it.
      const isQuiet = this.#pingedMs === undefined && !hasWritten;
      return { due: isQuiet ? "pong" : "nothing", atMs: dueMs };
    }
    if (this.#pingedMs !== undefined) return { due: "end" };
    this.#pingedMs = nowMs;
    return { due: "ping", atMs: nowMs + ANSWER_MS };
  }
}
