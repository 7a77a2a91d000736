/**
 * What became of messages, as lines.
 * @module
 */

import type { ConversationCounts } from "../chat/delivery.ts";
import type { ChatEvent } from "../chat/events.ts";
import { dim, type Look, name, room, stamp } from "./render_parts.ts";
import { safe, type SafeText, safeText } from "./safe_text.ts";

/**
 * Draws that texts of ours arrived.
 * @param event who says so, and when
 * @param options whether there is colour
 * @returns one line of little weight
 */
export function renderReceipt(event: Extract<ChatEvent, { type: "delivered" | "read" }>, options: Look): SafeText[] {
  const what = event.type === "read" ? "read by" : "delivered to";
  return [dim(safe`  ${safeText(what)} ${name(event.by)} ${stamp(event.at)}`, options)];
}

/**
 * Draws what was counted.
 * @param event the counts
 * @returns a line for each conversation, under one that says since when
 */
export function renderDelivery(event: Extract<ChatEvent, { type: "delivery" }>): SafeText[] {
  const { since, conversations } = event;
  if (conversations.length === 0) return [safe`* Nothing was sent, and nothing is missing, since ${stamp(since)}`];
  return [safe`* Since ${stamp(since)}, when this began:`, ...conversations.map(lineOf)];
}

function lineOf(counts: ConversationCounts): SafeText {
  const { place, isOwnInbox, sent, accepted, delivered, read, missing, duplicates } = counts;
  const lost = safe`${missing} missing, ${duplicates} dropped that came again`;
  if (isOwnInbox) return safe`  written to you: ${lost}`;
  const ours = safe`${sent} sent, ${accepted} accepted`;
  if ("room" in place) return safe`  ${room(place.room)}: ${ours}, ${lost}`;
  return safe`  ${name(place.to)}: ${ours}, ${delivered} delivered, ${read} read`;
}
