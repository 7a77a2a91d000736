/**
 * Which identity a name belongs to (DESIGN 4). First come, first served: a name stays with the key that took it, for
 * as long as that key is linked and for a time after. Names are compared folded, so that no two look alike.
 * Keeps no clock and writes nothing: the host saves `entries()` on `namesChanged` and gives them to `restore`.
 * @module
 */

import type { Fingerprint } from "../wire/messages.ts";
import type { CallerLife } from "./effects.ts";

/** How long a name waits for its absent owner: a holiday and more. */
export const NAME_TTL_MS = 30 * 24 * 3600 * 1000;
/** How long an ephemeral identity's name waits: long enough to link again after a broken line. */
export const EPHEMERAL_NAME_TTL_MS = 60 * 1000;
/** Names of one identity: it may be renamed now and then, but not collect names. */
export const NAMES_PER_IDENTITY_MAX = 4;
/** All names: more than a local network has people, and at 480 bytes each they fit the 4 MiB of the host's file. */
export const NAMES_MAX = 8_000;
/** How long a name's owner must be absent before it goes to make room: who is here every day keeps it all the same. */
export const CROWDED_NAME_TTL_MS = 24 * 3600 * 1000;
/** The share of all names that goes at once to make room: a scan of all then serves many new ones. */
const CROWDED_SHARE = 100;

/** A bound name, as it is saved. */
export interface NameEntry {
  /** What is compared. */
  readonly folded: string;
  /** What was chosen. */
  readonly handle: string;
  /** Whose it is. */
  readonly fingerprint: Fingerprint;
  /** How long that identity is meant to live. */
  readonly life: CallerLife;
  /** The highest time that a certificate of this identity carried. */
  readonly createdMs: number;
  /** When the owner was last linked under this name. */
  readonly lastSeenMs: number;
}

/** Somebody's wish for a name. */
export interface NameClaim {
  /** The handle, checked. */
  readonly handle: string;
  /** Its folded form. */
  readonly folded: string;
  /** Who wants it. */
  readonly fingerprint: Fingerprint;
  /** How long that identity is meant to live. */
  readonly life: CallerLife;
  /** When the certificate that carries the handle was made. */
  readonly createdMs: number;
}

/** What came of a claim; `isChanged` tells whether the entries are worth saving. */
export type NameResult =
  | { readonly kind: "bound"; readonly isChanged: boolean }
  | {
    readonly kind: "refused";
    readonly code: "nameTaken" | "olderCertificate" | "relayFull";
    readonly message: string;
  };

/** What a `NameBook` is made from. */
export interface NameBookOptions {
  /** How long a name waits for its absent owner, in milliseconds. */
  readonly ttlMs?: number;
  /** Another bound on all names, for tests. */
  readonly namesMax?: number;
}

/** What is known about an identity that has a name. */
interface Owner {
  createdMs: number;
  /** The name that a link uses now. */
  inUse: string | undefined;
  /** Its names, the one used longest ago first. */
  readonly names: Set<string>;
}

/** The names of one relay. */
export class NameBook {
  readonly #ttlMs: number;
  readonly #namesMax: number;
  readonly #entries = new Map<string, NameEntry>();
  readonly #owners = new Map<Fingerprint, Owner>();

  /**
   * Starts empty.
   * @param options how long names are kept
   */
  constructor(options: NameBookOptions = {}) {
    this.#ttlMs = options.ttlMs ?? NAME_TTL_MS;
    this.#namesMax = options.namesMax ?? NAMES_MAX;
  }

