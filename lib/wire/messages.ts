/**
 * What the two ends of a link may say to each other: the headers of packets, as one union for each direction
 * (PROTOCOL 4). The shape of a header is checked here and nowhere else; what follows may trust it. Encoders and
 * decoders are neighbours. Fields that are not named are dropped.
 * @module
 */

import * as v from "valibot";
import { DecodeError } from "../bytes/errors.ts";
import { isMailbox, type Mailbox } from "../bytes/mailbox.ts";
import { type Bytes, U64_MAX } from "../bytes/writer.ts";
import { encodePacket, type RawPacket } from "./packet.ts";

/** A string that names 32 bytes: 52 characters of base32, no padding. The last one carries a single bit. */
const ID32 = v.pipe(v.string(), v.regex(/^[A-Z2-7]{51}[AQ]$/));
/** 16 random bytes in lower-case hexadecimal. */
const HEX16 = v.pipe(v.string(), v.regex(/^[0-9a-f]{32}$/));
const COUNT = v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(U64_MAX));
const REF = v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(0xffffffff));
/** A short name for machines, such as a reason or an error code. */
const CODE = v.pipe(v.string(), v.regex(/^[a-zA-Z]{1,32}$/));
/** Longer sentences are cut before they are sent and refused when they arrive. */
const SENTENCE_MAX_CHARS = 512;
/** A sentence for people; it is cleaned before it is shown. */
const SENTENCE = v.pipe(v.string(), v.maxLength(SENTENCE_MAX_CHARS));
const STREAM = v.pipe(v.string(), v.regex(/^(room|inbox)\/[A-Z2-7]{51}[AQ]$/));
const ROOM_STREAM = v.pipe(v.string(), v.regex(/^room\/[A-Z2-7]{51}[AQ]$/));
const MAILBOX = v.custom<Mailbox>((text) => typeof text === "string" && isMailbox(text));
/** The identity of a person-device, of a relay or of a room, as it stands in headers: base32 of 32 bytes. */
export type Fingerprint = string;
/** The name of an ordered log: `room/<id>` or `inbox/<identity>`. */
export type StreamName = string;
/** The id that a publisher gives an event: 16 random bytes in lower-case hexadecimal. */
export type EventId = string;
/** What an event holds: a message, or an op of a room's membership log. */
export type EventKind = "message" | "op";
/** The most departures that a message may have missed when it is placed, those of an open room. */
export const SLACK_MAX = 64;
/** Why somebody is no longer in a room; after `left` they are linked to the relay still. */
export type LeftReason = "left" | "quit" | "lost" | "removed";

/** Why a mailbox was not made, or not joined. */
export type MailboxRefusal = "unknown" | "taken" | "expired" | "busy" | "full";
/** Why a mailbox is over: the other went away, on purpose or not, or its time was up before anybody came. */
export type MailboxEnd = "left" | "lost" | "expired";

/** Which life of a log, and the last place in it that was processed. */
export interface Cursor {
  /** Drawn by the relay whenever a log starts anew: 16 random bytes in lower-case hexadecimal. */
  readonly generation: string;
  /** The place, 0 before the first event. */
  readonly seq: number;
}

/** What either end says about the link itself; handled by the link, never seen above it. */
export type LinkMessage =
  | { readonly t: "ping" }
  | { readonly t: "pong" }
  /** The last packet of a link that ends on purpose. */
  | { readonly t: "bye"; readonly code: string; readonly message: string };

