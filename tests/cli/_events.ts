/**
 * Every event that there can be, with texts as an attacker writes them. A new type of event does not compile before it
 * stands here, so that the properties of `renderEvent()` and `toJsonLine()` hold for it too.
 */
import fc from "fast-check";
import type { About } from "../../lib/wire/about.ts";
import type { ChatEvent, Member, Place, RoomMember, Trust } from "../../lib/chat/events.ts";

export const KEY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRSA";
export const ID = "0123456789abcdef0123456789abcdef";
/** 2026-01-01T00:00:00.120Z */
export const AT = 1_767_225_600_120;
export const TRUSTS: readonly Trust[] = ["new", "known", "verified", "changed"];
export const BOB: Member = { handle: "bob", fingerprint: KEY, trust: "known" };
/** What must never reach a screen: controls, bidi controls and marks, line separators. */
// deno-lint-ignore no-control-regex
export const STEERING = /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/;

/** Somebody in a room, there or away. */
export function inRoom(member: Partial<RoomMember> = {}): RoomMember {
  return { ...BOB, role: "member", isHere: true, ...member };
}

/** Escape sequences, line breaks and bidi controls beside everything else. */
export const TEXT: fc.Arbitrary<string> = fc.array(
  fc.oneof(
    fc.string({ unit: "binary", maxLength: 8 }),
    fc.constantFrom(
      "\x1b[2J",
      "\x1b]0;title\x07",
      "\x9b31m",
      "\r",
      "\n",
      "\x08",
      "\u061c",
      "\u200f",
      "\u202e",
      "\u2066",
      "\u2028",
      "\x00",
      "\x7f",
    ),
  ),
  { maxLength: 12 },
).map((parts) => parts.join(""));

const TIME = fc.maxSafeNat();
const COUNT = fc.nat(2_000);
const REF = fc.oneof(fc.string({ maxLength: 8 }), fc.integer());
const KIND = fc.constantFrom("open" as const, "invite" as const);
const TRUST = fc.constantFrom(...TRUSTS);
const KEYS = {
  fingerprint: TEXT,
  trust: TRUST,
  distrusted: fc.constant(true as const),
};
const MEMBER = { handle: TEXT, ...KEYS };
const MEMBERS = fc.array(optional({ ...MEMBER, role: roles(), isHere: fc.boolean() }, "distrusted"), { maxLength: 3 });
const PLACE: fc.Arbitrary<Place> = fc.oneof(fc.record({ room: TEXT }), fc.record({ to: TEXT }));

const CONVERSATION = fc.record({
  place: PLACE,
  isOwnInbox: fc.boolean(),
  sent: COUNT,
  accepted: COUNT,
  delivered: COUNT,
  read: COUNT,
  missing: COUNT,
  duplicates: COUNT,
});

const SPAN = { events: COUNT, firstAt: TIME, lastAt: TIME };
/** What a relay may say that it holds, strings as it likes. */
export const ABOUT: fc.Arbitrary<About> = fc.record({
  names: fc.array(
    fc.record({ handle: TEXT, life: fc.constantFrom("lasting", "ephemeral"), madeAt: TIME, lastSeen: TIME }),
    { maxLength: 3 },
  ),
  namesKeptForMs: TIME,
  certificateBytes: COUNT,
  address: fc.option(TEXT),
  rooms: fc.array(fc.record({ room: fc.constant(KEY), ops: COUNT }), { maxLength: 3 }),
  heard: COUNT,
  received: fc.record({
    events: COUNT,
    bytes: COUNT,
    waiting: COUNT,
    authors: COUNT,
    from: fc.array(fc.record({ publisher: fc.constant(KEY), bytes: COUNT, ...SPAN }), { maxLength: 64 }),
  }),
  published: fc.record({
    events: COUNT,
    streams: COUNT,
    in: fc.array(fc.record({ stream: fc.constantFrom(`room/${KEY}`, `inbox/${KEY}`), ...SPAN }), { maxLength: 3 }),
  }),
  eventsKeptForMs: TIME,
  bundle: fc.option(fc.record({ bytes: COUNT, putAt: TIME, oneTimePrekeys: COUNT })),
  keysGivenToYou: COUNT,
  keysGivenOfYou: COUNT,
  mailboxes: COUNT,
});

