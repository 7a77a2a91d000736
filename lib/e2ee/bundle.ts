/**
 * The public form of prekeys (PROTOCOL §3), all signed by the owner's `IDs`:
 *
 * ```
 * bundle:   lv(suite 1) | lv(certificate) | lv(spk id 4) | lv(spk public 32) | lv(spk created 8) | signature 64
 * one-time: lv(suite 1) | lv(opk id 4) | lv(opk public 32) | signature 64
 * live:     lv(suite 1) | lv(certificate) | lv(requester id 32) | lv(nonce 16) | lv(spk id 4) | lv(spk public 32)
 *           | lv(spk created 8) | lv(opk id 4) | lv(opk public 32) | signature 64
 * ```
 *
 * The labels are "bundle", "opk" and "live bundle". The owner publishes the bundle, and one-time prekeys as a run of
 * `lv(one-time)`; the relay, which understands neither, answers a requester `lv(bundle) || lv(one-time or empty)`.
 * An owner that is linked makes the live form for one requester and its nonce.
 * @module
 */

import { equalBytes } from "../bytes/equal.ts";
import { AuthError, DecodeError, ProtocolError } from "../bytes/errors.ts";
import { ByteReader } from "../bytes/reader.ts";
import { type Bytes, concat, lv, u32be, u64be } from "../bytes/writer.ts";
import { assertDhPublicKey, DH_BYTES } from "../crypto/dh.ts";
import { SHA256_BYTES } from "../crypto/hash.ts";
import { type RandomBytes, secureRandom } from "../crypto/random.ts";
import { SIGNATURE_BYTES } from "../crypto/sign.ts";
import { type Certificate, CERTIFICATE_MAX_BYTES, verifyCertificate } from "./certificate.ts";
import type { Fingerprint, Identity } from "./identity.ts";
import { addOneTimePrekey, type OneTimePrekey, type PrekeyStore, type SignedPrekey } from "./prekeys.ts";
import { readSuite, signFields, suiteField, verifySigned } from "./signed.ts";

/** Bytes of the nonce of a request for a live answer. */
export const BUNDLE_NONCE_BYTES = 16;
/** The longest bundle as it is published. */
export const BUNDLE_MAX_BYTES = 455;
/** Bytes of a one-time prekey as it is published, without the length in front. */
export const ONE_TIME_PREKEY_BYTES = 113;
/** The longest live answer. */
export const LIVE_BUNDLE_MAX_BYTES = 555;
/** Initiators refuse a signed prekey older than this: its owner has been away, and the inbox keeps no longer. */
export const SIGNED_PREKEY_MAX_AGE_MS: number = 30 * 24 * 60 * 60 * 1_000;
/** Initiators refuse one made further ahead of their clock. */
export const SIGNED_PREKEY_MAX_AHEAD_MS: number = 24 * 60 * 60 * 1_000;

const ID_BYTES = 4;
const TIME_BYTES = 8;

/** An owner's signing side. */
export interface BundleOwner {
  /** The long-term keys. */
  readonly identity: Identity;
  /** The current certificate of these keys. */
  readonly certificate: Certificate;
}

/** The public half of a prekey. */
export interface PublicPrekey {
  /** Its id, u32. */
  readonly id: number;
  /** 32 bytes. */
  readonly publicBytes: Bytes;
}

/** The public half of a signed prekey. */
export interface PublicSignedPrekey extends PublicPrekey {
  /** When it was made, in milliseconds since 1970 (UTC). */
  readonly createdMs: number;
}

/** Keys to start a session with, all signatures verified; made by the two `verify…Bundle` functions alone. */
export interface VerifiedBundle {
  /** Whose keys these are. */
  readonly certificate: Certificate;
  /** The signed prekey. */
  readonly signedPrekey: PublicSignedPrekey;
  /** The one-time prekey; `undefined` when the relay had none, or said so. */
  readonly oneTimePrekey: PublicPrekey | undefined;
}

/** Against what a bundle is checked. */
export interface VerifyBundleOptions {
  /** Whose bundle was asked for. */
  readonly expectFingerprint: Fingerprint;
  /** The time now, in milliseconds since 1970 (UTC). */
  readonly nowMs: number;
}

