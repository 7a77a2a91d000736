/**
 * Our private texts of which nobody has said yet that they were read. Only whom a text was sealed for can say so, and
 * only by the box that it came in; what they name beyond that means nothing.
 * @module
 */

import type { EventId, Fingerprint } from "../wire/messages.ts";
import type { Receipt } from "./content.ts";
import { BOXES_PER_TEXT_MAX, decodeReceiptRecord, encodeReceiptRecord, type ReceiptRecord } from "./receipt_record.ts";
import type { ReceiptRowChange, StoredReceiptRow } from "./state.ts";

/** Texts to one person that are remembered; the oldest go. */
export const AWAITED_PER_PEER_MAX = 1_000;
/** Texts to all people together. */
export const AWAITED_MAX = 20_000;
/** How long a text is remembered: no longer than the relay keeps it. */
export const AWAITED_MAX_AGE_MS: number = 30 * 24 * 3600 * 1000;

/** How often it is looked for what is too old. */
const EXPIRE_EVERY_MS: number = 3600 * 1000;

/** What somebody said of one text for the first time. */
export interface Confirmed {
  /** The id of its event. */
  readonly id: EventId;
  /** What became of it. */
  readonly state: "delivered" | "read";
}

interface Awaited extends ReceiptRecord {
  readonly id: EventId;
}

/** The texts of one client, by whom they are for. */
export class AwaitedReceipts {
  /** Of each peer, in the order in which they were sealed. */
  readonly #peers = new Map<Fingerprint, Map<EventId, Awaited>>();
  /** Which text a box holds, by peer and hash. */
  readonly #boxes = new Map<string, EventId>();
  readonly #changed = new Map<string, { readonly peer: Fingerprint; readonly id: EventId }>();
  #size = 0;
  #expireAtMs = 0;

  /**
   * Starts with what earlier runs kept; what is too old by now is forgotten.
   * @param stored the rows
   * @param nowMs the time now
   * @throws {DecodeError} when a row is damaged
   */
  constructor(stored: readonly StoredReceiptRow[], nowMs: number) {
    const rows = stored.map(({ peer, id, value }) => ({ peer, id, ...decodeReceiptRecord(value) }));
    for (const { peer, ...row } of rows.toSorted((a, b) => a.sealedAtMs - b.sealedAtMs)) this.#put(peer, row);
    this.#expire(nowMs);
  }

  /** How many texts are remembered. */
  get size(): number {
    return this.#size;
  }

  /**
   * Remembers a text that leaves.
   * @param peer whom it is for
   * @param text the id of its event, and the SHA-256 of its box in hexadecimal
   * @param nowMs the time now
   */
  add(peer: Fingerprint, { id, box }: { readonly id: EventId; readonly box: string }, nowMs: number): void {
    const before = this.#peers.get(peer)?.get(id);
    const boxes = [...before?.boxes ?? [], box].slice(-BOXES_PER_TEXT_MAX);
    this.#drop(peer, id);
    this.#put(peer, { id, sealedAtMs: nowMs, isDelivered: before?.isDelivered ?? false, boxes });
    this.#note(peer, id);
    const own = this.#peers.get(peer);
    if (own !== undefined && own.size > AWAITED_PER_PEER_MAX) this.#dropOldest(peer, own);
    this.#expire(nowMs);
  }

  /**
   * Takes in what somebody says of texts.
   * @param peer who says so
   * @param receipt which boxes
   * @returns what is new, in the order in which the texts were written
   */
  take(peer: Fingerprint, { delivered, read }: Pick<Receipt, "delivered" | "read">): Confirmed[] {
    const own = this.#peers.get(peer);
    if (own === undefined) return [];
    const told = new Map<EventId, Confirmed["state"]>();
    for (const [state, boxes] of [["delivered", delivered], ["read", read]] as const) {
      for (const box of boxes) {
        const id = this.#boxes.get(`${peer}/${box}`);
        if (id !== undefined) told.set(id, state);
      }
    }
    if (told.size === 0) return []; // whoever invents boxes costs no more than this
    const ordered = [...own.values()].filter(({ id }) => told.has(id));
    return ordered.flatMap((text) => this.#confirm(peer, text, told.get(text.id) as Confirmed["state"]));
  }

  /**
   * Forgets all texts to somebody: what is said of them from now on means nothing.
   * @param peer whom they were for
   */
  forget(peer: Fingerprint): void {
    for (const id of [...this.#peers.get(peer)?.keys() ?? []]) {
      this.#drop(peer, id);
      this.#note(peer, id);
    }
  }

  /**
   * Tells what a store is to keep that was not told before.
   * @returns one change for each text
   */
  takeChanges(): ReceiptRowChange[] {
    const changes = [...this.#changed.values()].map(({ peer, id }) => {
      const text = this.#peers.get(peer)?.get(id);
      return { peer, id, value: text && encodeReceiptRecord(text) };
    });
    this.#changed.clear();
    return changes;
  }

  #confirm(peer: Fingerprint, text: Awaited, state: Confirmed["state"]): Confirmed[] {
    const { id, isDelivered } = text;
    if (state === "delivered" && isDelivered) return [];
    this.#note(peer, id);
    const first: Confirmed[] = isDelivered ? [] : [{ id, state: "delivered" }];
    if (state === "delivered") {
      this.#peers.get(peer)?.set(id, { ...text, isDelivered: true });
      return first;
    }
    this.#drop(peer, id);
    return [...first, { id, state: "read" }];
  }

  #put(peer: Fingerprint, text: Awaited): void {
    const own = this.#peers.get(peer) ?? new Map<EventId, Awaited>();
    this.#peers.set(peer, own.set(text.id, text));
    for (const box of text.boxes) this.#boxes.set(`${peer}/${box}`, text.id);
    this.#size++;
  }

  #drop(peer: Fingerprint, id: EventId): void {
    const own = this.#peers.get(peer);
    const text = own?.get(id);
    if (own === undefined || text === undefined) return;
    own.delete(id);
    if (own.size === 0) this.#peers.delete(peer);
    for (const box of text.boxes) this.#boxes.delete(`${peer}/${box}`);
    this.#size--;
  }

  #dropOldest(peer: Fingerprint, own: ReadonlyMap<EventId, Awaited>): void {
    const [oldest] = own.keys();
    if (oldest === undefined) return;
    this.#drop(peer, oldest);
    this.#note(peer, oldest);
  }

  /** Of each peer the oldest text is the first. */
  #expire(nowMs: number): void {
    if (this.#size <= AWAITED_MAX && nowMs < this.#expireAtMs) return;
    this.#expireAtMs = nowMs + EXPIRE_EVERY_MS;
    for (const [peer, own] of this.#peers) {
      for (const { id, sealedAtMs } of own.values()) {
        if (this.#size <= AWAITED_MAX && sealedAtMs > nowMs - AWAITED_MAX_AGE_MS) break;
        this.#drop(peer, id);
        this.#note(peer, id);
      }
    }
  }

  #note(peer: Fingerprint, id: EventId): void {
    this.#changed.set(`${peer}/${id}`, { peer, id });
  }
}