function roles() {
  return fc.constantFrom("member" as const, "admin" as const, "owner" as const);
}

function optional<T extends object, K extends keyof T & string>(
  fields: { [F in keyof T]: fc.Arbitrary<T[F]> },
  ...names: readonly K[]
): fc.Arbitrary<Omit<T, K> & Partial<Pick<T, K>>> {
  const requiredKeys = Object.keys(fields).filter((name) => !names.includes(name as K)) as Exclude<keyof T, K>[];
  return fc.record(fields, { requiredKeys }) as unknown as fc.Arbitrary<Omit<T, K> & Partial<Pick<T, K>>>;
}

function type<T extends string>(name: T): fc.Arbitrary<T> {
  return fc.constant(name);
}

const LATE = { late: fc.constant(true as const), again: fc.constant(true as const) };
const GAP = optional(
  { type: type("gap"), id: fc.constant(ID), place: PLACE, from: TEXT, count: COUNT, ...LATE },
  "id",
  "from",
  "late",
  "again",
);
const ACCEPTED = optional(
  { type: type("accepted"), id: fc.constant(ID), place: PLACE, at: TIME, sentAt: TIME, text: TEXT, ...LATE, ref: REF },
  "late",
  "again",
  "ref",
);
const MESSAGE = optional(
  {
    type: type("message"),
    id: fc.constant(ID),
    place: PLACE,
    from: TEXT,
    ...KEYS,
    text: TEXT,
    sentAt: TIME,
    at: TIME,
    ...LATE,
  },
  "distrusted",
  "late",
  "again",
);

