// Aim: an identity goes out and comes in whole, protected as the person said; nothing of anybody is lost by mistake, and
// nothing secret is shown.
import { assert, assertEquals, assertNotEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { encodeBase32 } from "@std/encoding/base32";
import { encodeHex } from "@std/encoding/hex";
import { UserError } from "../../lib/bytes/errors.ts";
import { utf8 } from "../../lib/bytes/writer.ts";
import { spellFingerprint } from "../../lib/chat/fingerprint.ts";
import type { IdentityFlags } from "../../lib/cli/flags.ts";
import { wordsToFingerprint } from "../../lib/cli/words.ts";
import { type Certificate, createCertificate } from "../../lib/e2ee/certificate.ts";
import { encodePassphrase } from "../../lib/e2ee/data_key.ts";
import { decodeIdentity, encodeIdentity, generateIdentity, type Identity } from "../../lib/e2ee/identity.ts";
import {
  decodeExportedIdentity,
  encodeExportedIdentity,
  openProtectedIdentity,
  protectIdentity,
} from "../../lib/e2ee/identity_export.ts";
import { type ClientState, ClientStore } from "../../lib/io/client_store.ts";
import { openDataDir } from "../../lib/io/data_dir.ts";
import { EXPORT_MAX_BYTES, runIdentityCommand } from "../../lib/io/identity_command.ts";
import { BoundedWriter } from "../../lib/io/output.ts";
import type { Unlock } from "../../lib/io/sealed_key.ts";
import { FakeMaskedDevice } from "./_masked_device.ts";
import { FAST, inTempDir, noPassphrase, passphrase } from "./_sealed_dir.ts";

const IS_POSIX = Deno.build.os !== "windows";
const MADE_MS = 1_767_225_600_000;

const ada = await generateIdentity({ life: "lasting", nowMs: MADE_MS });
const adaCertificate = await createCertificate(ada, { handle: "ada", createdMs: MADE_MS });
const ben = await generateIdentity({ life: "lasting", nowMs: MADE_MS });
const benCertificate = await createCertificate(ben, { handle: "ben", createdMs: MADE_MS });
/** No output may hold any of them: passphrases, and private keys in any spelling. */
const SECRETS = ["sesame", "swordfish", ...[ada, ben].flatMap(spelledKeys)];

function spelledKeys({ sign, dh, noise }: Identity): string[] {
  return [sign, dh, noise].flatMap(({ privateBytes }) => {
    const latin1 = String.fromCharCode(...privateBytes);
    return [encodeHex(privateBytes), encodeBase32(privateBytes).slice(0, 50), btoa(latin1).slice(0, 40), latin1];
  });
}

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  readonly shown: string;
}

/** Runs a command, with a terminal if something is typed, and looks for secrets in all that is shown. */
async function run(
  flags: IdentityFlags,
  typed?: readonly string[] | FakeMaskedDevice,
  env: Record<string, string> = {},
): Promise<Ran> {
  const device = typed instanceof FakeMaskedDevice ? typed : typed && new FakeMaskedDevice(typed);
  const written = { out: "", err: "" };
  const writerOf = (name: "out" | "err") =>
    new BoundedWriter({
      write: (bytes) => {
        written[name] += new TextDecoder().decode(bytes);
        return Promise.resolve(bytes.length);
      },
    });
  const streams = { out: writerOf("out"), err: writerOf("err") };
  const options = { ...FAST, env: { get: (name: string) => env[name] }, openDevice: () => device };
  try {
    const code = await runIdentityCommand(flags, streams, options);
    await Promise.all([streams.out.drain(), streams.err.drain()]);
    const ran = { code, ...written, shown: device?.shown ?? "" };
    assertNoSecret(Object.values(ran).join("\n"));
    return ran;
  } catch (error) {
    assert(error instanceof UserError, String(error));
    assertNoSecret([error.message, error.hint, ...Object.values(written), device?.shown ?? ""].join("\n"));
    throw error;
  }
}

/** Expects a refusal without a word on standard output. */
async function refused(
  flags: IdentityFlags,
  why: string,
  typed?: readonly string[] | FakeMaskedDevice,
): Promise<UserError> {
  return await assertRejects(() => run(flags, typed), UserError, why);
}

