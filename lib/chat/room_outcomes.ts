/**
 * What the person is told when a room, or the relay, did not take an op of ours.
 * @module
 */

import { UserError } from "../bytes/errors.ts";
import type { VoidReason } from "../e2ee/membership_rules.ts";
import type { OwnOpOutcome } from "./own_ops.ts";

/**
 * Says why something was not done.
 * @param outcome what became of the op
 * @param room the room's name
 * @returns an error with a sentence; `undefined` when nobody asked for the op, and nobody misses it
 */
export function outcomeError(
  outcome: Exclude<OwnOpOutcome, { kind: "done" }>,
  room: string,
): UserError | undefined {
  const { kind } = outcome.op;
  const isQuiet = kind === "here" || (kind === "remove" && outcome.op.reason === "absent");
  // Who leaves and is no member has what they want.
  const isGone = outcome.kind === "void" && (outcome.reason === "notMember" || outcome.reason === "unknownActor");
  if (isQuiet || (kind === "leave" && isGone)) return undefined;
  const what = kind === "join" || kind === "create" ? `You are not in #${room}` : `Nothing was done in #${room}`;
  if (outcome.kind === "refused") {
    return new UserError("notDone", `${what}: ${outcome.message}`, "Try again later.", { room });
  }
  const [why, hint] = REASONS[outcome.reason] ?? ["the other members would not take it", "Try again later."];
  return new UserError("notDone", `${what}: ${why}`, hint, { room });
}

const REASONS: Partial<Record<VoidReason, readonly [why: string, hint: string]>> = {
  notEntitled: ["that is for its owner and admins, and nobody removes the owner", "/members shows who they are."],
  notMember: ["they are not a member", "/members shows who is."],
  alreadyMember: ["they are a member already", "/members shows who is."],
  alreadyAdmin: ["they are an admin already", "/members shows who is."],
  roomFull: ["it is full", "Make another room with /room create."],
  outdated: ["somebody else changed the same thing at that moment", "Look at /members and try again."],
  oldSeen: ["too much changed there at that moment", "Try again."],
  unknownSeen: [
    "the relay gives another order to it than it showed us",
    "Try again; if it stays so, ask who runs the relay.",
  ],
};
