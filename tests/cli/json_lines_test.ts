// Aim: the JSON lines are a contract for scripts (README "JSON lines"): exactly these fields, in one line that nothing
// in it can break.
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { ChatEvent } from "../../lib/chat/events.ts";
import { type ProgramEvent, toJsonLine } from "../../lib/cli/json_lines.ts";
import { AT, BOB, EVENTS, ID, inRoom, KEY, STEERING } from "./_events.ts";

const AT_TEXT = "2026-01-01T00:00:00.120Z";
const BOB_FIELDS = { handle: "bob", fingerprint: KEY, trust: "known" } as const;
const IN_ROOM = { ...BOB_FIELDS, role: "member", here: true };

const COUNTS = { sent: 6, accepted: 5, delivered: 4, read: 3, missing: 2, duplicates: 1 };

const EVENTS_AND_FIELDS: readonly (readonly [event: ChatEvent | ProgramEvent, fields: object])[] = [
  [
    {
      type: "ready",
      handle: "alice",
      fingerprint: KEY,
      relay: { name: "office", fingerprint: KEY },
      room: "lobby",
      members: [inRoom()],
    },
    {
      type: "ready",
      handle: "alice",
      fingerprint: KEY,
      relay: { name: "office", fingerprint: KEY },
      room: "lobby",
      members: [IN_ROOM],
    },
  ],
  [
    { type: "waiting", code: "7KQ2-able-sunset-violin", expiresAt: AT, ref: 3 },
    { type: "waiting", code: "7KQ2-able-sunset-violin", expiresAt: AT_TEXT, ref: 3 },
  ],
  [{ type: "peerJoined" }, { type: "peerJoined" }],
  [{ type: "wrongCode" }, { type: "wrongCode" }],
  [{ type: "taken" }, { type: "taken" }],
  [{ type: "expired" }, { type: "expired" }],
  [
    { type: "secured", with: "bob", fingerprint: KEY, trust: "verified", path: "relay" },
    { type: "secured", with: "bob", fingerprint: KEY, trust: "verified", path: "relay" },
  ],
  [
    { type: "joined", room: "lobby", at: AT, ...BOB },
    { type: "joined", handle: "bob", fingerprint: KEY, trust: "known", room: "lobby", at: AT_TEXT },
  ],
  [
    { type: "left", room: "lobby", at: AT, reason: "lost", handle: "bob", fingerprint: KEY },
    { type: "left", handle: "bob", fingerprint: KEY, room: "lobby", at: AT_TEXT, reason: "lost" },
  ],
  [
    {
      type: "message",
      id: ID,
      place: { room: "lobby" },
      from: "bob",
      fingerprint: KEY,
      trust: "new",
      text: "hi",
      sentAt: AT + 1,
      at: AT,
    },
    {
      type: "message",
      id: ID,
      room: "lobby",
      from: "bob",
      fingerprint: KEY,
      trust: "new",
      text: "hi",
      sentAt: "2026-01-01T00:00:00.121Z",
      at: AT_TEXT,
    },
  ],
  [
    {
      type: "message",
      id: ID,
      place: { to: "alice" },
      from: "bob",
      fingerprint: KEY,
      trust: "changed",
      text: "",
      sentAt: AT,
      at: AT,
    },
    {
      type: "message",
      id: ID,
      to: "alice",
      from: "bob",
      fingerprint: KEY,
      trust: "changed",
      text: "",
      sentAt: AT_TEXT,
      at: AT_TEXT,
    },
  ],
  [
    { type: "accepted", id: ID, place: { room: "lobby" }, at: AT, sentAt: AT, text: "mine", ref: 7 },
    { type: "accepted", id: ID, room: "lobby", at: AT_TEXT, ref: 7 },
  ],
  [
    { type: "accepted", id: ID, place: { to: "bob" }, at: AT, sentAt: AT, text: "mine" },
    { type: "accepted", id: ID, to: "bob", at: AT_TEXT },
  ],
  [
    { type: "delivered", id: ID, by: "bob", fingerprint: KEY, trust: "new", at: AT },
    { type: "delivered", id: ID, by: "bob", fingerprint: KEY, trust: "new", at: AT_TEXT },
  ],
  [
    { type: "read", id: ID, by: "bob", fingerprint: KEY, trust: "changed", distrusted: true, at: AT },
    { type: "read", id: ID, by: "bob", fingerprint: KEY, trust: "changed", distrusted: true, at: AT_TEXT },
  ],
  [
    {
      type: "delivery",
      since: AT,
      conversations: [
        { place: { room: "lobby" }, isOwnInbox: false, ...COUNTS },
        { place: { to: "bob" }, isOwnInbox: false, ...COUNTS },
        { place: { to: "alice" }, isOwnInbox: true, ...COUNTS },
      ],
      ref: 1,
    },
    {
      type: "delivery",
      since: AT_TEXT,
      conversations: [
        { room: "lobby", sent: 6, accepted: 5, missing: 2, duplicates: 1 },
        { to: "bob", sent: 6, accepted: 5, delivered: 4, read: 3 },
        { to: "alice", own: true, missing: 2, duplicates: 1 },
      ],
      ref: 1,
    },
  ],
  [
    { type: "users", room: "lobby", members: [inRoom()], elsewhere: [BOB], ref: "r" },
    { type: "users", room: "lobby", members: [IN_ROOM], elsewhere: [BOB_FIELDS], ref: "r" },
  ],
  [
    { type: "joined", room: "lobby", at: AT, ...BOB, trust: "changed", distrusted: true },
    {
      type: "joined",
      handle: "bob",
      fingerprint: KEY,
      trust: "changed",
      distrusted: true,
      room: "lobby",
      at: AT_TEXT,
    },
  ],
  [
    { type: "peers", peers: [{ ...BOB, firstSeen: AT, isHere: false }], ref: 1 },
    {
      type: "peers",
      peers: [{ handle: "bob", fingerprint: KEY, trust: "known", firstSeen: AT_TEXT, here: false }],
      ref: 1,
    },
  ],
  [
    {
      type: "ready",
      handle: "alice",
      fingerprint: KEY,
      relay: { name: "office", fingerprint: KEY },
      room: "lobby",
      members: [],
      topic: "tea",
    },
    {
      type: "ready",
      handle: "alice",
      fingerprint: KEY,
      relay: { name: "office", fingerprint: KEY },
      room: "lobby",
      members: [],
      topic: "tea",
    },
  ],
  [
    { type: "left", room: "lobby", at: AT, reason: "left", handle: "bob", fingerprint: KEY },
    { type: "left", handle: "bob", fingerprint: KEY, room: "lobby", at: AT_TEXT, reason: "left" },
  ],
  [
    { type: "roomJoined", room: "den", kind: "open", members: [], isCurrent: false },
    { type: "roomJoined", room: "den", inviteOnly: false, current: false, members: [] },
  ],
  [
    {
      type: "roomJoined",
      room: "den",
      kind: "invite",
      members: [inRoom({ role: "owner", isHere: false, distrusted: true })],
      isCurrent: true,
      topic: "tea",
      ref: 1,
    },
    {
      type: "roomJoined",
      room: "den",
      inviteOnly: true,
      current: true,
      members: [{ ...BOB_FIELDS, distrusted: true, role: "owner", here: false }],
      topic: "tea",
      ref: 1,
    },
  ],
  [
    { type: "roomCreated", room: "den", kind: "invite", ref: "r" },
    { type: "roomCreated", room: "den", inviteOnly: true, ref: "r" },
  ],
  [{ type: "roomCreated", room: "den", kind: "open" }, { type: "roomCreated", room: "den", inviteOnly: false }],
  [
    { type: "roomLeft", room: "den", reason: "removed", by: "bob", current: "lobby", ref: 2 },
    { type: "roomLeft", room: "den", reason: "removed", by: "bob", current: "lobby", ref: 2 },
  ],
  [{ type: "roomLeft", room: "den", reason: "lost" }, { type: "roomLeft", room: "den", reason: "lost" }],
  [{ type: "switched", room: "den", ref: 3 }, { type: "switched", room: "den", ref: 3 }],
  [
    { type: "invited", room: "den", by: "bob", fingerprint: KEY, trust: "changed", distrusted: true },
    { type: "invited", room: "den", by: "bob", fingerprint: KEY, trust: "changed", distrusted: true },
  ],
  [
    { type: "memberAdded", room: "den", at: AT, by: "carol", ...BOB },
    { type: "memberAdded", ...BOB_FIELDS, room: "den", by: "carol", at: AT_TEXT },
  ],
  [
    { type: "memberAdded", room: "den", at: AT, by: "carol", ...BOB, ref: 1 },
    { type: "memberAdded", ...BOB_FIELDS, room: "den", by: "carol", at: AT_TEXT, ref: 1 },
  ],
  [
    { type: "memberRemoved", room: "den", at: AT, by: "carol", reason: "absent", ...BOB },
    { type: "memberRemoved", ...BOB_FIELDS, room: "den", by: "carol", reason: "absent", at: AT_TEXT },
  ],
  [
    { type: "memberPromoted", room: "den", at: AT, by: "carol", ...BOB },
    { type: "memberPromoted", ...BOB_FIELDS, room: "den", by: "carol", at: AT_TEXT },
  ],
  [
    { type: "gap", place: { room: "den" }, from: "bob", count: 2 },
    { type: "gap", room: "den", from: "bob", count: 2 },
  ],
  [{ type: "gap", place: { to: "alice" }, count: 1 }, { type: "gap", to: "alice", count: 1 }],
  [{ type: "fork", room: "den", from: "bob" }, { type: "fork", room: "den", from: "bob" }],
  [
    { type: "topic", room: "den", topic: "", by: "bob" },
    { type: "topic", room: "den", topic: "", by: "bob" },
  ],
  [{ type: "topic", room: "den", topic: "tea", ref: 4 }, { type: "topic", room: "den", topic: "tea", ref: 4 }],
  [
    {
      type: "rooms",
      rooms: [{
        room: "den",
        kind: "invite",
        state: "invited",
        isCurrent: false,
        members: 3,
        here: 1,
        topic: "tea",
      }],
      ref: 5,
    },
    {
      type: "rooms",
      rooms: [{ room: "den", inviteOnly: true, state: "invited", current: false, members: 3, here: 1, topic: "tea" }],
      ref: 5,
    },
  ],
  [{ type: "rooms", rooms: [] }, { type: "rooms", rooms: [] }],
  [
    { type: "members", room: "den", members: [inRoom({ role: "admin" })], ref: 6 },
    { type: "members", room: "den", members: [{ ...IN_ROOM, role: "admin" }], ref: 6 },
  ],
  [{ type: "notice", code: "help", text: "one\ntwo" }, { type: "notice", code: "help", text: "one\ntwo" }],
  [
    { type: "notice", code: "role", text: "t", room: "den" },
    { type: "notice", code: "role", text: "t", room: "den" },
  ],
  [
    { type: "error", code: "notDone", message: "m", hint: "h", room: "den", ref: 1 },
    { type: "error", code: "notDone", message: "m", hint: "h", room: "den", ref: 1 },
  ],
  [
    { type: "error", code: "tooLong", message: "m", hint: "h", ref: 0 },
    { type: "error", code: "tooLong", message: "m", hint: "h", ref: 0 },
  ],
  [{ type: "bye" }, { type: "bye" }],
  [
    { type: "listening", host: "::1", port: 5001, fingerprint: KEY },
    { type: "listening", host: "::1", port: 5001, fingerprint: KEY },
  ],
];

