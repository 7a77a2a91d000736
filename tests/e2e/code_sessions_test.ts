// Aim: `sotto session` as people and scripts run it: create, join, talk, quit; every way to miss each other has its line
// and its exit code, and the code never stands in a command line.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { clientArgs, type ClientStart, Stage, type StagedRelay } from "../support/e2e_stage.ts";
import type { Exit, JsonLine, Process } from "../support/process.ts";
import { RecordingProxy } from "../support/proxy.ts";

const FINGERPRINT = /^[A-Z2-7]{52}$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** Starts one end of a session, with JSON lines. */
function session(
  stage: Stage,
  action: "create" | "join",
  relay: StagedRelay,
  name: string,
  options: ClientStart = {},
): Process {
  return stage.start("sotto", ["session", action, ...clientArgs(relay, name, options), "--json"], options);
}

/** Two who have met. */
async function met(stage: Stage, relay: StagedRelay, options: { readonly ada?: ClientStart } = {}) {
  const ben = session(stage, "create", relay, "ben");
  const { code } = await ben.next("waiting");
  const ada = session(stage, "join", relay, "ada", { ...options.ada, env: { SOTTO_CODE: code } });
  await Promise.all([ada.next("secured"), ben.next("secured")]);
  return { ada, ben, code: code as string };
}

function withOtherWords(code: string): string {
  const [mailbox, ...words] = code.split("-");
  return [mailbox, words[0] === "able" ? "zoo" : "able", ...words.slice(1)].join("-");
}

function typesOf(exit: Exit): string[] {
  return exit.stdout.split("\n").filter((line) => line !== "").map((line) => {
    const { type, code } = JSON.parse(line) as JsonLine;
    return type === "error" || type === "notice" ? `${type} ${code}` : type;
  });
}

Deno.test("sotto session: the JSON contract of two who meet, talk and part", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const ben = session(stage, "create", relay, "ben");
  const waiting = await ben.next("waiting");
  assertEquals(Object.keys(waiting), ["v", "type", "code", "expiresAt"]);
  assertMatch(waiting["code"], /^[0-9A-HJKMNP-TV-Z]{4}(-[a-z]{3,8}){3}$/);
  assertMatch(waiting["expiresAt"], TIME);
  const minutes = (Date.parse(waiting["expiresAt"]) - Date.now()) / 60_000;
  assert(minutes > 5 && minutes <= 10, String(minutes));

  const ada = session(stage, "join", relay, "ada");
  await ada.send({ type: "session", action: "join", code: waiting["code"] });
  const [adas, bens] = [await ada.next("secured"), await ben.next("secured")];
  assertEquals(Object.keys(bens), ["v", "type", "with", "fingerprint", "trust", "path"]);
  assertEquals([bens["with"], bens["trust"], bens["path"]], ["ada", "verified", "relay"]);
  assertMatch(bens["fingerprint"], FINGERPRINT);
  assertEquals([adas["with"], adas["trust"], adas["path"]], ["ben", "verified", "relay"]);

  await ada.send({ type: "say", text: "hello ben", ref: 7 });
  const accepted = await ada.next("accepted");
  assertEquals([accepted["to"], accepted["ref"]], ["ben", 7]);
  const message = await ben.next("message");
  assertEquals(
    [message["to"], message["from"], message["trust"], message["text"], message["fingerprint"]],
    ["ben", "ada", "verified", "hello ben", bens["fingerprint"]],
  );
  await ben.send({ type: "say", text: "hello ada" });
  assertEquals((await ada.next("message"))["text"], "hello ada");
  await ada.send({ type: "quit" });
  const [adaEnd, benEnd] = [await ada.exit(), await ben.exit()];
  assertEquals([adaEnd.code, adaEnd.stderr, benEnd.code, benEnd.stderr], [0, "", 0, ""]);
  assertEquals(typesOf(adaEnd), ["secured", "accepted", "message", "bye"]);
  assertEquals(typesOf(benEnd), ["waiting", "peerJoined", "secured", "message", "accepted", "notice peerLeft", "bye"]);
});

