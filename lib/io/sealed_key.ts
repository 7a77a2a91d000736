/**
 * How the data key of a directory is had: from a passphrase, or from the key file `data.key` beside the database. The
 * database alone says which (its wrap), so that one write changes from one to the other:
 *
 *     to a passphrase     write the wrap, then remove the key file
 *     to a key file       write the key file, then the wrap
 *
 * A crash in between leaves a key file that opens nothing; the next start removes it. A key file is never overwritten.
 * @module
 */

import { AuthError, DecodeError, UserError } from "../bytes/errors.ts";
import type { Bytes } from "../bytes/writer.ts";
import { type RandomBytes, secureRandom } from "../crypto/random.ts";
import {
  DATA_KEY_BYTES,
  type DataKeyWrap,
  decodeKeyFile,
  decodeWrap,
  encodeKeyFile,
  encodeWrap,
  unwrapDataKey,
  wrapDataKey,
  type WrapOptions,
  type WrapSecret,
} from "../e2ee/data_key.ts";
import type { DataDir } from "./data_dir.ts";
import { damaged } from "./sealed_database.ts";

/** What a passphrase is wanted for. */
export interface UnlockRequest {
  /** `create`: there is no store yet, and what is given will protect it; `open`: there is one under a passphrase. */
  readonly kind: "create" | "open";
  /** How many passphrases were wrong so far. */
  readonly failures: number;
}

/**
 * Gives a passphrase.
 * @param request what for
 * @returns what `encodePassphrase()` gave; `undefined` for none: to `create` it means a key file, to `open` giving up
 */
export type Unlock = (request: UnlockRequest) => Promise<Bytes | undefined>;

/** What protects a data key: a `keyFile` protects nothing from whoever can read the whole directory. */
export type Protection = DataKeyWrap["kind"];

/** A data key that was made or opened. */
export interface OpenDataKey {
  /** 32 bytes, secret. */
  readonly dataKey: Bytes;
  /** What protects it. */
  readonly protection: Protection;
}

/** Passphrases that are tried before it is given up: typing errors happen, guessing is for others. */
export const UNLOCK_ATTEMPTS_MAX = 3;

/** The file that holds a key when there is no passphrase. */
export const KEY_FILE_NAME = "data.key";

/**
 * Draws a data key for a new directory.
 * @param dir the directory
 * @param unlock asked once, to `create`
 * @param options where keys come from
 * @returns the data key, what protects it, and its wrap for the database
 * @throws {UserError} `dataDirUnusable`, when a key file of another database is in the way
 */
export async function makeDataKey(
  dir: DataDir,
  unlock: Unlock,
  options: WrapOptions,
): Promise<OpenDataKey & { readonly wrap: Bytes }> {
  const { random = secureRandom } = options;
  const passphrase = await unlock({ kind: "create", failures: 0 });
  if (passphrase !== undefined && await dir.readSecret(KEY_FILE_NAME) !== undefined) {
    // Its database may only have been moved away: the key file is not ours to remove.
    throw new UserError(
      "dataDirUnusable",
      `Cannot start anew in ${dir.path}: it holds the key file ${KEY_FILE_NAME} without its database`,
      `Put client.db back, or move ${KEY_FILE_NAME} away.`,
    );
  }
  const dataKey = random(DATA_KEY_BYTES);
  const protection = passphrase === undefined ? "keyFile" : "passphrase";
  return { dataKey, protection, wrap: await wrapAnew(dir, dataKey, passphrase, options) };
}

/**
 * Opens the data key of a database.
 * @param dir the directory
 * @param encodedWrap the wrap that the database holds
 * @param unlock asked to `open`, if it is under a passphrase
 * @returns the data key, and what protects it
 * @throws {UserError} `dataDirUnusable`, when the passphrase is wrong, or the wrap or the key file is damaged or missing
 */