for (const [event, fields] of EVENTS_AND_FIELDS) {
  Deno.test(`toJsonLine() writes exactly the fields of ${event.type}: ${Object.keys(fields).join(", ")}`, () => {
    const line = toJsonLine(event);
    assertEquals(JSON.parse(line), { v: 1, ...fields });
    assert(line.startsWith(`{"v":1,"type":"${event.type}"`));
  });
}

Deno.test("toJsonLine() is one line that no text can steer or break, and reads back the same", () => {
  fc.assert(fc.property(fc.string({ unit: "binary", size: "max", maxLength: 80 }), (text) => {
    const line = toJsonLine({ type: "notice", code: "help", text });
    assertEquals(STEERING.test(line), false);
    assertEquals(JSON.parse(line).text, text);
  }));
  const text = "\x1b]0;x\x07 \x7f \x85 \x9b31m \u2028 \u202e \u2067";
  const line = toJsonLine({ type: "notice", code: "help", text });
  assertEquals(/^[\x20-\x7e]*$/.test(line), true);
  assertEquals(JSON.parse(line).text, text);
});

for (const [type, events] of Object.entries(EVENTS)) {
  Deno.test(`toJsonLine() is one line of its type that nothing can steer: ${type}`, () => {
    fc.assert(fc.property(events, (event: ChatEvent) => {
      const line = toJsonLine(event);
      assert(!STEERING.test(line), line);
      const { v, type: written, ref } = JSON.parse(line);
      assertEquals([v, written, ref], [1, type, "ref" in event ? event.ref : undefined]);
    }));
  });
}

Deno.test("toJsonLine() says of everything that is about a room which one it is", () => {
  const ofNone = [
    "rooms",
    "peers",
    "waiting",
    "peerJoined",
    "wrongCode",
    "taken",
    "expired",
    "listening",
    "secured",
    "link",
    "search",
    "delivered",
    "read",
    "delivery",
    "serverKnows",
  ];
  for (const [type, events] of Object.entries(EVENTS)) {
    if (ofNone.includes(type)) continue;
    fc.assert(fc.property(events, (event: ChatEvent) => {
      const { room, to } = JSON.parse(toJsonLine(event));
      const about = event.type === "entry" ? event.entry : event;
      const ofMany = type === "notice" || type === "error"; // most are about no room
      const inRoom = { room: "room" in event ? event.room : ofMany ? undefined : "missing" };
      const place = "place" in about ? about.place : inRoom;
      assertEquals({ room, to }, "room" in place ? { room: place.room, to: undefined } : { room: undefined, ...place });
    }));
  }
});
