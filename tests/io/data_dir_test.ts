// Aim: secrets are for their owner alone, writes are whole, one process at a time, and each refusal says what to do.
import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { UserError } from "../../lib/bytes/errors.ts";
import { utf8 } from "../../lib/bytes/writer.ts";
import { defaultDataDir, openDataDir, SECRET_MAX_BYTES, TEXT_MAX_BYTES } from "../../lib/io/data_dir.ts";

const IS_POSIX = Deno.build.os !== "windows";
const envOf = (values: Record<string, string>) => ({ get: (name: string): string | undefined => values[name] });

/** Runs a test in a directory that is gone afterwards. */
async function inTempDir(run: (path: string) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempDir({ prefix: "sotto-test-" });
  try {
    await run(path);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

async function modeOf(path: string): Promise<string> {
  return ((await Deno.stat(path)).mode ?? 0).toString(8).slice(-3);
}

async function refusal(promise: Promise<unknown>): Promise<UserError> {
  return await assertRejects(() => promise, UserError);
}

Deno.test("defaultDataDir() follows each platform's convention", () => {
  const home = { HOME: "/home/ada" };
  assertEquals(defaultDataDir("client", envOf(home), "linux"), "/home/ada/.local/share/sotto");
  assertEquals(defaultDataDir("relay", envOf(home), "freebsd"), "/home/ada/.local/share/sotto-relay");
  assertEquals(defaultDataDir("client", envOf({ ...home, XDG_DATA_HOME: "/data" }), "linux"), "/data/sotto");
  // The convention says: a relative one is void.
  assertEquals(
    defaultDataDir("client", envOf({ ...home, XDG_DATA_HOME: "data" }), "linux"),
    "/home/ada/.local/share/sotto",
  );
  assertEquals(defaultDataDir("relay", envOf(home), "darwin"), "/home/ada/Library/Application Support/sotto-relay");
  assertEquals(defaultDataDir("client", envOf({ APPDATA: "C:\\Users\\Ada" }), "windows"), "C:\\Users\\Ada\\sotto");
  const error = assertThrows(() => defaultDataDir("client", envOf({}), "linux"), UserError, "HOME is not set");
  assertEquals([error.code, error.hint], ["dataDirUnusable", "Name a directory with --data-dir."]);
});

Deno.test("openDataDir() makes the directory and its files for their owner alone", () =>
  inTempDir(async (temp) => {
    const path = `${temp}/a/b`;
    const dir = await openDataDir(path, { what: "client" });
    await dir.writeSecret("identity", utf8("secret"));
    await dir.writeText("relays.json", "{}");
    await dir.privateFile("log.sqlite");
    if (IS_POSIX) {
      assertEquals(await modeOf(path), "700");
      for (const name of ["identity", "relays.json", "log.sqlite", "lock.sqlite"]) {
        assertEquals(await modeOf(`${path}/${name}`), "600", name);
      }
    }
    assertEquals((await Array.fromAsync(Deno.readDir(path))).filter(({ name }) => name.endsWith(".tmp")), []);
    dir.close();
    dir.close();
  }));

Deno.test("DataDir.readSecret() and readText() give back what was written, or nothing", () =>
  inTempDir(async (temp) => {
    const dir = await openDataDir(temp, { what: "client" });
    assertEquals(await dir.readSecret("identity"), undefined);
    assertEquals(await dir.readText("note"), undefined);
    const secret = crypto.getRandomValues(new Uint8Array(SECRET_MAX_BYTES));
    await dir.writeSecret("identity", secret);
    await dir.writeText("note", "héllo\n");
    assertEquals(await dir.readSecret("identity"), secret);
    assertEquals(await dir.readText("note"), "héllo\n");
    await dir.writeText("empty", "");
    assertEquals(await dir.readText("empty"), "");
    dir.close();
  }));

Deno.test("DataDir.writeSecret() never overwrites unless it is told to", () =>
  inTempDir(async (temp) => {
    const dir = await openDataDir(temp, { what: "client" });
    await dir.writeSecret("identity", utf8("one"));
    assertStringIncludes((await refusal(dir.writeSecret("identity", utf8("two")))).message, "never overwritten");
    assertEquals(await dir.readSecret("identity"), utf8("one"));
    await dir.writeSecret("identity", utf8("two"), { replace: true });
    assertEquals(await dir.readSecret("identity"), utf8("two"));
    dir.close();
  }));

Deno.test("openDataDir() refuses a directory that is in use, and takes it when it is free again", () =>
  inTempDir(async (temp) => {
    const first = await openDataDir(temp, { what: "client" });
    const error = await refusal(openDataDir(temp, { what: "client" }));
    assertEquals(error.code, "dataDirBusy");
    assertStringIncludes(error.message, "another client is using it");
    assertStringIncludes(error.hint, "--ephemeral");
    first.close();
    (await openDataDir(temp, { what: "client" })).close();
  }));

Deno.test("openDataDir() is refused while another process has it, and not after that was killed", () =>
  inTempDir(async (temp) => {
    const module = new URL("../../lib/io/data_dir.ts", import.meta.url).href;
    const script = `${temp}/hold.ts`;
    await Deno.writeTextFile(
      script,
      `import { openDataDir } from ${JSON.stringify(module)};
       await openDataDir(Deno.args[0] as string, { what: "relay" });
       console.log("held");
       setInterval(() => {}, 1_000);`,
    );
    const config = new URL("../../deno.json", import.meta.url).pathname;
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", "--allow-read", "--allow-write", "--config", config, script, `${temp}/data`],
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const reader = child.stdout.getReader();
    await reader.read();
    assertEquals((await refusal(openDataDir(`${temp}/data`, { what: "relay" }))).code, "dataDirBusy");
    child.kill("SIGKILL");
    await child.status;
    await reader.cancel();
    (await openDataDir(`${temp}/data`, { what: "relay" })).close();
  }));

Deno.test("openDataDir() says what is in its way", () =>
  inTempDir(async (temp) => {
    await Deno.writeTextFile(`${temp}/file`, "");
    for (const path of [`${temp}/file`, `${temp}/file/below`]) {
      const error = await refusal(openDataDir(path, { what: "client" }));
      assertEquals(error.code, "dataDirUnusable");
      assertStringIncludes(error.message, "a file is in its way");
      assertStringIncludes(error.hint, "--data-dir");
      assert(error.cause instanceof Error);
    }
    await Deno.mkdir(`${temp}/odd/lock.sqlite`, { recursive: true });
    assertEquals((await refusal(openDataDir(`${temp}/odd`, { what: "client" }))).code, "dataDirUnusable");
    await Deno.mkdir(`${temp}/garbage`);
    await Deno.writeTextFile(`${temp}/garbage/lock.sqlite`, "no database".repeat(100), { mode: 0o600 });
    assertEquals((await refusal(openDataDir(`${temp}/garbage`, { what: "client" }))).code, "dataDirUnusable");
  }));

Deno.test({
  name: "openDataDir() and DataDir.readSecret() refuse loose permissions and name the command that mends them",
  ignore: !IS_POSIX,
  fn: () =>
    inTempDir(async (temp) => {
      const path = `${temp}/my data`;
      const dir = await openDataDir(path, { what: "client" });
      await dir.writeSecret("identity", utf8("secret"));
      for (const mode of [0o640, 0o604, 0o602, 0o601]) {
        await Deno.chmod(`${path}/identity`, mode);
        const error = await refusal(dir.readSecret("identity"));
        assertEquals([error.code, error.hint], ["dataDirUnusable", `Run: chmod 600 '${path}/identity'`]);
      }
      await Deno.chmod(`${path}/identity`, 0o400);
      assertEquals(await dir.readSecret("identity"), utf8("secret"));
      dir.close();
      await Deno.chmod(path, 0o770);
      const error = await refusal(openDataDir(path, { what: "client" }));
      assertEquals([error.code, error.hint], ["dataDirUnusable", `Run: chmod go-w '${path}'`]);
      await Deno.chmod(path, 0o755);
      (await openDataDir(path, { what: "client" })).close();
    }),
});

Deno.test("DataDir.readSecret() and readText() bound what they read", () =>
  inTempDir(async (temp) => {
    const dir = await openDataDir(temp, { what: "client" });
    await Deno.writeFile(`${temp}/identity`, new Uint8Array(SECRET_MAX_BYTES + 1), { mode: 0o600 });
    assertStringIncludes((await refusal(dir.readSecret("identity"))).message, `${SECRET_MAX_BYTES + 1} bytes`);
    await Deno.writeFile(`${temp}/note`, Uint8Array.of(0xff));
    assertStringIncludes((await refusal(dir.readText("note"))).message, "not text");
    await assertRejects(() => dir.writeText("note", "x".repeat(TEXT_MAX_BYTES + 1), { replace: true }), RangeError);
    await Deno.mkdir(`${temp}/folder`);
    assertEquals((await refusal(dir.readText("folder"))).code, "dataDirUnusable");
    dir.close();
  }));

Deno.test("openDataDir() removes what a crash in the middle of a write left, and nothing else", () =>
  inTempDir(async (temp) => {
    const left = `.identity.${crypto.randomUUID()}.tmp`;
    await Deno.writeTextFile(`${temp}/${left}`, "half");
    await Deno.writeTextFile(`${temp}/.notes.tmp`, "somebody's");
    (await openDataDir(temp, { what: "client" })).close();
    const names = (await Array.fromAsync(Deno.readDir(temp))).map(({ name }) => name);
    assertEquals([names.includes(left), names.includes(".notes.tmp")], [false, true]);
  }));

Deno.test("DataDir refuses names that lead out of it, and use after close()", () =>
  inTempDir(async (temp) => {
    const dir = await openDataDir(temp, { what: "client" });
    for (const name of ["", ".", "..", "../x", "a/b", "a\\b", "/etc/passwd", "A", ".hidden"]) {
      await assertRejects(() => dir.readText(name), TypeError, "Cannot use the file name");
    }
    dir.close();
    await assertRejects(() => dir.readText("note"), TypeError, "after it was closed");
  }));
