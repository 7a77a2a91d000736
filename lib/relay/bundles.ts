/**
 * Prekey bundles and one-time prekeys that people leave at the relay (PROTOCOL 3). All of it is opaque here: the relay
 * cuts the list of one-time prekeys but does not understand them; whoever is given one verifies it.
 *
 *     putOneTimePrekeys = lv(prekey) || lv(prekey) …
 *     bundle (stored)   = lv(bundle) || lv(one-time prekey, or nothing)
 *
 * A requester is given one one-time prekey of a person an hour, so that nobody empties a store alone; asking again gives
 * the bundle without one. A new bundle starts a new set: the prekeys that were left beside the former one are dropped,
 * because a client that lost its memory could not answer to them.
 * @module
 */

import { DecodeError } from "../bytes/errors.ts";
import { ByteReader } from "../bytes/reader.ts";
import type { Bytes } from "../bytes/writer.ts";
import type { Fingerprint } from "../wire/messages.ts";
import { type Closing, notAllowed } from "./effects.ts";
import { LINKS_MAX } from "./links.ts";

/** The longest bundle: a certificate, a signed prekey and signatures are under 1 KiB. */
export const BUNDLE_MAX_BYTES = 4096;
/** The longest one-time prekey: an id, a key and a signature, each with a length, are under 130 bytes. */
export const ONE_TIME_PREKEY_MAX_BYTES = 160;
/** One-time prekeys kept for one identity: two full refills. */
export const ONE_TIME_PREKEYS_MAX = 200;
/** Below this the owner is asked for more. */
export const ONE_TIME_PREKEYS_LOW = 30;
/** How long a bundle is kept: its signed prekey is refused after that (PROTOCOL 3). */
export const BUNDLE_TTL_MS = 30 * 24 * 3600 * 1000;
/** Owners of bundles: as many as links, so that one who is linked always finds room in place of one who is not. */
export const BUNDLE_OWNERS_MAX: number = LINKS_MAX;
/** How long one requester waits for the next one-time prekey of the same person. */
export const GRANT_TTL_MS = 3600 * 1000;
/** Grants remembered; above it bundles go out without a one-time prekey, which is safe, until an hour has passed. */
export const GRANTS_MAX = 50_000;

/** What a requester is given. */
export interface StoredBundle {
  /** The bundle. */
  readonly bundle: Bytes;
  /** A one-time prekey, empty when there is none for this requester. */
  readonly oneTimePrekey: Bytes;
}

interface BundleOwner {
  readonly bundle: Bytes;
  readonly putMs: number;
  oneTimePrekeys: Bytes[];
  isToldLow: boolean;
}

const NOTHING = new Uint8Array(0);

/** What people left. */
export class BundleStore {
  /** In the order in which the bundles were put. */
  readonly #owners = new Map<Fingerprint, BundleOwner>();
  /** When a requester was last given a one-time prekey of an owner, oldest first. */
  readonly #grants = new Map<string, number>();

