/**
 * The error classes of Sotto, one for each party that can be at fault. Whoever catches one decides by its class alone.
 * Messages say the action first and never hold key bytes, plaintext or the input that was refused.
 * @module
 */

/** The peer's bytes are malformed. Close the link. */
export class DecodeError extends Error {
  /** The class name, as it stands in logs. */
  override readonly name = "DecodeError";
}

/** The peer's message is well formed but not allowed now. Close the link. */
export class ProtocolError extends Error {
  /** The class name, as it stands in logs. */
  override readonly name = "ProtocolError";
}

/** A tag, a signature or an identity does not match. Close the link, tell the peer nothing, tell the person plainly. */
export class AuthError extends Error {
  /** The class name, as it stands in logs. */
  override readonly name = "AuthError";
}

/** Every reason that a person or a script can be given, by the name that JSON lines carry. */
export type UserErrorCode =
  | "nameTaken"
  | "nameInvalid"
  | "alreadyLinked"
  | "relayUnreachable"
  | "notARelay"
  | "wrongVersion"
  | "relayUnknown"
  | "relayChanged"
  | "notInvited"
  | "refusedCertificate"
  | "olderCertificate"
  | "dataDirBusy"
  | "dataDirUnusable"
  | "portInUse"
  | "tooLong"
  | "noSuchPerson"
  | "noSuchRoom"
  | "notDone"
  | "otherHistory"
  | "noSession"
  | "keyChanged"
  | "badLine"
  | "badFlag"
  | "linkLost"
  | "unsent"
  | "internal";

/** Something that the person at the keyboard can act on: what happened, and what to do about it. */
export class UserError extends Error {
  /** The class name, as it stands in logs. */
  override readonly name = "UserError";
  /** The stable name of what happened. */
  readonly code: UserErrorCode;
  /** What the person can do now, as a sentence; empty when there is nothing. */
  readonly hint: string;
  /** The room that it is about, if it is about one. */
  readonly room?: string;

  /**
   * Makes the error.
   * @param code the stable name of what happened
   * @param message what happened, as a sentence
   * @param hint what to do about it
   * @param options the error that led to this one, as `cause`, and the name of the room that it is about
   */
  constructor(code: UserErrorCode, message: string, hint = "", options?: ErrorOptions & { readonly room?: string }) {
    super(message, options);
    this.code = code;
    this.hint = hint;
    if (options?.room !== undefined) this.room = options.room;
  }
}

/**
 * Ends a `switch` over a union: a kind that is not handled is a compile error here.
 * @param value what is left of the union, `never` when every kind is handled
 * @throws {TypeError} when it is reached all the same, which is a bug of ours
 */
export function assertNever(value: never): never {
  throw new TypeError(`Cannot handle an unknown kind: ${String((value as { kind?: unknown }).kind)}`);
}
