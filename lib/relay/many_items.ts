/**
 * Events for many inboxes, as a link hands them over.
 * @module
 */

import { DecodeError } from "../bytes/errors.ts";
import type { Bytes } from "../bytes/writer.ts";
import { decodeMany, type ManyItem } from "../wire/bodies.ts";

/**
 * Reads the body of a `publishMany`.
 * @param body the body
 * @returns the events, `undefined` when it is malformed
 */
export function readMany(body: Bytes): ManyItem[] | undefined {
  try {
    return decodeMany(body);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return undefined;
  }
}
