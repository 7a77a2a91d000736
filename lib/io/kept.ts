/**
 * How a command opens what a client keeps: in turn with the chat, and making nothing where nothing is.
 * @module
 */

import { UserError } from "../bytes/errors.ts";
import type { StoreFlags } from "../cli/flags.ts";
import type { SafeText } from "../cli/safe_text.ts";
import type { WrapOptions } from "../e2ee/data_key.ts";
import { type ClientState, ClientStore } from "./client_store.ts";
import { defaultDataDir, openDataDir } from "./data_dir.ts";
import { type MaskedDevice, openMaskedDevice } from "./masked_prompt.ts";
import type { Env } from "./network.ts";
import { passphraseFileOf, unlockFrom } from "./passphrase.ts";
import { asUserError, exists } from "./private_file.ts";
import type { Streams } from "./program.ts";
import { STORE_FILE_NAME } from "./sealed_store.ts";

/** What a command about kept things runs with; the real terminal and environment unless a test gives others. */
export interface StoreCommandOptions extends WrapOptions {
  /** The environment. */
  readonly env?: Env;
  /** Finds the terminal, if there is a person at one. */
  readonly openDevice?: (env: Env) => MaskedDevice | undefined;
}

/** What a client keeps, open while a command runs. */
export interface OpenKept {
  /** The directory, as an absolute path. */
  readonly path: string;
  /** The store. */
  readonly store: ClientStore;
  /** What it held when it was opened. */
  readonly state: ClientState;
}

/** Where an earlier release kept an identity, which the store takes over when it is opened. */
const OLD_KEY_FILE = "identity.key";

/**
 * Opens what a client keeps, for one command. Where nothing is kept, nothing is made.
 * @param flags where it is, and its passphrase
 * @param options stands in for terminal and environment
 * @param use what to do with it
 * @returns what `use` returns
 * @throws {UserError} `dataDirUnusable`, when nothing is kept there or it cannot be read; `dataDirBusy`, while a chat
 *   uses it
 */
export async function withKept<T>(
  flags: StoreFlags,
  options: StoreCommandOptions,
  use: (kept: OpenKept) => Promise<T>,
): Promise<T> {
  const path = pathOf(flags, options);
  for (const name of [STORE_FILE_NAME, OLD_KEY_FILE]) {
    if (await isThere(`${path}/${name}`)) return await withKeptOrNew(flags, options, use);
  }
  throw nobodyYet(path);
}

/**
 * Opens what a client keeps, for one command, and makes the directory and the store where there are none.
 * @param flags where it is, and its passphrase
 * @param options stands in for terminal and environment
 * @param use what to do with it
 * @returns what `use` returns
 * @throws {UserError} `dataDirUnusable`, when it cannot be read or made; `dataDirBusy`, while a chat uses it
 */
export async function withKeptOrNew<T>(
  flags: StoreFlags,
  options: StoreCommandOptions,
  use: (kept: OpenKept) => Promise<T>,
): Promise<T> {
  const { env = Deno.env, openDevice = openMaskedDevice } = options;
  const dir = await openDataDir(pathOf(flags, options), { what: "client" });
  try {
    const unlock = unlockFrom({ file: passphraseFileOf(flags.passphraseFile, env), device: openDevice(env) });
    const store = await ClientStore.open(dir, unlock, options);
    try {
      return await use({ path: await Deno.realPath(dir.path), store, state: await store.load() });
    } finally {
      await store.close();
    }
  } finally {
    dir.close();
  }
}

/**
 * Shows lines.
 * @param to where
 * @param lines what
 */
export function tell(to: Streams["out"], lines: readonly SafeText[]): void {
  for (const line of lines) to.write(line + "\n");
}

/**
 * Tells whether anything has this name.
 * @param path the name
 * @returns whether it has
 * @throws {UserError} `dataDirUnusable`, when the system does not tell
 */
export async function isThere(path: string): Promise<boolean> {
  try {
    return await exists(path);
  } catch (cause) {
    throw withHint(asUserError(path, cause), "Name another place.");
  }
}

/**
 * Makes the error for a directory that keeps nobody.
 * @param path the directory
 * @returns the error
 */
export function nobodyYet(path: string): UserError {
  return new UserError(
    "dataDirUnusable",
    `There is no identity in ${path} yet`,
    "One is made when you first chat: sotto HOST. To bring yours from elsewhere: sotto identity import FILE.",
  );
}

/**
 * Gives a refusal of the system a way out that fits; loose permissions bring the command that helps.
 * @param error what was thrown
 * @param hint what to do instead
 * @returns what to throw
 */
export function withHint(error: unknown, hint: string): unknown {
  if (!(error instanceof UserError) || error.hint.startsWith("Run: ")) return error;
  return new UserError(error.code, error.message, hint, { cause: error });
}

function pathOf({ dataDir }: StoreFlags, { env = Deno.env }: StoreCommandOptions): string {
  return dataDir ?? defaultDataDir("client", env);
}
