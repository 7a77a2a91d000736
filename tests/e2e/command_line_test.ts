// Aim: what a person or a script is told when a program cannot start, and the exit code: bad flags, a relay that is none,
// a relay that is another, a port or a directory that cannot be used. Nothing is half done.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { label, lvCat, u8, utf8 } from "../../lib/bytes/writer.ts";
import { encodeHello, LINK_SUITE, linkPrologue, PROTOCOL_VERSION } from "../../lib/link/hello.ts";
import { FakeRelay } from "../support/e2e_fake_relay.ts";
import { assertRefused, clientArgs, Stage } from "../support/e2e_stage.ts";
import type { Exit, ProgramName } from "../support/process.ts";

const SOME_KEY = "A".repeat(52);
const PROGRAMS: readonly ProgramName[] = ["sotto", "sotto-server"];

Deno.test("both programs print help and version on stdout and exit 0", async () => {
  await using stage = new Stage();
  await Promise.all(PROGRAMS.map(async (program) => {
    const [help, version] = await Promise.all(["--help", "--version"].map((flag) => stage.run(program, [flag])));
    assert(help !== undefined && version !== undefined);
    assertEquals([help.code, help.stderr, version.code, version.stderr], [0, "", 0, ""]);
    assertMatch(version.stdout, new RegExp(`^${program} \\d+\\.\\d+\\.\\d+\\n$`));
    assertStringIncludes(help.stdout, "--data-dir DIR");
    assertStringIncludes(help.stdout, "Exit codes:");
  }));
});

Deno.test("both programs refuse unknown flags with a suggestion and exit 2", async () => {
  await using stage = new Stage();
  const dataDir = `${await stage.directory()}/new`;
  await Promise.all(PROGRAMS.map(async (program) => {
    const plain = await stage.run(program, ["--data-dir", dataDir, "--jsn"]);
    assertEquals([plain.code, plain.stdout], [2, ""]);
    assertMatch(plain.stderr, /^! .*--jsn.*\n.*--json/);
    const json = assertRefused(await stage.run(program, ["--json", "--prot", "5"]), { code: "badFlag", exit: 2 });
    assertStringIncludes(json["hint"], "--port");
  }));
  const cases: [ProgramName, string[], string][] = [
    ["sotto", ["--name", "two words"], "nameInvalid"],
    ["sotto", ["--name", "alice", "--room", "a b"], "nameInvalid"],
    ["sotto", ["--name", ""], "badFlag"],
    ["sotto", ["--port", "0"], "badFlag"],
    ["sotto", ["--relay-key", "SHORT"], "badFlag"],
    ["sotto", ["one", "two"], "badFlag"],
    ["sotto-server", ["--port", "65536"], "badFlag"],
    ["sotto-server", ["--host", "192.0.2.1", "--port", "0", "--data-dir", `${dataDir}-host`], "badFlag"],
    ["sotto-server", ["extra"], "badFlag"],
  ];
  await Promise.all(cases.map(async ([program, args, code]) => {
    assertRefused(await stage.run(program, ["--json", ...args]), { code, exit: 2 });
  }));
  assertEquals(await exists(dataDir), false, "a refused command line makes no directory");
});

Deno.test("sotto tells apart: nobody there, no relay, another version", async () => {
  await using stage = new Stage();
  const silent = stage.own(listen(() => {}));
  const closing = stage.own(listen((conn) => conn.close()));
  const shouting = stage.own(listen(async (conn) => void await conn.write(new Uint8Array(4_096).fill(255))));
  const empty = stage.own(listen(async (conn) => void await conn.write(new Uint8Array(4_096))));
  const controller = new AbortController();
  const http = Deno.serve(
    { hostname: "127.0.0.1", port: 0, signal: controller.signal, onListen: () => {} },
    () => new Response("hello"),
  );
  stage.own({ close: () => (controller.abort(), http.finished) });
  const prologue = linkPrologue("relay");
  const card = utf8("future");
  const future = stage.own(
    await FakeRelay.listen({ prologue, hello: encodeHello({ version: PROTOCOL_VERSION + 1, card }) }),
  );
  const otherSuite = stage.own(
    await FakeRelay.listen({
      prologue: lvCat(label("link"), utf8("relay"), u8(LINK_SUITE + 1)),
      hello: encodeHello({ version: PROTOCOL_VERSION, card }),
    }),
  );
  const cases: [string, number, string][] = [
    ["nobody", freePort(), "relayUnreachable"],
    ["a silent server", silent.port, "relayUnreachable"],
    ["one that hangs up", closing.port, "notARelay"],
    ["garbage", shouting.port, "notARelay"],
    ["zeros", empty.port, "notARelay"],
    ["HTTP", http.addr.port, "notARelay"],
    ["a later version", future.port, "wrongVersion"],
    ["another suite", otherSuite.port, "wrongVersion"],
  ];
  await Promise.all(cases.map(async ([what, port, code]) => {
    const exit = await stage.run("sotto", [...clientArgs({ port, fingerprint: SOME_KEY }, "alice"), "--json"]);
    const line = assertRefused(exit, { code, exit: 3 });
    if (what !== "a later version") assertStringIncludes(line["message"], `127.0.0.1:${port}`, what);
  }));
  assertEquals([future.answered, otherSuite.answered], [1, 1]);
  assertEquals([...future.heardAfterAnswer, ...otherSuite.heardAfterAnswer], [], "neither learned who called");
});

