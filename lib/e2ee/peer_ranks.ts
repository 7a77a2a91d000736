/**
 * Who makes room when a client has sessions with too many people.
 * @module
 */

import type { PeerSessions } from "./sessions.ts";

/**
 * Silence after which a stranger may go at the bound: longer than a signed prekey lives (1 + 8 days), so that a first
 * box of a dropped session cannot begin it a second time.
 */
export const STRANGER_KEEP_MS: number = 10 * 24 * 60 * 60 * 1_000;

/** Above all times: those of lasting identities go last. */
const RANK_LASTING = 2 ** 54;

/**
 * Finds who may go: one without a session before all others, then the ephemeral one that was silent longest, then the
 * lasting one, but only if it was silent 10 days longer than the one heard last.
 * @param peers whom the client asked for
 * @returns who may go, `undefined` when nobody may
 */
export function mayGo(peers: Iterable<PeerSessions>): PeerSessions | undefined {
  let idlest: PeerSessions | undefined;
  let latestMs = 0;
  for (const peer of peers) {
    latestMs = Math.max(latestMs, peer.lastUsedMs);
    if (idlest === undefined || rankOf(peer) < rankOf(idlest)) idlest = peer;
  }
  if (idlest === undefined || rankOf(idlest) < RANK_LASTING) return idlest;
  return latestMs - idlest.lastUsedMs >= STRANGER_KEEP_MS ? idlest : undefined;
}

function rankOf(peer: PeerSessions): number {
  if (peer.isEmpty) return -1;
  return (peer.certificate?.life === "ephemeral" ? 0 : RANK_LASTING) + peer.lastUsedMs;
}
