/**
 * All sessions of one client: finds the session of a box, begins the sessions that others start, and owns the prekeys
 * that they are begun with.
 *
 * Two bounds keep strangers and acquaintances apart. Whoever the client asked for by `peer` is kept; whoever only wrote
 * first is a stranger, and strangers have a bound of their own: at it the one that was silent longest goes if it was
 * silent for 10 days, otherwise the newcomer is refused. No box of an attacker can push an honest session out.
 *
 * The owner stores the book by its changes (PROTOCOL §0.6): after each step, and before anything of that step leaves, it
 * keeps what `takeChanges` gives in one transaction with whatever else the step made. A box and the state that made it
 * are there together: when `seal` or `open` has returned, the next `takeChanges` holds their state.
 * @module
 */

import { allOf } from "../bytes/all_of.ts";
import { encodeHex } from "@std/encoding/hex";
import { DecodeError, ProtocolError } from "../bytes/errors.ts";
import type { Bytes } from "../bytes/writer.ts";
import { sha256 } from "../crypto/hash.ts";
import { Mutex } from "../crypto/mutex.ts";
import { type RandomBytes, secureRandom } from "../crypto/random.ts";
import { type Box, BOX_MAX_BYTES, decodeBox, type InitialBox } from "./box.ts";
import type { BundleOwner } from "./bundle.ts";
import { type Certificate, verifyCertificate } from "./certificate.ts";
import { type Fingerprint, type Identity, idOf } from "./identity.ts";
import { type Opened, reasonOf, type UnopenableReason } from "./opened.ts";
import type { PakeSession } from "./pake_session.ts";
import {
  decodeForgotten,
  decodePeer,
  encodeForgotten,
  encodePeer,
  FORGOTTEN_MAX,
  type PeerState,
} from "./peer_codec.ts";
import { type PrekeyStore, withoutOneTimePrekey } from "./prekeys.ts";
import { decodePrekeyStore, encodePrekeyStore } from "./prekeys_codec.ts";
import { answerSession, type OpenOptions } from "./session.ts";
import { mayGo, STRANGER_KEEP_MS } from "./peer_ranks.ts";
import { PeerSessions, type SessionContext, type SessionOptions } from "./sessions.ts";

/** Peers that the client asked for: more than a relay has people. */
export const PEERS_MAX = 8_192;
/** Strangers that wrote first and were never asked for. */
export const STRANGERS_MAX = 1_024;
/** With what a book starts. */
export interface SessionBookOptions {
  /** Our long-term keys. */
  readonly identity: Identity;
  /** Our certificate. */
  readonly certificate: Certificate;
  /** Our prekeys, from `createPrekeyStore`. */
  readonly prekeys: PrekeyStore;
  /** Where keys and salts come from. */
  readonly random?: RandomBytes;
}

/** What is stored of a book, and what is not its business to store. */
export interface SessionBookRestoreOptions {
  /** Our long-term keys, those that the book had. */
  readonly identity: Identity;
  /** Our certificate, perhaps a newer one. */
  readonly certificate: Certificate;
  /** The last `prekeys` of all changes. */
  readonly prekeys: Bytes;
  /** The last `encoded` of each peer that was not forgotten, in any order. */
  readonly peers: readonly Bytes[];
  /** The last `forgotten` of all changes. */
  readonly forgotten: Bytes;
  /** Where keys and salts come from. */
  readonly random?: RandomBytes;
}

/** What to store of one peer. */
export interface PeerChange {
  /** Whose. */
  readonly fingerprint: Fingerprint;
  /** What takes the place of what was stored; `undefined` when that is to be deleted. Secret, to be sealed. */
  readonly encoded: Bytes | undefined;
}

/** What has changed in a book, each part to take the place of what was stored of it. Secret, to be sealed. */
export interface SessionBookChanges {
  /** The prekeys, when they changed. */
  readonly prekeys?: Bytes;
  /** The peers that changed, each once. */
  readonly peers: readonly PeerChange[];
  /** The ids of sessions with forgotten peers, when they changed. */
  readonly forgotten?: Bytes;
}

