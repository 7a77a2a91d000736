/**
 * What a client has for direct links in one run: its sessions and prekeys, and whom it met. All links of the run share
 * it, for whoever listens may hear from several before one of them stays, and a state that was left behind must never
 * seal again (PROTOCOL §0.6).
 * @module
 */

import { type RandomBytes, secureRandom } from "../crypto/random.ts";
import type { BundleOwner } from "../e2ee/bundle.ts";
import type { Certificate } from "../e2ee/certificate.ts";
import { createPrekeyStore, rotateSignedPrekey } from "../e2ee/prekeys.ts";
import { SessionBook } from "../e2ee/session_book.ts";
import type { Member } from "./events.ts";
import type { PeerRecord } from "./peer_record.ts";
import { People } from "./people.ts";
import type { ChatChanges, ChatState } from "./state.ts";

/** What the keys are opened with. */
export interface DirectKeysOptions {
  /** The time now, in milliseconds since 1970 (UTC). */
  readonly nowMs: number;
  /** Where the last run of this identity stood; nothing at the first, and for one that keeps nothing. */
  readonly state?: ChatState | undefined;
  /** Where keys and salts come from. */
  readonly random?: RandomBytes;
}

/** The keys and people of one client, for all its direct links. */
export class DirectKeys {
  /** We. */
  readonly owner: BundleOwner;
  /** All sessions. */
  readonly book: SessionBook;
  /** Whom the person met. */
  readonly people: People;
  /** Where keys, salts and ids come from. */
  readonly random: RandomBytes;

  private constructor(owner: BundleOwner, book: SessionBook, options: DirectKeysOptions) {
    this.owner = owner;
    this.book = book;
    this.people = new People(options.state?.peers);
    this.random = options.random ?? secureRandom;
  }

  /**
   * Opens them where the last run stood, with a signed prekey that is not older than a day.
   * @param owner our keys and certificate
   * @param options the time, what was kept, and where keys come from
   * @returns the keys
   * @throws {DecodeError} when what was kept is damaged
   */
  static async open(owner: BundleOwner, options: DirectKeysOptions): Promise<DirectKeys> {
    const { nowMs, state, random = secureRandom } = options;
    const stored = state?.sessions;
    const book = stored === undefined
      ? new SessionBook({ ...owner, prekeys: await createPrekeyStore({ nowMs, random }), random })
      : await SessionBook.restore({ ...owner, ...stored, random });
    await book.updatePrekeys((store) => rotateSignedPrekey(store, nowMs, { random }));
    return new DirectKeys(owner, book, options);
  }

  /**
   * Tells what is to be kept that was not told before; the same law as `Chat.takeChanges()`.
   * @returns the changes; `undefined` when there are none
   */
  takeChanges(): ChatChanges | undefined {
    const sessions = this.book.takeChanges();
    const peers = this.people.takeChanges();
    const hasSessions = sessions.peers.length > 0 || sessions.prekeys !== undefined || sessions.forgotten !== undefined;
    return hasSessions || peers.length > 0 ? { sessions, peers, cursors: [] } : undefined;
  }
}

/**
 * Tells what somebody would be shown as, and remembers nothing: for the decision before they learn who calls.
 * @param peers whom the person met
 * @param certificate what they show, verified
 * @returns handle, fingerprint and mark
 * @throws {UserError} `nameInvalid` when the handle is malformed or not in NFC
 */
export function previewOf(peers: readonly PeerRecord[], certificate: Certificate): Member {
  const people = new People(peers);
  // When it was met is kept by nobody.
  return people.show(people.meet(certificate, { nowMs: certificate.createdMs, isHere: true }).person);
}
