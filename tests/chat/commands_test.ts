// Aim: a slip at the keyboard is never sent as text, and what is meant as text always is.
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { UserError } from "../../lib/bytes/errors.ts";
import { type Command, helpLines, parseLine } from "../../lib/chat/commands.ts";
import { spellFingerprint } from "../../lib/chat/fingerprint.ts";

const KEY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRSA";
const SPELLED = spellFingerprint(KEY);

const READ: readonly (readonly [line: string, command: Command])[] = [
  ["", { kind: "nothing" }],
  ["   ", { kind: "nothing" }],
  ["\t\u00a0", { kind: "nothing" }],
  ["hello", { kind: "say", text: "hello" }],
  ["  hello  ", { kind: "say", text: "  hello  " }],
  ["hello /quit", { kind: "say", text: "hello /quit" }],
  ["//", { kind: "say", text: "/" }],
  ["//quit", { kind: "say", text: "/quit" }],
  ["///", { kind: "say", text: "//" }],
  ["/pm bob hi", { kind: "pm", to: "bob", text: "hi" }],
  ["/pm  bob   hi  there ", { kind: "pm", to: "bob", text: "hi  there" }],
  ["/pm\tbob\thi", { kind: "pm", to: "bob", text: "hi" }],
  ["/PM bob hi", { kind: "pm", to: "bob", text: "hi" }],
  ["/pm bob /quit", { kind: "pm", to: "bob", text: "/quit" }],
  ["/pm bob one\ntwo", { kind: "pm", to: "bob", text: "one\ntwo" }],
  ["/pm 王小明 你好", { kind: "pm", to: "王小明", text: "你好" }],
  ["/users", { kind: "users" }],
  ["/session create", { kind: "session", action: "create" }],
  ["/session CANCEL ", { kind: "session", action: "cancel" }],
  ["/session join 7KQ2-able-sunset-violin", { kind: "session", action: "join", code: "7KQ2-able-sunset-violin" }],
  ["/session join  7kq2 able sunset violin", { kind: "session", action: "join", code: "7kq2 able sunset violin" }],
  ["/users  ", { kind: "users" }],
  ["/fingerprint", { kind: "fingerprint" }],
  ["/fingerprint bob", { kind: "fingerprint", name: "bob" }],
  ["/trust bob", { kind: "trust", name: "bob" }],
  ["/distrust bob", { kind: "distrust", name: "bob" }],
  ["/peers", { kind: "peers" }],
  ["/verify bob", { kind: "verify", name: "bob", hasCompared: false }],
  ["/verify bob yes", { kind: "verify", name: "bob", hasCompared: true }],
  ["/verify bob  YES ", { kind: "verify", name: "bob", hasCompared: true }],
  ["/verify yes", { kind: "verify", name: "yes", hasCompared: false }],
  ["/verify yes yes", { kind: "verify", name: "yes", hasCompared: true }],
  [`/verify ${SPELLED}`, { kind: "verify", name: KEY, hasCompared: false }],
  [`/verify ${SPELLED} yes`, { kind: "verify", name: KEY, hasCompared: true }],
  [`/verify ${KEY.toLowerCase()} yes`, { kind: "verify", name: KEY, hasCompared: true }],
  [`/trust ${SPELLED.replaceAll(" ", "-")}`, { kind: "trust", name: KEY }],
  [`/distrust ${SPELLED}`, { kind: "distrust", name: KEY }],
  [`/fingerprint ${SPELLED}`, { kind: "fingerprint", name: KEY }],
  [`/pm ${KEY} hi there`, { kind: "pm", to: KEY, text: "hi there" }],
  ["/help", { kind: "help" }],
  ["/quit", { kind: "quit" }],
  ["/exit", { kind: "quit" }],
  ["/EXIT", { kind: "quit" }],
];

