/**
 * A data directory that is gone after the test, with what the tests of the sealed store ask of it.
 */

import { assertRejects } from "@std/assert";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { UserError } from "../../lib/bytes/errors.ts";
import { type Bytes, utf8 } from "../../lib/bytes/writer.ts";
import { encodePassphrase, ITERATIONS_MIN, type WrapOptions } from "../../lib/e2ee/data_key.ts";
import { type DataDir, openDataDir } from "../../lib/io/data_dir.ts";
import type { Unlock } from "../../lib/io/sealed_key.ts";
import { SealedStore } from "../../lib/io/sealed_store.ts";

/** Options of every store in the tests: guessing may be cheap here. */
export const FAST: WrapOptions = { testOnlyIterations: ITERATIONS_MIN };

/** Unlocks a store without a passphrase. */
export const noPassphrase: Unlock = () => Promise.resolve(undefined);

/**
 * Unlocks a store with one passphrase.
 * @param text the passphrase
 */
export function passphrase(text: string): Unlock {
  return () => Promise.resolve(encodePassphrase(text));
}

/** Runs a test in a directory that is gone afterwards. */
export async function inTempDir(run: (path: string) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempDir({ prefix: "sotto-test-" });
  try {
    await run(path);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

/** Opens directory and store, and closes both afterwards, however it ends. */
export async function withStore<T>(
  path: string,
  unlock: Unlock,
  use: (store: SealedStore, dir: DataDir) => Promise<T>,
  options: WrapOptions = {},
): Promise<T> {
  const dir = await openDataDir(path, { what: "client" });
  try {
    const store = await SealedStore.open(dir, unlock, { ...FAST, ...options });
    try {
      return await use(store, dir);
    } finally {
      await store.close();
    }
  } finally {
    dir.close();
  }
}

/** Expects that a store cannot be opened, and gives the refusal. */
export async function refusedStore(path: string, unlock: Unlock): Promise<UserError> {
  return await assertRejects(() => withStore(path, unlock, () => Promise.resolve()), UserError);
}

/** Gives all rows of a table as texts, in order. */
export async function rowsOf(store: SealedStore, table: string): Promise<[string, string][]> {
  const rows = await Array.fromAsync(store.list(table));
  return rows.map(({ key, value }) => [textOf(key), textOf(value)]);
}

/** Changes a closed database behind the store's back. */
export function tamper(path: string, sql: string, ...values: SQLInputValue[]): void {
  const db = new DatabaseSync(`${path}/client.db`);
  try {
    db.prepare(sql).run(...values);
  } finally {
    db.close();
  }
}

/** Reads from a closed database behind the store's back. */
export function peek(path: string, sql: string): Record<string, unknown>[] {
  const db = new DatabaseSync(`${path}/client.db`, { readOnly: true });
  try {
    db.exec("PRAGMA busy_timeout = 0");
    return db.prepare(sql).all().map((row) => ({ ...row }));
  } finally {
    db.close();
  }
}

/** Makes a change of texts; `undefined` removes. */
export function change(table: string, key: string, value: string | undefined) {
  return { table, key: utf8(key), value: value === undefined ? undefined : utf8(value) };
}

/** Decodes a value that a test wrote as text. */
export function textOf(bytes: Bytes | undefined): string {
  return bytes === undefined ? "" : new TextDecoder().decode(bytes);
}

/** Copies the files of one directory into another. */
export async function copyFiles(from: string, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true, mode: 0o700 });
  for await (const { name, isFile } of Deno.readDir(from)) {
    if (isFile) await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
}
