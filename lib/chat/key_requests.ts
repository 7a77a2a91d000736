/**
 * Asking the relay for somebody's keys: one request a person at a time, each with a nonce that makes a live answer
 * fresh, each given up after a while so that one absent member does not hold up a room.
 * @module
 */

import type { Bytes } from "../bytes/writer.ts";
import type { Fingerprint } from "../wire/messages.ts";

/** How long an answer may take; whoever's keys are not there by then is left out and named (PROTOCOL 3.14). */
export const KEY_REQUEST_TIMEOUT_MS = 5_000;
/** How long somebody whose keys did not come is left out before the next line asks again. */
export const KEY_RETRY_AFTER_MS = 30_000;

/** A request that was not answered yet. */
export interface KeyRequest {
  /** Names the request on the link. */
  readonly ref: number;
  /** Whose keys. */
  readonly of: Fingerprint;
  /** 16 random bytes that a live answer signs. */
  readonly nonce: Bytes;
  /** When it is given up. */
  readonly dueMs: number;
}

/** The requests of one client. */
export class KeyRequests {
  readonly #pending = new Map<Fingerprint, KeyRequest>();
  readonly #failedAtMs = new Map<Fingerprint, number>();
  /** Given up, and of use still if the answer comes: this client may have been slower than the relay. */
  readonly #late = new Map<number, KeyRequest>();
  #nextRef = 1;

  /** Notes that the link is gone: nothing is answered any more, and nothing has failed. */
  unlink(): void {
    this.#pending.clear();
    this.#late.clear();
    this.#failedAtMs.clear();
  }

  /**
   * Tells whether an answer is awaited.
   * @param of whose keys
   * @returns whether a request is under way
   */
  isPending(of: Fingerprint): boolean {
    return this.#pending.has(of);
  }

  /**
   * Tells whether somebody's keys did not come of late.
   * @param of whose keys
   * @param nowMs the time now
   * @returns whether to leave them out for now
   */
  hasFailed(of: Fingerprint, nowMs: number): boolean {
    const failedAtMs = this.#failedAtMs.get(of);
    return failedAtMs !== undefined && isWithin(nowMs - failedAtMs, KEY_RETRY_AFTER_MS);
  }

  /**
   * Begins a request.
   * @param of whose keys
   * @param options a fresh nonce of 16 bytes and the time now
   * @returns what to send
   */
  start(of: Fingerprint, options: { readonly nonce: Bytes; readonly nowMs: number }): KeyRequest {
    const request = { ref: this.#nextRef++, of, nonce: options.nonce, dueMs: options.nowMs + KEY_REQUEST_TIMEOUT_MS };
    this.#pending.set(of, request);
    return request;
  }

  /**
   * Ends the request that an answer belongs to.
   * @param ref what the answer names
   * @returns the request, `undefined` when it was given up or never made
   */
  settle(ref: number): KeyRequest | undefined {
    const request = this.#late.get(ref) ?? [...this.#pending.values()].find((candidate) => candidate.ref === ref);
    this.#late.delete(ref);
    if (request !== undefined) this.forget(request.of);
    return request;
  }

  /**
   * Notes that somebody's keys did not come, or were not theirs.
   * @param of whose keys
   * @param nowMs the time now
   */
  fail(of: Fingerprint, nowMs: number): void {
    this.#failedAtMs.set(of, nowMs);
  }

  /**
   * Forgets all about somebody, such as when their client started anew.
   * @param of whose keys
   */
  forget(of: Fingerprint): void {
    this.#pending.delete(of);
    this.#failedAtMs.delete(of);
  }

  /**
   * Gives up what took too long.
   * @param nowMs the time now
   * @returns whose keys did not come
   */
  expire(nowMs: number): Fingerprint[] {
    for (const [of, failedAtMs] of this.#failedAtMs) {
      if (!isWithin(nowMs - failedAtMs, KEY_RETRY_AFTER_MS)) this.#failedAtMs.delete(of);
    }
    const expired = [...this.#pending.values()].filter(({ dueMs }) =>
      !isWithin(nowMs - (dueMs - KEY_REQUEST_TIMEOUT_MS), KEY_REQUEST_TIMEOUT_MS)
    );
    for (const request of expired) {
      this.#pending.delete(request.of);
      this.#late.set(request.ref, request);
      this.fail(request.of, nowMs);
    }
    for (const [ref, { dueMs }] of this.#late) if (!isWithin(nowMs - dueMs, KEY_RETRY_AFTER_MS)) this.#late.delete(ref);
    return expired.map(({ of }) => of);
  }

  /**
   * Tells when the next request is given up.
   * @returns the time, `undefined` when none is under way
   */
  nextDueMs(): number | undefined {
    const due = [...this.#pending.values()].map((request) => request.dueMs);
    return due.length === 0 ? undefined : Math.min(...due);
  }
}

/** Whether a time has not passed yet. A clock that was set back counts as passed, or a room would wait for an hour. */
function isWithin(passedMs: number, boundMs: number): boolean {
  return passedMs >= 0 && passedMs < boundMs;
}
