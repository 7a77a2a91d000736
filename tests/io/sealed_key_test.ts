// Aim: the right secret opens a store at every moment of its life, a wrong one never does, and no key is ever lost to a
// crash or overwritten.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import { type Bytes, utf8 } from "../../lib/bytes/writer.ts";
import { encodePassphrase } from "../../lib/e2ee/data_key.ts";
import { openDataDir } from "../../lib/io/data_dir.ts";
import { KEY_FILE_NAME, type Unlock, UNLOCK_ATTEMPTS_MAX, type UnlockRequest } from "../../lib/io/sealed_key.ts";
import { SealedStore } from "../../lib/io/sealed_store.ts";
import {
  change,
  copyFiles,
  inTempDir,
  noPassphrase,
  passphrase,
  peek,
  refusedStore,
  rowsOf,
  tamper,
  withStore,
} from "./_sealed_dir.ts";

const IS_POSIX = Deno.build.os !== "windows";
const ROW = change("t", "k", "kept");

/** Expects that the row is there under this unlock. */
async function opens(path: string, unlock: Unlock): Promise<void> {
  await withStore(path, unlock, async (store) => assertEquals(await rowsOf(store, "t"), [["k", "kept"]]));
}

function hasKeyFile(path: string): boolean {
  return [...Deno.readDirSync(path)].some(({ name }) => name === KEY_FILE_NAME);
}

/** Answers in turn, and remembers what it was asked. */
function answers(...given: readonly (string | undefined)[]): { unlock: Unlock; asked: UnlockRequest[] } {
  const asked: UnlockRequest[] = [];
  const unlock = (request: UnlockRequest): Promise<Bytes | undefined> => {
    const text = given[asked.push(request) - 1];
    return Promise.resolve(text === undefined ? undefined : encodePassphrase(text));
  };
  return { unlock, asked };
}

Deno.test("SealedStore.open() asks once to create and once to open", () =>
  inTempDir(async (path) => {
    const first = answers("sesame");
    await withStore(path, first.unlock, async (store) => {
      assertEquals(store.protection, "passphrase");
      await store.commit([ROW]);
    });
    assertEquals(first.asked, [{ kind: "create", failures: 0 }]);
    assert(!hasKeyFile(path));
    const second = answers("wrong", "sesame");
    await opens(path, second.unlock);
    assertEquals(second.asked, [{ kind: "open", failures: 0 }, { kind: "open", failures: 1 }]);
  }));

Deno.test("SealedStore.open() gives up after some wrong passphrases, and when none is given", () =>
  inTempDir(async (path) => {
    await withStore(path, passphrase("sesame"), (store) => store.commit([ROW]));
    const wrong = answers(...Array<string>(UNLOCK_ATTEMPTS_MAX + 1).fill("wrong"));
    const error = await refusedStore(path, wrong.unlock);
    assertEquals([error.code, wrong.asked.length], ["dataDirUnusable", UNLOCK_ATTEMPTS_MAX]);
    assertStringIncludes(error.message, "the passphrase is wrong");
    const none = await refusedStore(path, noPassphrase);
    assertStringIncludes(none.message, "none was given");
    assertStringIncludes(none.hint, "--passphrase-file");
    await opens(path, passphrase("sesame"));
  }));

Deno.test("SealedStore.open() makes a key file without a passphrase, and asks nothing later", () =>
  inTempDir(async (path) => {
    await withStore(path, noPassphrase, async (store) => {
      assertEquals(store.protection, "keyFile");
      await store.commit([ROW]);
    });
    if (IS_POSIX) assertEquals(((await Deno.stat(`${path}/${KEY_FILE_NAME}`)).mode ?? 0) & 0o777, 0o600);
    const none = answers();
    await opens(path, none.unlock);
    assertEquals(none.asked, []);
  }));