function assertNoSecret(text: string): void {
  for (const secret of SECRETS) assert(!text.includes(secret), "a secret was shown");
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

/** Makes a directory in which somebody has chatted. */
async function inhabit(
  path: string,
  unlock: Unlock = noPassphrase,
  [identity, certificate]: [Identity, Certificate] = [ada, adaCertificate],
): Promise<string> {
  const { fingerprint } = benCertificate;
  await withStore(path, unlock, (store) =>
    store.commit({
      identity,
      certificate,
      relays: [{ address: "pc:5001", pin: { fingerprint, name: "office", firstMetMs: MADE_MS } }],
      chat: {
        sessions: {
          prekeys: utf8("prekeys"),
          forgotten: utf8("forgotten"),
          peers: [{ fingerprint, encoded: utf8("ratchet") }],
        },
        peers: [{
          fingerprint,
          record: { certificate: benCertificate, firstSeenMs: MADE_MS, how: "number", names: ["ben"] },
        }],
        cursors: [{
          relay: fingerprint,
          stream: `inbox/${fingerprint}`,
          generation: "00".repeat(16),
          seq: 7,
          at: MADE_MS,
        }],
      },
    }));
  return path;
}

async function stateOf(path: string, unlock: Unlock = noPassphrase): Promise<ClientState> {
  return await withStore(path, unlock, (store) => store.load());
}

async function identityOf(path: string, unlock?: Unlock): Promise<Uint8Array | undefined> {
  const { identity } = await stateOf(path, unlock);
  return identity && await encodeIdentity(identity);
}

async function secretFile(path: string, content: Uint8Array | string): Promise<string> {
  await Deno.writeFile(path, typeof content === "string" ? utf8(content) : content, { mode: 0o600 });
  return path;
}

async function namesIn(path: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name).toSorted();
}

Deno.test("runIdentityCommand() shows who this is, in letters and words, and what protects it", () =>
  inTempDir(async (temp) => {
    const dataDir = await inhabit(`${temp}/data`);
    const { code, out, err } = await run({ action: "show", dataDir, json: false });
    assertEquals([code, err], [0, ""]);
    const lines = out.split("\n");
    assertEquals(lines[0], "You are ada.");
    assertEquals(lines[1], `  fingerprint  ${spellFingerprint(adaCertificate.fingerprint)}`);
    const words = lines.slice(2, 6).map((line) => line.slice(15)).join(" ").split(/ +/);
    assertEquals(await wordsToFingerprint(words), adaCertificate.fingerprint);
    assertEquals(lines[6], "  made         2026-01-01T00:00:00Z");
    assertEquals(lines[7], `  kept in      ${await Deno.realPath(dataDir)}`);
    assertStringIncludes(out, "a key file beside it, which protects nothing from whoever can read this directory");
    assertStringIncludes(out, "sotto identity passphrase");

    const locked = await inhabit(`${temp}/locked`, passphrase("sesame"));
    const asked = await run({ action: "show", dataDir: locked, json: false }, ["sesame\r"]);
    assertStringIncludes(asked.out, "  protected    by a passphrase\n");
    assert(!asked.out.includes("key file"));
  }));

Deno.test("runIdentityCommand() shows it as one JSON line, also where nobody has chatted under a name", () =>
  inTempDir(async (temp) => {
    const dataDir = await inhabit(`${temp}/data`, passphrase("sesame"));
    const passphraseFile = await secretFile(`${temp}/pass`, "sesame\n");
    const flags: IdentityFlags = { action: "show", dataDir, passphraseFile, json: true };
    const { out } = await run(flags);
    const { words, ...told } = JSON.parse(out);
    assertEquals(out.split("\n").length, 2);
    assertEquals(told, {
      v: 1,
      type: "identity",
      handle: "ada",
      fingerprint: adaCertificate.fingerprint,
      madeAt: "2026-01-01T00:00:00.000Z",
      dataDir: await Deno.realPath(dataDir),
      protection: "passphrase",
    });
    assertEquals(await wordsToFingerprint(words), adaCertificate.fingerprint);
    // The environment names the file too.
    const { passphraseFile: _, ...unnamed } = flags;
    assertEquals((await run(unnamed, undefined, { SOTTO_PASSPHRASE_FILE: passphraseFile })).out, out);

    const nameless = `${temp}/nameless`;
    await withStore(nameless, noPassphrase, (store) => store.commit({ identity: ada }));
    assertEquals(
      "handle" in JSON.parse((await run({ action: "show", dataDir: nameless, json: true })).out),
      false,
    );
    assertStringIncludes((await run({ action: "show", dataDir: nameless, json: false })).out, "You have no name yet");
  }));

