/**
 * How what happens to rooms and their members looks as lines.
 * @module
 */

import { assertNever } from "../bytes/errors.ts";
import type { ChatEvent, Member, RoomMember, RoomSummary } from "../chat/events.ts";
import { spellFingerprint } from "../chat/fingerprint.ts";
import { dim, type Look, look, mark, name, room, stamp } from "./render_parts.ts";
import { joinSafe, safe, type SafeText, safeText } from "./safe_text.ts";

/** How many of those in a room one line names; it counts the others. */
const NAMED_MAX = 50;
/** The longest topic that is drawn. */
const TOPIC_MAX_CHARS = 512;

/** What is about rooms. */
export type RoomEvent = Extract<
  ChatEvent,
  {
    type:
      | "joined"
      | "left"
      | "roomJoined"
      | "roomCreated"
      | "roomLeft"
      | "switched"
      | "invited"
      | "memberAdded"
      | "memberRemoved"
      | "memberPromoted"
      | "gap"
      | "fork"
      | "topic"
      | "rooms"
      | "members";
  }
>;

/**
 * Draws what happened to a room.
 * @param event what
 * @param options how to draw it
 * @returns the lines
 */
export function renderRoom(event: RoomEvent, options: Look): SafeText[] {
  switch (event.type) {
    case "joined":
      return [dim(safe`${stamp(event.at)} * ${name(event.handle)} joined ${room(event.room)} ${mark(event)}`, options)];
    case "left":
      return [
        dim(safe`${stamp(event.at)} * ${name(event.handle)} left ${room(event.room)} (${leftWords(event)})`, options),
      ];
    case "memberAdded":
      return [dim(safe`${stamp(event.at)} * ${addedWords(event)}`, options)];
    case "memberRemoved":
      return [look(safe`${stamp(event.at)} * ${removedWords(event)}`, "yellow", options)];
    case "memberPromoted":
      return [
        dim(
          safe`${stamp(event.at)} * ${name(event.by)} made ${name(event.handle)} an admin of ${room(event.room)}`,
          options,
        ),
      ];
    case "roomCreated":
      return [look(safe`* You made ${room(event.room)}${createdWords(event.kind)}`, "green", options)];
    case "roomJoined":
      return renderJoined(event, options);
    case "roomLeft":
      return [look(safe`* ${goneWords(event)}${currentWords(event.current)}`, "yellow", options)];
    case "switched":
      return [dim(safe`* You write to ${room(event.room)} now`, options)];
    case "invited":
      return [
        look(safe`* ${name(event.by)} ${mark(event)} invites you to ${room(event.room)}`, "yellow", options),
        safe`  /join ${name(event.room)} goes in, /leave ${name(event.room)} says no.`,
      ];
    case "gap":
      return [look(safe`* ${gapWords(event)}`, "yellow", options)];
    case "fork":
      return [look(safe`! ${forkWords(event)}`, "red", options)];
    case "topic":
      return [safe`* ${topicWords(event)}`];
    case "rooms":
      return renderRooms(event.rooms);
    case "members":
      return renderMembers(event);
    default:
      return assertNever(event);
  }
}

/**
 * Draws who is on the relay.
 * @param event who
 * @returns the lines
 */
export function renderUsers(event: Extract<ChatEvent, { type: "users" }>): SafeText[] {
  const lines = event.room === "" ? [] : renderMembers(event);
  if (event.elsewhere.length > 0 || event.room === "") {
    lines.push(safe`* Elsewhere on this relay: ${event.elsewhere.length}`);
    for (const member of event.elsewhere) lines.push(...renderMember(member));
  }
  return lines;
}

/**
 * Draws what a room is about, under the line that says that we are in it.
 * @param event what was told of it
 * @param event.topic what it is about, if anybody said so
 * @returns one line or none
 */
export function renderTopicOf({ topic }: { readonly topic?: string }): SafeText[] {
  return topic === undefined ? [] : [safe`  topic: ${safeText(topic, { maxChars: TOPIC_MAX_CHARS })}`];
}

/**
 * Names those in a room: first who is here, then who is away.
 * @param members who is in it beside us
 * @returns the names with their marks, the others counted
 */
export function memberNames(members: readonly RoomMember[]): SafeText {
  if (members.length === 0) return safeText("nobody yet");
  const here = members.filter(({ isHere }) => isHere);
  const away = members.filter(({ isHere }) => !isHere);
  const named = [...here, ...away].slice(0, NAMED_MAX);
  const parts = named.map((member) =>
    safe`${name(member.handle)} ${mark(member)}${safeText(member.isHere ? "" : " (away)")}`
  );
  const unnamed = members.length - named.length;
  return joinSafe([...parts, ...(unnamed === 0 ? [] : [safe`${unnamed} more (/members)`])], ", ");
}

function renderJoined(event: Extract<ChatEvent, { type: "roomJoined" }>, options: Look): SafeText[] {
  const kind = safeText(event.kind === "invite" ? " (by invitation only)" : "");
  const line = safe`* You are in ${room(event.room)}${kind} with ${memberNames(event.members)}`;
  return [look(line, "green", options), ...renderTopicOf(event)];
}