  /**
   * Keeps a bundle in place of the former one, and drops the one-time prekeys that were beside that.
   * @param owner whose it is
   * @param bundle the bundle, opaque
   * @param options the time, and whether an identity is linked now: one that is not makes room when there is none
   * @returns the end of the link when the bundle is too long or empty, else `undefined`
   */
  putBundle(
    owner: Fingerprint,
    bundle: Bytes,
    options: { readonly nowMs: number; readonly isLinked: (fingerprint: Fingerprint) => boolean },
  ): Closing | undefined {
    if (bundle.length === 0 || bundle.length > BUNDLE_MAX_BYTES) {
      return notAllowed(`A bundle has 1 to ${BUNDLE_MAX_BYTES} bytes, not ${bundle.length}.`);
    }
    // Deleted first, so that the map stays in the order of the last put.
    this.#owners.delete(owner);
    if (this.#owners.size >= BUNDLE_OWNERS_MAX) this.#makeRoom(options.isLinked);
    this.#owners.set(owner, { bundle, putMs: options.nowMs, oneTimePrekeys: [], isToldLow: false });
    return undefined;
  }

  /**
   * Adds one-time prekeys; above the bound the oldest go.
   * @param owner whose they are
   * @param body `lv_cat` of the prekeys
   * @returns the end of the link when the list is malformed or there is no bundle beside it, else `undefined`
   */
  addOneTimePrekeys(owner: Fingerprint, body: Bytes): Closing | undefined {
    const kept = this.#owners.get(owner);
    if (kept === undefined) return notAllowed("One-time prekeys need a bundle: send putBundle first.");
    const added = cutPrekeys(body);
    if (added === undefined) return notAllowed("The list of one-time prekeys is malformed.");
    kept.oneTimePrekeys = [...kept.oneTimePrekeys, ...added].slice(-ONE_TIME_PREKEYS_MAX);
    if (kept.oneTimePrekeys.length >= ONE_TIME_PREKEYS_LOW) kept.isToldLow = false;
    return undefined;
  }

  /**
   * Gives somebody's bundle, and a one-time prekey if there is one and the requester had none within the hour.
   * @param owner whose bundle
   * @param requester who asks
   * @param nowMs the time
   * @returns what to give, or `undefined` when nothing is kept
   */
  take(owner: Fingerprint, requester: Fingerprint, nowMs: number): StoredBundle | undefined {
    const kept = this.#owners.get(owner);
    if (kept === undefined) return undefined;
    this.#expireGrants(nowMs);
    const grant = `${requester}/${owner}`;
    if (this.#grants.has(grant) || this.#grants.size >= GRANTS_MAX) {
      return { bundle: kept.bundle, oneTimePrekey: NOTHING };
    }
    const oneTimePrekey = kept.oneTimePrekeys.shift();
    if (oneTimePrekey === undefined) return { bundle: kept.bundle, oneTimePrekey: NOTHING };
    this.#grants.set(grant, nowMs);
    return { bundle: kept.bundle, oneTimePrekey };
  }

  /**
   * Counts what is kept of an identity.
   * @param owner the identity
   * @returns its bundle, how many one-time prekeys it was given of others within the hour, and others of it
   */
  heldOf(
    owner: Fingerprint,
  ): {
    readonly bundle: { readonly bytes: number; readonly putAt: number; readonly oneTimePrekeys: number } | null;
    readonly keysGivenToYou: number;
    readonly keysGivenOfYou: number;
  } {
    const kept = this.#owners.get(owner);
    const grants = [...this.#grants.keys()];
    return {
      bundle: kept === undefined
        ? null
        : { bytes: kept.bundle.length, putAt: kept.putMs, oneTimePrekeys: kept.oneTimePrekeys.length },
      keysGivenToYou: grants.filter((grant) => grant.startsWith(`${owner}/`)).length,
      keysGivenOfYou: grants.filter((grant) => grant.endsWith(`/${owner}`)).length,
    };
  }

  /**
   * Tells whether the owner should hear that few one-time prekeys are left; answers so once, until there are enough.
   * @param owner whose prekeys; must be linked, for this counts as told
   * @returns how many are left, or `undefined` when there is nothing to tell
   */
  takeLowNotice(owner: Fingerprint): number | undefined {
    const kept = this.#owners.get(owner);
    if (kept === undefined || kept.isToldLow || kept.oneTimePrekeys.length >= ONE_TIME_PREKEYS_LOW) return undefined;
    kept.isToldLow = true;
    return kept.oneTimePrekeys.length;
  }

  /**
   * Drops what an identity left; for those that never come back.
   * @param owner the identity
   */
  forget(owner: Fingerprint): void {
    this.#owners.delete(owner);
  }

  /**
   * Drops what is too old.
   * @param nowMs the time
   */
  expire(nowMs: number): void {
    this.#expireGrants(nowMs);
    for (const [owner, kept] of this.#owners) {
      if (kept.putMs + BUNDLE_TTL_MS > nowMs) break;
      this.#owners.delete(owner);
    }
  }

  #makeRoom(isLinked: (fingerprint: Fingerprint) => boolean): void {
    for (const owner of this.#owners.keys()) {
      if (isLinked(owner)) continue;
      this.#owners.delete(owner);
      return;
    }
  }

  #expireGrants(nowMs: number): void {
    for (const [grant, givenMs] of this.#grants) {
      if (givenMs + GRANT_TTL_MS > nowMs) break;
      this.#grants.delete(grant);
    }
  }
}

function cutPrekeys(body: Bytes): Bytes[] | undefined {
  const reader = new ByteReader(body, "one-time prekeys");
  const prekeys: Bytes[] = [];
  try {
    while (reader.remaining > 0) {
      const prekey = reader.lv(ONE_TIME_PREKEY_MAX_BYTES);
      if (prekey.length === 0) return undefined;
      prekeys.push(prekey);
    }
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
  return prekeys.length === 0 ? undefined : prekeys;
}