Deno.test("SealedStore.open() refuses a key file that is missing, damaged, of another store, or open to others", () =>
  inTempDir(async (temp) => {
    const [path, other] = [`${temp}/a`, `${temp}/b`];
    for (const dir of [path, other]) await withStore(dir, noPassphrase, (store) => store.commit([ROW]));
    const file = `${path}/${KEY_FILE_NAME}`;
    const key = await Deno.readFile(file);

    await Deno.remove(file);
    assertStringIncludes((await refusedStore(path, noPassphrase)).message, "data.key is missing");
    assert(!hasKeyFile(path));
    await Deno.copyFile(`${other}/${KEY_FILE_NAME}`, file);
    assertStringIncludes((await refusedStore(path, noPassphrase)).message, "belongs to another");
    for (const bytes of [key.subarray(1), key.subarray(0, 40), utf8("")]) {
      await Deno.writeFile(file, bytes);
      assertStringIncludes((await refusedStore(path, noPassphrase)).message, `${file} is damaged`);
      assertEquals(await Deno.readFile(file), new Uint8Array(bytes));
    }
    await Deno.writeFile(file, key);
    if (IS_POSIX) {
      await Deno.chmod(file, 0o644);
      assertEquals((await refusedStore(path, noPassphrase)).hint, `Run: chmod 600 ${file}`);
      await Deno.chmod(file, 0o600);
    }
    await opens(path, noPassphrase);
  }));

Deno.test("SealedStore.open() tells a damaged wrap from a wrong passphrase", () =>
  inTempDir(async (path) => {
    await withStore(path, passphrase("sesame"), (store) => store.commit([ROW]));
    const [{ value: wrap }] = peek(path, "SELECT value FROM wrap") as [{ value: Bytes }];
    for (let i = 0; i < wrap.length; i += 13) {
      const flipped = wrap.slice();
      flipped[i] = (flipped[i] as number) ^ 1;
      tamper(path, "UPDATE wrap SET value = ?", flipped);
      const asked = answers("sesame");
      assertStringIncludes((await refusedStore(path, asked.unlock)).message, "client.db is damaged");
      assertEquals(asked.asked, []);
    }
    tamper(path, "DELETE FROM wrap");
    assertStringIncludes((await refusedStore(path, passphrase("sesame"))).message, "client.db is damaged");
    tamper(path, "INSERT INTO wrap VALUES (1, ?)", wrap);
    await opens(path, passphrase("sesame"));
  }));

Deno.test("SealedStore.changePassphrase() changes what opens it, and nothing else", () =>
  inTempDir(async (path) => {
    await withStore(path, noPassphrase, (store) => store.commit([ROW]));
    const before = peek(path, "SELECT * FROM rows");
    await withStore(path, noPassphrase, async (store) => {
      await store.changePassphrase(encodePassphrase("first"));
      assertEquals(store.protection, "passphrase");
    });
    assert(!hasKeyFile(path));
    await opens(path, passphrase("first"));
    await withStore(path, passphrase("first"), async (store) => {
      await Promise.all([
        store.changePassphrase(encodePassphrase("second")),
        store.changePassphrase(encodePassphrase("third")),
      ]);
    });
    for (const old of ["first", "second"]) {
      assertStringIncludes((await refusedStore(path, passphrase(old))).message, "the passphrase is wrong");
    }
    await opens(path, passphrase("third"));
    await withStore(path, passphrase("third"), async (store) => {
      await store.changePassphrase(undefined);
      assertEquals(store.protection, "keyFile");
      await store.changePassphrase(undefined);
    });
    assert(hasKeyFile(path));
    await opens(path, noPassphrase);
    assertEquals(peek(path, "SELECT * FROM rows"), before);
  }));

