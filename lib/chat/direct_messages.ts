/**
 * What two clients say to each other on a direct link (PROTOCOL §5): the headers of packets, and what their bodies are.
 *
 * ```text
 * listener                              caller
 * code   {sid rR}                  -->                       only with a code
 *                                  <--  opening {sid rI}     Ya, ADa
 * answer                           -->                       Yb, ADb, Tb
 *                                  <--  tag                  Ta
 * keys                             -->                       a live bundle that names h
 *                                  <--  box                  the greeting; makes the session
 * box                              -->                       the greeting
 * box, taken {box}                 <->  box, taken {box}     texts, and what was kept of them
 * ```
 *
 * The shape of a header is checked here and nowhere else. Fields that are not named are dropped.
 * @module
 */

import * as v from "valibot";
import { DecodeError } from "../bytes/errors.ts";
import type { Bytes } from "../bytes/writer.ts";
import type { Packet } from "../wire/messages.ts";
import { encodePacket, type RawPacket } from "../wire/packet.ts";

/** What one end of a direct link may say to the other. */
export type DirectMessage =
  /** The listener demands a code; `sid` is its half of the session id, 16 bytes in lower-case hexadecimal. */
  | { readonly t: "code"; readonly sid: string }
  /** The caller's half, and as body its opening. */
  | { readonly t: "opening"; readonly sid: string }
  /** The body answers the opening. */
  | { readonly t: "answer" }
  /** The body is the caller's tag. */
  | { readonly t: "tag" }
  /** The body is the listener's live bundle. */
  | { readonly t: "keys" }
  /** The body is a box. */
  | { readonly t: "box" }
  /** What the box of that hash held is kept; 32 bytes in lower-case hexadecimal. */
  | { readonly t: "taken"; readonly box: string };

const HEX16 = v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/));
const HEX32 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));

const DIRECT_MESSAGE: v.GenericSchema<unknown, DirectMessage> = v.variant("t", [
  v.object({ t: v.literal("code"), sid: HEX16 }),
  v.object({ t: v.literal("opening"), sid: HEX16 }),
  v.object({ t: v.literal("answer") }),
  v.object({ t: v.literal("tag") }),
  v.object({ t: v.literal("keys") }),
  v.object({ t: v.literal("box") }),
  v.object({ t: v.literal("taken"), box: HEX32 }),
]);

/**
 * Encodes what a client says to another one.
 * @param message what to say
 * @param body the opaque bytes that belong to it
 * @returns the packet
 */
export function encodeDirectMessage(message: DirectMessage, body?: Uint8Array): Bytes {
  return encodePacket(message, body);
}

/**
 * Decodes what a client says to another one.
 * @param packet a decoded packet
 * @returns message and body
 * @throws {DecodeError} when the header is of another shape
 */
export function decodeDirectMessage(packet: RawPacket): Packet<DirectMessage> {
  const result = v.safeParse(DIRECT_MESSAGE, packet.header, { abortEarly: true });
  // Not the issues: they quote what was refused.
  if (!result.success) throw new DecodeError("Cannot decode direct message: the header has another shape");
  return { message: result.output, body: packet.body };
}
