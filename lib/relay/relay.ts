/**
 * The relay's rules, whole: inputs in, effects out (DESIGN 4). It accepts links, binds names, orders events, and stores
 * and forwards ciphertext. It opens nothing: there is no cryptography in this folder, and none can be imported.
 *
 * Does no I/O and keeps no clock. Synchronous: one input is done before the next begins. Nothing that a peer sends makes
 * it throw; a message that is well formed but not allowed ends that link with the code `protocol`.
 *
 *     const relay = new Relay({ log, names });
 *     for (const effect of relay.handle(input)) perform(effect);
 *
 * With `handleTurn` all that is published by the inputs of a turn is stored at once, and told after that.
 *
 * @module
 */

import { assertNever, UserError } from "../bytes/errors.ts";
import type { Bytes } from "../bytes/writer.ts";
import type { ClientMessage, LeftReason, Packet } from "../wire/messages.ts";
import { checkHandle } from "../wire/handle.ts";
import { AboutCallers } from "./about.ts";
import {
  type Caller,
  type Closing,
  EffectList,
  inboxOwner,
  notAllowed,
  type RelayEffect,
  type RelayInput,
} from "./effects.ts";
import type { EventLog } from "./event_log.ts";
import { CERTIFICATE_MAX_BYTES, Links, LINKS_MAX, type RelayLink, type WaitingPages } from "./links.ts";
import { Mailboxes } from "./mailboxes.ts";
import type { NameBook } from "./names.ts";
import { askOps, sendOps } from "./op_pages.ts";
import { askPeople, sendPeople } from "./people_pages.ts";
import { Prekeys } from "./prekeys.ts";
import { Renewals } from "./renewals.ts";
import { Rooms } from "./rooms.ts";
import { CATCH_UP_MAX_BYTES, Streams } from "./streams.ts";

/** How often what is too old is dropped; everything else that has a time checks it when it is used. */
export const HOUSEKEEPING_MS = 60 * 1000;
/** How soon the log goes on clearing away, a bounded amount each time, so that nobody waits long behind it. */
export const CLEAR_AWAY_MS = 100;
/** How often names are saved although none changed, so that their owners still count as seen after a crash. */
export const NAMES_SAVE_MS = 24 * 3600 * 1000;

/** What a `Relay` is made from. */
export interface RelayOptions {
  /** Where events are kept. */
  readonly log: EventLog;
  /** Whose names are whose; restored by the host before the first link. */
  readonly names: NameBook;
  /** Where names of mailboxes come from; without it nobody can make one. */
  readonly random?: (lengthBytes: number) => Bytes;
}

/** The relay's core. */
export class Relay {
  readonly #log: EventLog;
  readonly #names: NameBook;
  readonly #links = new Links();
  readonly #rooms = new Rooms();
  readonly #prekeys = new Prekeys(this.#links);
  readonly #renewals = new Renewals();
  readonly #streams: Streams;
  readonly #mailboxes: Mailboxes;
  readonly #about: AboutCallers;
  #isShutDown = false;
  #wakeAtMs = Infinity;
  #housekeepingAtMs: number | undefined;
  #clearAwayAtMs = Infinity;
  #namesSavedMs: number | undefined;

