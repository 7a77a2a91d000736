/**
 * Lines of earlier runs that wait for the relay.
 * @module
 */

import type { Fingerprint } from "../wire/messages.ts";
import { encodeKeptLine } from "./outbox_line.ts";
import type { OutgoingChange } from "./outgoing.ts";
import type { Sending } from "./sending.ts";
import type { LineChange } from "./state.ts";
import { notice, type Turn } from "./turn.ts";

/**
 * Says what a store is to keep of lines.
 * @param changes of the lines
 * @param relay the relay that they are for
 * @returns rows
 */
export function outboxChanges(changes: readonly OutgoingChange[], relay: Fingerprint): LineChange[] {
  return changes.map(({ id, kept }) => ({ relay, id, value: kept && encodeKeptLine(kept) }));
}

/**
 * Takes up lines of earlier runs, once the first room is entered: tells how many leave now, and gives up those to rooms
 * that we are in no more.
 * @param sending the lines
 * @param turn time and effects
 */
export function takeUpOutbox(sending: Sending, turn: Turn): void {
  sending.dropOrphans(turn);
  const count = sending.lines.unaccepted().length;
  if (count === 0) return;
  notice(
    turn,
    "outbox",
    `${count} ${count === 1 ? "line" : "lines"} of last time ${count === 1 ? "is" : "are"} sent now`,
  );
}
