/**
 * Whether an event gets a place, and why not (PROTOCOL 4.5). Nothing is stored for good here and nobody is told: the
 * commit and the words are those of `streams.ts`.
 * @module
 */

import type { Bytes } from "../bytes/writer.ts";
import { OP_BODY_MAX_BYTES, OP_KIND, opKindAt } from "../wire/bodies.ts";
import type { ClientMessage, EventId, Fingerprint, RelayMessage } from "../wire/messages.ts";
import { PACKET_MAX_BYTES } from "../wire/packet.ts";
import { type EffectList, inboxOwner, type RefusedCode, roomOf } from "./effects.ts";
import { type EventLog, OPS_KEPT_MIN, type Place } from "./event_log.ts";
import type { InboxQuotas, TurnShares } from "./inbox_quotas.ts";
import type { Links, RelayLink } from "./links.ts";
import type { NameBook } from "./names.ts";
import { OpRules } from "./op_rules.ts";

/** The longest body of an event: what comes in must go out again under a header that says more. */
export const EVENT_BODY_MAX_BYTES: number = PACKET_MAX_BYTES - 1024;
/** Events that a link may publish to one stream while it is behind there: their `accepted` have to wait. */
export const WAITING_ACCEPTS_MAX = 1024;

/** A request for a place. */
export type Publish = Extract<ClientMessage, { t: "publish" }>;

/** The events of one `publishMany`, which are answered together. */
export interface StagedMany {
  /** The publisher's number for them. */
  readonly ref: number;
  /** How many are not judged yet. */
  left: number;
  /** Those that are not stored. */
  readonly refused: EventId[];
  /** Whether the relay cannot store at all now. */
  isFailing: boolean;
}

/** An event that waits for the end of its turn. */
export interface StagedEvent {
  /** Who publishes it. */
  readonly link: RelayLink;
  /** Which stream, and what it is. */
  readonly message: Publish;
  /** What was published. */
  readonly body: Bytes;
  /** When. */
  readonly nowMs: number;
  /** Those that it came with. */
  readonly many?: StagedMany;
}

/** What is to be told of a staged event. `isOfTurn`: its place holds only if this turn's commit succeeds. */
export type Outcome =
  | { readonly kind: "refused"; readonly code: RefusedCode }
  | { readonly kind: "placed"; readonly isRepeat: boolean; readonly isOfTurn: boolean; readonly place: Place };

/** What `Placing` is made from. */
export interface PlacingOptions {
  /** Where events are kept. */
  readonly log: EventLog;
  /** Who is linked. */
  readonly links: Links;
  /** Who may come back. */
  readonly names: NameBook;
  /** What waits in inboxes. */
  readonly quotas: InboxQuotas;
}

/** Judges events, and appends those that may be stored. */
export class Placing {
  readonly #options: PlacingOptions;
  readonly #opRules: OpRules;

  /**
   * Starts with every budget full.
   * @param options the log and who is known
   */
  constructor(options: PlacingOptions) {
    this.#options = options;
    this.#opRules = new OpRules((fingerprint) => options.links.of(fingerprint) !== undefined);
  }

  /**
   * Gives an event its place, if it may have one.
   * @param event the event
   * @param shares what was placed in this turn; the event is added
   * @returns the place, or why there is none
   */
  place(event: StagedEvent, shares: TurnShares): Outcome {
    const { link, message: { stream, kind, id }, body, nowMs } = event;
    const { log } = this.#options;
    const publisher = link.caller.fingerprint;
    // Before anything is judged: what was stored once is stored, even if it would be refused today.
    const known = log.find(stream, publisher, id);
    if (known !== undefined) {
      return { kind: "placed", isRepeat: true, isOfTurn: shares.has(stream, publisher, id), place: known };
    }
    const code = this.#refusal(event, shares);
    if (code !== undefined) return { kind: "refused", code };
    // A sign of life says who it is from, and new lasting identities come slowly from one address (op_rules.ts).
    const isReserved = kind === "op" && link.caller.life === "lasting" && opKindAt(body) === OP_KIND.here;
    const placed = log.append({ stream, publisher, kind, id, body, atMs: nowMs, isReserved });
    if (placed.kind === "full") return { kind: "refused", code: "relayFull" };
    if (placed.kind === "opsFull") return { kind: "refused", code: "roomFull" };
    if (placed.kind === "failed") return { kind: "refused", code: "notStored" };
    shares.add(stream, publisher, { id, bytes: body.length });
    const { kind: _placed, isRepeat, ...place } = placed;
    return { kind: "placed", isRepeat, isOfTurn: true, place };
  }

