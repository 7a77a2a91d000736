/**
 * Questions to the relay who is there. One is under way at a time and one answer serves all who asked before it left:
 * a script may ask as often as it likes and never runs into the relay's bound on requests, which would end the link.
 * @module
 */

import { ProtocolError } from "../bytes/errors.ts";
import type { Bytes } from "../bytes/writer.ts";
import type { Ref } from "./events.ts";
import { PEOPLE_MAX } from "./people.ts";

/** How long after a question the next one may leave: half of what a relay allows for ever. */
export const WHO_INTERVAL_MS = 100;
/** How many may wait for an answer; while so many do, no input is read. */
export const WHO_WAITING_MAX = 256;

/** A question under way and what was answered so far. */
interface Question {
  readonly number: number;
  readonly refs: readonly (Ref | undefined)[];
  readonly certificates: Bytes[];
}

/** A page of an answer. */
export interface WhoPage {
  /** The number of the question. */
  readonly number: number;
  /** Whether more pages follow. */
  readonly more: boolean;
  /** Of some who are linked, not verified yet. */
  readonly certificates: readonly Bytes[];
}

/** A whole answer. */
export interface WhoAnswer {
  /** What the scripts that asked put beside their question, one for each. */
  readonly refs: readonly (Ref | undefined)[];
  /** Of all who are linked, not verified yet. */
  readonly certificates: readonly Bytes[];
}

/** The questions of one client. */
export class WhoRequests {
  /** The refs that the next question serves. */
  #waiting: (Ref | undefined)[] = [];
  #current: Question | undefined;
  /** Whether the client itself wants to know. */
  #isWanted = false;
  #askedAtMs = -Infinity;
  #nextNumber = 1;

  /** Whether nobody waits for an answer. */
  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** Whether no further question may be taken. */
  get isFull(): boolean {
    return this.#count >= WHO_WAITING_MAX;
  }

  get #isDue(): boolean {
    return this.#isWanted || this.#waiting.length > 0;
  }

  get #count(): number {
    return this.#waiting.length + (this.#current?.refs.length ?? 0);
  }

  /**
   * Notes that somebody wants to know.
   * @param ref what a script put beside it
   */
  add(ref: Ref | undefined): void {
    this.#waiting.push(ref);
  }

  /** Notes that the client itself wants to know; nobody is told the answer. */
  want(): void {
    this.#isWanted = true;
  }

  /**
   * Tells whether a question is to leave now, and counts it as under way.
   * @param nowMs the time now
   * @returns its number, `undefined` when nothing is to be asked now
   */
  start(nowMs: number): number | undefined {
    if (!this.#isDue || this.#current !== undefined) return undefined;
    // A clock that was set back must not keep anybody waiting.
    if (nowMs >= this.#askedAtMs && nowMs < this.#askedAtMs + WHO_INTERVAL_MS) return undefined;
    this.#current = { number: this.#nextNumber++, refs: this.#waiting, certificates: [] };
    this.#waiting = [];
    this.#isWanted = false;
    this.#askedAtMs = nowMs;
    return this.#current.number;
  }

  /** Notes that the link is gone: whoever waits for an answer is served by the next question. */
  unlink(): void {
    this.#waiting = [...this.#current?.refs ?? [], ...this.#waiting];
    this.#current = undefined;
    this.#askedAtMs = -Infinity;
  }

  /**
   * Takes in a page of an answer.
   * @param page which question it answers, and what it holds
   * @returns the whole answer after its last page, else `undefined`
   * @throws {ProtocolError} when nobody asked, or the answer is too long
   */
  take(page: WhoPage): WhoAnswer | undefined {
    const current = this.#current;
    if (current?.number !== page.number) throw new ProtocolError("Cannot take an answer that nobody asked for");
    current.certificates.push(...page.certificates);
    if (current.certificates.length > PEOPLE_MAX) {
      throw new ProtocolError(`Cannot take an answer of more than ${PEOPLE_MAX} people`);
    }
    if (page.more) return undefined;
    this.#current = undefined;
    return current;
  }

  /**
   * Tells when a question is to leave that had to wait.
   * @returns the time, `undefined` when none waits for it
   */
  nextDueMs(): number | undefined {
    return this.#isDue && this.#current === undefined ? this.#askedAtMs + WHO_INTERVAL_MS : undefined;
  }
}
