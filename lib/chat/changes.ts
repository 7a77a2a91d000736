/**
 * What a client is to keep of its steps, gathered from its parts.
 * @module
 */

import type { Fingerprint } from "../wire/messages.ts";
import type { ChatParts } from "./chat_parts.ts";
import type { History } from "./history.ts";
import { outboxChanges } from "./outbox.ts";
import type { SessionPlace } from "./session_place.ts";
import type { ChatChanges } from "./state.ts";

/**
 * Takes from each part what it did not tell before.
 * @param parts the client's
 * @param more what is no part of every client
 * @returns the changes; `undefined` when there are none
 */
export function gatherChanges(
  parts: ChatParts,
  more: { readonly sessions: SessionPlace; readonly history: History; readonly relay: Fingerprint },
): ChatChanges | undefined {
  const sessions = parts.keyring.takeChanges();
  const peers = parts.people.takeChanges();
  const cursors = parts.receiving.takeChanges();
  const codes = more.sessions.takeChanges();
  const rooms = parts.rooms.takeChanges();
  const outbox = outboxChanges(parts.sending.takeChanges(), more.relay);
  const receipts = parts.receipts.takeChanges();
  const held = parts.held.takeChanges();
  const history = more.history.takeChanges();
  const hasSessions = sessions.peers.length > 0 || sessions.prekeys !== undefined || sessions.forgotten !== undefined;
  const isChanged = hasSessions ||
    [peers, cursors, codes, rooms, outbox, receipts, held, history].some(({ length }) => length > 0);
  return isChanged ? { sessions, peers, cursors, codes, rooms, outbox, receipts, held, history } : undefined;
}
