/**
 * The command lines of both programs, a contract for scripts: arguments in, checked flags out, or a `UserError` with
 * exit code 2 that says what to type instead. Reads no environment and does no I/O.
 *
 * The standard library's `parseArgs` cuts the arguments; what it would let pass (a switch with a value, a flag given
 * twice or without its value) is refused around it.
 * @module
 */

import { parseArgs } from "@std/cli/parse-args";
import { closestString } from "@std/text/closest-string";
import { UserError } from "../bytes/errors.ts";
import { formatAddress, parseAddress, parseHost, parsePort } from "./address.ts";
import { CLIENT_HELP, SERVER_HELP } from "./help_text.ts";
import { VERSION } from "./version.ts";

/** The port of a relay that was given none. */
export const DEFAULT_PORT = 5001;

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

/** What `sotto` was told. */
export interface ClientFlags {
  /** The relay's host. */
  readonly host: string;
  /** The relay's port, 1 to 65,535. */
  readonly port: number;
  /** The handle, not yet checked; asked for without it. */
  readonly name?: string;
  /** Where the identity is; by platform convention without it. */
  readonly dataDir?: string;
  /** Whether nothing is read, locked or kept. */
  readonly ephemeral: boolean;
  /** The room to join, without a leading `#`. */
  readonly room: string;
  /** The only relay fingerprint to accept: 52 upper-case base32 characters. */
  readonly relayKey?: string;
  /** The file that holds an invitation to a private relay. */
  readonly inviteFile?: string;
  /** Whether an unknown relay is accepted; never beside `relayKey`. */
  readonly trustOnFirstUse: boolean;
  /** Whether stdin and stdout carry JSON lines. */
  readonly json: boolean;
  /** Whether to tell more. */
  readonly verbose: boolean;
}

/** What a command line asks for: to run, or to print a text on stdout and exit with 0. */
export type ParsedFlags<F> =
  | { readonly kind: "run"; readonly flags: F }
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "version"; readonly text: string };

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

/** What each flag of the client takes. */
export const CLIENT_FLAGS = {
  host: "text",
  port: "text",
  name: "text",
  "data-dir": "text",
  ephemeral: "switch",
  room: "text",
  "relay-key": "text",
  "invite-file": "text",
  "trust-on-first-use": "switch",
  json: "switch",
  verbose: "switch",
  help: "switch",
  version: "switch",
} as const satisfies FlagTable;

/** The flags of a program: `text` takes a value, `switch` takes none. */
export type FlagTable = Readonly<Record<string, "text" | "switch">>;

/** The longest that a name waits: ten years, and with them all that is still a number of days and not a mistake. */
const NAME_TTL_MAX_DAYS = 3_650;
const DAY_MS = 86_400_000;
const FINGERPRINT = /^[A-Z2-7]{52}$/;

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

/**
 * Parses the client's command line.
 * @param args the arguments, without the program's name
 * @returns what they ask for
 * @throws {UserError} `badFlag`, when they are not a command line of the client
 */
