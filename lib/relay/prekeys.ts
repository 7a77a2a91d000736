/**
 * Answering requests for somebody's keys (PROTOCOL 3): live, from the person itself, when it is linked and not asked
 * too often; else from what it left. The relay understands none of it. Who asks too much, or does not read the answers, is
 * told `none`: a small packet, and nobody else's keys are used up.
 * @module
 */

import { type Bytes, lvCat } from "../bytes/writer.ts";
import type { ClientMessage, Fingerprint } from "../wire/messages.ts";
import { BundleStore } from "./bundles.ts";
import { type Closing, type EffectList, notAllowed } from "./effects.ts";
import type { Links, RelayLink } from "./links.ts";
import { LiveRequests, type PendingRequest } from "./live_requests.ts";
import { LIVE_BACKLOG_MAX_BYTES } from "./streams.ts";

/** The longest live answer: a bundle made for one requester, with its one-time prekey. */
export const LIVE_BUNDLE_MAX_BYTES = 8192;

/** A request for somebody's keys. */
export type GetBundle = Extract<ClientMessage, { t: "getBundle" }>;

/** What people left, and what they are asked for. */
export class Prekeys {
  readonly #links: Links;
  readonly #store = new BundleStore();
  readonly #live = new LiveRequests();

  /**
   * Starts with nothing.
   * @param links who is linked
   */
  constructor(links: Links) {
    this.#links = links;
  }

  /** When the first request that waits runs out, or `undefined` when none waits. */
  get nextDeadlineMs(): number | undefined {
    return this.#live.nextDeadlineMs;
  }

  /**
   * Keeps a link's bundle.
   * @param link whose it is
   * @param bundle the bundle, opaque
   * @param nowMs the time
   * @returns the end of the link when it may not, else `undefined`
   */
  putBundle(link: RelayLink, bundle: Bytes, nowMs: number): Closing | undefined {
    const isLinked = (fingerprint: Fingerprint) => this.#links.of(fingerprint) !== undefined;
    return this.#store.putBundle(link.caller.fingerprint, bundle, { nowMs, isLinked });
  }

  /**
   * Keeps a link's one-time prekeys.
   * @param link whose they are
   * @param body `lv_cat` of them
   * @returns the end of the link when it may not, else `undefined`
   */
  addOneTimePrekeys(link: RelayLink, body: Bytes): Closing | undefined {
    return this.#store.addOneTimePrekeys(link.caller.fingerprint, body);
  }

  /**
   * Forwards a request to the person asked, or answers it from the store; over the link's budget, with `none`.
   * @param link who asks
   * @param message whose keys it wants
   * @param nowMs the time
   * @param effects where the messages go
   */
  request(link: RelayLink, message: GetBundle, nowMs: number, effects: EffectList): void {
    const { of, nonce, ref } = message;
    if (!link.bundleRequests.take(nowMs) || isBehind(link)) return answerNone(link, ref, effects);
    const by = link.caller.fingerprint;
    const target = this.#links.of(of);
    const asked = target && !target.isRenewing &&
      this.#live.ask({ requester: link.link, requesterRef: ref, by, target: target.link, of }, nowMs);
    if (!target || !asked) this.#answerFromStore(link, { ref, of }, nowMs, effects);
    else effects.send([target.link], { t: "bundleWanted", ref: asked.ref, by, nonce });
  }

  /**
   * Takes a live answer to whoever asked; an empty one says that there is none, and the store answers.
   * @param link who answers
   * @param ref the relay's number of the request
   * @param answer the body and the time
   * @param effects where the messages go
   * @returns the end of the link when the answer is too long, else `undefined`
   */
  answer(
    link: RelayLink,
    ref: number,
    answer: { readonly body: Bytes; readonly nowMs: number },
    effects: EffectList,
  ): Closing | undefined {
    const { body, nowMs } = answer;
    if (body.length > LIVE_BUNDLE_MAX_BYTES) {
      return notAllowed(`A live bundle has at most ${LIVE_BUNDLE_MAX_BYTES} bytes, not ${body.length}.`);
    }
    const pending = this.#live.answer(ref, link.link);
    // Too late, most likely: the requester has had the stored one.
    if (pending === undefined) return undefined;
    if (body.length === 0) this.#answerPending(pending, nowMs, effects);
    else this.#answerLive(pending, body, effects);
    return undefined;
  }

