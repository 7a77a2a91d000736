/**
 * Signal's Double Ratchet (revision 3) with the key derivations of PROTOCOL §3:
 * `rk' || ck = HKDF(salt rk, dh, label("root"))`, `mk = HMAC(ck, 1)`, `ck' = HMAC(ck, 2)`. A message is
 *
 * ```
 * session id 16 | ratchet public 32 | pn 4 | n 4 | sealed (see seal.ts)
 * ```
 *
 * its header being the first 56 bytes, and the additional data `AD || header`. The state is plain data. Both functions
 * return a new state and never change the old one; keep the new one before anything leaves, and run them one at a time
 * (PROTOCOL §0.4): two overlapping calls on one state would give two messages one number.
 * @module
 */

import { equalBytes } from "../bytes/equal.ts";
import { AuthError, ProtocolError } from "../bytes/errors.ts";
import { type Bytes, concat, label } from "../bytes/writer.ts";
import { dh, type DhKeyPair, generateDhKeyPair } from "../crypto/dh.ts";
import { hkdf } from "../crypto/kdf.ts";
import { type RandomBytes, secureRandom } from "../crypto/random.ts";
import { stepChain, walkChain } from "./chain_key.ts";
import { decodeRatchetHeader, encodeRatchetHeader, RATCHET_HEADER_BYTES } from "./ratchet_header.ts";
import { emptyState, pruneState, type RatchetStart, type RatchetState, type ReceivingChain } from "./ratchet_state.ts";
import { open, seal } from "./seal.ts";
import { findSkippedKey, OLD_CHAINS_MAX, type SkippedKey } from "./skipped_keys.ts";

const KEY_BYTES = 32;

/** What both functions need beside state and message. */
export interface RatchetOptions {
  /** The time now, in milliseconds since 1970 (UTC). */
  readonly nowMs: number;
  /** Where ratchet keys and salts come from. */
  readonly random?: RandomBytes;
}

/**
 * What became of a message: `opened`, with the state to keep; or `used`, the key of its number is gone, so that it was
 * opened before or was skipped too long ago. Nothing vouches for `used`, for no tag was checked.
 */
export type RatchetOpened =
  | { readonly kind: "opened"; readonly state: RatchetState; readonly plaintext: Bytes; readonly n: number }
  | { readonly kind: "used" };

/**
 * Starts the side that writes first (`RatchetInitAlice`).
 * @param start the agreed keys
 * @param own a fresh ratchet pair
 * @param peerPublic the peer's first ratchet key: after X3DH its signed prekey
 * @returns a state that can send
 * @throws {AuthError} when the peer's key has a small order
 */
export async function initiateRatchet(start: RatchetStart, own: DhKeyPair, peerPublic: Bytes): Promise<RatchetState> {
  const { rootKey, chainKey } = await stepRoot(start.rootKey, own, peerPublic);
  return { ...emptyState(start, own), rootKey, sending: { chainKey, n: 0 } };
}

/**
 * Starts the side that receives first (`RatchetInitBob`).
 * @param start the agreed keys
 * @param own the pair whose public half the peer started with
 * @returns a state that can open, and send after that
 */
export function respondRatchet(start: RatchetStart, own: DhKeyPair): RatchetState {
  return emptyState(start, own);
}

/**
 * Seals a message (`RatchetEncrypt`).
 * @param state the state; to be replaced by the returned one before the message leaves
 * @param plaintext at most 32,764 bytes
 * @param options the time
 * @returns the new state, header || sealed, and the message's number
 * @throws {ProtocolError} when nothing was received yet by the side that receives first
 */
export async function ratchetSeal(
  state: RatchetState,
  plaintext: Bytes,
  options: RatchetOptions,
): Promise<{ state: RatchetState; message: Bytes; n: number }> {
  const { sending, own, sessionId, previousN } = state;
  if (sending === undefined) throw new ProtocolError("Cannot seal: nothing was received in this session yet");
  const { messageKey, chainKey } = await stepChain(sending.chainKey);
  const header = encodeRatchetHeader({ sessionId, ratchetPublic: own.publicBytes, pn: previousN, n: sending.n });
  const aad = concat(state.ad, header);
  const sealed = await seal(messageKey, plaintext, { aad, random: options.random ?? secureRandom });
  const next = pruneState({ ...state, sending: { chainKey, n: sending.n + 1 } }, options.nowMs);
  return { state: next, message: concat(header, sealed), n: sending.n };
}

/**
 * Opens a message (`RatchetDecrypt`), in whatever order messages come.
 * @param state the state; unchanged, and to be kept when this throws or answers `used`
 * @param message header || sealed
 * @param options the time
 * @returns the plaintext and the new state, or `used`
 * @throws {DecodeError} when there is no whole header
 * @throws {AuthError} when it is another session's, its ratchet key is bad, or commitment, tag or padding do not fit
 * @throws {ProtocolError} when it would skip more than 1,000 messages of a chain
 */
