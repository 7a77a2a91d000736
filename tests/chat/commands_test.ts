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
  ["/rooms", { kind: "rooms" }],
  ["/join den", { kind: "join", room: "den" }],
  ["/join #den", { kind: "join", room: "den" }],
  ["/JOIN  #den ", { kind: "join", room: "den" }],
  ["/join ##den", { kind: "join", room: "#den" }],
  ["/join 部屋", { kind: "join", room: "部屋" }],
  ["/switch #den", { kind: "switch", room: "den" }],
  ["/leave", { kind: "leave" }],
  ["/leave den", { kind: "leave", room: "den" }],
  ["/leave #den", { kind: "leave", room: "den" }],
  ["/room create den", { kind: "create", name: "den", isInviteOnly: false }],
  ["/room create #den", { kind: "create", name: "den", isInviteOnly: false }],
  ["/room  create  den  --invite-only ", { kind: "create", name: "den", isInviteOnly: true }],
  ["/room create create", { kind: "create", name: "create", isInviteOnly: false }],
  ["/invite bob", { kind: "invite", name: "bob" }],
  [`/invite ${SPELLED}`, { kind: "invite", name: KEY }],
  ["/remove bob", { kind: "remove", name: "bob" }],
  [`/remove ${SPELLED}`, { kind: "remove", name: KEY }],
  ["/promote bob", { kind: "promote", name: "bob" }],
  [`/promote ${KEY.toLowerCase()}`, { kind: "promote", name: KEY }],
  ["/members", { kind: "members" }],
  ["/topic", { kind: "topic" }],
  ["/topic ", { kind: "topic" }],
  ["/topic tea  and cake ", { kind: "topic", text: "tea  and cake" }],
  ["/topic none", { kind: "topic", text: "" }],
  ["/topic none of it", { kind: "topic", text: "none of it" }],
  ["/topic /quit", { kind: "topic", text: "/quit" }],
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
  ["/rooms all", "Write /rooms."],
  ["/join", "Write /join <room>."],
  ["/join den attic", "Write /join <room>."],
  ["/switch", "Write /switch <room>."],
  ["/switch den attic", "Write /switch <room>."],
  ["/leave den attic", "Write /leave [room]."],
  ["/room", "Write /room create <name> [--invite-only]."],
  ["/room den", "Write /room create <name> [--invite-only]."],
  ["/room create", "Write /room create <name> [--invite-only]."],
  ["/room create --invite-only", "Write /room create <name> [--invite-only]."],
  ["/room create --invite-only den", "Write /room create <name> [--invite-only]."],
  ["/room create den --invite", "Write /room create <name> [--invite-only]."],
  ["/room create den attic", "Write /room create <name> [--invite-only]."],
  ["/room create den --invite-only --invite-only", "Write /room create <name> [--invite-only]."],
  ["/invite", "Write /invite <name>."],
  ["/invite bob carol", "Write /invite <name>."],
  ["/remove", "Write /remove <name>."],
  ["/remove bob carol", "Write /remove <name>."],
  ["/promote", "Write /promote <name>."],
  ["/promote bob carol", "Write /promote <name>."],
  ["/members den", "Write /members."],
  ["/roms", "Did you mean /rooms?"],
  ["/invte bob", "Did you mean /invite?"],
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

Deno.test("parseLine() gives names of rooms and people that are one word, and never a flag as a name", () => {
  const command = fc.constantFrom("join", "switch", "leave", "room create", "invite", "remove", "promote");
  const words = fc.array(
    fc.oneof(fc.string({ unit: "binary", maxLength: 8 }), fc.constantFrom("#", " ", "--invite-only")),
  );
  fc.assert(fc.property(command, words, (name, rest) => {
    let parsed: Command;
    try {
      parsed = parseLine(`/${name} ${rest.join("")}`);
    } catch (error) {
      assert(error instanceof UserError && error.code === "badLine");
      return;
    }
    const given = "name" in parsed ? parsed.name : "room" in parsed ? parsed.room : undefined;
    if (given === undefined) return assertEquals(parsed, { kind: "leave" });
    assert(!/\s/u.test(given), given);
    if (parsed.kind === "create") assert(!given.startsWith("--"), given);
  }));
});

Deno.test("helpLines() names every command and both ways to start a line with a slash", () => {
  const help = helpLines().join("\n");
  for (
    const name of [
      "/pm <name> <text>",
      "/rooms",
      "/join <room>",
      "/switch <room>",
      "/leave [room]",
      "/room create <name> [--invite-only]",
      "/invite <name>",
      "/remove <name>",
      "/promote <name>",
      "/members",
      "/topic [text|none]",
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
  assertEquals(helpLines().filter((line) => line.length > 80), []);
});
