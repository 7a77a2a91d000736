/**
 * What a client keeps: rows of bytes by table and key, sealed at rest in `client.db` of its data directory
 * (PROTOCOL §7). Names of tables, the number and the rounded sizes of rows stand in the open; keys and values do not.
 *
 * Its law: a commit is one transaction. When `commit()` resolves, all of its changes survive a `kill -9` and a power
 * cut; when it throws, or the process dies before, none of them is there. It does not notice when the whole file is
 * replaced by an older copy, or when a row is removed from it.
 * @module
 */

import { AuthError, UserError } from "../bytes/errors.ts";
import type { Bytes } from "../bytes/writer.ts";
import { Mutex } from "../crypto/mutex.ts";
import { secureRandom } from "../crypto/random.ts";
import type { WrapOptions } from "../e2ee/data_key.ts";
import {
  deriveRowKeys,
  openRow,
  ROW_KEY_MAX_BYTES,
  ROW_VALUE_MAX_BYTES,
  type RowContent,
  rowId,
  type RowKeys,
  sealRow,
} from "../e2ee/sealed_row.ts";
import type { DataDir } from "./data_dir.ts";
import { asUserError, exists } from "./private_file.ts";
import { makeSealedDatabase, ROW_SCHEMA, type RowWrite, SealedDatabase, type StoredRow } from "./sealed_database.ts";
import {
  type EntryPlace,
  type EntryTally,
  type EntryWrites,
  type SealedEntries,
  sealEntry,
  type StoredEntry,
} from "./sealed_entries.ts";
import {
  makeDataKey,
  type OpenDataKey,
  openDataKey,
  type Protection,
  removeKeyFile,
  type Unlock,
  wrapAnew,
} from "./sealed_key.ts";

/** One change of a commit. */
export interface RowChange {
  /** The table's name; it stands in the open. */
  readonly table: string;
  /** The row's key, at most 1,024 bytes. */
  readonly key: Bytes;
  /** What the row holds from now on, at most 1 MiB; `undefined` removes it. */
  readonly value: Bytes | undefined;
}

/** An entry of the history that a commit adds. */
export interface EntryAddition extends EntryPlace {
  /** The conversation's key, 32 bytes. */
  readonly key: Bytes;
  /** What it holds. */
  readonly value: Bytes;
}

/** What a commit changes in the history. */
export interface EntryChanges extends Omit<EntryWrites, "add"> {
  /** Entries to add. */
  readonly add?: readonly EntryAddition[];
}

/** The database's name in the data directory. */
export const STORE_FILE_NAME = "client.db";

/** Rows that are sealed or opened at the same time: enough to keep every core busy, few enough to bound memory. */
const BATCH_ROWS = 32;

/** The sealed rows of a data directory, open for this process alone. */
export class SealedStore {
  readonly #dir: DataDir;
  readonly #db: SealedDatabase;
  readonly #keys: RowKeys;
  readonly #options: WrapOptions;
  readonly #mutex = new Mutex();
  #protection: Protection;
  #isClosed = false;

  private constructor(dir: DataDir, db: SealedDatabase, keys: RowKeys, protection: Protection, options: WrapOptions) {
    this.#dir = dir;
    this.#db = db;
    this.#keys = keys;
    this.#protection = protection;
    this.#options = options;
  }

