/**
 * Where a code comes from: the environment, a person at a terminal, or the first line of standard input. Never the
 * command line's arguments, which every user of a machine can read.
 * @module
 */

import { UserError } from "../bytes/errors.ts";
import { CODE_TEXT_MAX_CHARS } from "../pake/code.ts";
import { askCode } from "./code_prompt.ts";
import { openMaskedDevice } from "./masked_prompt.ts";
import type { Env } from "./network.ts";

/** What holds a code for scripts. */
const CODE_VARIABLE = "SOTTO_CODE";
/** No longer first line is taken for a code: four bytes a character. */
const FIRST_LINE_MAX_BYTES: number = 4 * CODE_TEXT_MAX_CHARS;
const NEWLINE = 0x0a;

/** Where to look for a code. */
export interface CodeSource {
  /** The environment: SOTTO_CODE. */
  readonly env: Env;
  /** Whether a person sits at a terminal. */
  readonly isPerson: boolean;
  /** Standard input, of which nothing was read. */
  readonly input: ReadableStream<Uint8Array>;
}

/** A code, and what is left to read. */
export interface TakenCode<T> {
  /** The code; `undefined` when the person left, or there was none. */
  readonly code: T | undefined;
  /** Standard input after it. */
  readonly rest: ReadableStream<Uint8Array>;
}

/**
 * Finds the code that somebody was told. A person is asked until it reads as one.
 * @param read reads what was typed; throws a `UserError` when it is no code
 * @param source where to look
 * @returns the code, and what is left of standard input
 * @throws {UserError} what `read` throws, when nobody can be asked again; `noSession` when the first line is too long
 */
export async function takeCode<T>(read: (text: string) => T, source: CodeSource): Promise<TakenCode<T>> {
  const { input, isPerson } = source;
  const variable = variableOf(source.env);
  if (variable !== undefined && variable.trim() !== "") return { code: read(variable), rest: input };
  if (isPerson) return { code: await askCode(read, openMaskedDevice(source.env)), rest: input };
  const { line, rest } = await firstLineOf(input);
  return { code: line.trim() === "" ? undefined : read(line), rest };
}

/** A program that may not read the variable goes without it. */
function variableOf(env: Env): string | undefined {
  try {
    return env.get(CODE_VARIABLE);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable || error instanceof Deno.errors.PermissionDenied) return undefined;
    throw error;
  }
}

/** Takes the first line off a stream; what came with it stays in what is left. */
async function firstLineOf(
  input: ReadableStream<Uint8Array>,
): Promise<{ line: string; rest: ReadableStream<Uint8Array> }> {
  const reader = input.getReader();
  let read = new Uint8Array(0);
  let end = -1;
  while (end === -1 && read.length <= FIRST_LINE_MAX_BYTES) {
    const { value, done } = await reader.read();
    if (done) break;
    const grown = new Uint8Array(read.length + value.length);
    grown.set(read);
    grown.set(value, read.length);
    read = grown;
    end = read.indexOf(NEWLINE);
  }
  const lineBytes = read.subarray(0, end === -1 ? read.length : end);
  if (lineBytes.length > FIRST_LINE_MAX_BYTES) {
    await reader.cancel();
    throw new UserError("noSession", "Nothing was sent: the first line is longer than any code");
  }
  const left = read.slice(end === -1 ? read.length : end + 1);
  const rest = new ReadableStream<Uint8Array>({
    start: (controller) => {
      if (left.length > 0) controller.enqueue(left);
    },
    pull: async (controller) => {
      const { value, done } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
  return { line: new TextDecoder().decode(lineBytes), rest };
}