Deno.test("sotto session join takes the code from the first line of a pipe, and the rest as lines", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const ben = stage.start("sotto", ["session", "create", ...clientArgs(relay, "ben")]);
  const shown = await ben.nextLine((line) => line.startsWith("The code is "));
  const code = shown.slice("The code is ".length);
  const exit = await stage.run("sotto", ["session", "join", ...clientArgs(relay, "ada")], {
    input: `${code.toUpperCase().replaceAll("-", " ")}\nfirst\nsecond\n`,
  });
  assertEquals([exit.code, exit.stderr], [0, ""]);
  assertMatch(exit.stdout, /^Secured with ben \[verified\], through the relay/m);
  const end = await ben.exit();
  assertEquals([end.code, end.stderr], [0, ""]);
  const texts = end.stdout.split("\n").flatMap((line) => /\(private\) ada \[verified\]: (.*)$/.exec(line)?.[1] ?? []);
  assertEquals(texts, ["first", "second"]);
  assertStringIncludes(end.stdout, "ada left the session");
});

Deno.test("sotto session join with a wrong code: both are told, both exit 4, the code is burnt", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const ben = session(stage, "create", relay, "ben");
  const { code } = await ben.next("waiting");
  const ada = await session(stage, "join", relay, "ada", { env: { SOTTO_CODE: withOtherWords(code) } }).exit();
  const benEnd = await ben.exit();
  assertEquals([ada.code, ada.stderr, benEnd.code, benEnd.stderr], [4, "", 4, ""]);
  assertEquals(typesOf(ada), ["wrongCode", "error noSession"]);
  assertEquals(typesOf(benEnd), ["waiting", "peerJoined", "wrongCode", "error noSession"]);
  const late = await session(stage, "join", relay, "late", { env: { SOTTO_CODE: code } }).exit();
  assertEquals([late.code, typesOf(late)], [4, ["taken", "error noSession"]]);
});

Deno.test("sotto session join by a third: it is told that the session is taken, and the two go on", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const { ada, ben, code } = await met(stage, relay);
  const carol = await stage.run("sotto", ["session", "join", ...clientArgs(relay, "carol")], { input: code + "\n" });
  assertEquals([carol.code, carol.stdout], [4, ""]);
  assertStringIncludes(carol.stderr, "two people have it already");
  await ada.send({ type: "say", text: "only us" });
  assertEquals((await ben.next("message"))["text"], "only us");
});

Deno.test("sotto session join without a code, or with a typo in it, sends nothing and exits 4", async () => {
  await using stage = new Stage();
  const args = ["session", "join", "127.0.0.1:1", "--name", "ada", "--ephemeral", "--trust-on-first-use"];
  for (
    const [input, message] of [
      ["", "There is no code"],
      ["7KQ2-able-sunst-violin\n", "word 2 is not in the list; did you mean sunset?"],
      ["hello\n", "a code has four parts, this has 1"],
      [`${"x".repeat(4_000)}\n`, "longer than any code"],
    ] as const
  ) {
    const exit = await stage.run("sotto", args, { input });
    assertEquals([exit.code, exit.stdout], [4, ""], message);
    assertStringIncludes(exit.stderr, message);
  }
  const json = await stage.run("sotto", [...args, "--json"], { input: '{"type":"say","text":"hi"}\n' });
  assertEquals([json.code, typesOf(json)], [4, ["error noSession"]]);
});

Deno.test("sotto session join of a code that nobody made exits 4", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const exit = await session(stage, "join", relay, "ada", { env: { SOTTO_CODE: "7KQ2-able-sunset-violin" } }).exit();
  assertEquals([exit.code, typesOf(exit)], [4, ["error noSession"]]);
  assertStringIncludes(exit.stdout, "there is no session under that code on this relay");
});