  /**
   * Binds a name to an identity that has just linked; the name is in use until `release`.
   * @param claim who wants which name
   * @param nowMs the time
   * @returns whether it is bound, or why not, in a sentence for that person
   */
  bind(claim: NameClaim, nowMs: number): NameResult {
    const refusal = this.#refusal(claim, nowMs);
    if (refusal !== undefined) return refusal;
    const before = this.#entries.get(claim.folded);
    this.#freeOldest(claim);
    const owner = this.#put({ ...claim, lastSeenMs: nowMs });
    owner.inUse = claim.folded;
    const isSame = before !== undefined && before.fingerprint === claim.fingerprint &&
      before.handle === claim.handle && before.life === claim.life && before.createdMs === claim.createdMs;
    // An ephemeral name is not saved; it matters only where it takes the place of one that was.
    const isChanged = !isSame && (claim.life === "lasting" || before?.life === "lasting");
    return { kind: "bound", isChanged };
  }

  /**
   * Says that an identity's link has ended: its name starts to age.
   * @param fingerprint the identity
   * @param nowMs the time
   */
  release(fingerprint: Fingerprint, nowMs: number): void {
    const owner = this.#owners.get(fingerprint);
    if (owner?.inUse === undefined) return;
    this.#touch(owner.inUse, nowMs);
    owner.inUse = undefined;
  }