Deno.test("runIdentityCommand() makes nothing where nobody is, and says how somebody comes there", () =>
  inTempDir(async (temp) => {
    const nothing = `${temp}/nothing`;
    const commands: IdentityFlags[] = [
      { action: "show", dataDir: nothing, json: false },
      { action: "export", dataDir: nothing, file: `${temp}/x` },
      { action: "passphrase", dataDir: nothing, newPassphraseFile: `${temp}/none` },
    ];
    for (const flags of commands) {
      const error = await refused(flags, `no identity in ${nothing} yet`);
      assertEquals(error.code, "dataDirUnusable");
      assertStringIncludes(error.hint, "sotto HOST");
      assertStringIncludes(error.hint, "sotto identity import FILE");
      assertEquals(await namesIn(temp), []);
    }
    // A directory that is there stays as it is.
    await Deno.mkdir(nothing);
    await refused(commands[0] as IdentityFlags, "no identity");
    assertEquals(await namesIn(nothing), []);
    // A store that died before it had an identity.
    await withStore(nothing, noPassphrase, () => Promise.resolve());
    await refused(commands[0] as IdentityFlags, "no identity");
  }));

Deno.test("runIdentityCommand() finds an identity that an earlier release kept", () =>
  inTempDir(async (temp) => {
    await secretFile(`${temp}/identity.key`, await encodeIdentity(ada));
    const { out } = await run({ action: "show", dataDir: temp, json: true });
    assertEquals(JSON.parse(out).fingerprint, adaCertificate.fingerprint);
  }));

Deno.test("runIdentityCommand() refuses while a chat uses the directory, and a wrong passphrase", () =>
  inTempDir(async (temp) => {
    const dataDir = await inhabit(`${temp}/data`, passphrase("sesame"));
    const other = await secretFile(`${temp}/ben`, await encodeIdentity(ben));
    const file = `${temp}/out`;
    const commands: IdentityFlags[] = [
      { action: "show", dataDir, json: true },
      { action: "export", dataDir, file },
      { action: "import", dataDir, file: other, replace: true },
      { action: "passphrase", dataDir },
    ];
    await withStore(dataDir, passphrase("sesame"), async () => {
      for (const flags of commands) {
        assertEquals((await refused(flags, "another client is using it", [])).code, "dataDirBusy");
      }
    });
    for (const flags of commands) {
      await refused(flags, "the passphrase is wrong", ["swordfish\r", "swordfish\r", "swordfish\r"]);
    }
    assertEquals(await identityOf(dataDir, passphrase("sesame")), await encodeIdentity(ada));
    assertEquals(await namesIn(temp), ["ben", "data"]);
  }));

Deno.test("runIdentityCommand() exports the plain key file without a terminal, with a warning", () =>
  inTempDir(async (temp) => {
    const dataDir = await inhabit(`${temp}/data`);
    const file = `${temp}/ada.id`;
    const { code, out, err } = await run({ action: "export", dataDir, file });
    assertEquals(code, 0);
    assertStringIncludes(out, file);
    assertStringIncludes(err, "Warning: ");
    assertStringIncludes(err, "has no passphrase. Whoever reads it can be you.");
    assertEquals(await Deno.readFile(file), await encodeIdentity(ada));
    if (IS_POSIX) assertEquals(((await Deno.stat(file)).mode ?? 0) & 0o777, 0o600);
    assertEquals(await namesIn(temp), ["ada.id", "data"]);
  }));

Deno.test("runIdentityCommand() exports under the passphrase of a file or of a person", () =>
  inTempDir(async (temp) => {
    const dataDir = await inhabit(`${temp}/data`);
    const exportPassphraseFile = await secretFile(`${temp}/pass`, "sesame\n");
    const first = await run({ action: "export", dataDir, file: `${temp}/a`, exportPassphraseFile });
    const second = await run({ action: "export", dataDir, file: `${temp}/b` }, ["sesame\r", "sesame\r"]);
    assertStringIncludes(second.shown, "Enter alone means no passphrase");
    for (const [{ code, err }, name] of [[first, "a"], [second, "b"]] as const) {
      assertEquals([code, err], [0, ""]);
      const exported = await decodeExportedIdentity(await Deno.readFile(`${temp}/${name}`));
      assert(exported.kind === "protected");
      const opened = await openProtectedIdentity(exported.protectedIdentity, encodePassphrase("sesame"));
      assertEquals(await encodeIdentity(opened), await encodeIdentity(ada));
    }
  }));