/** What a client may say to a relay. */
export type ClientMessage =
  /** Be in a room from now on: answered by `roster` pages, told to the others as `joined`. */
  | { readonly t: "enter"; readonly room: Fingerprint }
  /** Be in a room no more, and hear its stream no more. */
  | { readonly t: "exit"; readonly room: Fingerprint }
  /** Hear a stream after a place; `null` is from now on. */
  | { readonly t: "subscribe"; readonly stream: StreamName; readonly after: Cursor | null }
  /** Give the body a place in a stream; the same id again gives the same place. */
  | {
    readonly t: "publish";
    readonly stream: StreamName;
    readonly kind: "message";
    readonly id: EventId;
    /** Of a room's message: the ops that its author had taken in. With `slack` or not at all. */
    readonly epoch?: number;
    /** How many departures placed after that it may have missed; 0 to {@linkcode SLACK_MAX}. */
    readonly slack?: number;
  }
  | { readonly t: "publish"; readonly stream: StreamName; readonly kind: "op"; readonly id: EventId }
  /** Give each of the events in the body a place in an inbox; answered by `acceptedMany`. */
  | { readonly t: "publishMany"; readonly ref: number }
  /** Ask for the ops of a room that one has entered, from the place `after + 1` on; answered by `ops`, or `snapshot` first. */
  | { readonly t: "getOps"; readonly ref: number; readonly room: Fingerprint; readonly after: number }
  /** Keep the body as this client's prekey bundle. */
  | { readonly t: "putBundle" }
  /** Add the body's one-time prekeys to those that are kept. */
  | { readonly t: "putOneTimePrekeys" }
  /** Ask for somebody's keys; the nonce makes a live answer fresh. */
  | { readonly t: "getBundle"; readonly ref: number; readonly of: Fingerprint; readonly nonce: string }
  /** Answers `bundleWanted`. */
  | { readonly t: "liveBundle"; readonly ref: number }
  /** Ask who is linked to this relay. */
  | { readonly t: "who"; readonly ref: number }
  /** Ask what the relay holds about oneself. */
  | { readonly t: "aboutMe"; readonly ref: number }
  /** Make a mailbox for two; the body, 16 bytes, goes to whoever joins. */
  | { readonly t: "createMailbox"; readonly ref: number }
  /** Join a mailbox; the body, 16 bytes, goes to whoever made it. */
  | { readonly t: "joinMailbox"; readonly ref: number; readonly mailbox: Mailbox }
  /** Hand the body to the other of a mailbox. */
  | { readonly t: "mail"; readonly mailbox: Mailbox }
  /** Be done with a mailbox. */
  | { readonly t: "leaveMailbox"; readonly mailbox: Mailbox };

/** An event of a stream; the body is what was published. */
export type EventMessage =
  & {
    readonly t: "event";
    readonly stream: StreamName;
    readonly seq: number;
    readonly at: number;
    /** A routing hint of the relay's, never shown. */
    readonly from: Fingerprint;
    readonly id: EventId;
  }
  & (
    | { readonly kind: "message" }
    /** `epoch`: how many ops were placed in the room, this one included. */
    | { readonly kind: "op"; readonly epoch: number }
  );

/** What a relay may say to a client. */
export type RelayMessage =
  /** The certificate is taken and the handle is bound; always the first message. */
  | { readonly t: "welcome"; readonly at: number; readonly generation: string }
  /** A page of the certificates of those in a room, oneself left out. */
  | { readonly t: "roster"; readonly room: Fingerprint; readonly more: boolean }
  /** Somebody entered a room; the body is the certificate. */
  | { readonly t: "joined"; readonly room: Fingerprint; readonly at: number }
  /** Somebody is no longer in a room. */
  | {
    readonly t: "left";
    readonly room: Fingerprint;
    readonly who: Fingerprint;
    readonly at: number;
    readonly reason: LeftReason;
  }
  /** From here on the stream's events follow; `head` is its last place now. */
  | {
    readonly t: "subscribed";
    readonly stream: StreamName;
    readonly generation: string;
    readonly head: number;
    /** There when places after the cursor can be read no more: the first that can, one above `head` when none can. */
    readonly oldest?: number;
  }
  /** The cursor is of another life of the log: the stream follows from its oldest event. */
  | { readonly t: "reset"; readonly stream: StreamName; readonly generation: string; readonly head: number }
  | EventMessage
  /** The event is stored. */
  | {
    readonly t: "accepted";
    readonly stream: StreamName;
    readonly id: EventId;
    readonly seq: number;
    readonly at: number;
    /** Of an op: how many were placed in its room, this one included. */
    readonly epoch?: number;
  }
  /**
   * Answers `publishMany`: its events are stored, but for those whose ids are the body. `code` is there when the relay
   * cannot store at all now.
   */
  | { readonly t: "acceptedMany"; readonly ref: number; readonly code?: "notStored" }
  /** Answers `getOps`: a page of ops, the first of them at the place `first`; `epoch` is how many there are now. */
  | {
    readonly t: "ops";
    readonly ref: number;
    readonly room: Fingerprint;
    readonly first: number;
    readonly more: boolean;
    readonly epoch: number;
  }
  /** Answers `getOps` where ops are gone: a part of a room's snapshot after the op `epoch`; `ops` after it follow. */
  | {
    readonly t: "snapshot";
    readonly ref: number;
    readonly room: Fingerprint;
    readonly epoch: number;
    /** Where the part begins; 0 begins anew. */
    readonly offset: number;
    readonly more: boolean;
  }
  /** The event is not stored, and why. */
  | { readonly t: "refused"; readonly id: EventId; readonly code: string; readonly message: string }
  /** Answers `getBundle`; the body is a live answer, a stored bundle, or nothing. */
  | { readonly t: "bundle"; readonly ref: number; readonly kind: "live" | "stored" | "none" }
  /** Somebody wants fresh keys of this client: answer with `liveBundle`. */
  | { readonly t: "bundleWanted"; readonly ref: number; readonly by: Fingerprint; readonly nonce: string }
  /** Few one-time prekeys are left; send more. */
  | { readonly t: "prekeysLow"; readonly left: number }
  /** Answers `who`: a page of certificates, oneself left out. */
  | { readonly t: "people"; readonly ref: number; readonly more: boolean }
  /** Answers `aboutMe`; the body is in about.ts, empty when that is asked too often. */
  | { readonly t: "aboutYou"; readonly ref: number }
  /** Answers `createMailbox`: one other may join it. */
  | { readonly t: "mailboxCreated"; readonly ref: number; readonly mailbox: Mailbox }
  /** Answers `joinMailbox`; the body is that of the `createMailbox`. */
  | { readonly t: "mailboxJoined"; readonly ref: number; readonly mailbox: Mailbox }
  /** Answers either, when it could not be. */
  | { readonly t: "mailboxRefused"; readonly ref: number; readonly code: MailboxRefusal }
  /** Somebody joined; the body is that of the `joinMailbox`. */
  | { readonly t: "mailboxPeer"; readonly mailbox: Mailbox }
  /** What the other of a mailbox said. */
  | { readonly t: "mail"; readonly mailbox: Mailbox }
  /** A mailbox is over. */
  | { readonly t: "mailboxEnded"; readonly mailbox: Mailbox; readonly reason: MailboxEnd };

