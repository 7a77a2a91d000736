/**
 * Whom this client can seal for, and how it comes by their keys: its own prekeys on the relay, its answers to those who
 * ask for fresh ones, its questions for the keys of others, and all its sessions.
 * @module
 */

import { decodeHex, encodeHex } from "@std/encoding/hex";
import { AuthError, DecodeError, ProtocolError } from "../bytes/errors.ts";
import type { Bytes } from "../bytes/writer.ts";
import type { RandomBytes } from "../crypto/random.ts";
import { BOX_MAX_BYTES } from "../e2ee/box.ts";
import {
  BUNDLE_NONCE_BYTES,
  type BundleOwner,
  createLiveBundle,
  encodeBundle,
  encodeOneTimePrekeys,
  type VerifiedBundle,
  verifyBundle,
  verifyLiveBundle,
} from "../e2ee/bundle.ts";
import { idOf } from "../e2ee/identity.ts";
import { isOfAnotherState, type Opened } from "../e2ee/opened.ts";
import type { PakeSession } from "../e2ee/pake_session.ts";
import { PADDED_MAX_BYTES, PADDED_SIZES } from "../e2ee/padding.ts";
import { createPrekeyStore, refillOneTimePrekeys, rotateSignedPrekey, SIGNED_PREKEY_LIFE_MS } from "../e2ee/prekeys.ts";
import type { Certificate } from "../e2ee/certificate.ts";
import { SessionBook, type SessionBookChanges } from "../e2ee/session_book.ts";
import type { StoredSessions } from "./state.ts";
import { encodeClientMessage, type EventId, type Fingerprint, type RelayMessage } from "../wire/messages.ts";
import { KeyRequests } from "./key_requests.ts";
import { Losses } from "./losses.ts";
import type { People } from "./people.ts";
import { notice, type Turn } from "./turn.ts";

/** What a box costs beside its padded plaintext, while it still carries the X3DH header. */
const BOX_OVERHEAD_MAX_BYTES = BOX_MAX_BYTES - PADDED_MAX_BYTES;
/** Bytes of an event's id. */
const EVENT_ID_BYTES = 16;
/** How often boxes that do not fit may make us begin a new session with their author. */
const DOUBT_EVERY_MS: number = 10 * 60 * 1_000;
/** Of how many people that is remembered; of the others it may be done once more. */
const DOUBTED_MAX = 1_024;
/** How many requests for fresh keys are answered in a second; the relay is told to ask no more (PROTOCOL §3). */
const LIVE_ANSWERS_PER_SECOND = 5;

/** The keys of one client and of those that it talks to. */
export class Keyring {
  readonly #owner: BundleOwner;
  readonly #book: SessionBook;
  readonly #random: RandomBytes;
  readonly #requests = new KeyRequests();
  readonly #ownId: Bytes;
  /** With whom a new session is to begin before they are written to. */
  readonly #outdated = new Set<Fingerprint>();
  /** Who seems to have lost what they were given. */
  readonly losses: Losses = new Losses();
  /** Of whom the person was told that they cannot be written to. */
  readonly #unreached = new Set<Fingerprint>();
  /** When a new session was last wanted because a box did not fit. */
  readonly #doubtedAtMs = new Map<Fingerprint, number>();
  #answersSinceMs = 0;
  #answersInSecond = 0;

  private constructor(book: SessionBook, random: RandomBytes) {
    this.#owner = book.owner;
    this.#book = book;
    this.#random = random;
    this.#ownId = idOf(this.#owner.certificate.fingerprint);
  }

  /**
   * Makes a keyring: where the last run stood, or with fresh prekeys and no session.
   * @param owner our keys and certificate
   * @param options the time, where keys come from, and what was stored
   * @returns the keyring
   * @throws {DecodeError} when what was stored is damaged
   */
  static async create(
    owner: BundleOwner,
    options: { readonly nowMs: number; readonly random: RandomBytes; readonly stored?: StoredSessions | undefined },
  ): Promise<Keyring> {
    const { stored, random, nowMs } = options;
    const book = stored === undefined
      ? new SessionBook({ ...owner, prekeys: await createPrekeyStore({ nowMs, random }), random })
      : await SessionBook.restore({ ...owner, ...stored, random });
    return new Keyring(book, random);
  }