Deno.test("sotto says the same to a person: a sentence and a hint on stderr", async () => {
  await using stage = new Stage();
  const port = freePort();
  const { code, stdout, stderr } = await stage.run("sotto", clientArgs({ port, fingerprint: SOME_KEY }, "alice"), {
    input: "hello\n",
  });
  assertEquals([code, stdout], [3, ""]);
  assertMatch(stderr, new RegExp(`^! No relay answers at 127\\.0\\.0\\.1:${port}.*\\n {2}.*\\.\\n$`));
});

Deno.test("sotto gives up a relay that lets nobody in", async () => {
  await using stage = new Stage();
  const mute = stage.own(
    await FakeRelay.listen({
      prologue: linkPrologue("relay"),
      hello: encodeHello({ version: PROTOCOL_VERSION, card: utf8("mute") }),
    }),
  );
  const flags = ["--name", "alice", "--ephemeral", "--json", "--trust-on-first-use"];
  const exit = await stage.run("sotto", [`127.0.0.1:${mute.port}`, ...flags]);
  assertRefused(exit, { code: "linkLost", exit: 3 });
});

Deno.test("sotto without a terminal does not trust a relay by itself, and tells nothing to one that changed", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const impostor = stage.own(
    await FakeRelay.listen({
      prologue: linkPrologue("relay"),
      hello: encodeHello({ version: PROTOCOL_VERSION, card: utf8("stage") }),
    }),
  );
  const base = ["--name", "alice", "--ephemeral", "--json"];
  const [unknown, changed, fake, fakeUnknown, trusting, both] = await Promise.all([
    stage.run("sotto", [`127.0.0.1:${relay.port}`, ...base]),
    stage.run("sotto", [`127.0.0.1:${relay.port}`, ...base, "--relay-key", SOME_KEY]),
    stage.run("sotto", [`127.0.0.1:${impostor.port}`, ...base, "--relay-key", relay.fingerprint]),
    stage.run("sotto", [`127.0.0.1:${impostor.port}`, ...base]),
    stage.run("sotto", ["--port", String(relay.port), ...base, "--trust-on-first-use"]),
    stage.run("sotto", [
      ...[`127.0.0.1:${impostor.port}`, ...base, "--trust-on-first-use"],
      ...["--relay-key", relay.fingerprint.replace(/(.{4})(?=.)/g, "$1-")],
    ]),
  ]);
  const said = assertRefused(unknown, { code: "relayUnknown", exit: 4 });
  assertStringIncludes(said["message"] + said["hint"], relay.fingerprint);
  assertRefused(fakeUnknown, { code: "relayUnknown", exit: 4 });
  for (const exit of [changed, fake, both]) assertRefused(exit, { code: "relayChanged", exit: 4 });
  assertEquals([impostor.answered, impostor.heardAfterAnswer], [3, []], "the impostor never learned who called");
  assertEquals(trusting.code, 0);
  assertEquals(JSON.parse(trusting.stdout.split("\n")[0] as string)["type"], "ready");
});

Deno.test("sotto-server refuses a port in use and a data directory in use, and the first one goes on", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const elsewhere = `${await stage.directory()}/other`;
  const host = ["--json", "--host", "127.0.0.1"];
  const [port, dir] = await Promise.all([
    stage.run("sotto-server", [...host, "--port", String(relay.port), "--data-dir", elsewhere]),
    stage.run("sotto-server", [...host, "--port", "0", "--data-dir", relay.dataDir]),
  ]);
  assertStringIncludes(assertRefused(port, { code: "portInUse", exit: 1 })["message"], String(relay.port));
  assertStringIncludes(assertRefused(dir, { code: "dataDirBusy", exit: 1 })["message"], relay.dataDir);
  await stage.clients(relay, "alice");
});

Deno.test("sotto refuses a data directory in use, an ephemeral one beside it does not care", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const dataDir = await stage.directory();
  const alice = await stage.client(relay, "alice", { dataDir });
  assertRefused(await stage.call(relay, "bob", { dataDir }).exit(), { code: "dataDirBusy", exit: 1 });
  await stage.client(relay, "carol", { flags: ["--data-dir", dataDir] }); // `clientArgs` adds --ephemeral
  alice.process.signal("SIGKILL"); // frees the directory, however it ends
  await alice.process.exit();
  const again = await stage.client(relay, "alice", { dataDir });
  assertEquals(again.ready["fingerprint"], alice.ready["fingerprint"]);
});