const CURSOR = v.object({ generation: HEX16, seq: COUNT });
const PUBLISH_MESSAGE = v.pipe(
  v.object({
    t: v.literal("publish"),
    stream: STREAM,
    kind: v.literal("message"),
    id: HEX16,
    epoch: v.exactOptional(COUNT),
    slack: v.exactOptional(v.pipe(COUNT, v.maxValue(SLACK_MAX))),
  }),
  // Both or neither: a place without a tolerance says nothing, nor the other way round.
  v.check(({ epoch, slack }) => (epoch === undefined) === (slack === undefined)),
);
const EVENT = { t: v.literal("event"), stream: STREAM, seq: COUNT, at: COUNT, from: ID32, id: HEX16 };

const LINK_MESSAGE: v.GenericSchema<unknown, LinkMessage> = v.variant("t", [
  v.object({ t: v.literal("ping") }),
  v.object({ t: v.literal("pong") }),
  v.object({ t: v.literal("bye"), code: CODE, message: SENTENCE }),
]);

const CLIENT_MESSAGE: v.GenericSchema<unknown, ClientMessage> = v.variant("t", [
  v.object({ t: v.literal("enter"), room: ID32 }),
  v.object({ t: v.literal("exit"), room: ID32 }),
  v.object({ t: v.literal("subscribe"), stream: STREAM, after: v.nullable(CURSOR) }),
  v.variant("kind", [
    PUBLISH_MESSAGE,
    v.object({ t: v.literal("publish"), stream: ROOM_STREAM, kind: v.literal("op"), id: HEX16 }),
  ]),
  v.object({ t: v.literal("publishMany"), ref: REF }),
  v.object({ t: v.literal("getOps"), ref: REF, room: ID32, after: COUNT }),
  v.object({ t: v.literal("putBundle") }),
  v.object({ t: v.literal("putOneTimePrekeys") }),
  v.object({ t: v.literal("getBundle"), ref: REF, of: ID32, nonce: HEX16 }),
  v.object({ t: v.literal("liveBundle"), ref: REF }),
  v.object({ t: v.literal("who"), ref: REF }),
  v.object({ t: v.literal("aboutMe"), ref: REF }),
  v.object({ t: v.literal("createMailbox"), ref: REF }),
  v.object({ t: v.literal("joinMailbox"), ref: REF, mailbox: MAILBOX }),
  v.object({ t: v.literal("mail"), mailbox: MAILBOX }),
  v.object({ t: v.literal("leaveMailbox"), mailbox: MAILBOX }),
]);

