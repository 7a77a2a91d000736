// Aim: without a terminal `sotto` is a line tool: lines in, lines out, commands obeyed, nothing sent by mistake, and the
// end of input sends what is pending.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { clientArgs, Stage } from "../support/e2e_stage.ts";

const STAMP = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`;

Deno.test("sotto in a pipe sends lines, obeys commands, never sends a slip, and exits 0", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const [bob, carol] = await stage.clients(relay, "bob", "carol");
  const lines = [
    "hello\r",
    "/nope hello",
    " /users",
    "//etc/hosts is a path",
    "",
    "/pm bob only for bob",
    "/pm nobody x",
    "/USERS",
    "/fingerprint bob",
    "  indented",
    "last, without an end",
  ];
  const { code, stdout, stderr } = await stage.run("sotto", clientArgs(relay, "alice"), { input: lines.join("\n") });
  assertEquals(code, 0);
  const said = ["hello", "/etc/hosts is a path", "  indented", "last, without an end"];
  for (const reader of [bob, carol]) {
    for (const text of said) assertEquals((await reader.next("message", ({ room }) => room === "lobby"))["text"], text);
  }
  assertEquals((await bob.next("message"))["text"], "only for bob"); // order is kept within a conversation
  await Promise.all([bob.next("left"), carol.next("left")]);
  const counts = [bob, carol].map(({ printedJson }) => printedJson.filter(({ type }) => type === "message").length);
  assertEquals(counts, [5, 4]);

  assertMatch(
    stdout,
    /^Secured with relay stage \([A-Z2-7 ]{64}\): you are alice, in #lobby with bob \[new\], carol \[new\]\.\n/,
  );
  assertStringIncludes(stdout, "* In #lobby with you: 2\n");
  assertStringIncludes(stdout, "* bob is\n");
  assert(!stdout.includes("only for bob"), "one's own lines are not repeated");
  assertEquals(stderr.match(/^!.*$/gm), [
    "! Nothing was sent: there is no such command",
    "! Nothing was sent: the line begins with a space and a slash",
    "! Nobody of that name is here",
  ]);
});

Deno.test("sotto in a pipe prints who comes, goes and speaks, each with a time in UTC", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const alice = stage.start("sotto", clientArgs(relay, "alice"));
  await alice.nextLine((line) => /^Secured with relay stage .* you are alice, in #lobby with nobody yet\.$/.test(line));
  const bob = stage.call(relay, "bob");
  assertMatch(await alice.nextLine((line) => line.includes("joined")), match(String.raw`\* bob joined #lobby \[new\]`));
  await bob.send({ type: "say", text: "hi\nsecond \u001b[31mline\u0007\u202e" });
  await bob.send({ type: "pm", to: "alice", text: "psst" });
  assertMatch(await alice.nextLine((line) => line.includes("hi")), match(String.raw`#lobby bob \[new\]: hi`));
  const second = await alice.nextLine((line) => line.includes("second"));
  assertMatch(second, /^ {2}\| second/);
  // deno-lint-ignore no-control-regex -- the very characters that must not get through
  assert(!/[\u0000-\u001f\u202e]/.test(second), JSON.stringify(second));
  assertMatch(await alice.nextLine((line) => line.includes("psst")), match(String.raw`\(private\) bob \[new\]: psst`));
  await bob.closeInput();
  assertMatch(
    await alice.nextLine((line) => line.includes("left")),
    match(String.raw`\* bob left #lobby \(for good\)`),
  );
  await alice.write("/quit\nnot read any more\n");
  assertEquals((await alice.exit()).code, 0);
});

Deno.test("sotto in a pipe with nothing to read ends at once and was in the room", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const [bob] = await stage.clients(relay, "bob");
  const { code, stdout, stderr } = await stage.run("sotto", clientArgs(relay, "alice"));
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  assertMatch(stdout.split("\n")[0] ?? "", /^Secured with relay stage .* you are alice, in #lobby with bob \[new\]\.$/);
  await bob.next("joined");
  await bob.next("left");
});

function match(rest: string): RegExp {
  return new RegExp(`^${STAMP} ${rest}$`);
}
