// Aim: a passphrase comes from a file or a person, as they meant it; everything else is refused in words.
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { UserError } from "../../lib/bytes/errors.ts";
import { concat, utf8 } from "../../lib/bytes/writer.ts";
import { encodePassphrase } from "../../lib/e2ee/data_key.ts";
import {
  askNewPassphrase,
  askPassphrase,
  NEW_ATTEMPTS_MAX,
  passphraseFileOf,
  readPassphraseFile,
  unlockFrom,
} from "../../lib/io/passphrase.ts";
import { safe } from "../../lib/cli/safe_text.ts";
import { FakeMaskedDevice } from "./_masked_device.ts";
import { change, inTempDir, passphrase, refusedStore, rowsOf, withStore } from "./_sealed_dir.ts";

const IS_POSIX = Deno.build.os !== "windows";

/** Writes a file for its owner alone and gives its path. */
async function fileOf(temp: string, content: string | Uint8Array): Promise<string> {
  const path = `${temp}/passphrase`;
  await Deno.remove(path).catch(() => {});
  await Deno.writeFile(path, typeof content === "string" ? utf8(content) : content, { mode: 0o600 });
  return path;
}

Deno.test("passphraseFileOf() prefers the flag and takes an empty variable for none", () => {
  const env = (value: string | undefined) => ({
    get: (name: string) => name === "SOTTO_PASSPHRASE_FILE" ? value : "no",
  });
  assertEquals(passphraseFileOf("/a", env("/b")), "/a");
  assertEquals(passphraseFileOf(undefined, env("/b")), "/b");
  assertEquals(passphraseFileOf(undefined, env("")), undefined);
  assertEquals(passphraseFileOf(undefined, env(undefined)), undefined);
});

Deno.test("readPassphraseFile() takes the first line, and its spaces, and nothing of its line end", () =>
  inTempDir(async (temp) => {
    const read = async (content: string | Uint8Array) => await readPassphraseFile(await fileOf(temp, content));
    const expected = encodePassphrase(" correct horsé ");
    const endings = ["", "\n", "\r\n", "\nsecond line\n", "\r\n\r\n"];
    for (const end of endings) assertEquals(await read(` correct horsé ${end}`), expected);
    assertEquals(await read("\uFEFF correct horse\u0301 \n".replace("horse\u0301", "horsé")), expected);
    assertEquals(await read(" correct horse\u0301 \n"), expected);
    assertEquals(await read("x".repeat(1_024) + "\n" + "y".repeat(100_000)), encodePassphrase("x".repeat(1_024)));
    assertEquals(await read("\uFEFF" + "x".repeat(1_024) + "\r\n"), encodePassphrase("x".repeat(1_024)));
  }));

Deno.test("readPassphraseFile() refuses what is empty, too long, or no text, and repeats none of it", () =>
  inTempDir(async (temp) => {
    const bad: [string | Uint8Array, string][] = [
      ["", "it is empty"],
      ["\nsesame\n", "it is empty"],
      ["\uFEFF\r\n", "it is empty"],
      ["x".repeat(1_025), "it is too long"],
      ["x".repeat(1_025) + "\n", "it is too long"],
      ["é".repeat(2_047), "it is too long"],
      ["é".repeat(2_048), "more than 4096 bytes"],
      ["x".repeat(50_000), "more than 4096 bytes"],
      [concat(utf8("sesame"), Uint8Array.of(0xff, 0x0a)), "not UTF-8"],
    ];
    for (const [content, why] of bad) {
      const path = await fileOf(temp, content);
      const error = await assertRejects(() => readPassphraseFile(path), UserError, why);
      assertEquals(error.code, "dataDirUnusable");
      assertStringIncludes(error.message, path);
      assertEquals(/sesame|xxx/.test(error.message + error.hint), false);
    }
    await assertRejects(() => readPassphraseFile(`${temp}/none`), UserError, "there is no such file");
    await assertRejects(() => readPassphraseFile(temp), UserError, "it is a directory");
  }));

