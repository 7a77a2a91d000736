/**
 * What is inside a sealed message (PROTOCOL §0.7): `u16 head length || JSON head || UTF-8 text`. The head says what the
 * message is; its shape is the business of the chat layer.
 * @module
 */

import { DecodeError } from "../bytes/errors.ts";
import { ByteReader, fromUtf8 } from "../bytes/reader.ts";
import { type Bytes, concat, u16be, utf8 } from "../bytes/writer.ts";

/** The longest text in UTF-8. */
export const TEXT_MAX_BYTES = 16_384;
/** The longest head: with the longest text it just fills the largest padded size. */
export const HEAD_MAX_BYTES = 16_378;

/** A message before it is sealed, or after it was opened. */
export interface Plaintext {
  /** Any JSON value; not validated here. */
  readonly head: unknown;
  /** The raw text, perhaps empty; never shown before it was made safe. */
  readonly text: string;
}

/**
 * Encodes a message.
 * @param plaintext the head, a JSON value, and the text
 * @returns at most 32,764 bytes
 * @throws {RangeError} when the head is not JSON, or either part is too long
 */
export function encodePlaintext(plaintext: Plaintext): Bytes {
  const json: string | undefined = JSON.stringify(plaintext.head);
  if (json === undefined) throw new RangeError("Cannot encode message: the head is not a JSON value");
  const headBytes = utf8(json);
  const textBytes = utf8(plaintext.text);
  if (headBytes.length > HEAD_MAX_BYTES) {
    throw new RangeError(`Cannot encode message: a head of ${headBytes.length} bytes is above ${HEAD_MAX_BYTES}`);
  }
  if (textBytes.length > TEXT_MAX_BYTES) {
    throw new RangeError(`Cannot encode message: a text of ${textBytes.length} bytes is above ${TEXT_MAX_BYTES}`);
  }
  return concat(u16be(headBytes.length), headBytes, textBytes);
}

/**
 * Decodes a message.
 * @param bytes what was opened
 * @returns the head as any JSON value, to be validated, and the text
 * @throws {DecodeError} when a part is too long, the head is not JSON or the text is not UTF-8
 */
export function decodePlaintext(bytes: Bytes): Plaintext {
  const reader = new ByteReader(bytes, "message");
  const headLength = reader.u16();
  if (headLength > HEAD_MAX_BYTES) {
    throw new DecodeError(`Cannot decode message: a head of ${headLength} bytes is above ${HEAD_MAX_BYTES}`);
  }
  const headText = fromUtf8(reader.take(headLength));
  if (reader.remaining > TEXT_MAX_BYTES) {
    throw new DecodeError(`Cannot decode message: a text of ${reader.remaining} bytes is above ${TEXT_MAX_BYTES}`);
  }
  return { head: parseJson(headText), text: fromUtf8(reader.rest()) };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // No cause here: the message of a SyntaxError quotes the text, and a plaintext must never reach a log.
    throw new DecodeError("Cannot decode message: the head is not JSON");
  }
}
