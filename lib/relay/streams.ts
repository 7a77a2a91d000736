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
 * events are sent when they are safe, or every publisher hears `refused`.
 * @module
 */

import type { Bytes } from "../bytes/writer.ts";
import type { ClientMessage, Cursor, EventId, Fingerprint, RelayMessage, StreamName } from "../wire/messages.ts";
import { PACKET_MAX_BYTES } from "../wire/packet.ts";
import { type Closing, type EffectList, inboxOwner, notAllowed, type RefusedCode } from "./effects.ts";
import { EVENT_OVERHEAD_BYTES, type EventLog, type Place, type StoredEvent } from "./event_log.ts";
import { InboxQuotas, TurnShares } from "./inbox_quotas.ts";
import type { RelayLink } from "./links.ts";

/** The longest body of an event: what comes in must go out again under a header that says more. */
export const EVENT_BODY_MAX_BYTES: number = PACKET_MAX_BYTES - 1024;
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
/** Events that a link may publish to one stream while it is behind there: their `accepted` have to wait. */
export const WAITING_ACCEPTS_MAX = 1024;

/** A request for a place. */
export type Publish = Extract<ClientMessage, { t: "publish" }>;
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

/** An event that waits for the end of its turn. */
interface StagedEvent {
  readonly link: RelayLink;
  readonly message: Publish;
  readonly body: Bytes;
  readonly nowMs: number;
}

/** What is to be told of a staged event. `isOfTurn`: its place holds only if this turn's commit succeeds. */
type Outcome =
  | { readonly kind: "refused"; readonly code: RefusedCode }
  | ({ readonly kind: "placed"; readonly isRepeat: boolean; readonly isOfTurn: boolean } & Place);

/** What `Streams` is made from. */
export interface StreamsOptions {
  /** Where events are kept. */
  readonly log: EventLog;
  /** Finds the link of an identity. */
  readonly linkOf: (fingerprint: Fingerprint) => RelayLink | undefined;
}

/** All streams, and who hears them. */
export class Streams {
  readonly #log: EventLog;
  readonly #linkOf: (fingerprint: Fingerprint) => RelayLink | undefined;
  /** Live subscribers; a stream without any has no entry. */
  readonly #live = new Map<StreamName, Set<RelayLink>>();
  readonly #quotas = new InboxQuotas();
  /** What waits for `flush()`; the driver bounds a turn. */
  #staged: StagedEvent[] = [];
  #isFailing = false;
  #hasMoreToTrim = false;

  /**
   * Starts with nobody listening.
   * @param options the log, and how to find links
   */
  constructor(options: StreamsOptions) {
    this.#log = options.log;
    this.#linkOf = options.linkOf;
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

  /** Whether the log still has to clear away what it does not keep: `trim()` is to be called again soon. */
  get hasMoreToTrim(): boolean {
    return this.#hasMoreToTrim;
  }

  /**
   * Takes an event to publish; `flush()` judges and stores it. A link that ends must be flushed before.
   * @param link who publishes
   * @param message which stream, and the event's id
   * @param event the body and the time
   * @returns the end of the link when it may not publish there, else `undefined`
   */
  publish(
    link: RelayLink,
    message: Publish,
    event: { readonly body: Bytes; readonly nowMs: number },
  ): Closing | undefined {
    if (inboxOwner(message.stream) === undefined && !mayHear(link, message.stream)) {
      return notAllowed("Enter a room before you publish to it.");
    }
    this.#staged.push({ link, message, ...event });
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
    const outcomes = staged.map((event) => this.#place(event, shares));
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
    if (inboxOwner(stream) !== undefined) this.#quotas.handed(stream, subscription.sentSeq);
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
  }

  /**
   * Drops what is too old; nothing may be staged.
   * @param nowMs the time
   * @param effects where the operator is told
   */
  trim(nowMs: number, effects: EffectList): void {
    this.#log.trim(nowMs);
    this.#commit(effects);
    this.#quotas.expire((inbox) => this.#log.oldest(inbox));
  }

  #start(link: RelayLink, stream: StreamName, after: Cursor | null, effects: EffectList): Subscription {
    const { generation } = this.#log;
    const head = this.#log.head(stream);
    const isKnown = after === null || (after.generation === generation && after.seq <= head);
    effects.send([link.link], { t: isKnown ? "subscribed" : "reset", stream, generation, head });
    const sentSeq = after === null ? head : isKnown ? after.seq : this.#log.oldest(stream) - 1;
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
    if (inboxOwner(stream) !== undefined) this.#quotas.handed(stream, subscription.sentSeq);
  }

  #stopLive(link: RelayLink, stream: StreamName): void {
    const live = this.#live.get(stream);
    live?.delete(link);
    if (live?.size === 0) this.#live.delete(stream);
  }