function renderMembers(event: { readonly room: string; readonly members: readonly RoomMember[] }): SafeText[] {
  const { members } = event;
  const count = members.length === 0 ? safeText("nobody") : safe`${members.length}`;
  const away = members.filter(({ isHere }) => !isHere).length;
  const awayWords = away === 0 ? safeText("") : safe`, ${away} of them away`;
  return [
    safe`* In ${room(event.room)} with you: ${count}${awayWords}`,
    ...members.flatMap((member) => renderMember(member, stateOf(member))),
  ];
}

function renderMember(member: Member, state = ""): SafeText[] {
  return [
    safe`  ${name(member.handle)} ${mark(member)}${safeText(state)}`,
    safe`    ${safeText(spellFingerprint(member.fingerprint))}`,
  ];
}

function stateOf({ role, isHere }: RoomMember): string {
  const words = [...(role === "member" ? [] : [role]), ...(isHere ? [] : ["away"])];
  return words.length === 0 ? "" : ` ${words.join(", ")}`;
}

function renderRooms(rooms: readonly RoomSummary[]): SafeText[] {
  if (rooms.length === 0) return [safe`* You are in no room; /join <room> goes into one`];
  return [
    safe`* Your rooms: ${rooms.length}`,
    ...rooms.flatMap((one) => [
      safe`${safeText(one.isCurrent ? "> " : "  ")}${room(one.room)} ${safeText(summaryWords(one))}`,
      ...(one.topic === "" ? [] : [safe`      ${safeText(one.topic, { maxChars: TOPIC_MAX_CHARS })}`]),
    ]),
  ];
}

function summaryWords({ kind, state, members, here }: RoomSummary): string {
  if (state === "invited") return "invited: /join goes in, /leave says no";
  const by = kind === "invite" ? "by invitation, " : "";
  if (state === "entering") return `${by}on the way in`;
  if (members === 0) return `${by}nobody else`;
  return members === 1
    ? `${by}1 other, ${here === 1 ? "here" : "away"}`
    : `${by}${members} others, ${here} of them here`;
}

function leftWords({ reason }: Extract<ChatEvent, { type: "left" }>): SafeText {
  const words = { quit: "quit", lost: "connection lost", removed: "removed", left: "for good" } as const;
  return safeText(words[reason]);
}

function addedWords({ handle, by, room: roomName, ...key }: Extract<ChatEvent, { type: "memberAdded" }>): SafeText {
  return by === handle
    ? safe`${name(handle)} became a member of ${room(roomName)} ${mark(key)}`
    : safe`${name(by)} added ${name(handle)} to ${room(roomName)} ${mark(key)}`;
}

function removedWords({ handle, by, reason, room: roomName }: Extract<ChatEvent, { type: "memberRemoved" }>): SafeText {
  return reason === "absent"
    ? safe`${name(handle)} was away too long and is no member of ${room(roomName)} any more`
    : safe`${name(by)} removed ${name(handle)} from ${room(roomName)}`;
}

function createdWords(kind: "open" | "invite"): SafeText {
  return safeText(kind === "invite" ? ", by invitation only: /invite <name> adds somebody" : "");
}

function goneWords({ room: roomName, reason, by }: Extract<ChatEvent, { type: "roomLeft" }>): SafeText {
  switch (reason) {
    case "left":
      return safe`You left ${room(roomName)}`;
    case "declined":
      return safe`You said no to ${room(roomName)}`;
    case "removed":
      return by === undefined
        ? safe`You are not a member of ${room(roomName)}`
        : safe`${name(by)} removed you from ${room(roomName)}`;
    case "lost":
      return safe`${room(roomName)} is gone: the relay does not have it any more`;
  }
}

function currentWords(current: string | undefined): SafeText {
  return current === undefined ? safeText("; you are in no room now") : safe`; you write to ${room(current)}`;
}

function gapWords({ place, from, count }: Extract<ChatEvent, { type: "gap" }>): SafeText {
  const messages = safeText(count === 1 ? "1 message" : `${count} messages`);
  const of = from === undefined ? safeText("") : safe` from ${name(from)}`;
  const where = "room" in place ? safe` in ${room(place.room)}` : safeText(" to you");
  return safe`${messages}${of}${where} ${safeText(count === 1 ? "is" : "are")} missing`;
}

function forkWords({ room: roomName, from }: Extract<ChatEvent, { type: "fork" }>): SafeText {
  return safe`${name(from)} sees another history of ${room(roomName)}: ${
    name(from)
  } or the relay is wrong. Ask them in person.`;
}

function topicWords({ room: roomName, topic, by }: Extract<ChatEvent, { type: "topic" }>): SafeText {
  const text = safeText(topic, { maxChars: TOPIC_MAX_CHARS });
  if (topic === "") {
    return safe`${room(roomName)} has no topic${by === undefined ? safeText("") : safe` any more (${name(by)})`}`;
  }
  return by === undefined
    ? safe`The topic of ${room(roomName)}: ${text}`
    : safe`${name(by)} says what ${room(roomName)} is about: ${text}`;
}
