/**
 * The data key, under which everything at rest is sealed, and its wrap: the data key sealed under a passphrase, or under
 * the key of a key file (PROTOCOL §7). Changing the passphrase makes a new wrap of the same data key. Does no I/O.
 *
 * ```
 * wrap      version 1 | kind 1 = 1 | iterations 4 | salt 16 | sealed 128 | sum 32      a passphrase
 *           version 1 | kind 1 = 2 |                          sealed 128 | sum 32      a key file
 * key file  magic "SOTTODKF" 8 | version 1 | key 32 | sum 32
 * ```
 *
 * where `sealed = seal(K, data key)` with `aad = label("data key") || everything before it`, and `K` is
 * PBKDF2-SHA256(passphrase, salt, iterations) or the key of the key file. `seal` commits to its key, so that no wrap
 * opens under two passphrases. `sum = SHA-256(label(…) || everything before it)` tells a damaged record from a wrong
 * passphrase; it authenticates nothing.
 * @module
 */

import { equalBytes } from "../bytes/equal.ts";
import { AuthError, DecodeError } from "../bytes/errors.ts";
import { ByteReader } from "../bytes/reader.ts";
import { type Bytes, concat, label, type LabelUse, u32be, u8, utf8 } from "../bytes/writer.ts";
import { sha256, SHA256_BYTES } from "../crypto/hash.ts";
import { pbkdf2Sha256 } from "../crypto/pbkdf2.ts";
import { type RandomBytes, secureRandom } from "../crypto/random.ts";
import { open, seal } from "./seal.ts";

/** What a data key is wrapped under. */
export type WrapSecret =
  /** What {@linkcode encodePassphrase} gave. */
  | { readonly kind: "passphrase"; readonly passphrase: Bytes }
  /** The 32 bytes of a key file. */
  | { readonly kind: "keyFile"; readonly key: Bytes };

/** A data key that only the right secret opens. */
export type DataKeyWrap =
  | {
    readonly kind: "passphrase";
    /** Iterations of PBKDF2. */
    readonly iterations: number;
    /** 16 bytes. */
    readonly salt: Bytes;
    /** 128 bytes. */
    readonly sealed: Bytes;
  }
  | {
    readonly kind: "keyFile";
    /** 128 bytes. */
    readonly sealed: Bytes;
  };

/** How a data key is wrapped. */
export interface WrapOptions {
  /** Where salts come from; fixed only in tests. */
  readonly random?: RandomBytes;
  /** Fewer iterations, for tests that cannot wait; never below `ITERATIONS_MIN`, or nobody could read the wrap. */
  readonly testOnlyIterations?: number;
}

/** Bytes of a data key, and of the key in a key file. */
export const DATA_KEY_BYTES = 32;
/** The longest passphrase, in UTF-8; nobody types more. */
export const PASSPHRASE_MAX_BYTES = 1_024;
/** What one guess costs: some tenths of a second for us, and for a thief at every try. */
export const ITERATIONS = 1_000_000;
/** Below it, whoever wrote the wrap wants guessing to be cheap. */
export const ITERATIONS_MIN = 100_000;
/** Above it, opening would take seconds to minutes: a wrap that somebody made to hang us. */
export const ITERATIONS_MAX = 10_000_000;
/** Bytes of every key file of this version. */
export const DATA_KEY_FILE_BYTES = 73;

const VERSION = 1;
const KIND_PASSPHRASE = 1;
const KIND_KEY_FILE = 2;
const SALT_BYTES = 16;
/** A padded 32-byte key, salt, commitment and tag. */
const SEALED_BYTES = 128;
const KEY_FILE_MAGIC = utf8("SOTTODKF");

/**
 * Turns a passphrase into the bytes that are hashed: UTF-8 of its NFC form, so that the same letters typed on another
 * system are the same passphrase.
 * @param text the passphrase as typed
 * @returns 1 to 1,024 bytes, secret
 * @throws {RangeError} when it is empty or longer
 */
export function encodePassphrase(text: string): Bytes {
  const bytes = utf8(text.normalize("NFC"));
  assertPassphrase(bytes);
  return bytes;
}

/**
 * Wraps a data key.
 * @param dataKey 32 bytes, secret
 * @param secret what it is wrapped under
 * @param options where salts come from
 * @returns the wrap; it may be stored in the open
 * @throws {RangeError} when a key has another length or the passphrase is not 1 to 1,024 bytes
 */
export async function wrapDataKey(dataKey: Bytes, secret: WrapSecret, options: WrapOptions = {}): Promise<DataKeyWrap> {
  assertKey(dataKey);
  const { random = secureRandom, testOnlyIterations: iterations = ITERATIONS } = options;
  const head = secret.kind === "passphrase"
    ? { kind: secret.kind, iterations, salt: random(SALT_BYTES) }
    : { kind: secret.kind };
  const sealed = await seal(await wrappingKey(head, secret), dataKey, { aad: aadOf(head), random });
  return { ...head, sealed };
}

/**
 * Opens a wrap.
 * @param wrap the wrap
 * @param secret what it was wrapped under
 * @returns the data key, 32 bytes
 * @throws {AuthError} when the passphrase or the key is not the one
 * @throws {RangeError} when a key has another length or the passphrase is not 1 to 1,024 bytes
 */
export async function unwrapDataKey(wrap: DataKeyWrap, secret: WrapSecret): Promise<Bytes> {
  if (wrap.kind !== secret.kind) throw new AuthError("Cannot unwrap: the data key is under a secret of another kind");
  const dataKey = await open(await wrappingKey(wrap, secret), wrap.sealed, { aad: aadOf(wrap) });
  if (dataKey.length !== DATA_KEY_BYTES) throw new AuthError("Cannot unwrap: what was wrapped is not a data key");
  return dataKey;
}

