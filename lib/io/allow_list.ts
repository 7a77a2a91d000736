/**
 * Who may link to a relay: the file of `--allow`, read at the start and again whenever it changes. Its law: a list that
 * cannot be read changes nothing. At the start the relay does not start; later the old list stays.
 * @module
 */

import { DecodeError, UserError } from "../bytes/errors.ts";
import { fromUtf8 } from "../bytes/reader.ts";
import { parseAllowList } from "../cli/allow_list_text.ts";
import type { Fingerprint } from "../e2ee/identity.ts";
import { FileWatch } from "./file_watch.ts";
import { readBounded, refuseMode } from "./private_file.ts";

/** Room for some ten thousand fingerprints with a word about each. */
export const ALLOW_LIST_MAX_BYTES = 1_048_576;

/** Whoever may write to the list decides who is let in. A group may: people who run a relay together. */
const ANYBODY_WRITES = 0o002;

/** What a list tells of itself. */
export interface AllowListHooks {
  /** Other people may link now. */
  readonly changed: () => void;
  /** Takes what happened, without the content of the file. */
  readonly log: (event: string, fields: Readonly<Record<string, string | number>>) => void;
  /** Stands in for `FILE_LOOK_MS`. */
  readonly testOnlyLookMs?: number;
}

/** A list that follows its file. */
export class AllowList {
  readonly #path: string;
  readonly #hooks: AllowListHooks;
  readonly #watch: FileWatch;
  #fingerprints: ReadonlySet<Fingerprint>;

  private constructor(path: string, fingerprints: ReadonlySet<Fingerprint>, hooks: AllowListHooks) {
    this.#path = path;
    this.#hooks = hooks;
    this.#fingerprints = fingerprints;
    this.#watch = new FileWatch({ ...hooks, path, read: () => this.#reread() });
  }

  /**
   * Reads a list and begins to follow its file.
   * @param path the file
   * @param hooks who hears of changes
   * @returns the list; to be closed
   * @throws {UserError} `badFlag` when it cannot be read, is too large, or a line is no fingerprint; `dataDirUnusable`
   *   when anybody may write to it
   */
  static async open(path: string, hooks: AllowListHooks): Promise<AllowList> {
    return new AllowList(path, await readAllowList(path), hooks);
  }

  /** How many people may link. */
  get size(): number {
    return this.#fingerprints.size;
  }

  /**
   * Tells whether somebody may link.
   * @param fingerprint who
   * @returns whether the list names them
   */
  has(fingerprint: Fingerprint): boolean {
    return this.#fingerprints.has(fingerprint);
  }

  /** Reads the file now. */
  async readNow(): Promise<void> {
    await this.#watch.readNow();
  }

  /** Follows the file no more. */
  async close(): Promise<void> {
    await this.#watch.close();
  }

  async #reread(): Promise<void> {
    let fingerprints: ReadonlySet<Fingerprint>;
    try {
      fingerprints = await readAllowList(this.#path);
    } catch (error) {
      const line = error instanceof AllowListError ? { line: error.line } : {};
      return this.#hooks.log("allowListNotRead", { ...line, stillAllowed: this.size });
    }
    const isSame = fingerprints.size === this.size && [...fingerprints].every((one) => this.has(one));
    if (isSame) return;
    this.#fingerprints = fingerprints;
    this.#hooks.log("allowListRead", { allowed: this.size });
    this.#hooks.changed();
  }
}

/** A line of the list is no fingerprint. */
class AllowListError extends UserError {
  /** Which; the first is 1. */
  readonly line: number;

  constructor(path: string, line: number) {
    super(
      "badFlag",
      `Cannot use the list of --allow: line ${line} of ${path} is no fingerprint`,
      "A line holds one whole fingerprint: 52 letters and digits. What follows a # is a comment.",
    );
    this.line = line;
  }
}

async function readAllowList(path: string): Promise<ReadonlySet<Fingerprint>> {
  const list = parseAllowList(await readText(path));
  if (list.kind === "malformed") throw new AllowListError(path, list.line);
  return list.fingerprints;
}

async function readText(path: string): Promise<string> {
  let why: string;
  try {
    const { isFile, mode, size } = await Deno.stat(path);
    if (isFile && size <= ALLOW_LIST_MAX_BYTES) {
      refuseMode(path, mode, ANYBODY_WRITES, "anybody may write to it", "o-w");
      return fromUtf8(await readBounded(path, ALLOW_LIST_MAX_BYTES, 0));
    }
    why = isFile ? `it has ${size} bytes, more than ${ALLOW_LIST_MAX_BYTES}` : "it is not a file";
  } catch (error) {
    if (error instanceof UserError) throw error;
    why = error instanceof Deno.errors.NotFound
      ? "there is no such file"
      : error instanceof DecodeError
      ? "it is not text"
      : "it cannot be read";
  }
  throw new UserError(
    "badFlag",
    `Cannot use the list of --allow: ${why} (${path})`,
    "Name a text file with one fingerprint a line; it may be empty.",
  );
}
