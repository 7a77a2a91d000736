/**
 * What a relay calls itself. It is shown to people and proves nothing: the fingerprint does.
 * @module
 */

import { UserError } from "../bytes/errors.ts";
import { utf8 } from "../bytes/writer.ts";
import { safeText } from "./safe_text.ts";

/** The longest name of a relay, in bytes of UTF-8. */
export const RELAY_NAME_MAX_BYTES = 64;

/**
 * Checks a relay's name.
 * @param text what was given, or the machine's name
 * @param options whether a person chose it: then a bad one is an error, otherwise it is made to fit
 * @returns the name
 * @throws {UserError} `nameInvalid` when a chosen name is empty, too long or holds what cannot be shown
 */
export function relayName(text: string, options: { readonly isChosen: boolean }): string {
  const name = text.trim();
  const isGood = name !== "" && utf8(name).length <= RELAY_NAME_MAX_BYTES && safeText(name) === name;
  if (isGood) return name;
  if (options.isChosen) {
    throw new UserError(
      "nameInvalid",
      `The name of the relay is not 1 to ${RELAY_NAME_MAX_BYTES} bytes of plain text`,
      "Choose another --name, such as office.",
    );
  }
  return name.replace(/[^A-Za-z0-9.-]/g, "").slice(0, RELAY_NAME_MAX_BYTES) || "relay";
}