const RELAY_MESSAGE: v.GenericSchema<unknown, RelayMessage> = v.variant("t", [
  v.object({ t: v.literal("welcome"), at: COUNT, generation: HEX16 }),
  v.object({ t: v.literal("roster"), room: ID32, more: v.boolean() }),
  v.object({ t: v.literal("joined"), room: ID32, at: COUNT }),
  v.object({
    t: v.literal("left"),
    room: ID32,
    who: ID32,
    at: COUNT,
    reason: v.picklist(["left", "quit", "lost", "removed"]),
  }),
  v.object({
    t: v.literal("subscribed"),
    stream: STREAM,
    generation: HEX16,
    head: COUNT,
    oldest: v.exactOptional(COUNT),
  }),
  v.object({ t: v.literal("reset"), stream: STREAM, generation: HEX16, head: COUNT }),
  v.variant("kind", [
    v.object({ ...EVENT, kind: v.literal("message") }),
    v.object({ ...EVENT, stream: ROOM_STREAM, kind: v.literal("op"), epoch: COUNT }),
  ]),
  v.object({
    t: v.literal("accepted"),
    stream: STREAM,
    id: HEX16,
    seq: COUNT,
    at: COUNT,
    epoch: v.exactOptional(COUNT),
  }),
  v.object({ t: v.literal("acceptedMany"), ref: REF, code: v.exactOptional(v.literal("notStored")) }),
  v.object({ t: v.literal("ops"), ref: REF, room: ID32, first: COUNT, more: v.boolean(), epoch: COUNT }),
  v.object({
    t: v.literal("snapshot"),
    ref: REF,
    room: ID32,
    epoch: v.pipe(COUNT, v.minValue(1)),
    offset: COUNT,
    more: v.boolean(),
  }),
  v.object({ t: v.literal("refused"), id: HEX16, code: CODE, message: SENTENCE }),
  v.object({ t: v.literal("bundle"), ref: REF, kind: v.picklist(["live", "stored", "none"]) }),
  v.object({ t: v.literal("bundleWanted"), ref: REF, by: ID32, nonce: HEX16 }),
  v.object({ t: v.literal("prekeysLow"), left: COUNT }),
  v.object({ t: v.literal("people"), ref: REF, more: v.boolean() }),
  v.object({ t: v.literal("aboutYou"), ref: REF }),
  v.object({ t: v.literal("mailboxCreated"), ref: REF, mailbox: MAILBOX }),
  v.object({ t: v.literal("mailboxJoined"), ref: REF, mailbox: MAILBOX }),
  v.object({
    t: v.literal("mailboxRefused"),
    ref: REF,
    code: v.picklist(["unknown", "taken", "expired", "busy", "full"]),
  }),
  v.object({ t: v.literal("mailboxPeer"), mailbox: MAILBOX }),
  v.object({ t: v.literal("mail"), mailbox: MAILBOX }),
  v.object({ t: v.literal("mailboxEnded"), mailbox: MAILBOX, reason: v.picklist(["left", "lost", "expired"]) }),
]);

/** A message and the opaque bytes that came with it. */
export interface Packet<Message> {
  /** The header, of a known shape. */
  readonly message: Message;
  /** The body, perhaps empty. */
  readonly body: Bytes;
}

/**
 * Encodes a message of the link itself.
 * @param message what to say
 * @returns the packet
 */
export function encodeLinkMessage(message: LinkMessage): Bytes {
  return encodePacket(
    message.t === "bye" ? { ...message, message: message.message.slice(0, SENTENCE_MAX_CHARS) } : message,
  );
}

/**
 * Decodes a message of the link itself, if it is one.
 * @param packet a decoded packet
 * @returns the message, or `undefined` when the packet is for the layer above
 * @throws {DecodeError} when it claims to be one and has another shape
 */
export function decodeLinkMessage(packet: RawPacket): LinkMessage | undefined {
  const kind = (packet.header as { t?: unknown } | null)?.t;
  if (kind !== "ping" && kind !== "pong" && kind !== "bye") return undefined;
  return parse(LINK_MESSAGE, packet.header, "link message");
}

/**
 * Encodes what a client says.
 * @param message what to say
 * @param body the opaque bytes that belong to it
 * @returns the packet
 */
export function encodeClientMessage(message: ClientMessage, body?: Uint8Array): Bytes {
  return encodePacket(message, body);
}

/**
 * Decodes what a client says.
 * @param packet a decoded packet
 * @returns message and body
 * @throws {DecodeError} when the header is no client message
 */
export function decodeClientMessage(packet: RawPacket): Packet<ClientMessage> {
  return { message: parse(CLIENT_MESSAGE, packet.header, "client message"), body: packet.body };
}

/**
 * Encodes what a relay says.
 * @param message what to say
 * @param body the opaque bytes that belong to it
 * @returns the packet
 */
export function encodeRelayMessage(message: RelayMessage, body?: Uint8Array): Bytes {
  return encodePacket(message, body);
}

/**
 * Decodes what a relay says.
 * @param packet a decoded packet
 * @returns message and body
 * @throws {DecodeError} when the header is no relay message
 */
export function decodeRelayMessage(packet: RawPacket): Packet<RelayMessage> {
  return { message: parse(RELAY_MESSAGE, packet.header, "relay message"), body: packet.body };
}

function parse<Message>(schema: v.GenericSchema<unknown, Message>, header: unknown, what: string): Message {
  const result = v.safeParse(schema, header, { abortEarly: true });
  // Not the issues: they quote what was refused.
  if (!result.success) throw new DecodeError(`Cannot decode ${what}: the header has another shape`);
  return result.output;
}
