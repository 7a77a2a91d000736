/**
 * Extended Triple Diffie-Hellman (Signal, "The X3DH Key Agreement Protocol"; PROTOCOL §3): alice (a) starts a session
 * with bob's (b) published keys, bob finishes it from the header of her first message:
 *
 * ```
 * lv(cert_a) | EK_a 32 | spk id 4 | has opk 1 | opk id 4
 * ```
 *
 * `SK = HKDF(salt 0^32, 0xFF^32 || DH(IDd_a, SPK_b) || DH(EK_a, IDd_b) || DH(EK_a, SPK_b) [|| DH(EK_a, OPK_b)],
 * label("x3dh"))`;
 * `AD = SHA-256(label("x3dh ad") || lv_cat(suite, id_a, id_b, SPK_b, OPK_b or empty, EK_a, spk id 4, opk id 4))`;
 * `session id = first 16 bytes of SHA-256(label("session") || lv_cat(AD))`. Without a one-time prekey its id is 0.
 * Nothing here changes a state: what a first message proves shows only when its tag verifies under SK and AD.
 * @module
 */

import { AuthError, DecodeError } from "../bytes/errors.ts";
import { ByteReader } from "../bytes/reader.ts";
import { type Bytes, concat, label, lv, lvCat, u32be, u8 } from "../bytes/writer.ts";
import { assertDhPublicKey, dh, DH_BYTES, type DhKeyPair, generateDhKeyPair } from "../crypto/dh.ts";
import { sha256 } from "../crypto/hash.ts";
import { hkdf } from "../crypto/kdf.ts";
import { type RandomBytes, secureRandom } from "../crypto/random.ts";
import type { BundleOwner, VerifiedBundle } from "./bundle.ts";
import { type Certificate, CERTIFICATE_MAX_BYTES, verifyCertificate } from "./certificate.ts";
import { findOneTimePrekey, findSignedPrekey, type PrekeyStore } from "./prekeys.ts";
import { suiteField } from "./signed.ts";

/** Bytes of a session id. */
export const SESSION_ID_BYTES = 16;

const SECRET_BYTES = 32;
/** Keeps the input apart from any that X25519 keys alone could give (X3DH §2.2, "F"). */
const X3DH_PREFIX = new Uint8Array(32).fill(0xff);
const X3DH_SALT = new Uint8Array(32);

/** What both sides end up with. */
export interface X3dhResult {
  /** `SK`, 32 bytes, secret: the first root key. */
  readonly sharedKey: Bytes;
  /** `AD`, 32 bytes: binds every message to both identities and all keys of the agreement. */
  readonly ad: Bytes;
  /** 16 bytes, public. */
  readonly sessionId: Bytes;
}

/** What the header of a first message says. */
export interface X3dhHeader {
  /** The initiator's certificate, not verified yet. */
  readonly certificateBytes: Bytes;
  /** `EK_a`, 32 bytes. */
  readonly ephemeralPublic: Bytes;
  /** Which signed prekey of ours was used. */
  readonly signedPrekeyId: number;
  /** Which one-time prekey of ours was used, if any. */
  readonly oneTimePrekeyId: number | undefined;
}

/** What the responder learns beside the keys. */
export interface X3dhResponse extends X3dhResult {
  /** The initiator, its certificate verified. */
  readonly peer: Certificate;
  /** Our signed prekey pair: the first ratchet key. */
  readonly signedPrekey: DhKeyPair;
}

/** A prekey that a first message names is not here: used, forgotten, or never ours. */
export class UnknownPrekeyError extends AuthError {}

/**
 * Agrees on keys with somebody who may be offline.
 * @param owner the initiator
 * @param bundle the responder's verified keys
 * @param options where `EK_a` comes from
 * @returns the keys, the public `EK_a`, and the header to put before messages until the first answer
 * @throws {AuthError} when a key of the bundle has a small order
 */
export async function x3dhInitiate(
  owner: BundleOwner,
  bundle: VerifiedBundle,
  options: { readonly random?: RandomBytes } = {},
): Promise<X3dhResult & { readonly ephemeralPublic: Bytes; readonly header: Bytes }> {
  const { signedPrekey, oneTimePrekey, certificate } = bundle;
  const ephemeral = await generateDhKeyPair(options.random ?? secureRandom);
  const secrets = [
    await dh(owner.identity.dh, signedPrekey.publicBytes),
    await dh(ephemeral, certificate.dhPublic),
    await dh(ephemeral, signedPrekey.publicBytes),
  ];
  if (oneTimePrekey !== undefined) secrets.push(await dh(ephemeral, oneTimePrekey.publicBytes));
  const result = await finish(secrets, {
    initiatorId: owner.certificate.id,
    responderId: certificate.id,
    signedPrekeyPublic: signedPrekey.publicBytes,
    oneTimePrekeyPublic: oneTimePrekey?.publicBytes,
    ephemeralPublic: ephemeral.publicBytes,
    signedPrekeyId: signedPrekey.id,
    oneTimePrekeyId: oneTimePrekey?.id,
  });
  const header = encodeX3dhHeader({
    certificateBytes: owner.certificate.encoded,
    ephemeralPublic: ephemeral.publicBytes,
    signedPrekeyId: signedPrekey.id,
    oneTimePrekeyId: oneTimePrekey?.id,
  });
  return { ...result, ephemeralPublic: ephemeral.publicBytes, header };
}

