/**
 * How somebody whom a room's log names is met: their certificate is all that the log has of them.
 * @module
 */

import { AuthError, UserError } from "../bytes/errors.ts";
import type { Member } from "../e2ee/roster.ts";
import type { Fingerprint } from "../wire/messages.ts";
import type { Keyring } from "./keyring.ts";
import type { People, Person } from "./people.ts";

/** Who meets them. */
export interface MemberMeeting {
  /** We. */
  readonly self: Fingerprint;
  /** Who was met. */
  readonly people: People;
  /** Sessions with members. */
  readonly keyring: Keyring;
  /** The time now. */
  readonly nowMs: number;
}

/**
 * Meets a member of the log; one whose name no relay would bind is never shown, and so never given keys.
 * @param member as the log has them
 * @param by who meets them
 * @returns the person; `undefined` for ourselves, and for a name or a certificate that is refused
 */
export function meetMember(
  { certificate }: Member,
  { self, people, keyring, nowMs }: MemberMeeting,
): Person | undefined {
  if (certificate.fingerprint === self) return undefined;
  try {
    keyring.expect(certificate.fingerprint);
    const { person } = people.meet(certificate, { nowMs });
    keyring.renew(person.certificate);
    return person;
  } catch (error) {
    // A UserError is a name that is malformed, an AuthError a certificate of a later day.
    if (error instanceof UserError || error instanceof AuthError) return undefined;
    throw error;
  }
}
