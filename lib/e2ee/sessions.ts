/**
 * All sessions with one peer. We write on the first of them; the order is PROTOCOL §3's:
 *
 * - a session that the peer started goes first, for it is the newest that the peer has for certain;
 * - unless it crossed ours: while our first one is not answered, the one whose `EK` sorts first stays in front, and
 *   both sides, seeing the same two keys, choose alike. One that shows a newer certificate crossed nothing: their
 *   client has started since, perhaps without what came before;
 * - a session of ours that gets its first answer passes other sessions of ours that have none;
 * - `startFrom` and `useSession` are explicit wishes and go first, and so does a session that both proved by a code.
 *
 * Sealing and opening run one at a time; each works on a copy and is kept only when it succeeded.
 * @module
 */

import { compareBytes, equalBytes } from "../bytes/equal.ts";
import type { Bytes } from "../bytes/writer.ts";
import { Mutex } from "../crypto/mutex.ts";
import type { RandomBytes } from "../crypto/random.ts";
import type { Box } from "./box.ts";
import type { BundleOwner, VerifiedBundle } from "./bundle.ts";
import type { Certificate } from "./certificate.ts";
import type { Fingerprint } from "./identity.ts";
import { type Opened, reasonOf } from "./opened.ts";
import { openInSession, type OpenOptions, sealInSession, type Session, startSession } from "./session.ts";

/** Sessions kept with one peer: two that crossed, and some restarts; the last in order is dropped. */
export const SESSIONS_PER_PEER_MAX = 5;
/** Ids of dropped sessions kept for each peer, so that an old first box cannot begin its session a second time. */
export const RETIRED_PER_PEER_MAX = 1_000;

/** What all peers of one client share; the book's. */
export interface SessionContext {
  /** We, with our current certificate. */
  readonly owner: () => BundleOwner;
  /** Which peer a session id belongs to, by the id in hexadecimal. */
  readonly routes: Map<string, PeerSessions>;
  /** Where keys and salts come from. */
  readonly random: RandomBytes;
  /** Is told of every change, in the very step that makes it. */
  readonly changed: (fingerprint: Fingerprint) => void;
}

/** What there is to store of the sessions with one peer, as plain data. Secret as a whole. */
export interface PeerSessionsState {
  /** Whose sessions these are. */
  readonly fingerprint: Fingerprint;
  /** In their order: we write on the first. */
  readonly sessions: readonly Session[];
  /** Ids of dropped sessions in hexadecimal, oldest first. */
  readonly retired: readonly string[];
  /** Of the certificates that came with sessions, the one with the highest `createdMs`. */
  readonly certificate: Certificate | undefined;
  /** When something was last started, sealed or opened, in milliseconds since 1970 (UTC). */
  readonly lastUsedMs: number;
}

/** The time, and in tests randomness. */
export interface SessionOptions {
  /** The time now, in milliseconds since 1970 (UTC). */
  readonly nowMs: number;
  /** Where keys and salts come from; the book's source if left out. */
  readonly random?: RandomBytes;
}

/** All sessions with one peer; made by `SessionBook.peer`. */
export class PeerSessions {
  /** Whose sessions these are. */
  readonly fingerprint: Fingerprint;
  readonly #context: SessionContext;
  readonly #mutex = new Mutex();
  #sessions: readonly Session[] = [];
  #retired: readonly string[] = [];
  #certificate: Certificate | undefined;
  #lastUsedMs = 0;

  /**
   * Starts without a session, or where a stored state stood.
   * @param fingerprint whose sessions these are
   * @param context what all peers share
   * @param state what {@linkcode state} once gave for the same peer
   */
  constructor(fingerprint: Fingerprint, context: SessionContext, state?: PeerSessionsState) {
    this.fingerprint = fingerprint;
    this.#context = context;
    if (state === undefined) return;
    this.#sessions = state.sessions;
    this.#retired = state.retired;
    this.#certificate = state.certificate;
    this.#lastUsedMs = state.lastUsedMs;
    for (const key of this.sessionKeys) context.routes.set(key, this);
  }

