/**
 * X25519 (RFC 7748). Keys are plain 32-byte strings, so that states made of them can be stored.
 * @module
 */

import { allOf } from "../bytes/all_of.ts";
import { encodeHex } from "@std/encoding/hex";
import { AuthError } from "../bytes/errors.ts";
import { type Bytes, concat } from "../bytes/writer.ts";
import { type RandomBytes, secureRandom } from "./random.ts";

/** Bytes of a public key, of a private key and of a shared secret. */
export const DH_BYTES = 32;

/** A key pair; `privateBytes` is a secret. */
export interface DhKeyPair {
  /** 32 bytes, the u-coordinate. */
  readonly publicBytes: Bytes;
  /** 32 bytes, secret. */
  readonly privateBytes: Bytes;
}

/** The DER that stands in front of the 32 private bytes in a PKCS #8 key (RFC 8410 §7, id-X25519). */
const PKCS8_PREFIX = Uint8Array.of(0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 4, 0x22, 4, 0x20);

/**
 * The u-coordinates of small order, little endian: 0, 1, the two of order 8, p - 1 (RFC 7748 §7). Their other
 * spellings are p or more, or have the top bit set, and fall with every spelling that is not canonical.
 */
const SMALL_ORDER_U_HEX: ReadonlySet<string> = new Set([
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
  "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]);

/** The u-coordinate 9 of the base point (RFC 7748 §6.1). */
const BASE_POINT = (() => {
  const point = new Uint8Array(DH_BYTES);
  point[0] = 9;
  return point;
})();

/**
 * Makes a fresh key pair.
 * @param random where the private bytes come from
 * @returns the pair
 */
export function generateDhKeyPair(random: RandomBytes = secureRandom): Promise<DhKeyPair> {
  return dhKeyPairFrom(random(DH_BYTES));
}

/**
 * Computes the public key of a private key.
 * @param privateBytes exactly 32 bytes
 * @returns the pair
 * @throws {RangeError} when the length is another
 */
export async function dhKeyPairFrom(privateBytes: Bytes): Promise<DhKeyPair> {
  return { privateBytes, publicBytes: await scalarMult(privateBytes, BASE_POINT) };
}

/**
 * Computes the shared secret of a private and a public key.
 * @param own our pair
 * @param peerPublic the peer's public key, exactly 32 bytes
 * @returns 32 bytes, never all zero
 * @throws {AuthError} when the peer's key has another length or a small order (PROTOCOL §0.1, §0.2)
 */
export function dh(own: DhKeyPair, peerPublic: Bytes): Promise<Bytes> {
  return x25519(own.privateBytes, peerPublic);
}

/**
 * Multiplies a point with a scalar: `X25519` of RFC 7748 §5, for protocols whose base point is not 9.
 * @param scalar exactly 32 bytes, secret; clamped as RFC 7748 has it
 * @param point a u-coordinate, exactly 32 bytes; its top bit is ignored and it is reduced modulo p
 * @returns 32 bytes, never all zero
 * @throws {AuthError} when the point has another length or a small order (PROTOCOL §0.1, §0.2)
 * @throws {RangeError} when the scalar has another length
 */
export async function x25519(scalar: Bytes, point: Bytes): Promise<Bytes> {
  if (point.length !== DH_BYTES) {
    throw new AuthError(`Cannot use X25519 public key: it has ${point.length} bytes, not ${DH_BYTES}`);
  }
  let shared: Bytes;
  try {
    shared = await scalarMult(scalar, point);
  } catch (cause) {
    if (cause instanceof RangeError) throw cause;
    throw new AuthError("Cannot use X25519 public key: its order is small", { cause });
  }
  // Runtimes differ in whether they throw here; an all-zero secret must never get further (RFC 7748 §6.1).
  if (shared.every((byte) => byte === 0)) throw new AuthError("Cannot use X25519 public key: its order is small");
  return shared;
}

/**
 * Refuses a public key that no honest party has, before it is signed, stored or hashed into an id: X25519 ignores the
 * top bit and reduces modulo p = 2^255 - 19, so that without this one key would have several spellings and ids.
 * @param publicBytes a claimed X25519 public key
 * @throws {AuthError} when it is not 32 bytes, its order is small or it is not the canonical spelling
 */
export function assertDhPublicKey(publicBytes: Bytes): void {
  if (publicBytes.length !== DH_BYTES) {
    throw new AuthError(`Cannot use X25519 public key: it has ${publicBytes.length} bytes, not ${DH_BYTES}`);
  }
  if (!isBelowP(publicBytes)) throw new AuthError("Cannot use X25519 public key: its spelling is not canonical");
  if (SMALL_ORDER_U_HEX.has(encodeHex(publicBytes))) {
    throw new AuthError("Cannot use X25519 public key: its order is small");
  }
}

function isBelowP(publicBytes: Bytes): boolean {
  const top = publicBytes[DH_BYTES - 1] as number;
  if (top !== 0x7f) return top < 0x7f;
  return publicBytes.subarray(1, DH_BYTES - 1).some((byte) => byte !== 0xff) || (publicBytes[0] as number) < 0xed;
}

async function scalarMult(privateBytes: Bytes, publicBytes: Bytes): Promise<Bytes> {
  if (privateBytes.length !== DH_BYTES) {
    throw new RangeError(`Cannot use X25519 private key: it has ${privateBytes.length} bytes, not ${DH_BYTES}`);
  }
  const algorithm = { name: "X25519" };
  const [privateKey, publicKey] = await allOf([
    crypto.subtle.importKey("pkcs8", concat(PKCS8_PREFIX, privateBytes), algorithm, false, ["deriveBits"]),
    crypto.subtle.importKey("raw", publicBytes, algorithm, false, []),
  ]) as [CryptoKey, CryptoKey];
  return new Uint8Array(await crypto.subtle.deriveBits({ name: "X25519", public: publicKey }, privateKey, 256));
}