/** All sessions of one client. */
export class SessionBook {
  readonly #context: SessionContext;
  readonly #peers = new Map<Fingerprint, PeerSessions>();
  readonly #strangers = new Map<Fingerprint, PeerSessions>();
  readonly #forgotten = new Set<string>();
  /** Held by every opening, and by everything that reads and changes the prekeys. */
  readonly #mutex = new Mutex();
  readonly #changedPeers = new Set<Fingerprint>();
  #arePrekeysChanged = true;
  #isForgottenChanged = true;
  #owner: BundleOwner;
  #prekeys: PrekeyStore;

  /**
   * Starts without a session.
   * @param options our keys
   */
  constructor(options: SessionBookOptions) {
    const { identity, certificate, prekeys, random = secureRandom } = options;
    this.#owner = { identity, certificate };
    this.#prekeys = prekeys;
    const changed = (fingerprint: Fingerprint) => void this.#changedPeers.add(fingerprint);
    this.#context = { owner: () => this.#owner, routes: new Map(), random, changed };
  }

  /**
   * Puts a book together from what was stored of it.
   * @param options our keys, and what was stored
   * @returns a book that opens, seals and refuses what the stored one did, with nothing changed
   * @throws {DecodeError} when a part is damaged, or parts do not belong together
   */
  static async restore(options: SessionBookRestoreOptions): Promise<SessionBook> {
    const { identity, certificate, random = secureRandom } = options;
    const prekeys = await decodePrekeyStore(options.prekeys);
    const book = new SessionBook({ identity, certificate, prekeys, random });
    for (const peer of await allOf(options.peers.map(decodePeer))) book.#restorePeer(peer);
    for (const key of decodeForgotten(options.forgotten)) book.#forgotten.add(key);
    book.#arePrekeysChanged = false;
    book.#isForgottenChanged = false;
    return book;
  }

  /** We, as bundles are signed by. */
  get owner(): BundleOwner {
    return this.#owner;
  }

  /** The prekeys as they are now; change them by {@linkcode updatePrekeys} alone. */
  get prekeys(): PrekeyStore {
    return this.#prekeys;
  }

  /**
   * Puts a newer certificate of ours in the place of the old one, for sessions that begin from now on.
   * @param certificate of the same identity
   * @throws {RangeError} when it is another identity's
   */
  renewCertificate(certificate: Certificate): void {
    if (certificate.fingerprint !== this.#owner.certificate.fingerprint) {
      throw new RangeError("Cannot renew certificate: it is another identity's");
    }
    this.#owner = { ...this.#owner, certificate };
  }

