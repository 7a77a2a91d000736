/**
 * What a message says of itself inside the encryption: the JSON head of its plaintext (PROTOCOL 6.1). It names the
 * event and the room, so that whoever carries a copy cannot show it in another place or as another message.
 * @module
 */

import * as v from "valibot";
import { DecodeError } from "../bytes/errors.ts";
import { type Bytes, U64_MAX } from "../bytes/writer.ts";
import { decodePlaintext, encodePlaintext } from "../e2ee/plaintext.ts";
import type { EventId, Fingerprint } from "../wire/messages.ts";

/** A text and where it belongs. */
export interface Content {
  /** The id of the event that carries it. */
  readonly id: EventId;
  /** The room that it was written in; `null` in a private conversation. */
  readonly room: Fingerprint | null;
  /** When the sender says that it was written, in milliseconds since 1970. */
  readonly sentAtMs: number;
  /** What the person wrote, at most 16,384 bytes of UTF-8. */
  readonly text: string;
}

const HEAD = v.object({
  kind: v.literal("text"),
  id: v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/)),
  room: v.nullable(v.pipe(v.string(), v.regex(/^[A-Z2-7]{51}[AQ]$/))),
  sentAt: v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(U64_MAX)),
});

/**
 * Encodes a content.
 * @param content what to say
 * @returns the plaintext to seal
 * @throws {RangeError} when the text is too long
 */
export function encodeContent(content: Content): Bytes {
  const { id, room, sentAtMs, text } = content;
  return encodePlaintext({ head: { kind: "text", id, room, sentAt: sentAtMs }, text });
}

/**
 * Decodes a content.
 * @param plaintext what was sealed
 * @returns what was said
 * @throws {DecodeError} when it has another shape
 */
export function decodeContent(plaintext: Bytes): Content {
  const { head, text } = decodePlaintext(plaintext);
  const result = v.safeParse(HEAD, head, { abortEarly: true });
  if (!result.success) throw new DecodeError("Cannot decode message: its head has another shape");
  const { id, room, sentAt } = result.output;
  return { id, room, sentAtMs: sentAt, text };
}
