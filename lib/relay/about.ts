/**
 * What this relay holds about whoever asks (PROTOCOL 4.10), counted from where it is held. It costs a look into every
 * stream, so it is told seldom.
 * @module
 */

import { type About, ABOUT_LIST_MAX, encodeAbout } from "../wire/about.ts";
import { Budget } from "./budget.ts";
import type { EffectList } from "./effects.ts";
import { EVENT_MAX_AGE_MS, type EventLog } from "./event_log.ts";
import type { RelayLink } from "./links.ts";
import type { Mailboxes } from "./mailboxes.ts";
import type { NameBook } from "./names.ts";
import type { Prekeys } from "./prekeys.ts";
import type { Streams } from "./streams.ts";

/** How many are told at once, whoever they are. */
export const ABOUT_BURST = 8;
/** How many more a second. */
export const ABOUT_PER_SECOND = 1;

/** Where it is held. */
export interface AboutOptions {
  /** The events and ops. */
  readonly log: EventLog;
  /** The names. */
  readonly names: NameBook;
  /** What people left for others. */
  readonly prekeys: Prekeys;
  /** What waits in inboxes. */
  readonly streams: Streams;
  /** The mailboxes of codes. */
  readonly mailboxes: Mailboxes;
}

/** What answers about one who asks. */
export class AboutCallers {
  readonly #options: AboutOptions;
  readonly #budget = new Budget({ burst: ABOUT_BURST, perSecond: ABOUT_PER_SECOND });

  /**
   * Starts with nobody told.
   * @param options where it is held
   */
  constructor(options: AboutOptions) {
    this.#options = options;
  }

  /**
   * Tells a link what is held about its identity; with an empty body, when that is asked too often. Nothing may be
   * staged.
   * @param link who asks
   * @param ref the link's number for it
   * @param nowMs the time
   * @param effects where the answer goes
   */
  tell(link: RelayLink, ref: number, nowMs: number, effects: EffectList): void {
    const body = this.#budget.take(nowMs) ? encodeAbout(this.#about(link)) : new Uint8Array(0);
    effects.send([link.link], { t: "aboutYou", ref }, body);
  }

  #about({ link, caller, rooms, subscriptions }: RelayLink): About {
    const { log, names, prekeys, streams, mailboxes } = this.#options;
    const { fingerprint, certificate, address = null } = caller;
    const inbox = `inbox/${fingerprint}`;
    const { received, published } = log.about(fingerprint, ABOUT_LIST_MAX);
    return {
      names: names.namesOf(fingerprint).map(({ handle, life, createdMs, lastSeenMs }) => {
        return { handle, life, madeAt: createdMs, lastSeen: lastSeenMs };
      }),
      namesKeptForMs: names.ttlMs(caller.life),
      certificateBytes: certificate.length,
      address,
      rooms: [...rooms].map((room) => ({ room, ops: log.epoch(room) })).slice(0, ABOUT_LIST_MAX),
      heard: subscriptions.size,
      received: { ...received, from: [...received.from], waiting: streams.quotas.waitingIn(inbox) },
      published: { ...published, in: [...published.in] },
      eventsKeptForMs: EVENT_MAX_AGE_MS,
      ...prekeys.heldOf(fingerprint),
      mailboxes: mailboxes.countOf(link),
    };
  }
}