Deno.test("runIdentityCommand() exports without a passphrase only for somebody who says so", () =>
  inTempDir(async (temp) => {
    const dataDir = await inhabit(`${temp}/data`);
    const file = `${temp}/ada.id`;
    // Enter and no; Ctrl-C and Ctrl-C; a passphrase, Ctrl-C and Enter.
    for (const typed of [["\r", "no\r"], ["\x03", "\x03"], ["sesame\r", "\x03", "\r"]]) {
      const { code, out, err } = await run({ action: "export", dataDir, file }, typed);
      assertEquals([code, out, err], [1, "", "Nothing was changed.\n"]);
    }
    assertEquals(await namesIn(temp), ["data"]);
    const { code, err, shown } = await run({ action: "export", dataDir, file }, ["\r", "yes\r"]);
    assertEquals(code, 0);
    assertStringIncludes(shown, `whoever reads ${file} can be you`);
    assertStringIncludes(err, "Warning: ");
    assertEquals(await Deno.readFile(file), await encodeIdentity(ada));
  }));

Deno.test("runIdentityCommand() never overwrites what is there, and leaves nothing half written", () =>
  inTempDir(async (temp) => {
    const dataDir = await inhabit(`${temp}/data`);
    const file = `${temp}/taken`;
    await Deno.writeTextFile(file, "mine");
    // Nobody is asked for a passphrase in vain.
    await refused({ action: "export", dataDir, file }, "it exists, and nothing is overwritten", []);
    assertEquals(await Deno.readTextFile(file), "mine");
    await refused({ action: "export", dataDir, file: dataDir }, "it exists", []);
    if (IS_POSIX) {
      await Deno.symlink(`${temp}/nowhere`, `${temp}/link`);
      await refused({ action: "export", dataDir, file: `${temp}/link` }, "it exists");
      await Deno.remove(`${temp}/link`);
    }
    for (const path of [`${temp}/none/x`, `${file}/x`, `${temp}/new/`]) {
      const { hint } = await refused({ action: "export", dataDir, file: path }, "Cannot use");
      assert(!hint.includes("--data-dir"), hint);
    }
    await refused({ action: "export", dataDir, file: `${temp}/${"x".repeat(300)}` }, "Cannot use");
    assertEquals(await namesIn(temp), ["data", "taken"]);
  }));

Deno.test("runIdentityCommand() does not overwrite a file that comes while a passphrase is typed", () =>
  inTempDir(async (temp) => {
    const dataDir = await inhabit(`${temp}/data`);
    const file = `${temp}/late`;
    class LateDevice extends FakeMaskedDevice {
      override async read(): Promise<Uint8Array | null> {
        await Deno.writeTextFile(file, "mine");
        return await super.read();
      }
    }
    await refused({ action: "export", dataDir, file }, "it exists", new LateDevice(["sesame\r", "sesame\r"]));
    assertEquals(await Deno.readTextFile(file), "mine");
    assertEquals(await namesIn(temp), ["data", "late"]);
  }));

Deno.test("runIdentityCommand() imports either kind of file into a directory that is not there yet", () =>
  inTempDir(async (temp) => {
    const from = await inhabit(`${temp}/from`);
    const exportPassphraseFile = await secretFile(`${temp}/pass`, "sesame\n");
    await run({ action: "export", dataDir: from, file: `${temp}/plain` });
    await run({ action: "export", dataDir: from, file: `${temp}/locked`, exportPassphraseFile });
    const imports: [string, IdentityFlags, string[] | undefined][] = [
      ["one", { action: "import", file: `${temp}/plain`, replace: false }, undefined],
      ["two", { action: "import", file: `${temp}/locked`, replace: false }, ["swordfish\r", "sesame\r"]],
      ["three", { action: "import", file: `${temp}/locked`, exportPassphraseFile, replace: false }, undefined],
    ];
    for (const [name, flags, typed] of imports) {
      const dataDir = `${temp}/${name}/deep`;
      const { code, out, shown } = await run({ ...flags, dataDir }, typed);
      assertEquals(code, 0);
      assertStringIncludes(out, `You are now ${spellFingerprint(adaCertificate.fingerprint)}.`);
      assertStringIncludes(out, "a key file beside it, which protects nothing");
      assertEquals(shown.includes(`${temp}/locked has a passphrase of its own.`), typed !== undefined);
      assertEquals(await identityOf(dataDir), await encodeIdentity(ada));
    }
    // A new store takes the passphrase of its own file.
    const dataDir = `${temp}/four`;
    const passphraseFile = await secretFile(`${temp}/own`, "swordfish\n");
    const { out } = await run({ action: "import", dataDir, passphraseFile, file: `${temp}/plain`, replace: false });
    assertStringIncludes(out, "by a passphrase");
    assertEquals(await identityOf(dataDir, passphrase("swordfish")), await encodeIdentity(ada));
  }));

