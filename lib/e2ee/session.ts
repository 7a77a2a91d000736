/**
 * One session with one peer: an agreement, by X3DH or by a code, and the Double Ratchet on it, as plain data. Functions return a new
 * session and leave the old one as it was: a forged box, or a crash between, costs nothing (PROTOCOL §0.3).
 * @module
 */

import { encodeHex } from "@std/encoding/hex";
import { equalBytes } from "../bytes/equal.ts";
import { AuthError } from "../bytes/errors.ts";
import type { Bytes } from "../bytes/writer.ts";
import { generateDhKeyPair } from "../crypto/dh.ts";
import { type RandomBytes, secureRandom } from "../crypto/random.ts";
import { type Box, encodeBox, type InitialBox } from "./box.ts";
import type { BundleOwner, VerifiedBundle } from "./bundle.ts";
import type { Certificate } from "./certificate.ts";
import { initiateRatchet, ratchetOpen, type RatchetOptions, ratchetSeal, respondRatchet } from "./double_ratchet.ts";
import type { PrekeyStore } from "./prekeys.ts";
import type { RatchetState } from "./ratchet_state.ts";
import { x3dhInitiate, x3dhRespond } from "./x3dh.ts";

/** Hashes of opened boxes kept in a session: only these very bytes are a repeat (PROTOCOL 3.9). */
export const BOX_HASHES_MAX = 1_000;

/** One session. Secret as a whole. */
export interface Session {
  /** 16 bytes, public. */
  readonly id: Bytes;
  /** The id in hexadecimal, for maps. */
  readonly key: string;
  /** Who wrote first. */
  readonly startedBy: "us" | "peer";
  /** `EK_a`: of first messages that crossed, the one that sorts first counts. Empty when made by a code. */
  readonly ephemeralPublic: Bytes;
  /** The X3DH header that made it; repeats must carry the very same. Empty when made by a code. */
  readonly x3dhBytes: Bytes;
  /**
   * Whether anything was opened in it: until then a session of ours goes out with its X3DH header. One made by a code is
   * answered from the start.
   */
  readonly isAnswered: boolean;
  /** The ratchet. */
  readonly ratchet: RatchetState;
  /** SHA-256 of the last opened boxes in hexadecimal, oldest first. */
  readonly boxHashes: readonly string[];
}

/** What opening needs beside the box. */
export interface OpenOptions extends RatchetOptions {
  /** SHA-256 of the whole box. */
  readonly boxHash: Bytes;
}

/** What became of a box in its session; `used` and `repeat` leave the session as it was. */
export type SessionOpened =
  | { readonly kind: "opened"; readonly session: Session; readonly plaintext: Bytes; readonly n: number }
  | { readonly kind: "repeat" }
  | { readonly kind: "used" };

/**
 * Starts a session with a peer's keys.
 * @param owner we
 * @param bundle the peer's verified keys
 * @param options where keys come from
 * @returns a session that can seal
 * @throws {AuthError} when a key of the bundle has a small order
 */
export async function startSession(
  owner: BundleOwner,
  bundle: VerifiedBundle,
  options: { readonly random?: RandomBytes } = {},
): Promise<Session> {
  const { random = secureRandom } = options;
  const agreed = await x3dhInitiate(owner, bundle, { random });
  const start = { rootKey: agreed.sharedKey, ad: agreed.ad, sessionId: agreed.sessionId };
  const ratchet = await initiateRatchet(start, await generateDhKeyPair(random), bundle.signedPrekey.publicBytes);
  return {
    id: agreed.sessionId,
    key: encodeHex(agreed.sessionId),
    startedBy: "us",
    ephemeralPublic: agreed.ephemeralPublic,
    x3dhBytes: agreed.header,
    isAnswered: false,
    ratchet,
    boxHashes: [],
  };
}

/**
 * Makes the session that a peer began, by opening a box of it; uses no prekey up.
 * @param owner we
 * @param store our prekeys
 * @param box the peer's box; the first to arrive need not be the first it sealed
 * @param options the time and the box's hash
 * @returns the session, who began it, and what the box held, all authenticated
 * @throws {DecodeError} when the certificate is malformed
 * @throws {UnknownPrekeyError} when a prekey is not here any more
 * @throws {AuthError} when the certificate, a key or the tag is bad
 * @throws {ProtocolError} when the box would skip too many messages
 */
export async function answerSession(
  owner: BundleOwner,
  store: PrekeyStore,
  box: InitialBox,
  options: OpenOptions,
): Promise<{ session: Session; peer: Certificate; plaintext: Bytes; n: number }> {
  const agreed = await x3dhRespond(owner, store, box.x3dh);
  const start = { rootKey: agreed.sharedKey, ad: agreed.ad, sessionId: agreed.sessionId };
  const fresh: Session = {
    id: agreed.sessionId,
    key: encodeHex(agreed.sessionId),
    startedBy: "peer",
    ephemeralPublic: box.x3dh.ephemeralPublic,
    x3dhBytes: box.x3dhBytes,
    isAnswered: false,
    ratchet: respondRatchet(start, agreed.signedPrekey),
    boxHashes: [],
  };
  const opened = await openInSession(fresh, box, options);
  if (opened.kind !== "opened") throw new TypeError("Cannot answer: a new session has opened nothing yet");
  return { session: opened.session, peer: agreed.peer, plaintext: opened.plaintext, n: opened.n };
}

/**
 * Seals a message.
 * @param session the session; to be replaced by the returned one before the box leaves
 * @param plaintext at most 32,764 bytes
 * @param options the time
 * @returns the new session and the box
 */
export async function sealInSession(
  session: Session,
  plaintext: Bytes,
  options: RatchetOptions,
): Promise<{ session: Session; box: Bytes }> {
  const { state, message } = await ratchetSeal(session.ratchet, plaintext, options);
  const isWaiting = session.startedBy === "us" && !session.isAnswered;
  return {
    session: { ...session, ratchet: state },
    box: encodeBox(isWaiting ? session.x3dhBytes : undefined, message),
  };
}

/**
 * Opens a box.
 * @param session the session that the box names
 * @param box the box
 * @param options the time and the box's hash
 * @returns what it held and the new session; or that it is a repeat, or its number was used
 * @throws {AuthError} when the X3DH header is not the one that made the session, or a key or the tag is bad
 * @throws {ProtocolError} when it would skip too many messages
 */
export async function openInSession(session: Session, box: Box, options: OpenOptions): Promise<SessionOpened> {
  const hash = encodeHex(options.boxHash);
  if (session.boxHashes.includes(hash)) return { kind: "repeat" };
  // The tag covers the agreement, not the certificate's bytes: without this a repeat could carry another header.
  if (box.kind === "initial" && (session.startedBy === "us" || !equalBytes(box.x3dhBytes, session.x3dhBytes))) {
    throw new AuthError("Cannot open: the X3DH header is not the one that made the session");
  }
  const opened = await ratchetOpen(session.ratchet, box.message, options);
  if (opened.kind === "used") return opened;
  const boxHashes = [...session.boxHashes, hash].slice(-BOX_HASHES_MAX);
  const next = { ...session, ratchet: opened.state, isAnswered: true, boxHashes };
  return { kind: "opened", session: next, plaintext: opened.plaintext, n: opened.n };
}