  /**
   * Changes the prekeys, one change at a time and never while a box is being opened.
   * @param change gets the store and returns the new one, with whatever else it made; a throw changes nothing; it must
   * not open a box and wait for it
   * @returns what `change` returned
   */
  updatePrekeys<T extends { readonly store: PrekeyStore }>(change: (store: PrekeyStore) => Promise<T>): Promise<T> {
    return this.#mutex.run(async () => {
      const result = await change(this.#prekeys);
      this.#setPrekeys(result.store);
      return result;
    });
  }

  /**
   * Gives what has changed since the last call, at first everything; runs in one step, whatever is being sealed or
   * opened meanwhile: each of these is in it as a whole or not yet. Store the changes in the order of the calls. They
   * are given once: when a transaction fails, nothing that was made in or after it may leave, and the book is to be
   * restored from what is stored.
   * @returns the changes
   */
  takeChanges(): SessionBookChanges {
    const changes = {
      ...(this.#arePrekeysChanged ? { prekeys: encodePrekeyStore(this.#prekeys) } : {}),
      peers: [...this.#changedPeers].map((fingerprint) => ({ fingerprint, encoded: this.#encodePeer(fingerprint) })),
      ...(this.#isForgottenChanged ? { forgotten: encodeForgotten(this.#forgotten) } : {}),
    };
    this.#arePrekeysChanged = false;
    this.#changedPeers.clear();
    this.#isForgottenChanged = false;
    return changes;
  }

  /**
   * Gives the sessions with a peer, perhaps none yet, and keeps them until {@linkcode forgetPeer}.
   * @param fingerprint whose
   * @returns always the same object for the same peer
   * @throws {DecodeError} when it is no fingerprint
   * @throws {ProtocolError} when 8,192 peers are kept, of whom none makes room: those without a session do, then those
   * who are meant to be forgotten, then those silent 10 days longer than the one heard last
   */
  peer(fingerprint: Fingerprint): PeerSessions {
    const known = this.#peers.get(fingerprint);
    if (known !== undefined) return known;
    idOf(fingerprint);
    if (this.#peers.size >= PEERS_MAX && !this.#dropIdlePeer()) {
      throw new ProtocolError(`Cannot keep more than ${PEERS_MAX} peers`);
    }
    const peer = this.#strangers.get(fingerprint) ?? new PeerSessions(fingerprint, this.#context);
    this.#strangers.delete(fingerprint);
    this.#peers.set(fingerprint, peer);
    this.#changedPeers.add(fingerprint);
    return peer;
  }

  /**
   * Finds the sessions with a peer, asked for or not; keeps nothing.
   * @param fingerprint whose
   * @returns the sessions, `undefined` when there is nothing with them
   */
  sessionsWith(fingerprint: Fingerprint): PeerSessions | undefined {
    return this.#find(fingerprint);
  }

  /**
   * Says whether a message to a peer can be sealed at once; keeps nothing.
   * @param fingerprint whose
   * @returns whether there is a session
   */
  hasSessionWith(fingerprint: Fingerprint): boolean {
    return this.#find(fingerprint)?.hasSession ?? false;
  }

  /**
   * Takes in a session that was made by a code, so that the next message to its peer goes out on it; runs in one step.
   * @param made a proven session
   * @param nowMs the time now
   * @returns the newest certificate known of the peer
   * @throws {TypeError} when it is not proven, or was taken in before
   * @throws {ProtocolError} when 8,192 peers are kept
   */
  adoptCodeSession(made: PakeSession, nowMs: number): Certificate {
    const proven = made.result();
    const { key } = proven.session;
    if (this.#context.routes.has(key) || this.#forgotten.has(key)) {
      throw new TypeError("Cannot adopt session: it was taken in before");
    }
    return this.peer(proven.peer.fingerprint).adoptProven(proven, nowMs);
  }

  /**
   * Opens a box, beginning its session if the peer starts one. What cannot be opened changes nothing. Boxes are opened
   * one at a time, in the order of the calls.
   * @param bytes the box
   * @param options the time
   * @returns what became of it
   */
  open(bytes: Bytes, options: SessionOptions): Promise<Opened> {
    // The turn is taken before the first await: hashes of two boxes may be ready in either order.
    return this.#mutex.run(async () => {
      if (bytes.length > BOX_MAX_BYTES) return unopenable("malformed");
      let box: Box;
      try {
        box = decodeBox(bytes);
      } catch (error) {
        return unopenable(reasonOf(error));
      }
      const random = options.random ?? this.#context.random;
      const openOptions: OpenOptions = { nowMs: options.nowMs, random, boxHash: await sha256(bytes) };
      const key = encodeHex(box.header.sessionId);
      const known = this.#context.routes.get(key);
      if (known !== undefined) return await known.open(box, openOptions);
      if (box.kind === "ratchet") return unopenable(this.#forgotten.has(key) ? "retired" : "unknownSession");
      return await this.#openFirst(box, openOptions);
    });
  }

  /**
   * Drops all sessions with a peer and its certificate. Boxes of these sessions stay unopenable for ever. What `peer`
   * gave before must not be used after this.
   * @param fingerprint whom
   */
  async forgetPeer(fingerprint: Fingerprint): Promise<void> {
    const peer = this.#find(fingerprint);
    if (peer === undefined) return;
    // Out of the maps before the await: a session that begins meanwhile must land in an object that can be found.
    this.#peers.delete(fingerprint);
    this.#strangers.delete(fingerprint);
    this.#changedPeers.add(fingerprint);
    // Before the await too: changes that are taken meanwhile must not hold the deletion without the ids.
    this.#remember(peer.sessionKeys);
    this.#remember(await peer.forget());
  }

  async #openFirst(box: InitialBox, options: OpenOptions): Promise<Opened> {
    try {
      if (this.#forgotten.has(encodeHex(box.header.sessionId))) return unopenable("retired", await claimedPeer(box));
      const { session, peer, plaintext, n } = await answerSession(this.#owner, this.#prekeys, box, options);
      const sessions = this.#admit(peer.fingerprint, options.nowMs);
      if (sessions === undefined) return unopenable("full", peer.fingerprint);
      const anew = sessions.isAnswered ? { isAnew: true } as const : {};
      // The commit: no await from here on, so that the prekey dies exactly when the session is there.
      const { oneTimePrekeyId } = box.x3dh;
      if (oneTimePrekeyId !== undefined) this.#setPrekeys(withoutOneTimePrekey(this.#prekeys, oneTimePrekeyId));
      const newest = sessions.adopt(session, peer, options.nowMs);
      return { kind: "opened", peer: newest, plaintext, n, sessionId: session.id, boxHash: options.boxHash, ...anew };
    } catch (error) {
      return unopenable(reasonOf(error), await claimedPeer(box));
    }
  }

  #find(fingerprint: Fingerprint): PeerSessions | undefined {
    return this.#peers.get(fingerprint) ?? this.#strangers.get(fingerprint);
  }

  /** Finds or makes the place for a peer that wrote first; `undefined` when there is no room. */
  #admit(fingerprint: Fingerprint, nowMs: number): PeerSessions | undefined {
    const known = this.#find(fingerprint);
    if (known !== undefined) return known;
    if (this.#strangers.size >= STRANGERS_MAX && !this.#dropIdleStranger(nowMs)) return undefined;
    const stranger = new PeerSessions(fingerprint, this.#context);
    this.#strangers.set(fingerprint, stranger);
    return stranger;
  }

  #dropIdleStranger(nowMs: number): boolean {
    let idlest: PeerSessions | undefined;
    for (const stranger of this.#strangers.values()) {
      if (idlest === undefined || stranger.lastUsedMs < idlest.lastUsedMs) idlest = stranger;
    }
    if (idlest === undefined || nowMs - idlest.lastUsedMs < STRANGER_KEEP_MS) return false;
    this.#strangers.delete(idlest.fingerprint);
    this.#changedPeers.add(idlest.fingerprint);
    void idlest.forget(); // not remembered: its first boxes have no prekey here any more
    return true;
  }

  /** Makes room for one more peer, if anybody may go; ids of their sessions stay, so that none begins a second time. */
  #dropIdlePeer(): boolean {
    const idlest = mayGo(this.#peers.values());
    if (idlest === undefined) return false;
    this.#peers.delete(idlest.fingerprint);
    this.#changedPeers.add(idlest.fingerprint);
    this.#remember(idlest.sessionKeys);
    void idlest.forget();
    return true;
  }

  #setPrekeys(prekeys: PrekeyStore): void {
    if (prekeys === this.#prekeys) return;
    this.#prekeys = prekeys;
    this.#arePrekeysChanged = true;
  }

  #remember(keys: readonly string[]): void {
    if (keys.every((key) => this.#forgotten.has(key))) return;
    for (const key of keys) this.#forgotten.add(key);
    for (const key of this.#forgotten) {
      if (this.#forgotten.size <= FORGOTTEN_MAX) break;
      this.#forgotten.delete(key);
    }
    this.#isForgottenChanged = true;
  }

  #encodePeer(fingerprint: Fingerprint): Bytes | undefined {
    const peer = this.#find(fingerprint);
    // Who was only met is no more than a place in memory.
    return peer === undefined || peer.isEmpty
      ? undefined
      : encodePeer({ ...peer.state, isStranger: this.#strangers.has(fingerprint) });
  }

  #restorePeer(state: PeerState): void {
    const { fingerprint, isStranger, sessions, retired } = state;
    const keys = [...retired, ...sessions.map((session) => session.key)];
    if (this.#find(fingerprint) !== undefined || keys.some((key) => this.#context.routes.has(key))) {
      throw new DecodeError("Cannot restore sessions: a peer or a session is there twice");
    }
    const peer = new PeerSessions(fingerprint, this.#context, state);
    (isStranger ? this.#strangers : this.#peers).set(fingerprint, peer);
  }
}

function unopenable(reason: UnopenableReason, peer?: Fingerprint): Opened {
  return { kind: "unopenable", peer, reason };
}

/** Whom a first box claims to be from; anybody can put another's certificate there. */
async function claimedPeer(box: InitialBox): Promise<Fingerprint | undefined> {
  try {
    return (await verifyCertificate(box.x3dh.certificateBytes)).fingerprint;
  } catch {
    return undefined; // it names nobody, and that is all there is to say
  }
}