/** What ties a live answer to one request. */
export interface LiveRequest {
  /** The id of who asked, 32 bytes. */
  readonly requesterId: Bytes;
  /** What it drew for this request, 16 bytes. */
  readonly nonce: Bytes;
}

/**
 * Signs the bundle that the relay keeps.
 * @param owner whose bundle
 * @param store holds the current signed prekey
 * @returns the bundle, without one-time prekeys
 */
export function encodeBundle(owner: BundleOwner, store: PrekeyStore): Promise<Bytes> {
  const fields = [suiteField(), owner.certificate.encoded, ...signedPrekeyFields(store.signed[0])];
  return signFields(owner.identity.sign, "bundle", fields);
}

/**
 * Signs one-time prekeys, each by itself.
 * @param owner whose prekeys
 * @param prekeys what `refillOneTimePrekeys` made
 * @returns `lv(one-time) || lv(one-time) || …`, 117 bytes each
 */
export async function encodeOneTimePrekeys(owner: BundleOwner, prekeys: readonly OneTimePrekey[]): Promise<Bytes> {
  const parts: Bytes[] = [];
  for (const { id, pair } of prekeys) {
    parts.push(lv(await signFields(owner.identity.sign, "opk", [suiteField(), u32be(id), pair.publicBytes])));
  }
  return concat(...parts);
}

/**
 * Decodes and verifies what the relay keeps for somebody.
 * @param bytes `lv(bundle) || lv(one-time or empty)`
 * @param options whose it should be, and the time
 * @returns the keys
 * @throws {DecodeError} when it is malformed
 * @throws {AuthError} when it is another identity's, or a key or a signature is bad
 * @throws {ProtocolError} when the signed prekey is over 30 days old or more than 24 hours ahead
 */
export async function verifyBundle(bytes: Bytes, options: VerifyBundleOptions): Promise<VerifiedBundle> {
  const outer = new ByteReader(bytes, "bundle");
  const bundle = outer.lv(BUNDLE_MAX_BYTES);
  const oneTime = outer.lv(ONE_TIME_PREKEY_BYTES);
  outer.end();

  const reader = new ByteReader(bundle, "bundle");
  readSuite(reader);
  const certificateBytes = reader.lv(CERTIFICATE_MAX_BYTES);
  const signedPrekey = readSignedPrekey(reader);
  reader.take(SIGNATURE_BYTES);
  reader.end();

  const certificate = await verifyOwner(certificateBytes, options.expectFingerprint);
  await verifySigned(certificate.signPublic, "bundle", bundle);
  assertCurrent(signedPrekey.createdMs, options.nowMs);
  const oneTimePrekey = oneTime.length === 0 ? undefined : await verifyOneTimePrekey(oneTime, certificate);
  return { certificate, signedPrekey, oneTimePrekey };
}

/**
 * Decodes and verifies one one-time prekey.
 * @param bytes 113 bytes
 * @param certificate its owner's
 * @returns its public half
 * @throws {DecodeError} when it is malformed
 * @throws {AuthError} when the key or the signature is bad
 */
export async function verifyOneTimePrekey(bytes: Bytes, certificate: Certificate): Promise<PublicPrekey> {
  const reader = new ByteReader(bytes, "one-time prekey");
  readSuite(reader);
  const prekey = readOneTimePrekey(reader);
  reader.take(SIGNATURE_BYTES);
  reader.end();
  await verifySigned(certificate.signPublic, "opk", bytes);
  return prekey;
}

/**
 * Answers a request for fresh keys, with a one-time prekey that the relay never had.
 * @param owner who answers
 * @param store the owner's prekeys
 * @param options the request, and where the key comes from
 * @returns the answer, and the store with the private half; keep the store before the answer leaves
 * @throws {RangeError} when the requester's id or the nonce has a wrong length
 */
