// Aim: what whoever runs a relay decides holds for real clients: how long names wait, and who may link.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { assertRefused, Stage, type StagedRelay } from "../support/e2e_stage.ts";

const SOME_KEY = "A".repeat(52);

Deno.test("sotto-server --name-ttl frees the name of who is gone for so long, not earlier", async () => {
  await using stage = new Stage();
  const [hasty, patient] = await Promise.all([
    stage.relay({ flags: ["--name-ttl", "0.00001"] }),
    stage.relay({ flags: ["--name-ttl", "0.5"] }),
  ]);
  const cameBy = async (relay: StagedRelay) =>
    await stage.call(relay, "alice", { dataDir: await stage.directory() }).exit();
  const enter = async (relay: StagedRelay) => {
    const { process } = await stage.client(relay, "alice", { dataDir: await stage.directory() });
    return process;
  };
  const first = await Promise.all([hasty, patient].map(enter));
  for (const process of first) await process.closeInput();
  for (const process of first) assertEquals((await process.exit()).code, 0);
  assertRefused(await cameBy(patient), { code: "nameTaken", exit: 1 });
  let code: number;
  let tries = 0;
  do {
    const other = stage.call(hasty, "alice", { dataDir: await stage.directory() });
    await other.closeInput();
    code = (await other.exit()).code;
  } while (code !== 0 && ++tries < 30); // 0.864 s after the first one left
  assertEquals(code, 0);
});

Deno.test("sotto-server --allow lets in those on the list alone, follows the file, and on SIGHUP at once", async () => {
  await using stage = new Stage();
  const [adaDir, benDir, directory] = [await stage.directory(), await stage.directory(), await stage.directory()];
  const file = `${directory}/list.txt`;
  await Deno.writeTextFile(file, "# nobody yet\n");
  const relay = await stage.relay({ flags: ["--allow", file] });

  const refuse = async (name: string, dataDir: string) => {
    const exit = await stage.call(relay, name, { dataDir }).exit();
    const { message, hint } = assertRefused(exit, { code: "refusedCertificate", exit: 4 });
    assertStringIncludes(message, "Ask whoever runs it");
    assert(hint !== "");
    return /[A-Z2-7]{52}/.exec(message)?.[0] as string;
  };
  const [ada, ben] = await Promise.all([refuse("ada", adaDir), refuse("ben", benDir)]);
  await relay.process.next("log", ({ event, level }) => event === "callerNotAllowed" && level === "info");

  await Deno.writeTextFile(file, `# team\n${ada.toLowerCase()}  # ada\n\n${ben?.replace(/(.{4})/g, "$1 ")}\n`);
  await relay.process.next("log", ({ event, fields }) => event === "allowListRead" && fields.allowed === 2);
  const inside = await Promise.all([
    stage.client(relay, "ada", { dataDir: adaDir }),
    stage.client(relay, "ben", { dataDir: benDir }),
  ]);
  assertEquals(inside.map(({ ready }) => ready["fingerprint"]), [ada, ben]);

  await Deno.writeTextFile(file, `${ada}\nnot a fingerprint\n`);
  relay.process.signal("SIGHUP");
  const { fields } = await relay.process.next("log", ({ event }) => event === "allowListNotRead");
  assertEquals(fields, { line: 2, stillAllowed: 2 });

  await Deno.writeTextFile(file, `${ada}\n`);
  relay.process.signal("SIGHUP");
  const [, benProcess] = inside.map(({ process }) => process);
  assert(benProcess !== undefined);
  const said = await benProcess.next("error");
  assertEquals(said["code"], "refusedCertificate");
  assertStringIncludes(said["message"], "not on its list");
  assertEquals((await benProcess.exit()).code, 4);
  await inside[0].process.next("left", ({ handle }) => handle === "ben");
  await refuse("ben", benDir);
  await inside[0].process.send({ type: "users", ref: 1 });
  await inside[0].process.next("users");
  const told = relay.process.printed.join("\n");
  for (const secret of [ada, ben, "ada", "ben"]) assert(!told.includes(secret), "no names without --verbose");
});

Deno.test("sotto-server refuses an --allow file or a --name-ttl that it cannot use, before it listens", async () => {
  await using stage = new Stage();
  const directory = await stage.directory();
  const file = `${directory}/list.txt`;
  await Deno.writeTextFile(file, `${SOME_KEY}\nhunter2\n`);
  const start = (...flags: string[]) =>
    stage.run("sotto-server", [
      ...["--json", "--host", "127.0.0.1", "--port", "0", "--data-dir", `${directory}/relay`],
      ...flags,
    ]);
  const exits = await Promise.all([start("--name-ttl", "0"), start("--name-ttl", "1e3")]);
  for (const exit of exits) assertRefused(exit, { code: "badFlag", exit: 2 });
  const line = assertRefused(await start("--allow", file), { code: "badFlag", exit: 2 });
  assertStringIncludes(line["message"], "line 2");
  assert(!JSON.stringify(line).includes("hunter2"));
  assertRefused(await start("--allow", `${directory}/none`), { code: "badFlag", exit: 2 });
});