Deno.test("runIdentityCommand() refuses wrong passphrases, damage and what is no identity, and makes nothing", () =>
  inTempDir(async (temp) => {
    const dataDir = `${temp}/data`;
    const file = `${temp}/ada.id`;
    const protectedIdentity = await protectIdentity(ada, encodePassphrase("sesame"), FAST);
    const whole = await encodeExportedIdentity({ kind: "protected", protectedIdentity });
    const flags: IdentityFlags = { action: "import", dataDir, file, replace: false };
    await secretFile(file, whole);
    const wrong = await refused(flags, "the passphrase is wrong", ["swordfish\r", "swordfish\r", "swordfish\r"]);
    assertStringIncludes(wrong.message, file);
    const wrongFile = await secretFile(`${temp}/pass`, "swordfish\n");
    await refused({ ...flags, exportPassphraseFile: wrongFile }, `passphrase in ${wrongFile} is wrong`, ["sesame\r"]);
    for (const typed of [undefined, ["\r"], ["\x03"]]) {
      const { hint } = await refused(flags, "none was given", typed);
      assertStringIncludes(hint, "--export-passphrase-file");
    }
    const damaged: [Uint8Array, string][] = [
      [whole.with(200, 0x55 ^ (whole[200] as number)), "it is damaged"],
      [whole.slice(0, 500), "it is damaged"],
      [(await encodeIdentity(ada)).slice(0, 145), "it is damaged"],
      [new Uint8Array(0), "not a key file of Sotto"],
      [utf8("sesame ".repeat(20)), "not a key file of Sotto"],
      [whole.with(8, 2), "version 2 is unknown"],
      [new Uint8Array(EXPORT_MAX_BYTES + 1), "no identity of Sotto"],
    ];
    for (const [bytes, why] of damaged) {
      await refused({ ...flags, file: await secretFile(`${temp}/damaged`, bytes) }, why, ["sesame\r"]);
    }
    await refused({ ...flags, file: `${temp}/none` }, "there is no such file");
    await refused({ ...flags, file: temp }, "no identity of Sotto");
    const ephemeral = await generateIdentity({ life: "ephemeral", nowMs: MADE_MS });
    const over = await secretFile(`${temp}/over`, await encodeIdentity(ephemeral));
    await refused({ ...flags, file: over }, "made for one run");
    assertEquals(await namesIn(temp), ["ada.id", "damaged", "over", "pass"]);
  }));

Deno.test({
  name: "runIdentityCommand() refuses to import what others can read, with the command that helps",
  ignore: !IS_POSIX,
  fn: () =>
    inTempDir(async (temp) => {
      const file = await secretFile(`${temp}/ada.id`, await encodeIdentity(ada));
      for (const mode of [0o640, 0o604, 0o622]) {
        await Deno.chmod(file, mode);
        const error = await refused(
          { action: "import", dataDir: `${temp}/data`, file, replace: false },
          "others may read it",
        );
        assertEquals(error.hint, `Run: chmod 600 ${file}`);
      }
      assertEquals(await namesIn(temp), ["ada.id"]);
    }),
});

Deno.test("runIdentityCommand() keeps the identity that is there, unless told to replace it", () =>
  inTempDir(async (temp) => {
    const dataDir = await inhabit(`${temp}/data`);
    const before = await stateOf(dataDir);
    assertNotEquals(before.sessions, undefined);
    const own = await secretFile(`${temp}/ada.id`, await encodeIdentity(ada));
    const file = await secretFile(`${temp}/ben.id`, await encodeIdentity(ben));

    const same = await run({ action: "import", dataDir, file: own, replace: true });
    assertEquals(same.code, 0);
    assertStringIncludes(same.out, "holds this identity already: nothing was changed");
    assertEquals(await stateOf(dataDir), before);

    const error = await refused({ action: "import", dataDir, file, replace: false }, "holds another identity");
    assertStringIncludes(error.message, spellFingerprint(adaCertificate.fingerprint));
    for (const lost of ["--replace", "sessions", "trust", "sotto identity export"]) {
      assertStringIncludes(error.hint, lost);
    }
    assertEquals(await stateOf(dataDir), before);

    const { code, out } = await run({ action: "import", dataDir, file, replace: true });
    assertEquals(code, 0);
    assertStringIncludes(out, `You are now ${spellFingerprint(benCertificate.fingerprint)}.`);
    assertStringIncludes(out, "The identity that was here is gone");
    // What was deleted stands in no log either.
    assertEquals((await namesIn(dataDir)).filter((name) => name.startsWith("client.db")), ["client.db"]);
    const after = await stateOf(dataDir);
    assertEquals(after.identity && await encodeIdentity(after.identity), await encodeIdentity(ben));
    assertEquals([after.certificate, after.sessions, after.cursors], [undefined, undefined, []]);
    assertEquals([after.peers, after.relays], [before.peers, before.relays]);
  }));

