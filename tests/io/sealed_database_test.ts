// Aim: what is not our database, not whole, or not of our time is refused with words, and left byte for byte as it was.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import type { UserError } from "../../lib/bytes/errors.ts";
import { STORE_SCHEMA } from "../../lib/io/sealed_database.ts";
import {
  change,
  copyFiles,
  inTempDir,
  noPassphrase,
  peek,
  refusedStore,
  rowsOf,
  tamper,
  withStore,
} from "./_sealed_dir.ts";

const IS_POSIX = Deno.build.os !== "windows";

/** Makes a store with some pages of rows. */
async function fill(path: string): Promise<void> {
  await withStore(
    path,
    noPassphrase,
    (store) => store.commit(Array.from({ length: 200 }, (_, i) => change("t", `k${i}`, "x".repeat(500)))),
  );
}

/** Expects that the database is refused and stays as it is. */
async function refusedAsItIs(path: string): Promise<UserError> {
  const before = await Deno.readFile(`${path}/client.db`);
  const error = await refusedStore(path, noPassphrase);
  assertEquals(error.code, "dataDirUnusable");
  assert(error.hint !== "");
  assertStringIncludes(error.message, `${path}/client.db`);
  const after = await Deno.readFile(`${path}/client.db`);
  assert(before.length === after.length && before.every((byte, i) => byte === after[i]), "the file was changed");
  return error;
}

Deno.test("SealedDatabase.open() refuses what is not a database, and an empty file", () =>
  inTempDir(async (path) => {
    await fill(path);
    for (const content of ["", "S", "SQLite format 3\0", "x".repeat(5_000)]) {
      await Deno.writeTextFile(`${path}/client.db`, content);
      assertStringIncludes((await refusedAsItIs(path)).message, "is damaged");
    }
  }));

Deno.test("SealedDatabase.open() refuses the database of another program", () =>
  inTempDir(async (path) => {
    const db = new DatabaseSync(`${path}/client.db`);
    db.exec("PRAGMA journal_mode = WAL; CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)");
    db.close();
    if (IS_POSIX) await Deno.chmod(`${path}/client.db`, 0o600);
    assertStringIncludes((await refusedAsItIs(path)).message, "another program");
    const names = (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name).sort();
    assertEquals(names, ["client.db", "lock.sqlite"]);
  }));

Deno.test("SealedDatabase.open() refuses a later schema and names both", () =>
  inTempDir(async (path) => {
    await fill(path);
    tamper(path, `PRAGMA user_version = ${STORE_SCHEMA + 6}`);
    const { message, hint } = await refusedAsItIs(path);
    assertStringIncludes(
      message,
      `it has schema ${STORE_SCHEMA + 6}, and this version of Sotto knows up to ${STORE_SCHEMA}`,
    );
    assertStringIncludes(hint, "newer version");
    tamper(path, "PRAGMA user_version = 0");
    assertStringIncludes((await refusedAsItIs(path)).message, "is damaged");
  }));

Deno.test("SealedDatabase.open() refuses a file that was cut or overwritten", () =>
  inTempDir(async (temp) => {
    await fill(`${temp}/whole`);
    const pageBytes = 4_096;
    const whole = await Deno.readFile(`${temp}/whole/client.db`);
    assert(whole.length > 20 * pageBytes);
    const path = `${temp}/broken`;
    await copyFiles(`${temp}/whole`, path);
    for (const length of [whole.length - pageBytes, 10 * pageBytes, pageBytes, 200]) {
      await Deno.writeFile(`${path}/client.db`, whole.subarray(0, length));
      assertStringIncludes((await refusedAsItIs(path)).message, "is damaged", `${length} bytes`);
    }
    for (const page of [1, 2, 3, 4]) {
      await Deno.writeFile(
        `${path}/client.db`,
        whole.map((byte, i) => Math.floor(i / pageBytes) === page ? 0xa5 : byte),
      );
      assertStringIncludes((await refusedAsItIs(path)).message, "is damaged", `page ${page}`);
    }
    await Deno.writeFile(`${path}/client.db`, whole);
    await withStore(path, noPassphrase, async (store) => assertEquals((await rowsOf(store, "t")).length, 200));
  }));

Deno.test("SealedDatabase.open() says that another program has it open", () =>
  inTempDir(async (path) => {
    await fill(path);
    const other = new DatabaseSync(`${path}/client.db`);
    other.exec("BEGIN IMMEDIATE");
    const error = await refusedStore(path, noPassphrase);
    assertEquals(error.code, "dataDirBusy");
    assertStringIncludes(error.message, "another program has it open");
    other.close();
    await withStore(path, noPassphrase, async (store) => assertEquals((await rowsOf(store, "t")).length, 200));
  }));

Deno.test("SealedDatabase keeps others out while it is open, and makes no shared memory", () =>
  inTempDir(async (path) => {
    await withStore(path, noPassphrase, async (store) => {
      await store.commit([change("t", "k", "1")]);
      const names = (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name).sort();
      assertEquals(names, ["client.db", "client.db-wal", "data.key", "lock.sqlite"]);
      let refused = "";
      try {
        peek(path, "SELECT * FROM rows");
      } catch (error) {
        refused = String(error);
      }
      assertStringIncludes(refused, "locked");
    });
    assertEquals([...Deno.readDirSync(path)].map(({ name }) => name).sort(), ["client.db", "data.key", "lock.sqlite"]);
  }));

Deno.test({
  name: "SealedDatabase.open() refuses a file that others may read, with the command that helps",
  ignore: !IS_POSIX,
  fn: () =>
    inTempDir(async (path) => {
      await fill(path);
      await Deno.chmod(`${path}/client.db`, 0o640);
      const { message, hint } = await refusedAsItIs(path);
      assertStringIncludes(message, "others may read it (mode 640)");
      assertEquals(hint, `Run: chmod 600 ${path}/client.db`);
    }),
});

Deno.test("SealedDatabase finds the rows of a table by an index, however many others there are", () =>
  inTempDir(async (path) => {
    await fill(path);
    const plan = peek(path, "EXPLAIN QUERY PLAN SELECT * FROM rows WHERE tbl = 't' AND seq > 5 ORDER BY seq LIMIT 32");
    assertEquals(plan.map(({ detail }) => detail), ["SEARCH rows USING INDEX rows_by_tbl (tbl=? AND rowid>?)"]);
    assertEquals(peek(path, "PRAGMA application_id"), [{ application_id: 0x534f5454 }]);
  }));
