/**
 * What a relay holds, as lines.
 * @module
 */

import type { ChatEvent, Place } from "../chat/events.ts";
import { type KnowledgeKind, SERVER_IGNORANCE, SERVER_KNOWLEDGE } from "../chat/server_knowledge.ts";
import type { StreamName } from "../wire/messages.ts";
import { name, room, stamp } from "./render_parts.ts";
import { safe, type SafeText, safeText } from "./safe_text.ts";

/** What the relay says that it holds about us. */
export type Knows = Extract<ChatEvent, { type: "serverKnows" }>;

/** Of long lists so many are drawn, those with most events. */
const LISTED_MAX = 12;

/**
 * Draws what a relay holds.
 * @param event what it said
 * @returns lines
 */
export function renderKnowledge(event: Knows): SafeText[] {
  const kinds = Object.entries(SERVER_KNOWLEDGE) as [KnowledgeKind, string][];
  return [
    safe`* This relay holds about you, as it says itself:`,
    ...kinds.flatMap(([kind, text]) => [
      safe`  - ${safeText(text)}`,
      ...valuesOf(kind, event).map((line) => safe`      ${line}`),
    ]),
    safe`* It does not know:`,
    ...SERVER_IGNORANCE.map((text) => safe`  - ${safeText(text)}`),
  ];
}

function valuesOf(kind: KnowledgeKind, event: Knows): SafeText[] {
  const { about, linkedAt, places } = event;
  switch (kind) {
    case "names":
      return [
        ...about.names.map(({ handle, lastSeen }) => safe`${name(handle)}, last seen ${stamp(lastSeen)}`),
        safe`kept for ${duration(about.namesKeptForMs)} after that`,
      ];
    case "certificate":
      return [safe`${about.certificateBytes} bytes`];
    case "link":
      return [
        safe`since ${stamp(linkedAt)}, from ${safeText(about.address ?? "nowhere")}, hearing ${about.heard} streams`,
      ];
    case "rooms":
      return listed(about.rooms, ({ room: id }) => safe`${labelOf(`room/${id}`, places)} ${safeText(id)}`);
    case "ops":
      return listed(about.rooms, ({ room: id, ops }) => safe`${labelOf(`room/${id}`, places)}: ${ops} entries`);
    case "received":
      return [
        safe`${about.received.events} events, ${about.received.bytes} bytes, by ${about.received.authors} ${
          safeText(about.received.authors === 1 ? "author" : "authors")
        }`,
        safe`${about.received.waiting} of them not handed to you; kept for ${duration(about.eventsKeptForMs)}`,
        ...listed(about.received.from, ({ publisher, events, bytes, firstAt, lastAt }) => {
          const who = labelOf(`inbox/${publisher}`, places);
          return safe`from ${who}: ${events}, ${bytes} bytes, ${stamp(firstAt)} to ${stamp(lastAt)}`;
        }),
      ];
    case "published":
      return [
        safe`${about.published.events} events, in ${about.published.streams} streams; kept for ${
          duration(about.eventsKeptForMs)
        }`,
        ...listed(about.published.in, ({ stream, events, firstAt, lastAt }) => {
          return safe`to ${labelOf(stream, places)}: ${events}, ${stamp(firstAt)} to ${stamp(lastAt)}`;
        }),
      ];
    case "keys": {
      const { bundle } = about;
      if (bundle === null) return [safe`none`];
      return [
        safe`${bundle.bytes} bytes since ${stamp(bundle.putAt)}, and ${bundle.oneTimePrekeys} one-time prekeys`,
      ];
    }
    case "keyRequests":
      return [safe`${about.keysGivenToYou} given to you, ${about.keysGivenOfYou} of yours given away`];
    case "codes":
      return [safe`${about.mailboxes} now`];
    case "streams":
    case "budgets":
    case "log":
    case "admission":
      return [];
  }
}

function listed<T>(rows: readonly T[], draw: (row: T) => SafeText): SafeText[] {
  const more = rows.length - LISTED_MAX;
  const lines = rows.slice(0, LISTED_MAX).map(draw);
  return more > 0 ? [...lines, safe`and ${more} more`] : lines;
}

function labelOf(stream: StreamName, places: Readonly<Record<StreamName, Place>>): SafeText {
  const place = places[stream];
  if (place === undefined) return safeText(stream.slice(stream.indexOf("/") + 1), { maxChars: 12 });
  return "room" in place ? room(place.room) : name(place.to);
}

function duration(ms: number): SafeText {
  const seconds = Math.round(ms / 1_000);
  if (seconds < 3_600) return safe`${seconds} seconds`;
  const hours = Math.round(seconds / 3_600);
  return hours < 48 ? safe`${hours} hours` : safe`${Math.round(hours / 24)} days`;
}
