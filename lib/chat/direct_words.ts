/**
 * What is said when a direct link comes to nothing, and its help.
 * @module
 */

import { UserError } from "../bytes/errors.ts";
import { helpLines } from "./commands.ts";

/** Why a try to secure a direct link was given up by us. */
export interface Refusal {
  /** Its name: the code of our `bye`. */
  readonly why: "wrongCode" | "codeMissing" | "codeIgnored" | "refusedKeys" | "noAnswer";
  /** What the other side is told. */
  readonly bye: string;
  /** What our person is told. */
  readonly error: UserError;
}

const ASK_FOR_ANOTHER = "Start again on both sides, with a new code.";

/**
 * Says why a try was given up.
 * @param why the reason
 * @param options whether a code was spent on it
 * @returns the words for both sides
 */
export function directRefusal(why: Refusal["why"], options: { readonly isBurnt: boolean }): Refusal {
  switch (why) {
    case "wrongCode":
      return { why, bye: "the code does not fit", error: wrongCode() };
    case "codeMissing":
      return {
        why,
        bye: "no code was given",
        error: new UserError("noSession", "The other side demands a code", "Ask for it, and start with --code."),
      };
    case "codeIgnored":
      return {
        why,
        bye: "a code was expected",
        error: new UserError(
          "noSession",
          "The other side did not ask for the code, so it did not prove that it knows it",
          "Somebody may be in the middle. If not: both sides start with --code, or neither.",
        ),
      };
    case "refusedKeys":
      return {
        why,
        bye: "the keys are refused",
        error: new UserError(
          "refusedCertificate",
          "The other side gave keys that were not made for this link: somebody may be in the middle",
          "Nothing was said. Try again; if it stays so, do not use this network.",
        ),
      };
    case "noAnswer":
      return { why, bye: "no answer came in time", error: options.isBurnt ? spentCode() : fellSilent() };
  }
}

/**
 * Says that a code came to nothing for a reason that nobody told.
 * @returns the error
 */
export function spentCode(): UserError {
  return new UserError(
    "noSession",
    "The other side left before it had proved that it knows the code: the code is burnt",
    ASK_FOR_ANOTHER,
  );
}

/**
 * Says that a code was wrong.
 * @returns the error
 */
export function wrongCode(): UserError {
  return new UserError(
    "noSession",
    "The code does not fit: it was mistyped or guessed, or somebody is in the middle. It is burnt now",
    ASK_FOR_ANOTHER,
  );
}

function fellSilent(): UserError {
  return new UserError("linkLost", "The other side fell silent before the channel was secured", "Start again.");
}

/** Commands that need a relay, as the help begins their lines. */
const OF_A_RELAY = ["/pm", "/users", "/session"];

/**
 * Gives the help of a direct link.
 * @returns lines
 */
export function directHelp(): string {
  const [, ...lines] = helpLines();
  const kept = lines.filter((line) => !OF_A_RELAY.some((name) => line.trim().startsWith(name)));
  return ["Anything else is sent to the one at the other end.", ...kept].join("\n");
}
