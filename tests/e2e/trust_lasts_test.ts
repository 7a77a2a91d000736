// Aim: identity, pins, names, trust and ratchets outlast both programs, however they end; a relay that is not the one
// known learns nothing; a copied directory does not run beside its original.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { copyFiles } from "../io/_sealed_dir.ts";
import { assertRefused, clientArgs, Stage, type StagedRelay } from "../support/e2e_stage.ts";
import type { Process } from "../support/process.ts";

async function kill(process: Process): Promise<void> {
  process.signal("SIGKILL");
  await process.exit();
}

/** A relay at a port of its own choosing is another address; this one comes back where the first was. */
async function again(stage: Stage, relay: StagedRelay, dataDir: string): Promise<StagedRelay> {
  return await stage.relay({ dataDir, port: relay.port });
}

Deno.test("a restart of clients and relay, killed at that, keeps identity, names, trust and sessions", async () => {
  await using stage = new Stage();
  const first = await stage.relay();
  const [aliceDir, bobDir] = [await stage.directory(), await stage.directory()];
  const alice = await stage.client(first, "alice", { dataDir: aliceDir });
  const bob = await stage.client(first, "bob", { dataDir: bobDir });
  await alice.process.next("joined");
  await alice.process.send({ type: "pm", to: "bob", text: "one" });
  await bob.process.next("message");
  await bob.process.send({ type: "pm", to: "alice", text: "two" });
  await alice.process.next("message");
  for (const text of ["/verify bob", "/verify bob yes"]) await alice.process.send({ type: "command", line: text });
  await alice.process.next("notice", ({ code }) => code === "verified");
  for (const process of [alice.process, bob.process, first.process]) await kill(process);

  const relay = await again(stage, first, first.dataDir);
  assertEquals(relay.fingerprint, first.fingerprint);
  // Neither name nor key is said: both are remembered.
  const args = [`127.0.0.1:${relay.port}`, "--json", "--data-dir"];
  const bob2 = stage.start("sotto", [...args, bobDir]);
  assertEquals((await bob2.next("ready"))["handle"], "bob");
  const alice2 = stage.start("sotto", [...args, aliceDir]);
  const ready = await alice2.next("ready");
  assertEquals([ready["handle"], ready["fingerprint"]], ["alice", alice.ready["fingerprint"]]);
  assertEquals(ready["members"].map(({ handle, trust }: Record<string, string>) => [handle, trust]), [
    ["bob", "verified"],
  ]);
  await bob2.send({ type: "pm", to: "alice", text: "three" });
  assertEquals((await alice2.next("message"))["text"], "three");
  await alice2.send({ type: "pm", to: "bob", text: "four" });
  assertEquals((await bob2.next("message"))["text"], "four");
});

Deno.test("another relay where a known one was is refused in words nobody can overlook, until it is forgotten", async () => {
  await using stage = new Stage();
  const first = await stage.relay();
  const dataDir = await stage.directory();
  const args = ["--name", "alice", "--data-dir", dataDir];
  const address = `127.0.0.1:${first.port}`;
  assertEquals((await stage.run("sotto", [address, ...args, "--trust-on-first-use"])).code, 0);
  await kill(first.process);

  const impostor = await again(stage, first, `${await stage.directory()}/relay`);
  assert(impostor.fingerprint !== first.fingerprint);
  const forget = `sotto relays forget ${address} --data-dir ${dataDir}`;
  for (const flags of [[], ["--trust-on-first-use"], ["--relay-key", impostor.fingerprint]]) {
    const refused = await stage.run("sotto", [address, ...args, ...flags, "--json"]);
    const { message, hint } = assertRefused(refused, { code: "relayChanged", exit: 4 });
    assertStringIncludes(message, first.fingerprint);
    assertStringIncludes(message, impostor.fingerprint);
    assertStringIncludes(hint, forget);
  }
  const told = await stage.run("sotto", [address, ...args]);
  assertEquals([told.code, told.stdout], [4, ""]);
  const lines = told.stderr.trimEnd().split("\n");
  assertEquals([/^!{70,}$/.test(lines[0] ?? ""), /^!{70,}$/.test(lines.at(-1) ?? "")], [true, true]);
  assertStringIncludes(told.stderr, "HAS CHANGED");

  assertEquals((await stage.run("sotto", forget.split(" ").slice(1))).code, 0);
  assertRefused(await stage.run("sotto", [address, ...args, "--json"]), { code: "relayUnknown", exit: 4 });
  assertEquals((await stage.run("sotto", [address, ...args, "--relay-key", impostor.fingerprint])).code, 0);
  assertEquals((await stage.run("sotto", [address, ...args])).code, 0, "it is known now");
});

