// Aim: the JSON lines are a contract for scripts (README "JSON lines"): exactly these fields, and malformed input is
// an error that carries its `ref`.
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { UserError } from "../../lib/bytes/errors.ts";
import type { ChatEvent, Member } from "../../lib/chat/events.ts";
import { fromJsonLine, type ProgramEvent, refOfLine, toJsonLine } from "../../lib/cli/json_lines.ts";

const KEY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRSA";
const ID = "0123456789abcdef0123456789abcdef";
const AT = 1_767_225_600_120;
const AT_TEXT = "2026-01-01T00:00:00.120Z";
const BOB: Member = { handle: "bob", fingerprint: KEY, trust: "known" };

const EVENTS: readonly (readonly [event: ChatEvent | ProgramEvent, fields: object])[] = [
  [
    {
      type: "ready",
      handle: "alice",
      fingerprint: KEY,
      relay: { name: "office", fingerprint: KEY },
      room: "lobby",
      members: [BOB],
    },
    {
      type: "ready",
      handle: "alice",
      fingerprint: KEY,
      relay: { name: "office", fingerprint: KEY },
      room: "lobby",
      members: [{ handle: "bob", fingerprint: KEY, trust: "known" }],
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
    { type: "users", room: "lobby", members: [BOB], elsewhere: [], ref: "r" },
    { type: "users", room: "lobby", members: [BOB], elsewhere: [], ref: "r" },
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
  [{ type: "notice", code: "gap", text: "one\ntwo" }, { type: "notice", code: "gap", text: "one\ntwo" }],
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

for (const [event, fields] of EVENTS) {
  Deno.test(`toJsonLine() writes exactly the fields of ${event.type}: ${Object.keys(fields).join(", ")}`, () => {
    const line = toJsonLine(event);
    assertEquals(JSON.parse(line), { v: 1, ...fields });
    assert(line.startsWith(`{"v":1,"type":"${event.type}"`));
  });
}

Deno.test("toJsonLine() is one line that no text can steer or break, and reads back the same", () => {
  fc.assert(fc.property(fc.string({ unit: "binary", size: "max", maxLength: 80 }), (text) => {
    const line = toJsonLine({ type: "notice", code: "help", text });
    // deno-lint-ignore no-control-regex
    assertEquals(/[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/.test(line), false);
    assertEquals(JSON.parse(line).text, text);
  }));
  const text = "\x1b]0;x\x07 \x7f \x85 \x9b31m \u2028 \u202e \u2067";
  const line = toJsonLine({ type: "notice", code: "help", text });
  assertEquals(/^[\x20-\x7e]*$/.test(line), true);
  assertEquals(JSON.parse(line).text, text);
});

Deno.test("fromJsonLine() reads the six kinds of line", () => {
  const read = (line: object) => fromJsonLine(JSON.stringify(line));
  assertEquals(read({ type: "say", text: "/quit" }), { command: { kind: "say", text: "/quit" } });
  assertEquals(read({ type: "say", text: " a ", room: "lobby", ref: 1 }), {
    command: { kind: "say", text: " a ", room: "lobby" },
    ref: 1,
  });
  assertEquals(read({ type: "pm", to: "bob", text: "hi", ref: "x" }), {
    command: { kind: "pm", to: "bob", text: "hi" },
    ref: "x",
  });
  assertEquals(read({ type: "users", ref: 0 }), { command: { kind: "users" }, ref: 0 });
  assertEquals(read({ type: "command", line: "/pm bob hi" }), { command: { kind: "pm", to: "bob", text: "hi" } });
  assertEquals(read({ type: "command", line: "/fingerprint" }), { command: { kind: "fingerprint" } });
  assertEquals(read({ type: "session", action: "create", ref: 2 }), {
    command: { kind: "session", action: "create" },
    ref: 2,
  });
  assertEquals(read({ type: "session", action: "join", code: "7KQ2-a-b-c" }), {
    command: { kind: "session", action: "join", code: "7KQ2-a-b-c" },
  });
  assertEquals(read({ type: "session", action: "cancel" }), { command: { kind: "session", action: "cancel" } });
  assertEquals(read({ type: "quit" }), { command: { kind: "quit" } });
});

Deno.test("fromJsonLine() ignores fields that it does not know", () => {
  assertEquals(fromJsonLine('{"type":"users","v":9,"later":{"a":1}}'), { command: { kind: "users" } });
});

Deno.test("fromJsonLine() refuses what is malformed, and refOfLine() finds its ref where there is one", () => {
  const cases: readonly (readonly [line: string, ref: string | number | undefined])[] = [
    ["", undefined],
    ["hello", undefined],
    ["/quit", undefined],
    ["null", undefined],
    ["7", undefined],
    ["[]", undefined],
    ['{"type":"say"', undefined],
    ["{}", undefined],
    ['{"ref":"r"}', "r"],
    ['{"type":"shout","text":"a","ref":5}', 5],
    ['{"type":"say","ref":"r"}', "r"],
    ['{"type":"say","text":7,"ref":"r"}', "r"],
    ['{"type":"say","text":"","ref":"r"}', "r"],
    ['{"type":"say","text":"a","room":7,"ref":"r"}', "r"],
    ['{"type":"say","text":"a","ref":{}}', undefined],
    ['{"type":"say","text":"a","ref":null}', undefined],
    [`{"type":"say","text":"a","ref":"${"r".repeat(257)}"}`, undefined],
    ['{"type":"pm","text":"a","ref":1}', 1],
    ['{"type":"pm","to":"bob","text":"","ref":1}', 1],
    ['{"type":"session","action":"join","ref":1}', 1],
    ['{"type":"session","action":"create","code":"7KQ2-a-b-c","ref":1}', 1],
    ['{"type":"session","action":"open","ref":1}', 1],
    ['{"type":"command","line":"hello","ref":1}', 1],
    ['{"type":"command","line":"//hello","ref":1}', 1],
    ['{"type":"command","line":" /users","ref":1}', 1],
    ['{"type":"command","line":"/nothing","ref":1}', 1],
    ['{"type":"command","line":"","ref":1}', 1],
  ];
  for (const [line, ref] of cases) {
    const error = assertThrows(() => fromJsonLine(line), UserError);
    assertEquals([error.code, refOfLine(line)], ["badLine", ref], line);
  }
});

Deno.test("fromJsonLine() gives UserError alone for any text and any JSON", () => {
  const check = (line: string) => {
    try {
      fromJsonLine(line);
    } catch (error) {
      assert(error instanceof UserError);
    }
    refOfLine(line);
  };
  fc.assert(fc.property(fc.string({ unit: "binary" }), check));
  fc.assert(fc.property(fc.json(), check));
});
