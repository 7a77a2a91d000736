/**
 * Requests for fresh keys that wait for a live answer of the person asked (PROTOCOL 3). The person hears
 * `bundleWanted` with a number of the relay's own; who does not answer in time is answered for from the store.
 * @module
 */

import type { Fingerprint } from "../wire/messages.ts";

/** How long a requester waits for a live answer: a slow machine signs in far less. */
export const LIVE_ANSWER_MS = 2000;
/** Live answers asked of one person a second (PROTOCOL 3): each costs it signatures. */
export const LIVE_ASKS_PER_SECOND = 5;
/** Requests of one link that may wait: a full page of newcomers at once. */
export const PENDING_PER_REQUESTER_MAX = 256;
/** Requests that may wait in all; above it the store answers at once. */
export const PENDING_MAX = 10_000;

const SECOND_MS = 1000;
const REF_MAX = 0xffffffff;

/** A request that waits. */
export interface PendingRequest {
  /** The relay's own number for it. */
  readonly ref: number;
  /** The link that asks. */
  readonly requester: number;
  /** That link's number for it. */
  readonly requesterRef: number;
  /** Who asks. */
  readonly by: Fingerprint;
  /** The link that is to answer. */
  readonly target: number;
  /** Who is to answer. */
  readonly of: Fingerprint;
  /** When the store answers instead. */
  readonly deadlineMs: number;
}

/** The requests that wait, in the order in which they were made. */
export class LiveRequests {
  readonly #pending = new Map<number, PendingRequest>();
  readonly #waitingOf = new Map<number, number>();
  /** The times of the last asks, at most five, of each link asked; goes with the link. */
  readonly #asksOf = new Map<number, number[]>();
  #lastRef = 0;
  // The clock may be set back, so the first made need not be the first to run out. Kept here because it is asked for
  // after every input; too early when that request was answered, until the next look at all of them.
  #nextDeadlineMs = Infinity;

  /** When the first request runs out, at the earliest, or `undefined` when none waits. */
  get nextDeadlineMs(): number | undefined {
    return this.#pending.size === 0 ? undefined : this.#nextDeadlineMs;
  }

  /**
   * Makes a request, unless the person asked was asked too often or too many wait.
   * @param request who asks whom
   * @param nowMs the time
   * @returns the request to forward, or `undefined` when the store is to answer
   */
  ask(request: Omit<PendingRequest, "ref" | "deadlineMs">, nowMs: number): PendingRequest | undefined {
    const waiting = this.#waitingOf.get(request.requester) ?? 0;
    if (waiting >= PENDING_PER_REQUESTER_MAX || this.#pending.size >= PENDING_MAX) return undefined;
    if (!this.#mayAsk(request.target, nowMs)) return undefined;
    this.#lastRef = this.#lastRef >= REF_MAX ? 1 : this.#lastRef + 1;
    const pending: PendingRequest = { ...request, ref: this.#lastRef, deadlineMs: nowMs + LIVE_ANSWER_MS };
    this.#pending.set(pending.ref, pending);
    this.#nextDeadlineMs = Math.min(this.#nextDeadlineMs, pending.deadlineMs);
    this.#waitingOf.set(request.requester, waiting + 1);
    return pending;
  }

  /**
   * Takes the request that an answer belongs to.
   * @param ref the relay's number, out of the answer
   * @param from the link that answers
   * @returns the request, or `undefined` when this link was not asked or answers too late
   */
  answer(ref: number, from: number): PendingRequest | undefined {
    const pending = this.#pending.get(ref);
    if (pending === undefined || pending.target !== from) return undefined;
    this.#remove(pending);
    return pending;
  }

  /**
   * Takes the requests that ran out.
   * @param nowMs the time
   * @returns them, in the order in which they were made
   */
  takeExpired(nowMs: number): PendingRequest[] {
    const expired: PendingRequest[] = [];
    if (this.#nextDeadlineMs > nowMs) return expired;
    this.#nextDeadlineMs = Infinity;
    for (const pending of this.#pending.values()) {
      if (pending.deadlineMs <= nowMs) expired.push(pending);
      else this.#nextDeadlineMs = Math.min(this.#nextDeadlineMs, pending.deadlineMs);
    }
    for (const pending of expired) this.#remove(pending);
    return expired;
  }

  /**
   * Forgets a link: its own requests, and those that it was to answer.
   * @param link the link that ended
   * @returns the requests of others that it will not answer any more
   */
  forget(link: number): PendingRequest[] {
    this.#asksOf.delete(link);
    const unanswered: PendingRequest[] = [];
    for (const pending of [...this.#pending.values()]) {
      if (pending.requester !== link && pending.target !== link) continue;
      this.#remove(pending);
      if (pending.requester !== link) unanswered.push(pending);
    }
    return unanswered;
  }

  #mayAsk(target: number, nowMs: number): boolean {
    const asks = (this.#asksOf.get(target) ?? []).filter((askedMs) => askedMs + SECOND_MS > nowMs);
    if (asks.length >= LIVE_ASKS_PER_SECOND) return false;
    asks.push(nowMs);
    this.#asksOf.set(target, asks);
    return true;
  }

  #remove(pending: PendingRequest): void {
    this.#pending.delete(pending.ref);
    if (this.#pending.size === 0) this.#nextDeadlineMs = Infinity;
    const waiting = (this.#waitingOf.get(pending.requester) ?? 1) - 1;
    if (waiting === 0) this.#waitingOf.delete(pending.requester);
    else this.#waitingOf.set(pending.requester, waiting);
  }
}
