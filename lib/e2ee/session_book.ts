/**
 * All sessions of one client: finds the session of a box, begins the sessions that others start, and owns the prekeys
 * that they are begun with.
 *
 * Two bounds keep strangers and acquaintances apart. Whoever the client asked for by `peer` is kept; whoever only wrote
 * first is a stranger, and strangers have a bound of their own: at it the one that was silent longest goes if it was
 * silent for 10 days, otherwise the newcomer is refused. No box of an attacker can push an honest session out.
 * @module
 */

import { encodeHex } from "@std/encoding/hex";
import { ProtocolError } from "../bytes/errors.ts";
import type { Bytes } from "../bytes/writer.ts";
import { sha256 } from "../crypto/hash.ts";
import { Mutex } from "../crypto/mutex.ts";
import { type RandomBytes, secureRandom } from "../crypto/random.ts";
import { type Box, BOX_MAX_BYTES, decodeBox, type InitialBox } from "./box.ts";
import type { BundleOwner } from "./bundle.ts";
import { type Certificate, verifyCertificate } from "./certificate.ts";
import { type Fingerprint, type Identity, idOf } from "./identity.ts";
import { type Opened, reasonOf, type UnopenableReason } from "./opened.ts";
import { type PrekeyStore, withoutOneTimePrekey } from "./prekeys.ts";
import { answerSession, type OpenOptions } from "./session.ts";
import { PeerSessions, type SessionContext, type SessionOptions } from "./sessions.ts";

/** Peers that the client asked for: more than a relay has people. */
export const PEERS_MAX = 8_192;
/** Strangers that wrote first and were never asked for. */
export const STRANGERS_MAX = 1_024;
/**
 * Silence after which a stranger may go at the bound: longer than a signed prekey lives (1 + 8 days), so that a first
 * box of a dropped session cannot begin it a second time.
 */
export const STRANGER_KEEP_MS: number = 10 * 24 * 60 * 60 * 1_000;
/** Ids of sessions with forgotten peers that are remembered, for the same reason. */
const FORGOTTEN_MAX = 10_000;

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

/** All sessions of one client. */
export class SessionBook {
  readonly #context: SessionContext;
  readonly #peers = new Map<Fingerprint, PeerSessions>();
  readonly #strangers = new Map<Fingerprint, PeerSessions>();
  readonly #forgotten = new Set<string>();
  /** Held by every opening, and by everything that reads and changes the prekeys. */
  readonly #mutex = new Mutex();
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
    this.#context = { owner: () => this.#owner, routes: new Map(), random };
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
      this.#prekeys = result.store;
      return result;
    });
  }

  /**
   * Gives the sessions with a peer, perhaps none yet, and keeps them until {@linkcode forgetPeer}.
   * @param fingerprint whose
   * @returns always the same object for the same peer
   * @throws {DecodeError} when it is no fingerprint
   * @throws {ProtocolError} when 8,192 peers are kept
   */
  peer(fingerprint: Fingerprint): PeerSessions {
    const known = this.#peers.get(fingerprint);
    if (known !== undefined) return known;
    idOf(fingerprint);
    if (this.#peers.size >= PEERS_MAX) throw new ProtocolError(`Cannot keep more than ${PEERS_MAX} peers`);
    const peer = this.#strangers.get(fingerprint) ?? new PeerSessions(fingerprint, this.#context);
    this.#strangers.delete(fingerprint);
    this.#peers.set(fingerprint, peer);
    return peer;
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
    await peer.forget(this.#forgotten);
    for (const key of this.#forgotten) {
      if (this.#forgotten.size <= FORGOTTEN_MAX) break;
      this.#forgotten.delete(key);
    }
  }

  async #openFirst(box: InitialBox, options: OpenOptions): Promise<Opened> {
    try {
      if (this.#forgotten.has(encodeHex(box.header.sessionId))) return unopenable("retired", await claimedPeer(box));
      const { session, peer, plaintext, n } = await answerSession(this.#owner, this.#prekeys, box, options);
      const sessions = this.#admit(peer.fingerprint, options.nowMs);
      if (sessions === undefined) return unopenable("full", peer.fingerprint);
      // The commit: no await from here on, so that the prekey dies exactly when the session is there.
      const { oneTimePrekeyId } = box.x3dh;
      if (oneTimePrekeyId !== undefined) this.#prekeys = withoutOneTimePrekey(this.#prekeys, oneTimePrekeyId);
      const newest = sessions.adopt(session, peer, options.nowMs);
      return { kind: "opened", peer: newest, plaintext, n, sessionId: session.id, boxHash: options.boxHash };
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
    void idlest.forget(new Set()); // its first boxes have no prekey here any more
    return true;
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