Deno.test("SealedStore.changePassphrase() leaves no copy of the old wrap, nor the key of the key file", () =>
  inTempDir(async (path) => {
    await withStore(path, noPassphrase, (store) => store.commit([ROW]));
    const [{ value: wrap }] = peek(path, "SELECT value FROM wrap") as [{ value: Bytes }];
    const keyFile = await Deno.readFile(`${path}/${KEY_FILE_NAME}`);
    await withStore(path, noPassphrase, async (store) => {
      await store.changePassphrase(encodePassphrase("sesame"));
      for (const { name } of Deno.readDirSync(path)) {
        const hex = encodeHex(await Deno.readFile(`${path}/${name}`));
        assert(!hex.includes(encodeHex(wrap.slice(2, 130))), `the old wrap stands in ${name}`);
        assert(!hex.includes(encodeHex(keyFile.slice(9, 41))), `the old key stands in ${name}`);
      }
    });
  }));

Deno.test("SealedStore.open() survives a crash at each step of a change of passphrase", () =>
  inTempDir(async (temp) => {
    const [byFile, byPassphrase] = [`${temp}/file`, `${temp}/passphrase`];
    await withStore(byFile, noPassphrase, (store) => store.commit([ROW]));
    await copyFiles(byFile, byPassphrase);
    await withStore(byPassphrase, noPassphrase, (store) => store.changePassphrase(encodePassphrase("sesame")));

    // To a passphrase: the wrap is written, the key file not yet removed. The next start removes it.
    const toPassphrase = `${temp}/1`;
    await copyFiles(byPassphrase, toPassphrase);
    await Deno.copyFile(`${byFile}/${KEY_FILE_NAME}`, `${toPassphrase}/${KEY_FILE_NAME}`);
    await opens(toPassphrase, passphrase("sesame"));
    assert(!hasKeyFile(toPassphrase));

    // To a key file: the key file is written, the wrap not yet.
    const toKeyFile = `${temp}/2`;
    await copyFiles(byPassphrase, toKeyFile);
    await Deno.copyFile(`${byFile}/${KEY_FILE_NAME}`, `${toKeyFile}/${KEY_FILE_NAME}`);
    await opens(toKeyFile, passphrase("sesame"));
    await withStore(toKeyFile, passphrase("sesame"), (store) => store.changePassphrase(undefined));
    await opens(toKeyFile, noPassphrase);

    // The first start: the key file is written, the database not yet, or in its making.
    const first = `${temp}/3`;
    await copyFiles(byFile, first);
    await Deno.rename(`${first}/client.db`, `${first}/client.db.new`);
    await Deno.writeTextFile(`${first}/client.db.new-journal`, "half");
    const keyFile = await Deno.readFile(`${first}/${KEY_FILE_NAME}`);
    await withStore(first, noPassphrase, async (store) => assertEquals(await rowsOf(store, "t"), []));
    assertEquals(await Deno.readFile(`${first}/${KEY_FILE_NAME}`), keyFile);
    assertEquals([...Deno.readDirSync(first)].map(({ name }) => name).sort(), [
      "client.db",
      KEY_FILE_NAME,
      "lock.sqlite",
    ]);
  }));

Deno.test("SealedStore.open() never overwrites or removes the key file of a database that was moved away", () =>
  inTempDir(async (path) => {
    await withStore(path, noPassphrase, (store) => store.commit([ROW]));
    await Deno.rename(`${path}/client.db`, `${path}/away.db`);
    const error = await refusedStore(path, passphrase("sesame"));
    assertStringIncludes(error.message, "key file data.key without its database");
    await withStore(path, noPassphrase, (store) => store.commit([change("t", "k", "new")]));
    await Deno.rename(`${path}/away.db`, `${path}/client.db`);
    await opens(path, noPassphrase);
  }));

Deno.test("SealedStore.open() takes the real number of iterations when nothing else is said", () =>
  inTempDir(async (path) => {
    const dir = await openDataDir(path, { what: "client" });
    await (await SealedStore.open(dir, passphrase("sesame"))).close();
    dir.close();
    const [{ value: wrap }] = peek(path, "SELECT value FROM wrap") as [{ value: Bytes }];
    assertEquals(new DataView(wrap.buffer, wrap.byteOffset).getUint32(2), 1_000_000);
  }));
