/**
 * The one shape of every signed structure: `lv_cat(fields) || signature 64`, where the signature is made over
 * `label || lv_cat(fields)` and the first field is the suite (PROTOCOL "Conventions").
 * @module
 */

import { DecodeError } from "../bytes/errors.ts";
import type { ByteReader } from "../bytes/reader.ts";
import { type Bytes, concat, label, type LabelUse, lvCat, u8 } from "../bytes/writer.ts";
import { sign, SIGNATURE_BYTES, type SignatureCheck, signatureCheck, type SignKeyPair } from "../crypto/sign.ts";

/** The one set of algorithms of this version; another is an error, never negotiated. */
export const SUITE = 1;

/**
 * Gives the suite as a field.
 * @returns 1 byte
 */
export function suiteField(): Bytes {
  return u8(SUITE);
}

/**
 * Takes the suite, the first field of a structure.
 * @param reader stands before the field
 * @throws {DecodeError} when it is not one byte or another suite
 */
export function readSuite(reader: ByteReader): void {
  const suite = reader.lvExactly(1)[0];
  if (suite !== SUITE) throw new DecodeError(`Cannot decode: suite ${suite} is unknown`);
}

/**
 * Signs fields.
 * @param pair who signs
 * @param use names the label, one for each kind of structure
 * @param fields the fields in order, the suite first
 * @returns `lv_cat(fields) || signature`
 */
export async function signFields(pair: SignKeyPair, use: LabelUse, fields: readonly Uint8Array[]): Promise<Bytes> {
  const body = lvCat(...fields);
  return concat(body, await sign(pair, concat(label(use), body)));
}

/**
 * Checks the signature of a structure whose fields were read.
 * @param signPublic who should have signed, 32 bytes
 * @param use names the label
 * @param encoded the whole structure, its signature the last 64 bytes
 * @throws {AuthError} when it does not fit, or the key is one that no honest party has
 */
export async function verifySigned(signPublic: Bytes, use: LabelUse, encoded: Bytes): Promise<void> {
  await verifySignedBy(signatureCheck(signPublic), use, encoded);
}

/**
 * Checks the same where many structures of one signer come.
 * @param check of who should have signed
 * @param use names the label
 * @param encoded the whole structure, its signature the last 64 bytes
 * @throws {AuthError} when it does not fit, or the key is one that no honest party has
 */
export async function verifySignedBy(check: SignatureCheck, use: LabelUse, encoded: Bytes): Promise<void> {
  const split = encoded.length - SIGNATURE_BYTES;
  await check(concat(label(use), encoded.subarray(0, split)), encoded.slice(split));
}
