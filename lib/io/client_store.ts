/**
 * What a client keeps in its data directory: its identity. All else lives as long as the client runs.
 * @module
 */

import { DecodeError, UserError } from "../bytes/errors.ts";
import { decodeIdentity, encodeIdentity, generateIdentity, type Identity } from "../e2ee/identity.ts";
import { nowMs } from "./clock.ts";
import type { DataDir } from "./data_dir.ts";

const KEY_FILE = "identity.key";

/**
 * Reads the identity, or makes one at the first start.
 * @param dir the client's data directory
 * @returns the identity
 * @throws {UserError} `dataDirUnusable` when the file is damaged or foreign; it is left alone
 */
export async function loadIdentity(dir: DataDir): Promise<Identity> {
  const stored = await dir.readSecret(KEY_FILE);
  if (stored === undefined) {
    const identity = await generateIdentity({ life: "lasting", nowMs: nowMs() });
    await dir.writeSecret(KEY_FILE, await encodeIdentity(identity));
    return identity;
  }
  try {
    return await decodeIdentity(stored);
  } catch (cause) {
    if (!(cause instanceof DecodeError)) throw cause;
    throw new UserError(
      "dataDirUnusable",
      `${dir.path}/${KEY_FILE} is damaged or of another program; it was left alone`,
      "Restore it from a backup, or move it away to start as somebody new.",
      { cause },
    );
  }
}
