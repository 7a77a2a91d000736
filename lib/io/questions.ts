/**
 * What a person is asked before the chat begins, in the terminal's usual mode.
 * @module
 */

import { UserError } from "../bytes/errors.ts";
import { spellFingerprint } from "../chat/fingerprint.ts";
import { renderError } from "../cli/render.ts";
import { safe, type SafeText, safeText } from "../cli/safe_text.ts";
import { fingerprintWords, spellWords } from "../cli/words.ts";
import { checkHandle } from "../wire/handle.ts";
import type { KnownRelay } from "./dial.ts";

/**
 * Asks for a name, again and again until it is one.
 * @param offered what Enter alone means
 * @returns the name, in NFC; `undefined` when the person wants to leave (Ctrl-C or Ctrl-D)
 */
export function askHandle(offered: string | undefined): string | undefined {
  const question = offered === undefined ? safe`Your name:` : safe`Your name [${safeText(offered)}]:`;
  for (let lines: readonly SafeText[] = [question];;) {
    const answer = prompt(lines.join("\n"));
    if (answer === null) return undefined;
    const name = answer.trim() === "" ? offered : answer.trim();
    if (name === undefined) continue;
    try {
      return checkHandle(name).handle;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      lines = [...renderError(error, { hasColor: false }), question];
    }
  }
}

/**
 * Shows who answered and asks whether it is the right one.
 * @param relay the relay
 * @param addressText where it was called
 * @returns whether the person said yes; `undefined` when they gave up with Ctrl-C or Ctrl-D
 */
export async function askRelay(relay: KnownRelay, addressText: string): Promise<boolean | undefined> {
  const lines = [
    safe`The relay at ${safeText(addressText)} is not known. It calls itself ${
      safeText(relay.name, { maxChars: 64 })
    }; its fingerprint is`,
    safe``,
    safe`  ${safeText(spellFingerprint(relay.fingerprint))}`,
    safe``,
    safe`or, to be read aloud,`,
    safe``,
    ...spellWords(await fingerprintWords(relay.fingerprint)).map((row) => safe`  ${safeText(row)}`),
    safe``,
    safe`Compare it with what the relay printed, in person or by phone.`,
    safe`A yes is remembered for this address.`,
  ];
  const answer = prompt(`${lines.join("\n")}\nIs it the right one? [y/N]`);
  return answer === null ? undefined : /^y(es)?$/i.test(answer.trim());
}

/**
 * Warns that whoever listens has a known name under another key, and asks whether to go on.
 * @param error who it is and what that means
 * @returns whether the person said yes; `undefined` when they gave up with Ctrl-C or Ctrl-D
 */
export function askChangedPeer(error: UserError): boolean | undefined {
  const lines = [
    ...renderError(error, { hasColor: false }),
    safe`If you go on, they learn who you are, and nothing that you write leaves before /verify or /trust.`,
  ];
  const answer = prompt(`${lines.join("\n")}\nGo on? [y/N]`);
  return answer === null ? undefined : /^y(es)?$/i.test(answer.trim());
}
