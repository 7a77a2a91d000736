/**
 * An identity that travels in a file of its own, to another machine or into a safe: the key file as it is, or the key
 * file under a passphrase (PROTOCOL §7). Does no I/O; who writes the file gives it mode 0600.
 *
 * ```
 * plain      the key file 146, see identity.ts
 * protected  magic "SOTTOEXP" 8 | version 1 | wrap 182 | sealed 320 | sum 32
 * ```
 *
 * where `wrap` is a fresh data key under a passphrase as data_key.ts encodes it, iterations and salt included,
 * `sealed = seal(data key, key file)` with `aad = label("identity export") || everything before it`, and
 * `sum = SHA-256(label("identity export file") || everything before it)`. The sum tells a damaged file from a wrong
 * passphrase; it authenticates nothing, the seal does.
 * @module
 */

import { equalBytes } from "../bytes/equal.ts";
import { AuthError, DecodeError } from "../bytes/errors.ts";
import { ByteReader } from "../bytes/reader.ts";
import { type Bytes, concat, label, u8, utf8 } from "../bytes/writer.ts";
import { sha256, SHA256_BYTES } from "../crypto/hash.ts";
import { secureRandom } from "../crypto/random.ts";
import {
  DATA_KEY_BYTES,
  type DataKeyWrap,
  decodeWrap,
  encodeWrap,
  unwrapDataKey,
  wrapDataKey,
  type WrapOptions,
} from "./data_key.ts";
import { decodeIdentity, encodeIdentity, type Identity } from "./identity.ts";
import { open, seal } from "./seal.ts";

/** An identity that only its passphrase opens; it may lie in the open, as far as the passphrase is good. */
export interface ProtectedIdentity {
  /** The data key of this file, under the passphrase. */
  readonly wrap: Extract<DataKeyWrap, { kind: "passphrase" }>;
  /** The key file under that data key, 320 bytes. */
  readonly sealed: Bytes;
}

/** What a file with an identity holds. */
export type ExportedIdentity =
  /** The identity itself: whoever reads the file can be it. */
  | { readonly kind: "plain"; readonly identity: Identity }
  /** The identity under a passphrase. */
  | { readonly kind: "protected"; readonly protectedIdentity: ProtectedIdentity };

/** Bytes of every protected file of this version. */
export const PROTECTED_IDENTITY_BYTES = 543;

const MAGIC = utf8("SOTTOEXP");
const VERSION = 1;
const WRAP_BYTES = 182;
/** A padded key file, salt, commitment and tag. */
const SEALED_BYTES = 320;

/**
 * Puts an identity under a passphrase.
 * @param identity the identity
 * @param passphrase what `encodePassphrase()` gave
 * @param options where the data key and the salts come from
 * @returns what only the passphrase opens
 * @throws {RangeError} when the passphrase is not 1 to 1,024 bytes
 */
export async function protectIdentity(
  identity: Identity,
  passphrase: Bytes,
  options: WrapOptions = {},
): Promise<ProtectedIdentity> {
  const { random = secureRandom } = options;
  const dataKey = random(DATA_KEY_BYTES);
  const wrap = await wrapDataKey(dataKey, { kind: "passphrase", passphrase }, options);
  if (wrap.kind !== "passphrase") throw new TypeError("Cannot protect identity: the wrap is of another kind");
  const sealed = await seal(dataKey, await encodeIdentity(identity), { aad: aadOf(await encodeWrap(wrap)), random });
  return { wrap, sealed };
}

/**
 * Opens a protected identity.
 * @param protectedIdentity what {@linkcode protectIdentity} gave
 * @param passphrase what `encodePassphrase()` gave
 * @returns the identity
 * @throws {AuthError} when the passphrase is wrong
 * @throws {DecodeError} when the passphrase is right and what it protects is no identity, or belongs to another file
 * @throws {RangeError} when the passphrase is not 1 to 1,024 bytes
 */
export async function openProtectedIdentity(
  { wrap, sealed }: ProtectedIdentity,
  passphrase: Bytes,
): Promise<Identity> {
  const dataKey = await unwrapDataKey(wrap, { kind: "passphrase", passphrase });
  const aad = aadOf(await encodeWrap(wrap));
  let keyFile: Bytes;
  try {
    keyFile = await open(dataKey, sealed, { aad });
  } catch (cause) {
    if (!(cause instanceof AuthError)) throw cause;
    // The passphrase has just opened the wrap: what does not fit now is the rest of the file.
    throw new DecodeError("Cannot decode identity export: it is damaged or forged", { cause });
  }
  return await decodeIdentity(keyFile);
}

/**
 * Encodes a file with an identity.
 * @param exported the identity, plain or protected
 * @returns 146 secret bytes when it is plain, 543 when it is protected
 */
export async function encodeExportedIdentity(exported: ExportedIdentity): Promise<Bytes> {
  if (exported.kind === "plain") return await encodeIdentity(exported.identity);
  const { wrap, sealed } = exported.protectedIdentity;
  const body = concat(headOf(await encodeWrap(wrap)), sealed);
  return concat(body, await sumOf(body));
}

/**
 * Decodes a file with an identity, of either kind.
 * @param bytes the whole file
 * @returns the identity, or what a passphrase opens
 * @throws {DecodeError} when it is neither, of another version, or damaged; the message says which
 */
export async function decodeExportedIdentity(bytes: Bytes): Promise<ExportedIdentity> {
  const isProtected = bytes.length >= MAGIC.length && equalBytes(bytes.subarray(0, MAGIC.length), MAGIC);
  return isProtected
    ? { kind: "protected", protectedIdentity: await decodeProtected(bytes) }
    : { kind: "plain", identity: await decodeIdentity(bytes) };
}

async function decodeProtected(bytes: Bytes): Promise<ProtectedIdentity> {
  // Before the sum: a later version may lay it out otherwise, and shall be told as what it is.
  const version = bytes[MAGIC.length];
  if (version !== undefined && version !== VERSION) {
    throw new DecodeError(`Cannot decode identity export: version ${version} is unknown`);
  }
  const body = bytes.slice(0, PROTECTED_IDENTITY_BYTES - SHA256_BYTES);
  const isWhole = bytes.length === PROTECTED_IDENTITY_BYTES &&
    equalBytes(await sumOf(body), bytes.subarray(body.length));
  if (!isWhole) throw new DecodeError("Cannot decode identity export: it is damaged");

  const reader = new ByteReader(body.subarray(MAGIC.length + 1), "identity export");
  const wrap = await decodeWrap(reader.take(WRAP_BYTES));
  const sealed = reader.take(SEALED_BYTES);
  reader.end();
  if (wrap.kind !== "passphrase") {
    throw new DecodeError("Cannot decode identity export: it is under no passphrase");
  }
  return { wrap, sealed };
}

function headOf(encodedWrap: Bytes): Bytes {
  return concat(MAGIC, u8(VERSION), encodedWrap);
}

function aadOf(encodedWrap: Bytes): Bytes {
  return concat(label("identity export"), headOf(encodedWrap));
}

function sumOf(body: Bytes): Promise<Bytes> {
  return sha256(concat(label("identity export file"), body));
}
