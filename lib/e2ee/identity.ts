/**
 * A person-device's long-term keys, and the names that follow from public keys (PROTOCOL 1.2, 3.10). A name is always the
 * whole digest: 32 bytes, or their 52 base32 characters, never a prefix. A key file holds one identity:
 *
 * ```
 * magic "SOTTOKEY" 8 | version 1 | life 1 | created (ms) 8 | IDs private 32 | IDd private 32 | Ns private 32 | sum 32
 * ```
 *
 * `sum` = SHA-256(label("key file") || everything before it): it tells a damaged file from a foreign one, it does not
 * authenticate. Does no I/O; who writes the file gives it mode 0600.
 * @module
 */

import { decodeBase32, encodeBase32 } from "@std/encoding/base32";
import { equalBytes } from "../bytes/equal.ts";
import { DecodeError } from "../bytes/errors.ts";
import { ByteReader } from "../bytes/reader.ts";
import { type Bytes, concat, label, lvCat, u64be, u8, utf8 } from "../bytes/writer.ts";
import { DH_BYTES, type DhKeyPair, dhKeyPairFrom, generateDhKeyPair } from "../crypto/dh.ts";
import { sha256, SHA256_BYTES } from "../crypto/hash.ts";
import { type RandomBytes, secureRandom } from "../crypto/random.ts";
import { generateSignKeyPair, SIGN_KEY_BYTES, type SignKeyPair, signKeyPairFrom } from "../crypto/sign.ts";
import { type Life, lifeFromByte, lifeToByte } from "./life.ts";

/** What people compare and headers carry: base32 of 32 bytes, 52 upper-case characters, no padding. */
export type Fingerprint = string;

/** The long-term keys of one person-device, all secret halves included. */
export interface Identity {
  /** `IDs`, Ed25519: signs certificates, bundles and prekeys. */
  readonly sign: SignKeyPair;
  /** `IDd`, X25519: for X3DH alone. */
  readonly dh: DhKeyPair;
  /** `Ns`, X25519: for Noise alone. */
  readonly noise: DhKeyPair;
  /** Whether it is forgotten at exit. */
  readonly life: Life;
  /** When it was made, in milliseconds since 1970 (UTC). */
  readonly createdMs: number;
}

/** What a new identity needs. */
export interface GenerateIdentityOptions {
  /** Whether it is to be forgotten at exit. */
  readonly life: Life;
  /** The time now, in milliseconds since 1970 (UTC). */
  readonly nowMs: number;
  /** Where keys come from. */
  readonly random?: RandomBytes;
}

/** Bytes of every key file of this version. */
export const KEY_FILE_BYTES = 146;

const KEY_FILE_MAGIC = utf8("SOTTOKEY");
const KEY_FILE_VERSION = 1;
/** Characters of a fingerprint: 256 bits, five a character, so that the last one carries a single bit. */
const FINGERPRINT_PATTERN = /^[A-Z2-7]{51}[AQ]$/;

/**
 * Makes a new identity.
 * @param options its life and the time; `random` fixes the keys in tests
 * @returns three fresh pairs
 */
export async function generateIdentity(options: GenerateIdentityOptions): Promise<Identity> {
  const { life, nowMs, random = secureRandom } = options;
  const sign = await generateSignKeyPair(random);
  const dh = await generateDhKeyPair(random);
  const noise = await generateDhKeyPair(random);
  return { sign, dh, noise, life, createdMs: nowMs };
}

/**
 * Encodes an identity for its key file.
 * @param identity the identity
 * @returns 146 secret bytes
 */
export async function encodeIdentity(identity: Identity): Promise<Bytes> {
  const body = concat(
    KEY_FILE_MAGIC,
    u8(KEY_FILE_VERSION),
    u8(lifeToByte(identity.life)),
    u64be(identity.createdMs),
    identity.sign.privateBytes,
    identity.dh.privateBytes,
    identity.noise.privateBytes,
  );
  return concat(body, await checkSum(body));
}