  /**
   * Starts with nobody linked.
   * @param options the log and the names
   */
  constructor(options: RelayOptions) {
    this.#log = options.log;
    this.#names = options.names;
    this.#mailboxes = new Mailboxes(options.random);
    this.#streams = new Streams({ log: options.log, links: this.#links, names: options.names });
    const held = { prekeys: this.#prekeys, streams: this.#streams, mailboxes: this.#mailboxes };
    this.#about = new AboutCallers({ log: options.log, names: options.names, ...held });
  }

  /**
   * Takes one input.
   * @param input what happened
   * @returns what is to be done, in order
   * @throws {TypeError} when the driver opens one link twice, which is a bug of ours
   */
  handle(input: RelayInput): RelayEffect[] {
    return this.handleTurn([input]);
  }

  /**
   * Takes several inputs, one after the other. What they publish is stored together, before anybody is told of it; so
   * the disk is waited for once.
   * @param inputs what happened, in order
   * @returns what is to be done, in order
   * @throws {TypeError} when the driver opens one link twice, which is a bug of ours
   */
  handleTurn(inputs: readonly RelayInput[]): RelayEffect[] {
    const effects = new EffectList();
    for (const input of inputs) this.#take(input, effects);
    this.#streams.flush(effects);
    const last = inputs.at(-1);
    if (last !== undefined && !this.#isShutDown) this.#askToWake(last.nowMs, effects.items);
    return effects.items;
  }

  /**
   * Tells whether a link waits for `drained`; for tests, a driver reports it for every link.
   * @param link the link's number
   * @returns whether more is to be sent to it once its outbox is empty
   */
  isWaitingForDrain(link: number): boolean {
    return this.#links.get(link)?.isWaitingForDrain ?? false;
  }

  #take(input: RelayInput, effects: EffectList): void {
    // Links come and go only when all that they published is told.
    if (input.kind !== "message" && input.kind !== "drained") this.#streams.flush(effects);
    switch (input.kind) {
      case "opened":
        return this.#opened(input, effects);
      case "message":
        return this.#received(input, effects);
      case "drained":
        return this.#drained(input.link, effects);
      case "ended":
        return this.#ended(input, effects);
      case "tick":
        return this.#tick(input.nowMs, effects);
      case "shutdown":
        return this.#shutdown(input.nowMs, effects);
      default:
        return assertNever(input);
    }
  }

  #opened(input: Extract<RelayInput, { kind: "opened" }>, effects: EffectList): void {
    const { link, caller, nowMs } = input;
    if (this.#links.get(link) !== undefined) throw new TypeError(`Cannot open link ${link}: it is open`);
    const former = this.#links.of(caller.fingerprint);
    const refusal = this.#admit(caller, former, { nowMs, effects });
    if (refusal !== undefined) {
      effects.log("info", "linkRefused", { link, code: refusal.code });
      return effects.close(link, refusal);
    }
    const isRenewed = former !== undefined && this.#renewals.take(former, caller);
    if (former !== undefined && !isRenewed) this.#replace(former, nowMs, effects);
    if (isRenewed) this.#links.remove(former);
    const record = this.#links.add(link, caller);
    if (isRenewed) this.#rooms.handOver(former, record);
    effects.send([link], { t: "welcome", at: nowMs, generation: this.#log.generation });
    effects.log("info", "linkOpened", { link, links: this.#links.size });
    effects.log("debug", "whoLinked", { link, handle: caller.handle, fingerprint: caller.fingerprint });
    this.#prekeys.tellLow(record, effects);
  }

  /** Checks everything and binds the name; nothing is changed when it answers with a refusal. */
  #admit(
    caller: Caller,
    former: RelayLink | undefined,
    now: { readonly nowMs: number; readonly effects: EffectList },
  ): Closing | undefined {
    if (this.#isShutDown) return SHUTTING_DOWN;
    if (former === undefined && this.#links.size >= LINKS_MAX) {
      return { code: "relayFull", message: `This relay is full: ${LINKS_MAX} people are here. Try again later.` };
    }
    if (caller.certificate.length > CERTIFICATE_MAX_BYTES) return notAllowed("The certificate is too long.");
    const name = readHandle(caller.handle);
    if (name.kind === "refused") return name.closing;
    const { handle, fingerprint, life, createdMs } = caller;
    const bound = this.#names.bind({ handle, folded: name.folded, fingerprint, life, createdMs }, now.nowMs);
    if (bound.kind === "refused") return { code: bound.code, message: bound.message };
    if (bound.isChanged) this.#saveNames(now.nowMs, now.effects);
    return undefined;
  }

  // The name stays in use: the identity is linked all the same. So the record goes without `release`.
  #replace(former: RelayLink, nowMs: number, effects: EffectList): void {
    effects.close(former.link, {
      code: "replaced",
      message: "The same identity has linked from another place. Only one can be here at a time: quit one of them, " +
        "or start one with another --data-dir.",
    });
    effects.log("info", "linkReplaced", { link: former.link });
    this.#forget(former, "lost", nowMs, effects);
  }

  #received(input: Extract<RelayInput, { kind: "message" }>, effects: EffectList): void {
    const link = this.#links.get(input.link);
    // Already closed here: what its driver had queued does not count any more.
    if (link === undefined) return;
    const closing = this.#answer(link, input.packet, input.nowMs, effects);
    if (closing !== undefined) return this.#close(link, closing, input.nowMs, effects);
    this.#sendWaiting(link, effects);
  }

  #answer(
    link: RelayLink,
    packet: Packet<ClientMessage>,
    nowMs: number,
    effects: EffectList,
  ): Closing | undefined {
    const { message, body } = packet;
    switch (message.t) {
      case "enter":
        return this.#rooms.enter(link, message.room, nowMs, effects);
      case "exit":
        this.#streams.unsubscribe(link, `room/${message.room}`, effects); // what was published there before counts
        this.#rooms.exit(link, message.room, nowMs, effects);
        return undefined;
      case "subscribe":
        return this.#streams.subscribe(link, message.stream, { after: message.after, nowMs }, effects);
      case "publish":
        return this.#streams.publish(link, message, { body, nowMs }, effects);
      case "publishMany":
        return this.#streams.publishMany(link, message.ref, { body, nowMs });
      case "getOps":
        return askOps(link, message, nowMs);
      case "putBundle":
        return this.#prekeys.putBundle(link, body, nowMs);
      case "putOneTimePrekeys":
        return this.#prekeys.addOneTimePrekeys(link, body);
      case "getBundle":
        this.#prekeys.request(link, message, nowMs, effects);
        return undefined;
      case "liveBundle":
        return this.#prekeys.answer(link, message.ref, { body, nowMs }, effects);
      case "who":
        return askPeople(link, message, { links: this.#links, nowMs });
      case "aboutMe":
        this.#streams.flush(effects); // what was said before counts
        this.#about.tell(link, message.ref, nowMs, effects);
        return undefined;
      case "createMailbox":
        return this.#mailboxes.create(link, message.ref, { body, nowMs }, effects);
      case "joinMailbox":
        return this.#mailboxes.join(link, message, { body, nowMs }, effects);
      case "mail":
        return this.#mailboxes.mail(link, message.mailbox, body, effects);
      case "leaveMailbox":
        this.#mailboxes.leave(link, message.mailbox, nowMs, effects);
        return undefined;
      default:
        return assertNever(message);
    }
  }

  #drained(link: number, effects: EffectList): void {
    const record = this.#links.get(link);
    if (record === undefined) return;
    record.undrainedBytes = 0;
    if (!record.isWaitingForDrain) return;
    record.isWaitingForDrain = false;
    this.#sendWaiting(record, effects);
  }

  /**
   * Sends one lot of what waits; streams and lists take turns, so that a long one does not hold up the others. An inbox
   * is handed over first, and it is bounded: in it are the keys of what stands in the rooms.
   */
  #sendWaiting(link: RelayLink, effects: EffectList): void {
    if (link.isWaitingForDrain) return;
    let leftBytes = CATCH_UP_MAX_BYTES;
    while (leftBytes > 0) {
      const pages = link.waiting.shift();
      if (pages === undefined) return;
      leftBytes -= this.#sendPages(link, pages, leftBytes, effects);
      link.isWaitingForDrain = true;
    }
  }

  #sendPages(link: RelayLink, pages: WaitingPages, maxBytes: number, effects: EffectList): number {
    if (pages.kind === "people") return sendPeople(link, pages, effects);
    if (pages.kind === "ops") return sendOps(link, pages, this.#log, effects);
    const lot = this.#streams.sendLot(link, pages.stream, maxBytes, effects);
    if (!lot.isDone && inboxOwner(pages.stream) !== undefined) link.waiting.unshift(pages);
    else if (!lot.isDone) link.waiting.push(pages);
    return lot.costBytes;
  }

  #ended(input: Extract<RelayInput, { kind: "ended" }>, effects: EffectList): void {
    const link = this.#links.get(input.link);
    if (link === undefined) return;
    effects.log("info", "linkEnded", { link: input.link, reason: input.reason });
    if (input.reason !== "renew") return this.#end(link, input.reason, input.nowMs, effects);
    this.#renewals.hold(link, input.nowMs);
    link.waiting.length = 0;
    this.#streams.forget(link); // it hears them again after its cursors
    this.#mailboxes.forget(link, { reason: "lost", nowMs: input.nowMs }, effects);
  }

  #close(link: RelayLink, closing: Closing, nowMs: number, effects: EffectList): void {
    this.#streams.flush(effects);
    effects.close(link.link, closing);
    effects.log("info", "linkClosed", { link: link.link, code: closing.code });
    this.#end(link, "lost", nowMs, effects);
  }

