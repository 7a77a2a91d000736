/**
 * The command lines of both programs, a contract for scripts: arguments in, checked flags out, or a `UserError` with
 * exit code 2 that says what to type instead. Reads no environment and does no I/O. That of `sotto` is in
 * client_flags.ts, what both share in args.ts.
 * @module
 */

import { UserError } from "../bytes/errors.ts";
import { parseHost, parsePort } from "./address.ts";
import {
  DEFAULT_PORT,
  type FlagTable,
  type GivenArgs,
  optional,
  type ParsedFlags,
  readArgs,
  refuseSurplus,
} from "./args.ts";
import { SERVER_HELP } from "./help_text.ts";
import { VERSION } from "./version.ts";

export { DEFAULT_PORT, type FlagTable, type ParsedFlags } from "./args.ts";
export {
  CLIENT_FLAGS,
  type ClientFlags,
  type DirectFlags,
  type IdentityFlags,
  parseClientFlags,
  type ParsedClientFlags,
  type RelaysFlags,
  type StoreFlags,
} from "./client_flags.ts";

/** What `sotto-server` was told. */
export interface ServerFlags {
  /** The address to listen on. */
  readonly host: string;
  /** The port to listen on, 0 to 65,535; 0 for any free one. */
  readonly port: number;
  /** The relay's name, not yet checked. */
  readonly name?: string;
  /** Where its data is; by platform convention without it. */
  readonly dataDir?: string;
  /** How long a name waits for its absent owner, in milliseconds; the relay's own measure without it. */
  readonly nameTtlMs?: number;
  /** The file that names who may link; everybody may without it. */
  readonly allow?: string;
  /** Whether the event log is in memory alone. */
  readonly memory: boolean;
  /** Whether to log more, names included. */
  readonly verbose: boolean;
  /** Whether stdout carries JSON lines. */
  readonly json: boolean;
}

/** What `sotto-server invite` was told. */
export interface InviteFlags {
  /** Where the relay's data is; by platform convention without it. */
  readonly dataDir?: string;
  /** Whether the invitation is replaced. */
  readonly isNew: boolean;
}

/** What the relay's command line can ask for besides. */
export type ParsedServerFlags =
  | ParsedFlags<ServerFlags>
  | { readonly kind: "invite"; readonly flags: InviteFlags };

/** What each flag of the relay takes. */
export const SERVER_FLAGS = {
  host: "text",
  port: "text",
  name: "text",
  "data-dir": "text",
  "name-ttl": "text",
  allow: "text",
  new: "switch",
  memory: "switch",
  verbose: "switch",
  json: "switch",
  help: "switch",
  version: "switch",
} as const satisfies FlagTable;

/** The longest that a name waits: ten years, and with them all that is still a number of days and not a mistake. */
const NAME_TTL_MAX_DAYS = 3_650;
const DAY_MS = 86_400_000;

/**
 * Parses the relay's command line.
 * @param args the arguments, without the program's name
 * @returns what they ask for
 * @throws {UserError} `badFlag`, when they are not a command line of the relay
 */
export function parseServerFlags(args: readonly string[]): ParsedServerFlags {
  const given = readArgs(args, SERVER_FLAGS);
  if (given.has("help")) return { kind: "help", text: SERVER_HELP };
  if (given.has("version")) return { kind: "version", text: `sotto-server ${VERSION}` };
  if (given.positionals[0] === "invite") return inviteFlags(given);
  refuseSurplus(given.positionals);
  if (given.has("new")) {
    throw new UserError("badFlag", "Cannot take --new here", "It belongs to sotto-server invite --new.");
  }
  return {
    kind: "run",
    flags: {
      host: parseHost(given.text("host") ?? "0.0.0.0"),
      port: parsePort(given.text("port") ?? String(DEFAULT_PORT), 0),
      ...optional("name", given.text("name")),
      ...optional("dataDir", given.text("data-dir")),
      ...nameTtlOf(given.text("name-ttl")),
      ...optional("allow", given.text("allow")),
      memory: given.has("memory"),
      verbose: given.has("verbose"),
      json: given.has("json"),
    },
  };
}

function inviteFlags(given: GivenArgs): ParsedServerFlags {
  refuseSurplus(given.positionals.slice(1));
  const other = Object.keys(SERVER_FLAGS).find((flag) => given.has(flag) && flag !== "data-dir" && flag !== "new");
  if (other !== undefined) {
    throw new UserError("badFlag", `Cannot take --${other} with invite`, "It takes --data-dir DIR and --new alone.");
  }
  return { kind: "invite", flags: { ...optional("dataDir", given.text("data-dir")), isNew: given.has("new") } };
}

function nameTtlOf(typed: string | undefined): { nameTtlMs?: number } {
  if (typed === undefined) return {};
  // Number() alone would take "", "0x1e" and "1e3".
  const days = /^\d{1,6}(\.\d{1,9})?$/.test(typed) ? Number(typed) : NaN;
  if (days > 0 && days <= NAME_TTL_MAX_DAYS) return { nameTtlMs: Math.ceil(days * DAY_MS) };
  throw new UserError(
    "badFlag",
    `Cannot keep names for ${JSON.stringify(typed)} days`,
    `Give --name-ttl a number of days above 0 and up to ${NAME_TTL_MAX_DAYS}, such as 30 or 0.5.`,
  );
}
