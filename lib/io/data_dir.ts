/**
 * The directory in which a program keeps what outlives it: made for its owner alone, used by one process at a time,
 * written so that a crash at any moment leaves the old file or the new one, whole.
 *
 * The lock is an exclusive transaction of the built-in SQLite on `lock.sqlite`: the system frees it when the process
 * dies, however it dies, so no stale lock is ever left behind.
 * @module
 */

import { DatabaseSync } from "node:sqlite";
import { UserError } from "../bytes/errors.ts";
import { fromUtf8 } from "../bytes/reader.ts";
import { type Bytes, utf8 } from "../bytes/writer.ts";
import type { Env } from "./network.ts";
import {
  asUserError,
  exists,
  makePrivateFile,
  OTHERS_ANY,
  OTHERS_WRITE,
  readBounded,
  refuseMode,
  unusable,
  writeWhole,
} from "./private_file.ts";

/** Whose data it is. */
export type DataDirOwner = "client" | "relay";

/** How a directory is opened. */
export interface OpenDataDirOptions {
  /** Whose it is, for messages. */
  readonly what: DataDirOwner;
}

/** How a file is written. */
export interface WriteOptions {
  /** Whether a file of that name is replaced; without it, it is left alone and the write throws. */
  readonly replace?: boolean;
}

/** Keys are below a kilobyte; what is larger is not ours. */
export const SECRET_MAX_BYTES = 65_536;

/** Room for some ten thousand bound names. */
export const TEXT_MAX_BYTES = 4_194_304;

const LOCK_NAME = "lock.sqlite";
const FILE_NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;
const TEMPORARY_NAME = /^\.[a-z0-9._-]+\.[0-9a-f-]{36}\.tmp$/;

/**
 * Names the directory that a program uses when it is told none.
 * @param owner which program
 * @param env the environment: HOME, XDG_DATA_HOME, APPDATA
 * @param os the platform
 * @returns an absolute path; it may not exist yet
 * @throws {UserError} `dataDirUnusable`, when the environment names no place
 */
export function defaultDataDir(owner: DataDirOwner, env: Env, os: string = Deno.build.os): string {
  const name = owner === "client" ? "sotto" : "sotto-relay";
  const [variable, ...folders] = os === "windows"
    ? ["APPDATA"]
    : os === "darwin"
    ? ["HOME", "Library", "Application Support"]
    : env.get("XDG_DATA_HOME")?.startsWith("/")
    ? ["XDG_DATA_HOME"]
    : ["HOME", ".local", "share"];
  const base = env.get(variable as string);
  if (base === undefined || base === "") {
    throw new UserError(
      "dataDirUnusable",
      `Cannot find a place for the data of the ${owner}: ${variable} is not set`,
      "Name a directory with --data-dir.",
    );
  }
  return [base, ...folders, name].join(os === "windows" ? "\\" : "/");
}

/**
 * Opens a data directory, makes it if need be, and locks it until `close()`.
 * @param path the directory
 * @param options whose it is
 * @returns the directory, locked
 * @throws {UserError} `dataDirBusy`, when another process has it; `dataDirUnusable`, when it cannot be made or written,
 *   is no directory, or others may write to it
 */
export async function openDataDir(path: string, options: OpenDataDirOptions): Promise<DataDir> {
  try {
    await Deno.mkdir(path, { recursive: true, mode: 0o700 });
    const { isDirectory, mode } = await Deno.stat(path);
    if (!isDirectory) throw unusable(path, "it is not a directory");
    // Who may write here may put a file of their own in the place of ours.
    refuseMode(path, mode, OTHERS_WRITE, "others may write to it", "go-w");
    const lockPath = `${path}/${LOCK_NAME}`;
    await makePrivateFile(lockPath);
    const lock = lockFile(lockPath, path, options.what);
    const directory = new DataDir(path, lock);
    try {
      await removeLeftovers(path);
    } catch (error) {
      directory.close();
      throw error;
    }
    return directory;
  } catch (cause) {
    throw asUserError(path, cause);
  }
}

/** A data directory that this process holds. */
export class DataDir {
  /** Where it is. */
  readonly path: string;
  #lock: DatabaseSync | undefined;

  /**
   * Takes over a locked directory; use `openDataDir()`.
   * @param path where it is
   * @param lock what holds the lock
   */
  constructor(path: string, lock: DatabaseSync) {
    this.path = path;
    this.#lock = lock;
  }

  /**
   * Reads a secret.
   * @param name the file's name
   * @returns its bytes, or `undefined` when there is none
   * @throws {UserError} `dataDirUnusable`, when it cannot be read, is too large, or others than its owner may read it
   */
  async readSecret(name: string): Promise<Bytes | undefined> {
    return await this.#read(name, SECRET_MAX_BYTES, true);
  }

