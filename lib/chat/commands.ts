/**
 * What a line means. A new command is one row here, its handling in `chat.ts` or the front, and its test.
 *
 * A line that does not begin with a slash is text. `//` at the start sends one slash. An unknown command, and a line
 * that begins with spaces and a slash, is never sent as text: it is far more often a slip than a message, and what was
 * sent cannot be taken back.
 * @module
 */

import { closestString } from "@std/text/closest-string";
import { UserError } from "../bytes/errors.ts";
import type { EventId } from "../wire/messages.ts";
import { readFingerprint } from "./fingerprint.ts";

/** What a line asks for. */
export type Command =
  | { readonly kind: "say"; readonly text: string; readonly room?: string }
  | { readonly kind: "pm"; readonly to: string; readonly text: string }
  | { readonly kind: "users" }
  | KeyCommand
  | RoomCommand
  | SessionCommand
  | HistoryCommand
  | { readonly kind: "delivery" | "serverKnows" }
  /** Private texts were seen: said by a program, or by a terminal at which somebody is. */
  | { readonly kind: "read"; readonly ids: readonly EventId[] }
  | { readonly kind: "help" }
  | { readonly kind: "quit" }
  /** An empty line. */
  | { readonly kind: "nothing" };

/** What a line asks about keys. A name is a handle or a whole fingerprint. */
export type KeyCommand =
  | { readonly kind: "peers" }
  | { readonly kind: "fingerprint"; readonly name?: string }
  /** `hasCompared`: the numbers were compared and are the same. */
  | { readonly kind: "verify"; readonly name: string; readonly hasCompared: boolean }
  | { readonly kind: "trust"; readonly name: string }
  | { readonly kind: "distrust"; readonly name: string };

/** What a line asks about rooms; without `room` it is about the current one. */
export type RoomCommand =
  | { readonly kind: "rooms" }
  | { readonly kind: "join"; readonly room: string }
  | { readonly kind: "switch"; readonly room: string }
  | { readonly kind: "create"; readonly name: string; readonly isInviteOnly: boolean }
  | { readonly kind: "leave" | "members"; readonly room?: string }
  /** Without a text it asks; with an empty one there is no topic any more. */
  | { readonly kind: "topic"; readonly text?: string; readonly room?: string }
  | { readonly kind: "invite" | "remove" | "promote"; readonly name: string; readonly room?: string };

/** What a line asks about sessions by code. */
export type SessionCommand =
  & { readonly kind: "session" }
  & (
    | { readonly action: "create" }
    /** The code as it was typed; secret. */
    | { readonly action: "join"; readonly code: string }
    | { readonly action: "cancel" }
  );

/** What a line asks about what was kept. `of` is a handle, a whole fingerprint, or a room, with its `#` or without. */
export type HistoryCommand =
  /** The last of a conversation, 1 to 1,000; of the current one without `of`. */
  | { readonly kind: "history"; readonly count: number; readonly of?: string }
  | { readonly kind: "search"; readonly text: string }
  | { readonly kind: "forget"; readonly of: string };

/** How many entries `/history` shows when no number is given. */
export const HISTORY_COUNT_DEFAULT = 20;
/** The most that it shows: some screens of a patient reader. */
export const HISTORY_COUNT_MAX = 1_000;

interface CommandRow {
  readonly name: string;
  /** What stands behind the name, as the help shows it. */
  readonly usage: string;
  readonly help: string;
  /** Reads what stands behind the name; `undefined` when it does not fit the usage. */
  readonly read: (rest: string) => Command | undefined;
}

