/**
 * What a relay says that it holds about whoever asks (PROTOCOL 4.10): the body of `aboutYou`, JSON in UTF-8. Lists are
 * cut at their bounds and totals stand beside them, so that it fits one packet. Times are milliseconds since 1970 (UTC).
 * @module
 */

import * as v from "valibot";
import { DecodeError } from "../bytes/errors.ts";
import { fromUtf8 } from "../bytes/reader.ts";
import { type Bytes, utf8 } from "../bytes/writer.ts";

/** How many rooms, authors or streams are listed one by one; the ones with most events. */
export const ABOUT_LIST_MAX = 64;

const COUNT = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const ID = v.pipe(v.string(), v.regex(/^[A-Z2-7]{51}[AQ]$/));
const LISTED = <T>(item: v.GenericSchema<unknown, T>) => v.pipe(v.array(item), v.maxLength(ABOUT_LIST_MAX));
const TEXT = v.pipe(v.string(), v.maxLength(256));

const ABOUT = v.object({
  names: LISTED(v.object({ handle: TEXT, life: v.picklist(["lasting", "ephemeral"]), madeAt: COUNT, lastSeen: COUNT })),
  namesKeptForMs: COUNT,
  certificateBytes: COUNT,
  address: v.nullable(TEXT),
  rooms: LISTED(v.object({ room: ID, ops: COUNT })),
  heard: COUNT,
  received: v.object({
    events: COUNT,
    bytes: COUNT,
    waiting: COUNT,
    authors: COUNT,
    from: LISTED(v.object({ publisher: ID, events: COUNT, bytes: COUNT, firstAt: COUNT, lastAt: COUNT })),
  }),
  published: v.object({
    events: COUNT,
    streams: COUNT,
    in: LISTED(v.object({
      stream: v.pipe(v.string(), v.regex(/^(room|inbox)\/[A-Z2-7]{51}[AQ]$/)),
      events: COUNT,
      firstAt: COUNT,
      lastAt: COUNT,
    })),
  }),
  eventsKeptForMs: COUNT,
  bundle: v.nullable(v.object({ bytes: COUNT, putAt: COUNT, oneTimePrekeys: COUNT })),
  keysGivenToYou: COUNT,
  keysGivenOfYou: COUNT,
  mailboxes: COUNT,
});

/** How many events there are somewhere, and when the first and the last of them came. */
export interface AboutEvents {
  /** How many. */
  readonly events: number;
  /** When the first came. */
  readonly firstAt: number;
  /** When the last came. */
  readonly lastAt: number;
}

/** What a relay holds about one identity. */
export interface About {
  /** The handles that are kept for it. */
  readonly names: readonly {
    readonly handle: string;
    readonly life: "lasting" | "ephemeral";
    readonly madeAt: number;
    readonly lastSeen: number;
  }[];
  /** For how long a handle is kept, in milliseconds. */
  readonly namesKeptForMs: number;
  /** The length of its certificate. */
  readonly certificateBytes: number;
  /** Where its link comes from; `null` where there is no network. */
  readonly address: string | null;
  /** The rooms that it is in, and how many ops their logs have. */
  readonly rooms: readonly { readonly room: string; readonly ops: number }[];
  /** How many streams it hears. */
  readonly heard: number;
  /** What is in its inbox. */
  readonly received: {
    readonly events: number;
    readonly bytes: number;
    /** How many of them were not handed over. */
    readonly waiting: number;
    readonly authors: number;
    readonly from: readonly (AboutEvents & { readonly publisher: string; readonly bytes: number })[];
  };
  /** What it published. */
  readonly published: {
    readonly events: number;
    readonly streams: number;
    readonly in: readonly (AboutEvents & { readonly stream: string })[];
  };
  /** For how long events are kept, in milliseconds. */
  readonly eventsKeptForMs: number;
  /** The keys that it left; `null` when there are none. */
  readonly bundle: { readonly bytes: number; readonly putAt: number; readonly oneTimePrekeys: number } | null;
  /** One-time prekeys of others that it was given in the last hour. */
  readonly keysGivenToYou: number;
  /** Those of its own that others were given. */
  readonly keysGivenOfYou: number;
  /** Mailboxes that it is in. */
  readonly mailboxes: number;
}

/**
 * Encodes what a relay holds.
 * @param about what it is; its lists at most 64 long each
 * @returns the body
 */
export function encodeAbout(about: About): Bytes {
  return utf8(JSON.stringify(about));
}

/**
 * Decodes what a relay says that it holds.
 * @param body the body
 * @returns what it is
 * @throws {DecodeError} when it has another shape
 */
export function decodeAbout(body: Bytes): About {
  const result = v.safeParse(ABOUT, parseJson(fromUtf8(body)), { abortEarly: true });
  // Not the issues: they quote what was refused.
  if (!result.success) throw new DecodeError("Cannot decode what the relay holds: it has another shape");
  return result.output;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // without the cause: it quotes the text
  }
}