  #refusal(event: StagedEvent, shares: TurnShares): RefusedCode | undefined {
    const { link, message, body, nowMs } = event;
    const isOp = message.kind === "op";
    if (body.length > (isOp ? OP_BODY_MAX_BYTES : EVENT_BODY_MAX_BYTES)) return "tooLong";
    if (hasTooManyWaiting(event, shares)) return "busy";
    const owner = inboxOwner(message.stream);
    if (owner !== undefined) return this.#inboxRefusal(owner, event, shares);
    const room = roomOf(message.stream);
    if (isOp) return this.#opRules.refusal(link, room, { body, nowMs });
    return this.#isStale(room, message) ? "stale" : undefined;
  }

  #inboxRefusal(owner: Fingerprint, event: StagedEvent, shares: TurnShares): RefusedCode | undefined {
    const { links, names, quotas } = this.#options;
    const { link, message, body, nowMs } = event;
    // An ephemeral identity that is gone does not come back, and who never came cannot have left keys.
    if (links.of(owner) === undefined && !names.isLasting(owner, nowMs)) return "offline";
    return quotas.hasRoom(message.stream, link.caller.fingerprint, body.length, shares) ? undefined : "inboxFull";
  }

  /**
   * Whether more members have gone since the message was sealed than its author allows for. Of a place that members do
   * not know any more nobody could tell, and departures after it may have been dropped.
   */
  #isStale(room: Fingerprint, { epoch, slack = 0 }: Extract<Publish, { kind: "message" }>): boolean {
    const { log } = this.#options;
    return epoch !== undefined && (log.epoch(room) - epoch >= OPS_KEPT_MIN || log.departure(room, slack) > epoch);
  }
}

function hasTooManyWaiting({ link, message: { stream }, many }: StagedEvent, shares: TurnShares): boolean {
  if (many !== undefined) return false; // `acceptedMany` waits for no place
  const accepts = link.subscriptions.get(stream)?.accepts.size ?? 0;
  return accepts + shares.of(stream, link.caller.fingerprint).events >= WAITING_ACCEPTS_MAX;
}

/** What people are told, as sentences. */
const REFUSED_BECAUSE: Readonly<Record<RefusedCode, string>> = {
  tooLong: `A message has at most ${EVENT_BODY_MAX_BYTES} bytes when sealed, an op ${OP_BODY_MAX_BYTES}. ` +
    "Write a shorter one.",
  offline: "This person is not here, and nothing can wait for them. Send it again when they are.",
  inboxFull: "Too much waits for this person already. Send it again later.",
  relayFull: "This relay cannot hold more conversations. Ask who runs it.",
  busy: "The relay is still sending what was missed here. Send it again in a moment.",
  notStored: "The relay cannot store messages now: its disk is full or fails. Tell whoever runs it, and send it again.",
  stale: "Members have left since this message was sealed. Catch up and seal it again.",
  badOp: "This change of members claims what the relay knows to be otherwise.",
  tooManyOps: "Too many changes of members in a short time. Send it again later.",
  roomFull: "This room has had as many changes of members as the relay can keep. Use another room.",
};

/**
 * Notes that an event of several is not stored.
 * @param many those that it came with
 * @param id its publisher's id for it
 * @param code why
 */
export function refuseOneOf(many: StagedMany, id: EventId, code: RefusedCode): void {
  many.refused.push(id);
  if (code === "notStored") many.isFailing = true;
}

/**
 * Answers for several events, all of which are judged.
 * @param many the events
 * @returns the answer, beside the ids of those that are not stored
 */
export function answerOf({ ref, isFailing }: StagedMany): Extract<RelayMessage, { t: "acceptedMany" }> {
  return { t: "acceptedMany", ref, ...(isFailing ? { code: "notStored" } : {}) };
}

/**
 * Tells a publisher that an event is not stored.
 * @param link the publisher
 * @param id its id for the event
 * @param code why
 * @param effects where the message goes
 */
export function refuse(link: RelayLink, id: EventId, code: RefusedCode, effects: EffectList): void {
  effects.send([link.link], { t: "refused", id, code, message: REFUSED_BECAUSE[code] });
}