/**
 * Finishes an agreement that somebody else began; uses no prekey up.
 * @param owner the responder
 * @param store the responder's prekeys
 * @param header from the first message
 * @returns the keys and who began; believed only when the message's tag verifies
 * @throws {DecodeError} when the certificate is malformed
 * @throws {UnknownPrekeyError} when a prekey is not here any more
 * @throws {AuthError} when the certificate or a key is bad
 */
export async function x3dhRespond(owner: BundleOwner, store: PrekeyStore, header: X3dhHeader): Promise<X3dhResponse> {
  const { ephemeralPublic, signedPrekeyId, oneTimePrekeyId } = header;
  const signedPrekey = findSignedPrekey(store, signedPrekeyId)?.pair;
  if (signedPrekey === undefined) throw new UnknownPrekeyError("Cannot respond: the signed prekey is not here");
  const oneTime = oneTimePrekeyId === undefined ? undefined : findOneTimePrekey(store, oneTimePrekeyId)?.pair;
  if (oneTimePrekeyId !== undefined && oneTime === undefined) {
    throw new UnknownPrekeyError("Cannot respond: the one-time prekey is not here");
  }
  const peer = await verifyCertificate(header.certificateBytes);
  const secrets = [
    await dh(signedPrekey, peer.dhPublic),
    await dh(owner.identity.dh, ephemeralPublic),
    await dh(signedPrekey, ephemeralPublic),
  ];
  if (oneTime !== undefined) secrets.push(await dh(oneTime, ephemeralPublic));
  const result = await finish(secrets, {
    initiatorId: peer.id,
    responderId: owner.certificate.id,
    signedPrekeyPublic: signedPrekey.publicBytes,
    oneTimePrekeyPublic: oneTime?.publicBytes,
    ephemeralPublic,
    signedPrekeyId,
    oneTimePrekeyId,
  });
  return { ...result, peer, signedPrekey };
}

/**
 * Encodes the header of a first message.
 * @param header its fields
 * @returns the header
 */
export function encodeX3dhHeader(header: X3dhHeader): Bytes {
  const { oneTimePrekeyId } = header;
  return concat(
    lv(header.certificateBytes),
    header.ephemeralPublic,
    u32be(header.signedPrekeyId),
    u8(oneTimePrekeyId === undefined ? 0 : 1),
    u32be(oneTimePrekeyId ?? 0),
  );
}

/**
 * Takes the header of a first message; the certificate in it is cut out, not verified.
 * @param reader stands before the header
 * @returns its fields
 * @throws {DecodeError} when it is malformed
 * @throws {AuthError} when `EK_a` has a small order or is not canonical
 */
export function readX3dhHeader(reader: ByteReader): X3dhHeader {
  const certificateBytes = reader.lv(CERTIFICATE_MAX_BYTES);
  const ephemeralPublic = reader.take(DH_BYTES);
  const signedPrekeyId = reader.u32();
  const hasOneTimePrekey = reader.u8();
  const id = reader.u32();
  if (hasOneTimePrekey > 1 || (hasOneTimePrekey === 1) !== (id !== 0)) {
    throw new DecodeError("Cannot decode first message: the one-time prekey is neither there nor absent");
  }
  assertDhPublicKey(ephemeralPublic);
  return { certificateBytes, ephemeralPublic, signedPrekeyId, oneTimePrekeyId: id === 0 ? undefined : id };
}

/** What `AD` names, in its order but for the suite. */
interface AdFields {
  initiatorId: Bytes;
  responderId: Bytes;
  signedPrekeyPublic: Bytes;
  oneTimePrekeyPublic: Bytes | undefined;
  ephemeralPublic: Bytes;
  signedPrekeyId: number;
  oneTimePrekeyId: number | undefined;
}

async function finish(secrets: readonly Bytes[], fields: AdFields): Promise<X3dhResult> {
  const options = { salt: X3DH_SALT, info: label("x3dh"), lengthBytes: SECRET_BYTES };
  const sharedKey = await hkdf(concat(X3DH_PREFIX, ...secrets), options);
  const adFields = lvCat(
    suiteField(),
    fields.initiatorId,
    fields.responderId,
    fields.signedPrekeyPublic,
    fields.oneTimePrekeyPublic ?? new Uint8Array(0),
    fields.ephemeralPublic,
    u32be(fields.signedPrekeyId),
    u32be(fields.oneTimePrekeyId ?? 0),
  );
  const ad = await sha256(concat(label("x3dh ad"), adFields));
  const sessionId = (await sha256(concat(label("session"), lvCat(ad)))).slice(0, SESSION_ID_BYTES);
  return { sharedKey, ad, sessionId };
}