/**
 * Encodes a wrap.
 * @param wrap the wrap
 * @returns 182 bytes for a passphrase, 162 for a key file
 */
export async function encodeWrap(wrap: DataKeyWrap): Promise<Bytes> {
  const body = concat(encodeHead(wrap), wrap.sealed);
  return concat(body, await sumOf("data key wrap", body));
}

/**
 * Decodes a wrap.
 * @param bytes what {@linkcode encodeWrap} gave
 * @returns the wrap
 * @throws {DecodeError} when it is damaged, of another version, or its iterations are out of bounds
 */
export async function decodeWrap(bytes: Bytes): Promise<DataKeyWrap> {
  // Before the sum: a later version may lay it out otherwise, and shall be told as what it is.
  assertVersion(bytes[0], "data key wrap");
  const reader = new ByteReader(await withoutSum("data key wrap", bytes), "data key wrap");
  reader.u8();
  const kind = reader.u8();
  if (kind === KIND_KEY_FILE) return ended(reader, { kind: "keyFile", sealed: reader.take(SEALED_BYTES) });
  if (kind !== KIND_PASSPHRASE) throw new DecodeError(`Cannot decode data key wrap: kind ${kind} is unknown`);
  const iterations = reader.u32();
  if (iterations < ITERATIONS_MIN || iterations > ITERATIONS_MAX) {
    throw new DecodeError(
      `Cannot decode data key wrap: ${iterations} iterations is not ${ITERATIONS_MIN} to ${ITERATIONS_MAX}`,
    );
  }
  const salt = reader.take(SALT_BYTES);
  return ended(reader, { kind: "passphrase", iterations, salt, sealed: reader.take(SEALED_BYTES) });
}

/**
 * Encodes a key file.
 * @param key 32 bytes, secret
 * @returns 73 secret bytes
 * @throws {RangeError} when the key has another length
 */
export async function encodeKeyFile(key: Bytes): Promise<Bytes> {
  assertKey(key);
  const body = concat(KEY_FILE_MAGIC, u8(VERSION), key);
  return concat(body, await sumOf("data key file", body));
}

/**
 * Decodes a key file.
 * @param bytes the whole file
 * @returns its 32 bytes of key
 * @throws {DecodeError} when it is not such a file, of another version, or damaged
 */
export async function decodeKeyFile(bytes: Bytes): Promise<Bytes> {
  const magicBytes = KEY_FILE_MAGIC.length;
  if (bytes.length < magicBytes || !equalBytes(bytes.subarray(0, magicBytes), KEY_FILE_MAGIC)) {
    throw new DecodeError("Cannot decode key file: it is not a data key file of Sotto");
  }
  assertVersion(bytes[magicBytes], "key file");
  const reader = new ByteReader(await withoutSum("data key file", bytes), "key file");
  reader.take(magicBytes + 1);
  return ended(reader, reader.take(DATA_KEY_BYTES));
}

/** A wrap without what is sealed in it. */
type WrapHead =
  | { readonly kind: "passphrase"; readonly iterations: number; readonly salt: Bytes }
  | { readonly kind: "keyFile" };

function encodeHead(head: WrapHead): Bytes {
  return head.kind === "passphrase"
    ? concat(u8(VERSION), u8(KIND_PASSPHRASE), u32be(head.iterations), head.salt)
    : concat(u8(VERSION), u8(KIND_KEY_FILE));
}

function aadOf(head: WrapHead): Bytes {
  return concat(label("data key"), encodeHead(head));
}

async function wrappingKey(head: WrapHead, secret: WrapSecret): Promise<Bytes> {
  if (secret.kind === "keyFile") {
    assertKey(secret.key);
    return secret.key;
  }
  if (head.kind === "keyFile") throw new TypeError("Cannot wrap: a passphrase needs a salt");
  assertPassphrase(secret.passphrase);
  const { salt, iterations } = head;
  return await pbkdf2Sha256(secret.passphrase, { salt, iterations, lengthBytes: DATA_KEY_BYTES });
}

function sumOf(use: LabelUse, body: Bytes): Promise<Bytes> {
  return sha256(concat(label(use), body));
}

async function withoutSum(use: "data key wrap" | "data key file", bytes: Bytes): Promise<Bytes> {
  const body = bytes.slice(0, Math.max(0, bytes.length - SHA256_BYTES));
  if (equalBytes(await sumOf(use, body), bytes.subarray(body.length))) return body;
  throw new DecodeError(`Cannot decode ${use}: it is damaged`);
}

function ended<T>(reader: ByteReader, value: T): T {
  reader.end();
  return value;
}

function assertVersion(version: number | undefined, what: string): void {
  if (version === undefined || version === VERSION) return;
  throw new DecodeError(`Cannot decode ${what}: version ${version} is unknown`);
}

function assertKey(key: Bytes): void {
  if (key.length === DATA_KEY_BYTES) return;
  throw new RangeError(`Cannot use data key: it has ${key.length} bytes, not ${DATA_KEY_BYTES}`);
}

function assertPassphrase(bytes: Bytes): void {
  if (bytes.length >= 1 && bytes.length <= PASSPHRASE_MAX_BYTES) return;
  throw new RangeError(`Cannot use passphrase: it has ${bytes.length} bytes, not 1 to ${PASSPHRASE_MAX_BYTES}`);
}