  #place({ link, message, body, nowMs }: StagedEvent, shares: TurnShares): Outcome {
    const { stream, kind, id } = message;
    const publisher = link.caller.fingerprint;
    // Before anything is judged: what was stored once is stored, even if it would be refused today.
    const known = this.#log.find(stream, publisher, id);
    if (known !== undefined) {
      return { kind: "placed", ...known, isRepeat: true, isOfTurn: shares.has(stream, publisher, id) };
    }
    const code = this.#refusal(link, stream, body.length, shares);
    if (code !== undefined) return { kind: "refused", code };
    const placed = this.#log.append({ stream, publisher, kind, id, body, atMs: nowMs });
    if (placed.kind === "full") return { kind: "refused", code: "relayFull" };
    if (placed.kind === "failed") return { kind: "refused", code: "notStored" };
    shares.add(stream, publisher, { id, bytes: body.length });
    return { ...placed, isOfTurn: true };
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

  #tell({ link, message, body }: StagedEvent, outcome: Outcome, effects: EffectList): void {
    const { stream, kind, id } = message;
    if (outcome.kind === "refused") return refuse(link, id, outcome.code, effects);
    const { seq, at } = outcome;
    const publisher = link.caller.fingerprint;
    if (!outcome.isRepeat) this.#fanOut(link, { stream, publisher, kind, id, body, seq, at }, effects);
    this.#accept(link, stream, { id, seq, at }, effects);
  }

  #refusal(link: RelayLink, stream: StreamName, bytes: number, shares: TurnShares): RefusedCode | undefined {
    if (bytes > EVENT_BODY_MAX_BYTES) return "tooLong";
    const publisher = link.caller.fingerprint;
    const waiting = (link.subscriptions.get(stream)?.accepts.size ?? 0) + shares.of(stream, publisher).events;
    if (waiting >= WAITING_ACCEPTS_MAX) return "busy";
    const owner = inboxOwner(stream);
    if (owner === undefined) return undefined;
    // Not merely linked: who hears from now on would never hear what was placed before it listened.
    if (this.#linkOf(owner)?.subscriptions.has(stream) !== true) return "offline";
    if (!this.#quotas.hasRoom(stream, publisher, bytes, shares)) return "inboxFull";
    return undefined;
  }

  #fanOut(publisher: RelayLink, event: StoredEvent, effects: EffectList): void {
    const links: number[] = [];
    const costBytes = event.body.length + EVENT_OVERHEAD_BYTES;
    for (const link of this.#live.get(event.stream) ?? []) {
      if (link === publisher) continue;
      link.undrainedBytes += costBytes;
      if (link.undrainedBytes > LIVE_BACKLOG_MAX_BYTES) this.#fallBehind(link, event);
      else links.push(link.link);
    }
    effects.send(links, toEventMessage(event), event.body);
    // Only its owner hears an inbox: nobody live means that the owner is behind, and the event waits.
    if (!this.#live.has(event.stream) && inboxOwner(event.stream) !== undefined) {
      this.#quotas.add(event.stream, { seq: event.seq, publisher: event.publisher, bytes: event.body.length });
    }
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
    const accepted: Accepted = { t: "accepted", stream, id: event.id, seq: event.seq, at: event.at };
    const subscription = link.subscriptions.get(stream);
    const mustWait = subscription !== undefined && !subscription.isLive && event.seq > subscription.sentSeq;
    if (mustWait) subscription.accepts.set(event.seq, accepted);
    else effects.send([link.link], accepted);
  }
}

const REFUSED_BECAUSE: Readonly<Record<RefusedCode, string>> = {
  tooLong: `A message has at most ${EVENT_BODY_MAX_BYTES} bytes when sealed. Write a shorter one.`,
  offline: "This person is not here now. Send it again when they are back.",
  inboxFull: "Too much waits for this person already. Send it again later.",
  relayFull: "This relay cannot hold more conversations. Ask who runs it.",
  busy: "The relay is still sending what was missed here. Send it again in a moment.",
  notStored: "The relay cannot store messages now: its disk is full or fails. Tell whoever runs it, and send it again.",
};

function refuse(link: RelayLink, id: EventId, code: RefusedCode, effects: EffectList): void {
  effects.send([link.link], { t: "refused", id, code, message: REFUSED_BECAUSE[code] });
}

function queueCatchUp(link: RelayLink, stream: StreamName): void {
  const isQueued = link.waiting.some((pages) => pages.kind === "catchUp" && pages.stream === stream);
  if (!isQueued) link.waiting.push({ kind: "catchUp", stream });
}

function mayHear(link: RelayLink, stream: StreamName): boolean {
  const owner = inboxOwner(stream);
  return owner === undefined ? link.rooms.has(stream.slice("room/".length)) : owner === link.caller.fingerprint;
}

function toEventMessage(event: StoredEvent): RelayMessage {
  const { stream, seq, at, publisher, kind, id } = event;
  return { t: "event", stream, seq, at, from: publisher, kind, id };
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
