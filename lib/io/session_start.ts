/**
 * What `sotto session` does before it calls the relay: whoever joins is asked for the code, and a typo is named before
 * anything is sent.
 * @module
 */

import { UserError } from "../bytes/errors.ts";
import type { SessionCommand } from "../chat/commands.ts";
import { demandCode } from "../chat/session_words.ts";
import { fromJsonLine } from "../cli/json_lines.ts";
import { formatCode, parseCode, type WordList } from "../pake/code.ts";
import { type CodeSource, takeCode } from "./code_source.ts";

/** How a session begins, and what is left of standard input. */
export interface SessionStart {
  /** What to do; `undefined` when the person left at the question. */
  readonly command: SessionCommand | undefined;
  /** Standard input after the code. */
  readonly input: ReadableStream<Uint8Array>;
}

/**
 * Finds out how a session begins.
 * @param action what the command line says
 * @param words what codes are made of
 * @param source where the code of whoever joins comes from
 * @returns what to do
 * @throws {UserError} `noSession` when there is no code or it has a typo, and nobody can be asked again
 */
export async function startSession(
  action: "create" | "join",
  words: WordList,
  source: CodeSource,
): Promise<SessionStart> {
  if (action === "create") return { command: { kind: "session", action }, input: source.input };
  const { code, rest } = await takeCode((text) => formatCode(demandCode(parseCode(codeIn(text), words))), source);
  if (code === undefined && !source.isPerson) {
    throw new UserError(
      "noSession",
      "There is no code: nothing was sent",
      "Put it into SOTTO_CODE, or make it the first line of standard input.",
    );
  }
  return { command: code === undefined ? undefined : { kind: "session", action, code }, input: rest };
}

/** A code, alone or in a JSON line of the type `session`. */
function codeIn(text: string): string {
  if (!text.trimStart().startsWith("{")) return text;
  const { command } = fromJsonLine(text);
  if (command.kind === "session" && command.action === "join") return command.code;
  throw new UserError(
    "noSession",
    "The first line holds no code: nothing was sent",
    'Write such as {"type":"session","action":"join","code":"…"}.',
  );
}
