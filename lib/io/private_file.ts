/**
 * Files for their owner alone, written whole or not at all, and what to tell a person when the system refuses.
 * @module
 */

import { UserError } from "../bytes/errors.ts";
import type { Bytes } from "../bytes/writer.ts";

/** Permission bits by which others could read, write or run a file. */
export const OTHERS_ANY = 0o077;

/** Permission bits by which others could write. */
export const OTHERS_WRITE = 0o022;

const IS_WINDOWS = Deno.build.os === "windows";

/**
 * Makes a file that only its owner may use, or checks that the one that is there is such.
 * @param path the file
 * @throws {UserError} `dataDirUnusable`, when it is no file or others may read it
 */
export async function makePrivateFile(path: string): Promise<void> {
  using file = await Deno.open(path, { read: true, write: true, create: true, mode: 0o600 });
  const { isFile, mode } = await file.stat();
  if (!isFile) throw unusable(path, "it is not a file");
  refuseMode(path, mode, OTHERS_ANY, "others may read it", "600");
}

/**
 * Reads a file of bounded size.
 * @param path the file
 * @param maxBytes the most it may have
 * @param refused permission bits that it must not have, 0 for none
 * @returns its bytes
 * @throws {UserError} `dataDirUnusable`, when it is no file, too large, or open to others
 */
export async function readBounded(path: string, maxBytes: number, refused: number): Promise<Bytes> {
  using file = await Deno.open(path, { read: true });
  const { isFile, mode, size } = await file.stat();
  if (!isFile) throw unusable(path, "it is not a file");
  refuseMode(path, mode, refused, "others may read it", "600");
  if (size > maxBytes) throw unusable(path, `it has ${size} bytes, more than ${maxBytes}`);
  return await readAll(file, size);
}

/**
 * Puts a file in its place in one step: a temporary one beside it, synced, then renamed.
 * @param directory where both are
 * @param temporaryName the name until it is whole
 * @param name its name
 * @param bytes what it holds
 */
export async function writeWhole(
  directory: string,
  temporaryName: string,
  name: string,
  bytes: Uint8Array,
): Promise<void> {
  const temporary = `${directory}/${temporaryName}`;
  try {
    await writeAll(temporary, bytes);
    await Deno.rename(temporary, `${directory}/${name}`);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw error;
  }
  await syncDirectory(directory);
}

/**
 * Tells whether anything has this name.
 * @param path the name
 * @returns whether it has, a dangling link included
 */
export async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/**
 * Refuses loose permissions; Windows has none of this kind and guards a home by its own means.
 * @param path the file or directory
 * @param mode its permissions
 * @param refused the bits that it must not have
 * @param why what they permit
 * @param chmod the argument of `chmod` that takes them away
 * @throws {UserError} `dataDirUnusable`, with the command to type as its hint
 */
export function refuseMode(path: string, mode: number | null, refused: number, why: string, chmod: string): void {
  if (IS_WINDOWS || mode === null || (mode & refused) === 0) return;
  throw new UserError(
    "dataDirUnusable",
    `Cannot use ${path}: ${why} (mode ${(mode & 0o777).toString(8)})`,
    `Run: chmod ${chmod} ${shellQuoted(path)}`,
  );
}

/**
 * Makes the error for a place that cannot be used.
 * @param path the place
 * @param why the reason, as half a sentence
 * @param options what caused it
 * @returns the error
 */
export function unusable(path: string, why: string, options?: ErrorOptions): UserError {
  return new UserError(
    "dataDirUnusable",
    `Cannot use ${path}: ${why}`,
    "Name another directory with --data-dir.",
    options,
  );
}

/**
 * Says in words of ours what the system refused.
 * @param path what was refused
 * @param cause what was thrown
 * @returns an error for the person; our own errors and mistakes of ours as they are
 */
export function asUserError(path: string, cause: unknown): unknown {
  if (cause instanceof UserError || cause instanceof TypeError || !(cause instanceof Error)) return cause;
  return unusable(path, reasonOf(cause), { cause });
}

async function readAll(file: Deno.FsFile, lengthBytes: number): Promise<Bytes> {
  const bytes = new Uint8Array(lengthBytes);
  let offset = 0;
  while (offset < lengthBytes) {
    const count = await file.read(bytes.subarray(offset));
    if (count === null) break;
    offset += count;
  }
  return bytes.subarray(0, offset);
}

async function writeAll(path: string, bytes: Uint8Array): Promise<void> {
  using file = await Deno.open(path, { write: true, createNew: true, mode: 0o600 });
  for (let offset = 0; offset < bytes.length;) offset += await file.write(bytes.subarray(offset));
  // Without it a power cut could leave the new name on an empty file.
  await file.sync();
}

/** Makes a rename survive a power cut, where a directory can be synced; Windows does it by itself. */
async function syncDirectory(path: string): Promise<void> {
  if (IS_WINDOWS) return;
  using directory = await Deno.open(path, { read: true });
  // Some network file systems refuse; the file itself is safe all the same.
  await directory.sync().catch(() => {});
}

/**
 * Quotes a word for a shell, if it needs it.
 * @param path the word
 * @returns what can be typed
 */
export function shellQuoted(path: string): string {
  return /^[\w./-]+$/.test(path) && !path.startsWith("-") ? path : `'${path.replaceAll("'", "'\\''")}'`;
}

function reasonOf(cause: Error): string {
  if (cause instanceof Deno.errors.NotADirectory || cause instanceof Deno.errors.AlreadyExists) {
    return "a file is in its way";
  }
  if (cause instanceof Deno.errors.PermissionDenied || cause instanceof Deno.errors.NotCapable) {
    return "the system does not permit it";
  }
  if (cause instanceof Deno.errors.NotFound) return "it cannot be made";
  // "No space left on device (os error 28): write '…'": the first half is what a person can use.
  return cause.message.split(" (os error")[0] ?? cause.message;
}
