/**
 * What the person asks of the history, as a question that says which conversation is meant. What was kept answers it;
 * here it is only found out which room or whose key a name means now.
 * @module
 */

import { assertNever, UserError } from "../bytes/errors.ts";
import type { HistoryCommand } from "./commands.ts";
import type { Ref } from "./events.ts";
import type { HistoryQuery, HistoryTarget } from "./history_events.ts";
import type { People, Person } from "./people.ts";
import type { Receipts } from "./receipts.ts";
import { placeOf } from "./room_choice.ts";
import type { Rooms } from "./rooms.ts";
import type { Turn } from "./turn.ts";

/** What the questions are about. */
export interface HistoryCommandsOptions {
  /** The rooms that we are in. */
  readonly rooms: Rooms;
  /** Who was met. */
  readonly people: People;
  /** What is known of our texts to them; it is forgotten with what was said. */
  readonly receipts: Pick<Receipts, "forget">;
  /** The one whom a client in no room talks to. */
  readonly partner: () => Person | undefined;
}

/** The questions of one client to its history. */
export class HistoryCommands {
  readonly #options: HistoryCommandsOptions;

  /**
   * Joins the parts.
   * @param options rooms and people
   */
  constructor(options: HistoryCommandsOptions) {
    this.#options = options;
  }

  /**
   * Asks the history. What is no part of it and is to be forgotten is so in this step, before the question leaves.
   * @param command what the person wants
   * @param ref what a script put beside it
   * @param turn where the question goes
   * @throws {UserError} `badLine` when a name means two conversations, or in no room
   */
  obey(command: HistoryCommand, ref: Ref | undefined, turn: Turn): void {
    const query = this.#query(command);
    if (query.kind === "forget" && "stream" in query.of && query.of.kind === "person") {
      this.#options.receipts.forget(query.of.stream.slice("inbox/".length));
    }
    turn.effects.push({ kind: "ask", query, ...(ref === undefined ? {} : { ref }) });
  }

  #query(command: HistoryCommand): HistoryQuery {
    switch (command.kind) {
      case "history":
        return { kind: "history", count: command.count, of: this.#target(command.of) };
      case "search":
        return command;
      case "forget":
        return { kind: "forget", of: this.#target(command.of) };
      default:
        return assertNever(command);
    }
  }

  #target(typed: string | undefined): HistoryTarget {
    const { rooms, partner } = this.#options;
    if (typed === undefined) {
      const person = rooms.current === undefined ? partner() : undefined;
      return person === undefined ? roomTarget(placeOf(rooms, undefined)) : personTarget(person);
    }
    if (typed.startsWith("#")) {
      const name = typed.slice(1);
      const room = orNone(() => rooms.find(name));
      return room === undefined ? { name, kind: "room" } : roomTarget(room);
    }
    const room = orNone(() => rooms.find(typed));
    // Of several who claim a name it is found out of whom something is kept.
    const person = orNone(() => this.#options.people.resolveMet(typed));
    if (room !== undefined && person !== undefined) {
      const hint = `Write #${room.name} for the room, or the fingerprint for the person: /peers shows it.`;
      throw new UserError("badLine", `Nothing was done: ${room.name} is a room and a person`, hint);
    }
    if (room !== undefined) return roomTarget(room);
    return person === undefined ? { name: typed } : personTarget(person);
  }
}

/** A name that means nothing now may be that of a conversation that is kept. */
function orNone<T>(find: () => T | undefined): T | undefined {
  try {
    return find();
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

function roomTarget({ name, room }: { readonly name: string; readonly room: { readonly id: string } }): HistoryTarget {
  return { stream: `room/${room.id}`, name, kind: "room" };
}

function personTarget({ certificate: { handle, fingerprint } }: Person): HistoryTarget {
  return { stream: `inbox/${fingerprint}`, name: handle, kind: "person" };
}