Deno.test("a copied data directory is refused beside its original, and as long as that one is linked", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const [dataDir, copy] = [await stage.directory(), `${await stage.directory()}/copy`];
  const alice = await stage.client(relay, "alice", { dataDir });
  assertRefused(await stage.call(relay, "alice", { dataDir }).exit(), { code: "dataDirBusy", exit: 1 });
  await Deno.mkdir(copy, { mode: 0o700 });
  await copyFiles(dataDir, copy);
  assertRefused(await stage.call(relay, "alice", { dataDir: copy }).exit(), { code: "alreadyLinked", exit: 1 });
  await alice.process.send({ type: "say", text: "still here" });
  await alice.process.next("accepted");
});

Deno.test("sotto asks for nothing but the passphrase file where one protects the directory", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const [dataDir, home] = [await stage.directory(), await stage.directory()];
  const [right, wrong] = [`${home}/right`, `${home}/wrong`];
  await Deno.writeTextFile(right, "correct horse\n", { mode: 0o600 });
  await Deno.writeTextFile(wrong, "battery staple\n", { mode: 0o600 });
  const run = (flags: string[], env: Record<string, string> = {}) =>
    stage.run("sotto", [...clientArgs(relay, "alice", { dataDir, flags }), "--json"], { env });
  const print = ({ stdout }: { stdout: string }) => JSON.parse(stdout.split("\n")[0] ?? "")["fingerprint"];
  const made = await run(["--passphrase-file", right]);
  assertEquals(made.code, 0, made.stdout);
  assertEquals([...Deno.readDirSync(dataDir)].map(({ name }) => name).includes("data.key"), false);
  assertEquals(print(await run([], { SOTTO_PASSPHRASE_FILE: right })), print(made));
  for (const flags of [[], ["--passphrase-file", wrong], ["--passphrase-file", `${home}/none`]]) {
    const { message } = assertRefused(await run(flags), { code: "dataDirUnusable", exit: 1 });
    assertEquals(message.includes("battery"), false);
  }
  assertEquals(print(await run(["--passphrase-file", right])), print(made), "nothing was overwritten");
});

Deno.test("sotto leaves a damaged or exposed store alone and says what to do", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const dataDir = await stage.directory();
  const run = () => stage.run("sotto", [...clientArgs(relay, "alice", { dataDir }), "--json"]);
  assertEquals((await run()).code, 0);
  for (const name of ["client.db", "data.key"]) {
    const path = `${dataDir}/${name}`;
    const whole = await Deno.readFile(path);
    assertEquals(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
    for (const damaged of [whole.subarray(0, 30), new Uint8Array(100_000)]) {
      await Deno.writeFile(path, damaged);
      assertStringIncludes(assertRefused(await run(), { code: "dataDirUnusable", exit: 1 })["message"], dataDir);
      assertEquals(await Deno.readFile(path), new Uint8Array(damaged));
    }
    await Deno.writeFile(path, whole);
    await Deno.chmod(path, 0o644);
    assertStringIncludes(assertRefused(await run(), { code: "dataDirUnusable", exit: 1 })["hint"], "chmod 600");
    await Deno.chmod(path, 0o600);
  }
  assertEquals((await run()).code, 0);
});
