/**
 * The owner's side of prekeys (PROTOCOL §3): plain data with the private halves, and functions that return a new store
 * and leave the old one as it was, so that a change counts only when the caller keeps it.
 * What others get to see is in `bundle.ts`.
 * @module
 */

import { type DhKeyPair, generateDhKeyPair } from "../crypto/dh.ts";
import { type RandomBytes, secureRandom } from "../crypto/random.ts";

/** How many one-time prekeys the relay should hold. */
export const ONE_TIME_PREKEYS_KEPT = 100;
/** Below this many at the relay new ones are made. */
export const ONE_TIME_PREKEYS_REFILL_BELOW = 30;
/** Age at which the signed prekey is replaced. */
export const SIGNED_PREKEY_LIFE_MS: number = 24 * 60 * 60 * 1_000;
/** How long a replaced private signed prekey is kept, for first messages that are still on their way. */
export const REPLACED_PREKEY_KEEP_MS: number = 8 * 24 * 60 * 60 * 1_000;

/** Private one-time prekeys kept: what was handed out and never used must not pile up. */
export const PUBLISHED_PRIVATE_MAX = 1_000;
/** The same for those of live answers, in a bound of their own: asking for answers must not push published ones out. */
export const LIVE_PRIVATE_MAX = 500;
/** One a day for 8 days, and some for a clock that was set back. */
export const SIGNED_PREKEYS_MAX = 32;

/** A signed prekey with its private half. */
export interface SignedPrekey {
  /** Names it in first messages, u32. */
  readonly id: number;
  /** The pair. */
  readonly pair: DhKeyPair;
  /** When it was made, in milliseconds since 1970 (UTC). */
  readonly createdMs: number;
  /** When another took its place; `undefined` for the current one. */
  readonly replacedMs: number | undefined;
}

/** A one-time prekey with its private half. */
export interface OneTimePrekey {
  /** Names it in first messages, u32; 0 stands for "none" there and is no id. */
  readonly id: number;
  /** The pair. */
  readonly pair: DhKeyPair;
  /** Whether it was given to the relay or to one requester. */
  readonly use: "published" | "live";
}

/** All prekeys of one identity. */
export interface PrekeyStore {
  /** The id of the next prekey of either sort. */
  readonly nextId: number;
  /** The current one first, then the replaced ones, newest first. */
  readonly signed: readonly [SignedPrekey, ...SignedPrekey[]];
  /** Oldest first; each dies in the transaction that creates its session. */
  readonly oneTime: readonly OneTimePrekey[];
}

/** What making prekeys needs. */
export interface PrekeyOptions {
  /** The time now, in milliseconds since 1970 (UTC). */
  readonly nowMs: number;
  /** Where keys come from. */
  readonly random?: RandomBytes;
}

/**
 * Makes a store with one signed prekey and no one-time prekeys.
 * @param options the time
 * @returns the store
 */
export async function createPrekeyStore(options: PrekeyOptions): Promise<PrekeyStore> {
  const { nowMs, random = secureRandom } = options;
  // A random start: a client that lost its store would otherwise give old ids to new keys, and first messages under
  // the old ones would fail at the tag instead of naming a key that is gone.
  const id = 1 + (new DataView(random(4).buffer).getUint32(0) >>> 1);
  const pair = await generateDhKeyPair(random);
  return { nextId: id + 1, signed: [{ id, pair, createdMs: nowMs, replacedMs: undefined }], oneTime: [] };
}

/**
 * Replaces the signed prekey if it is a day old, and forgets replaced ones after 8 days. Call it daily and at each
 * start; publish the bundle again when the answer says `rotated`.
 * A replaced one must outlive what waits in the inbox (PROTOCOL §3): forget none before that was read.
 * @param store the store
 * @param nowMs the time now, in milliseconds since 1970 (UTC)
 * @param options where the key comes from, and whether all that waited in the inbox was read since the start
 * @returns the new store, and whether there is a new signed prekey
 */
