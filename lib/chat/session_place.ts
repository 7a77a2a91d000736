/**
 * What a client makes of its sessions by code. In a room each is one of many conversations, and `/pm` writes to it;
 * a client in no room has one session, which is all there is, and whose end is its own.
 * @module
 */

import { UserError } from "../bytes/errors.ts";
import type { Bytes } from "../bytes/writer.ts";
import type { BurntCode } from "./burnt_codes.ts";
import { CodeSessions, type CodeSessionsOptions, type MailboxMessage, type SessionOutcome } from "./code_sessions.ts";
import type { SessionCommand } from "./commands.ts";
import type { Ref } from "./events.ts";
import type { Person } from "./people.ts";
import { notice, refFieldOf, type Turn } from "./turn.ts";

/** What a `SessionPlace` is made from. */
export interface SessionPlaceOptions extends Omit<CodeSessionsOptions, "told"> {
  /** Whether the client is in no room. */
  readonly isAlone: boolean;
}

/** The sessions by code of one client, and what their ends mean for it. */
export class SessionPlace {
  readonly #options: SessionPlaceOptions;
  readonly #codes: CodeSessions;
  #partner: Person | undefined;
  #end: { readonly error?: UserError } | undefined;

  /**
   * Starts with no session.
   * @param options who we are, and whether we are in a room
   */
  constructor(options: SessionPlaceOptions) {
    this.#options = options;
    this.#codes = new CodeSessions({ ...options, told: (outcome, turn) => this.#told(outcome, turn) });
  }

  /** Who is at the other end, for a client in no room; `undefined` before they are proven. */
  get partner(): Person | undefined {
    return this.#partner;
  }

  /** That the client is to leave, and why; `undefined` while it is not. */
  get end(): { readonly error?: UserError } | undefined {
    return this.#end;
  }

  /** Whether lines have a place to go. */
  get takesLines(): boolean {
    return !this.#options.isAlone || this.#partner !== undefined;
  }

  /** Whether nothing would be lost with the link. */
  get isIdle(): boolean {
    return this.#codes.isIdle;
  }

  /**
   * Begins the one session of a client in no room.
   * @param command how
   * @param turn time and effects
   */
  begin(command: SessionCommand, turn: Turn): void {
    try {
      this.#codes.obey(command, undefined, turn);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      this.#told({ kind: "failed", error, ref: undefined }, turn);
    }
  }

  /**
   * Tells what a store is to keep that was not told before.
   * @returns codes that were used up
   */
  takeChanges(): BurntCode[] {
    return this.#codes.takeChanges();
  }

  /**
   * Does what the person types in a room.
   * @param command what
   * @param ref what a script put beside it
   * @param turn time and effects
   * @throws {UserError} when it cannot be done now
   */
  obey(command: SessionCommand, ref: Ref | undefined, turn: Turn): void {
    if (this.#options.isAlone) {
      throw new UserError("badLine", "Nothing was done: this is a session already", "/quit ends it.");
    }
    this.#codes.obey(command, ref, turn);
  }

  /**
   * Takes in what the relay says about a mailbox.
   * @param message what it says
   * @param body the opaque bytes that came with it
   * @param turn time and effects
   * @throws {ProtocolError} when it is out of order
   */
  hear(message: MailboxMessage, body: Bytes, turn: Turn): Promise<void> {
    return this.#codes.hear(message, body, turn);
  }

  /**
   * Gives up what took too long.
   * @param turn time and effects
   */
  expire(turn: Turn): void {
    this.#codes.expire(turn);
  }

  /**
   * Tells when that is.
   * @returns the time, `undefined` when nothing is being made
   */
  nextDueMs(): number | undefined {
    return this.#codes.nextDueMs();
  }

  /**
   * Notes that the link is gone.
   * @param turn time and effects
   */
  unlink(turn: Turn): void {
    this.#codes.unlink(turn);
  }

  #told(outcome: SessionOutcome, turn: Turn): void {
    const { isAlone, people } = this.#options;
    if (outcome.kind === "failed") {
      if (isAlone) this.#end = { error: outcome.error };
      else tellError(outcome.error, outcome.ref, turn);
      return;
    }
    const { person } = outcome;
    const { handle } = person.certificate;
    if (outcome.kind === "secured") {
      if (isAlone) this.#partner = person;
      else notice(turn, "sessionSecured", `/pm ${people.address(person)} writes to ${handle} alone`);
      return;
    }
    notice(turn, "peerLeft", outcome.isLost ? `The connection of ${handle} broke` : `${handle} left the session`);
    if (!isAlone) return;
    const hint = "Start the session again to go on; the two of you need no code any more with /pm.";
    this.#end = outcome.isLost
      ? { error: new UserError("linkLost", `The connection of ${handle} to the relay was lost`, hint) }
      : {};
  }
}

/**
 * Tells the person of an error that ends nothing.
 * @param error what happened
 * @param ref what a script put beside its line
 * @param turn where it goes
 */
export function tellError({ code, message, hint, room }: UserError, ref: Ref | undefined, turn: Turn): void {
  const fields = { ...(room === undefined ? {} : { room }), ...refFieldOf(ref) };
  turn.effects.push({ kind: "show", event: { type: "error", code, message, hint, ...fields } });
}
