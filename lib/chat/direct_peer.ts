/**
 * Who is at the other end of a direct link, by what the handshake showed (PROTOCOL §2): the caller asks between Noise
 * messages 2 and 3, the listener after message 3.
 * @module
 */

import { equalBytes } from "../bytes/equal.ts";
import { AuthError, DecodeError, UserError } from "../bytes/errors.ts";
import type { Bytes } from "../bytes/writer.ts";
import { type Certificate, verifyCertificate } from "../e2ee/certificate.ts";
import { checkHandle } from "../wire/handle.ts";

/** What the other side showed. */
export interface ShownPeer {
  /** The certificate, nothing of it looked into. */
  readonly card: Bytes;
  /** Its static key, proved by the handshake. */
  readonly staticPublic: Bytes;
}

/**
 * Verifies the certificate of the other side before any field of it is used.
 * @param shown what the handshake showed
 * @param own our certificate
 * @returns the other's, proved to be its own
 * @throws {UserError} `refusedCertificate` when it is malformed, forged, holds a key that no honest party has, belongs
 *   to another static key, is ours, or names somebody by what is no name
 */
export async function verifyPeer(shown: ShownPeer, own: Certificate): Promise<Certificate> {
  const certificate = await verified(shown.card);
  // Without this a peer could show somebody else's certificate over its own key.
  if (!equalBytes(certificate.noisePublic, shown.staticPublic)) {
    throw refused("The certificate belongs to another key than the one at the other end");
  }
  if (certificate.fingerprint === own.fingerprint) {
    throw refused("The other end has the very keys of this client: nobody can talk to themselves");
  }
  if (!isHandle(certificate.handle)) throw refused("The name in the certificate at the other end is malformed");
  return certificate;
}

function isHandle(text: string): boolean {
  try {
    return checkHandle(text).handle === text;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return false;
  }
}

async function verified(card: Bytes): Promise<Certificate> {
  try {
    return await verifyCertificate(card);
  } catch (cause) {
    if (!(cause instanceof AuthError || cause instanceof DecodeError)) throw cause;
    throw refused("The certificate at the other end is not valid", cause);
  }
}

function refused(message: string, cause?: Error): UserError {
  const hint = "Nothing was said. Somebody may be in the middle.";
  return new UserError("refusedCertificate", message, hint, cause === undefined ? {} : { cause });
}
