/**
 * Asking a person for a code: Tab completes its words, and what is no code is named and asked for again, before anything
 * is sent.
 * @module
 */

import { wordlist } from "@scure/bip39/wordlists/english";
import { UserError } from "../bytes/errors.ts";
import { CodeEditor } from "../cli/code_editor.ts";
import { renderError } from "../cli/render.ts";
import { safe, type SafeText } from "../cli/safe_text.ts";
import { type MaskedDevice, withMaskedPrompt } from "./masked_prompt.ts";

const QUESTION = safe`The code: `;

/**
 * Asks until what is typed reads as a code.
 * @param read reads what was typed; throws a `UserError` when it is no code
 * @param device the terminal, `undefined` when it has no raw mode
 * @returns the code; `undefined` when the person gave up with Ctrl-C or Ctrl-D
 */
export async function askCode<T>(read: (text: string) => T, device: MaskedDevice | undefined): Promise<T | undefined> {
  if (device === undefined || device.columns() === 0) {
    return await untilRead(read, (lines) => Promise.resolve(prompt(lines.join("\n").trimEnd()) ?? undefined));
  }
  return await withMaskedPrompt(device, (asked) => {
    return untilRead(read, (lines) => {
      for (const line of lines.slice(0, -1)) device.write(`${line}\r\n`);
      return asked.ask(lines.at(-1) ?? QUESTION);
    });
  }, new CodeEditor(wordlist));
}

async function untilRead<T>(
  read: (text: string) => T,
  ask: (lines: readonly SafeText[]) => Promise<string | undefined>,
): Promise<T | undefined> {
  for (let lines: readonly SafeText[] = [QUESTION];;) {
    const answer = await ask(lines);
    if (answer === undefined) return undefined;
    if (answer.trim() === "") continue;
    try {
      return read(answer);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      lines = [...renderError(error, { hasColor: false }), QUESTION];
    }
  }
}