  /**
   * Opens the store of a directory, and makes it at the first start.
   * @param dir the directory; it stays the caller's to close, after the store
   * @param unlock gives the passphrase; to `open` it is only asked if there is one
   * @param options where randomness comes from
   * @returns the store
   * @throws {UserError} `dataDirUnusable`, when the passphrase is wrong or missing, or a file is damaged, foreign, of a
   *   later schema, or open to others; `dataDirBusy`, when another process has it. Nothing is overwritten
   */
  static async open(dir: DataDir, unlock: Unlock, options: WrapOptions = {}): Promise<SealedStore> {
    const isThere = await exists(`${dir.path}/${STORE_FILE_NAME}`);
    const made = isThere ? undefined : await makeStore(dir, unlock, options);
    const db = SealedDatabase.open(await dir.privateFile(STORE_FILE_NAME));
    try {
      const { dataKey, protection } = made ?? await openDataKey(dir, db.readWrap(), unlock);
      return new SealedStore(dir, db, await deriveRowKeys(dataKey), protection, options);
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /** What protects it now. */
  get protection(): Protection {
    return this.#protection;
  }

  /**
   * Reads one row as the last finished commit left it.
   * @param table the table's name
   * @param key the row's key
   * @returns its value, or `undefined` when there is no such row
   * @throws {UserError} `dataDirUnusable`, when the row is damaged or forged
   */
  async read(table: string, key: Bytes): Promise<Bytes | undefined> {
    this.#assertOpen();
    const id = await rowId(this.#keys, table, key);
    this.#assertOpen();
    const row = this.#db.get(table, id);
    return row === undefined ? undefined : (await this.#opened(table, row)).value;
  }

  /**
   * Reads all rows of a table, in the order in which their keys were first committed. Commits may go on meanwhile; of
   * what they change it gives either state.
   * @param table the table's name
   * @param skipped is told of each damaged or forged row, which is then left out
   * @returns the rows
   * @throws {UserError} `dataDirUnusable`, after the last row, when one of them is damaged or forged and `skipped` is
   *   not there
   */
  async *list(table: string, skipped?: () => void): AsyncGenerator<RowContent, void, undefined> {
    let refused: unknown;
    for (let afterSeq = 0;;) {
      this.#assertOpen();
      const page = this.#db.page(table, afterSeq, BATCH_ROWS);
      for (const result of await Promise.allSettled(page.map((row) => this.#opened(table, row)))) {
        if (result.status === "fulfilled") yield result.value;
        else if (skipped !== undefined && result.reason instanceof UserError) skipped();
        else refused ??= result.reason;
      }
      const last = page.at(-1);
      if (last === undefined) break;
      afterSeq = last.seq;
    }
    if (refused !== undefined) throw refused;
  }

  /** The history's rows, to be read. */
  get entries(): Omit<SealedEntries, "write"> {
    this.#assertOpen();
    return this.#db.entries;
  }

  /**
   * Writes changes, all or none. Commits are done in the order in which they are called; the caller may change its
   * arrays as soon as the call returns.
   * @param changes the changes; of two for one row the later holds
   * @param entries what changes in the history
   * @returns what changed in the history
   * @throws {UserError} `dataDirUnusable`, when they cannot be written: nothing has changed then, and a later commit may
   *   succeed
   * @throws {RangeError} when a key or a value is too long
   */
  async commit(changes: readonly RowChange[], entries: EntryChanges = {}): Promise<EntryTally> {
    const taken = changes.map(({ table, key, value }) => {
      if (key.length > ROW_KEY_MAX_BYTES || (value?.length ?? 0) > ROW_VALUE_MAX_BYTES) {
        throw new RangeError(`Cannot commit: a key of ${key.length} or a value of ${value?.length} bytes is too long`);
      }
      return { table, key: key.slice(), value: value?.slice() };
    });
    return await this.#inTurn(async () => {
      const [writes, add] = await Promise.all([
        inBatches(taken, (change): Promise<RowWrite> => this.#sealed(change)),
        inBatches(entries.add ?? [], (entry) => this.#sealedEntry(entry)),
      ]);
      return this.#db.apply(writes, { ...entries, add });
    });
  }

  /**
   * Changes what protects the store. The rows stay as they are: the same data key is wrapped anew, so that an older copy
   * of the directory still opens with what protected it then.
   * @param passphrase what `encodePassphrase()` gave, `undefined` for a key file
   * @throws {UserError} `dataDirUnusable`, when it cannot be written; what protected it before still does
   */
  changePassphrase(passphrase: Bytes | undefined): Promise<void> {
    return this.#inTurn(async () => {
      const wrap = await wrapAnew(this.#dir, this.#keys.dataKey, passphrase, this.#options);
      this.#db.writeWrap(wrap);
      this.#protection = passphrase === undefined ? "keyFile" : "passphrase";
      try {
        if (passphrase !== undefined) await removeKeyFile(this.#dir);
        this.#db.truncateLog();
      } catch {
        // The change stands. The next start removes the key file and empties the log; to fail here would deny the change.
      }
    });
  }

  /** Empties the log of what was replaced and deleted; to be called hourly, and after something was forgotten. */
  truncateLog(): Promise<void> {
    return this.#inTurn(() => Promise.resolve(this.#db.truncateLog()));
  }

  /** Closes the store after the commits that were called before. Calling it again does nothing. */
  async close(): Promise<void> {
    await this.#mutex.run(() => {
      if (!this.#isClosed) this.#db.close();
      this.#isClosed = true;
      return Promise.resolve();
    });
  }

  async #sealed({ table, key, value }: RowChange): Promise<RowWrite> {
    const id = await rowId(this.#keys, table, key);
    if (value === undefined) return { table, id, sealed: undefined };
    const place = { table, id, schema: ROW_SCHEMA };
    return {
      table,
      id,
      sealed: await sealRow(this.#keys, place, { key, value }, this.#options.random ?? secureRandom),
    };
  }

  async #sealedEntry({ seq, conversation, key, value }: EntryAddition): Promise<StoredEntry> {
    const place = { seq, conversation };
    return { ...place, sealed: await sealEntry(key, place, value, this.#options.random ?? secureRandom) };
  }

  async #opened(table: string, { id, schema, sealed }: StoredRow): Promise<RowContent> {
    try {
      return await openRow(this.#keys, { table, id, schema }, sealed);
    } catch (cause) {
      if (!(cause instanceof AuthError)) throw cause;
      throw new UserError(
        "dataDirUnusable",
        `Cannot read all of ${this.#dir.path}/${STORE_FILE_NAME}: a row of ${table} is damaged or forged`,
        "Restore the directory from a backup, or move it away to start anew.",
        { cause },
      );
    }
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    return this.#mutex.run(() => {
      this.#assertOpen();
      return task();
    });
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new TypeError("Cannot use a store after it was closed");
  }
}

async function inBatches<A, B>(all: readonly A[], seal: (one: A) => Promise<B>): Promise<B[]> {
  const sealed: B[] = [];
  for (let i = 0; i < all.length; i += BATCH_ROWS) {
    sealed.push(...await Promise.all(all.slice(i, i + BATCH_ROWS).map(seal)));
  }
  return sealed;
}

/** Makes the database whole under another name; a crash before the rename leaves nothing that counts. */
async function makeStore(dir: DataDir, unlock: Unlock, options: WrapOptions): Promise<OpenDataKey> {
  const finalPath = `${dir.path}/${STORE_FILE_NAME}`;
  const made = await makeDataKey(dir, unlock, options);
  try {
    for (const leftover of [`${finalPath}.new`, `${finalPath}.new-journal`, `${finalPath}.new-wal`]) {
      if (await exists(leftover)) await Deno.remove(leftover);
    }
    const path = await dir.privateFile(`${STORE_FILE_NAME}.new`);
    makeSealedDatabase(path, made.wrap);
    await Deno.rename(path, finalPath);
    return made;
  } catch (cause) {
    throw asUserError(finalPath, cause);
  }
}