  /**
   * Tells what a store is to keep that was not told before (PROTOCOL §0.6): keep it before anything leaves that was
   * sealed meanwhile.
   * @returns the changes; secret
   */
  takeChanges(): SessionBookChanges {
    return this.#book.takeChanges();
  }

  /** Our own id, 32 bytes. */
  get ownId(): Bytes {
    return this.#ownId;
  }

  /** Our own handle. */
  get ownHandle(): string {
    return this.#owner.certificate.handle;
  }

  /**
   * Draws an id for an event.
   * @returns 16 random bytes in hexadecimal
   */
  newEventId(): EventId {
    return encodeHex(this.#random(EVENT_ID_BYTES));
  }

  /**
   * Tells how long a box may become.
   * @param plaintextBytes the length of what is sealed in it
   * @returns the most bytes that `seal` can give
   */
  boxMaxBytes(plaintextBytes: number): number {
    const padded = PADDED_SIZES.find((size) => size >= plaintextBytes + 4) ?? PADDED_MAX_BYTES;
    return padded + BOX_OVERHEAD_MAX_BYTES;
  }

  /**
   * Tells whether something can be sealed for somebody now.
   * @param of whom
   * @returns whether there is a session, and none that is to be replaced first
   */
  hasSession(of: Fingerprint): boolean {
    return this.#book.hasSessionWith(of) && !this.#outdated.has(of);
  }

  /**
   * Makes room for what somebody in the room may write first: a crowd of strangers must not take it.
   * @param of whom
   */
  expect(of: Fingerprint): void {
    try {
      this.#book.peer(of);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error; // too many: they are strangers like others then
    }
  }

  /**
   * Seals a plaintext for somebody with whom there is a session.
   * @param of whom
   * @param plaintext what to seal
   * @param nowMs the time now
   * @returns the box
   */
  seal(of: Fingerprint, plaintext: Bytes, nowMs: number): Promise<Bytes> {
    const sessions = this.#book.sessionsWith(of);
    if (sessions === undefined) throw new TypeError("Cannot seal: there is no session with them");
    return sessions.seal(plaintext, { nowMs });
  }

  /**
   * Opens a box.
   * @param box what arrived
   * @param nowMs the time now
   * @param from whom the relay claims that it is from: with them a new session begins if it is in one that we do not have
   * @returns what became of it
   */
  async open(box: Bytes, nowMs: number, from?: Fingerprint): Promise<Opened> {
    const opened = await this.#book.open(box, { nowMs });
    if (opened.kind === "opened") {
      this.#outdated.delete(opened.peer.fingerprint); // they have that session for certain
      this.reached(opened.peer.fingerprint);
      if (opened.isAnew) this.losses.count(opened.peer.fingerprint);
    }
    if (opened.kind === "unopenable" && isOfAnotherState(opened)) this.#doubt(opened.peer ?? from, nowMs);
    return opened;
  }

  /**
   * Takes in a session that was made by a code: what is written to its peer from now on is sealed in it.
   * @param made a proven session
   * @param nowMs the time now
   * @returns whom it is with, by the newest certificate known of them
   * @throws {ProtocolError} when there are too many peers
   */
  adoptCode(made: PakeSession, nowMs: number): Certificate {
    const certificate = this.#book.adoptCodeSession(made, nowMs);
    this.#requests.forget(certificate.fingerprint);
    this.#outdated.delete(certificate.fingerprint);
    return certificate;
  }

  /** Notes that the link is gone: keys that were asked for do not come. */
  unlink(): void {
    this.#requests.unlink();
  }

  /**
   * Tells that somebody cannot be written to, once until they can.
   * @param of whom
   * @param fact what they are called, and why it is so
   * @param turn time and effects
   */
  tellUnreached(of: Fingerprint, { handle, why }: { readonly handle: string; readonly why: string }, turn: Turn): void {
    if (this.#unreached.has(of)) return;
    this.#unreached.add(of);
    notice(turn, "keysMissing", `${handle} cannot read what you write yet: ${why}`);
  }

  /**
   * Notes that somebody can be written to.
   * @param of whom
   */
  reached(of: Fingerprint): void {
    this.#unreached.delete(of);
  }

  /**
   * Sees to it that the next line to somebody begins a new session, if their certificate is newer than the sessions
   * with them: their client may have lost these. What they write on an old one can be opened all the same.
   * @param certificate the newest that the relay showed
   */
  renew(certificate: Certificate): void {
    const { fingerprint, createdMs } = certificate;
    if (!this.#book.hasSessionWith(fingerprint)) return this.#requests.forget(fingerprint);
    const known = this.#book.peer(fingerprint).certificate;
    if (known === undefined || known.createdMs >= createdMs) return;
    this.#requests.forget(fingerprint);
    this.#outdated.add(fingerprint);
  }

  /**
   * Puts our bundle and a supply of one-time prekeys on the relay.
   * @param turn time and effects
   */
  async publish(turn: Turn): Promise<void> {
    const bundle = await encodeBundle(this.#owner, this.#book.prekeys);
    turn.effects.push({ kind: "send", packet: encodeClientMessage({ t: "putBundle" }, bundle) });
    await this.refill(0, turn);
  }

  /**
   * Puts more one-time prekeys on the relay.
   * @param left how many it has left
   * @param turn time and effects
   */
  async refill(left: number, turn: Turn): Promise<void> {
    const { fresh } = await this.#book.updatePrekeys((store) =>
      refillOneTimePrekeys(store, left, { random: this.#random })
    );
    if (fresh.length === 0) return;
    const body = await encodeOneTimePrekeys(this.#owner, fresh);
    turn.effects.push({ kind: "send", packet: encodeClientMessage({ t: "putOneTimePrekeys" }, body) });
  }

  /**
   * Replaces the signed prekey when it is a day old. A relay drops the one-time prekeys beside a bundle that is replaced,
   * so fresh ones go with it.
   * @param turn time and effects, and whether all that waited in our inbox was read: before that, no old one is forgotten
   * @returns whether it was replaced, and all of ours put on the relay
   */
  async rotate(turn: Turn & { readonly mayForget: boolean }): Promise<boolean> {
    const { rotated } = await this.#book.updatePrekeys((store) =>
      rotateSignedPrekey(store, turn.nowMs, { random: this.#random, mayForget: turn.mayForget })
    );
    if (rotated) await this.publish(turn);
    return rotated;
  }

  /**
   * Answers somebody who wants fresh keys of ours. Above five a second the answer is empty; the relay then gives what
   * it has stored.
   * @param wanted who asks
   * @param turn time and effects
   */
  async answer(wanted: Extract<RelayMessage, { t: "bundleWanted" }>, turn: Turn): Promise<void> {
    const { ref } = wanted;
    if (!this.#mayAnswer(turn.nowMs)) {
      turn.effects.push({ kind: "send", packet: encodeClientMessage({ t: "liveBundle", ref }) });
      return;
    }
    const { encoded } = await this.#book.updatePrekeys((store) =>
      createLiveBundle(this.#owner, store, {
        requesterId: idOf(wanted.by),
        nonce: decodeHex(wanted.nonce),
        random: this.#random,
      })
    );
    turn.effects.push({ kind: "send", packet: encodeClientMessage({ t: "liveBundle", ref }, encoded) });
  }

  /**
   * Sees to it that somebody's keys are asked for.
   * @param of whose keys
   * @param turn time and effects
   * @returns whether an answer is awaited; `false` when they did not come of late
   */
  request(of: Fingerprint, turn: Turn): boolean {
    if (this.#requests.isPending(of)) return true;
    if (this.#requests.hasFailed(of, turn.nowMs)) return false;
    const { ref, nonce } = this.#requests.start(of, { nonce: this.#random(BUNDLE_NONCE_BYTES), nowMs: turn.nowMs });
    const packet = encodeClientMessage({ t: "getBundle", ref, of, nonce: encodeHex(nonce) });
    turn.effects.push({ kind: "send", packet });
    return true;
  }

  /**
   * Takes in an answer to a request and begins a session with what it holds. Keys that are not those of whom we asked
   * for are refused and the person is told.
   * @param answer what the relay says of it
   * @param body the keys
   * @param options time and effects, and who people are
   */
  async answered(
    answer: Extract<RelayMessage, { t: "bundle" }>,
    body: Bytes,
    options: Turn & { readonly people: People },
  ): Promise<void> {
    const request = this.#requests.settle(answer.ref);
    if (request === undefined) return;
    const { of, nonce } = request;
    if (this.hasSession(of)) return; // their first message was here before their keys: both sides write on its session
    const handle = options.people.get(of)?.certificate.handle ?? "somebody";
    if (answer.kind === "none") {
      this.#requests.fail(of, options.nowMs);
      this.#outdated.delete(of); // without fresh keys, the sessions there are must do
      if (this.hasSession(of)) return;
      return this.tellUnreached(of, { handle, why: "the relay has no keys for them" }, options);
    }
    const expect = { expectFingerprint: of, nowMs: options.nowMs };
    try {
      const bundle: VerifiedBundle = answer.kind === "live"
        ? await verifyLiveBundle(body, { ...expect, requesterId: this.#ownId, nonce })
        : await verifyBundle(body, expect);
      await this.#book.peer(of).startFrom(bundle, { nowMs: options.nowMs });
      this.reached(of);
      this.#outdated.delete(of);
    } catch (error) {
      if (!(error instanceof AuthError || error instanceof DecodeError || error instanceof ProtocolError)) throw error;
      this.#requests.fail(of, options.nowMs);
      this.#unreached.add(of);
      notice(
        options,
        "keysRefused",
        `${handle} does not get what you write: the relay gave keys for them that are not theirs or are too old`,
      );
    }
  }

  /**
   * Gives up requests that took too long.
   * @param nowMs the time now
   * @returns whose keys did not come
   */
  expire(nowMs: number): Fingerprint[] {
    const expired = this.#requests.expire(nowMs);
    for (const of of expired) this.#outdated.delete(of);
    return expired;
  }

  /**
   * Tells when a request is given up, or the signed prekey is to be replaced.
   * @returns the next of these times
   */
  nextDueMs(): number {
    const rotationMs = this.#book.prekeys.signed[0].createdMs + SIGNED_PREKEY_LIFE_MS;
    return Math.min(rotationMs, this.#requests.nextDueMs() ?? Infinity);
  }

  /**
   * Begins a new session with somebody before writing again, at most once in ten minutes (PROTOCOL §3, Repeats and
   * recovery): what they wrote in ours does not fit, so one of us was put back to an earlier state.
   */
  #doubt(of: Fingerprint | undefined, nowMs: number): void {
    // Who has no session with us is no question of one, and a relay can claim anybody.
    if (of === undefined || !this.#book.hasSessionWith(of)) return;
    const lastMs = this.#doubtedAtMs.get(of);
    if (lastMs !== undefined && nowMs >= lastMs && nowMs < lastMs + DOUBT_EVERY_MS) return;
    this.#doubtedAtMs.delete(of);
    this.#doubtedAtMs.set(of, nowMs);
    for (const old of this.#doubtedAtMs.keys()) {
      if (this.#doubtedAtMs.size <= DOUBTED_MAX) break;
      this.#doubtedAtMs.delete(old);
    }
    this.#requests.forget(of);
    this.#outdated.add(of);
    this.losses.count(of);
  }

  #mayAnswer(nowMs: number): boolean {
    if (Math.abs(nowMs - this.#answersSinceMs) >= 1_000) {
      this.#answersSinceMs = nowMs;
      this.#answersInSecond = 0;
    }
    return ++this.#answersInSecond <= LIVE_ANSWERS_PER_SECOND;
  }
}
