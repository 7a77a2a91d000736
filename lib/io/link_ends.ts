/**
 * How links of a client end: what the log and the person are told, and whether another link is tried.
 * @module
 */

import { AuthError, UserError, type UserErrorCode } from "../bytes/errors.ts";
import type { ChatEvent } from "../chat/events.ts";
import type { OutgoingLine } from "../chat/outgoing.ts";
import type { LinkEnd } from "../link/link.ts";
import type { FrontInput } from "./front.ts";

/** What a relay says when calling again would change nothing. */
const FINAL_BYES: readonly string[] = ["replaced", "removed", "notAllowed", "protocol"];
/** What may be over in a moment: nobody answers, or somebody who is no relay, such as one that is starting. */
const RETRIED: readonly UserErrorCode[] = ["linkLost", "relayUnreachable", "notARelay"];

/** The end of a link that we close ourselves to make it anew. */
export const RENEWAL: LinkEnd = { kind: "bye", code: "renew", message: "new keys are due" };

/**
 * Tells whether a link ended only to be made anew.
 * @param end how it ended
 * @returns whether new keys are due, as we say or the relay
 */
export function isRenewal(end: LinkEnd): boolean {
  return end.kind === "bye" && end.code === "renew";
}

/**
 * Tells whether another link is worth a try.
 * @param end how the last one ended
 * @param error what the person would be told of it
 * @returns whether that may be over in a moment
 */
export function mayBeTriedAgain(end: LinkEnd, error: UserError): boolean {
  if (end.kind === "bye" && FINAL_BYES.includes(end.code)) return false;
  // What a relay says against the rules it would say again; a record that was altered on the way came by bad luck.
  if (end.kind === "refused" && end.stage === "open") return end.error instanceof AuthError;
  return RETRIED.includes(error.code);
}

/**
 * Lets a call that nobody took count as one that ended.
 * @param error why there is no link
 * @returns it, if the relay is not to be reached now
 * @throws {unknown} anything else
 */
export function orUnreachable(error: unknown): UserError {
  if (error instanceof UserError && error.code === "relayUnreachable") return error;
  throw error;
}

/**
 * Finds the end of an error's sentence.
 * @param message of an error about a link that was lost
 * @returns why, as the person is told it
 */
export function reasonIn(message: string): string {
  const [, reason = message] = /^The connection to the relay was lost: (.*)$/.exec(message) ?? [];
  return reason;
}

/**
 * Says that the relay was there and is gone, before the two were one session.
 * @param error how the link ended
 * @returns the error for the person
 */
export function withoutSession(error: UserError): UserError {
  if (error.code === "olderCertificate") return withoutSession(new UserError("linkLost", error.message));
  if (error.code !== "linkLost") return error;
  return new UserError("noSession", `The session did not come about: ${error.message}`, error.hint, { cause: error });
}

/**
 * Names a line that was written and not accepted.
 * @param line the line
 * @returns what to show of it
 */
export function unsentEvent(line: OutgoingLine): ChatEvent {
  const where = "room" in line.place ? `#${line.place.room}` : line.place.to;
  const error = new UserError(
    "unsent",
    `Not sent to ${where}: ${line.text}`,
    "",
    "room" in line.place ? line.place : {},
  );
  return eventOf(error, line.ref === undefined ? {} : { ref: line.ref });
}

/**
 * Tells that lines wait for the next run.
 * @param count how many
 * @returns what to show
 */
export function keptEvent(count: number): ChatEvent {
  const text = `${count} ${
    count === 1 ? "line waits" : "lines wait"
  } for the relay and will be sent when you start again`;
  return { type: "notice", code: "outbox", text };
}

/**
 * Makes an event of an error.
 * @param error what went wrong
 * @param ref what a script put beside the line that it is about, if any
 * @returns what to show
 */
export function eventOf(error: UserError, ref: Pick<FrontInput, "ref">): ChatEvent {
  const { code, message, hint, room } = error;
  return { type: "error", code, message, hint, ...(room === undefined ? {} : { room }), ...ref };
}

/**
 * Says for the log how a link ended.
 * @param end how
 * @returns fields without contents
 */
export function describeEnd(end: LinkEnd): Record<string, string> {
  switch (end.kind) {
    case "bye":
      return { how: "bye", code: end.code };
    case "lost":
      return { how: "lost", stage: end.stage, cause: end.cause };
    case "refused":
      return { how: "refused", stage: end.stage, error: end.error.name };
    case "closed":
      return { how: "closed" };
  }
}
