/**
 * Where two people meet by a code (PROTOCOL 4.9): the relay draws a mailbox, the first four characters of the code, and
 * hands what is put in it from one of the two to the other. It never learns the words of a code, and what passes is
 * opaque to it.
 *
 * ```text
 * created ── somebody joins ──> joined ── either goes ──> spent
 *    └─ 10 minutes ─> expired      the maker goes ─> spent
 * ```
 *
 * Its law: a mailbox serves two, once. A third hears `taken`, also after it is over; its name is not given out again
 * while that is remembered. Whoever is left alone is told.
 * @module
 */

import { isMailbox, type Mailbox, MAILBOX_CHARS, mailboxFrom } from "../bytes/mailbox.ts";
import type { Bytes } from "../bytes/writer.ts";
import type { ClientMessage, MailboxEnd, MailboxRefusal } from "../wire/messages.ts";
import { type Closing, type EffectList, notAllowed } from "./effects.ts";
import { KeyedBudgets } from "./keyed_budgets.ts";
import type { RelayLink } from "./links.ts";

/** How long a mailbox waits for somebody to join: as long as reading a code aloud may take. */
export const MAILBOX_LIFE_MS: number = 10 * 60 * 1_000;
/** How long a spent or expired one is remembered, so that whoever comes late hears why: as long again. */
export const MAILBOX_MEMORY_MS: number = MAILBOX_LIFE_MS;
/** Mailboxes there are at once: as many as links, and four thousandths of all names, so that none is easily hit. */
export const MAILBOXES_MAX = 4_096;
/** Spent and expired ones that are remembered; of more, the oldest is forgotten. */
export const MAILBOXES_PAST_MAX = 4_096;
/** Mailboxes that one link may be in: those of the sessions that a person has open beside each other. */
export const MAILBOXES_PER_LINK_MAX = 16;
/** Bytes that go with making and joining: one half of the session id. */
export const MAILBOX_HELLO_BYTES = 16;
/** The longest message: the longest of an agreement has about 1,300 bytes, the longest box of a proof 500. */
export const MAIL_MAX_BYTES = 4_096;
/** Messages each of the two may send: an agreement needs three, so that nobody chats past the log here. */
export const MAIL_PER_PARTY_MAX = 8;
/** How many mailboxes an identity may make and join at once; a person who mistypes does not notice. */
export const MAILBOX_REQUESTS_BURST = 16;
/** How many more a second: 4 a minute, so that walking the names to burn codes takes long. */
export const MAILBOX_REQUESTS_PER_SECOND: number = 4 / 60;
/** The same for all identities at one address: new identities cost nothing. */
export const ADDRESS_REQUESTS_BURST = 128;
/** How many more a second. */
export const ADDRESS_REQUESTS_PER_SECOND = 1;
/** Names that are drawn before the relay says that it is full: at a full house one in 128 hits a name in use. */
const DRAWS_MAX = 16;

/** One of the two. */
interface Party {
  readonly link: RelayLink;
  mails: number;
}

interface Box {
  readonly mailbox: Mailbox;
  readonly expiresMs: number;
  readonly hello: Bytes;
  readonly maker: Party;
  joiner: Party | undefined;
}

/** How one ended, and until when that is remembered. */
interface Past {
  readonly code: "taken" | "expired";
  readonly untilMs: number;
}

/** All mailboxes of a relay. */
export class Mailboxes {
  readonly #random: ((lengthBytes: number) => Bytes) | undefined;
  readonly #boxes = new Map<Mailbox, Box>();
  /** Those that nobody has joined, in the order in which they were made, which is that in which they expire. */
  readonly #waiting = new Set<Box>();
  readonly #past = new Map<Mailbox, Past>();
  readonly #byLink = new Map<number, Set<Box>>();
  readonly #identities = new KeyedBudgets({ burst: MAILBOX_REQUESTS_BURST, perSecond: MAILBOX_REQUESTS_PER_SECOND });
  readonly #addresses = new KeyedBudgets({ burst: ADDRESS_REQUESTS_BURST, perSecond: ADDRESS_REQUESTS_PER_SECOND });

