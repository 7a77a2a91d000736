/**
 * `--json`: one JSON object a line in both directions, for bots and tests (README "JSON lines"). Every line out carries
 * `"v":1`; readers ignore fields and types that they do not know. Peer text stands here as it was written; what could steer a
 * terminal, turn a line around or end one is spelled as an escape of JSON, which reads back the same.
 * @module
 */

import * as v from "valibot";
import { UserError } from "../bytes/errors.ts";
import { type Command, HISTORY_COUNT_DEFAULT, HISTORY_COUNT_MAX, parseLine } from "../chat/commands.ts";
import type { ConversationCounts } from "../chat/delivery.ts";
import type { ChatEvent, Member, Place, Ref, RoomMember, Unshown } from "../chat/events.ts";
import { isoTime } from "./iso.ts";
import { knowledgeFields } from "./json_knowledge.ts";

/** The version of the lines. */
export const JSON_LINES_VERSION = 1;

/** What the programs say beside the events of the chat. */
export type ProgramEvent =
  | { readonly type: "bye" }
  | { readonly type: "listening"; readonly host: string; readonly port: number; readonly fingerprint: string }
  /** What `sotto identity show` tells; times are ISO 8601. */
  | {
    readonly type: "identity";
    readonly handle?: string;
    readonly fingerprint: string;
    readonly words: readonly string[];
    readonly madeAt: string;
    readonly dataDir: string;
    readonly protection: string;
  }
  /** One relay of `sotto relays list`. */
  | {
    readonly type: "relay";
    readonly address: string;
    readonly name: string;
    readonly fingerprint: string;
    readonly firstMet: string;
  }
  | { readonly type: "log"; readonly level: string; readonly event: string; readonly fields: object };

/** How many ids one line of the type `read` may name. */
export const READ_IDS_MAX = 1_000;

/** A command and what the script put beside it. */
export interface JsonCommand {
  /** What to do. */
  readonly command: Command;
  /** What comes back with the answer. */
  readonly ref?: Ref;
}

const REF = v.optional(v.union([v.pipe(v.string(), v.maxLength(256)), v.pipe(v.number(), v.finite())]));

const INPUT_LINE = v.variant("type", [
  v.object({ type: v.literal("say"), text: v.string(), room: v.optional(v.string()), ref: REF }),
  v.object({ type: v.literal("pm"), to: v.string(), text: v.string(), ref: REF }),
  v.object({ type: v.literal("users"), ref: REF }),
  v.object({
    type: v.literal("read"),
    ids: v.pipe(v.array(v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/))), v.minLength(1), v.maxLength(READ_IDS_MAX)),
    ref: REF,
  }),
  v.object({
    type: v.literal("session"),
    action: v.picklist(["create", "join", "cancel"]),
    code: v.optional(v.string()),
    ref: REF,
  }),
  v.object({ type: v.literal("command"), line: v.string(), room: v.optional(v.string()), ref: REF }),
  v.object({
    type: v.literal("history"),
    count: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(HISTORY_COUNT_MAX))),
    room: v.optional(v.string()),
    with: v.optional(v.string()),
    ref: REF,
  }),
  v.object({ type: v.literal("search"), text: v.string(), ref: REF }),
  v.object({
    type: v.literal("forget"),
    room: v.optional(v.string()),
    with: v.optional(v.string()),
    ref: REF,
  }),
  v.object({ type: v.literal("quit"), ref: REF }),
]);