  /**
   * Counts what is kept of an identity.
   * @param owner the identity
   * @returns see `BundleStore.heldOf`
   */
  heldOf(owner: Fingerprint): ReturnType<BundleStore["heldOf"]> {
    return this.#store.heldOf(owner);
  }

  /**
   * Tells a link that few of its one-time prekeys are left, if so and if it was not told yet.
   * @param link whose prekeys
   * @param effects where the message goes
   */
  tellLow(link: RelayLink, effects: EffectList): void {
    const left = this.#store.takeLowNotice(link.caller.fingerprint);
    if (left !== undefined) effects.send([link.link], { t: "prekeysLow", left });
  }

  /**
   * Answers from the store what waited too long.
   * @param nowMs the time
   * @param effects where the messages go
   */
  expireRequests(nowMs: number, effects: EffectList): void {
    for (const pending of this.#live.takeExpired(nowMs)) this.#answerPending(pending, nowMs, effects);
  }

  /**
   * Drops bundles that are too old.
   * @param nowMs the time
   */
  expireStore(nowMs: number): void {
    this.#store.expire(nowMs);
  }

  /**
   * Forgets a link that ended; whoever waits for its answer gets what it left.
   * @param link the link, already removed from all links
   * @param nowMs the time
   * @param effects where the messages go
   */
  forget(link: RelayLink, nowMs: number, effects: EffectList): void {
    for (const pending of this.#live.forget(link.link)) this.#answerPending(pending, nowMs, effects);
    if (link.caller.life === "ephemeral") this.#store.forget(link.caller.fingerprint);
  }

  #answerLive(pending: PendingRequest, body: Bytes, effects: EffectList): void {
    const requester = this.#links.get(pending.requester);
    if (requester !== undefined) answerBundle(requester, { ref: pending.requesterRef, kind: "live", body }, effects);
  }

  #answerPending(pending: PendingRequest, nowMs: number, effects: EffectList): void {
    const requester = this.#links.get(pending.requester);
    if (requester === undefined) return;
    this.#answerFromStore(requester, { ref: pending.requesterRef, of: pending.of }, nowMs, effects);
  }

  #answerFromStore(
    link: RelayLink,
    request: { readonly ref: number; readonly of: Fingerprint },
    nowMs: number,
    effects: EffectList,
  ): void {
    const { ref, of } = request;
    // Before anything is taken: a one-time prekey must not go to somebody who will not be sent it.
    const stored = isBehind(link) ? undefined : this.#store.take(of, link.caller.fingerprint, nowMs);
    if (stored === undefined) return answerNone(link, ref, effects);
    answerBundle(link, { ref, kind: "stored", body: lvCat(stored.bundle, stored.oneTimePrekey) }, effects);
    const owner = this.#links.of(of);
    if (owner !== undefined) this.tellLow(owner, effects);
  }
}

/** Tells whether so much waits for a link unread that it is sent no more bundles. */
function isBehind(link: RelayLink): boolean {
  return link.undrainedBytes > LIVE_BACKLOG_MAX_BYTES;
}

function answerNone(link: RelayLink, ref: number, effects: EffectList): void {
  effects.send([link.link], { t: "bundle", ref, kind: "none" });
}

function answerBundle(
  link: RelayLink,
  answer: { readonly ref: number; readonly kind: "live" | "stored"; readonly body: Bytes },
  effects: EffectList,
): void {
  const { ref, kind, body } = answer;
  if (isBehind(link)) return answerNone(link, ref, effects);
  link.undrainedBytes += body.length;
  effects.send([link.link], { t: "bundle", ref, kind }, body);
}
