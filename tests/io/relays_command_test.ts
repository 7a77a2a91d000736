// Aim: the relays that are known can be read and forgotten, one at a time, and what they call themselves steers nothing.
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { UserError } from "../../lib/bytes/errors.ts";
import { spellFingerprint } from "../../lib/chat/fingerprint.ts";
import type { RelaysFlags } from "../../lib/cli/flags.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { fingerprintOf, generateIdentity } from "../../lib/e2ee/identity.ts";
import { ClientStore } from "../../lib/io/client_store.ts";
import { openDataDir } from "../../lib/io/data_dir.ts";
import { BoundedWriter } from "../../lib/io/output.ts";
import { runRelaysCommand } from "../../lib/io/relays_command.ts";
import type { Unlock } from "../../lib/io/sealed_key.ts";
import { FakeMaskedDevice } from "./_masked_device.ts";
import { FAST, inTempDir, noPassphrase, passphrase } from "./_sealed_dir.ts";

const MET_MS = 1_767_225_600_000;
const OFFICE = { address: "pc:5001", fingerprint: fingerprintOf(secureRandom(32)), name: "the office" };
const ATTIC = { address: "[::1]:7", fingerprint: fingerprintOf(secureRandom(32)), name: "\x1b[2Jattic\n\u202eevil" };

async function run(flags: RelaysFlags, typed?: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const written = { out: "", err: "" };
  const writerOf = (name: "out" | "err") =>
    new BoundedWriter({
      write: (bytes) => {
        written[name] += new TextDecoder().decode(bytes);
        return Promise.resolve(bytes.length);
      },
    });
  const streams = { out: writerOf("out"), err: writerOf("err") };
  const device = typed && new FakeMaskedDevice(typed);
  const code = await runRelaysCommand(flags, streams, {
    ...FAST,
    env: { get: () => undefined },
    openDevice: () => device,
  });
  await Promise.all([streams.out.drain(), streams.err.drain()]);
  return { code, ...written };
}

/** Opens the store of a directory as a chat would. */
async function withStore<T>(path: string, unlock: Unlock, use: (store: ClientStore) => Promise<T>): Promise<T> {
  const dir = await openDataDir(path, { what: "client" });
  try {
    const store = await ClientStore.open(dir, unlock, FAST);
    try {
      return await use(store);
    } finally {
      await store.close();
    }
  } finally {
    dir.close();
  }
}

/** Makes a directory in which two relays were met. */
async function inhabit(path: string, unlock: Unlock = noPassphrase): Promise<string> {
  const identity = await generateIdentity({ life: "lasting", nowMs: MET_MS });
  const relays = [OFFICE, ATTIC].map(({ address, fingerprint, name }, i) => {
    return { address, pin: { fingerprint, name, firstMetMs: MET_MS + i } };
  });
  await withStore(path, unlock, (store) => store.commit({ identity, relays }));
  return path;
}

async function addressesIn(path: string): Promise<string[]> {
  const { relays } = await withStore(path, noPassphrase, (store) => store.load());
  return relays.map(({ address }) => address);
}

Deno.test("runRelaysCommand() lists one relay a line, in the order in which they were met, and safely", () =>
  inTempDir(async (temp) => {
    const dataDir = await inhabit(`${temp}/data`);
    assertEquals(await run({ action: "list", dataDir, json: false }), {
      code: 0,
      out: [
        `pc:5001  the office  ${spellFingerprint(OFFICE.fingerprint)}  first met 2026-01-01T00:00:00Z\n`,
        `[::1]:7  attic⏎evil  ${spellFingerprint(ATTIC.fingerprint)}  first met 2026-01-01T00:00:00Z\n`,
      ].join(""),
      err: "",
    });
  }));

Deno.test("runRelaysCommand() lists them as JSON, names as they stand but for what steers a terminal", () =>
  inTempDir(async (temp) => {
    const dataDir = await inhabit(`${temp}/data`, passphrase("sesame"));
    const { out } = await run({ action: "list", dataDir, json: true }, ["sesame\r"]);
    // deno-lint-ignore no-control-regex -- these are what must not be there
    assert(!/[\x1b\u202e]/.test(out));
    const v = { v: 1, type: "relay" };
    assertEquals(out.trimEnd().split("\n").map((line) => JSON.parse(line)), [
      { ...v, ...OFFICE, firstMet: "2026-01-01T00:00:00.000Z" },
      { ...v, ...ATTIC, firstMet: "2026-01-01T00:00:00.001Z" },
    ]);
  }));

Deno.test("runRelaysCommand() tells that none is known beside standard output, and nothing in JSON", () =>
  inTempDir(async (temp) => {
    const identity = await generateIdentity({ life: "lasting", nowMs: MET_MS });
    await withStore(temp, noPassphrase, (store) => store.commit({ identity }));
    assertEquals(await run({ action: "list", dataDir: temp, json: false }), {
      code: 0,
      out: "",
      err: "You know no relay yet.\n",
    });
    assertEquals(await run({ action: "list", dataDir: temp, json: true }), { code: 0, out: "", err: "" });
  }));

Deno.test("runRelaysCommand() forgets the one relay that it is told", () =>
  inTempDir(async (temp) => {
    const dataDir = await inhabit(`${temp}/data`);
    for (const address of ["pc:5002", "p:5001", "::1:7", "pc"]) {
      const error = await assertRejects(
        () => run({ action: "forget", dataDir, address }),
        UserError,
        `Cannot forget ${address}: no relay was met there`,
      );
      assertEquals(error.code, "dataDirUnusable");
      const told = error.message + error.hint;
      for (const known of [OFFICE, ATTIC]) assert(!told.includes(known.name) && !told.includes(known.fingerprint));
    }
    assertEquals(await addressesIn(dataDir), [OFFICE.address, ATTIC.address]);

    const { code, out } = await run({ action: "forget", dataDir, address: ATTIC.address });
    assertEquals(code, 0);
    assertStringIncludes(out, "The relay at [::1]:7 is forgotten");
    assertEquals(await addressesIn(dataDir), [OFFICE.address]);
    await assertRejects(
      () => run({ action: "forget", dataDir, address: ATTIC.address }),
      UserError,
      "no relay was met",
    );
  }));

Deno.test("runRelaysCommand() makes nothing where nobody is, and waits for no chat and no passphrase", () =>
  inTempDir(async (temp) => {
    const commands = (dataDir: string): RelaysFlags[] => [
      { action: "list", dataDir, json: true },
      { action: "forget", dataDir, address: OFFICE.address },
    ];
    for (const flags of commands(`${temp}/nothing`)) {
      await assertRejects(() => run(flags), UserError, "There is no identity in");
    }
    assertEquals(await Array.fromAsync(Deno.readDir(temp)), []);

    const dataDir = await inhabit(`${temp}/data`, passphrase("sesame"));
    for (const flags of commands(dataDir)) {
      await withStore(dataDir, passphrase("sesame"), async () => {
        const error = await assertRejects(() => run(flags), UserError, "another client is using it");
        assertEquals(error.code, "dataDirBusy");
      });
      await assertRejects(() => run(flags), UserError, "none was given");
    }
  }));
