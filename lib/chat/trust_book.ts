/**
 * How well each key is known, and which key each name belongs to (PROTOCOL 5.3). Its law: trust belongs to the key,
 * never to the name, and only the person moves a name to another key or lets go of a key that is held back.
 *
 * The book is plain data in and out ({@linkcode PeerTrust}): a store can keep it between runs.
 * @module
 */

import { ProtocolError } from "../bytes/errors.ts";
import type { Certificate } from "../e2ee/certificate.ts";
import type { Fingerprint } from "../wire/messages.ts";
import type { Trust } from "./events.ts";

/** How many names are pinned: more than a relay binds. A pin is never dropped, or waiting would free the name. */
const PINS_MAX = 20_000;

/** On what trust in a key rests: first use, the person's word, compared numbers, or that it was taken back. */
export type TrustGround = "tofu" | "accepted" | "number" | "distrusted";

/** What is to be remembered of one key. */
export interface PeerTrust {
  /** Whose key. */
  readonly fingerprint: Fingerprint;
  /** The newest name that it was seen under. */
  readonly handle: string;
  /** When it was first met. */
  readonly firstSeenMs: number;
  /** On what the trust in it rests. */
  readonly how: TrustGround;
  /** The names that belong to it, folded. */
  readonly names: readonly string[];
}

/** A key's record as it is kept here; the names are in the pins. */
interface KeyRecord {
  readonly handle: string;
  readonly firstSeenMs: number;
  readonly how: TrustGround;
  /** Whether it was met before it was met this time. */
  readonly isKnown: boolean;
  /** Whether it is meant to be forgotten. */
  readonly isEphemeral: boolean;
}

/** A key and the name that it comes under, folded. */
export interface NamedKey {
  /** The key. */
  readonly fingerprint: Fingerprint;
  /** The name, as names are compared. */
  readonly folded: string;
}

/** The trust of one person in others. */
export class TrustBook {
  readonly #keys = new Map<Fingerprint, KeyRecord>();
  /** Which key a folded name belongs to. */
  readonly #pins = new Map<string, Fingerprint>();

  /**
   * Opens the book.
   * @param records what was remembered; every key in it has been met before
   */
  constructor(records: readonly PeerTrust[] = []) {
    for (const { fingerprint, handle, firstSeenMs, how, names } of records) {
      this.#keys.set(fingerprint, { handle, firstSeenMs, how, isKnown: true, isEphemeral: false });
      for (const name of names) this.#pins.set(name, fingerprint);
    }
  }

  /**
   * Tells what is to be remembered. Keys that are meant to be forgotten are left out.
   * @returns one record for each key
   */
  records(): PeerTrust[] {
    const namesOf = Map.groupBy(this.#pins.keys(), (name) => this.#pins.get(name) as Fingerprint);
    return [...this.#keys].filter(([, { isEphemeral }]) => !isEphemeral).map(
      ([fingerprint, { handle, firstSeenMs, how }]) => {
        return { fingerprint, handle, firstSeenMs, how, names: namesOf.get(fingerprint) ?? [] };
      },
    );
  }

  /**
   * Takes in that a key was met under a name, which it gets when the name belongs to nobody.
   * @param certificate the newest of that key
   * @param folded its handle, folded
   * @param options when, and whether the key came back with a newer certificate
   * @throws {ProtocolError} when there are too many names: no honest relay has so many
   */
  meet(
    certificate: Certificate,
    folded: string,
    options: { readonly nowMs: number; readonly hasComeBack: boolean },
  ): void {
    const { fingerprint, handle, life } = certificate;
    // A name of an ephemeral key is nobody's: the next run of the same program has another key (PROTOCOL §1).
    if (!this.#pins.has(folded) && life === "lasting") {
      if (this.#pins.size >= PINS_MAX) throw new ProtocolError(`Cannot remember more than ${PINS_MAX} names`);
      this.#pins.set(folded, fingerprint);
    }
    const before = this.#keys.get(fingerprint);
    this.#keys.set(fingerprint, {
      handle,
      firstSeenMs: before?.firstSeenMs ?? options.nowMs,
      how: before?.how ?? "tofu",
      isKnown: (before?.isKnown ?? false) || options.hasComeBack,
      isEphemeral: life === "ephemeral",
    });
  }

  /**
   * Forgets a key that nothing hangs on: its name is not its own and the person never said anything about it.
   * @param key which, and its newest name
   */
  forget({ fingerprint, folded }: NamedKey): void {
    const isOwner = this.#pins.get(folded) === fingerprint;
    if (!isOwner && this.#keys.get(fingerprint)?.how === "tofu") this.#keys.delete(fingerprint);
  }

  /**
   * Tells how well a key is known under a name.
   * @param key the key and its name
   * @returns the mark that every line of its owner carries
   */
  trust({ fingerprint, folded }: NamedKey): Trust {
    const record = this.#keys.get(fingerprint);
    const owner = this.#pins.get(folded) ?? fingerprint;
    if (record === undefined || record.how === "distrusted" || owner !== fingerprint) return "changed";
    if (record.how === "number") return "verified";
    return record.how === "accepted" || record.isKnown ? "known" : "new";
  }

  /**
   * Tells whether the person said that a key is not to be trusted.
   * @param fingerprint the key
   * @returns whether `distrust` was the last word about it
   */
  isDistrusted(fingerprint: Fingerprint): boolean {
    return this.#keys.get(fingerprint)?.how === "distrusted";
  }

  /**
   * Tells whether the key that a name belongs to was verified.
   * @param folded the name
   * @returns whether numbers were compared for its owner
   */
  isVerifiedName(folded: string): boolean {
    const owner = this.#pins.get(folded);
    return owner !== undefined && this.#keys.get(owner)?.how === "number";
  }

  /**
   * Tells when a key was first met.
   * @param fingerprint the key
   * @returns the time, 0 when it never was
   */
  firstSeenMs(fingerprint: Fingerprint): number {
    return this.#keys.get(fingerprint)?.firstSeenMs ?? 0;
  }

  /**
   * Accepts that a name belongs to a key from now on. A key that is verified under it stays so; one that was held back
   * becomes `known`, whatever it was before.
   * @param key the key and its name
   */
  accept(key: NamedKey): void {
    if (this.trust(key) !== "verified") this.#rule(key, "accepted");
  }

  /**
   * Notes that numbers were compared: the name belongs to that key, and the key is `verified`.
   * @param key the key and its name
   */
  verify(key: NamedKey): void {
    this.#rule(key, "number");
  }

  /**
   * Takes trust in a key back, however it was gained. Its names stay its own, so that nobody gets them by this.
   * @param fingerprint the key
   */
  distrust(fingerprint: Fingerprint): void {
    this.#set(fingerprint, "distrusted");
  }

  #rule({ fingerprint, folded }: NamedKey, how: TrustGround): void {
    this.#set(fingerprint, how);
    this.#pins.set(folded, fingerprint);
  }

  #set(fingerprint: Fingerprint, how: TrustGround): void {
    const record = this.#keys.get(fingerprint);
    if (record === undefined) throw new TypeError("Cannot trust a key that was never met");
    this.#keys.set(fingerprint, { ...record, how });
  }
}