for (const [line, command] of READ) {
  Deno.test(`parseLine() reads ${JSON.stringify(line)} as ${command.kind}`, () => {
    assertEquals(parseLine(line), command);
  });
}

const REFUSED: readonly (readonly [line: string, hint: string])[] = [
  [" /quit", "Remove the space"],
  ["\t/pm bob secret", "Remove the space"],
  ["\u3000/users", "Remove the space"],
  ["\ufeff/users", "Remove the space"],
  [" //", "Remove the space"],
  ["/", "/help lists the commands"],
  ["/ quit", "/help lists the commands"],
  ["/quti", "Did you mean /quit?"],
  ["/user", "Did you mean /users?"],
  ["/fingerprnt", "Did you mean /fingerprint?"],
  ["/zzzzzzzz", "/help lists the commands"],
  ["/etc/passwd", "/help lists the commands"],
  ["/quit.", "Did you mean /quit?"],
  ["/quit now", "Write /quit."],
  ["/exit now", "Write /exit."],
  ["/users all", "Write /users."],
  ["/help me", "Write /help."],
  ["/pm", "Write /pm <name> <text>."],
  ["/pm bob", "Write /pm <name> <text>."],
  ["/pm bob   ", "Write /pm <name> <text>."],
  ["/session", "Write /session create|join <code>|cancel."],
  ["/session join", "Write /session create|join <code>|cancel."],
  ["/session create now", "Write /session create|join <code>|cancel."],
  ["/session 7KQ2-able-sunset-violin", "Write /session create|join <code>|cancel."],
  ["/trust", "Write /trust <name>."],
  ["/trust bob and carol", "Write /trust <name>."],
  ["/distrust", "Write /distrust <name>."],
  ["/peers all", "Write /peers."],
  ["/verify", "Write /verify <name> [yes]."],
  ["/verify bob no", "Write /verify <name> [yes]."],
  ["/verify bob carol yes", "Write /verify <name> [yes]."],
  [`/verify ${SPELLED.slice(5)}`, "Write /verify <name> [yes]."],
  ["/verfy bob yes", "Did you mean /verify?"],
  ["/fingerprint bob carol", "Write /fingerprint [name]."],
];

for (const [line, hint] of REFUSED) {
  Deno.test(`parseLine() refuses ${JSON.stringify(line)} with what to do`, () => {
    const error = assertThrows(() => parseLine(line), UserError);
    assertEquals(error.code, "badLine");
    assert(error.message.startsWith("Nothing was "), error.message);
    assert(error.hint.includes(hint), error.hint);
    const told = error.message.replace(/\/\w+(?= is used another way)/, "");
    if (line.length > 6) assert(!told.includes(line.trim())); // what was typed may be secret
  });
}

Deno.test("parseLine() sends a line as text only if it is, and `//` only without its first slash", () => {
  fc.assert(fc.property(fc.string({ unit: "binary", size: "max", maxLength: 60 }), (line) => {
    let command: Command;
    try {
      command = parseLine(line);
    } catch (error) {
      assert(error instanceof UserError);
      assert(line.trim().startsWith("/"));
      return;
    }
    if (command.kind !== "say") return;
    if (line.startsWith("//")) assertEquals(command.text, line.slice(1));
    else {
      assertEquals(command.text, line);
      assert(!line.trim().startsWith("/"));
    }
  }));
});

Deno.test("helpLines() names every command and both ways to start a line with a slash", () => {
  const help = helpLines().join("\n");
  for (
    const name of [
      "/pm <name> <text>",
      "/users",
      "/peers",
      "/fingerprint [name]",
      "/verify <name> [yes]",
      "/trust <name>",
      "/distrust <name>",
      "/session create|join <code>|cancel",
      "/help",
      "/quit",
      "/exit",
    ]
  ) {
    assert(help.includes(name), name);
  }
  assert(help.includes("//text"));
  assert(help.includes("from a pipe too"));
  assert(helpLines().every((line) => line.length <= 80));
});
