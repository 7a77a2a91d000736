/**
 * What we have to say of texts that others wrote to us in private: that they are kept here, and that the person has
 * seen them. It is said a little later and for many at once, and seldom enough that an inbox is not filled by it.
 * @module
 */

import type { EventId, Fingerprint } from "../wire/messages.ts";
import { type Receipt, RECEIPT_BOXES_MAX } from "./content.ts";

/** How long the first text waits for others, so that a burst of them makes one receipt. */
export const RECEIPT_DELAY_MS = 1_000;
/** How often one person gets a receipt at most. */
export const RECEIPT_EVERY_MS = 2_000;
/** Texts of one person that may wait to be confirmed; the oldest go unconfirmed. */
export const OWED_PER_PEER_MAX = 1_000;
/** People whose texts may wait. */
export const OWED_PEERS_MAX = 1_024;
/** Texts that can still be said to be read. */
export const SHOWN_MAX = 4_096;

/** A text that came. */
export interface ReceivedText {
  /** The id of its event. */
  readonly id: EventId;
  /** The SHA-256 of its box, in lower-case hexadecimal. */
  readonly box: string;
}

interface Peer {
  /** What is to be said, by box. */
  readonly boxes: Map<string, "delivered" | "read">;
  dueMs: number;
}

/** The texts of others that one client has to confirm. */
export class OwedReceipts {
  readonly #peers = new Map<Fingerprint, Peer>();
  /** When each was told something last; of those who wait for nothing too, until that does not matter any more. */
  readonly #saidMs = new Map<Fingerprint, number>();
  /** Texts that the person may see, oldest first. */
  readonly #shown = new Map<EventId, { readonly peer: Fingerprint; readonly box: string }>();

  /**
   * Notes that a text is kept here.
   * @param peer who wrote it
   * @param text which
   * @param nowMs the time now
   */
  received(peer: Fingerprint, { id, box }: ReceivedText, nowMs: number): void {
    this.#owe(peer, box, "delivered", nowMs);
    this.#shown.set(id, { peer, box });
    for (const oldest of this.#shown.keys()) {
      if (this.#shown.size <= SHOWN_MAX) break;
      this.#shown.delete(oldest);
    }
  }

  /**
   * Notes that the person has seen texts.
   * @param ids of their events; ids of anything else are ignored
   * @param nowMs the time now
   */
  read(ids: readonly EventId[], nowMs: number): void {
    for (const id of ids) {
      const text = this.#shown.get(id);
      if (text === undefined || !this.#shown.delete(id)) continue;
      this.#owe(text.peer, text.box, "read", nowMs);
    }
  }

  /**
   * Lists to whom something is to be said now.
   * @param nowMs the time now
   * @returns whose time has come
   */
  due(nowMs: number): Fingerprint[] {
    return [...this.#peers].filter(([, { dueMs }]) => dueMs <= nowMs).map(([peer]) => peer);
  }

  /**
   * Takes out what is said next.
   * @param peer to whom
   * @param nowMs the time now
   * @returns a receipt's worth, `undefined` when there is nothing
   */
  take(peer: Fingerprint, nowMs: number): Pick<Receipt, "delivered" | "read"> | undefined {
    const owed = this.#peers.get(peer);
    if (owed === undefined) return undefined;
    const taken = [...owed.boxes].slice(0, RECEIPT_BOXES_MAX);
    for (const [box] of taken) owed.boxes.delete(box);
    if (owed.boxes.size === 0) this.#peers.delete(peer);
    owed.dueMs = nowMs + RECEIPT_EVERY_MS;
    this.#said(peer, nowMs);
    const of = (state: "delivered" | "read") => taken.filter(([, is]) => is === state).map(([box]) => box);
    return { delivered: of("delivered"), read: of("read") };
  }

  /**
   * Puts back what was said while the link was lost, to be said again.
   * @param peer to whom
   * @param receipt what
   * @param nowMs the time now
   */
  putBack(peer: Fingerprint, { delivered, read }: Pick<Receipt, "delivered" | "read">, nowMs: number): void {
    for (const box of delivered) this.#owe(peer, box, "delivered", nowMs);
    for (const box of read) this.#owe(peer, box, "read", nowMs);
  }

  /**
   * Lets somebody wait whose keys are on their way.
   * @param peer who
   * @param untilMs until when
   */
  postpone(peer: Fingerprint, untilMs: number): void {
    const owed = this.#peers.get(peer);
    if (owed !== undefined) owed.dueMs = untilMs;
  }

  /**
   * Says nothing to somebody of what waits.
   * @param peer who
   */
  drop(peer: Fingerprint): void {
    this.#peers.delete(peer);
  }

  /** Lets all that waits be said now. */
  hurry(): void {
    for (const owed of this.#peers.values()) owed.dueMs = 0;
  }

  /**
   * Tells when the next is to be said.
   * @returns the time, `Infinity` when nothing waits
   */
  nextDueMs(): number {
    return Math.min(Infinity, ...[...this.#peers.values()].map(({ dueMs }) => dueMs));
  }

  #owe(peer: Fingerprint, box: string, state: "delivered" | "read", nowMs: number): void {
    const known = this.#peers.get(peer);
    if (known === undefined && this.#peers.size >= OWED_PEERS_MAX) return;
    const dueMs = Math.max(nowMs + RECEIPT_DELAY_MS, (this.#saidMs.get(peer) ?? -Infinity) + RECEIPT_EVERY_MS);
    const owed = known ?? { boxes: new Map<string, "delivered" | "read">(), dueMs };
    this.#peers.set(peer, owed);
    if (owed.boxes.get(box) !== "read") owed.boxes.set(box, state);
    const [oldest] = owed.boxes.keys();
    if (owed.boxes.size > OWED_PER_PEER_MAX && oldest !== undefined) owed.boxes.delete(oldest);
  }

  #said(peer: Fingerprint, nowMs: number): void {
    this.#saidMs.delete(peer);
    this.#saidMs.set(peer, nowMs);
    for (const [other, saidMs] of this.#saidMs) {
      if (saidMs > nowMs - RECEIPT_EVERY_MS && saidMs <= nowMs && this.#saidMs.size <= OWED_PEERS_MAX) break;
      this.#saidMs.delete(other);
    }
  }
}
