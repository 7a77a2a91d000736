/**
 * The history's rows in the database of the sealed store: the messages of conversations, in the order in which they were
 * kept. It sees sealed bytes alone; which rows are of one conversation stands in the open, of which one does not.
 *
 *     entries  seq, conversation, value     `conversation` is 16 random bytes that mean nothing elsewhere
 *
 * A row is sealed under the key of its conversation, as in e2ee/sealed_row.ts, in the table `entries` with the id
 * `conversation || seq u64` and an empty key: it opens at no other place. Who removes the key has removed the rows.
 * @module
 */

import type { DatabaseSync, SQLOutputValue, StatementSync } from "node:sqlite";
import { type Bytes, concat, u64be } from "../bytes/writer.ts";
import type { RandomBytes } from "../crypto/random.ts";
import { openRow, type RowPlace, sealRow } from "../e2ee/sealed_row.ts";

/** The table, as a database of schema 2 has it. */
export const ENTRIES_TABLE = `
  CREATE TABLE entries (seq INTEGER PRIMARY KEY, conversation BLOB NOT NULL, value BLOB NOT NULL) STRICT;
  CREATE INDEX entries_by_conversation ON entries (conversation, seq);
`;

/** Where an entry lies. */
export interface EntryPlace {
  /** Its place in the order of all. */
  readonly seq: number;
  /** 16 bytes, the same for all of one conversation. */
  readonly conversation: Bytes;
}

/** An entry as it lies in the file. */
export interface StoredEntry extends EntryPlace {
  /** Salt, commitment, ciphertext and tag. */
  readonly sealed: Bytes;
}

/** What a transaction changes in the history. */
export interface EntryWrites {
  /** Entries to add; their places are free. */
  readonly add?: readonly StoredEntry[];
  /** The places of entries to remove; where none is, nothing happens. */
  readonly remove?: readonly number[];
  /** Removes the oldest entries of a conversation, at most so many. */
  readonly removeOf?: { readonly conversation: Bytes; readonly max: number };
  /** Removes every entry there is. */
  readonly removeAll?: boolean;
}

/** What a transaction changed in the history. */
export interface EntryTally {
  /** How many entries were added. */
  readonly added: number;
  /** Their sealed bytes. */
  readonly addedBytes: number;
  /** How many were removed; of `removeAll` nothing is counted. */
  readonly removed: number;
  /** Their sealed bytes. */
  readonly removedBytes: number;
}

/** The version of what an entry holds. */
const ENTRY_SCHEMA = 1;
const NOTHING = new Uint8Array(0);

/**
 * Seals an entry for its place.
 * @param key the conversation's, 32 bytes
 * @param place where it will lie
 * @param value what it holds
 * @param random where the salt comes from
 * @returns sealed bytes
 */
export function sealEntry(key: Bytes, place: EntryPlace, value: Bytes, random: RandomBytes): Promise<Bytes> {
  return sealRow({ dataKey: key }, rowPlace(place), { key: NOTHING, value }, random);
}

/**
 * Opens an entry.
 * @param key the conversation's, 32 bytes
 * @param entry as it lies in the file
 * @returns what it holds
 * @throws {AuthError} when it is damaged, forged, or was moved
 */
export async function openEntry(key: Bytes, entry: StoredEntry): Promise<Bytes> {
  return (await openRow({ dataKey: key }, rowPlace(entry), entry.sealed)).value;
}

function rowPlace({ conversation, seq }: EntryPlace): RowPlace {
  return { table: "entries", id: concat(conversation, u64be(seq)), schema: ENTRY_SCHEMA };
}

/** The statements over the table. */
export class SealedEntries {
  readonly #guarded: <T>(use: () => T) => T;
  readonly #add: StatementSync;
  readonly #before: StatementSync;
  readonly #beforeOf: StatementSync;
  readonly #after: StatementSync;
  readonly #remove: StatementSync;
  readonly #removeOf: StatementSync;
  readonly #removeAll: StatementSync;
  readonly #totals: StatementSync;
  readonly #conversations: StatementSync;