export async function rotateSignedPrekey(
  store: PrekeyStore,
  nowMs: number,
  options: { readonly random?: RandomBytes; readonly mayForget?: boolean } = {},
): Promise<{ store: PrekeyStore; rotated: boolean }> {
  const { mayForget = true } = options;
  const [current, ...replaced] = store.signed;
  const kept = replaced.filter((prekey) =>
    !mayForget || nowMs - (prekey.replacedMs ?? nowMs) <= REPLACED_PREKEY_KEEP_MS
  );
  // A creation time ahead of the clock means that the clock was set back; peers refuse such a prekey.
  const isFresh = nowMs - current.createdMs < SIGNED_PREKEY_LIFE_MS && current.createdMs <= nowMs;
  if (isFresh) return { store: { ...store, signed: [current, ...kept] }, rotated: false };

  const pair = await generateDhKeyPair(options.random ?? secureRandom);
  const next: SignedPrekey = { id: store.nextId, pair, createdMs: nowMs, replacedMs: undefined };
  const old = [{ ...current, replacedMs: nowMs }, ...kept].slice(0, SIGNED_PREKEYS_MAX - 1);
  return { store: { ...store, nextId: store.nextId + 1, signed: [next, ...old] }, rotated: true };
}

/**
 * Makes as many one-time prekeys as the relay lacks, none while it has 30 or more.
 * @param store the store
 * @param heldByRelay how many the relay says it has left; 0 at first
 * @param options where keys come from
 * @returns the new store and the fresh prekeys, to be published with `encodeOneTimePrekeys`
 */
export async function refillOneTimePrekeys(
  store: PrekeyStore,
  heldByRelay: number,
  options: { readonly random?: RandomBytes } = {},
): Promise<{ store: PrekeyStore; fresh: readonly OneTimePrekey[] }> {
  if (heldByRelay >= ONE_TIME_PREKEYS_REFILL_BELOW) return { store, fresh: [] };
  let grown = store;
  const fresh: OneTimePrekey[] = [];
  for (let held = Math.max(0, heldByRelay); held < ONE_TIME_PREKEYS_KEPT; held++) {
    const added = await addOneTimePrekey(grown, "published", options.random ?? secureRandom);
    grown = added.store;
    fresh.push(added.prekey);
  }
  return { store: grown, fresh };
}

/**
 * Makes one one-time prekey.
 * @param store the store
 * @param use whether it goes to the relay or to one requester; the oldest of the same use falls out at the bound
 * @param random where the key comes from
 * @returns the new store and the prekey
 */
export async function addOneTimePrekey(
  store: PrekeyStore,
  use: OneTimePrekey["use"],
  random: RandomBytes,
): Promise<{ store: PrekeyStore; prekey: OneTimePrekey }> {
  const prekey: OneTimePrekey = { id: store.nextId, pair: await generateDhKeyPair(random), use };
  const same = store.oneTime.filter((other) => other.use === use);
  const isFull = same.length >= (use === "live" ? LIVE_PRIVATE_MAX : PUBLISHED_PRIVATE_MAX);
  const kept = isFull ? store.oneTime.filter((other) => other !== same[0]) : store.oneTime;
  return { store: { ...store, nextId: store.nextId + 1, oneTime: [...kept, prekey] }, prekey };
}

/**
 * Finds a signed prekey, current or replaced.
 * @param store the store
 * @param id its id
 * @returns the prekey, or `undefined` when it is unknown or was forgotten
 */
export function findSignedPrekey(store: PrekeyStore, id: number): SignedPrekey | undefined {
  return store.signed.find((prekey) => prekey.id === id);
}

/**
 * Finds a one-time prekey without using it up.
 * @param store the store
 * @param id its id
 * @returns the prekey, or `undefined` when it is unknown or was used
 */
export function findOneTimePrekey(store: PrekeyStore, id: number): OneTimePrekey | undefined {
  return store.oneTime.find((prekey) => prekey.id === id);
}

/**
 * Uses a one-time prekey up; part of the commit that creates its session, never earlier.
 * @param store the store
 * @param id its id
 * @returns the store without it
 */
export function withoutOneTimePrekey(store: PrekeyStore, id: number): PrekeyStore {
  return { ...store, oneTime: store.oneTime.filter((prekey) => prekey.id !== id) };
}
