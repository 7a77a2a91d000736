/**
 * Streams as links see them: publishing, hearing what is new, and catching up after a cursor (DESIGN 2).
 *
 * A subscription is first *behind*: its events come in pages, one lot each time the link's outbox is empty, while new
 * events only join the log. When it has reached the head it is *live*, and new events are sent as they are placed. A live
 * link that does not read fast enough is behind again, and loses nothing.
 *
 * The law of this file: on one link, what concerns one stream comes in the order of the log. So `accepted` for an event
 * that this link publishes while it is behind waits for its place, and stands there instead of the event. A link's own
 * events of an earlier life do come back as events. Only the answer to a repeat may concern a place that has passed.
 *
 * What is published waits until `flush()`, which stores all that waits at once and then tells of it: `accepted` and
 * events are sent when they are safe, or every publisher hears `refused`. What may be stored is said in `placing.ts`.
 * @module
 */

import type { Bytes } from "../bytes/writer.ts";
import { encodeEventIds } from "../wire/bodies.ts";
import type { Cursor, EventId, RelayMessage, StreamName } from "../wire/messages.ts";
import { type Closing, type EffectList, inboxOwner, notAllowed, roomOf } from "./effects.ts";
import { EVENT_OVERHEAD_BYTES, type EventLog, type Place, type StoredEvent } from "./event_log.ts";
import { InboxQuotas, TurnShares } from "./inbox_quotas.ts";
import type { Links, RelayLink } from "./links.ts";
import { readMany } from "./many_items.ts";
import type { NameBook } from "./names.ts";
import { answerOf, type Outcome, Placing, type Publish, refuse, refuseOneOf, type StagedEvent } from "./placing.ts";

/** Events of one stream in a lot before another stream has its turn. */
export const CATCH_UP_MAX_EVENTS = 256;
/** Bytes sent in one lot: some records' worth, so that many who catch up together cost little memory. */
export const CATCH_UP_MAX_BYTES = 256 * 1024;
/**
 * What may be on its way to a live link before it counts as behind: a reader slower than its room then reads from the
 * log at its own speed, instead of filling memory here until it must be dropped. A quarter of the driver's outbox.
 * Bundles count too; a link over it is sent no more of them.
 */
export const LIVE_BACKLOG_MAX_BYTES = 1024 * 1024;

/** What a publisher hears once its event is stored. */
export type Accepted = Extract<RelayMessage, { t: "accepted" }>;

/** What a link hears of a stream. */
export interface Subscription {
  /** The last place sent while it is behind. */
  sentSeq: number;
  /** Whether new events are sent as they are placed. */
  isLive: boolean;
  /** What waits for its place, by place. */
  readonly accepts: Map<number, Accepted>;
}

/** What one lot cost, and whether the subscription is live now. */
export interface Lot {
  /** Bytes, an overhead for each event included. */
  readonly costBytes: number;
  /** Whether nothing is left to catch up with. */
  readonly isDone: boolean;
}

/** What `Streams` is made from. */
export interface StreamsOptions {
  /** Where events are kept. */
  readonly log: EventLog;
  /** Who is linked. */
  readonly links: Links;
  /** Who may come back. */
  readonly names: NameBook;
}

/** All streams, and who hears them. */
export class Streams {
  readonly #log: EventLog;
  /** Live subscribers; a stream without any has no entry. */
  readonly #live = new Map<StreamName, Set<RelayLink>>();
  /** What waits in inboxes; to be looked at. */
  readonly quotas: InboxQuotas;
  readonly #placing: Placing;
  /** What waits for `flush()`; the driver bounds a turn, in packets that have 256 events each at most. */
  #staged: StagedEvent[] = [];
  #isFailing = false;
  #hasMoreToTrim = false;

  /**
   * Starts with nobody listening.
   * @param options the log, and who is known
   */
  constructor(options: StreamsOptions) {
    this.#log = options.log;
    this.quotas = new InboxQuotas(options.log);
    this.#placing = new Placing({ ...options, quotas: this.quotas });
  }