  /**
   * Prepares the statements.
   * @param db the database, with the table
   * @param guarded says in words what SQLite refuses
   */
  constructor(db: DatabaseSync, guarded: <T>(use: () => T) => T) {
    this.#guarded = guarded;
    const select = "SELECT seq, conversation, value FROM entries";
    const gone = "RETURNING length(value) AS bytes";
    this.#add = db.prepare("INSERT INTO entries (seq, conversation, value) VALUES (?, ?, ?)");
    this.#before = db.prepare(`${select} WHERE seq < ? ORDER BY seq DESC LIMIT ?`);
    this.#beforeOf = db.prepare(`${select} WHERE conversation = ? AND seq < ? ORDER BY seq DESC LIMIT ?`);
    this.#after = db.prepare(`${select} WHERE seq > ? ORDER BY seq LIMIT ?`);
    this.#remove = db.prepare(`DELETE FROM entries WHERE seq = ? ${gone}`);
    const oldest = "SELECT seq FROM entries WHERE conversation = ? ORDER BY seq LIMIT ?";
    this.#removeOf = db.prepare(`DELETE FROM entries WHERE seq IN (${oldest}) ${gone}`);
    this.#removeAll = db.prepare("DELETE FROM entries");
    this.#totals = db.prepare(
      "SELECT count(*) AS count, ifnull(sum(length(value)), 0) AS bytes, ifnull(max(seq), 0) AS last FROM entries",
    );
    this.#conversations = db.prepare("SELECT DISTINCT conversation FROM entries");
  }

  /**
   * Reads entries from the newest to the oldest.
   * @param seq only those before this place
   * @param max how many at most
   * @param conversation only those of it
   * @returns the entries; none after the oldest
   */
  before(seq: number, max: number, conversation?: Bytes): StoredEntry[] {
    const rows = this.#guarded(() =>
      conversation === undefined ? this.#before.all(seq, max) : this.#beforeOf.all(conversation, seq, max)
    );
    return rows.map(entryOf);
  }

  /**
   * Reads entries from the oldest to the newest.
   * @param seq only those after this place
   * @param max how many at most
   * @returns the entries; none after the newest
   */
  after(seq: number, max: number): StoredEntry[] {
    return this.#guarded(() => this.#after.all(seq, max)).map(entryOf);
  }

  /**
   * Counts what there is.
   * @returns how many entries, their sealed bytes, and the newest place, 0 when there is none
   */
  totals(): { readonly count: number; readonly bytes: number; readonly last: number } {
    const row = this.#guarded(() => this.#totals.get());
    return { count: Number(row?.["count"]), bytes: Number(row?.["bytes"]), last: Number(row?.["last"]) };
  }

  /**
   * Lists which conversations have entries.
   * @returns 16 bytes for each
   */
  conversations(): Bytes[] {
    return this.#guarded(() => this.#conversations.all()).map((row) =>
      new Uint8Array(row["conversation"] as Uint8Array)
    );
  }

  /**
   * Writes within a transaction that is open.
   * @param writes what changes
   * @returns what changed
   */
  write({ add = [], remove = [], removeOf, removeAll }: EntryWrites): EntryTally {
    const gone: Record<string, SQLOutputValue>[] = [];
    if (removeAll) this.#removeAll.run();
    for (const { seq, conversation, sealed } of add) this.#add.run(seq, conversation, sealed);
    for (const seq of remove) gone.push(...this.#remove.all(seq));
    if (removeOf !== undefined) gone.push(...this.#removeOf.all(removeOf.conversation, removeOf.max));
    const addedBytes = add.reduce((sum, { sealed }) => sum + sealed.length, 0);
    const removedBytes = gone.reduce((sum, row) => sum + Number(row["bytes"]), 0);
    return { added: add.length, addedBytes, removed: gone.length, removedBytes };
  }
}

function entryOf(row: Record<string, SQLOutputValue>): StoredEntry {
  return {
    seq: Number(row["seq"]),
    conversation: new Uint8Array(row["conversation"] as Uint8Array),
    sealed: new Uint8Array(row["value"] as Uint8Array),
  };
}
