/**
 * Where a passphrase comes from: a file that is named by a flag or the environment, or a person at a terminal. Never the
 * command line's arguments, which every user of a machine can read.
 * @module
 */

import { UserError } from "../bytes/errors.ts";
import { fromUtf8 } from "../bytes/reader.ts";
import type { Bytes } from "../bytes/writer.ts";
import { safe, type SafeText } from "../cli/safe_text.ts";
import { encodePassphrase, PASSPHRASE_MAX_BYTES } from "../e2ee/data_key.ts";
import { type MaskedDevice, withMaskedPrompt } from "./masked_prompt.ts";
import type { Env } from "./network.ts";
import { OTHERS_ANY, refuseMode } from "./private_file.ts";
import type { Unlock } from "./sealed_key.ts";

/** Where a program may take its passphrase from. */
export interface PassphraseSource {
  /** The file that holds it, if one was named. */
  readonly file?: string | undefined;
  /** The terminal, if there is a person at one. */
  readonly device?: MaskedDevice | undefined;
}

/** Times that a new passphrase is asked for, until both entries are the same. */
export const NEW_ATTEMPTS_MAX = 3;

/** No longer line is read: the NFC form of a passphrase can be a third of what stands in the file. */
const FIRST_LINE_MAX_BYTES = 4_096;

/**
 * Names the file that holds the passphrase.
 * @param flag what `--passphrase-file` said
 * @param env the environment: SOTTO_PASSPHRASE_FILE, which the flag outdoes
 * @returns the path, or `undefined` when none was named
 */
export function passphraseFileOf(flag: string | undefined, env: Env): string | undefined {
  return flag ?? (env.get("SOTTO_PASSPHRASE_FILE") || undefined);
}

/**
 * Answers a store that is to be opened: from the file if one was named, else from the terminal. A new store gets what
 * the file holds and never asks: without a file it is protected by a key file, until the person sets a passphrase.
 * @param source where a passphrase may come from
 * @returns the answer for `SealedStore.open()`
 */
export function unlockFrom({ file, device }: PassphraseSource): Unlock {
  return async ({ kind, failures }) => {
    if (file !== undefined) {
      if (failures === 0) return await readPassphraseFile(file);
      throw new UserError(
        "dataDirUnusable",
        `Cannot unlock: the passphrase in ${file} is wrong`,
        "Nobody can recover a forgotten passphrase. Name the right file, or leave the flag out and type it.",
      );
    }
    if (kind === "create" || device === undefined) return undefined;
    const typed = await askPassphrase(device, failures === 0 ? safe`Passphrase: ` : safe`Wrong. Passphrase: `);
    return typed === undefined || typed === "" ? undefined : encodedOr(typed, "the passphrase");
  };
}

/**
 * Reads a passphrase from the first line of a file.
 * @param path the file, or a pipe
 * @returns what `encodePassphrase()` gives
 * @throws {UserError} `dataDirUnusable`, when it cannot be read, others may read it, or the line is empty, too long, or
 *   no UTF-8
 */
export async function readPassphraseFile(path: string): Promise<Bytes> {
  let line: Uint8Array;
  try {
    using file = await Deno.open(path, { read: true });
    const { isDirectory, mode } = await file.stat();
    if (isDirectory) throw unreadable(path, "it is a directory");
    refuseMode(path, mode, OTHERS_ANY, "others may read it", "600");
    const found = await readFirstLine(file);
    if (found === undefined) throw unreadable(path, `its first line has more than ${FIRST_LINE_MAX_BYTES} bytes`);
    line = found;
  } catch (cause) {
    if (cause instanceof UserError || !(cause instanceof Error)) throw cause;
    throw unreadable(
      path,
      cause instanceof Deno.errors.NotFound ? "there is no such file" : "it cannot be read",
      cause,
    );
  }
  let text: string;
  try {
    text = fromUtf8(line);
  } catch (cause) {
    throw unreadable(path, "its first line is not UTF-8", cause);
  }
  // Editors of some systems put a byte order mark there, which nobody could type.
  return encodedOr(text.replace(/^\uFEFF/, "").replace(/\r$/, ""), `the passphrase in ${path}`);
}

/**
 * Asks a person for a new passphrase, twice, until both entries are the same.
 * @param device the terminal
 * @returns what `encodePassphrase()` gives; `undefined` when the person gave up or typed nothing
 * @throws {UserError} `dataDirUnusable`, when they differed `NEW_ATTEMPTS_MAX` times
 */
export async function askNewPassphrase(device: MaskedDevice): Promise<Bytes | undefined> {
  return await withMaskedPrompt(device, async (prompt) => {
    for (let attempt = 0; attempt < NEW_ATTEMPTS_MAX; attempt++) {
      const first = await prompt.ask(attempt === 0 ? safe`New passphrase: ` : safe`They differ. New passphrase: `);
      if (first === undefined || first === "") return undefined;
      const bytes = encodedOr(first, "the passphrase");
      const second = await prompt.ask(safe`The same again: `);
      if (second === undefined) return undefined;
      if (second.normalize("NFC") === first.normalize("NFC")) return bytes;
    }
    throw new UserError(
      "dataDirUnusable",
      `Cannot set the passphrase: the two entries differed ${NEW_ATTEMPTS_MAX} times`,
      "Nothing was changed. Write it into a file for yourself alone and use --passphrase-file.",
    );
  });
}

/**
 * Asks a person for a line that is not shown.
 * @param device the terminal
 * @param prompt what stands before the dots
 * @returns what was typed, perhaps empty; `undefined` when the person gave up or the terminal is gone
 */
export async function askPassphrase(device: MaskedDevice, prompt: SafeText): Promise<string | undefined> {
  return await withMaskedPrompt(device, (masked) => masked.ask(prompt));
}

/** Reads up to a line end or the end; `undefined` when neither comes within the bound. */
async function readFirstLine(file: Deno.FsFile): Promise<Uint8Array | undefined> {
  const bytes = new Uint8Array(FIRST_LINE_MAX_BYTES);
  let length = 0;
  while (length < bytes.length) {
    const count = await file.read(bytes.subarray(length));
    if (count === null) return bytes.subarray(0, length);
    length += count;
    const end = bytes.subarray(0, length).indexOf(0x0a);
    if (end !== -1) return bytes.subarray(0, end);
  }
  return undefined;
}

function encodedOr(text: string, what: string): Bytes {
  try {
    return encodePassphrase(text);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new UserError(
      "dataDirUnusable",
      `Cannot use ${what}: it is ${text === "" ? "empty" : "too long"}`,
      `A passphrase has 1 to ${PASSPHRASE_MAX_BYTES} bytes.`,
      { cause },
    );
  }
}

function unreadable(path: string, why: string, cause?: unknown): UserError {
  return new UserError(
    "dataDirUnusable",
    `Cannot read a passphrase from ${path}: ${why}`,
    "Name a file whose first line is the passphrase, readable by yourself alone.",
    { cause },
  );
}