const COMMANDS: readonly CommandRow[] = [
  { name: "pm", usage: "<name> <text>", help: "write to one person alone", read: readPm },
  { name: "rooms", usage: "", help: "show your rooms", read: (rest) => rest === "" ? { kind: "rooms" } : undefined },
  { name: "join", usage: "<room>", help: "go into a room, or accept an invitation", read: readRoom("join") },
  { name: "switch", usage: "<room>", help: "write to another of your rooms", read: readRoom("switch") },
  { name: "leave", usage: "[room]", help: "leave a room for good", read: readLeave },
  { name: "room", usage: "create <name> [--invite-only]", help: "make a room", read: readCreate },
  { name: "invite", usage: "<name>", help: "add somebody to this room", read: readMember("invite") },
  { name: "remove", usage: "<name>", help: "take somebody out of this room", read: readMember("remove") },
  { name: "promote", usage: "<name>", help: "let somebody invite and remove", read: readMember("promote") },
  {
    name: "members",
    usage: "",
    help: "show who is in this room",
    read: (rest) => rest === "" ? { kind: "members" } : undefined,
  },
  { name: "topic", usage: "[text|none]", help: "show or say what this room is about", read: readTopic },
  { name: "users", usage: "", help: "show who is here", read: (rest) => rest === "" ? { kind: "users" } : undefined },
  { name: "peers", usage: "", help: "show whom you met", read: (rest) => rest === "" ? { kind: "peers" } : undefined },
  { name: "fingerprint", usage: "[name]", help: "show a fingerprint: yours, or somebody's", read: readFingerprintLine },
  { name: "verify", usage: "<name> [yes]", help: "show a number to compare; yes: the same", read: readVerify },
  { name: "trust", usage: "<name>", help: "accept a key that is held back", read: readTrust },
  { name: "distrust", usage: "<name>", help: "send nothing to a key any more", read: readDistrust },
  { name: "session", usage: "create|join <code>|cancel", help: "meet one person by a code", read: readSession },
  { name: "history", usage: "[1-1000] [name|#room]", help: "show the last of what was written", read: readHistory },
  { name: "search", usage: "<text>", help: "find it in what was written", read: readSearch },
  { name: "forget", usage: "<name|#room>", help: "delete what was written there, here", read: readForget },
  {
    name: "delivery",
    usage: "",
    help: "show what became of messages",
    read: (rest) => rest === "" ? { kind: "delivery" } : undefined,
  },
  {
    name: "what-the-server-knows",
    usage: "",
    help: "show what the relay holds about you",
    read: (rest) => rest === "" ? { kind: "serverKnows" } : undefined,
  },
  { name: "help", usage: "", help: "show this", read: (rest) => rest === "" ? { kind: "help" } : undefined },
  { name: "quit", usage: "", help: "send what is pending and leave", read: readQuit },
  { name: "exit", usage: "", help: "the same as /quit", read: readQuit },
];

/** A suggestion is offered when at most so many letters differ. */
const SUGGESTION_MAX_DISTANCE_RATIO = 0.5;

/**
 * Reads a line as a person types it, from a terminal or a pipe.
 * @param line the line without its end
 * @returns what it asks for
 * @throws {UserError} `badLine` when it looks like a command and is none; it must not be sent
 */
export function parseLine(line: string): Command {
  const trimmed = line.trim();
  if (trimmed === "") return { kind: "nothing" };
  if (line.startsWith("//")) return { kind: "say", text: line.slice(1) };
  if (line.startsWith("/")) return parseCommand(trimmed);
  if (trimmed.startsWith("/")) {
    throw new UserError(
      "badLine",
      "Nothing was sent: the line begins with a space and a slash",
      "Remove the space to give a command, or begin with // to send a line that starts with a slash.",
    );
  }
  return { kind: "say", text: line };
}

/**
 * Gives the help for people.
 * @returns one line for each command
 */
export function helpLines(): string[] {
  const rows = COMMANDS.map(({ name, usage, help }) => [`/${name} ${usage}`.trim(), help] as const);
  const width = Math.max(...rows.map(([left]) => left.length));
  return [
    "Anything else is sent to the room.",
    ...rows.map(([left, help]) => `  ${left.padEnd(width)}  ${help}`),
    "  " + "//text".padEnd(width) + "  send a line that starts with a slash",
    "Commands are obeyed from a pipe too. A line that begins with a slash and is",
    "no command, or with a space and a slash, is never sent.",
  ];
}

function parseCommand(line: string): Command {
  const match = /^\/(\S*)\s*([^]*)$/u.exec(line);
  const name = (match?.[1] ?? "").toLowerCase();
  const row = COMMANDS.find((candidate) => candidate.name === name);
  if (row === undefined) throw new UserError("badLine", "Nothing was sent: there is no such command", suggest(name));
  const command = row.read(match?.[2] ?? "");
  if (command === undefined) {
    throw new UserError(
      "badLine",
      `Nothing was done: /${row.name} is used another way`,
      `Write /${row.name} ${row.usage}`.trim() + ".",
    );
  }
  return command;
}