/**
 * Decodes a key file.
 * @param bytes the whole file
 * @returns the identity, its public keys computed anew
 * @throws {DecodeError} when it is not a key file of Sotto, of another version, or damaged; the message says which
 */
export async function decodeIdentity(bytes: Bytes): Promise<Identity> {
  if (bytes.length < KEY_FILE_MAGIC.length || !equalBytes(bytes.subarray(0, KEY_FILE_MAGIC.length), KEY_FILE_MAGIC)) {
    throw new DecodeError("Cannot decode key file: it is not a key file of Sotto");
  }
  const version = bytes[KEY_FILE_MAGIC.length];
  if (version !== undefined && version !== KEY_FILE_VERSION) {
    throw new DecodeError(`Cannot decode key file: version ${version} is unknown`);
  }
  const split = KEY_FILE_BYTES - SHA256_BYTES;
  const isWhole = bytes.length === KEY_FILE_BYTES &&
    equalBytes(await checkSum(bytes.subarray(0, split)), bytes.subarray(split));
  if (!isWhole) throw new DecodeError("Cannot decode key file: it is damaged");

  const reader = new ByteReader(bytes.subarray(KEY_FILE_MAGIC.length + 1, split), "key file");
  const life = lifeFromByte(reader.u8());
  const createdMs = reader.u64();
  const sign = await signKeyPairFrom(reader.take(SIGN_KEY_BYTES));
  const dh = await dhKeyPairFrom(reader.take(DH_BYTES));
  const noise = await dhKeyPairFrom(reader.take(DH_BYTES));
  reader.end();
  return { sign, dh, noise, life, createdMs };
}

/**
 * Computes the id of an identity: SHA-256(label("id") || lv_cat(IDs, IDd)).
 * @param signPublic `IDs`, 32 bytes
 * @param dhPublic `IDd`, 32 bytes
 * @returns 32 bytes
 */
export function identityId(signPublic: Bytes, dhPublic: Bytes): Promise<Bytes> {
  return sha256(concat(label("id"), lvCat(signPublic, dhPublic)));
}

/**
 * Spells an id for people and headers.
 * @param id 32 bytes
 * @returns 52 characters
 * @throws {RangeError} when the id has another length
 */
export function fingerprintOf(id: Bytes): Fingerprint {
  if (id.length !== SHA256_BYTES) {
    throw new RangeError(`Cannot spell fingerprint: the id has ${id.length} bytes, not ${SHA256_BYTES}`);
  }
  return encodeBase32(id).replace(/=+$/, "");
}

/**
 * Reads a fingerprint back.
 * @param fingerprint 52 characters of upper-case base32
 * @returns the 32 bytes of the id
 * @throws {DecodeError} when it is anything else
 */
export function idOf(fingerprint: Fingerprint): Bytes {
  if (!FINGERPRINT_PATTERN.test(fingerprint)) {
    throw new DecodeError("Cannot decode fingerprint: it is not 52 characters of base32");
  }
  return decodeBase32(`${fingerprint}====`);
}

/**
 * Computes the fingerprint of a relay: SHA-256(label("relay") || lv_cat(static key)).
 * @param staticPublic its Noise static key, 32 bytes
 * @returns 52 characters
 */
export async function relayFingerprint(staticPublic: Bytes): Promise<Fingerprint> {
  return fingerprintOf(await sha256(concat(label("relay"), lvCat(staticPublic))));
}

/**
 * Computes the id of an open room: SHA-256(label("open room") || lv_cat(relay key, folded name)), so that a room of the
 * same name on another relay is another room.
 * @param relayPublic the relay's Noise static key, 32 bytes
 * @param foldedName the name as it compares, without `#`
 * @returns 32 bytes
 */
export function openRoomId(relayPublic: Bytes, foldedName: string): Promise<Bytes> {
  return sha256(concat(label("open room"), lvCat(relayPublic, utf8(foldedName))));
}

function checkSum(body: Bytes): Promise<Bytes> {
  return sha256(concat(label("key file"), body));
}
