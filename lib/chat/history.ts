/**
 * What is to be kept of the steps of one client: each message, own line and gap that it tells is noted in the step that
 * brought it, so that it is committed with the cursor and the keys that opened it, whether or not it is shown yet.
 * @module
 */

import { encodeHex } from "@std/encoding/hex";
import { type RandomBytes, secureRandom } from "../crypto/random.ts";
import type { Fingerprint, StreamName } from "../wire/messages.ts";
import type { ChatEffect, Effects } from "./effects.ts";
import type { Conversation, HistoryEntry, KeptEvent } from "./history_events.ts";
import type { Person } from "./people.ts";
import type { Turn } from "./turn.ts";

const GAP_ID_BYTES = 16;

/** The entries of one client that no store has yet. */
export class History {
  readonly #random: RandomBytes;
  #entries: HistoryEntry[] = [];
  #count = 0;

  /**
   * Starts with nothing noted.
   * @param random where ids of gaps come from
   */
  constructor(random: RandomBytes = secureRandom) {
    this.#random = random;
  }

  /**
   * Notes what of a step is to be kept.
   * @param turn the step; its effects are told which entry they are
   */
  note({ effects, nowMs }: Turn): void {
    for (const [i, effect] of effects.entries()) {
      if (effect.kind !== "show" || effect.of === undefined || effect.entry !== undefined) continue;
      const { event: told, of } = effect;
      if (!isKept(told)) throw new TypeError(`Cannot keep ${told.type}: it is no message`);
      const event = told.type === "gap" && told.id === undefined ? { ...told, id: this.#newId() } : told;
      this.#entries.push({ ...of, event: withoutRef(event), nowMs });
      this.#count++;
      effects[i] = { ...effect, event, entry: this.#count };
    }
  }

  /**
   * Tells what a store is to keep that was not told before.
   * @returns the entries, in order
   */
  takeChanges(): HistoryEntry[] {
    const entries = this.#entries;
    this.#entries = [];
    return entries;
  }

  #newId(): string {
    return encodeHex(this.#random(GAP_ID_BYTES));
  }
}

/**
 * Tells something that is to be kept.
 * @param turn the step
 * @param event what
 * @param of the conversation that it belongs to
 */
export function showKept(turn: { readonly effects: Effects }, event: KeptEvent, of: Conversation): void {
  turn.effects.push({ kind: "show", event, of });
}

/**
 * Names the conversation of a room.
 * @param room its id
 * @returns it is kept
 */
export function ofRoom(room: Fingerprint): Conversation {
  return { stream: `room/${room}` as StreamName, isLasting: true };
}

/**
 * Names the private conversation with somebody.
 * @param person who
 * @returns it is kept, unless their keys are forgotten when they leave
 */
export function ofPerson({ certificate: { fingerprint, life } }: Pick<Person, "certificate">): Conversation {
  return { stream: `inbox/${fingerprint}` as StreamName, isLasting: life === "lasting" };
}

function isKept(event: Extract<ChatEffect, { kind: "show" }>["event"]): event is KeptEvent {
  return event.type === "message" || event.type === "accepted" || event.type === "gap";
}

/** What a script put beside a line is for its answer alone. */
function withoutRef(event: KeptEvent): KeptEvent {
  if (event.type !== "accepted") return event;
  const { ref: _, ...rest } = event;
  return rest;
}
