/**
 * The command line of `sotto`: the chat, and the commands about what it keeps on this machine. Does no I/O.
 * @module
 */

import { UserError } from "../bytes/errors.ts";
import { formatAddress, parseAddress, parseHost, parsePort } from "./address.ts";
import {
  DEFAULT_PORT,
  type FlagTable,
  type GivenArgs,
  optional,
  type ParsedFlags,
  readArgs,
  refuseSurplus,
} from "./args.ts";
import { CLIENT_HELP } from "./help_text.ts";
import { type HistoryFlags, historyOf } from "./history_flags.ts";
import { VERSION } from "./version.ts";
import { mayBeCode } from "./words.ts";

/** What `sotto` was told. */
export interface ClientFlags extends HistoryFlags {
  /** The relay's host. */
  readonly host: string;
  /** The relay's port, 1 to 65,535. */
  readonly port: number;
  /** The handle, not yet checked; asked for without it. */
  readonly name?: string;
  /** Where the identity and all else is kept; by platform convention without it. */
  readonly dataDir?: string;
  /** The file that holds the passphrase of what is kept; the environment may name one too. */
  readonly passphraseFile?: string;
  /** Whether nothing is read, locked or kept. */
  readonly ephemeral: boolean;
  /** The room to be in at first, without a leading `#`; left out, it is the one of the last run, or `lobby`. */
  readonly room?: string;
  /** What to do about a session by code, for a client in no room. */
  readonly session?: "create" | "join";
  /** The only relay fingerprint to accept: 52 upper-case base32 characters. */
  readonly relayKey?: string;
  /** The file that holds an invitation to a private relay. */
  readonly inviteFile?: string;
  /** Whether an unknown relay is accepted; never beside `relayKey`. */
  readonly trustOnFirstUse: boolean;
  /** Whether others are told what was read here, and the person what they have read. */
  readonly receipts: boolean;
  /** Whether stdin and stdout carry JSON lines. */
  readonly json: boolean;
  /** Whether to tell more. */
  readonly verbose: boolean;
}

/** Where the commands find what the chat keeps. */
export interface StoreFlags {
  /** Where it is kept; by platform convention without it. */
  readonly dataDir?: string;
  /** The file that holds its passphrase; the environment may name one too. */
  readonly passphraseFile?: string;
}

/** What `sotto identity` was told. */
export type IdentityFlags =
  & StoreFlags
  & (
    /** Tell who this is. */
    | {
      readonly action: "show";
      /** Whether stdout carries a JSON line. */
      readonly json: boolean;
    }
    /** Write the identity to a file. */
    | {
      readonly action: "export";
      /** The file to make. */
      readonly file: string;
      /** The file that holds the passphrase to protect it with. */
      readonly exportPassphraseFile?: string;
    }
    /** Become the identity in a file. */
    | {
      readonly action: "import";
      /** The file to read. */
      readonly file: string;
      /** The file that holds the passphrase that it is protected with. */
      readonly exportPassphraseFile?: string;
      /** Whether another identity gives way. */
      readonly replace: boolean;
    }
    /** Change what protects all that is kept. */
    | {
      readonly action: "passphrase";
      /** The file that holds the new passphrase. */
      readonly newPassphraseFile?: string;
    }
  );

/** What `sotto relays` was told. */
export type RelaysFlags =
  & StoreFlags
  & (
    /** Tell which relays are known. */
    | {
      readonly action: "list";
      /** Whether stdout carries JSON lines. */
      readonly json: boolean;
    }
    /** Forget one of them. */
    | {
      readonly action: "forget";
      /** `HOST:PORT` as the chat writes it: the host in lower case. */
      readonly address: string;
    }
  );

/** What `sotto listen` and `sotto connect` were told. */
export type DirectFlags =
  & StoreFlags
  & {
    /** Wait for somebody, or call somebody. */
    readonly action: "listen" | "connect";
    /** The address to listen on, or the host to call. */
    readonly host: string;
    /** The port: 0 to 65,535 to listen, 0 for any free one; 1 to 65,535 to call. */
    readonly port: number;
    /** The handle, not yet checked; asked for without it. */
    readonly name?: string;
    /** Whether nothing is read, locked or kept. */
    readonly ephemeral: boolean;
    /** Whether both must know a code. */
    readonly code: boolean;
    /** Whether stdin and stdout carry JSON lines. */
    readonly json: boolean;
    /** Whether to tell more. */
    readonly verbose: boolean;
  };

/** What the client's command line can ask for. */
export type ParsedClientFlags =
  | ParsedFlags<ClientFlags>
  | { readonly kind: "identity"; readonly flags: IdentityFlags }
  | { readonly kind: "relays"; readonly flags: RelaysFlags }
  | { readonly kind: "direct"; readonly flags: DirectFlags };