function suggest(name: string): string {
  const nearest = closestString(name, COMMANDS.map((row) => row.name));
  return isNear(name, nearest)
    ? `Did you mean /${nearest}? /help lists the commands; // at the start sends a slash.`
    : "/help lists the commands; // at the start sends a slash.";
}

function isNear(typed: string, name: string): boolean {
  const shared = [...new Set(typed)].filter((letter) => name.includes(letter)).length;
  return typed.length > 0 && shared / Math.max(typed.length, name.length) >= SUGGESTION_MAX_DISTANCE_RATIO;
}

function readPm(rest: string): Command | undefined {
  const match = /^(\S+)\s+([^]*\S[^]*)$/u.exec(rest);
  return match === null ? undefined : { kind: "pm", to: match[1] as string, text: match[2] as string };
}

function readFingerprintLine(rest: string): Command | undefined {
  if (rest === "") return { kind: "fingerprint" };
  const name = readName(rest);
  return name === undefined ? undefined : { kind: "fingerprint", name };
}

function readVerify(rest: string): Command | undefined {
  const compared = /^([^]*\S)\s+yes$/iu.exec(rest);
  const name = readName(compared?.[1] ?? rest);
  return name === undefined ? undefined : { kind: "verify", name, hasCompared: compared !== null };
}

function readTrust(rest: string): Command | undefined {
  const name = readName(rest);
  return name === undefined ? undefined : { kind: "trust", name };
}

function readDistrust(rest: string): Command | undefined {
  const name = readName(rest);
  return name === undefined ? undefined : { kind: "distrust", name };
}

/** One word, or a fingerprint as it is shown, with its spaces. */
function readName(text: string): string | undefined {
  return readFingerprint(text) ?? (/^\S+$/u.test(text) ? text : undefined);
}

function readRoom(kind: "join" | "switch"): (rest: string) => Command | undefined {
  return (rest) => /^#?\S+$/u.test(rest) ? { kind, room: rest.replace(/^#/u, "") } : undefined;
}

function readLeave(rest: string): Command | undefined {
  if (rest === "") return { kind: "leave" };
  return /^#?\S+$/u.test(rest) ? { kind: "leave", room: rest.replace(/^#/u, "") } : undefined;
}

function readCreate(rest: string): Command | undefined {
  const match = /^create\s+#?(?<name>\S+)(?<flag>\s+--invite-only)?$/u.exec(rest);
  const name = match?.groups?.["name"];
  // A flag is never a name: `/room create --invite-only` lacks one.
  if (name === undefined || name.startsWith("--")) return undefined;
  return { kind: "create", name, isInviteOnly: match?.groups?.["flag"] !== undefined };
}

function readMember(kind: "invite" | "remove" | "promote"): (rest: string) => Command | undefined {
  return (rest) => {
    const name = readName(rest);
    return name === undefined ? undefined : { kind, name };
  };
}

function readTopic(rest: string): Command | undefined {
  if (rest === "") return { kind: "topic" };
  return { kind: "topic", text: rest === "none" ? "" : rest };
}

function readSession(rest: string): Command | undefined {
  const [, action = "", code = ""] = /^(\S*)\s*([^]*)$/u.exec(rest) ?? [];
  switch (action.toLowerCase()) {
    case "create":
    case "cancel":
      return code === "" ? { kind: "session", action: action.toLowerCase() as "create" | "cancel" } : undefined;
    case "join":
      return code === "" ? undefined : { kind: "session", action: "join", code };
    default:
      return undefined;
  }
}

function readHistory(rest: string): Command | undefined {
  if (rest === "") return { kind: "history", count: HISTORY_COUNT_DEFAULT };
  const [, digits = "", name = ""] = /^(\d{1,9})(?:\s+([^]*))?$/u.exec(rest) ?? [];
  const count = Number(digits);
  if (digits === "" || count < 1 || count > HISTORY_COUNT_MAX) return undefined;
  if (name === "") return { kind: "history", count };
  const of = readConversation(name);
  return of === undefined ? undefined : { kind: "history", count, of };
}

function readSearch(rest: string): Command | undefined {
  return rest === "" ? undefined : { kind: "search", text: rest };
}

function readForget(rest: string): Command | undefined {
  const of = readConversation(rest);
  return of === undefined ? undefined : { kind: "forget", of };
}

function readConversation(text: string): string | undefined {
  return text === "#" ? undefined : readName(text);
}

function readQuit(rest: string): Command | undefined {
  return rest === "" ? { kind: "quit" } : undefined;
}
