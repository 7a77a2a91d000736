/**
 * What became of a box, as the chat sees it.
 * @module
 */

import { AuthError, DecodeError, ProtocolError } from "../bytes/errors.ts";
import type { Bytes } from "../bytes/writer.ts";
import type { Certificate } from "./certificate.ts";
import type { Fingerprint } from "./identity.ts";
import { UnknownPrekeyError } from "./x3dh.ts";

/**
 * Why a box could not be opened: `malformed`, its bytes are no box; `unknownSession`, it names a session that is not
 * here and does not begin one; `retired`, its session was dropped at a bound or by `forgetPeer`; `noPrekey`, a prekey
 * that it names is gone; `used`, other bytes under a number that is gone; `notAuthentic`, a key, signature or tag does
 * not fit; `tooFarAhead`, it skips over 1,000 messages; `full`, there is no room for another stranger.
 */
export type UnopenableReason =
  | "malformed"
  | "unknownSession"
  | "retired"
  | "noPrekey"
  | "used"
  | "notAuthentic"
  | "tooFarAhead"
  | "full";

/** What became of a box. Only `opened` carries anything that is authenticated. */
export type Opened =
  | {
    readonly kind: "opened";
    /** Who sealed it: the newest certificate known of the session's peer. */
    readonly peer: Certificate;
    /** For `decodePlaintext`. */
    readonly plaintext: Bytes;
    /** The number in its chain; starts again with each ratchet step, so it names a box only together with its key. */
    readonly n: number;
    /** 16 bytes. */
    readonly sessionId: Bytes;
    /** SHA-256 of the whole box, 32 bytes: a name for the message that both sides can compute. */
    readonly boxHash: Bytes;
    /** There when it begins a session beside one that worked: its author may have lost what they were given. */
    readonly isAnew?: true;
  }
  /** The very same bytes were opened before; drop it in silence. */
  | { readonly kind: "repeat" }
  | {
    readonly kind: "unopenable";
    /** Whom it claims to be from, if it says so; nothing vouches for that: a hint of where to send a `retry`. */
    readonly peer: Fingerprint | undefined;
    /** Why. */
    readonly reason: UnopenableReason;
    /** There when it came in a session that we have with `peer` and does not fit it: one side may have been put back. */
    readonly isRouted?: true;
  };

/** Why a box cannot be opened that is of a session which is not here: it may have been lost. */
const LOST: readonly UnopenableReason[] = ["unknownSession", "noPrekey", "retired"];

/**
 * Tells whether a box may be one that could not be opened because one of the two was put back to an earlier state.
 * @param unopenable what became of it
 * @returns whether a new session would help
 */
export function isOfAnotherState({ isRouted, reason }: Extract<Opened, { kind: "unopenable" }>): boolean {
  return isRouted === true || LOST.includes(reason);
}

/**
 * Says why a box could not be opened.
 * @param error what decoding or opening threw
 * @returns the reason
 * @throws the error itself when it is none of the peer's doing
 */
export function reasonOf(error: unknown): UnopenableReason {
  if (error instanceof UnknownPrekeyError) return "noPrekey";
  if (error instanceof AuthError) return "notAuthentic";
  if (error instanceof ProtocolError) return "tooFarAhead";
  if (error instanceof DecodeError) return "malformed";
  throw error;
}
