// Aim: what is not our log, not whole, or not of our time is refused with words, and left byte for byte as it was.
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { UserError } from "../../lib/bytes/errors.ts";
import { EVENT_FILE_SCHEMA, EVENT_SQL } from "../../lib/io/sqlite_event_database.ts";
import { fill, IS_POSIX, peek, refusedAsItIs, withLog } from "../relay/_event_file.ts";
import { event, seqs } from "../relay/_event_log_suite.ts";
import { inTempDir } from "./_sealed_dir.ts";

Deno.test("SqliteEventLog.open() refuses what is not a database, an empty file, and one of another program", () =>
  inTempDir(async (path) => {
    await fill(path);
    for (const content of ["", "S", "SQLite format 3\0", "x".repeat(5_000)]) {
      await Deno.writeTextFile(`${path}/events.db`, content);
      assertStringIncludes((await refusedAsItIs(path)).message, "is damaged");
    }
    await Deno.remove(`${path}/events.db`);
    const db = new DatabaseSync(`${path}/events.db`);
    db.exec("PRAGMA journal_mode = WAL; CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)");
    db.close();
    if (IS_POSIX) await Deno.chmod(`${path}/events.db`, 0o600);
    assertStringIncludes((await refusedAsItIs(path)).message, "another program");
  }));

Deno.test("SqliteEventLog.open() refuses a later schema and names both", () =>
  inTempDir(async (path) => {
    await fill(path);
    peek(path, `PRAGMA user_version = ${EVENT_FILE_SCHEMA + 6}`);
    const { message, hint } = await refusedAsItIs(path);
    assertStringIncludes(message, `has schema ${EVENT_FILE_SCHEMA + 6}, and this version of Sotto knows up to`);
    assertStringIncludes(hint, "newer version");
    peek(path, "PRAGMA user_version = 0");
    assertStringIncludes((await refusedAsItIs(path)).message, "is damaged");
  }));

Deno.test("SqliteEventLog.open() refuses a file that was cut or overwritten", () =>
  inTempDir(async (path) => {
    await fill(path);
    const pageBytes = 4_096;
    const whole = await Deno.readFile(`${path}/events.db`);
    assert(whole.length > 20 * pageBytes);
    for (const length of [whole.length - pageBytes, 10 * pageBytes, pageBytes, 200]) {
      await Deno.writeFile(`${path}/events.db`, whole.subarray(0, length));
      assertStringIncludes((await refusedAsItIs(path)).message, "is damaged", `${length} bytes`);
    }
    for (const page of [1, 2, 5, 8]) {
      await Deno.writeFile(
        `${path}/events.db`,
        whole.map((byte, i) => Math.floor(i / pageBytes) === page ? 0xa5 : byte),
      );
      assertStringIncludes((await refusedAsItIs(path)).message, "is damaged", `page ${page}`);
    }
    await Deno.writeFile(`${path}/events.db`, whole);
    await withLog(path, (log) => assertEquals(seqs(log, "room/a").length, 200));
  }));

Deno.test("SqliteEventLog.open() refuses a log beside no file: it may be another file's", () =>
  inTempDir(async (path) => {
    await Deno.writeTextFile(`${path}/events.db-wal`, "something");
    const error = await assertRejects(() => withLog(path, () => {}), UserError);
    assertEquals(error.code, "dataDirUnusable");
    assertEquals([...Deno.readDirSync(path)].map(({ name }) => name).sort(), ["events.db-wal", "lock.sqlite"]);
  }));

Deno.test("SqliteEventLog.open() refuses a place where it cannot write beside its file", () =>
  inTempDir(async (path) => {
    await fill(path);
    // Whoever runs the tests may be above permissions, but nobody writes a file where a directory is.
    await Deno.mkdir(`${path}/events.db-wal`);
    await refusedAsItIs(path);
    await Deno.remove(`${path}/events.db-wal`);
    await withLog(path, (log) => assertEquals(seqs(log, "room/a").length, 200));
  }));

Deno.test({
  name: "SqliteEventLog.open() refuses a read-only directory",
  ignore: !IS_POSIX || Deno.uid() === 0,
  fn: () =>
    inTempDir(async (path) => {
      await fill(path);
      await Deno.chmod(path, 0o500);
      try {
        await refusedAsItIs(path);
      } finally {
        await Deno.chmod(path, 0o700);
      }
    }),
});

Deno.test("SqliteEventLog.open() begins anew after a crash in the middle of making its file", () =>
  inTempDir(async (path) => {
    await Deno.writeTextFile(`${path}/events.db.new`, "half");
    await withLog(path, (log) => assertEquals(log.head("room/a"), 0));
    assertEquals([...Deno.readDirSync(path)].map(({ name }) => name).sort(), ["events.db", "lock.sqlite"]);
  }));

Deno.test({
  name: "SqliteEventLog makes its files for their owner alone, no shared memory, and keeps others out",
  ignore: !IS_POSIX,
  fn: () =>
    inTempDir(async (path) => {
      await withLog(path, (log) => {
        log.append(event("room/a", 1));
        log.commit();
        const modes = [...Deno.readDirSync(path)]
          .map(({ name }) => `${name} ${((Deno.statSync(`${path}/${name}`).mode ?? 0) & 0o777).toString(8)}`);
        assertEquals(modes.sort(), ["events.db 600", "events.db-wal 600", "lock.sqlite 600"]);
      });
      await Deno.chmod(`${path}/events.db`, 0o640);
      const { message, hint } = await refusedAsItIs(path);
      assertStringIncludes(message, "others may read it (mode 640)");
      assertEquals(hint, `Run: chmod 600 ${path}/events.db`);
      await Deno.chmod(`${path}/events.db`, 0o600);
      const other = new DatabaseSync(`${path}/events.db`);
      other.exec("BEGIN IMMEDIATE");
      const error = await assertRejects(() => withLog(path, () => {}), UserError);
      assertEquals(error.code, "dataDirBusy");
      assert(!error.hint.includes("--ephemeral"));
      other.close();
    }),
});

Deno.test("SqliteEventLog finds what it asks for by an index, however much there is", () =>
  inTempDir(async (path) => {
    await fill(path);
    const slow: string[] = [];
    for (const [name, sql] of Object.entries(EVENT_SQL)) {
      for (const { detail } of peek(path, `EXPLAIN QUERY PLAN ${sql}`)) {
        if (/^(MATERIALIZE|CO-ROUTINE|SCALAR|USE TEMP|SCAN [got]$)/.test(String(detail))) continue; // what was read
        if (!/USING (INDEX streams_to_clear|(INTEGER )?PRIMARY KEY)/.test(String(detail))) {
          slow.push(`${name}: ${detail}`);
        }
      }
    }
    assertEquals(slow, [
      "find: SEARCH records USING INDEX records_by_event (stream=? AND publisher=? AND event_id=? AND seq>?)",
      "saveLog: SCAN log", // one row
      "published: SCAN s", // each stream, and no event of others
      "published: SEARCH r USING COVERING INDEX records_by_event (stream=? AND publisher=?)",
      "departure: SEARCH ops USING COVERING INDEX ops_departures (room=?)",
      "readSnapshot: SEARCH snapshots USING INDEX sqlite_autoindex_snapshots_1 (room=?)", // its primary key
    ]);
    assertEquals(peek(path, "PRAGMA application_id"), [{ application_id: 0x534f5452 }]);
  }));