/** What each flag of the client takes. */
export const CLIENT_FLAGS = {
  host: "text",
  port: "text",
  name: "text",
  "data-dir": "text",
  "passphrase-file": "text",
  ephemeral: "switch",
  "history-days": "text",
  "no-history": "switch",
  room: "text",
  "relay-key": "text",
  "invite-file": "text",
  "trust-on-first-use": "switch",
  code: "switch",
  "export-passphrase-file": "text",
  "new-passphrase-file": "text",
  replace: "switch",
  "no-receipts": "switch",
  json: "switch",
  verbose: "switch",
  help: "switch",
  version: "switch",
} as const satisfies FlagTable;

/** The port of a direct link that was given none. */
export const DEFAULT_DIRECT_PORT = 12_345;

/** Flags that are no business of the chat, and the commands that take them. */
const COMMAND_FLAGS = {
  "export-passphrase-file": "sotto identity export and import",
  "new-passphrase-file": "sotto identity passphrase",
  replace: "sotto identity import",
  code: "sotto listen and connect",
} as const satisfies Partial<Record<keyof typeof CLIENT_FLAGS, string>>;

const FINGERPRINT = /^[A-Z2-7]{52}$/;

/**
 * Parses the client's command line.
 * @param args the arguments, without the program's name
 * @returns what they ask for
 * @throws {UserError} `badFlag`, when they are not a command line of the client
 */
export function parseClientFlags(args: readonly string[]): ParsedClientFlags {
  const given = readArgs(args, CLIENT_FLAGS);
  if (given.has("help")) return { kind: "help", text: CLIENT_HELP };
  if (given.has("version")) return { kind: "version", text: `sotto ${VERSION}` };
  refuseCodes(given.positionals);
  if (given.positionals[0] === "identity") return { kind: "identity", flags: identityFlags(given) };
  if (given.positionals[0] === "relays") return { kind: "relays", flags: relaysFlags(given) };
  if (given.positionals[0] === "listen") return { kind: "direct", flags: listenFlags(given) };
  if (given.positionals[0] === "connect") return { kind: "direct", flags: connectFlags(given) };
  const { session, positionals } = sessionOf(given);
  const [address, ...surplus] = positionals;
  refuseSurplus(surplus);
  refuseCommandFlags(given);
  const relayKey = optional("relayKey", relayKeyOf(given.text("relay-key")));
  return {
    kind: "run",
    flags: {
      ...relayAddress(address, given),
      ...optional("name", given.text("name")),
      ...optional("dataDir", given.text("data-dir")),
      ...optional("passphraseFile", given.text("passphrase-file")),
      ephemeral: given.has("ephemeral"),
      ...historyOf(given),
      ...optional("room", roomOf(given.text("room"))),
      ...session,
      ...relayKey,
      ...optional("inviteFile", given.text("invite-file")),
      trustOnFirstUse: given.has("trust-on-first-use") && relayKey.relayKey === undefined,
      receipts: !given.has("no-receipts"),
      json: given.has("json"),
      verbose: given.has("verbose"),
    },
  };
}

/** A code in a command line stands in the history and in the list of processes: it must not be tried, nor spelled out. */
function refuseCodes(positionals: readonly string[]): void {
  const [command, ...rest] = positionals;
  if (command !== "session" && command !== "connect" && command !== "listen") return;
  if (!rest.some(mayBeCode) && !mayBeCode(rest.slice(-4).join(" ")) && !mayBeCode(rest.slice(-3).join(" "))) return;
  throw new UserError(
    "badFlag",
    "A code does not belong into a command line: other programs can read it there",
    "Make a new one. It is typed when it is asked for, or given by standard input or SOTTO_CODE.",
  );
}

/** Takes `session create` or `session join` off the front. */
function sessionOf(
  given: GivenArgs,
): { session: Pick<ClientFlags, "session">; positionals: readonly string[] } {
  const [command, action, ...rest] = given.positionals;
  if (command !== "session") return { session: {}, positionals: given.positionals };
  if (action === undefined) throw new UserError("badFlag", "Cannot do session alone", "Write session create, or join.");
  if (action !== "create" && action !== "join") {
    throw unknownAction("session", action, "create or join, then HOST[:PORT]; the code is asked for");
  }
  if (given.has("room")) {
    throw new UserError("badFlag", `Cannot take --room with session ${action}`, "A session is in no room.");
  }
  return { session: { session: action }, positionals: rest };
}