/** DEL, the C1 controls, line and paragraph separators, bidi controls: JSON leaves them as they are, readers may not. */
const RISKY = /[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/**
 * Writes an event as a line.
 * @param event what happened
 * @returns the line without its end
 */
export function toJsonLine(event: ChatEvent | ProgramEvent): string {
  return JSON.stringify({ v: JSON_LINES_VERSION, ...fieldsOf(event) }).replace(RISKY, escaped);
}

/**
 * Reads a line of input.
 * @param line the line without its end
 * @returns what it asks for
 * @throws {UserError} `badLine` when it is none; its `ref` is in {@linkcode refOfLine}
 */
export function fromJsonLine(line: string): JsonCommand {
  const result = v.safeParse(INPUT_LINE, parseJson(line), { abortEarly: true });
  if (!result.success) {
    throw new UserError(
      "badLine",
      "Cannot read the line: it is no JSON object of a known type",
      'Write such as {"type":"say","text":"hello"}.',
    );
  }
  const { ref } = result.output;
  return { command: commandOf(result.output), ...(ref === undefined ? {} : { ref }) };
}

/**
 * Finds the `ref` of a line that may be malformed otherwise, so that its error can carry it.
 * @param line the line without its end
 * @returns the `ref`, `undefined` when there is none to be found
 */
export function refOfLine(line: string): Ref | undefined {
  const result = v.safeParse(v.object({ ref: REF }), parseJson(line));
  return result.success ? result.output.ref : undefined;
}

function commandOf(input: v.InferOutput<typeof INPUT_LINE>): Command {
  switch (input.type) {
    case "say":
      demandText(input.text);
      return { kind: "say", text: input.text, ...(input.room === undefined ? {} : { room: input.room }) };
    case "pm":
      demandText(input.text);
      return { kind: "pm", to: input.to, text: input.text };
    case "users":
      return { kind: "users" };
    case "read":
      return { kind: "read", ids: input.ids };
    case "session":
      return sessionOf(input.action, input.code);
    case "command":
      return inRoom(commandLine(input.line), input.room);
    case "history": {
      const of = conversationOf(input);
      return { kind: "history", count: input.count ?? HISTORY_COUNT_DEFAULT, ...(of === undefined ? {} : { of }) };
    }
    case "search":
      if (input.text.trim() === "") throw new UserError("badLine", "Nothing was done: there is no text to look for");
      return { kind: "search", text: input.text };
    case "forget": {
      const of = conversationOf(input);
      if (of === undefined) {
        const hint = 'Write such as {"type":"forget","room":"lobby"}.';
        throw new UserError("badLine", "Nothing was done: no conversation is named", hint);
      }
      return { kind: "forget", of };
    }
    case "quit":
      return { kind: "quit" };
  }
}

function conversationOf(input: { readonly room?: string | undefined; readonly with?: string | undefined }) {
  const { room, with: person } = input;
  if (room !== undefined && person !== undefined) {
    throw new UserError("badLine", "Nothing was done: two conversations are named", "Give room or with, not both.");
  }
  return room === undefined ? person : `#${room.replace(/^#/u, "")}`;
}

function sessionOf(action: "create" | "join" | "cancel", code: string | undefined): Command {
  if ((action === "join") !== (code !== undefined)) {
    throw new UserError("badLine", "Nothing was done: a code goes with join, and with nothing else");
  }
  return action === "join" ? { kind: "session", action, code: code ?? "" } : { kind: "session", action };
}

/** Says which room a command is about that is for rooms. */
function inRoom(command: Command, room: string | undefined): Command {
  if (room === undefined) return command;
  const isNamed = command.kind === "leave" && command.room !== undefined;
  if (isNamed || (command.kind === "history" && command.of !== undefined)) {
    throw new UserError(
      "badLine",
      "Nothing was done: two rooms are named",
      "Name it in the line or beside it, not both.",
    );
  }
  switch (command.kind) {
    case "leave":
    case "members":
    case "topic":
    case "invite":
    case "remove":
    case "promote":
      return { ...command, room };
    case "history":
      return { ...command, of: `#${room.replace(/^#/u, "")}` };
    default:
      throw new UserError("badLine", "Nothing was done: that command is for no room", "Leave the room out.");
  }
}

function demandText(text: string): void {
  if (text === "") {
    throw new UserError("badLine", "Nothing was sent: the text is empty", "Give a text of at least one character.");
  }
}

function commandLine(line: string): Command {
  if (!line.startsWith("/") || line.startsWith("//")) {
    throw new UserError("badLine", "Nothing was done: the line is no command", 'Use {"type":"say"} for text.');
  }
  return parseLine(line);
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined; // without the cause: it quotes the line
  }
}

