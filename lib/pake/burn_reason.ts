/**
 * Why a try to agree by a code is over (PROTOCOL §5).
 * @module
 */

import { AuthError, DecodeError } from "../bytes/errors.ts";

/**
 * Found by us: the message is no message; a key is one that no honest party has; our own share, role or fields came
 * back; the tag does not fit, so that the words, the mailbox, the session id or a message differ; a bug of ours.
 * Told by the caller: no answer in time; the line broke; the person gave up.
 */
export type BurnReason =
  | "malformed"
  | "weakKey"
  | "reflected"
  | "wrongCode"
  | "failed"
  | "timeout"
  | "lineBroken"
  | "cancelled";

/** The reasons that only the caller can know. */
export type OutsideReason = Extract<BurnReason, "timeout" | "lineBroken" | "cancelled">;

const REASON_TEXT: Readonly<Record<BurnReason, string>> = {
  malformed: "the message is malformed",
  weakKey: "a key is one that no honest party has",
  reflected: "our own message came back",
  wrongCode: "the tag does not verify",
  failed: "a step failed",
  timeout: "no answer came in time",
  lineBroken: "the line broke",
  cancelled: "it was given up",
};

/** A refusal by name; inside of a try only, callers see an `AuthError`. */
export class Refusal extends Error {
  /** Its name. */
  readonly reason: BurnReason;

  /**
   * Makes the refusal.
   * @param reason its name
   */
  constructor(reason: BurnReason) {
    super(REASON_TEXT[reason]);
    this.reason = reason;
  }
}

/**
 * Names what a step threw: what lower layers throw at a peer's bytes has one meaning here each.
 * @param cause what was thrown
 * @returns the reason, `failed` for a bug of ours
 */
export function reasonOf(cause: unknown): BurnReason {
  if (cause instanceof Refusal) return cause.reason;
  if (cause instanceof DecodeError) return "malformed";
  return cause instanceof AuthError ? "weakKey" : "failed";
}

/**
 * Makes the error that callers see.
 * @param reason why the try is over
 * @param cause what a lower layer threw
 * @returns the error, with the reason as a sentence
 */
export function burntError(reason: BurnReason, cause?: unknown): AuthError {
  const isCause = cause !== undefined && !(cause instanceof Refusal);
  return new AuthError(`Cannot agree by code: ${REASON_TEXT[reason]}`, isCause ? { cause } : {});
}
