/**
 * What a person is asked before the chat begins, in the terminal's usual mode.
 * @module
 */

import { spellFingerprint } from "../chat/chat.ts";
import { safe, safeText } from "../cli/safe_text.ts";
import type { KnownRelay } from "./dial.ts";

/**
 * Asks for a word.
 * @param question what is asked
 * @param offered what Enter alone means
 * @returns the answer; `undefined` when there was none and nothing is offered
 */
export function askText(question: string, offered: string | undefined): string | undefined {
  const answer = prompt(offered === undefined ? `${question}:` : `${question} [${safeText(offered)}]:`)?.trim();
  return answer === undefined || answer === "" ? offered : answer;
}

/**
 * Shows who answered and asks whether it is the right one.
 * @param relay the relay
 * @param addressText where it was called
 * @returns whether the person said yes
 */
export function askRelay(relay: KnownRelay, addressText: string): boolean {
  const lines = [
    safe`The relay at ${safeText(addressText)} is not known. It calls itself ${
      safeText(relay.name, { maxChars: 64 })
    }; its fingerprint is`,
    safe``,
    safe`  ${safeText(spellFingerprint(relay.fingerprint))}`,
    safe``,
    safe`Compare it with what the relay printed, in person or by phone.`,
  ];
  return /^y(es)?$/i.test(prompt(`${lines.join("\n")}\nIs it the right one? [y/N]`)?.trim() ?? "");
}