export function parseClientFlags(args: readonly string[]): ParsedFlags<ClientFlags> {
  const given = readArgs(args, CLIENT_FLAGS);
  if (given.has("help")) return { kind: "help", text: CLIENT_HELP };
  if (given.has("version")) return { kind: "version", text: `sotto ${VERSION}` };
  const [address, ...surplus] = given.positionals;
  refuseSurplus(surplus);
  const relayKey = optional("relayKey", relayKeyOf(given.text("relay-key")));
  return {
    kind: "run",
    flags: {
      ...relayAddress(address, given),
      ...optional("name", given.text("name")),
      ...optional("dataDir", given.text("data-dir")),
      ephemeral: given.has("ephemeral"),
      room: roomOf(given.text("room") ?? "lobby"),
      ...relayKey,
      ...optional("inviteFile", given.text("invite-file")),
      trustOnFirstUse: given.has("trust-on-first-use") && relayKey.relayKey === undefined,
      json: given.has("json"),
      verbose: given.has("verbose"),
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

/** The arguments, cut and counted but not yet understood. */
interface GivenArgs {
  readonly positionals: readonly string[];
  has(flag: string): boolean;
  text(flag: string): string | undefined;
}

function readArgs(args: readonly string[], table: FlagTable): GivenArgs {
  refuseAmbiguous(args, table);
  const flags = Object.keys(table);
  const parsed = parseArgs(args, {
    string: ["_", ...flags.filter((flag) => table[flag] === "text")],
    boolean: flags.filter((flag) => table[flag] === "switch"),
    collect: flags,
    alias: { help: "h" },
    unknown: (arg, key) => {
      if (key !== undefined) throw unknownFlag(arg.replace(/=.*$/s, ""), flags);
    },
  });
  const values = new Map<string, string>();
  for (const flag of flags) {
    const found = parsed[flag] as readonly (string | boolean)[];
    if (found.length > 1) throw new UserError("badFlag", `Cannot take --${flag} twice`, "Give it once.");
    if (found.length === 1) values.set(flag, checkedValue(flag, found[0] as string | boolean));
  }
  return { positionals: parsed._, has: (flag) => values.has(flag), text: (flag) => values.get(flag) };
}

/**
 * Refuses what `parseArgs` would let pass: it takes `--json=no` for `--json`, swallows the word in `--json true`, and
 * knows a flag named `_`.
 */
function refuseAmbiguous(args: readonly string[], table: FlagTable): void {
  const end = args.indexOf("--");
  const flags = end === -1 ? args : args.slice(0, end);
  for (const [i, arg] of flags.entries()) {
    const [, name, inline] = /^--([^=]+)(=)?/.exec(arg) ?? [];
    if (name === undefined) continue;
    if (!Object.hasOwn(table, name)) throw unknownFlag(`--${name}`, Object.keys(table));
    const next = flags[i + 1];
    if (table[name] === "text" && inline === undefined && next?.startsWith("-") !== false) throw missingValue(name);
    if (table[name] === "text") continue;
    if (inline !== undefined) {
      throw new UserError("badFlag", `Cannot take a value for --${name}`, `Write --${name} alone.`);
    }
    if (next === "true" || next === "false") refuseSurplus([next]);
  }
}

function checkedValue(flag: string, value: string | boolean): string {
  if (typeof value === "boolean") return "";
  if (value === "") throw missingValue(flag);
  return value;
}

function missingValue(flag: string): UserError {
  return new UserError(
    "badFlag",
    `Cannot take --${flag} without a value`,
    `Write --${flag} VALUE, or --${flag}=VALUE for one that begins with a dash.`,
  );
}

function unknownFlag(rawName: string, known: readonly string[]): UserError {
  const name = rawName.replace(/^-+/, "");
  const begun = known.filter((flag) => name.length > 1 && flag.startsWith(name));
  const closest = begun.length === 1 ? begun[0] as string : closestString(name, known);
  const hint = begun.length === 1 || areNear(name, closest)
    ? `Did you mean --${closest}?`
    : "See --help for the flags there are.";
  return new UserError("badFlag", `Cannot take the unknown flag ${rawName}`, hint);
}

/** Whether at most a third of the letters differ, whatever their order: `prot` is `port`, `quiet` is nothing. */
function areNear(given: string, flag: string): boolean {
  const left = [...flag];
  let surplus = 0;
  for (const letter of given.toLowerCase()) {
    const at = left.indexOf(letter);
    if (at === -1) surplus++;
    else left.splice(at, 1);
  }
  return Math.max(surplus, left.length) <= flag.length / 3;
}

function refuseSurplus(positionals: readonly string[]): void {
  const [first] = positionals;
  if (first === undefined) return;
  throw new UserError("badFlag", `Cannot take the argument ${JSON.stringify(first)}`, "See --help for what there is.");
}

function relayAddress(typed: string | undefined, given: GivenArgs): { host: string; port: number } {
  const address = typed === undefined ? undefined : parseAddress(typed);
  const hostText = given.text("host");
  const portText = given.text("port");
  const host = hostText === undefined ? undefined : parseHost(hostText);
  const port = portText === undefined ? undefined : parsePort(portText, 1);
  const isOther = (address !== undefined && host !== undefined && host.toLowerCase() !== address.host.toLowerCase()) ||
    (address?.port !== undefined && port !== undefined && port !== address.port);
  const chosen = {
    host: address?.host ?? host ?? "127.0.0.1",
    port: address?.port ?? port ?? DEFAULT_PORT,
  };
  if (isOther) {
    const other = formatAddress(host ?? chosen.host, port ?? chosen.port);
    throw new UserError(
      "badFlag",
      `Cannot choose between ${formatAddress(chosen.host, chosen.port)} and ${other}`,
      "Give the relay's address once.",
    );
  }
  return chosen;
}

function relayKeyOf(typed: string | undefined): string | undefined {
  if (typed === undefined) return undefined;
  const key = typed.replace(/[\s-]/g, "").toUpperCase();
  if (FINGERPRINT.test(key)) return key;
  throw new UserError(
    "badFlag",
    `Cannot use this --relay-key: it has ${key.length} characters that count, or others than A to Z and 2 to 7`,
    "Copy the whole fingerprint that the relay prints when it starts: 52 letters and digits.",
  );
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

function roomOf(typed: string): string {
  const room = typed.replace(/^#/, "");
  if (room !== "") return room;
  throw new UserError("badFlag", "Cannot join a room without a name", "Write --room lobby.");
}

function optional<K extends string>(key: K, value: string | undefined): { [P in K]?: string } {
  return value === undefined ? {} : { [key]: value } as { [P in K]?: string };
}
