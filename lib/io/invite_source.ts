/**
 * Where a client's invitation comes from: a file that a flag names, or the environment. Never the command line's
 * arguments, which every user of a machine can read.
 * @module
 */

import { DecodeError, UserError } from "../bytes/errors.ts";
import { fromUtf8 } from "../bytes/reader.ts";
import { decodeInvite, type Invite, INVITE_TEXT_MAX_CHARS } from "../cli/invite.ts";
import type { Env } from "./network.ts";

/** What `SOTTO_INVITE` holds: the invitation itself. */
const INVITE_VARIABLE = "SOTTO_INVITE";

/**
 * Finds the invitation that a client was given, if any.
 * @param file what `--invite-file` said; it outdoes the environment
 * @param env the environment: SOTTO_INVITE
 * @returns the invitation, or `undefined` when none was given
 * @throws {UserError} `badFlag` when the file cannot be read, or what is there is no invitation
 */
export async function givenInvite(file: string | undefined, env: Env): Promise<Invite | undefined> {
  if (file !== undefined) return await decodeInvite(await readFile(file));
  const text = variableOf(env);
  return text === undefined || text.trim() === "" ? undefined : await decodeInvite(text);
}

/** A program that may not read the variable goes without it. */
function variableOf(env: Env): string | undefined {
  try {
    return env.get(INVITE_VARIABLE);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable || error instanceof Deno.errors.PermissionDenied) return undefined;
    throw error;
  }
}

async function readFile(path: string): Promise<string> {
  try {
    using file = await Deno.open(path, { read: true });
    const bytes = new Uint8Array(INVITE_TEXT_MAX_CHARS + 1);
    let length = 0;
    // Read to the bound and no further: it may be a pipe, and pipes have no size.
    for (let count = 0; length < bytes.length; length += count) {
      const read = await file.read(bytes.subarray(length));
      if (read === null) break;
      count = read;
    }
    return fromUtf8(bytes.subarray(0, length));
  } catch (cause) {
    if (!(cause instanceof Error) || cause instanceof TypeError) throw cause;
    const why = cause instanceof Deno.errors.NotFound
      ? "there is no such file"
      : cause instanceof DecodeError
      ? "it is not text"
      : "it cannot be read";
    throw new UserError(
      "badFlag",
      `Cannot use the invitation in ${path}: ${why}`,
      "Name a file that holds what sotto-server invite printed.",
      { cause },
    );
  }
}
