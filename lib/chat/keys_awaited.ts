/**
 * Keys of others that were asked for and did not come.
 * @module
 */

import type { Keyring } from "./keyring.ts";
import type { People } from "./people.ts";
import type { Turn } from "./turn.ts";

/**
 * Gives up requests that took too long, and tells whom the person cannot write to because of that.
 * @param keyring what asked
 * @param people who was shown
 * @param turn time and effects
 */
export function giveUpKeys(keyring: Keyring, people: People, turn: Turn): void {
  for (const fingerprint of keyring.expire(turn.nowMs)) {
    const person = people.get(fingerprint);
    // They left meanwhile, which was told, or wrote to us, which brought their keys.
    if (person === undefined || !person.isHere || keyring.hasSession(fingerprint)) continue;
    const { handle } = person.certificate;
    keyring.tellUnreached(fingerprint, { handle, why: "the relay gave no keys for them" }, turn);
  }
}