function identityFlags(given: GivenArgs): IdentityFlags {
  const [, action = "show", ...rest] = given.positionals;
  const command = `identity ${action}`;
  const passphraseFile = optional("exportPassphraseFile", given.text("export-passphrase-file"));
  switch (action) {
    case "show":
      refuseSurplus(rest);
      return { action, ...storeFlags(given, command, ["json"]), json: given.has("json") };
    case "export": {
      const store = storeFlags(given, command, ["export-passphrase-file"]);
      return { action, ...store, file: onlyOne(rest, command, "FILE"), ...passphraseFile };
    }
    case "import": {
      const store = storeFlags(given, command, ["export-passphrase-file", "replace"]);
      const file = onlyOne(rest, command, "FILE");
      return { action, ...store, file, ...passphraseFile, replace: given.has("replace") };
    }
    case "passphrase": {
      refuseSurplus(rest);
      const store = storeFlags(given, command, ["new-passphrase-file"]);
      return { action, ...store, ...optional("newPassphraseFile", given.text("new-passphrase-file")) };
    }
    default:
      throw unknownAction("identity", action, "show, export FILE, import FILE or passphrase");
  }
}

function relaysFlags(given: GivenArgs): RelaysFlags {
  const [, action = "list", ...rest] = given.positionals;
  const command = `relays ${action}`;
  switch (action) {
    case "list":
      refuseSurplus(rest);
      return { action, ...storeFlags(given, command, ["json"]), json: given.has("json") };
    case "forget": {
      const store = storeFlags(given, command, []);
      const { host, port } = parseAddress(onlyOne(rest, command, "HOST[:PORT]"));
      return { action, ...store, address: formatAddress(host.toLowerCase(), port ?? DEFAULT_PORT) };
    }
    default:
      throw unknownAction("relays", action, "list or forget HOST[:PORT]");
  }
}

function listenFlags(given: GivenArgs): DirectFlags {
  const [, port, ...surplus] = given.positionals;
  refuseSurplus(surplus);
  const shared = directFlags(given, "listen", ["host"]);
  const host = parseHost(given.text("host") ?? "127.0.0.1");
  return { ...shared, host, port: parsePort(port ?? String(DEFAULT_DIRECT_PORT), 0) };
}

function connectFlags(given: GivenArgs): DirectFlags {
  const shared = directFlags(given, "connect", []);
  const { host, port } = parseAddress(onlyOne(given.positionals.slice(1), "connect", "HOST[:PORT]"));
  return { ...shared, host, port: port ?? DEFAULT_DIRECT_PORT };
}

function directFlags<A extends DirectFlags["action"]>(given: GivenArgs, action: A, others: readonly string[]) {
  const store = storeFlags(given, action, ["name", "ephemeral", "code", ...others, "json", "verbose"]);
  const switches = { ephemeral: given.has("ephemeral"), code: given.has("code") };
  const output = { json: given.has("json"), verbose: given.has("verbose") };
  return { action, ...store, ...optional("name", given.text("name")), ...switches, ...output };
}

/** Reads the flags that every command takes, and refuses those that this one does not. */
function storeFlags(given: GivenArgs, command: string, others: readonly string[]): StoreFlags {
  const taken = ["data-dir", "passphrase-file", ...others];
  const surplus = Object.keys(CLIENT_FLAGS).find((flag) => given.has(flag) && !taken.includes(flag));
  if (surplus !== undefined) {
    const spelled = taken.map((flag) => `--${flag}`);
    const list = `${spelled.slice(0, -1).join(", ")} and ${spelled.at(-1)}`;
    throw new UserError("badFlag", `Cannot take --${surplus} with ${command}`, `It takes ${list} alone.`);
  }
  return {
    ...optional("dataDir", given.text("data-dir")),
    ...optional("passphraseFile", given.text("passphrase-file")),
  };
}

function onlyOne([first, ...surplus]: readonly string[], command: string, what: string): string {
  refuseSurplus(surplus);
  if (first !== undefined && first !== "") return first;
  throw new UserError("badFlag", `Cannot do ${command} without ${what}`, `Write sotto ${command} ${what}.`);
}

function unknownAction(command: string, action: string, known: string): UserError {
  return new UserError(
    "badFlag",
    `Cannot take ${JSON.stringify(action)} after ${command}`,
    `After it comes ${known}. A relay of that name is called with --host ${command}.`,
  );
}

function refuseCommandFlags(given: GivenArgs): void {
  for (const [flag, commands] of Object.entries(COMMAND_FLAGS)) {
    if (given.has(flag)) throw new UserError("badFlag", `Cannot take --${flag} here`, `It belongs to ${commands}.`);
  }
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

function roomOf(typed: string | undefined): string | undefined {
  if (typed === undefined) return undefined;
  const room = typed.replace(/^#/, "");
  if (room !== "") return room;
  throw new UserError("badFlag", "Cannot join a room without a name", "Write --room lobby.");
}