  /**
   * Starts with none.
   * @param random where names come from; without it none is made
   */
  constructor(random: ((lengthBytes: number) => Bytes) | undefined) {
    this.#random = random;
  }

  /** When the next one expires, `undefined` when none waits for somebody. */
  get nextDeadlineMs(): number | undefined {
    for (const { expiresMs } of this.#waiting) return expiresMs;
    return undefined;
  }

  /**
   * Counts the mailboxes that a link has made or joined and that are not over.
   * @param link the link's number
   * @returns how many
   */
  countOf(link: number): number {
    return this.#byLink.get(link)?.size ?? 0;
  }

  /**
   * Makes a mailbox.
   * @param link who makes it
   * @param ref what comes back with the answer
   * @param options what goes to whoever joins, and the time
   * @param effects where the answer goes
   * @returns the end of the link when it breaks the rules
   */
  create(
    link: RelayLink,
    ref: number,
    { body, nowMs }: { readonly body: Bytes; readonly nowMs: number },
    effects: EffectList,
  ): Closing | undefined {
    if (body.length !== MAILBOX_HELLO_BYTES) return notAllowed("A mailbox is made with 16 bytes.");
    this.expire(nowMs, effects);
    const mailbox = this.#mayAsk(link, nowMs) ? this.#draw() : "busy";
    if (!isMailbox(mailbox)) return refuse(link, { ref, code: mailbox }, effects);
    const maker = { link, mails: 0 };
    const box: Box = { mailbox, expiresMs: nowMs + MAILBOX_LIFE_MS, hello: body, maker, joiner: undefined };
    this.#boxes.set(mailbox, box);
    this.#waiting.add(box);
    this.#boxesOf(link).add(box);
    effects.send([link.link], { t: "mailboxCreated", ref, mailbox });
    return undefined;
  }

  /**
   * Joins a mailbox, if nobody did.
   * @param link who joins
   * @param message which one
   * @param options what goes to whoever made it, and the time
   * @param effects where the answers go
   * @returns the end of the link when it breaks the rules
   */
  join(
    link: RelayLink,
    { ref, mailbox }: Extract<ClientMessage, { t: "joinMailbox" }>,
    { body, nowMs }: { readonly body: Bytes; readonly nowMs: number },
    effects: EffectList,
  ): Closing | undefined {
    if (body.length !== MAILBOX_HELLO_BYTES) return notAllowed("A mailbox is joined with 16 bytes.");
    this.expire(nowMs, effects);
    const box = this.#mayAsk(link, nowMs) ? this.#open(mailbox, link) : "busy";
    if (typeof box === "string") return refuse(link, { ref, code: box }, effects);
    box.joiner = { link, mails: 0 };
    this.#waiting.delete(box);
    this.#boxesOf(link).add(box);
    effects.send([link.link], { t: "mailboxJoined", ref, mailbox }, box.hello);
    effects.send([box.maker.link.link], { t: "mailboxPeer", mailbox }, body);
    return undefined;
  }

  /**
   * Hands a message to the other of a mailbox; one that is over takes none, and its end was told.
   * @param link who sends it
   * @param mailbox which one
   * @param body the message, opaque
   * @param effects where it goes
   * @returns the end of the link when it breaks the rules
   */
  mail(link: RelayLink, mailbox: Mailbox, body: Bytes, effects: EffectList): Closing | undefined {
    const box = this.#ofLink(link, mailbox);
    if (box === undefined) return undefined; // it ended while this was on its way
    const [from, to] = box.maker.link === link ? [box.maker, box.joiner] : [box.joiner as Party, box.maker];
    if (to === undefined) return notAllowed("Nobody is there to take mail yet.");
    if (body.length > MAIL_MAX_BYTES || ++from.mails > MAIL_PER_PARTY_MAX) {
      return notAllowed("A mailbox takes a few short messages.");
    }
    effects.send([to.link.link], { t: "mail", mailbox }, body);
    return undefined;
  }

  /**
   * Takes somebody out of a mailbox, which is over with that.
   * @param link who goes
   * @param mailbox which one
   * @param nowMs the time
   * @param effects where the other is told
   */
  leave(link: RelayLink, mailbox: Mailbox, nowMs: number, effects: EffectList): void {
    const box = this.#ofLink(link, mailbox);
    if (box !== undefined) this.#end(box, { by: link, reason: "left", nowMs }, effects);
  }

  /**
   * Takes a link that is gone out of all its mailboxes.
   * @param link which
   * @param how whether it went on purpose, and the time
   * @param effects where the others are told
   */
  forget(
    link: RelayLink,
    how: { readonly reason: "left" | "lost"; readonly nowMs: number },
    effects: EffectList,
  ): void {
    for (const box of [...this.#byLink.get(link.link) ?? []]) this.#end(box, { by: link, ...how }, effects);
  }

  /**
   * Ends the mailboxes that nobody joined in time, and forgets those that are over for long.
   * @param nowMs the time
   * @param effects where those who wait are told
   */
  expire(nowMs: number, effects: EffectList): void {
    for (const box of this.#waiting) {
      if (box.expiresMs > nowMs) break; // those behind it are younger
      this.#end(box, { by: undefined, reason: "expired", nowMs }, effects);
    }
    for (const [mailbox, { untilMs }] of this.#past) {
      if (untilMs > nowMs) break;
      this.#past.delete(mailbox);
    }
  }

  #mayAsk(link: RelayLink, nowMs: number): boolean {
    if ((this.#byLink.get(link.link)?.size ?? 0) >= MAILBOXES_PER_LINK_MAX) return false;
    const { fingerprint, address } = link.caller;
    const isKnown = this.#identities.take(fingerprint, nowMs);
    return (address === undefined || this.#addresses.take(address, nowMs)) && isKnown;
  }

  #draw(): Mailbox | "full" {
    if (this.#boxes.size >= MAILBOXES_MAX || this.#random === undefined) return "full";
    for (let i = 0; i < DRAWS_MAX; i++) {
      const mailbox = mailboxFrom(this.#random(MAILBOX_CHARS));
      if (!this.#boxes.has(mailbox) && !this.#past.has(mailbox)) return mailbox;
    }
    return "full";
  }

  #open(mailbox: Mailbox, link: RelayLink): Box | MailboxRefusal {
    const box = this.#boxes.get(mailbox);
    if (box === undefined) return this.#past.get(mailbox)?.code ?? "unknown";
    return box.joiner === undefined && box.maker.link !== link ? box : "taken";
  }

  #ofLink(link: RelayLink, mailbox: Mailbox): Box | undefined {
    const box = this.#boxes.get(mailbox);
    return box?.maker.link === link || box?.joiner?.link === link ? box : undefined;
  }

  #boxesOf(link: RelayLink): Set<Box> {
    const boxes = this.#byLink.get(link.link) ?? new Set();
    this.#byLink.set(link.link, boxes);
    return boxes;
  }

  #end(
    box: Box,
    how: { readonly by: RelayLink | undefined; readonly reason: MailboxEnd; readonly nowMs: number },
    effects: EffectList,
  ): void {
    const { mailbox, maker, joiner } = box;
    this.#boxes.delete(mailbox);
    this.#waiting.delete(box);
    this.#past.set(mailbox, {
      code: how.reason === "expired" ? "expired" : "taken",
      untilMs: how.nowMs + MAILBOX_MEMORY_MS,
    });
    for (const oldest of this.#past.keys()) {
      if (this.#past.size <= MAILBOXES_PAST_MAX) break;
      this.#past.delete(oldest);
    }
    for (const { link } of joiner === undefined ? [maker] : [maker, joiner]) {
      const boxes = this.#byLink.get(link.link);
      boxes?.delete(box);
      if (boxes?.size === 0) this.#byLink.delete(link.link);
      if (link !== how.by) effects.send([link.link], { t: "mailboxEnded", mailbox, reason: how.reason });
    }
  }
}

function refuse(
  link: RelayLink,
  answer: { readonly ref: number; readonly code: MailboxRefusal },
  effects: EffectList,
): undefined {
  effects.send([link.link], { t: "mailboxRefused", ...answer });
}
