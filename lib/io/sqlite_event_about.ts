/**
 * What an event file keeps about one identity.
 * @module
 */

import type { KeptAbout, PublishedIn, ReceivedFrom } from "../relay/event_log.ts";
import type { Fingerprint } from "../wire/messages.ts";
import type { EventStatements } from "./sqlite_event_database.ts";

/** A row of a list, with the totals of the whole list beside it. */
type Listed<Row, Totals extends string> = Row & Readonly<Record<Totals, number>>;

/**
 * Reads what is kept about an identity. It looks into every stream once, and at all events of one inbox.
 * @param sql the file's statements
 * @param options whose, the number of its inbox if it has one, and how much is listed
 * @returns what is in its inbox, and what it published
 */
export function readAbout(
  sql: EventStatements,
  options: { readonly identity: Fingerprint; readonly inboxId: number | undefined; readonly most: number },
): KeptAbout {
  const { identity, inboxId, most } = options;
  const received = inboxId === undefined ? [] : sql.received.all(inboxId, most);
  const published = sql.published.all(identity, most);
  const from = received as unknown as Listed<ReceivedFrom, "authors" | "allEvents" | "allBytes">[];
  const into = published as unknown as Listed<PublishedIn, "streams" | "allEvents">[];
  return {
    received: {
      events: from[0]?.allEvents ?? 0,
      bytes: from[0]?.allBytes ?? 0,
      authors: from[0]?.authors ?? 0,
      from: from.map(({ publisher, events, bytes, firstAt, lastAt }) => ({
        publisher,
        events,
        bytes,
        firstAt,
        lastAt,
      })),
    },
    published: {
      events: into[0]?.allEvents ?? 0,
      streams: into[0]?.streams ?? 0,
      in: into.map(({ stream, events, firstAt, lastAt }) => ({ stream, events, firstAt, lastAt })),
    },
  };
}
