// Aim: a private relay lets in who has its invitation and nobody else, and both sides are told in words what to do.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { assertRefused, clientArgs, Stage } from "../support/e2e_stage.ts";

async function invite(stage: Stage, dataDir: string, ...flags: string[]): Promise<string> {
  const { code, stdout, stderr } = await stage.run("sotto-server", ["invite", "--data-dir", dataDir, ...flags]);
  assertEquals(code, 0, stderr);
  assertMatch(stdout, /^sotto-invite-[a-z2-7]{85}\n$/);
  assertStringIncludes(stderr, "secret");
  return stdout.trim();
}

Deno.test("sotto joins a private relay with the invitation, and not with a wrong one, a mistyped one, or none", async () => {
  await using stage = new Stage();
  const directory = await stage.directory();
  const dataDir = `${directory}/relay`;
  const text = await invite(stage, dataDir); // before the relay has ever run
  const [relay, open] = await Promise.all([stage.relay({ dataDir }), stage.relay()]);
  const other = await invite(stage, `${directory}/another-relay`);
  const mistyped = text.slice(0, -5) + (text.at(-5) === "a" ? "b" : "a") + text.slice(-4);
  const texts = { right: `${text}\n`, other, mistyped };
  for (const [name, content] of Object.entries(texts)) await Deno.writeTextFile(`${directory}/${name}`, content);

  const args = (port: number) => [`127.0.0.1:${port}`, "--ephemeral", "--json", "--name"];
  const withFile = (name: string) => ["--invite-file", `${directory}/${name}`];
  const { process: ada, ready } = await stage.client(relay, "ada", { flags: withFile("right") });
  assertEquals([ready["relay"], ready["members"]], [{ name: "stage", fingerprint: relay.fingerprint }, []]);

  const run = (...all: string[]) => stage.run("sotto", all);
  const [ben, wrong, typo, none, unknown, missing, elsewhere, both] = await Promise.all([
    run(...args(relay.port), "ben", ...withFile("right")),
    run(...args(relay.port), "eve", ...withFile("other")),
    run(...args(relay.port), "eve", ...withFile("mistyped")),
    run(...clientArgs(relay, "eve"), "--json"),
    run(...args(relay.port), "eve", "--trust-on-first-use"),
    run(...args(relay.port), "eve", ...withFile("nowhere")),
    run(...args(open.port), "eve", ...withFile("right")),
    run(...args(relay.port), "eve", ...withFile("right"), "--relay-key", open.fingerprint),
  ]);
  assertEquals(ben.code, 0, ben.stdout);
  await ada.next("joined", ({ handle }) => handle === "ben");
  assertRefused(wrong, { code: "relayChanged", exit: 4 }); // its invitation names another relay
  for (const exit of [typo, missing, both]) assertRefused(exit, { code: "badFlag", exit: 2 });
  for (const exit of [none, unknown]) {
    const line = assertRefused(exit, { code: "notInvited", exit: 4 });
    assertStringIncludes(line["hint"], "--invite-file");
    assert(!JSON.stringify(line).includes("stage"), "nobody learns its name");
  }
  assertStringIncludes(assertRefused(elsewhere, { code: "notARelay", exit: 3 })["message"], "takes no invitations");
  for (const exit of [wrong, typo, none, both]) assert(!exit.stdout.includes(text.slice(20, 40)), "it is a secret");
  const seen = ada.printedJson.filter(({ type }) => type === "joined").map(({ handle }) => handle);
  assertEquals(seen, ["ben"], "eve was never in");
});

Deno.test("sotto-server invite beside a running relay makes it private, and --new makes the old invitation void", async () => {
  await using stage = new Stage();
  const directory = await stage.directory();
  const relay = await stage.relay();
  const [early] = await stage.clients(relay, "early");
  const first = await invite(stage, relay.dataDir);
  assertEquals((await early.next("error"))["code"], "notInvited"); // it calls again, and the relay is private now
  assertEquals((await early.exit()).code, 4);
  assertRefused(await stage.call(relay, "early").exit(), { code: "notInvited", exit: 4 });

  const [oldFile, newFile] = [`${directory}/old`, `${directory}/new`];
  await Deno.writeTextFile(oldFile, first);
  assertEquals(await invite(stage, relay.dataDir), first);
  const { process: ada } = await stage.client(relay, "ada", { flags: ["--invite-file", oldFile] });
  await Deno.writeTextFile(newFile, await invite(stage, relay.dataDir, "--new"));
  relay.process.signal("SIGHUP"); // need not wait for the relay to look
  assertStringIncludes((await ada.next("link"))["why"], "new invitation");
  assertEquals((await ada.next("error"))["code"], "notInvited");
  const flags = ["--invite-file", oldFile];
  const line = assertRefused(await stage.call(relay, "ada", { flags }).exit(), { code: "notInvited", exit: 4 });
  assertStringIncludes(line["message"], "does not take this invitation");
  await stage.client(relay, "bea", { flags: ["--invite-file", newFile] });
  assertEquals((await Deno.stat(`${relay.dataDir}/invite.token`)).mode! & 0o777, 0o600);
});
