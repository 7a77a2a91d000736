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

/** What a line asks for. */
export type Command =
  | { readonly kind: "say"; readonly text: string; readonly room?: string }
  | { readonly kind: "pm"; readonly to: string; readonly text: string }
  | { readonly kind: "users" }
  | { readonly kind: "fingerprint"; readonly name?: string }
  | { readonly kind: "trust"; readonly name: string }
  | { readonly kind: "help" }
  | { readonly kind: "quit" }
  /** An empty line. */
  | { readonly kind: "nothing" };

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
  { name: "users", usage: "", help: "show who is here", read: (rest) => rest === "" ? { kind: "users" } : undefined },
  { name: "fingerprint", usage: "[name]", help: "show a fingerprint: yours, or somebody's", read: readFingerprint },
  { name: "trust", usage: "<name>", help: "accept somebody's changed key", read: readTrust },
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

function readFingerprint(rest: string): Command | undefined {
  if (rest === "") return { kind: "fingerprint" };
  return /^\S+$/u.test(rest) ? { kind: "fingerprint", name: rest } : undefined;
}

function readTrust(rest: string): Command | undefined {
  return /^\S+$/u.test(rest) ? { kind: "trust", name: rest } : undefined;
}

function readQuit(rest: string): Command | undefined {
  return rest === "" ? { kind: "quit" } : undefined;
}
