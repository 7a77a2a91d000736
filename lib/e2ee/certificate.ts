/**
 * A certificate ties an identity's three public keys to its handle (PROTOCOL §1):
 *
 * ```
 * lv(suite 1) | lv(IDs 32) | lv(IDd 32) | lv(Ns 32) | lv(handle 1..128) | lv(life 1) | lv(created 8) | signature 64
 * ```
 *
 * The signature is Ed25519 by `IDs` over label("cert") || all that stands before it. There is one spelling of a
 * certificate: what parses encodes to the same bytes again. What a handle may look like is checked elsewhere.
 * @module
 */

import { ByteReader, fromUtf8 } from "../bytes/reader.ts";
import { DecodeError } from "../bytes/errors.ts";
import { type Bytes, u64be, u8, utf8 } from "../bytes/writer.ts";
import { assertDhPublicKey, DH_BYTES } from "../crypto/dh.ts";
import { assertSignPublicKey, SIGN_KEY_BYTES, SIGNATURE_BYTES } from "../crypto/sign.ts";
import { type Fingerprint, fingerprintOf, type Identity, identityId } from "./identity.ts";
import { type Life, lifeFromByte, lifeToByte } from "./life.ts";
import { readSuite, signFields, suiteField, verifySigned } from "./signed.ts";

/** The longest handle in UTF-8: 32 code points of at most four bytes. */
export const HANDLE_MAX_BYTES = 128;
/** The longest certificate: 7 length prefixes, 106 bytes of fixed fields, the handle, the signature. */
export const CERTIFICATE_MAX_BYTES = 326;

/** A certificate whose signature was verified, or that was just made. */
export interface Certificate {
  /** The set of algorithms, 1. */
  readonly suite: number;
  /** `IDs`, 32 bytes. */
  readonly signPublic: Bytes;
  /** `IDd`, 32 bytes. */
  readonly dhPublic: Bytes;
  /** `Ns`, 32 bytes; in a handshake it must equal the static key. */
  readonly noisePublic: Bytes;
  /** The name that the identity goes by; a claim until the relay or the person confirms it. */
  readonly handle: string;
  /** Whether the identity is forgotten at exit. */
  readonly life: Life;
  /** When the certificate was made; of several of one identity the highest wins. */
  readonly createdMs: number;
  /** The identity's id, 32 bytes, computed from the keys. */
  readonly id: Bytes;
  /** The id as people see it. */
  readonly fingerprint: Fingerprint;
  /** The certificate as it travels. */
  readonly encoded: Bytes;
}

/** What a certificate says beside keys. */
export interface CertificateOptions {
  /** 1 to 128 bytes of UTF-8. */
  readonly handle: string;
  /** The time now, in milliseconds since 1970 (UTC). */
  readonly createdMs: number;
}

/**
 * Makes and signs a certificate.
 * @param identity whose keys it names
 * @param options the handle and the time
 * @returns the certificate
 * @throws {RangeError} when the handle is empty, too long or not well-formed Unicode
 */
export async function createCertificate(identity: Identity, options: CertificateOptions): Promise<Certificate> {
  const { handle, createdMs } = options;
  const handleBytes = utf8(handle);
  if (handleBytes.length < 1 || handleBytes.length > HANDLE_MAX_BYTES || fromUtf8(handleBytes) !== handle) {
    throw new RangeError(`Cannot certify handle: ${handleBytes.length} bytes is not 1 to ${HANDLE_MAX_BYTES}`);
  }
  const encoded = await signFields(identity.sign, "cert", [
    suiteField(),
    identity.sign.publicBytes,
    identity.dh.publicBytes,
    identity.noise.publicBytes,
    handleBytes,
    u8(lifeToByte(identity.life)),
    u64be(createdMs),
  ]);
  return await verifyCertificate(encoded);
}

/**
 * Decodes a certificate and verifies it.
 * @param bytes the certificate, nothing before or after it
 * @returns its fields, all of them covered by the signature
 * @throws {DecodeError} when a length, the suite, the handle or the life is malformed, or bytes follow the end
 * @throws {AuthError} when a key has a small order or is not canonical, or the signature does not fit
 */
export async function verifyCertificate(bytes: Bytes): Promise<Certificate> {
  if (bytes.length > CERTIFICATE_MAX_BYTES) {
    throw new DecodeError(`Cannot decode certificate: ${bytes.length} bytes is above ${CERTIFICATE_MAX_BYTES}`);
  }
  const reader = new ByteReader(bytes, "certificate");
  readSuite(reader);
  const signPublic = reader.lvExactly(SIGN_KEY_BYTES);
  const dhPublic = reader.lvExactly(DH_BYTES);
  const noisePublic = reader.lvExactly(DH_BYTES);
  const handle = readHandle(reader);
  const life = readLife(reader);
  const createdMs = readTime(reader);
  reader.take(SIGNATURE_BYTES);
  reader.end();

  assertSignPublicKey(signPublic);
  assertDhPublicKey(dhPublic);
  assertDhPublicKey(noisePublic);
  await verifySigned(signPublic, "cert", bytes);
  const id = await identityId(signPublic, dhPublic);
  const fingerprint = fingerprintOf(id);
  const encoded = bytes.slice();
  return { suite: 1, signPublic, dhPublic, noisePublic, handle, life, createdMs, id, fingerprint, encoded };
}

function readHandle(reader: ByteReader): string {
  const handle = fromUtf8(reader.lv(HANDLE_MAX_BYTES));
  if (handle === "") throw new DecodeError("Cannot decode certificate: the handle is empty");
  return handle;
}

function readLife(reader: ByteReader): Life {
  return lifeFromByte(reader.lvExactly(1)[0] as number);
}

function readTime(reader: ByteReader): number {
  return new ByteReader(reader.lvExactly(8), "certificate").u64();
}