export async function createLiveBundle(
  owner: BundleOwner,
  store: PrekeyStore,
  options: LiveRequest & { readonly random?: RandomBytes },
): Promise<{ store: PrekeyStore; encoded: Bytes }> {
  const { requesterId, nonce, random = secureRandom } = options;
  if (requesterId.length !== SHA256_BYTES || nonce.length !== BUNDLE_NONCE_BYTES) {
    throw new RangeError(
      `Cannot answer: an id of ${requesterId.length} and a nonce of ${nonce.length} bytes do not fit`,
    );
  }
  const added = await addOneTimePrekey(store, "live", random);
  const encoded = await signFields(owner.identity.sign, "live bundle", [
    suiteField(),
    owner.certificate.encoded,
    requesterId,
    nonce,
    ...signedPrekeyFields(store.signed[0]),
    u32be(added.prekey.id),
    added.prekey.pair.publicBytes,
  ]);
  return { store: added.store, encoded };
}

/**
 * Decodes and verifies a live answer.
 * @param bytes the answer
 * @param options whose it should be, the time, and the request that it must name
 * @returns the keys
 * @throws {DecodeError} when it is malformed
 * @throws {AuthError} when it is another identity's, answers another request, or a key or the signature is bad
 * @throws {ProtocolError} when the signed prekey is over 30 days old or more than 24 hours ahead
 */
export async function verifyLiveBundle(
  bytes: Bytes,
  options: VerifyBundleOptions & LiveRequest,
): Promise<VerifiedBundle> {
  if (bytes.length > LIVE_BUNDLE_MAX_BYTES) {
    throw new DecodeError(`Cannot decode live bundle: ${bytes.length} bytes is above ${LIVE_BUNDLE_MAX_BYTES}`);
  }
  const reader = new ByteReader(bytes, "live bundle");
  readSuite(reader);
  const certificateBytes = reader.lv(CERTIFICATE_MAX_BYTES);
  const requesterId = reader.lvExactly(SHA256_BYTES);
  const nonce = reader.lvExactly(BUNDLE_NONCE_BYTES);
  const signedPrekey = readSignedPrekey(reader);
  const oneTimePrekey = readOneTimePrekey(reader);
  reader.take(SIGNATURE_BYTES);
  reader.end();

  const certificate = await verifyOwner(certificateBytes, options.expectFingerprint);
  await verifySigned(certificate.signPublic, "live bundle", bytes);
  if (!equalBytes(requesterId, options.requesterId) || !equalBytes(nonce, options.nonce)) {
    throw new AuthError("Cannot use live bundle: it answers another request");
  }
  assertCurrent(signedPrekey.createdMs, options.nowMs);
  return { certificate, signedPrekey, oneTimePrekey };
}

function signedPrekeyFields(prekey: SignedPrekey): Bytes[] {
  return [u32be(prekey.id), prekey.pair.publicBytes, u64be(prekey.createdMs)];
}

function readSignedPrekey(reader: ByteReader): PublicSignedPrekey {
  const prekey = readPrekey(reader);
  const createdMs = new ByteReader(reader.lvExactly(TIME_BYTES), "signed prekey").u64();
  return { ...prekey, createdMs };
}

function readOneTimePrekey(reader: ByteReader): PublicPrekey {
  const prekey = readPrekey(reader);
  if (prekey.id === 0) throw new DecodeError("Cannot decode one-time prekey: 0 is no id");
  return prekey;
}

function readPrekey(reader: ByteReader): PublicPrekey {
  const id = new ByteReader(reader.lvExactly(ID_BYTES), "prekey").u32();
  const publicBytes = reader.lvExactly(DH_BYTES);
  assertDhPublicKey(publicBytes);
  return { id, publicBytes };
}

async function verifyOwner(certificateBytes: Bytes, expected: Fingerprint): Promise<Certificate> {
  const certificate = await verifyCertificate(certificateBytes);
  if (certificate.fingerprint !== expected) throw new AuthError("Cannot use bundle: it is another identity's");
  return certificate;
}

function assertCurrent(createdMs: number, nowMs: number): void {
  const ageMs = nowMs - createdMs;
  if (ageMs > SIGNED_PREKEY_MAX_AGE_MS) throw new ProtocolError("Cannot use bundle: its signed prekey is too old");
  if (ageMs < -SIGNED_PREKEY_MAX_AHEAD_MS) {
    throw new ProtocolError("Cannot use bundle: its signed prekey is not due yet");
  }
}