export async function openDataKey(
  dir: DataDir,
  encodedWrap: Bytes,
  unlock: Unlock,
): Promise<OpenDataKey> {
  const wrap = await decodeWrap(encodedWrap).catch((cause) => {
    throw cause instanceof DecodeError ? damaged(`${dir.path}/client.db`, cause) : cause;
  });
  const dataKey = wrap.kind === "passphrase" ? await askedFor(dir, wrap, unlock) : await openedByFile(dir, wrap);
  if (wrap.kind === "passphrase") await removeKeyFile(dir);
  return { dataKey, protection: wrap.kind };
}

/**
 * Wraps a data key anew. Write what it gives into the database; then, under a passphrase, call `removeKeyFile()`.
 * @param dir the directory
 * @param dataKey the data key
 * @param passphrase what is to protect it, `undefined` for a key file, which is made if there is none
 * @param options where keys come from
 * @returns the wrap for the database
 * @throws {UserError} `dataDirUnusable`, when the key file cannot be made or is damaged
 */
export async function wrapAnew(
  dir: DataDir,
  dataKey: Bytes,
  passphrase: Bytes | undefined,
  options: WrapOptions,
): Promise<Bytes> {
  const secret: WrapSecret = passphrase !== undefined
    ? { kind: "passphrase", passphrase }
    : { kind: "keyFile", key: await readKeyFile(dir) ?? await makeKeyFile(dir, options.random ?? secureRandom) };
  return await encodeWrap(await wrapDataKey(dataKey, secret, options));
}

/**
 * Removes a key file that opens nothing any more.
 * @param dir the directory
 */
export async function removeKeyFile(dir: DataDir): Promise<void> {
  await Deno.remove(`${dir.path}/${KEY_FILE_NAME}`).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}

async function askedFor(dir: DataDir, wrap: DataKeyWrap, unlock: Unlock): Promise<Bytes> {
  for (let failures = 0; failures < UNLOCK_ATTEMPTS_MAX; failures++) {
    const passphrase = await unlock({ kind: "open", failures });
    if (passphrase === undefined) {
      throw new UserError(
        "dataDirUnusable",
        `Cannot open ${dir.path}: it is protected by a passphrase, and none was given`,
        "Type it in a terminal, or name a file that holds it with --passphrase-file or SOTTO_PASSPHRASE_FILE.",
      );
    }
    const dataKey = await orRefused(unwrapDataKey(wrap, { kind: "passphrase", passphrase }));
    if (dataKey !== undefined) return dataKey;
  }
  throw new UserError(
    "dataDirUnusable",
    `Cannot open ${dir.path}: the passphrase is wrong`,
    "Nobody can recover a forgotten passphrase. Try again, or name another directory with --data-dir.",
  );
}

async function openedByFile(dir: DataDir, wrap: DataKeyWrap): Promise<Bytes> {
  const key = await readKeyFile(dir);
  const dataKey = key === undefined ? undefined : await orRefused(unwrapDataKey(wrap, { kind: "keyFile", key }));
  if (dataKey !== undefined) return dataKey;
  const why = key === undefined
    ? `its key file ${KEY_FILE_NAME} is missing`
    : `its key file ${KEY_FILE_NAME} belongs to another`;
  throw new UserError(
    "dataDirUnusable",
    `Cannot open ${dir.path}: ${why}`,
    `Restore ${KEY_FILE_NAME} from a backup, or move the directory away to start anew.`,
  );
}

async function orRefused(opening: Promise<Bytes>): Promise<Bytes | undefined> {
  try {
    return await opening;
  } catch (error) {
    if (error instanceof AuthError) return undefined;
    throw error;
  }
}

async function readKeyFile(dir: DataDir): Promise<Bytes | undefined> {
  const stored = await dir.readSecret(KEY_FILE_NAME);
  if (stored === undefined) return undefined;
  try {
    return await decodeKeyFile(stored);
  } catch (cause) {
    throw cause instanceof DecodeError ? damaged(`${dir.path}/${KEY_FILE_NAME}`, cause) : cause;
  }
}

async function makeKeyFile(dir: DataDir, random: RandomBytes): Promise<Bytes> {
  const key = random(DATA_KEY_BYTES);
  await dir.writeSecret(KEY_FILE_NAME, await encodeKeyFile(key));
  return key;
}