  /** All that there is to store, as it is now: what is being sealed or opened is not in it yet. */
  get state(): PeerSessionsState {
    return {
      fingerprint: this.fingerprint,
      sessions: this.#sessions,
      retired: this.#retired,
      certificate: this.#certificate,
      lastUsedMs: this.#lastUsedMs,
    };
  }

  /** Ids of all sessions there ever were, in hexadecimal, as far as they are kept. */
  get sessionKeys(): readonly string[] {
    return [...this.#retired, ...this.#sessions.map((session) => session.key)];
  }

  /** Whether there is nothing to store. */
  get isEmpty(): boolean {
    return this.#sessions.length === 0 && this.#retired.length === 0 && this.#certificate === undefined;
  }

  /** Whether {@linkcode seal} can be called. */
  get hasSession(): boolean {
    return this.#sessions.length > 0;
  }

  /** Whether the peer has answered or begun a session: what it wrote was opened here. */
  get isAnswered(): boolean {
    return this.#sessions.some((session) => session.isAnswered);
  }

  /** Of the certificates that came with sessions, the one with the highest `createdMs`. */
  get certificate(): Certificate | undefined {
    return this.#certificate;
  }

  /** When something was last started, sealed or opened, in milliseconds since 1970 (UTC). */
  get lastUsedMs(): number {
    return this.#lastUsedMs;
  }

  /**
   * Begins a session, and writes on it from now on. Its X3DH header goes out with every box until the first answer.
   * @param bundle the peer's verified keys
   * @param options the time
   * @throws {RangeError} when the bundle is another identity's
   * @throws {AuthError} when a key of the bundle has a small order
   */
  startFrom(bundle: VerifiedBundle, options: SessionOptions): Promise<void> {
    if (bundle.certificate.fingerprint !== this.fingerprint) {
      throw new RangeError("Cannot start session: the bundle is another identity's");
    }
    return this.#mutex.run(async () => {
      const random = options.random ?? this.#context.random;
      const session = await startSession(this.#context.owner(), bundle, { random });
      this.#insert(session, 0);
      this.#learn(bundle.certificate, options.nowMs);
      this.#context.changed(this.fingerprint);
    });
  }

