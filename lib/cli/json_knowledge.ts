/**
 * What a relay holds, as the fields of a JSON line (README "JSON lines").
 * @module
 */

import type { ChatEvent, Place } from "../chat/events.ts";
import { SERVER_IGNORANCE, SERVER_KNOWLEDGE } from "../chat/server_knowledge.ts";
import { isoTime } from "./iso.ts";

/**
 * Writes what a relay holds.
 * @param event what it said
 * @returns the fields: a list of what it holds, each with its kind, words and values, and one of what it does not
 */
export function knowledgeFields(event: Extract<ChatEvent, { type: "serverKnows" }>): object {
  const { type, about, ref } = event;
  const values = valuesOf(event);
  const knows = Object.entries(SERVER_KNOWLEDGE).map(([kind, text]) => ({ kind, text, ...values[kind] }));
  return {
    type,
    knows,
    eventsKeptForDays: daysOf(about.eventsKeptForMs),
    unknown: SERVER_IGNORANCE,
    ...(ref === undefined ? {} : { ref }),
  };
}

function valuesOf(
  { about, linkedAt, places }: Extract<ChatEvent, { type: "serverKnows" }>,
): Readonly<Record<string, object>> {
  const { names, namesKeptForMs, rooms, received, published, bundle, keysGivenToYou, keysGivenOfYou } = about;
  return {
    names: {
      names: names.map(({ handle, life, madeAt, lastSeen }) => {
        return { handle, life, madeAt: isoTime(madeAt), lastSeen: isoTime(lastSeen) };
      }),
      keptForSeconds: Math.round(namesKeptForMs / 1_000),
    },
    certificate: { bytes: about.certificateBytes },
    link: { since: isoTime(linkedAt), address: about.address, streams: about.heard },
    rooms: { rooms: rooms.map(({ room }) => ({ id: room, ...namesOf(places[`room/${room}`]) })) },
    ops: { rooms: rooms.map(({ room, ops }) => ({ id: room, ops })) },
    received: {
      events: received.events,
      bytes: received.bytes,
      waiting: received.waiting,
      authors: received.authors,
      from: received.from.map(({ publisher, events, bytes, firstAt, lastAt }) => {
        const times = { firstAt: isoTime(firstAt), lastAt: isoTime(lastAt) };
        return { fingerprint: publisher, ...namesOf(places[`inbox/${publisher}`]), events, bytes, ...times };
      }),
    },
    published: {
      events: published.events,
      streams: published.streams,
      in: published.in.map(({ stream, events, firstAt, lastAt }) => {
        return { stream, ...namesOf(places[stream]), events, firstAt: isoTime(firstAt), lastAt: isoTime(lastAt) };
      }),
    },
    keys: bundle === null
      ? { bundle: null }
      : { bundle: { bytes: bundle.bytes, putAt: isoTime(bundle.putAt) }, oneTimePrekeys: bundle.oneTimePrekeys },
    keyRequests: { toYou: keysGivenToYou, ofYou: keysGivenOfYou },
    codes: { mailboxes: about.mailboxes },
  };
}

function namesOf(place: Place | undefined): object {
  if (place === undefined) return {};
  return "room" in place ? { room: place.room } : { handle: place.to };
}

function daysOf(ms: number): number {
  return Math.round(ms / (24 * 3600 * 1_000));
}