Deno.test({
  name: "readPassphraseFile() refuses a file that others can read, with the command that helps, and takes a pipe",
  ignore: !IS_POSIX,
  fn: () =>
    inTempDir(async (temp) => {
      const path = await fileOf(temp, "sesame\n");
      for (const mode of [0o640, 0o604, 0o622]) {
        await Deno.chmod(path, mode);
        const error = await assertRejects(() => readPassphraseFile(path), UserError, "others may read it");
        assertEquals(error.hint, `Run: chmod 600 ${path}`);
      }
      await Deno.chmod(path, 0o400);
      assertEquals(await readPassphraseFile(path), encodePassphrase("sesame"));

      const pipe = `${temp}/pipe`;
      await new Deno.Command("mkfifo", { args: ["-m", "600", pipe] }).output();
      const writing = new Deno.Command("sh", { args: ["-c", 'printf sesame >"$0"', pipe] }).output();
      assertEquals(await readPassphraseFile(pipe), encodePassphrase("sesame"));
      await writing;
    }),
});

Deno.test("askPassphrase() and askNewPassphrase() take what a person types, the new one twice", async () => {
  assertEquals(await askPassphrase(new FakeMaskedDevice(["sesame\r"]), safe`Passphrase: `), "sesame");
  const device = new FakeMaskedDevice(["sésame\r", "se\u0301same\r"]);
  assertEquals(await askNewPassphrase(device), encodePassphrase("sésame"));
  assertStringIncludes(device.shown, "New passphrase: ");
  assertStringIncludes(device.shown, "The same again: ");
  assertEquals(device.rawChanges, [true, false]);
});

Deno.test("askNewPassphrase() asks again when the entries differ, and gives up after some times", async () => {
  const second = new FakeMaskedDevice(["one\r", "two\r", "three\r", "three\r"]);
  assertEquals(await askNewPassphrase(second), encodePassphrase("three"));
  assertStringIncludes(second.shown, "They differ. ");
  const never = new FakeMaskedDevice(Array<string>(NEW_ATTEMPTS_MAX).fill("one\rtwo\r"));
  await assertRejects(() => askNewPassphrase(never), UserError, "differed 3 times");
  assertEquals(never.rawChanges, [true, false]);
});

Deno.test("askNewPassphrase() gives nothing when the person gives up, and refuses what is too long", async () => {
  assertEquals(await askNewPassphrase(new FakeMaskedDevice(["\r"])), undefined);
  assertEquals(await askNewPassphrase(new FakeMaskedDevice(["sesame\x03"])), undefined);
  assertEquals(await askNewPassphrase(new FakeMaskedDevice(["sesame\r", "sesame\x03"])), undefined);
  const long = new FakeMaskedDevice(["x".repeat(1_025) + "\r"]);
  await assertRejects(() => askNewPassphrase(long), UserError, "it is too long");
  assertEquals(long.rawChanges, [true, false]);
});

Deno.test("unlockFrom() unlocks a store from a file, and says so when it is the wrong one", () =>
  inTempDir(async (temp) => {
    const path = `${temp}/data`;
    const file = await fileOf(temp, "sesame\n");
    await withStore(path, unlockFrom({ file }), async (store) => {
      assertEquals(store.protection, "passphrase");
      await store.commit([change("t", "k", "kept")]);
    });
    // Nobody is asked where a file was named.
    const device = new FakeMaskedDevice(["sesame\r"]);
    await fileOf(temp, "wrong\n");
    assertStringIncludes(
      (await refusedStore(path, unlockFrom({ file, device }))).message,
      `passphrase in ${file} is wrong`,
    );
    assertEquals(device.shown, "");
    await withStore(
      path,
      passphrase("sesame"),
      async (store) => assertEquals(await rowsOf(store, "t"), [["k", "kept"]]),
    );
  }));

Deno.test("unlockFrom() asks a person again after a wrong passphrase, and never for a new store", () =>
  inTempDir(async (temp) => {
    await withStore(temp, unlockFrom({ device: new FakeMaskedDevice() }), async (store) => {
      assertEquals(store.protection, "keyFile");
      await store.changePassphrase(encodePassphrase("sesame"));
    });
    const device = new FakeMaskedDevice(["wrong\r", "sesame\r"]);
    await withStore(
      temp,
      unlockFrom({ device }),
      (store) => Promise.resolve(assertEquals(store.protection, "passphrase")),
    );
    assertStringIncludes(device.shown, "Wrong. Passphrase: ");
    for (const typed of ["\r", "\x03"]) {
      const error = await refusedStore(temp, unlockFrom({ device: new FakeMaskedDevice([typed]) }));
      assertStringIncludes(error.message, "none was given");
    }
    assertStringIncludes((await refusedStore(temp, unlockFrom({}))).message, "none was given");
  }));
