/**
 * What a message says of itself inside the encryption: the JSON head of its plaintext (PROTOCOL 6.1). It names the
 * event, so that whoever carries it cannot show it as another message. A message of a room says nothing of the room,
 * which its seal is bound to, but carries its number and what its author had read.
 * @module
 */

import { decodeBase64Url, encodeBase64Url } from "@std/encoding/base64url";
import { decodeHex, encodeHex } from "@std/encoding/hex";
import * as v from "valibot";
import { DecodeError, UserError } from "../bytes/errors.ts";
import { type Bytes, U64_MAX } from "../bytes/writer.ts";
import { decodePlaintext, encodePlaintext } from "../e2ee/plaintext.ts";
import type { RoomClaims } from "../e2ee/room_types.ts";
import { checkRoomName } from "../wire/handle.ts";
import type { EventId, Fingerprint } from "../wire/messages.ts";

/** The longest topic, in characters as JavaScript counts them. */
export const TOPIC_MAX_CHARS = 512;

/** How many boxes one receipt names: padded, it is no longer than a text of a page. */
export const RECEIPT_BOXES_MAX = 64;

/** A message to one person, or of a room. */
export type Content = PrivateContent | RoomContent;

/** What every content has. */
export interface ContentBase {
  /** The id of the event that carries it. */
  readonly id: EventId;
  /** When the sender says that it was written, in milliseconds since 1970. */
  readonly sentAtMs: number;
  /** What the person wrote, at most 16,384 bytes of UTF-8; the name of the room in an invitation. */
  readonly text: string;
}

/** A message between two people. */
export type PrivateContent =
  & ContentBase
  & { readonly room: null }
  & (
    | { readonly kind: "text" }
    /** Its sender adds us to a room that is found no other way. */
    | { readonly kind: "invitation"; readonly to: Fingerprint; readonly topic: string }
    | Receipt
  );

/** What became of texts of ours; its text is empty. It names 1 to {@linkcode RECEIPT_BOXES_MAX} boxes, each once. */
export interface Receipt {
  /** That it is one. */
  readonly kind: "receipt";
  /** What their client opened and kept: the SHA-256 of whole boxes, 64 digits of lower-case hexadecimal each. */
  readonly delivered: readonly string[];
  /** What was shown to the person too. */
  readonly read: readonly string[];
}

/** A message of a room; its text is the topic when its kind says so, and empty to have none. */
export interface RoomContent extends ContentBase {
  /** What it is. */
  readonly kind: "text" | "topic";
  /** Its number, and what its author had read. */
  readonly claims: RoomClaims;
}

const ID32 = v.pipe(v.string(), v.regex(/^[A-Z2-7]{51}[AQ]$/));
const COUNT = v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(U64_MAX));
const BASE = { id: v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/)), sentAt: COUNT };
/** 32 bytes; the last character carries four bits. */
const DIGEST = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/));
const BOXES = v.pipe(v.array(DIGEST), v.maxLength(RECEIPT_BOXES_MAX));
const ROOM = {
  ...BASE,
  m: v.pipe(COUNT, v.minValue(1)),
  count: COUNT,
  digest: DIGEST,
};

const HEAD = v.union([
  v.object({ kind: v.literal("receipt"), ...BASE, room: v.null(), delivered: BOXES, read: BOXES }),
  v.object({ kind: v.literal("text"), ...BASE, room: v.null() }),
  v.object({
    kind: v.literal("invitation"),
    ...BASE,
    room: v.null(),
    to: ID32,
    topic: v.pipe(v.string(), v.maxLength(TOPIC_MAX_CHARS)),
  }),
  v.object({ kind: v.picklist(["text", "topic"]), ...ROOM }),
]);

/**
 * Encodes a content.
 * @param content what to say
 * @returns the plaintext to seal
 * @throws {RangeError} when the text is too long
 */
export function encodeContent(content: Content): Bytes {
  const { id, sentAtMs: sentAt, text } = content;
  return encodePlaintext({ head: { kind: content.kind, id, sentAt, ...fieldsOf(content) }, text });
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
  const { id, sentAt: sentAtMs } = result.output;
  if ("digest" in result.output) {
    const { kind, m, count, digest } = result.output;
    const claims = { m, tally: { count, digest: new Uint8Array(decodeBase64Url(digest)) } };
    if (kind === "topic" && text.length > TOPIC_MAX_CHARS) throw new DecodeError("Cannot decode topic: it is too long");
    return { kind, id, sentAtMs, text, claims };
  }
  if (result.output.kind === "text") return { kind: "text", id, room: null, sentAtMs, text };
  if (result.output.kind === "receipt") return { id, room: null, sentAtMs, text, ...receiptOf(result.output, text) };
  const { to, topic } = result.output;
  assertRoomName(text);
  return { kind: "invitation", id, room: null, sentAtMs, text, to, topic };
}

function receiptOf(head: Pick<Receipt, "delivered" | "read">, text: string): Receipt {
  const [delivered, read] = [head.delivered.map(hexOf), head.read.map(hexOf)];
  const { size } = new Set([...delivered, ...read]);
  if (size !== delivered.length + read.length || size === 0 || size > RECEIPT_BOXES_MAX || text !== "") {
    throw new DecodeError("Cannot decode receipt: it names too much, nothing, or something twice");
  }
  return { kind: "receipt", delivered, read };
}

function hexOf(digest: string): string {
  return encodeHex(decodeBase64Url(digest));
}

function digestOf(hex: string): string {
  return encodeBase64Url(decodeHex(hex));
}

function assertRoomName(name: string): void {
  try {
    checkRoomName(name);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new DecodeError("Cannot decode invitation: its room has no valid name"); // without the cause: it quotes it
  }
}

function fieldsOf(content: Content): object {
  if (!("claims" in content)) {
    switch (content.kind) {
      case "text":
        return { room: null };
      case "invitation":
        return { room: null, to: content.to, topic: content.topic };
      case "receipt":
        return { room: null, delivered: content.delivered.map(digestOf), read: content.read.map(digestOf) };
    }
  }
  const { m, tally: { count, digest } } = content.claims;
  return { m, count, digest: encodeBase64Url(digest) };
}
