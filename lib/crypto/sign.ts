/**
 * Ed25519 (RFC 8032). Small-order public keys are refused before import: `crypto.subtle` accepts them, and under one
 * of them a single signature fits every message (PROTOCOL §0.2).
 * @module
 */

import { decodeBase64Url } from "@std/encoding/base64url";
import { encodeHex } from "@std/encoding/hex";
import { AuthError } from "../bytes/errors.ts";
import { type Bytes, concat } from "../bytes/writer.ts";
import { type RandomBytes, secureRandom } from "./random.ts";

/** Bytes of a public key and of a private key (its seed). */
export const SIGN_KEY_BYTES = 32;
/** Bytes of a signature. */
export const SIGNATURE_BYTES = 64;

/** A signing key pair; `privateBytes` is a secret. */
export interface SignKeyPair {
  /** 32 bytes, the encoded point. */
  readonly publicBytes: Bytes;
  /** 32 bytes, the seed, secret. */
  readonly privateBytes: Bytes;
}

/** Imported private keys by their pairs, which never change: whoever signs every message would import as often. */
const IMPORTED = new WeakMap<SignKeyPair, CryptoKey>();

/** The DER that stands in front of the 32-byte seed in a PKCS #8 key (RFC 8410 §7, id-Ed25519). */
const PKCS8_PREFIX = Uint8Array.of(0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20);

/**
 * The y-coordinates of the eight points of small order and their two non-canonical spellings (p and p + 1), little
 * endian, sign bit clear: 0, 1, p - 1, the two of order 8, p, p + 1.
 */
const SMALL_ORDER_Y_HEX: ReadonlySet<string> = new Set([
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]);

/**
 * Makes a fresh key pair.
 * @param random where the seed comes from
 * @returns the pair
 */
export function generateSignKeyPair(random: RandomBytes = secureRandom): Promise<SignKeyPair> {
  return signKeyPairFrom(random(SIGN_KEY_BYTES));
}

/**
 * Computes the public key of a seed.
 * @param privateBytes exactly 32 bytes
 * @returns the pair
 * @throws {RangeError} when the length is another
 */
export async function signKeyPairFrom(privateBytes: Bytes): Promise<SignKeyPair> {
  const key = await importPrivate(privateBytes, true);
  const { x } = await crypto.subtle.exportKey("jwk", key);
  if (x === undefined) throw new TypeError("Cannot derive Ed25519 public key: the runtime exports none");
  return { privateBytes, publicBytes: decodeBase64Url(x) };
}

/**
 * Signs a message.
 * @param own our pair
 * @param message any length
 * @returns 64 bytes
 */
export async function sign(own: SignKeyPair, message: Bytes): Promise<Bytes> {
  const key = IMPORTED.get(own) ?? await importPrivate(own.privateBytes, false);
  IMPORTED.set(own, key);
  return new Uint8Array(await crypto.subtle.sign("Ed25519", key, message));
}

/**
 * Checks a signature.
 * @param publicBytes the signer's public key
 * @param message what was signed
 * @param signature what is claimed to be its signature
 * @throws {AuthError} when the key or the signature has a wrong length, the key has a small order, or the signature
 * does not fit
 */
export async function verify(publicBytes: Bytes, message: Bytes, signature: Bytes): Promise<void> {
  await signatureCheck(publicBytes)(message, signature);
}

/** Checks signatures of one signer; throws as {@linkcode verify} does. */
export type SignatureCheck = (message: Bytes, signature: Bytes) => Promise<void>;

/**
 * Makes what checks the signatures of one signer, whose key is then imported once.
 * @param publicBytes the signer's public key; copied before this returns
 * @returns the check; it throws what is wrong with the key as well, each time
 */
export function signatureCheck(publicBytes: Bytes): SignatureCheck {
  const own = publicBytes.slice();
  let imported: Promise<CryptoKey> | undefined;
  return async (message, signature) => {
    if (imported === undefined) assertSignPublicKey(own);
    if (signature.length !== SIGNATURE_BYTES) {
      throw new AuthError(`Cannot verify: the signature has ${signature.length} bytes, not ${SIGNATURE_BYTES}`);
    }
    const key = await (imported ??= importPublic(own));
    if (!await crypto.subtle.verify("Ed25519", key, signature, message)) {
      throw new AuthError("Cannot verify: the signature does not fit");
    }
  };
}

/**
 * Refuses a public key that no honest party has, before anything imports it.
 * @param publicBytes a claimed Ed25519 public key
 * @throws {AuthError} when it is not 32 bytes, its order is small, or its spelling is not canonical
 */
export function assertSignPublicKey(publicBytes: Bytes): void {
  if (publicBytes.length !== SIGN_KEY_BYTES) {
    throw new AuthError(`Cannot use Ed25519 public key: it has ${publicBytes.length} bytes, not ${SIGN_KEY_BYTES}`);
  }
  const y = publicBytes.slice();
  y[SIGN_KEY_BYTES - 1] = (y[SIGN_KEY_BYTES - 1] as number) & 0x7f; // the sign of x does not change the order
  if (SMALL_ORDER_Y_HEX.has(encodeHex(y))) throw new AuthError("Cannot use Ed25519 public key: its order is small");
  // 2^255 - 19 and above is a second spelling of a smaller y: one key would have two fingerprints.
  const isAboveField = (y[0] as number) >= 0xed && y[31] === 0x7f && y.subarray(1, 31).every((byte) => byte === 0xff);
  if (isAboveField) throw new AuthError("Cannot use Ed25519 public key: it is not canonical");
}

async function importPublic(publicBytes: Bytes): Promise<CryptoKey> {
  try {
    return await crypto.subtle.importKey("raw", publicBytes, { name: "Ed25519" }, false, ["verify"]);
  } catch (cause) {
    throw new AuthError("Cannot verify: the public key is not a point", { cause });
  }
}

async function importPrivate(privateBytes: Bytes, extractable: boolean): Promise<CryptoKey> {
  if (privateBytes.length !== SIGN_KEY_BYTES) {
    throw new RangeError(`Cannot use Ed25519 private key: it has ${privateBytes.length} bytes, not ${SIGN_KEY_BYTES}`);
  }
  return await crypto.subtle.importKey("pkcs8", concat(PKCS8_PREFIX, privateBytes), { name: "Ed25519" }, extractable, [
    "sign",
  ]);
}