/** One arbitrary for each type of event. */
export const EVENTS: { readonly [T in ChatEvent["type"]]: fc.Arbitrary<Extract<ChatEvent, { type: T }>> } = {
  ready: optional({
    type: type("ready"),
    handle: TEXT,
    fingerprint: TEXT,
    relay: fc.record({ name: TEXT, fingerprint: TEXT }),
    room: TEXT,
    members: MEMBERS,
    topic: TEXT,
  }, "topic"),
  joined: optional({ type: type("joined"), room: TEXT, at: TIME, ...MEMBER }, "distrusted"),
  left: fc.record({
    type: type("left"),
    room: TEXT,
    at: TIME,
    reason: fc.constantFrom("quit", "lost", "removed", "left"),
    handle: TEXT,
    fingerprint: TEXT,
  }),
  roomJoined: optional(
    {
      type: type("roomJoined"),
      room: TEXT,
      kind: KIND,
      members: MEMBERS,
      topic: TEXT,
      isCurrent: fc.boolean(),
      ref: REF,
    },
    "topic",
    "ref",
  ),
  roomCreated: optional({ type: type("roomCreated"), room: TEXT, kind: KIND, ref: REF }, "ref"),
  roomLeft: optional(
    {
      type: type("roomLeft"),
      room: TEXT,
      reason: fc.constantFrom("left", "declined", "removed", "lost"),
      by: TEXT,
      current: TEXT,
      ref: REF,
    },
    "by",
    "current",
    "ref",
  ),
  switched: optional({ type: type("switched"), room: TEXT, ref: REF }, "ref"),
  invited: optional({ type: type("invited"), room: TEXT, by: TEXT, ...KEYS }, "distrusted"),
  memberAdded: optional(
    { type: type("memberAdded"), room: TEXT, at: TIME, by: TEXT, ...MEMBER, ref: REF },
    "distrusted",
    "ref",
  ),
  memberRemoved: optional(
    {
      type: type("memberRemoved"),
      room: TEXT,
      at: TIME,
      by: TEXT,
      reason: fc.constantFrom("absent", "removed"),
      ...MEMBER,
      ref: REF,
    },
    "distrusted",
    "ref",
  ),
  memberPromoted: optional(
    { type: type("memberPromoted"), room: TEXT, at: TIME, by: TEXT, ...MEMBER, ref: REF },
    "distrusted",
    "ref",
  ),
  gap: GAP,
  fork: fc.record({ type: type("fork"), room: TEXT, from: TEXT }),
  topic: optional({ type: type("topic"), room: TEXT, topic: TEXT, by: TEXT, ref: REF }, "by", "ref"),
  rooms: optional({
    type: type("rooms"),
    rooms: fc.array(
      fc.record({
        room: TEXT,
        kind: KIND,
        state: fc.constantFrom("in", "entering", "invited"),
        isCurrent: fc.boolean(),
        members: COUNT,
        here: COUNT,
        topic: TEXT,
      }),
      { maxLength: 3 },
    ),
    ref: REF,
  }, "ref"),
  members: optional({ type: type("members"), room: TEXT, members: MEMBERS, ref: REF }, "ref"),
  message: MESSAGE,
  delivered: optional({ type: type("delivered"), id: fc.constant(ID), by: TEXT, ...KEYS, at: TIME }, "distrusted"),
  read: optional({ type: type("read"), id: fc.constant(ID), by: TEXT, ...KEYS, at: TIME }, "distrusted"),
  delivery: optional({ type: type("delivery"), since: TIME, conversations: fc.array(CONVERSATION), ref: REF }, "ref"),
  serverKnows: optional(
    {
      type: type("serverKnows"),
      linkedAt: TIME,
      about: ABOUT,
      places: fc.dictionary(fc.constantFrom(`room/${KEY}`, `inbox/${KEY}`), PLACE),
      ref: REF,
    },
    "ref",
  ),
  link: fc.oneof(
    fc.record({ type: type("link"), state: fc.constant("reconnecting" as const), since: TIME, why: TEXT }),
    fc.record({ type: type("link"), state: fc.constant("connected" as const), since: TIME, missed: fc.nat() }),
  ),
  queued: optional(
    { type: type("queued"), id: fc.constant(ID), place: PLACE, sentAt: TIME, text: TEXT, ref: REF },
    "ref",
  ),
  accepted: ACCEPTED,
  history: optional({ type: type("history"), place: PLACE, count: COUNT, damaged: COUNT, ref: REF }, "ref"),
  search: optional(
    { type: type("search"), count: COUNT, hasMore: fc.boolean(), damaged: COUNT, ref: REF },
    "ref",
  ),
  entry: optional(
    { type: type("entry"), entry: fc.oneof(MESSAGE, ACCEPTED, GAP), relay: TEXT, ref: REF },
    "relay",
    "ref",
  ),
  forgotten: optional({ type: type("forgotten"), place: PLACE, count: COUNT, ref: REF }, "ref"),
  users: optional({
    type: type("users"),
    room: TEXT,
    members: MEMBERS,
    elsewhere: fc.array(optional(MEMBER, "distrusted"), { maxLength: 3 }),
    ref: REF,
  }, "ref"),
  peers: optional({
    type: type("peers"),
    peers: fc.array(optional({ ...MEMBER, firstSeen: TIME, isHere: fc.boolean() }, "distrusted"), { maxLength: 3 }),
    ref: REF,
  }, "ref"),
  waiting: optional({ type: type("waiting"), code: TEXT, expiresAt: TIME, ref: REF }, "ref"),
  peerJoined: fc.record({ type: type("peerJoined") }),
  wrongCode: fc.record({ type: type("wrongCode") }),
  taken: fc.record({ type: type("taken") }),
  expired: fc.record({ type: type("expired") }),
  listening: optional(
    {
      type: type("listening"),
      host: TEXT,
      port: fc.nat(65_535),
      fingerprint: TEXT,
      wantsCode: fc.constant(true as const),
    },
    "host",
    "wantsCode",
  ),
  secured: optional(
    { type: type("secured"), with: TEXT, ...KEYS, path: fc.constantFrom("relay", "direct") },
    "distrusted",
  ),
  notice: optional(
    { type: type("notice"), code: fc.constantFrom("help", "reset"), text: TEXT, room: TEXT, ref: REF },
    "room",
    "ref",
  ),
  error: optional(
    {
      type: type("error"),
      code: fc.constantFrom("unsent", "relayChanged"),
      message: TEXT,
      hint: TEXT,
      room: TEXT,
      ref: REF,
    },
    "room",
    "ref",
  ),
};

/** Any event. */
export const EVENT: fc.Arbitrary<ChatEvent> = fc.oneof(...Object.values(EVENTS) as fc.Arbitrary<ChatEvent>[]);
