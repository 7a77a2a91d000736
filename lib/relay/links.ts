/**
 * Who is linked to the relay: one link an identity, found by number and by identity.
 * @module
 */

import type { Bytes } from "../bytes/writer.ts";
import type { Fingerprint, StreamName } from "../wire/messages.ts";
import { Budget } from "./budget.ts";
import type { Caller } from "./effects.ts";
import type { Subscription } from "./streams.ts";

/** Links at once: far above a local network, and what the certificates of all of them may take is 10 MiB. */
export const LINKS_MAX = 4_096;
/** The longest certificate: three keys, a handle, a signature and two times are under 400 bytes. */
export const CERTIFICATE_MAX_BYTES = 1024;
/** Requests whose answer is long (`enter`, `subscribe`, `who`, `getOps`) that a link may make at once: 64 rooms at the start. */
export const PAGED_REQUESTS_BURST = 200;
/** How many more of them it may make a second. */
export const PAGED_REQUESTS_PER_SECOND = 20;
/** Requests for somebody's keys that a link may make at once: everybody of a full room. */
export const BUNDLE_REQUESTS_BURST = 1_024;
/** How many more of them it may make a second: a room fills more slowly than that. */
export const BUNDLE_REQUESTS_PER_SECOND = 50;

/** What is left of an answer to `getOps`. */
export interface WaitingOps {
  /** What it is. */
  readonly kind: "ops";
  /** Which request. */
  readonly ref: number;
  /** Which room. */
  readonly room: Fingerprint;
  /** The place before the first op that is still to be told. */
  readonly after: number;
  /** How much was told of the snapshot that comes first. */
  readonly snapshot?: { readonly epoch: number; readonly offset: number };
}

/** Something long that is told to a link page by page, as its outbox empties. */
export type WaitingPages =
  | { readonly kind: "catchUp"; readonly stream: StreamName }
  | WaitingOps
  | { readonly kind: "people"; readonly ref: number; readonly certificates: readonly Bytes[]; readonly offset: number };

/** What the relay knows about one link. */
export interface RelayLink {
  /** Its number. */
  readonly link: number;
  /** Who is at the other end; the handle is checked and bound. */
  readonly caller: Caller;
  /** The rooms it has entered. */
  readonly rooms: Set<Fingerprint>;
  /** The streams it hears: its inbox and rooms it has entered, so one more than rooms at most. */
  readonly subscriptions: Map<StreamName, Subscription>;
  /** What is still to be told: one entry a stream at most, a few for `who` and one a room for `getOps`. */
  readonly waiting: WaitingPages[];
  /** Whether pages were sent and its outbox has not been empty since. */
  isWaitingForDrain: boolean;
  /** Whether it ended to be made anew: it counts as linked, and nobody is at the other end. */
  isRenewing: boolean;
  /** Bytes of events that were sent as they were placed, and of bundles, since its outbox was last empty. */
  undrainedBytes: number;
  /** What it may still ask for. */
  readonly pagedRequests: Budget;
  /** How often it may still ask for keys. */
  readonly bundleRequests: Budget;
}

/** All links. */
export class Links {
  readonly #byLink = new Map<number, RelayLink>();
  readonly #byFingerprint = new Map<Fingerprint, RelayLink>();

  /** How many there are. */
  get size(): number {
    return this.#byLink.size;
  }

  /**
   * Adds a link; one of the same identity must have been removed before.
   * @param link its number
   * @param caller who is at the other end
   * @returns its record
   */
  add(link: number, caller: Caller): RelayLink {
    const record: RelayLink = {
      link,
      caller,
      rooms: new Set(),
      subscriptions: new Map(),
      waiting: [],
      isWaitingForDrain: false,
      isRenewing: false,
      undrainedBytes: 0,
      pagedRequests: new Budget({ burst: PAGED_REQUESTS_BURST, perSecond: PAGED_REQUESTS_PER_SECOND }),
      bundleRequests: new Budget({ burst: BUNDLE_REQUESTS_BURST, perSecond: BUNDLE_REQUESTS_PER_SECOND }),
    };
    this.#byLink.set(link, record);
    this.#byFingerprint.set(caller.fingerprint, record);
    return record;
  }

  /**
   * Removes a link.
   * @param link its record
   */
  remove(link: RelayLink): void {
    this.#byLink.delete(link.link);
    this.#byFingerprint.delete(link.caller.fingerprint);
  }

  /**
   * Finds a link by its number.
   * @param link the number
   * @returns its record, or `undefined` when it is gone
   */
  get(link: number): RelayLink | undefined {
    return this.#byLink.get(link);
  }

  /**
   * Finds the link of an identity.
   * @param fingerprint the identity
   * @returns its record, or `undefined` when it is not linked
   */
  of(fingerprint: Fingerprint): RelayLink | undefined {
    return this.#byFingerprint.get(fingerprint);
  }

  /**
   * Goes through all links, the longest linked first.
   * @returns their records
   */
  all(): IterableIterator<RelayLink> {
    return this.#byLink.values();
  }
}
