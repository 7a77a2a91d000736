/**
 * How well each key is known, and which key each name belongs to (PROTOCOL 5.3). Its law: trust belongs to the key,
 * never to the name, and only the person moves a name to another key or lets go of a key that is held back.
 *
 * The book starts from records and gives what changed of them ({@linkcode PeerRecord}), for a store to keep.
 * @module
 */

import type { Certificate } from "../e2ee/certificate.ts";
import type { Fingerprint } from "../wire/messages.ts";
import type { Trust } from "./events.ts";
import { NAMES_PER_KEY_MAX, type PeerRecord, type TrustGround } from "./peer_record.ts";

/**
 * How many names are pinned by meeting, and how many keys are remembered so: more than a relay has. No pin makes room for
 * another, or a crowd would free a name; whoever comes later is only remembered once the person says something about
 * them.
 */
export const MET_MAX = 20_000;
/** How many names a key gets by being met under them; then the first of them is free again. */
export const NAMES_BY_MEETING_MAX = 8;

/** A key's record as it is kept here; the names are in the pins. */
interface KeyRecord {
  readonly certificate: Certificate;
  readonly firstSeenMs: number;
  readonly how: TrustGround;
  /** Whether it was met before it was met this time. */
  readonly isKnown: boolean;
  /** Whether a store is to keep it. */
  readonly isKept: boolean;
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
  /** The names of each key, as far as they are pinned, the first first. */
  readonly #names = new Map<Fingerprint, Set<string>>();
  /** The same for keys that are meant to be forgotten, laid over the others: for this run the person said so. */
  readonly #passing = new Map<string, Fingerprint>();

  /** Keys whose records are not as they were when {@linkcode takeChanges} was called last. */
  readonly #changed = new Set<Fingerprint>();

  /**
   * Opens the book.
   * @param records what was remembered; every key in it has been met before
   */
  constructor(records: readonly PeerRecord[] = []) {
    for (const { certificate, firstSeenMs, how, names } of records) {
      this.#keys.set(certificate.fingerprint, { certificate, firstSeenMs, how, isKnown: true, isKept: true });
      for (const name of names) this.#own(name, certificate.fingerprint);
    }
  }

  /**
   * Tells what a store is to keep that was not told before. Keys that are meant to be forgotten are left out.
   * @returns one change for each key
   */
  takeChanges(): PeerRecordChange[] {
    if (this.#changed.size === 0) return [];
    const changes = [...this.#changed].map((fingerprint) => {
      const key = this.#keys.get(fingerprint);
      if (key === undefined || !key.isKept) return { fingerprint, record: undefined };
      const { certificate, firstSeenMs, how } = key;
      return { fingerprint, record: { certificate, firstSeenMs, how, names: [...this.#names.get(fingerprint) ?? []] } };
    });
    this.#changed.clear();
    return changes;
  }

  /**
   * Takes in that a key was met under a name, which it gets when the name belongs to nobody.
   * @param certificate the newest of that key
   * @param folded its handle, folded
   * @param options when, and whether its owner was gone and came back
   */
  meet(
    certificate: Certificate,
    folded: string,
    options: { readonly nowMs: number; readonly hasComeBack: boolean },
  ): void {
    const { fingerprint, life } = certificate;
    // A name of an ephemeral key is nobody's: the next run of the same program has another key (PROTOCOL §1).
    const before = this.#keys.get(fingerprint);
    const isKnown = (before?.isKnown ?? false) || options.hasComeBack;
    const { firstSeenMs, how, isKept } = before ??
      { firstSeenMs: options.nowMs, how: "tofu", isKept: life === "lasting" && this.#keys.size < MET_MAX };
    this.#keys.set(fingerprint, { certificate, firstSeenMs, how, isKnown, isKept });
    if (before?.certificate !== certificate) this.#changed.add(fingerprint);
    if (isKept && !this.#pins.has(folded) && this.#pins.size < MET_MAX) this.#pin(folded, fingerprint);
  }

  /**
   * Takes in a newer certificate of a key that is known, under the name that it has.
   * @param certificate the newest of that key
   */
  renew(certificate: Certificate): void {
    const record = this.#keys.get(certificate.fingerprint);
    if (record === undefined || record.certificate === certificate) return;
    this.#keys.set(certificate.fingerprint, { ...record, certificate });
    this.#changed.add(certificate.fingerprint);
  }

  /**
   * Finds the newest certificate of a key.
   * @param fingerprint the key
   * @returns it, `undefined` when the key was never met
   */
  certificate(fingerprint: Fingerprint): Certificate | undefined {
    return this.#keys.get(fingerprint)?.certificate;
  }

  /**
   * Forgets a key that nothing hangs on: no name is its own and the person never said anything about it.
   * @param fingerprint which
   * @returns whether it is forgotten
   */
  forget(fingerprint: Fingerprint): boolean {
    const how = this.#keys.get(fingerprint)?.how;
    if (how !== "tofu" || this.#names.has(fingerprint)) return how === undefined;
    this.#keys.delete(fingerprint);
    this.#changed.add(fingerprint);
    return true;
  }

  /**
   * Tells how well a key is known under a name.
   * @param key the key and its name
   * @returns the mark that every line of its owner carries
   */
  trust({ fingerprint, folded }: NamedKey): Trust {
    const record = this.#keys.get(fingerprint);
    const owner = this.#ownerOf(folded) ?? fingerprint;
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
    const owner = this.#ownerOf(folded);
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
    // What the person says is always remembered, however many were met.
    this.#keys.set(fingerprint, { ...record, how, isKept: record.certificate.life === "lasting" });
    this.#changed.add(fingerprint);
  }

  #ownerOf(folded: string): Fingerprint | undefined {
    return this.#passing.get(folded) ?? this.#pins.get(folded);
  }

  #own(name: string, fingerprint: Fingerprint): void {
    this.#disown(name);
    this.#pins.set(name, fingerprint);
    this.#names.set(fingerprint, (this.#names.get(fingerprint) ?? new Set()).add(name));
  }

  #disown(name: string): void {
    const owner = this.#pins.get(name);
    if (owner === undefined) return;
    this.#pins.delete(name);
    const names = this.#names.get(owner);
    names?.delete(name);
    if (names?.size === 0) this.#names.delete(owner);
    this.#changed.add(owner);
  }

  #pin(folded: string, fingerprint: Fingerprint): void {
    const record = this.#keys.get(fingerprint);
    // The name goes back to whom it belonged when this run, and with it that key, is over.
    if (record?.certificate.life === "ephemeral") return void this.#passing.set(folded, fingerprint);
    this.#passing.delete(folded);
    if (this.#pins.get(folded) === fingerprint) return;
    const names = [...this.#names.get(fingerprint) ?? []];
    const most = record?.how === "tofu" ? NAMES_BY_MEETING_MAX : NAMES_PER_KEY_MAX;
    for (const name of names.slice(0, Math.max(0, names.length + 1 - most))) this.#disown(name);
    this.#own(folded, fingerprint);
    this.#changed.add(fingerprint);
  }
}

function isCompared(how: TrustGround): boolean {
  return how === "number" || how === "code";
}
