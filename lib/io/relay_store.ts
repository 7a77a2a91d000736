/**
 * What a relay keeps in its data directory: its long-term key, by which clients know it again, and whose names are
 * whose. A key file that is damaged or foreign is refused and left alone: a new key would look like an attack to every
 * client.
 *
 *     relay.key   "SOTTORLY" || version 1 (u8) || private key (32) || first 8 bytes of SHA-256 of all before
 *     names.json  {"v":1,"names":[{folded, handle, fingerprint, life, createdMs, lastSeenMs}, …]}
 *
 * @module
 */

import * as v from "valibot";
import { UserError } from "../bytes/errors.ts";
import { equalBytes } from "../bytes/equal.ts";
import { type Bytes, concat, u8, utf8 } from "../bytes/writer.ts";
import { DH_BYTES, type DhKeyPair, dhKeyPairFrom, generateDhKeyPair } from "../crypto/dh.ts";
import { sha256 } from "../crypto/hash.ts";
import type { NameBook, NameEntry } from "../relay/names.ts";
import { type DataDir, SECRET_MAX_BYTES } from "./data_dir.ts";
import { asUserError, OTHERS_ANY, readBounded } from "./private_file.ts";

const KEY_FILE = "relay.key";
const NAMES_FILE = "names.json";
const KEY_HEAD: Bytes = concat(utf8("SOTTORLY"), u8(1));
const CHECK_BYTES = 8;
/** Changes within this time are written down together: a crowd that joins is one write. */
const SAVE_DELAY_MS = 500;

const NAMES: v.GenericSchema<unknown, { v: 1; names: NameEntry[] }> = v.object({
  v: v.literal(1),
  names: v.array(v.object({
    folded: v.string(),
    handle: v.string(),
    fingerprint: v.pipe(v.string(), v.regex(/^[A-Z2-7]{51}[AQ]$/)),
    life: v.picklist(["lasting", "ephemeral"]),
    createdMs: v.pipe(v.number(), v.safeInteger()),
    lastSeenMs: v.pipe(v.number(), v.safeInteger()),
  })),
});

/**
 * Reads the relay's key, or makes one at the first start.
 * @param dir the relay's data directory
 * @returns the pair
 * @throws {UserError} `dataDirUnusable` when the file is damaged or foreign
 */
export async function loadRelayKey(dir: DataDir): Promise<DhKeyPair> {
  const stored = await dir.readSecret(KEY_FILE);
  if (stored === undefined) {
    const pair = await generateDhKeyPair();
    const body = concat(KEY_HEAD, pair.privateBytes);
    await dir.writeSecret(KEY_FILE, concat(body, (await sha256(body)).subarray(0, CHECK_BYTES)));
    return pair;
  }
  return await decodeRelayKey(dir, stored);
}

/**
 * Reads the key of a relay without the lock of its data directory: another process may be running it.
 * @param path the relay's data directory
 * @returns the pair
 * @throws {UserError} `dataDirUnusable` when there is none, or the file is damaged, foreign, or open to others
 */
export async function readRelayKey(path: string): Promise<DhKeyPair> {
  try {
    return await decodeRelayKey({ path }, await readBounded(`${path}/${KEY_FILE}`, SECRET_MAX_BYTES, OTHERS_ANY));
  } catch (error) {
    throw asUserError(`${path}/${KEY_FILE}`, error);
  }
}

async function decodeRelayKey(dir: Pick<DataDir, "path">, stored: Bytes): Promise<DhKeyPair> {
  const body = stored.slice(0, KEY_HEAD.length + DH_BYTES);
  const isWhole = stored.length === body.length + CHECK_BYTES &&
    equalBytes(stored.subarray(0, KEY_HEAD.length), KEY_HEAD) &&
    equalBytes(stored.subarray(body.length), (await sha256(body)).subarray(0, CHECK_BYTES));
  if (!isWhole) {
    throw damaged(dir, KEY_FILE, "Restore it from a backup, or move it away: clients will then see a new relay.");
  }
  return await dhKeyPairFrom(body.slice(KEY_HEAD.length));
}

/** Keeps a name book on disk. */
export class NameStore {
  readonly #dir: DataDir;
  readonly #names: NameBook;
  readonly #failed: (error: unknown) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #saving: Promise<void> = Promise.resolve();

  /**
   * Makes a store; nothing is read yet.
   * @param dir the relay's data directory
   * @param names the book
   * @param failed called when a save did not succeed
   */
  constructor(dir: DataDir, names: NameBook, failed: (error: unknown) => void) {
    this.#dir = dir;
    this.#names = names;
    this.#failed = failed;
  }

  /**
   * Puts saved names into the book.
   * @throws {UserError} `dataDirUnusable` when the file is damaged: forgetting the names would give them to others
   */
  async load(): Promise<void> {
    const text = await this.#dir.readText(NAMES_FILE);
    if (text === undefined) return;
    const result = v.safeParse(NAMES, parseJson(text), { abortEarly: true });
    if (!result.success) {
      throw damaged(this.#dir, NAMES_FILE, "Restore it from a backup, or move it away: all names are then free again.");
    }
    this.#names.restore(result.output.names);
  }

  /** Notes that the book changed; it is written down soon. */
  changed(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#saving = this.#saving.then(() => this.#save());
    }, SAVE_DELAY_MS);
  }

  /** Writes down what is not yet written, at the end. */
  async close(): Promise<void> {
    await this.#saving;
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#save();
  }

  async #save(): Promise<void> {
    try {
      await this.#dir.writeText(NAMES_FILE, JSON.stringify({ v: 1, names: this.#names.entries() }), { replace: true });
    } catch (error) {
      this.#failed(error);
    }
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function damaged(dir: Pick<DataDir, "path">, file: string, hint: string): UserError {
  return new UserError(
    "dataDirUnusable",
    `${dir.path}/${file} is damaged or of another program; it was left alone`,
    hint,
  );
}