  #end(link: RelayLink, reason: LeftReason, nowMs: number, effects: EffectList): void {
    this.#names.release(link.caller.fingerprint, nowMs);
    this.#forget(link, reason, nowMs, effects);
  }

  #forget(link: RelayLink, reason: LeftReason, nowMs: number, effects: EffectList): void {
    this.#links.remove(link);
    this.#streams.forget(link);
    this.#rooms.leaveAll(link, reason, nowMs, effects);
    this.#prekeys.forget(link, nowMs, effects);
    this.#mailboxes.forget(link, { reason: reason === "quit" ? "left" : "lost", nowMs }, effects);
  }

  #tick(nowMs: number, effects: EffectList): void {
    // Asked for again below: a timer may fire a moment early.
    this.#wakeAtMs = Infinity;
    this.#prekeys.expireRequests(nowMs, effects);
    this.#mailboxes.expire(nowMs, effects);
    for (const link of this.#renewals.expire(nowMs)) this.#end(link, "lost", nowMs, effects);
    if (nowMs >= this.#clearAwayAtMs) this.#trim(nowMs, effects);
    if (nowMs < (this.#housekeepingAtMs ?? 0)) return;
    this.#housekeepingAtMs = nowMs + HOUSEKEEPING_MS;
    this.#names.expire(nowMs);
    this.#prekeys.expireStore(nowMs);
    this.#trim(nowMs, effects);
    this.#namesSavedMs ??= nowMs;
    if (nowMs - this.#namesSavedMs >= NAMES_SAVE_MS) this.#saveNames(nowMs, effects);
  }

  #trim(nowMs: number, effects: EffectList): void {
    this.#clearAwayAtMs = Infinity;
    this.#streams.trim(nowMs, effects);
  }

  #shutdown(nowMs: number, effects: EffectList): void {
    if (this.#isShutDown) return;
    this.#isShutDown = true;
    effects.log("info", "shutdown", { links: this.#links.size });
    for (const link of [...this.#links.all()]) {
      effects.close(link.link, SHUTTING_DOWN);
      this.#names.release(link.caller.fingerprint, nowMs);
      this.#links.remove(link);
    }
    this.#saveNames(nowMs, effects);
  }

  #saveNames(nowMs: number, effects: EffectList): void {
    this.#namesSavedMs = nowMs;
    effects.namesChanged();
  }

  /** Asks for a tick, if none is asked for that comes early enough. */
  #askToWake(nowMs: number, items: RelayEffect[]): void {
    this.#housekeepingAtMs ??= nowMs + HOUSEKEEPING_MS;
    if (this.#streams.hasMoreToTrim && this.#clearAwayAtMs === Infinity) this.#clearAwayAtMs = nowMs + CLEAR_AWAY_MS;
    const deadlinesMs = [this.#prekeys, this.#mailboxes, this.#renewals].map((part) => part.nextDeadlineMs ?? Infinity);
    const atMs = Math.min(this.#housekeepingAtMs, this.#clearAwayAtMs, ...deadlinesMs);
    if (atMs >= this.#wakeAtMs) return;
    this.#wakeAtMs = atMs;
    items.push({ kind: "wakeAt", atMs });
  }
}

const SHUTTING_DOWN: Closing = { code: "shutdown", message: "The relay is shutting down. Link again when it is back." };

type CheckedName = { readonly kind: "ok"; readonly folded: string } | {
  readonly kind: "refused";
  readonly closing: Closing;
};

function readHandle(handle: string): CheckedName {
  try {
    const checked = checkHandle(handle);
    if (checked.handle === handle) return { kind: "ok", folded: checked.folded };
    return { kind: "refused", closing: { code: "nameInvalid", message: "A name in a certificate must be in NFC." } };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { kind: "refused", closing: { code: "nameInvalid", message: `${error.message} ${error.hint}` } };
  }
}
