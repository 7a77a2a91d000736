// Aim: a store of every earlier schema opens, with all that it held, and has then what the newest has.
import { assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { secureRandom } from "../../lib/crypto/random.ts";
import { utf8 } from "../../lib/bytes/writer.ts";
import { deriveRowKeys, rowId, sealRow } from "../../lib/e2ee/sealed_row.ts";
import { ClientStore } from "../../lib/io/client_store.ts";
import { openDataDir } from "../../lib/io/data_dir.ts";
import { makeDataKey } from "../../lib/io/sealed_key.ts";
import { STORE_SCHEMA } from "../../lib/io/sealed_database.ts";
import { inLobby, LOBBY, recent, withHistory } from "./_history.ts";
import { FAST, inTempDir, noPassphrase, peek, withStore } from "./_sealed_dir.ts";

/** The tables of each schema, as the release that brought it made them. */
const TABLES: Readonly<Record<number, string>> = {
  1: `
    CREATE TABLE wrap (id INTEGER PRIMARY KEY CHECK (id = 1), value BLOB NOT NULL) STRICT;
    CREATE TABLE rows (
      seq INTEGER PRIMARY KEY, tbl TEXT NOT NULL, id BLOB NOT NULL, schema INTEGER NOT NULL, value BLOB NOT NULL,
      UNIQUE (tbl, id)
    ) STRICT;
    CREATE INDEX rows_by_tbl ON rows (tbl);
  `,
  2: `
    CREATE TABLE wrap (id INTEGER PRIMARY KEY CHECK (id = 1), value BLOB NOT NULL) STRICT;
    CREATE TABLE rows (
      seq INTEGER PRIMARY KEY, tbl TEXT NOT NULL, id BLOB NOT NULL, schema INTEGER NOT NULL, value BLOB NOT NULL,
      UNIQUE (tbl, id)
    ) STRICT;
    CREATE INDEX rows_by_tbl ON rows (tbl);
    CREATE TABLE entries (seq INTEGER PRIMARY KEY, conversation BLOB NOT NULL, value BLOB NOT NULL) STRICT;
    CREATE INDEX entries_by_conversation ON entries (conversation, seq);
  `,
};

/** Makes a store as a release of that schema left it, with one row. */
async function makeOld(path: string, schema: number): Promise<void> {
  const dir = await openDataDir(path, { what: "client" });
  const { dataKey, wrap } = await makeDataKey(dir, noPassphrase, FAST);
  const file = await dir.privateFile("client.db");
  const db = new DatabaseSync(file);
  db.exec(`PRAGMA secure_delete = ON; PRAGMA application_id = ${0x534f5454}; PRAGMA user_version = ${schema};`);
  db.exec(TABLES[schema] as string);
  db.prepare("INSERT INTO wrap VALUES (1, ?)").run(wrap);
  const keys = await deriveRowKeys(dataKey);
  const [table, key] = ["identity", utf8("name")];
  const id = await rowId(keys, table, key);
  const sealed = await sealRow(keys, { table, id, schema: 1 }, { key, value: utf8("ada") }, secureRandom);
  db.prepare("INSERT INTO rows (tbl, id, schema, value) VALUES (?, ?, 1, ?)").run(table, id, sealed);
  db.exec("PRAGMA journal_mode = WAL");
  db.close();
  dir.close();
}

/** What the tables of a store look like. */
function layout(path: string): unknown[] {
  return peek(
    path,
    "SELECT type, name, tbl_name, replace(replace(sql, char(10), ' '), '  ', ' ') AS sql FROM sqlite_schema",
  )
    .map(({ sql, ...row }) => ({ ...row, sql: String(sql).replace(/\s+/g, " ") }));
}

Deno.test("every schema that there ever was has a test here", () => {
  assertEquals(Object.keys(TABLES).map(Number), Array.from({ length: STORE_SCHEMA }, (_, i) => i + 1));
});

for (const schema of Object.keys(TABLES).map(Number)) {
  Deno.test(`ClientStore.open() takes over a store of schema ${schema} with all that it holds`, () =>
    inTempDir(async (temp) => {
      const path = `${temp}/old`;
      await makeOld(path, schema);
      const dir = await openDataDir(path, { what: "client" });
      const store = await ClientStore.open(dir, noPassphrase, FAST);
      assertEquals((await store.load()).name, "ada");
      await store.close();
      dir.close();
      assertEquals(peek(path, "PRAGMA user_version"), [{ user_version: STORE_SCHEMA }]);
      await withHistory(path, ({ show }) => show(inLobby("one")));
      await withHistory(path, async ({ history }) => assertEquals(await recent(history, LOBBY), ["one"]));
      await withStore(`${temp}/new`, noPassphrase, () => Promise.resolve());
      assertEquals(layout(path), layout(`${temp}/new`));
    }));
}
