/**
 * The token of a private relay, in `invite.token` of its data directory. `sotto-server invite` writes it beside a running
 * relay, which holds the lock of the directory: so it is written without the lock, whole by a rename, and the relay looks
 * at it as it looks at the list of `--allow`.
 *
 *     invite.token  "SOTTOINV" || version 1 (u8) || token (16) || first 8 bytes of SHA-256 of all before
 *
 * A running relay whose token goes away stays private, under the token that it has: a file that somebody moved must not
 * open the doors. Only a relay that starts without one is open.
 * @module
 */

import { UserError } from "../bytes/errors.ts";
import { equalBytes } from "../bytes/equal.ts";
import { type Bytes, concat, u8, utf8 } from "../bytes/writer.ts";
import { encodeInvite } from "../cli/invite.ts";
import { sha256 } from "../crypto/hash.ts";
import { secureRandom } from "../crypto/random.ts";
import { relayFingerprint } from "../e2ee/identity.ts";
import { INVITE_TOKEN_BYTES, invitePsk } from "../link/invite_psk.ts";
import { openDataDir } from "./data_dir.ts";
import { FileWatch } from "./file_watch.ts";
import { asUserError, OTHERS_ANY, readBounded, writeWhole } from "./private_file.ts";
import { loadRelayKey, readRelayKey } from "./relay_store.ts";

const TOKEN_FILE = "invite.token";
const HEAD: Bytes = concat(utf8("SOTTOINV"), u8(1));
const CHECK_BYTES = 8;
const FILE_BYTES: number = HEAD.length + INVITE_TOKEN_BYTES + CHECK_BYTES;

/**
 * Gives the invitation of a relay, and makes a token if there is none.
 * @param path the relay's data directory; a relay may be running in it
 * @param options whether the token is replaced: earlier invitations are void then
 * @returns the invitation
 * @throws {UserError} `dataDirUnusable` when something cannot be read or written
 */
export async function inviteOf(path: string, options: { readonly isNew: boolean }): Promise<string> {
  const fingerprint = await relayFingerprint((await relayKeyIn(path)).publicBytes);
  if (options.isNew || await readToken(path) === undefined) await writeToken(path, secureRandom(INVITE_TOKEN_BYTES));
  // Read back: of two who do this at once, both are told the token that stayed.
  const token = await readToken(path);
  if (token === undefined) throw damaged(path);
  return await encodeInvite({ fingerprint, token });
}

/** What a relay's token tells of itself. */
export interface RelayInviteHooks {
  /** Another token counts now. */
  readonly changed: () => void;
  /** Takes what happened; never the token. */
  readonly log: (event: string, fields: Readonly<Record<string, string | number>>) => void;
  /** Stands in for `FILE_LOOK_MS`. */
  readonly testOnlyLookMs?: number;
}

/** The psk of a relay that runs; it follows the token's file. */
export class RelayInvite {
  readonly #path: string;
  readonly #hooks: RelayInviteHooks;
  readonly #watch: FileWatch;
  #token: Bytes | undefined;
  #psk: Bytes | undefined;

  private constructor(path: string, hooks: RelayInviteHooks) {
    this.#path = path;
    this.#hooks = hooks;
    this.#watch = new FileWatch({ ...hooks, path: `${path}/${TOKEN_FILE}`, read: () => this.#reread() });
  }

  /**
   * Reads the token, if there is one, and begins to follow its file.
   * @param path the relay's data directory
   * @param hooks who hears of changes
   * @returns the invitation; to be closed
   * @throws {UserError} `dataDirUnusable` when the file is damaged, or others may read it
   */
  static async open(path: string, hooks: RelayInviteHooks): Promise<RelayInvite> {
    const token = await readToken(path);
    const invite = new RelayInvite(path, hooks);
    if (token !== undefined) await invite.#take(token);
    return invite;
  }

  /** What callers must hold, 32 bytes and the same array until it changes; `undefined` when the relay is open to all. */
  get psk(): Bytes | undefined {
    return this.#psk;
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
    let token: Bytes | undefined;
    try {
      token = await readToken(this.#path);
    } catch {
      return this.#hooks.log("inviteNotRead", {});
    }
    if (token === undefined) return this.#token === undefined ? undefined : this.#hooks.log("inviteGone", {});
    if (this.#token !== undefined && equalBytes(token, this.#token)) return;
    await this.#take(token);
    this.#hooks.log("inviteRead", {});
    this.#hooks.changed();
  }

  async #take(token: Bytes): Promise<void> {
    this.#psk = await invitePsk(token);
    this.#token = token;
  }
}

/** Reads the relay's key, or makes it where no relay has run yet. */
async function relayKeyIn(path: string): ReturnType<typeof loadRelayKey> {
  try {
    const dir = await openDataDir(path, { what: "relay" });
    try {
      return await loadRelayKey(dir);
    } finally {
      dir.close();
    }
  } catch (error) {
    if (!(error instanceof UserError && error.code === "dataDirBusy")) throw error;
    return await readRelayKey(path); // a running relay has made it before it listened
  }
}

async function readToken(path: string): Promise<Bytes | undefined> {
  let bytes: Bytes;
  try {
    bytes = await readBounded(`${path}/${TOKEN_FILE}`, FILE_BYTES, OTHERS_ANY);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw asUserError(`${path}/${TOKEN_FILE}`, error);
  }
  const body = bytes.slice(0, HEAD.length + INVITE_TOKEN_BYTES);
  const isWhole = bytes.length === FILE_BYTES && equalBytes(bytes.subarray(0, HEAD.length), HEAD) &&
    equalBytes(bytes.subarray(body.length), (await sha256(body)).subarray(0, CHECK_BYTES));
  if (!isWhole) throw damaged(path);
  return body.slice(HEAD.length);
}

async function writeToken(path: string, token: Bytes): Promise<void> {
  const body = concat(HEAD, token);
  const bytes = concat(body, (await sha256(body)).subarray(0, CHECK_BYTES));
  try {
    await writeWhole(path, `.${TOKEN_FILE}.${crypto.randomUUID()}.tmp`, TOKEN_FILE, bytes);
  } catch (error) {
    throw asUserError(`${path}/${TOKEN_FILE}`, error);
  }
}

function damaged(path: string): UserError {
  return new UserError(
    "dataDirUnusable",
    `${path}/${TOKEN_FILE} is damaged or of another program; it was left alone`,
    "Move it away, and make another invitation with sotto-server invite.",
  );
}
