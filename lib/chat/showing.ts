/**
 * From an opened text to what the person is shown: whoever wrote it by the name that they were introduced with, and how
 * well their key is known. A sender's clock that is off is pointed out once.
 * @module
 */

import type { EventId, Fingerprint } from "../wire/messages.ts";
import type { CountedPlace, Delivery } from "./delivery.ts";
import type { Place } from "./events.ts";
import { ofPerson, ofRoom, showKept } from "./history.ts";
import type { People, Person } from "./people.ts";
import { notice, type Turn } from "./turn.ts";

/** A sender's clock that differs by more is pointed out (PROTOCOL 6.1). */
export const CLOCK_SKEW_MAX_MS: number = 5 * 60 * 1_000;

/** A text and its place. */
export interface ShownText {
  /** The id of its event. */
  readonly id: EventId;
  /** What was written. */
  readonly text: string;
  /** When, as its sender says. */
  readonly sentAtMs: number;
  /** The relay's time of it. */
  readonly atMs: number;
  /** Where it belongs. */
  readonly place: Place;
  /** The room that it was written in, by id; left out in a private conversation. */
  readonly room?: Fingerprint;
  /** Whether it was there before we began to listen. */
  readonly isLate: boolean;
}

/** The texts that one person is shown. */
export class Showing {
  readonly #people: People;
  readonly #delivery: Delivery;
  /** Peers whose clock was pointed out. */
  readonly #skewed = new Set<Fingerprint>();
  #late = 0;
  /** Whether the link is only being made anew: what comes in that moment is not late. */
  isRenewing = false;

  /**
   * Starts with nothing shown.
   * @param people who was met
   * @param delivery counts what is missing or came again
   */
  constructor(people: People, delivery: Delivery) {
    this.#people = people;
    this.#delivery = delivery;
  }

  /**
   * Shows a text.
   * @param person who wrote it
   * @param shown what, and where it belongs
   * @param turn time and effects
   */
  text(person: Person, { id, text, sentAtMs, atMs, place, room, isLate }: ShownText, turn: Turn): void {
    const { handle: from, ...key } = this.#people.show(person);
    const late = isLate && !this.isRenewing ? { late: true } as const : {};
    if (late.late) this.#late++;
    const of = room === undefined ? ofPerson(person) : ofRoom(room);
    showKept(turn, { type: "message", id, place, from, ...key, text, sentAt: sentAtMs, at: atMs, ...late }, of);
    const skewMs = Math.min(Math.abs(atMs - sentAtMs), Math.abs(turn.nowMs - sentAtMs));
    this.#watchClock(person, skewMs, turn);
  }

  /**
   * Shows that messages are missing.
   * @param conversation where
   * @param gap how many, and of whom if that is known
   * @param turn time and effects
   */
  gap(conversation: CountedPlace, gap: { readonly from?: string; readonly count: number }, turn: Turn): void {
    this.#delivery.count("missing", conversation, gap.count);
    const { stream, place } = conversation;
    showKept(turn, { type: "gap", place, ...gap }, { stream, isLasting: true });
  }

  /**
   * Notes that an event came again, and nothing was made of it.
   * @param conversation where
   */
  repeated(conversation: CountedPlace): void {
    this.#delivery.count("duplicates", conversation);
  }

  /**
   * Counts what was shown of the time when we did not listen.
   * @returns how many texts since the last call
   */
  takeLate(): number {
    const count = this.#late;
    this.#late = 0;
    return count;
  }

  /** What is read late was written long ago: then the relay's time of it tells, as long as that fits. */
  #watchClock({ certificate: { handle, fingerprint } }: Person, skewMs: number, turn: Turn): void {
    if (skewMs <= CLOCK_SKEW_MAX_MS || this.#skewed.has(fingerprint)) return;
    this.#skewed.add(fingerprint); // once is enough
    notice(turn, "clockSkew", `The clock of ${handle} and this one differ by ${Math.round(skewMs / 60_000)} minutes`);
  }
}
