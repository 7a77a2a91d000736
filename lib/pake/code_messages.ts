/**
 * The messages of a session by code (PROTOCOL §5), as bytes:
 *
 * ```
 * opening  I -> R   lv(Ya 32) | lv(ADa)
 * answer   R -> I   lv(Yb 32) | lv(ADb) | lv(Tb 64)
 * tag      I -> R   Ta 64
 *
 * AD       lv(role 1) | lv(certificate 1..1,024) | lv(ratchet public 32) | lv(random 16)
 * ```
 *
 * Role: 1 initiator, 2 responder. There is one spelling of each: what decodes encodes to the same bytes again. Nothing
 * that is decoded here is authenticated before the tag of its sender verifies.
 * @module
 */

import { DecodeError } from "../bytes/errors.ts";
import { ByteReader } from "../bytes/reader.ts";
import { type Bytes, lvCat, u8 } from "../bytes/writer.ts";
import { DH_BYTES } from "../crypto/dh.ts";
import { CONFIRMATION_BYTES, type CpaceShare, SHARE_BYTES } from "./cpace.ts";

/** The longest certificate field: three times a certificate of suite 1, and far below a packet. */
export const PAKE_CERTIFICATE_MAX_BYTES = 1_024;
/** Bytes of the random field. */
export const PAKE_RANDOM_BYTES = 16;
/** The longest associated data: four length prefixes and the fields. */
export const PAKE_AD_MAX_BYTES: number = 4 * 4 + 1 + PAKE_CERTIFICATE_MAX_BYTES + DH_BYTES + PAKE_RANDOM_BYTES;

/** The joiner is the initiator, who made the code is the responder. */
export type PakeRole = "initiator" | "responder";

/** What one party tells of itself. */
export interface PakeAssociated {
  /** Whose it is. */
  readonly role: PakeRole;
  /** The party's certificate, 1 to 1,024 bytes, not looked into here. */
  readonly certificate: Bytes;
  /** The public key of the party's first ratchet pair, 32 bytes. */
  readonly ratchetPublic: Bytes;
  /** What makes it differ from every other, 16 bytes. */
  readonly random: Bytes;
}

/** What the responder sends. */
export interface PakeAnswer {
  /** `Yb, ADb`. */
  readonly share: CpaceShare;
  /** `Tb`, 64 bytes. */
  readonly tag: Bytes;
}

const ROLE_BYTES = { initiator: 1, responder: 2 } as const satisfies Record<PakeRole, number>;

/**
 * Encodes a role.
 * @param role the role
 * @returns 1 byte
 */
export function roleField(role: PakeRole): Bytes {
  return u8(ROLE_BYTES[role]);
}

/**
 * Encodes associated data.
 * @param associated the fields
 * @returns at most {@linkcode PAKE_AD_MAX_BYTES}
 * @throws {RangeError} when a field has another length than it must
 */
export function encodeAssociated({ role, certificate, ratchetPublic, random }: PakeAssociated): Bytes {
  if (certificate.length < 1 || certificate.length > PAKE_CERTIFICATE_MAX_BYTES) {
    throw new RangeError(`Cannot encode associated data: a certificate of ${certificate.length} bytes`);
  }
  if (ratchetPublic.length !== DH_BYTES || random.length !== PAKE_RANDOM_BYTES) {
    throw new RangeError(
      `Cannot encode associated data: ${ratchetPublic.length} and ${random.length} bytes are not ` +
        `${DH_BYTES} and ${PAKE_RANDOM_BYTES}`,
    );
  }
  return lvCat(roleField(role), certificate, ratchetPublic, random);
}

/**
 * Decodes associated data.
 * @param bytes the data, nothing before or after it
 * @returns its fields, not authenticated
 * @throws {DecodeError} when a length or the role is malformed, or bytes follow the end
 */
export function decodeAssociated(bytes: Bytes): PakeAssociated {
  const reader = new ByteReader(bytes, "associated data");
  const role = roleFromByte(reader.lvExactly(1)[0] as number);
  const certificate = reader.lv(PAKE_CERTIFICATE_MAX_BYTES);
  if (certificate.length === 0) throw new DecodeError("Cannot decode associated data: the certificate is empty");
  const ratchetPublic = reader.lvExactly(DH_BYTES);
  const random = reader.lvExactly(PAKE_RANDOM_BYTES);
  reader.end();
  return { role, certificate, ratchetPublic, random };
}

/**
 * Encodes the first message.
 * @param share `Ya, ADa`
 * @returns the message
 */
export function encodeOpening({ y, ad }: CpaceShare): Bytes {
  return lvCat(y, ad);
}

/**
 * Decodes the first message; its associated data is still to be decoded.
 * @param bytes the message
 * @returns `Ya, ADa`, not authenticated
 * @throws {DecodeError} when a length is malformed, or bytes follow the end
 */
export function decodeOpening(bytes: Bytes): CpaceShare {
  const reader = new ByteReader(bytes, "opening");
  const share = readShare(reader);
  reader.end();
  return share;
}

/**
 * Encodes the second message.
 * @param answer `Yb, ADb, Tb`
 * @returns the message
 */
export function encodeAnswer({ share, tag }: PakeAnswer): Bytes {
  return lvCat(share.y, share.ad, tag);
}

/**
 * Decodes the second message; its associated data is still to be decoded.
 * @param bytes the message
 * @returns `Yb, ADb, Tb`, not authenticated
 * @throws {DecodeError} when a length is malformed, or bytes follow the end
 */
export function decodeAnswer(bytes: Bytes): PakeAnswer {
  const reader = new ByteReader(bytes, "answer");
  const share = readShare(reader);
  const tag = reader.lvExactly(CONFIRMATION_BYTES);
  reader.end();
  return { share, tag };
}

function readShare(reader: ByteReader): CpaceShare {
  return { y: reader.lvExactly(SHARE_BYTES), ad: reader.lv(PAKE_AD_MAX_BYTES) };
}

function roleFromByte(byte: number): PakeRole {
  if (byte === ROLE_BYTES.initiator) return "initiator";
  if (byte === ROLE_BYTES.responder) return "responder";
  throw new DecodeError(`Cannot decode role: ${byte} is unknown`);
}