  /**
   * Seals a message on the session that we write on.
   * @param plaintext from `encodePlaintext`
   * @param options the time
   * @returns a box for the peer's inbox; a resend must be these very bytes
   * @throws {TypeError} when there is no session
   * @throws {RangeError} when the plaintext is too long
   */
  seal(plaintext: Bytes, options: SessionOptions): Promise<Bytes> {
    return this.#mutex.run(async () => {
      const current = this.#sessions[0];
      if (current === undefined) throw new TypeError("Cannot seal: there is no session with this peer");
      const random = options.random ?? this.#context.random;
      const { session, box } = await sealInSession(current, plaintext, { nowMs: options.nowMs, random });
      this.#replace(session);
      this.#lastUsedMs = options.nowMs;
      this.#context.changed(this.fingerprint);
      return box;
    });
  }

  /**
   * Writes on this session from now on: what to do when the peer, on it, says that it could not open another.
   * @param sessionId from what was opened
   * @throws {RangeError} when there is no such session
   */
  useSession(sessionId: Bytes): void {
    const session = this.#sessions.find((one) => equalBytes(one.id, sessionId));
    if (session === undefined) throw new RangeError("Cannot use session: it is not here");
    this.#move(session.key, 0);
    this.#context.changed(this.fingerprint);
  }

  /**
   * Opens a box of one of these sessions; called by the book.
   * @param box the decoded box
   * @param options the time and the box's hash
   * @returns what became of it
   */
  open(box: Box, options: OpenOptions): Promise<Opened> {
    return this.#mutex.run(async () => {
      const peer = this.fingerprint;
      const session = this.#sessions.find((one) => equalBytes(one.id, box.header.sessionId));
      const certificate = this.#certificate;
      if (session === undefined || certificate === undefined) return { kind: "unopenable", peer, reason: "retired" };
      try {
        const result = await openInSession(session, box, options);
        if (result.kind === "repeat") return result;
        if (result.kind === "used") return { kind: "unopenable", peer, reason: "used", isRouted: true };
        this.#replace(result.session);
        if (!session.isAnswered) this.#preferAnswered(session.key);
        this.#lastUsedMs = options.nowMs;
        this.#context.changed(this.fingerprint);
        const { plaintext, n } = result;
        const newest = this.#certificate ?? certificate;
        return { kind: "opened", peer: newest, plaintext, n, sessionId: session.id, boxHash: options.boxHash };
      } catch (error) {
        return { kind: "unopenable", peer, reason: reasonOf(error), isRouted: true };
      }
    });
  }

  /**
   * Takes in a session that the peer began and whose first box was opened; called by the book as part of its commit.
   * @param session the session
   * @param certificate the peer's, from the box
   * @param nowMs the time now
   * @returns the newest certificate known of the peer
   */
  adopt(session: Session, certificate: Certificate, nowMs: number): Certificate {
    const first = this.#sessions[0];
    const isOursWaiting = first !== undefined && first.startedBy === "us" && !first.isAnswered;
    const isRestart = this.#certificate !== undefined && certificate.createdMs > this.#certificate.createdMs;
    const isCrossed = isOursWaiting && !isRestart;
    const isBehind = isCrossed && compareBytes(first.ephemeralPublic, session.ephemeralPublic) < 0;
    this.#insert(session, isBehind ? 1 : 0);
    this.#context.changed(this.fingerprint);
    return this.#learn(certificate, nowMs);
  }

  /**
   * Takes in a session that both sides proved by a code, and writes on it from now on; called by the book.
   * @param proven the session and the peer's certificate
   * @param nowMs the time now
   * @returns the newest certificate known of the peer
   */
  adoptProven(proven: { readonly session: Session; readonly peer: Certificate }, nowMs: number): Certificate {
    this.#insert(proven.session, 0);
    this.#context.changed(this.fingerprint);
    return this.#learn(proven.peer, nowMs);
  }

  /**
   * Drops all sessions and the certificate, when what is running has ended. The object is dead after that: the book
   * makes another.
   * @returns the ids of all sessions there ever were, in hexadecimal, as far as they are kept
   */
  forget(): Promise<readonly string[]> {
    return this.#mutex.run(() => {
      const keys = this.sessionKeys;
      for (const key of keys) this.#context.routes.delete(key);
      this.#sessions = [];
      this.#retired = [];
      this.#certificate = undefined;
      return Promise.resolve(keys);
    });
  }

  /** The highest creation time wins; of equal ones the first. */
  #learn(certificate: Certificate, nowMs: number): Certificate {
    this.#lastUsedMs = nowMs;
    const known = this.#certificate;
    if (known !== undefined && known.createdMs >= certificate.createdMs) return known;
    this.#certificate = certificate;
    return certificate;
  }

  #insert(session: Session, place: number): void {
    this.#context.routes.set(session.key, this);
    const all = this.#sessions.toSpliced(place, 0, session);
    this.#sessions = all.slice(0, SESSIONS_PER_PEER_MAX);
    const retired = [...this.#retired, ...all.slice(SESSIONS_PER_PEER_MAX).map((dropped) => dropped.key)];
    const surplus = Math.max(0, retired.length - RETIRED_PER_PEER_MAX);
    // A retired id keeps its route, so that the book does not begin the session a second time.
    for (const key of retired.slice(0, surplus)) this.#context.routes.delete(key);
    this.#retired = retired.slice(surplus);
  }

  /** Puts the new state of a session in its place, wherever that is by now. */
  #replace(session: Session): void {
    this.#sessions = this.#sessions.map((one) => one.key === session.key ? session : one);
  }

  #preferAnswered(key: string): void {
    const first = this.#sessions[0];
    if (first?.startedBy === "us" && !first.isAnswered) this.#move(key, 0);
  }

  #move(key: string, place: number): void {
    const session = this.#sessions.find((one) => one.key === key);
    if (session === undefined) return;
    this.#sessions = this.#sessions.filter((one) => one !== session).toSpliced(place, 0, session);
  }
}
