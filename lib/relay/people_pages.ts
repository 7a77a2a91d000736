/**
 * Telling who is linked page by page, as the link that asked empties its outbox (PROTOCOL 4.3).
 * @module
 */

import type { ClientMessage } from "../wire/messages.ts";
import { type Closing, type EffectList, notAllowed } from "./effects.ts";
import type { Links, RelayLink, WaitingPages } from "./links.ts";
import { cutPage } from "./pages.ts";

/** Answers to `who` that may wait on one link: each holds a list of everybody. */
export const WAITING_PEOPLE_MAX = 4;

/**
 * Takes a request for the people who are linked.
 * @param link who asks
 * @param message the number of the request
 * @param now all links, and the time
 * @returns the end of the link when it may not, else `undefined`
 */
export function askPeople(
  link: RelayLink,
  message: Extract<ClientMessage, { t: "who" }>,
  { links, nowMs }: { readonly links: Links; readonly nowMs: number },
): Closing | undefined {
  const waiting = link.waiting.filter((pages) => pages.kind === "people").length;
  if (waiting >= WAITING_PEOPLE_MAX || !link.pagedRequests.take(nowMs)) {
    return notAllowed("Too many requests in a short time. Wait, then link again.");
  }
  const others = [...links.all()].filter((other) => other !== link);
  const certificates = others.map((other) => other.caller.certificate);
  link.waiting.push({ kind: "people", ref: message.ref, certificates, offset: 0 });
  return undefined;
}

/**
 * Sends one page of an answer, and puts the rest at the end of what waits.
 * @param link who asked
 * @param pages what is left of the answer
 * @param effects where the message goes
 * @returns what the page cost, in bytes
 */
export function sendPeople(
  link: RelayLink,
  pages: Extract<WaitingPages, { kind: "people" }>,
  effects: EffectList,
): number {
  const page = cutPage(pages.certificates, pages.offset);
  const more = page.next < pages.certificates.length;
  effects.send([link.link], { t: "people", ref: pages.ref, more }, page.body);
  if (more) link.waiting.push({ ...pages, offset: page.next });
  return page.body.length;
}