  /**
   * Lets a link hear a stream after a place; subscribing again starts over at the place given then.
   * @param link who wants to hear it
   * @param stream its own inbox, or a room that it has entered
   * @param options the place, or `null` for from now on; and the time
   * @param effects where the messages go
   * @returns the end of the link when it may not, else `undefined`
   */
  subscribe(
    link: RelayLink,
    stream: StreamName,
    options: { readonly after: Cursor | null; readonly nowMs: number },
    effects: EffectList,
  ): Closing | undefined {
    if (!mayHear(link, stream)) {
      return notAllowed("A stream can be heard by those in its room, and an inbox by its owner alone.");
    }
    if (!link.pagedRequests.take(options.nowMs)) {
      return notAllowed("Too many requests in a short time. Wait, then link again.");
    }
    this.#unsubscribe(link, stream, effects);
    const subscription = this.#start(link, stream, options.after, effects);
    link.subscriptions.set(stream, subscription);
    if (subscription.sentSeq >= this.#log.head(stream)) this.#becomeLive(link, stream, subscription, effects);
    else queueCatchUp(link, stream);
    return undefined;
  }

  /**
   * Lets a link hear a stream no more; what it published there is answered before.
   * @param link who heard it
   * @param stream which one
   * @param effects where the messages go
   */
  unsubscribe(link: RelayLink, stream: StreamName, effects: EffectList): void {
    this.flush(effects);
    this.#unsubscribe(link, stream, effects);
  }

  /** Whether the log still has to clear away what it does not keep: `trim()` is to be called again soon. */
  get hasMoreToTrim(): boolean {
    return this.#hasMoreToTrim;
  }

  /**
   * Takes an event to publish; `flush()` judges and stores it. A link that ends must be flushed before.
   * @param link who publishes
   * @param message which stream, and the event's id
   * @param event the body and the time
   * @param effects where the messages go of what had to be stored before
   * @returns the end of the link when it may not publish there, else `undefined`
   */
  publish(
    link: RelayLink,
    message: Publish,
    event: { readonly body: Bytes; readonly nowMs: number },
    effects: EffectList,
  ): Closing | undefined {
    const { stream } = message;
    const isInbox = inboxOwner(stream) !== undefined;
    if (!isInbox && !mayHear(link, stream)) return notAllowed("Enter a room before you publish to it.");
    if (message.kind === "message" && message.epoch !== undefined) {
      if (isInbox) return notAllowed("An inbox has no epochs.");
      // The op that it counts with may be waiting here.
      if (message.epoch > this.#log.epoch(roomOf(stream))) this.flush(effects);
      if (message.epoch > this.#log.epoch(roomOf(stream))) {
        return notAllowed("A message cannot be of an epoch that is yet to come.");
      }
    }
    this.#staged.push({ link, message, ...event });
    return undefined;
  }

  /**
   * Takes events for many inboxes; `flush()` judges and stores each by itself, and answers once for all.
   * @param link who publishes
   * @param ref the link's number for them
   * @param events the body and the time
   * @returns the end of the link when the body is malformed, else `undefined`
   */
  publishMany(
    link: RelayLink,
    ref: number,
    events: { readonly body: Bytes; readonly nowMs: number },
  ): Closing | undefined {
    const items = readMany(events.body);
    if (items === undefined) return notAllowed("The events for many inboxes are malformed.");
    const many = { ref, left: items.length, refused: [], isFailing: false };
    for (const { to, id, box } of items) {
      const message = { t: "publish", stream: `inbox/${to}`, kind: "message", id } as const;
      this.#staged.push({ link, message, body: box, nowMs: events.nowMs, many });
    }
    return undefined;
  }

  /**
   * Gives the events that wait their places, stores them all or none, tells the publishers, and sends the events to
   * whoever is live on their streams.
   * @param effects where the messages go
   */
  flush(effects: EffectList): void {
    if (this.#staged.length === 0) return;
    const staged = this.#staged;
    this.#staged = [];
    const shares = new TurnShares();
    const outcomes = staged.map((event) => this.#placing.place(event, shares));
    const hasNew = outcomes.some((outcome) => outcome.kind === "placed" && outcome.isOfTurn);
    const hasFailed = outcomes.some((outcome) => outcome.kind === "refused" && outcome.code === "notStored");
    const isStored = hasNew || hasFailed ? this.#commit(effects) : true;
    for (const [index, outcome] of outcomes.entries()) {
      const event = staged[index] as StagedEvent;
      const isLost = !isStored && outcome.kind === "placed" && outcome.isOfTurn;
      this.#tell(event, isLost ? { kind: "refused", code: "notStored" } : outcome, effects);
    }
  }

  /**
   * Sends the next lot to a link that is behind.
   * @param link who catches up
   * @param stream on what
   * @param maxBytes how much may be sent, one event at least
   * @param effects where the messages go
   * @returns what it cost, and whether the link is live now
   */
  sendLot(link: RelayLink, stream: StreamName, maxBytes: number, effects: EffectList): Lot {
    const subscription = link.subscriptions.get(stream);
    if (subscription === undefined || subscription.isLive) return { costBytes: 0, isDone: true };
    const limits = { maxEvents: CATCH_UP_MAX_EVENTS, maxBytes };
    let costBytes = 0;
    for (const event of this.#log.read(stream, subscription.sentSeq, limits)) {
      // Trimmed meanwhile: stored all the same, so its publisher hears of it.
      if (event.seq > subscription.sentSeq + 1) sendAccepts(link, subscription, event.seq - 1, effects);
      sendInPlace(link, subscription, event, effects);
      subscription.sentSeq = event.seq;
      costBytes += event.body.length + EVENT_OVERHEAD_BYTES;
    }
    if (inboxOwner(stream) !== undefined) this.quotas.handed(stream, subscription.sentSeq);
    const isDone = costBytes === 0 || subscription.sentSeq >= this.#log.head(stream);
    if (isDone) this.#becomeLive(link, stream, subscription, effects);
    return { costBytes, isDone };
  }

  /**
   * Forgets what a link hears, because it is gone.
   * @param link the link
   */
  forget(link: RelayLink): void {
    for (const stream of link.subscriptions.keys()) this.#stopLive(link, stream);
    link.subscriptions.clear();
    // Whoever does not come back leaves nothing that has to be kept for them.
    const inbox = `inbox/${link.caller.fingerprint}`;
    if (link.caller.life === "ephemeral") this.#log.hand(inbox, this.#log.head(inbox));
  }

  /**
   * Drops what is too old; nothing may be staged.
   * @param nowMs the time
   * @param effects where the operator is told
   */
  trim(nowMs: number, effects: EffectList): void {
    this.#log.trim(nowMs);
    this.#commit(effects);
    this.quotas.expire();
  }

  #start(link: RelayLink, stream: StreamName, after: Cursor | null, effects: EffectList): Subscription {
    const { generation } = this.#log;
    const head = this.#log.head(stream);
    const isKnown = after === null || (after.generation === generation && after.seq <= head);
    const oldest = this.#log.oldest(stream);
    // What was trimmed behind a cursor is told at once: there may be no event by whose place it would show.
    const lost = isKnown && after !== null && oldest > after.seq + 1 ? { oldest } : {};
    if (isKnown) effects.send([link.link], { t: "subscribed", stream, generation, head, ...lost });
    else effects.send([link.link], { t: "reset", stream, generation, head });
    const sentSeq = after === null ? head : isKnown ? after.seq : oldest - 1;
    return { sentSeq, isLive: false, accepts: new Map() };
  }

  #unsubscribe(link: RelayLink, stream: StreamName, effects: EffectList): void {
    const former = link.subscriptions.get(stream);
    if (former === undefined) return;
    sendAccepts(link, former, Infinity, effects);
    this.#stopLive(link, stream);
    link.subscriptions.delete(stream);
  }

  #becomeLive(link: RelayLink, stream: StreamName, subscription: Subscription, effects: EffectList): void {
    sendAccepts(link, subscription, Infinity, effects);
    subscription.sentSeq = this.#log.head(stream);
    subscription.isLive = true;
    const live = this.#live.get(stream) ?? new Set<RelayLink>();
    this.#live.set(stream, live.add(link));
    if (inboxOwner(stream) !== undefined) this.quotas.handed(stream, subscription.sentSeq);
  }

  #stopLive(link: RelayLink, stream: StreamName): void {
    const live = this.#live.get(stream);
    live?.delete(link);
    if (live?.size === 0) this.#live.delete(stream);
  }

