/**
 * How well each key is known, and which key each name belongs to (PROTOCOL 5.3). Its law: trust belongs to the key,
 * never to the name, and only the person moves a name to another key or lets go of a key that is held back.
 *
 * The book starts from records and gives what changed of them ({@linkcode PeerRecord}), for a store to keep.
 * @module
 */

import { ProtocolError } from "../bytes/errors.ts";
import type { Certificate } from "../e2ee/certificate.ts";
import type { Fingerprint } from "../wire/messages.ts";
import type { Trust } from "./events.ts";
import type { PeerRecord, TrustGround } from "./peer_record.ts";

/** How many names are pinned: more than a relay binds. A pin is never dropped, or waiting would free the name. */
const PINS_MAX = 20_000;

/** A key's record as it is kept here; the names are in the pins. */
interface KeyRecord {
  readonly certificate: Certificate;
  readonly firstSeenMs: number;
  readonly how: TrustGround;
  /** Whether it was met before it was met this time. */
  readonly isKnown: boolean;
}

/** What a store is to do about one key. */
export interface PeerRecordChange {
  /** Whose key. */
  readonly fingerprint: Fingerprint;
  /** What takes the place of what was stored; `undefined` when that is to be deleted. */
  readonly record: PeerRecord | undefined;
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

  /** Keys whose records are not as they were when {@linkcode takeChanges} was called last. */
  readonly #changed = new Set<Fingerprint>();

  /**
   * Opens the book.
   * @param records what was remembered; every key in it has been met before
   */
  constructor(records: readonly PeerRecord[] = []) {
    for (const { certificate, firstSeenMs, how, names } of records) {
      this.#keys.set(certificate.fingerprint, { certificate, firstSeenMs, how, isKnown: true });
      for (const name of names) this.#pins.set(name, certificate.fingerprint);
    }
  }

  /**
   * Tells what a store is to keep that was not told before. Keys that are meant to be forgotten are left out.
   * @returns one change for each key
   */
  takeChanges(): PeerRecordChange[] {
    if (this.#changed.size === 0) return [];
    const namesOf = Map.groupBy(this.#pins.keys(), (name) => this.#pins.get(name) as Fingerprint);
    const changes = [...this.#changed].map((fingerprint) => {
      const key = this.#keys.get(fingerprint);
      if (key === undefined || key.certificate.life === "ephemeral") return { fingerprint, record: undefined };
      const { certificate, firstSeenMs, how } = key;
      return { fingerprint, record: { certificate, firstSeenMs, how, names: namesOf.get(fingerprint) ?? [] } };
    });
    this.#changed.clear();
    return changes;
  }

  /**
   * Takes in that a key was met under a name, which it gets when the name belongs to nobody.
   * @param certificate the newest of that key
   * @param folded its handle, folded
   * @param options when, and whether its owner was gone and came back
   * @throws {ProtocolError} when there are too many names: no honest relay has so many
   */
  meet(
    certificate: Certificate,
    folded: string,
    options: { readonly nowMs: number; readonly hasComeBack: boolean },
  ): void {
    const { fingerprint, life } = certificate;
    // A name of an ephemeral key is nobody's: the next run of the same program has another key (PROTOCOL §1).
    if (!this.#pins.has(folded) && life === "lasting") {
      if (this.#pins.size >= PINS_MAX) throw new ProtocolError(`Cannot remember more than ${PINS_MAX} names`);
      this.#pin(folded, fingerprint);
    }
    const before = this.#keys.get(fingerprint);
    const isKnown = (before?.isKnown ?? false) || options.hasComeBack;
    const { firstSeenMs, how } = before ?? { firstSeenMs: options.nowMs, how: "tofu" };
    this.#keys.set(fingerprint, { certificate, firstSeenMs, how, isKnown });
    if (before?.certificate !== certificate) this.#changed.add(fingerprint);
  }

  /**
   * Forgets a key that nothing hangs on: its name is not its own and the person never said anything about it.
   * @param key which, and its newest name
   */
  forget({ fingerprint, folded }: NamedKey): void {
    const isOwner = this.#pins.get(folded) === fingerprint;
    if (isOwner || this.#keys.get(fingerprint)?.how !== "tofu") return;
    this.#keys.delete(fingerprint);
    this.#changed.add(fingerprint);
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
    if (isCompared(record.how)) return "verified";
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
   * @returns whether its owner was compared, by numbers or by a code
   */
  isVerifiedName(folded: string): boolean {
    const owner = this.#pins.get(folded);
    const how = owner === undefined ? undefined : this.#keys.get(owner)?.how;
    return how !== undefined && isCompared(how);
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
   * Notes that the key was proven by a code that one person gave the other: that is a comparison too.
   * @param key the key and its name
   */
  verifyByCode(key: NamedKey): void {
    this.#rule(key, "code");
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
    this.#pin(folded, fingerprint);
  }

  #set(fingerprint: Fingerprint, how: TrustGround): void {
    const record = this.#keys.get(fingerprint);
    if (record === undefined) throw new TypeError("Cannot trust a key that was never met");
    this.#keys.set(fingerprint, { ...record, how });
    this.#changed.add(fingerprint);
  }

  #pin(folded: string, fingerprint: Fingerprint): void {
    const owner = this.#pins.get(folded);
    if (owner === fingerprint) return;
    if (owner !== undefined) this.#changed.add(owner);
    this.#pins.set(folded, fingerprint);
    this.#changed.add(fingerprint);
  }
}

function isCompared(how: TrustGround): boolean {
  return how === "number" || how === "code";
}