Deno.test("both programs refuse a data directory that cannot be used and leave it as it is", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const base = await stage.directory();
  const file = `${base}/file`;
  await Deno.writeTextFile(file, "mine");
  const closed = `${base}/closed`;
  await Deno.mkdir(closed, { mode: 0o500 });
  const open = `${base}/open`;
  await Deno.mkdir(open);
  await Deno.chmod(open, 0o777);
  const places = [file, `${file}/below`, "/dev/null/below", open];
  if (Deno.uid() !== 0) places.push(closed, `${closed}/below`); // root writes anywhere
  await Promise.all(
    places.flatMap((dataDir) => [
      stage.run("sotto", [...clientArgs(relay, "alice", { dataDir }), "--json"]),
      stage.run("sotto-server", ["--json", "--host", "127.0.0.1", "--port", "0", "--data-dir", dataDir]),
    ]).map(async (running) => {
      const { message, hint } = assertRefused(await running, { code: "dataDirUnusable", exit: 1 });
      assert(message !== "" && hint !== "");
    }),
  );
  assertEquals(await Deno.readTextFile(file), "mine");
  assertEquals([...Deno.readDirSync(open)], []);
});

Deno.test("both programs leave a damaged or exposed key alone and say what to do", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const dataDir = await stage.directory();
  await (await stage.client(relay, "alice", { dataDir })).process[Symbol.asyncDispose]();
  relay.process.signal("SIGTERM");
  await relay.process.exit();

  const starts: [string, () => Promise<Exit>][] = [
    [`${dataDir}/data.key`, () => stage.call(relay, "alice", { dataDir }).exit()],
    [
      `${relay.dataDir}/relay.key`,
      () => stage.run("sotto-server", ["--json", "--host", "127.0.0.1", "--port", "0", "--data-dir", relay.dataDir]),
    ],
  ];
  await Promise.all(starts.map(async ([path, start]) => {
    const whole = await Deno.readFile(path);
    assertEquals(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o600);
    const flipped = whole.slice();
    flipped[20] = (flipped[20] as number) ^ 1;
    for (const damaged of [new Uint8Array(0), whole.subarray(0, 30), flipped, new Uint8Array(100_000)]) {
      await Deno.writeFile(path, damaged);
      assertStringIncludes(assertRefused(await start(), { code: "dataDirUnusable", exit: 1 })["message"], dirOf(path));
      assertEquals(await Deno.readFile(path), new Uint8Array(damaged));
    }
    await Deno.writeFile(path, whole);
    await Deno.chmod(path, 0o644);
    assertStringIncludes(assertRefused(await start(), { code: "dataDirUnusable", exit: 1 })["hint"], "chmod 600");
    assertEquals(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o644, "it is left as it is");
  }));

  const names = `${relay.dataDir}/names.json`;
  await Deno.chmod(`${relay.dataDir}/relay.key`, 0o600);
  await Deno.writeTextFile(names, '{"v":1,"names":[{}]}');
  const [, startRelay] = starts[1] as (typeof starts)[number];
  assertStringIncludes(assertRefused(await startRelay(), { code: "dataDirUnusable", exit: 1 })["message"], names);
  assertEquals(await Deno.readTextFile(names), '{"v":1,"names":[{}]}');
});

function dirOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}

Deno.test("sotto --ephemeral leaves no file, and takes the login name where nobody can be asked", async () => {
  await using stage = new Stage();
  const relay = await stage.relay();
  const home = await stage.directory();
  const env = { HOME: home, USER: "caroline" };
  const args = [`127.0.0.1:${relay.port}`, "--relay-key", relay.fingerprint, "--json"];
  const gone = await stage.run("sotto", [...args, "--ephemeral", "--data-dir", `${home}/dir`], { env });
  assertEquals(JSON.parse(gone.stdout.split("\n")[0] as string)["handle"], "caroline");
  assertEquals([gone.code, [...Deno.readDirSync(home)]], [0, []]);

  const kept = await stage.run("sotto", [...args, "--name", "dora"], { env });
  assertEquals(kept.code, 0);
  if (Deno.build.os === "linux") {
    assertEquals((await Deno.stat(`${home}/.local/share/sotto/client.db`)).mode! & 0o777, 0o600);
  }
});

interface Listening {
  readonly port: number;
  close(): Promise<void>;
}

/** Listens and treats each caller the same way; a caller's bytes are read and forgotten. */
function listen(treat: (conn: Deno.TcpConn) => void | Promise<void>): Listening {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving: Promise<unknown>[] = [];
  const serve = async (conn: Deno.TcpConn) => {
    try {
      await treat(conn);
      for (const buffer = new Uint8Array(1_024); await conn.read(buffer) !== null;);
      conn.close();
    } catch {
      // The caller is gone, or was sent away.
    }
  };
  const accepting = (async () => {
    for await (const conn of listener) serving.push(serve(conn));
  })();
  return {
    port: listener.addr.port,
    close: async () => {
      listener.close();
      await accepting;
      await Promise.all(serving);
    },
  };
}

/** A port on which nobody listens. */
function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}

async function exists(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}
