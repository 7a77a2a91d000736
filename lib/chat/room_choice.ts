/**
 * Which room a line is for.
 * @module
 */

import { UserError } from "../bytes/errors.ts";
import { checkRoomName } from "../wire/handle.ts";
import type { Command } from "./commands.ts";
import type { RoomPlace } from "./room_place.ts";
import type { Rooms } from "./rooms.ts";

/**
 * Finds the room that a line is for.
 * @param rooms the client's
 * @param name which, the current one without
 * @returns a room that we are in, or on our way into
 * @throws {UserError} `badLine` in no room, `noSuchRoom` when there is none of that name
 */
export function placeOf(rooms: Rooms, name: string | undefined): RoomPlace {
  const place = name === undefined ? rooms.current : rooms.find(name);
  if (place === undefined && name === undefined) {
    throw new UserError("badLine", "Nothing was done: you are in no room", "/join <room> goes into one.");
  }
  if (place === undefined || place.phase === "leaving") throw noSuchRoom(name ?? "");
  if (place.phase !== "invited") return place;
  const hint = `/join ${place.name} goes in, /leave ${place.name} says no.`;
  throw new UserError("noSuchRoom", `Nothing was done: you are invited to #${place.name} and not in it`, hint);
}

/**
 * Tells which room a command is about.
 * @param rooms the client's
 * @param command any command
 * @returns the room's name, as it is called here if it is one of ours; `undefined` when the command is about none
 */
export function roomNameOf(rooms: Rooms, command: Command): string | undefined {
  switch (command.kind) {
    case "join":
    case "switch":
      return calledHere(rooms, command.room);
    case "create":
      return calledHere(rooms, command.name);
    case "say":
    case "leave":
    case "members":
    case "topic":
    case "invite":
    case "remove":
    case "promote":
      return command.room === undefined ? rooms.current?.name : calledHere(rooms, command.room);
    default:
      return undefined;
  }
}

/** What is no name of a room is left out. */
function calledHere(rooms: Rooms, name: string): string | undefined {
  try {
    return rooms.find(name)?.name ?? checkRoomName(name.replace(/^#/u, "")).name;
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

/**
 * Says that we are in no room of a name.
 * @param name the name
 * @returns the error
 */
export function noSuchRoom(name: string): UserError {
  const hint = "/rooms shows your rooms.";
  return new UserError("noSuchRoom", "Nothing was done: you are not in that room", name === "" ? "" : hint);
}

/**
 * Finds a name that no room of ours has, for an invitation: the name of an invite-only room is only our own handle on it.
 * @param rooms the client's
 * @param wanted what the invitation calls it, valid
 * @returns that, or with a number behind it
 */
export function freeNameOf(rooms: Rooms, wanted: string): string {
  const { name } = checkRoomName(wanted);
  let free = name;
  for (let number = 2; rooms.find(free) !== undefined; number++) {
    free = checkRoomName(`${[...name].slice(0, 28).join("")}-${number}`).name;
  }
  return free;
}