function escaped(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

function fieldsOf(event: ChatEvent | ProgramEvent): object {
  switch (event.type) {
    case "joined": {
      const { type, room, at } = event;
      return { type, ...memberOf(event), room, at: isoTime(at) };
    }
    case "ready": {
      const { type, handle, fingerprint, relay, room, members, topic } = event;
      const topicField = topic === undefined ? {} : { topic };
      return { type, handle, fingerprint, relay, room, members: members.map(roomMemberOf), ...topicField };
    }
    case "users": {
      const { type, room, members, elsewhere, ref } = event;
      return { type, room, members: members.map(roomMemberOf), elsewhere, ...(ref === undefined ? {} : { ref }) };
    }
    case "members": {
      const { type, room, members, ref } = event;
      return { type, room, members: members.map(roomMemberOf), ...(ref === undefined ? {} : { ref }) };
    }
    case "roomJoined": {
      const { type, room, kind, members, topic, isCurrent, ref } = event;
      const topicField = topic === undefined ? {} : { topic };
      const base = { type, room, inviteOnly: kind === "invite", current: isCurrent };
      return { ...base, members: members.map(roomMemberOf), ...topicField, ...(ref === undefined ? {} : { ref }) };
    }
    case "roomCreated": {
      const { type, room, kind, ref } = event;
      return { type, room, inviteOnly: kind === "invite", ...(ref === undefined ? {} : { ref }) };
    }
    case "rooms": {
      const rooms = event.rooms.map(({ room, kind, state, isCurrent, members, here, topic }) => {
        return { room, inviteOnly: kind === "invite", state, current: isCurrent, members, here, topic };
      });
      return { type: event.type, rooms, ...(event.ref === undefined ? {} : { ref: event.ref }) };
    }
    case "invited": {
      const { type, room, by } = event;
      const { handle: _, ...key } = memberOf({ ...event, handle: by });
      return { type, room, by, ...key };
    }
    case "memberAdded":
    case "memberPromoted": {
      const { type, room, at, by, ref } = event;
      return { type, ...memberOf(event), room, by, at: isoTime(at), ...(ref === undefined ? {} : { ref }) };
    }
    case "memberRemoved": {
      const { type, room, at, by, reason, ref } = event;
      return { type, ...memberOf(event), room, by, reason, at: isoTime(at), ...(ref === undefined ? {} : { ref }) };
    }
    case "gap": {
      const { type, id, place, from, count } = event;
      const idField = id === undefined ? {} : { id };
      return { type, ...idField, ...placeOf(place), ...(from === undefined ? {} : { from }), count, ...lateOf(event) };
    }
    case "link":
      return { ...event, since: isoTime(event.since) };
    case "listening": {
      const { type, host, port, fingerprint } = event;
      return { type, host, port, fingerprint };
    }
    case "left": {
      const { type, handle, fingerprint, room, at, reason } = event;
      return { type, handle, fingerprint, room, at: isoTime(at), reason };
    }
    case "message": {
      const { type, id, place, from, text, sentAt, at } = event;
      const { handle: _, ...key } = memberOf({ ...event, handle: from });
      const times = { sentAt: isoTime(sentAt), at: isoTime(at) };
      return { type, id, ...placeOf(place), from, ...key, text, ...times, ...lateOf(event) };
    }
    case "delivered":
    case "read": {
      const { type, id, by, at } = event;
      const { handle: _, ...key } = memberOf({ ...event, handle: by });
      return { type, id, by, ...key, at: isoTime(at) };
    }
    case "delivery": {
      const { type, since, conversations, ref } = event;
      const refField = ref === undefined ? {} : { ref };
      return { type, since: isoTime(since), conversations: conversations.map(countsOf), ...refField };
    }
    case "serverKnows":
      return knowledgeFields(event);
    case "accepted": {
      const { type, id, place, at, ref } = event;
      const refField = ref === undefined ? {} : { ref };
      return { type, id, ...placeOf(place), at: isoTime(at), ...lateOf(event), ...refField };
    }
    case "queued": {
      const { type, id, place, ref } = event;
      return { type, id, ...placeOf(place), ...(ref === undefined ? {} : { ref }) };
    }
    case "history":
    case "forgotten": {
      const { type, place, ...rest } = event;
      return { type, ...placeOf(place), ...rest };
    }
    case "search": {
      const { hasMore, ref, ...rest } = event;
      return { ...rest, more: hasMore, ...(ref === undefined ? {} : { ref }) };
    }
    case "entry":
      return entryOf(event);
    case "peers": {
      const { type, peers, ref } = event;
      const fields = peers.map((peer) => {
        return { ...memberOf(peer), firstSeen: isoTime(peer.firstSeen), here: peer.isHere };
      });
      return { type, peers: fields, ...(ref === undefined ? {} : { ref }) };
    }
    case "waiting": {
      const { type, code, expiresAt, ref } = event;
      return { type, code, expiresAt: isoTime(expiresAt), ...(ref === undefined ? {} : { ref }) };
    }
    case "secured": {
      const { type, with: handle, path } = event;
      const { handle: _, ...key } = memberOf({ ...event, handle });
      return { type, with: handle, ...key, path };
    }
    default:
      return event;
  }
}

/** An entry has the fields of what it was, and what it was as `kind`; one's own has its text here. */
function entryOf({ type, entry, relay, ref }: Extract<ChatEvent, { type: "entry" }>): object {
  const { type: kind, ref: _, ...fields } = fieldsOf(entry) as { readonly type: string; readonly ref?: Ref };
  const own = entry.type === "accepted" ? { text: entry.text, sentAt: isoTime(entry.sentAt) } : {};
  const more = { ...(relay === undefined ? {} : { relay }), ...(ref === undefined ? {} : { ref }) };
  return { type, kind: kind === "accepted" ? "own" : kind, ...fields, ...own, ...more };
}

function lateOf({ late, again }: Unshown): Unshown {
  return { ...(late ? { late } : {}), ...(again ? { again } : {}) };
}

function memberOf({ handle, fingerprint, trust, distrusted }: Member): Member {
  return { handle, fingerprint, trust, ...(distrusted ? { distrusted } : {}) };
}

/** Of our own inbox nothing is sent, and in a room nobody says what they have. */
function countsOf(counts: ConversationCounts): object {
  const { place, isOwnInbox, sent, accepted, delivered, read, missing, duplicates } = counts;
  const lost = { missing, duplicates };
  if (isOwnInbox) return { ...placeOf(place), own: true, ...lost };
  const ours = { ...placeOf(place), sent, accepted };
  return "room" in place ? { ...ours, ...lost } : { ...ours, delivered, read };
}

function roomMemberOf(member: RoomMember): object {
  const { role, isHere } = member;
  return { ...memberOf(member), role, here: isHere };
}

function placeOf(place: Place): Place {
  return "room" in place ? { room: place.room } : { to: place.to };
}