  /**
   * Writes a secret, for its owner alone from its first moment on.
   * @param name the file's name
   * @param bytes what it holds, at most `SECRET_MAX_BYTES`
   * @param options whether it replaces an earlier one
   * @throws {UserError} `dataDirUnusable`, when it cannot be written, or is there and shall not be replaced
   */
  async writeSecret(name: string, bytes: Uint8Array, options: WriteOptions = {}): Promise<void> {
    await this.#write(name, bytes, SECRET_MAX_BYTES, options);
  }

  /**
   * Reads a text that is no secret.
   * @param name the file's name
   * @returns the text, or `undefined` when there is none
   * @throws {UserError} `dataDirUnusable`, when it cannot be read, is too large, or is no UTF-8
   */
  async readText(name: string): Promise<string | undefined> {
    const bytes = await this.#read(name, TEXT_MAX_BYTES, false);
    if (bytes === undefined) return undefined;
    try {
      return fromUtf8(bytes);
    } catch (cause) {
      throw unusable(this.#pathOf(name), "it is not text", { cause });
    }
  }

  /**
   * Writes a text, in the same careful way as a secret.
   * @param name the file's name
   * @param text what it holds, at most `TEXT_MAX_BYTES` of UTF-8
   * @param options whether it replaces an earlier one
   * @throws {UserError} `dataDirUnusable`, when it cannot be written, or is there and shall not be replaced
   */
  async writeText(name: string, text: string, options: WriteOptions = {}): Promise<void> {
    await this.#write(name, utf8(text), TEXT_MAX_BYTES, options);
  }

  /**
   * Gives the path of a file that others open by themselves, such as a database: made for its owner alone if it is not
   * there, and refused if others may read it.
   * @param name the file's name
   * @returns its path
   * @throws {UserError} `dataDirUnusable`, when it cannot be made or others may read it
   */
  async privateFile(name: string): Promise<string> {
    const path = this.#pathOf(name);
    try {
      await makePrivateFile(path);
      return path;
    } catch (cause) {
      throw asUserError(path, cause);
    }
  }

  /**
   * Removes a file; one that is not there is removed already.
   * @param name the file's name
   * @throws {UserError} `dataDirUnusable`, when it cannot be removed
   */
  async remove(name: string): Promise<void> {
    const path = this.#pathOf(name);
    try {
      await Deno.remove(path);
    } catch (cause) {
      if (!(cause instanceof Deno.errors.NotFound)) throw asUserError(path, cause);
    }
  }

  /** Gives the directory back; another process may open it. Calling it again does nothing. */
  close(): void {
    this.#lock?.close();
    this.#lock = undefined;
  }

  async #read(name: string, maxBytes: number, isSecret: boolean): Promise<Bytes | undefined> {
    const path = this.#pathOf(name);
    try {
      return await readBounded(path, maxBytes, isSecret ? OTHERS_ANY : 0);
    } catch (cause) {
      if (cause instanceof Deno.errors.NotFound) return undefined;
      throw asUserError(path, cause);
    }
  }

  async #write(name: string, bytes: Uint8Array, maxBytes: number, options: WriteOptions): Promise<void> {
    const path = this.#pathOf(name);
    if (bytes.length > maxBytes) {
      throw new RangeError(`Cannot write ${name}: ${bytes.length} bytes are above ${maxBytes}`);
    }
    try {
      // The lock makes this check and the rename one step: nobody else writes here.
      if (options.replace !== true && await exists(path)) throw unusable(path, "it exists and is never overwritten");
      await writeWhole(this.path, `.${name}.${crypto.randomUUID()}.tmp`, name, bytes);
    } catch (cause) {
      throw asUserError(path, cause);
    }
  }

  #pathOf(name: string): string {
    if (!FILE_NAME.test(name)) throw new TypeError(`Cannot use the file name ${JSON.stringify(name)}`);
    if (this.#lock === undefined) throw new TypeError("Cannot use a data directory after it was closed");
    return `${this.path}/${name}`;
  }
}

function lockFile(lockPath: string, path: string, owner: DataDirOwner): DatabaseSync {
  const lock = new DatabaseSync(lockPath);
  try {
    lock.exec(
      "PRAGMA busy_timeout = 0; PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE",
    );
    return lock;
  } catch (cause) {
    lock.close();
    if (!(cause instanceof Error && /locked|busy/i.test(cause.message))) throw cause;
    throw new UserError(
      "dataDirBusy",
      `Cannot use the data directory ${path}: another ${owner} is using it`,
      owner === "client"
        ? "End the other one, name another directory with --data-dir, or use --ephemeral."
        : "End the other one, or name another directory with --data-dir.",
      { cause },
    );
  }
}

/** Removes what a crash in the middle of a write left behind. */
async function removeLeftovers(path: string): Promise<void> {
  for await (const { name, isFile } of Deno.readDir(path)) {
    if (isFile && TEMPORARY_NAME.test(name)) await Deno.remove(`${path}/${name}`);
  }
}
