/**
 * CPACE-X25519-SHA512 in the initiator-responder setting (draft-irtf-cfrg-cpace at commit 8fb4056e), in the draft's own
 * words: two who know the same few words agree on a strong key, and who does not know them learns nothing but whether
 * one guess was right.
 *
 * ```
 * A (initiator): PRS, CI, sid, ADa               B (responder): PRS, CI, sid, ADb
 * g = calculate_generator                        g = calculate_generator
 * ya = sample_scalar, Ya = X25519(ya, g)         yb = sample_scalar, Yb = X25519(yb, g)
 *                      Ya, ADa -- -->
 *                      <-- -- Yb, ADb
 * K = X25519(ya, Yb)                             K = X25519(yb, Ya)
 * ISK = SHA-512(lv_cat("CPace255_ISK", sid, K) || transcript_ir)
 * Ta = HMAC-SHA512(mac_key, lv_cat(Ya, ADa))     Tb = HMAC-SHA512(mac_key, lv_cat(Yb, ADb))
 * ```
 *
 * `scalar_mult` and `scalar_mult_vfy` are `x25519` of `crypto/dh.ts`, which refuses what would give the neutral element.
 * `K` must never leave the function that computed it: with it the words can be guessed offline.
 * @module
 */

import { type Bytes, concat, utf8 } from "../bytes/writer.ts";
import { DH_BYTES } from "../crypto/dh.ts";
import { sha512, SHA512_BYTES } from "../crypto/hash.ts";
import { hmacSha512 } from "../crypto/kdf.ts";
import type { RandomBytes } from "../crypto/random.ts";
import { elligator2 } from "./elligator2.ts";

/** Bytes of a share (`Ya`, `Yb`), and of a scalar. */
export const SHARE_BYTES: number = DH_BYTES;
/** Bytes of a key confirmation tag (`Ta`, `Tb`). */
export const CONFIRMATION_BYTES: number = SHA512_BYTES;

/** `s_in_bytes`, the input block of SHA-512. */
const HASH_BLOCK_BYTES = 128;
/** `G.DSI` of G_X25519. */
const DSI = utf8("CPace255");

/** What both parties must bring, byte for byte the same, to agree. */
export interface CpaceInputs {
  /** The password-related string `PRS`, secret. */
  readonly prs: Bytes;
  /** The channel identifier `CI`. */
  readonly ci: Bytes;
  /** The session identifier `sid`, in no other run. */
  readonly sid: Bytes;
}

/** What one party sends. */
export interface CpaceShare {
  /** `Ya` or `Yb`, 32 bytes. */
  readonly y: Bytes;
  /** `ADa` or `ADb`, any length. */
  readonly ad: Bytes;
}

/** The two shares of a run, each in its role. */
export interface CpaceShares {
  /** `Ya, ADa`. */
  readonly initiator: CpaceShare;
  /** `Yb, ADb`. */
  readonly responder: CpaceShare;
}

/**
 * Joins fields as the draft does: its own length prefix, LEB128, not the one of all other structures here.
 * @param fields the fields, in order
 * @returns `prepend_len(a) || prepend_len(b) || …`
 */
export function cpaceLvCat(...fields: readonly Bytes[]): Bytes {
  return concat(...fields.map((field) => concat(leb128(field.length), field)));
}

/**
 * Gives what is hashed to the generator. The zeros fill the first hash block, so that hashing the secret takes the same
 * time whatever its length.
 * @param inputs what both parties know
 * @returns `lv_cat(DSI, PRS, zeros, CI, sid)`
 */
export function generatorString({ prs, ci, sid }: CpaceInputs): Bytes {
  const paddingBytes = HASH_BLOCK_BYTES - 1 - cpaceLvCat(prs).length - cpaceLvCat(DSI).length;
  return cpaceLvCat(DSI, prs, new Uint8Array(Math.max(0, paddingBytes)), ci, sid);
}

/**
 * Computes the generator of a run (`calculate_generator`).
 * @param inputs what both parties know
 * @returns the u-coordinate `g`, 32 bytes, secret
 */
export async function calculateGenerator(inputs: CpaceInputs): Promise<Bytes> {
  return elligator2((await sha512(generatorString(inputs))).slice(0, DH_BYTES));
}

/**
 * Draws a scalar (`sample_scalar`), for one run.
 * @param random where it comes from
 * @returns 32 bytes, secret
 */
export function sampleScalar(random: RandomBytes): Bytes {
  return random(DH_BYTES);
}

/**
 * Gives the transcript of a run (`transcript_ir`).
 * @param shares what was sent
 * @returns `lv_cat(Ya, ADa) || lv_cat(Yb, ADb)`
 */
export function transcriptIr({ initiator, responder }: CpaceShares): Bytes {
  return cpaceLvCat(initiator.y, initiator.ad, responder.y, responder.ad);
}

/**
 * Derives the intermediate session key; not to be used without a further derivation.
 * @param sid the session identifier
 * @param k the shared point `K`, 32 bytes, secret, never neutral
 * @param shares what was sent
 * @returns `ISK`, 64 bytes, secret
 */
export function deriveIsk(sid: Bytes, k: Bytes, shares: CpaceShares): Promise<Bytes> {
  return sha512(concat(cpaceLvCat(concat(DSI, utf8("_ISK")), sid, k), transcriptIr(shares)));
}

/**
 * Computes the public name of a run, which is unique if one of the two is honest.
 * @param shares what was sent
 * @returns `sid_output`, 64 bytes
 */
export function deriveSidOutput(shares: CpaceShares): Promise<Bytes> {
  return sha512(concat(utf8("CPaceSidOutput"), transcriptIr(shares)));
}

/**
 * Computes the tag by which a party proves that it has the key.
 * @param sid the session identifier
 * @param isk `ISK`, 64 bytes, secret
 * @param share what the party that proves has sent
 * @returns `Ta` or `Tb`, 64 bytes; to be compared in constant time
 */
export async function confirmationTag(sid: Bytes, isk: Bytes, share: CpaceShare): Promise<Bytes> {
  const macKey = await sha512(concat(utf8("CPaceMac"), sid, isk));
  return await hmacSha512(macKey, cpaceLvCat(share.y, share.ad));
}

/** Seven bits a byte, lowest first; the top bit says that more follow. */
function leb128(value: number): Bytes {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest);
  return Uint8Array.from(bytes);
}
