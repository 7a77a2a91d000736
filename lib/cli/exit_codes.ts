/**
 * What a program's exit code says (DESIGN §5): the contract for scripts.
 * @module
 */

import { assertNever, type UserErrorCode } from "../bytes/errors.ts";

/** 0 ok; 2 flags or a malformed name; 3 the relay or the link; 4 a key, certificate or code; 1 all else. */
export type ExitCode = 0 | 1 | 2 | 3 | 4;

/**
 * Gives the exit code of a program that ends because of one error.
 * @param code the error's stable name
 * @returns 1 to 4, never 0
 */
export function exitCodeFor(code: UserErrorCode): ExitCode {
  switch (code) {
    case "badFlag":
    case "nameInvalid":
      return 2;
    case "relayUnreachable":
    case "notARelay":
    case "wrongVersion":
    case "linkLost":
      return 3;
    case "relayUnknown":
    case "relayChanged":
    case "notInvited":
    case "keyChanged":
    case "refusedCertificate":
    case "olderCertificate":
    case "noSession":
      return 4;
    case "nameTaken":
    case "alreadyLinked":
    case "dataDirBusy":
    case "dataDirUnusable":
    case "portInUse":
    case "tooLong":
    case "noSuchPerson":
    case "noSuchRoom":
    case "notDone":
    case "otherHistory":
    case "badLine":
    case "unsent":
    case "internal":
      return 1;
    default:
      return assertNever(code);
  }
}
