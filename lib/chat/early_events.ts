/**
 * What happened before `ready`, which a person is always shown first.
 * @module
 */

import { ProtocolError } from "../bytes/errors.ts";
import type { Effects } from "./effects.ts";
import type { ChatEvent } from "./events.ts";
import type { Turn } from "./turn.ts";

/** What may be told before `ready`, and waits for it; an honest relay says next to nothing then. */
const EARLY_EVENTS_MAX = 256;

/** Events that wait until the room is entered. */
export class EarlyEvents {
  #events: ChatEvent[] = [];

  /**
   * Keeps what is to be shown for later.
   * @param effects what a turn brought
   * @returns the rest of them
   * @throws {ProtocolError} when it is more than an honest relay would say
   */
  hold(effects: Effects): Effects {
    for (const effect of effects) if (effect.kind === "show") this.#events.push(effect.event);
    if (this.#events.length > EARLY_EVENTS_MAX) {
      throw new ProtocolError("Cannot take so much before the room is entered");
    }
    return effects.filter((effect) => effect.kind !== "show");
  }

  /**
   * Shows what waited.
   * @param turn where it goes
   */
  release(turn: Turn): void {
    for (const event of this.#events) turn.effects.push({ kind: "show", event });
    this.#events = [];
  }
}
