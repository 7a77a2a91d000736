/**
 * A client whose link comes and goes. What belongs to one link alone is forgotten with it (who is here, requests,
 * mailboxes); what the relay's logs and our own state hold goes on where it stands over the next one. The person is told
 * that the link is gone, and that it is back once everything that came meanwhile was read; of a link that is only made
 * anew for fresh keys they hear nothing.
 * @module
 */

import type { StreamName } from "../wire/messages.ts";
import type { ChatParts } from "./chat_parts.ts";
import type { SessionPlace } from "./session_place.ts";
import type { Turn } from "./turn.ts";

/** What a link holds together. */
export interface LinkWatchOptions {
  /** The parts of the client. */
  readonly parts: ChatParts;
  /** Its sessions by code. */
  readonly sessions: SessionPlace;
  /** The stream of its inbox. */
  readonly inbox: StreamName;
}

/** The links of one client, one after another. */
export class LinkWatch {
  readonly #options: LinkWatchOptions;
  #state: "first" | "renewing" | "lost" | "catchingUp" | "back" = "first";
  #linkedAtMs = 0;

  /**
   * Starts with the first link.
   * @param options what it holds together
   */
  constructor(options: LinkWatchOptions) {
    this.#options = options;
  }

  /** Whether a link was lost before, so that the person has begun to write already. */
  get isAgain(): boolean {
    return this.#state !== "first";
  }

  /**
   * Takes in that the link is gone.
   * @param end a sentence's end for the person, and whether we ended it ourselves to make it anew
   * @param turn time and effects
   */
  lost({ why, isRenewal = false }: { readonly why: string; readonly isRenewal?: boolean }, turn: Turn): void {
    const { parts, sessions } = this.#options;
    const { presence, keyring, receiving, sending, receipts, knowledge, rooms, showing } = parts;
    const isQuiet = isRenewal && this.#state !== "lost" && this.#state !== "catchingUp";
    presence.unlink();
    keyring.unlink();
    receiving.unlink();
    sending.unlink(isQuiet);
    receipts.unlink(turn.nowMs);
    knowledge.unlink(turn);
    rooms.unlink(turn);
    sessions.unlink(turn);
    const isNews = this.#state !== "lost" && !isQuiet;
    this.#state = isQuiet ? "renewing" : "lost";
    showing.isRenewing = isQuiet;
    if (!isNews) return;
    const event = { type: "link", state: "reconnecting", since: turn.nowMs, why } as const;
    turn.effects.push({ kind: "show", event });
  }

  /**
   * Takes in that the relay lets us in again.
   * @param turn time and effects
   */
  back({ nowMs, effects }: Turn): void {
    effects.push({ kind: "entered" });
    this.#options.parts.receipts.link();
    if (this.#state === "lost") this.#state = "catchingUp";
    else if (this.#state !== "renewing") return;
    this.#linkedAtMs = nowMs;
    this.#options.parts.sending.link();
  }

  /**
   * Tells that the link is back as soon as everything was read that came meanwhile.
   * @param turn time and effects
   */
  proceed(turn: Turn): void {
    if (this.#state !== "catchingUp" && this.#state !== "renewing") return;
    const { parts: { rooms, receiving, showing }, inbox } = this.#options;
    const streams = rooms.streams();
    if (streams === undefined || ![inbox, ...streams].every((stream) => receiving.hasCaughtUp(stream))) return;
    const isQuiet = this.#state === "renewing";
    this.#state = "back";
    showing.isRenewing = false;
    if (isQuiet) return;
    const event = { type: "link", state: "connected", since: this.#linkedAtMs, missed: showing.takeLate() } as const;
    turn.effects.push({ kind: "show", event });
  }
}