  /** Stores what was appended, and tells the operator when that begins or ceases to fail. */
  #commit(effects: EffectList): boolean {
    const result = this.#log.commit();
    const isStored = result.kind === "stored";
    this.#hasMoreToTrim = isStored && result.hasMore;
    if (isStored && this.#isFailing) effects.log("info", "eventsAreStoredAgain", {});
    if (!isStored && !this.#isFailing) effects.log("info", "eventsNotStored", { reason: result.reason });
    this.#isFailing = !isStored;
    return isStored;
  }

  #tell(staged: StagedEvent, outcome: Outcome, effects: EffectList): void {
    const { link, message: { stream, kind, id }, body, many } = staged;
    if (outcome.kind === "placed") {
      const { isRepeat, place } = outcome;
      const publisher = link.caller.fingerprint;
      if (!isRepeat) this.#fanOut(staged, { stream, publisher, kind, id, body, ...place }, effects);
      if (many === undefined) this.#accept(link, stream, { id, ...place }, effects);
    } else if (many === undefined) refuse(link, id, outcome.code, effects);
    else refuseOneOf(many, id, outcome.code);
    if (many === undefined || --many.left > 0) return;
    effects.send([link.link], answerOf(many), encodeEventIds(many.refused));
  }

  #fanOut({ link: publisher, many }: StagedEvent, event: StoredEvent, effects: EffectList): void {
    const links: number[] = [];
    const costBytes = event.body.length + EVENT_OVERHEAD_BYTES;
    for (const link of this.#live.get(event.stream) ?? []) {
      // `acceptedMany` names no places: whoever publishes to itself by it gets the event.
      if (link === publisher && many === undefined) continue;
      link.undrainedBytes += costBytes;
      if (link.undrainedBytes > LIVE_BACKLOG_MAX_BYTES) this.#fallBehind(link, event);
      else links.push(link.link);
    }
    effects.send(links, toEventMessage(event), event.body);
    // Only its owner hears an inbox: nobody live means that the owner is behind or away, and the event waits.
    if (inboxOwner(event.stream) === undefined) return;
    if (this.#live.has(event.stream)) this.quotas.handed(event.stream, event.seq);
    else this.quotas.add(event.stream, { seq: event.seq, publisher: event.publisher, bytes: event.body.length });
  }

