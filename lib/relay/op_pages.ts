/**
 * Telling the ops of a room page by page, as the link that asked empties its outbox (PROTOCOL 4.4). Who has read nothing
 * is told the snapshot of the room first, if there is one, and so is whoever asks for ops that are gone.
 * @module
 */

import { encodeOps, PAGED_OP_HEAD_BYTES, SNAPSHOT_PART_BYTES } from "../wire/bodies.ts";
import type { ClientMessage } from "../wire/messages.ts";
import { type Closing, type EffectList, notAllowed } from "./effects.ts";
import type { EventLog } from "./event_log.ts";
import type { RelayLink, WaitingOps } from "./links.ts";
import { PAGE_MAX_BYTES } from "./pages.ts";
import { ROOMS_PER_LINK_MAX } from "./rooms.ts";
import type { SnapshotMark } from "./snapshots.ts";

/** Answers to `getOps` that may wait on one link: one for each room that it can be in. */
export const WAITING_OPS_MAX: number = ROOMS_PER_LINK_MAX;
/** More do not fit a page. */
const PAGE_MAX_OPS: number = Math.floor(PAGE_MAX_BYTES / PAGED_OP_HEAD_BYTES);

/**
 * Takes a request for the ops of a room.
 * @param link who asks
 * @param message which room, and after which place
 * @param nowMs the time
 * @returns the end of the link when it may not, else `undefined`
 */
export function askOps(
  link: RelayLink,
  message: Extract<ClientMessage, { t: "getOps" }>,
  nowMs: number,
): Closing | undefined {
  const { ref, room, after } = message;
  if (!link.rooms.has(room)) return notAllowed("Enter a room before you ask for its ops.");
  const waiting = link.waiting.filter((pages) => pages.kind === "ops").length;
  if (waiting >= WAITING_OPS_MAX || !link.pagedRequests.take(nowMs)) {
    return notAllowed("Too many requests in a short time. Wait, then link again.");
  }
  link.waiting.push({ kind: "ops", ref, room, after });
  return undefined;
}

/**
 * Sends one page, and puts the rest at the end of what waits. Ops that were placed since the request are told too.
 * @param link who asked
 * @param pages what is left of the answer
 * @param log where the ops are; nothing in it may be uncommitted
 * @param effects where the message goes
 * @returns what the page cost, in bytes
 */
export function sendOps(link: RelayLink, pages: WaitingOps, log: EventLog, effects: EffectList): number {
  const { ref, room } = pages;
  const epoch = log.epoch(room);
  const after = Math.min(pages.after, epoch); // what is ahead of the log is its end
  const snapshot = log.snapshots.of(room);
  // Ops may go while they are told; whoever has read nothing is told fewer this way.
  const isNeeded = after === 0 || after + 1 < log.snapshots.oldestOp(room);
  if (snapshot !== undefined && isNeeded) return sendSnapshot(link, pages, { log, snapshot }, effects);
  const ops = log.ops(room, after, { maxEvents: PAGE_MAX_OPS, maxBytes: PAGE_MAX_BYTES });
  const last = ops.at(-1)?.epoch ?? after;
  const more = last < epoch;
  const body = encodeOps(ops);
  effects.send([link.link], { t: "ops", ref, room, first: after + 1, more, epoch }, body);
  if (more) link.waiting.push({ kind: "ops", ref, room, after: last });
  return body.length;
}

/** Sends a part of a snapshot; of one that was replaced meanwhile the first part of the new one. */
function sendSnapshot(
  link: RelayLink,
  pages: WaitingOps,
  { log, snapshot }: { readonly log: EventLog; readonly snapshot: SnapshotMark },
  effects: EffectList,
): number {
  const { ref, room, after } = pages;
  const { epoch, lengthBytes } = snapshot;
  const offset = pages.snapshot?.epoch === epoch ? pages.snapshot.offset : 0;
  const body = log.snapshots.readPart(room, offset, SNAPSHOT_PART_BYTES);
  const told = offset + body.length;
  const more = told < lengthBytes;
  effects.send([link.link], { t: "snapshot", ref, room, epoch, offset, more }, body);
  const rest = more ? { after, snapshot: { epoch, offset: told } } : { after: epoch };
  link.waiting.push({ kind: "ops", ref, room, ...rest });
  return body.length;
}
