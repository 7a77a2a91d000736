// Aim: what scripts write is read as the README says, and malformed input is an error that carries its `ref`.
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { UserError } from "../../lib/bytes/errors.ts";
import { fromJsonLine, READ_IDS_MAX, refOfLine } from "../../lib/cli/json_lines.ts";

Deno.test("fromJsonLine() reads the seven kinds of line", () => {
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
  const ids = ["0123456789abcdef0123456789abcdef"];
  assertEquals(read({ type: "read", ids, ref: 3 }), { command: { kind: "read", ids }, ref: 3 });
  assertEquals(read({ type: "quit" }), { command: { kind: "quit" } });
});

Deno.test("fromJsonLine() takes the room of a command that is for rooms", () => {
  const read = (line: string, room: string) => fromJsonLine(JSON.stringify({ type: "command", line, room })).command;
  assertEquals(read("/leave", "den"), { kind: "leave", room: "den" });
  assertEquals(read("/members", "#den"), { kind: "members", room: "#den" });
  assertEquals(read("/topic", "den"), { kind: "topic", room: "den" });
  assertEquals(read("/topic tea", "den"), { kind: "topic", text: "tea", room: "den" });
  assertEquals(read("/topic none", "den"), { kind: "topic", text: "", room: "den" });
  for (const kind of ["invite", "remove", "promote"] as const) {
    assertEquals(read(`/${kind} bob`, "den"), { kind, name: "bob", room: "den" });
  }
});

Deno.test("fromJsonLine() refuses a room beside a command that is for none", () => {
  const commands = [
    "/rooms",
    "/join den",
    "/switch den",
    "/room create den",
    "/users",
    "/peers",
    "/pm bob hi",
    "/help",
  ];
  for (const line of [...commands, "/fingerprint bob", "/verify bob", "/trust bob", "/distrust bob", "/quit"]) {
    const error = assertThrows(
      () => fromJsonLine(JSON.stringify({ type: "command", line, room: "den", ref: 1 })),
      UserError,
    );
    assertEquals([error.code, error.message], ["badLine", "Nothing was done: that command is for no room"], line);
  }
});

Deno.test("fromJsonLine() refuses a room beside a line that names another: one of the two would be left for good", () => {
  const line = JSON.stringify({ type: "command", line: "/leave den", room: "lobby" });
  assertEquals(assertThrows(() => fromJsonLine(line), UserError).code, "badLine");
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

Deno.test("fromJsonLine() refuses a line of the type read that names nothing, too much or no id", () => {
  const id = "0123456789abcdef0123456789abcdef";
  const bad = [[], Array(READ_IDS_MAX + 1).fill(id), [id.toUpperCase()], [id, ""], [1], id, undefined];
  for (const ids of bad) {
    const error = assertThrows(() => fromJsonLine(JSON.stringify({ type: "read", ids })), UserError);
    assertEquals(error.code, "badLine");
  }
  assertEquals(fromJsonLine(JSON.stringify({ type: "read", ids: Array(READ_IDS_MAX).fill(id) })).command.kind, "read");
});