  /** Sends a slow link no more as it is placed: from this event on it reads from the log. */
  #fallBehind(link: RelayLink, event: StoredEvent): void {
    const subscription = link.subscriptions.get(event.stream);
    if (subscription === undefined) return;
    this.#stopLive(link, event.stream);
    subscription.isLive = false;
    subscription.sentSeq = event.seq - 1;
    queueCatchUp(link, event.stream);
    link.isWaitingForDrain = true;
  }

  #accept(
    link: RelayLink,
    stream: StreamName,
    event: Place & { readonly id: EventId },
    effects: EffectList,
  ): void {
    const accepted: Accepted = { t: "accepted", stream, ...event };
    const subscription = link.subscriptions.get(stream);
    const mustWait = subscription !== undefined && !subscription.isLive && event.seq > subscription.sentSeq;
    if (mustWait) subscription.accepts.set(event.seq, accepted);
    else effects.send([link.link], accepted);
  }
}

function queueCatchUp(link: RelayLink, stream: StreamName): void {
  const isQueued = link.waiting.some((pages) => pages.kind === "catchUp" && pages.stream === stream);
  if (!isQueued) link.waiting.push({ kind: "catchUp", stream });
}

function mayHear(link: RelayLink, stream: StreamName): boolean {
  const owner = inboxOwner(stream);
  return owner === undefined ? link.rooms.has(roomOf(stream)) : owner === link.caller.fingerprint;
}

function toEventMessage(event: StoredEvent): RelayMessage {
  const { stream, seq, at, publisher: from, id, epoch } = event;
  const head = { t: "event", stream, seq, at, from, id } as const;
  return epoch === undefined ? { ...head, kind: "message" } : { ...head, kind: "op", epoch };
}

function sendInPlace(link: RelayLink, subscription: Subscription, event: StoredEvent, effects: EffectList): void {
  const accepted = subscription.accepts.get(event.seq);
  if (accepted === undefined) {
    effects.send([link.link], toEventMessage(event), event.body);
    return;
  }
  subscription.accepts.delete(event.seq);
  effects.send([link.link], accepted);
}

/** Sends what waits for places up to `maxSeq`, in their order. */
function sendAccepts(link: RelayLink, subscription: Subscription, maxSeq: number, effects: EffectList): void {
  if (subscription.accepts.size === 0) return;
  const due = [...subscription.accepts.values()].filter((accepted) => accepted.seq <= maxSeq);
  due.sort((a, b) => a.seq - b.seq);
  for (const accepted of due) {
    subscription.accepts.delete(accepted.seq);
    effects.send([link.link], accepted);
  }
}