Deno.test("sotto session: a relay that is killed leaves named lines and exit 3", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const proxy = stage.own(new RecordingProxy(relay.port));
  const { ada, ben } = await met(stage, relay, { ada: { port: proxy.port } });
  proxy.hold("toRelay");
  await ada.send({ type: "say", text: "one", ref: 1 });
  await ada.send({ type: "say", text: "two", ref: 2 });
  await ada.send({ type: "nonsense", ref: "read" });
  await ada.next("error", ({ ref }) => ref === "read"); // what stands before it was read
  relay.process.signal("SIGKILL");
  const [adaEnd, benEnd] = [await ada.exit(), await ben.exit()];
  assertEquals([adaEnd.code, benEnd.code], [3, 3]);
  assertEquals(typesOf(adaEnd).slice(-4), ["error unsent", "error unsent", "error linkLost", "bye"]);
  assertStringIncludes(adaEnd.stdout, "Not sent to ben: one");
  assertEquals(typesOf(benEnd).slice(-2), ["error linkLost", "bye"]);
});

Deno.test("sotto session: a peer whose cable is pulled is told of, exit 3", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const { ada, ben } = await met(stage, relay);
  ada.signal("SIGKILL");
  const end = await ben.exit();
  assertEquals([end.code, typesOf(end).slice(-3)], [3, ["notice peerLeft", "error linkLost", "bye"]]);
  assertStringIncludes(end.stdout, "The connection of ada broke");
});

Deno.test("sotto session: a relay that is lost before anybody came exits 4, a signal 0", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const [ben, carol] = [session(stage, "create", relay, "ben"), session(stage, "create", relay, "carol")];
  await Promise.all([ben.next("waiting"), carol.next("waiting")]);
  carol.signal("SIGTERM");
  assertEquals((await carol.exit()).code, 0);
  relay.process.signal("SIGKILL");
  const end = await ben.exit();
  assertEquals([end.code, typesOf(end)], [4, ["waiting", "error noSession"]]);
});

Deno.test("the same two meet again in a room without a code, verified", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const dirs = { ada: `${await stage.directory()}/ada`, ben: `${await stage.directory()}/ben` };
  const ben = session(stage, "create", relay, "ben", { dataDir: dirs.ben });
  const { code } = await ben.next("waiting");
  const ada = session(stage, "join", relay, "ada", { dataDir: dirs.ada, env: { SOTTO_CODE: code } });
  await Promise.all([ada.next("secured"), ben.next("secured")]);
  await ada.send({ type: "quit" });
  await Promise.all([ada.exit(), ben.exit()]);
  const { process: benAgain } = await stage.client(relay, "ben", { dataDir: dirs.ben });
  const { process: adaAgain } = await stage.client(relay, "ada", { dataDir: dirs.ada });
  await adaAgain.send({ type: "pm", to: "ben", text: "no code this time" });
  const message = await benAgain.next("message");
  assertEquals([message["text"], message["trust"]], ["no code this time", "verified"]);
});

Deno.test("/session inside the chat, by JSON lines", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const [ada, ben, cleo] = await stage.clients(relay, "ada", "ben", "cleo");
  await ben.send({ type: "session", action: "create", ref: "c" });
  const { code, ref } = await ben.next("waiting");
  assertEquals(ref, "c");
  await ada.send({ type: "command", line: `/session join ${code}` });
  await Promise.all([ada.next("secured"), ben.next("secured")]);
  await ada.send({ type: "pm", to: "ben", text: "verified now" });
  assertEquals((await ben.next("message", ({ to }) => to === "ben"))["trust"], "verified");
  await cleo.send({ type: "session", action: "join", code, ref: 9 });
  const [taken, error] = [await cleo.next("taken"), await cleo.next("error")];
  assertEquals([Object.keys(taken), error["code"], error["ref"]], [["v", "type"], "noSession", 9]);
  await ada.send({ type: "session", action: "join", code, ref: 10 }); // her one try is made
  assertEquals((await ada.next("error"))["ref"], 10);
});
