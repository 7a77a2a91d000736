/**
 * The conversations of a history: which there are, under which keys, and their entries opened. An entry that is damaged,
 * forged or moved is counted and left out; it never keeps others from being read.
 * @module
 */

import { encodeHex } from "@std/encoding/hex";
import { AuthError, DecodeError } from "../bytes/errors.ts";
import type { Bytes } from "../bytes/writer.ts";
import { decodeEntry, type KeptEntry } from "../chat/history_entry.ts";
import type { Fingerprint, StreamName } from "../wire/messages.ts";
import type { KeptConversation } from "./history_rows.ts";
import { openEntry, type StoredEntry } from "./sealed_entries.ts";

/** An entry that was opened. */
export interface OpenedEntry {
  /** Its place. */
  readonly seq: number;
  /** Whose it is. */
  readonly conversation: KeptConversation;
  /** What it holds. */
  readonly entry: KeptEntry;
}

/** Entries that were opened. */
export interface OpenedEntries {
  /** In the order of the rows. */
  readonly entries: readonly OpenedEntry[];
  /** How many could not be. */
  readonly damaged: number;
}

/** The conversations of one client, on all relays. */
export class HistoryBook {
  readonly #conversations = new Map<string, KeptConversation>();
  readonly #byId = new Map<string, KeptConversation>();
  /** Conversations of this run, whose rows and entries may be on their way. */
  readonly #fresh = new Set<string>();
  readonly #hasDamaged: boolean;

  /**
   * Starts with what was kept.
   * @param kept the conversations
   * @param hasDamaged whether rows of some could not be read
   */
  constructor(kept: readonly KeptConversation[], hasDamaged: boolean) {
    for (const conversation of kept) this.#know(conversation);
    this.#hasDamaged = hasDamaged;
  }

  /**
   * Finds a conversation.
   * @param relay the relay that it is on
   * @param stream which
   * @returns `undefined` when nothing is kept of it
   */
  find(relay: Fingerprint, stream: StreamName): KeptConversation | undefined {
    return this.#conversations.get(nameOf({ relay, stream }));
  }

  /**
   * Finds whose an entry is.
   * @param id what stands beside it
   * @returns `undefined` when that conversation is gone, or its row is damaged
   */
  of(id: Bytes): KeptConversation | undefined {
    return this.#byId.get(encodeHex(id));
  }

  /**
   * Lists the conversations of a relay.
   * @param relay which
   * @returns them
   */
  on(relay: Fingerprint): KeptConversation[] {
    return [...this.#conversations.values()].filter((conversation) => conversation.relay === relay);
  }

  /**
   * Takes in a conversation, or what it is called now.
   * @param conversation whose row is on its way to the store
   */
  add(conversation: KeptConversation): void {
    this.#know(conversation);
    this.#fresh.add(nameOf(conversation));
  }

  /**
   * Forgets a conversation: nothing of it can be read any more.
   * @param conversation which
   */
  drop(conversation: KeptConversation): void {
    this.#conversations.delete(nameOf(conversation));
    this.#byId.delete(encodeHex(conversation.id));
  }

  /**
   * Drops conversations of which nothing is left.
   * @param used the ids that entries have
   * @returns those that were dropped
   */
  dropEmpty(used: readonly Bytes[]): KeptConversation[] {
    const ids = new Set(used.map(encodeHex));
    const isEmpty = (one: KeptConversation) => !this.#fresh.has(nameOf(one)) && !ids.has(encodeHex(one.id));
    const empty = [...this.#conversations.values()].filter(isEmpty);
    for (const conversation of empty) this.drop(conversation);
    return empty;
  }

  /**
   * Finds entries that a kill left when their conversation was forgotten.
   * @param used the ids that entries have
   * @returns the ids of no conversation; none while a row is damaged that may be the key to them
   */
  orphans(used: readonly Bytes[]): Bytes[] {
    return this.#hasDamaged ? [] : used.filter((id) => this.of(id) === undefined);
  }

  /**
   * Opens entries, all of them at the same time.
   * @param rows as they lie in the store
   * @returns what they hold
   */
  async open(rows: readonly StoredEntry[]): Promise<OpenedEntries> {
    const orphans = this.orphans(rows.map(({ conversation }) => conversation)).length;
    const entries = (await Promise.all(rows.map((row) => this.#open(row)))).filter((entry) => entry !== undefined);
    return { entries, damaged: Math.max(0, rows.length - entries.length - orphans) };
  }

  async #open(row: StoredEntry): Promise<OpenedEntry | undefined> {
    const conversation = this.of(row.conversation);
    if (conversation === undefined) return undefined;
    try {
      return { seq: row.seq, conversation, entry: decodeEntry(await openEntry(conversation.key, row)) };
    } catch (error) {
      if (error instanceof AuthError || error instanceof DecodeError) return undefined;
      throw error;
    }
  }

  #know(conversation: KeptConversation): void {
    this.#conversations.set(nameOf(conversation), conversation);
    this.#byId.set(encodeHex(conversation.id), conversation);
  }
}

function nameOf({ relay, stream }: Pick<KeptConversation, "relay" | "stream">): string {
  return `${relay}/${stream}`;
}