Deno.test("runIdentityCommand() sets, changes and removes the passphrase at a terminal", () =>
  inTempDir(async (temp) => {
    const dataDir = await inhabit(`${temp}/data`);
    const before = await stateOf(dataDir);
    const flags: IdentityFlags = { action: "passphrase", dataDir };
    const set = await run(flags, ["sesame\r", "sesame\r"]);
    assertEquals([set.code, set.err], [0, ""]);
    assertStringIncludes(set.out, "Nobody can recover it");
    assertEquals((await namesIn(dataDir)).includes("data.key"), false);
    await refused({ action: "show", dataDir, json: false }, "none was given");

    assertEquals((await run(flags, ["sesame\r", "swordfish\r", "swordfish\r"])).code, 0);
    assertEquals(await stateOf(dataDir, passphrase("swordfish")), before);

    // Enter and no, or giving up, changes nothing.
    for (const typed of [["swordfish\r", "\r", "\r"], ["swordfish\r", "\x03", "\x03"]]) {
      assertEquals((await run(flags, typed)).code, 1);
    }
    await refused({ action: "show", dataDir, json: false }, "none was given");

    const removed = await run(flags, ["swordfish\r", "\r", "yes\r"]);
    assertEquals(removed.code, 0);
    assertStringIncludes(removed.shown, "can be you");
    assertStringIncludes(removed.out, "There is no passphrase now.");
    assertEquals(await stateOf(dataDir), before);
  }));

Deno.test("runIdentityCommand() changes the passphrase without a terminal by files alone", () =>
  inTempDir(async (temp) => {
    const dataDir = await inhabit(`${temp}/data`, passphrase("sesame"));
    const passphraseFile = await secretFile(`${temp}/old`, "sesame\n");
    const newPassphraseFile = await secretFile(`${temp}/new`, "swordfish\n");
    const error = await refused({ action: "passphrase", dataDir, passphraseFile }, "there is no terminal");
    assertEquals(error.code, "badFlag");
    await refused({ action: "passphrase", dataDir, newPassphraseFile }, "none was given");
    await refused({ action: "passphrase", dataDir, passphraseFile: newPassphraseFile, newPassphraseFile }, "is wrong");
    if (IS_POSIX) {
      await Deno.chmod(newPassphraseFile, 0o644);
      await refused({ action: "passphrase", dataDir, passphraseFile, newPassphraseFile }, "others may read it");
      await Deno.chmod(newPassphraseFile, 0o600);
    }
    assertEquals(await identityOf(dataDir, passphrase("sesame")), await encodeIdentity(ada));
    assertEquals((await run({ action: "passphrase", dataDir, passphraseFile, newPassphraseFile })).code, 0);
    assertEquals(await identityOf(dataDir, passphrase("swordfish")), await encodeIdentity(ada));
  }));

Deno.test("runIdentityCommand() goes a whole way: export, another machine, import, and the same person is there", () =>
  inTempDir(async (temp) => {
    const file = `${temp}/ada.id`;
    await run({ action: "export", dataDir: await inhabit(`${temp}/here`), file }, ["sesame\r", "sesame\r"]);
    await run({ action: "import", dataDir: `${temp}/there`, file, replace: false }, ["sesame\r"]);
    const { out } = await run({ action: "show", dataDir: `${temp}/there`, json: true });
    assertEquals(JSON.parse(out).fingerprint, adaCertificate.fingerprint);
    await run({ action: "export", dataDir: `${temp}/there`, file: `${temp}/again` });
    assertEquals(await decodeIdentity(await Deno.readFile(`${temp}/again`)), ada);
  }));