  /**
   * Tells whether an identity is known and may come back: it has a name, and its certificate was a lasting one.
   * @param fingerprint the identity
   * @param nowMs the time
   * @returns whether something may wait for it
   */
  isLasting(fingerprint: Fingerprint, nowMs: number): boolean {
    const newest = [...this.#owners.get(fingerprint)?.names ?? []].at(-1);
    const entry = newest === undefined ? undefined : this.#entries.get(newest);
    return entry?.life === "lasting" && (this.#isInUse(entry) || this.#freeAtMs(entry) > nowMs);
  }

  /**
   * Lists the names of an identity.
   * @param fingerprint the identity
   * @returns its entries, the one used longest ago first
   */
  namesOf(fingerprint: Fingerprint): NameEntry[] {
    const names = this.#owners.get(fingerprint)?.names ?? [];
    return [...names].flatMap((folded) => this.#entries.get(folded) ?? []);
  }

  /**
   * Tells how long a name waits for its absent owner.
   * @param life how long the owner is meant to live
   * @returns the time in milliseconds
   */
  ttlMs(life: CallerLife): number {
    return life === "ephemeral" ? EPHEMERAL_NAME_TTL_MS : this.#ttlMs;
  }

  /**
   * Frees what was absent for too long, and marks what is in use as seen now.
   * @param nowMs the time
   */
  expire(nowMs: number): void {
    for (const entry of [...this.#entries.values()]) {
      if (this.#isInUse(entry)) this.#touch(entry.folded, nowMs);
      else if (this.#freeAtMs(entry) <= nowMs) this.#free(entry);
    }
  }

  /**
   * Gives what is worth keeping over a restart: the names of lasting identities.
   * @returns the entries, oldest first
   */
  entries(): NameEntry[] {
    return [...this.#entries.values()].filter((entry) => entry.life === "lasting");
  }

  /**
   * Puts saved names back; call it before anybody links.
   * @param entries what `entries` gave; names that clash with earlier ones, or are too many, are left out
   */
  restore(entries: readonly NameEntry[]): void {
    for (const entry of entries) {
      const names = this.#owners.get(entry.fingerprint)?.names;
      if (this.#entries.has(entry.folded) || this.#entries.size >= this.#namesMax) continue;
      if ((names?.size ?? 0) >= NAMES_PER_IDENTITY_MAX) continue;
      this.#put(entry);
    }
  }

  #refusal(claim: NameClaim, nowMs: number): NameResult | undefined {
    const taken = this.#current(claim.folded, nowMs);
    const owner = this.#owners.get(claim.fingerprint);
    if (owner !== undefined && claim.createdMs < owner.createdMs) {
      return {
        kind: "refused",
        code: "olderCertificate",
        message: "This relay has seen a newer certificate of the same identity.",
      };
    }
    if (taken !== undefined && taken.fingerprint !== claim.fingerprint) {
      return { kind: "refused", code: "nameTaken", message: this.#takenMessage(claim, taken, nowMs) };
    }
    if (taken === undefined && !this.#makeRoom(nowMs)) {
      return { kind: "refused", code: "relayFull", message: "This relay cannot hold more names. Ask who runs it." };
    }
    return undefined;
  }

  /** Sees to it that one more name may be bound, and tells whether it may. */
  #makeRoom(nowMs: number): boolean {
    if (this.#entries.size >= this.#namesMax) this.expire(nowMs);
    if (this.#entries.size >= this.#namesMax) this.#freeLongAbsent(nowMs);
    return this.#entries.size < this.#namesMax;
  }

  #freeLongAbsent(nowMs: number): void {
    const absent = [...this.#entries.values()].filter((entry) =>
      !this.#isInUse(entry) && entry.lastSeenMs + CROWDED_NAME_TTL_MS < nowMs
    );
    absent.sort((a, b) => a.lastSeenMs - b.lastSeenMs);
    for (const entry of absent.slice(0, Math.ceil(this.#namesMax / CROWDED_SHARE))) this.#free(entry);
  }

  #takenMessage(claim: NameClaim, taken: NameEntry, nowMs: number): string {
    const what = taken.handle === claim.handle
      ? `The name "${claim.handle}" is taken on this relay: it belongs to another key.`
      : `The name "${claim.handle}" looks too much like "${taken.handle}", which is taken on this relay.`;
    const isSoonFree = taken.life === "ephemeral" && !this.#isInUse(taken);
    const seconds = Math.ceil((this.#freeAtMs(taken) - nowMs) / 1000);
    return isSoonFree ? `${what} It is free again in ${seconds} s.` : what;
  }

  /** The entry of a name, unless its time is over. */
  #current(folded: string, nowMs: number): NameEntry | undefined {
    const entry = this.#entries.get(folded);
    if (entry === undefined || this.#isInUse(entry) || this.#freeAtMs(entry) > nowMs) return entry;
    this.#free(entry);
    return undefined;
  }

  #freeOldest(claim: NameClaim): void {
    const names = this.#owners.get(claim.fingerprint)?.names;
    if (names === undefined || names.has(claim.folded) || names.size < NAMES_PER_IDENTITY_MAX) return;
    const [oldest] = names;
    const entry = oldest === undefined ? undefined : this.#entries.get(oldest);
    if (entry !== undefined) this.#free(entry);
  }

  #put(entry: NameEntry): Owner {
    const { folded, handle, fingerprint, life, createdMs, lastSeenMs } = entry;
    this.#entries.set(folded, { folded, handle, fingerprint, life, createdMs, lastSeenMs });
    const owner = this.#owners.get(fingerprint) ?? { createdMs, inUse: undefined, names: new Set<string>() };
    owner.createdMs = Math.max(owner.createdMs, createdMs);
    // To the end of the set: the one used last is freed last.
    owner.names.delete(folded);
    owner.names.add(folded);
    this.#owners.set(fingerprint, owner);
    return owner;
  }

  #free(entry: NameEntry): void {
    this.#entries.delete(entry.folded);
    const owner = this.#owners.get(entry.fingerprint);
    if (owner === undefined) return;
    owner.names.delete(entry.folded);
    if (owner.inUse === entry.folded) owner.inUse = undefined;
    if (owner.names.size === 0) this.#owners.delete(entry.fingerprint);
  }

  #touch(folded: string, nowMs: number): void {
    const entry = this.#entries.get(folded);
    if (entry !== undefined) this.#entries.set(folded, { ...entry, lastSeenMs: nowMs });
  }

  #isInUse(entry: NameEntry): boolean {
    return this.#owners.get(entry.fingerprint)?.inUse === entry.folded;
  }

  #freeAtMs(entry: NameEntry): number {
    return entry.lastSeenMs + this.ttlMs(entry.life);
  }
}
