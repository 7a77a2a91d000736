/**
 * Which part of a client does what a command asks.
 * @module
 */

import { assertNever, UserError } from "../bytes/errors.ts";
import { type Command, helpLines } from "./commands.ts";
import type { Delivery } from "./delivery.ts";
import type { Ref } from "./events.ts";
import type { HistoryCommands } from "./history_commands.ts";
import type { KeyCommands } from "./key_commands.ts";
import type { Presence } from "./presence.ts";
import type { Receipts } from "./receipts.ts";
import type { RoomCommands } from "./room_commands.ts";
import type { Sending } from "./sending.ts";
import type { ServerKnowledge } from "./server_knowledge.ts";
import { type SessionPlace, tellError } from "./session_place.ts";
import type { Turn } from "./turn.ts";
import type { Writing } from "./writing.ts";

/** The parts that obey. */
export interface ObeyingOptions {
  /** Whether the client is there for one session by code, and in no room. */
  readonly isAlone: boolean;
  /** What makes lines of texts. */
  readonly writing: Writing;
  /** What sends them. */
  readonly sending: Sending;
  /** What asks who is there. */
  readonly presence: Presence;
  /** What counts what became of lines. */
  readonly delivery: Delivery;
  /** What asks the relay what it holds. */
  readonly knowledge: ServerKnowledge;
  /** What confirms what was read. */
  readonly receipts: Receipts;
  /** What answers about rooms. */
  readonly rooms: RoomCommands;
  /** What answers about sessions by code. */
  readonly sessions: SessionPlace;
  /** What answers about keys. */
  readonly keys: KeyCommands;
  /** What asks what was kept. */
  readonly history: HistoryCommands;
  /** Tells whether the relay hears us now. */
  readonly isLinked: () => boolean;
  /** Begins to leave the relay. */
  readonly quit: (turn: Turn) => void;
}

/** What one client does at a command. */
export class Obeying {
  readonly #options: ObeyingOptions;

  /**
   * Joins the parts.
   * @param options the parts
   */
  constructor(options: ObeyingOptions) {
    this.#options = options;
  }

  /**
   * Does what a command asks; what cannot be done is shown, with what the person can do.
   * @param command what the person wants
   * @param ref what a script put beside it
   * @param turn time and effects
   */
  async obey(command: Command, ref: Ref | undefined, turn: Turn): Promise<void> {
    try {
      await this.#run(command, ref, turn);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      tellError(aboutRoom(error, this.#options.rooms.roomOf(command)), ref, turn);
    }
  }

  async #run(command: Command, ref: Ref | undefined, turn: Turn): Promise<void> {
    const { writing, sending, presence, rooms, sessions, keys, quit } = this.#options;
    if (needsRelay(command) && !this.#options.isLinked()) {
      const hint = "It is tried again and again: do it once it is back.";
      throw new UserError("notDone", "Nothing was done: there is no connection to the relay now", hint);
    }
    switch (command.kind) {
      case "say":
        return await writing.say(command, ref, { ...turn, partner: sessions.partner });
      case "pm":
        return await writing.pm(command, ref, turn);
      case "users":
        this.#checkHasRooms();
        return presence.ask(ref);
      case "rooms":
      case "join":
      case "switch":
      case "create":
      case "leave":
      case "members":
      case "topic":
      case "invite":
      case "remove":
      case "promote":
        this.#checkHasRooms();
        await rooms.obey(command, ref, turn);
        return await sending.pump(turn);
      case "session":
        return sessions.obey(command, ref, turn);
      case "peers":
      case "fingerprint":
      case "verify":
      case "trust":
      case "distrust":
        await keys.obey(command, ref, turn);
        return await sending.pump(turn); // lines may have waited for this, or for nobody now
      case "history":
      case "search":
      case "forget":
        return this.#options.history.obey(command, ref, turn);
      case "delivery":
        return this.#showDelivery(ref, turn);
      case "serverKnows":
        return this.#options.knowledge.ask(ref, turn);
      case "read":
        return this.#options.receipts.read(command.ids, turn.nowMs);
      case "help":
        turn.effects.push({
          kind: "show",
          event: { type: "notice", code: "help", text: helpLines().join("\n"), ...(ref === undefined ? {} : { ref }) },
        });
        return;
      case "quit":
        return quit(turn);
      case "nothing":
        return;
      default:
        assertNever(command);
    }
  }

  #showDelivery(ref: Ref | undefined, turn: Turn): void {
    const { sinceMs: since } = this.#options.delivery;
    const conversations = this.#options.delivery.all();
    const refField = ref === undefined ? {} : { ref };
    turn.effects.push({ kind: "show", event: { type: "delivery", since, conversations, ...refField } });
  }

  #checkHasRooms(): void {
    if (!this.#options.isAlone) return;
    throw new UserError("badLine", "There are no rooms here: this is a session of two people", "Use /peers.");
  }
}

function aboutRoom(error: UserError, room: string | undefined): UserError {
  if (room === undefined || error.room !== undefined) return error;
  return new UserError(error.code, error.message, error.hint, { cause: error, room });
}

/** Lines wait for the relay; what is asked of it does not. */
function needsRelay(command: Command): boolean {
  switch (command.kind) {
    case "users":
    case "join":
    case "create":
    case "leave":
    case "invite":
    case "remove":
    case "promote":
    case "session":
    case "serverKnows":
      return true;
    case "topic":
      return command.text !== undefined;
    default:
      return false;
  }
}
