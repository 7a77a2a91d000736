/**
 * What is said when a session by code comes to nothing, and what is wrong with a code that was typed.
 * @module
 */

import { UserError } from "../bytes/errors.ts";
import type { MeetingFailure } from "../e2ee/code_meeting.ts";
import type { Code, ParsedCode } from "../pake/code.ts";
import type { MailboxRefusal } from "../wire/messages.ts";

/** Why a session by code did not come about. */
export type SessionFailure =
  | MeetingFailure
  | MailboxRefusal
  /** The other went away before the words were checked. */
  | "peerLeft"
  | "peerLost";

const AGAIN = "Create another session and tell the new code.";
const SPENT = "The code is burnt, on both sides.";

const TEXT: Readonly<Record<SessionFailure, readonly [message: string, hint: string]>> = {
  wrongCode: ["the words of the code are not the same on both sides, or somebody guessed", `${SPENT} ${AGAIN}`],
  taken: ["two people have it already; if you were not one of the two, somebody else took it", AGAIN],
  expired: ["the ten minutes are over", AGAIN],
  unknown: ["there is no session under that code on this relay", "Check the first four characters, and the relay."],
  busy: ["the relay was asked for too many sessions in a short time", "Wait a minute, then try again."],
  full: ["the relay has no room for another session", "Try again later, or use another relay."],
  peerLeft: ["the other side left", AGAIN],
  peerLost: ["the connection of the other side broke", AGAIN],
  timeout: ["the other side did not answer in time", `${SPENT} ${AGAIN}`],
  lineBroken: ["the connection broke while the code was checked", `${SPENT} ${AGAIN}`],
  cancelled: ["it was given up", ""],
  reflected: ["our own message came back: somebody is in the middle", `${SPENT} Use another relay.`],
  malformed: ["what came is no honest answer: somebody is in the middle, or uses another version", `${SPENT} ${AGAIN}`],
  weakKey: ["what came is a key that no honest side has: somebody is in the middle", `${SPENT} Use another relay.`],
  failed: ["a step failed on this machine", `${SPENT} ${AGAIN}`],
  wrongIdentity: [
    "whoever has the code showed a certificate that is not theirs",
    "Nothing was said to them. Ask the person to whom you gave the code who else has it.",
  ],
};

/**
 * Says why a session by code did not come about.
 * @param why the reason
 * @returns the error, without a word of the code
 */
export function sessionError(why: SessionFailure): UserError {
  const [message, hint] = TEXT[why];
  return new UserError("noSession", `The session did not come about: ${message}`, hint);
}

/**
 * Gives the code that was read, or says what is wrong with it.
 * @param parsed what was read
 * @returns the code
 * @throws {UserError} `noSession`, which never holds what was typed; nothing was sent
 */
export function demandCode(parsed: ParsedCode): Code {
  if (parsed.kind === "code") return parsed.code;
  throw new UserError("noSession", `Nothing was sent: ${typoOf(parsed)}`, "A code looks like 7KQ2-able-sunset-violin.");
}

function typoOf(parsed: Exclude<ParsedCode, { kind: "code" }>): string {
  switch (parsed.kind) {
    case "tooLong":
      return "that is longer than any code";
    case "wrongCount":
      return `a code has four parts, this has ${parsed.parts}`;
    case "badMailbox":
      return "a code begins with four letters and digits";
    case "unknownWord":
      return `word ${parsed.place} is not in the list; did you mean ${parsed.suggestion}?`;
  }
}

/**
 * Warns that a code gave a name to another key than the one it belonged to.
 * @param handle the name
 * @returns a sentence
 */
export function nameMoved(handle: string): string {
  return `The name ${handle} belonged to another key until now. Was the code for ${handle}?`;
}