export async function ratchetOpen(
  state: RatchetState,
  message: Bytes,
  options: RatchetOptions,
): Promise<RatchetOpened> {
  const header = decodeRatchetHeader(message);
  if (!equalBytes(header.sessionId, state.sessionId)) throw new AuthError("Cannot open: it is another session's");
  const { ratchetPublic, n } = header;
  const aad = concat(state.ad, message.subarray(0, RATCHET_HEADER_BYTES));
  const sealed = message.slice(RATCHET_HEADER_BYTES);

  const late = findSkippedKey(state.skipped, ratchetPublic, n);
  if (late !== undefined) {
    const plaintext = await open(late.messageKey, sealed, { aad });
    const skipped = state.skipped.filter((key) => key !== late);
    return { kind: "opened", state: pruneState({ ...state, skipped }, options.nowMs), plaintext, n };
  }
  const current = state.receiving;
  if (current !== undefined && equalBytes(current.ratchetPublic, ratchetPublic)) {
    if (n < current.n) return { kind: "used" };
    const { messageKey, receiving, skipped } = await advance(current, n, options.nowMs);
    const plaintext = await open(messageKey, sealed, { aad });
    const next = { ...state, receiving, skipped: [...state.skipped, ...skipped] };
    return { kind: "opened", state: pruneState(next, options.nowMs), plaintext, n };
  }
  if (state.oldPublics.some((old) => equalBytes(old, ratchetPublic))) return { kind: "used" };

  const root = await stepRoot(state.rootKey, state.own, ratchetPublic);
  const started: ReceivingChain = { ratchetPublic, chainKey: root.chainKey, n: 0 };
  const { messageKey, receiving, skipped } = await advance(started, n, options.nowMs);
  const plaintext = await open(messageKey, sealed, { aad });
  // Only now, with the tag verified, comes the rest of the step: a forged header must cost little and change nothing.
  const next = await stepRatchet({ ...state, rootKey: root.rootKey, receiving }, current, {
    pn: header.pn,
    skipped,
    ...options,
  });
  return { kind: "opened", state: pruneState(next, options.nowMs), plaintext, n };
}

/** The sending half of a DH step (`DHRatchet`), and the keys of what the peer's last chain still owes us. */
async function stepRatchet(
  state: RatchetState,
  last: ReceivingChain | undefined,
  step: RatchetOptions & { readonly pn: number; readonly skipped: readonly SkippedKey[] },
): Promise<RatchetState> {
  const { receiving } = state;
  if (receiving === undefined) throw new TypeError("Cannot step ratchet: there is no receiving chain");
  const owed = last === undefined ? [] : (await skipTo(last, step.pn, step.nowMs)).skipped;
  const own = await generateDhKeyPair(step.random ?? secureRandom);
  const { rootKey, chainKey } = await stepRoot(state.rootKey, own, receiving.ratchetPublic);
  const olds = last === undefined ? state.oldPublics : [...state.oldPublics, last.ratchetPublic];
  return {
    ...state,
    rootKey,
    own,
    sending: { chainKey, n: 0 },
    previousN: state.sending?.n ?? 0,
    oldPublics: olds.slice(-OLD_CHAINS_MAX),
    skipped: [...state.skipped, ...owed, ...step.skipped],
  };
}

/** Walks a chain to one message: its key, the chain after it, and the keys that were passed over. */
async function advance(chain: ReceivingChain, n: number, nowMs: number) {
  const { chain: reached, skipped } = await skipTo(chain, n, nowMs);
  const { messageKey, chainKey } = await stepChain(reached.chainKey);
  return { messageKey, receiving: { ...reached, chainKey, n: n + 1 }, skipped };
}

async function skipTo(chain: ReceivingChain, until: number, nowMs: number) {
  const { ratchetPublic } = chain;
  const { chain: reached, passed } = await walkChain(chain, until);
  const skipped: SkippedKey[] = passed.map((key) => ({ ratchetPublic, ...key, sinceMs: nowMs }));
  return { chain: { ratchetPublic, ...reached }, skipped };
}

/** `KDF_RK`. */
async function stepRoot(rootKey: Bytes, own: DhKeyPair, peerPublic: Bytes) {
  const secret = await dh(own, peerPublic);
  const both = await hkdf(secret, { salt: rootKey, info: label("root"), lengthBytes: 2 * KEY_BYTES });
  return { rootKey: both.slice(0, KEY_BYTES), chainKey: both.slice(KEY_BYTES) };
}
