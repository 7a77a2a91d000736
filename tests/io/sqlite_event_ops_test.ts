// Aim: ops and what was handed outlast the relay, all or nothing with the events of their turn; a file of the first
// schema is taken over as it is.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { EVENT_FILE_SCHEMA } from "../../lib/io/sqlite_event_database.ts";
import type { RelayInput } from "../../lib/relay/effects.ts";
import type { EventLog } from "../../lib/relay/event_log.ts";
import { INBOX_PUBLISHER_MAX_EVENTS } from "../../lib/relay/inbox_quotas.ts";
import { NameBook } from "../../lib/relay/names.ts";
import { BODY, fill, IS_POSIX, peek, refusedAsItIs, withLog } from "../relay/_event_file.ts";
import { ALL, event, opLike, seqs } from "../relay/_event_log_suite.ts";
import { GENERATION, idOf, inboxOf, LOBBY, LOBBY_STREAM, RelayBench } from "../relay/_workbench.ts";
import { inTempDir } from "./_sealed_dir.ts";

/** What `events.db` was before it had ops: schema 1, letter by letter. */
const SCHEMA_1 = `
  PRAGMA page_size = 4096; PRAGMA application_id = 0x534f5452;
  BEGIN;
  CREATE TABLE log (
    id INTEGER PRIMARY KEY CHECK (id = 1), generation TEXT NOT NULL,
    floor_seq INTEGER NOT NULL, floor_at INTEGER NOT NULL, last_id INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE streams (
    id INTEGER PRIMARY KEY, name TEXT UNIQUE, head INTEGER NOT NULL, last_at INTEGER NOT NULL,
    end_offset INTEGER NOT NULL, first INTEGER NOT NULL, first_at INTEGER NOT NULL,
    oldest INTEGER NOT NULL, oldest_offset INTEGER NOT NULL,
    kept_from INTEGER NOT NULL DEFAULT 0, bodies_from INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE INDEX streams_to_clear ON streams (id) WHERE kept_from < first OR bodies_from < oldest;
  CREATE TABLE records (
    stream INTEGER NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, "offset" INTEGER NOT NULL,
    publisher TEXT NOT NULL, event_id TEXT NOT NULL, kind TEXT NOT NULL, body BLOB,
    PRIMARY KEY (stream, seq)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX records_by_event ON records (stream, publisher, event_id);
  PRAGMA user_version = 1;
  INSERT INTO log VALUES (1, '${GENERATION}', 0, 0, 2);
  INSERT INTO streams VALUES (1, 'room/a', 3, 1000, 3, 1, 1000, 2, 1, 1, 2), (2, 'inbox/b', 1, 1000, 1, 1, 1000, 1, 0, 1, 1);
  INSERT INTO records VALUES
    (1, 1, 1000, 0, 'P', '${idOf(1)}', 'message', NULL), (1, 2, 1000, 1, 'P', '${idOf(2)}', 'message', x'02'),
    (1, 3, 1000, 2, 'P', '${idOf(3)}', 'message', x'03'), (2, 1, 1000, 0, 'P', '${idOf(4)}', 'message', x'04');
  COMMIT;
  PRAGMA journal_mode = WAL;
`;

async function makeSchema1(path: string): Promise<void> {
  await Deno.writeFile(`${path}/events.db`, new Uint8Array(0), IS_POSIX ? { mode: 0o600 } : {});
  const db = new DatabaseSync(`${path}/events.db`);
  db.exec(SCHEMA_1);
  db.close();
}

function tables(path: string): unknown[] {
  return peek(path, "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name");
}

Deno.test("SqliteEventLog.open() takes over a file of schema 1: events, ids and places stay, and ops begin", () =>
  inTempDir(async (path) => {
    await makeSchema1(path);
    await withLog(path, (log) => {
      assertEquals([log.generation, log.head("room/a"), log.head("inbox/b")], [GENERATION, 3, 1]);
      assertEquals(log.read("room/a", 0, ALL).map(({ seq, body, kind }) => [seq, [...body], kind]), [
        [2, [2], "message"],
        [3, [3], "message"],
      ]);
      assertEquals(log.find("room/a", "P", idOf(1)), { seq: 1, at: 1000 });
      assertEquals(log.handed("inbox/b"), 1, "until then only those who listened were written to");
      assertEquals([log.epoch("a"), log.ops("a", 0, ALL)], [0, []]);
      const placed = log.append(event("room/a", 9, { kind: "op" }));
      assertEquals(placed, { kind: "placed", seq: 4, at: 1000, epoch: 1, isRepeat: false });
      assertEquals(log.append(event("room/a", 1)), { kind: "placed", seq: 1, at: 1000, isRepeat: true });
      assertEquals(log.commit(), { kind: "stored", hasMore: false });
    });
    await withLog(path, (log) => {
      assertEquals([log.generation, log.head("room/a"), log.epoch("a")], [GENERATION, 4, 1]);
    });
    assertEquals(peek(path, "PRAGMA user_version"), [{ user_version: EVENT_FILE_SCHEMA }]);
    await inTempDir(async (fresh) => {
      await withLog(fresh, () => {});
      const spelled = (rows: unknown[]) => JSON.stringify(rows).replaceAll(/\\n|\s/g, "");
      assertEquals(spelled(tables(path)), spelled(tables(fresh)), "a new file has the same tables");
    });
  }));

Deno.test("SqliteEventLog.open() leaves a damaged file of schema 1 as it is", () =>
  inTempDir(async (path) => {
    await makeSchema1(path);
    const whole = await Deno.readFile(`${path}/events.db`);
    for (const page of [2, 4]) {
      await Deno.writeFile(`${path}/events.db`, whole.map((byte, i) => Math.floor(i / 4096) === page ? 0xa5 : byte));
      assertStringIncludes((await refusedAsItIs(path)).message, "is damaged", `page ${page}`);
    }
  }));

Deno.test("SqliteEventLog keeps ops and their numbers over a restart, apart from their stream", () =>
  inTempDir(async (path) => {
    const limits = { streamEvents: 1, streamIds: 2 };
    await withLog(path, (log) => {
      for (let id = 1; id <= 5; id++) log.append(event("room/a", id, { kind: "op", body: opLike(id), atMs: id }));
      log.append(event("room/b", 1, { kind: "op" }));
      assertEquals(log.commit().kind, "stored");
      log.append(event("room/a", 6, { kind: "op" }));
    }, { limits });
    await withLog(path, (log) => {
      assertEquals([log.epoch("a"), log.epoch("b"), log.departure("a", 0), log.departure("a", 1)], [5, 1, 5, 4]);
      assertEquals(log.ops("a", 0, ALL), [1, 2, 3, 4, 5].map((n) => ({ epoch: n, at: n, op: opLike(n) })));
      assertEquals(log.read("room/a", 0, ALL).map(({ seq, kind, epoch }) => [seq, kind, epoch]), [[5, "op", 5]]);
      assertEquals(log.append(event("room/a", 4, { kind: "op" })), {
        kind: "placed",
        seq: 4,
        at: 4,
        epoch: 4,
        isRepeat: true,
      });
      const placed = log.append(event("room/a", 6, { kind: "op" }));
      assertEquals(placed.kind === "placed" && [placed.seq, placed.epoch], [6, 6], "6 was not committed before");
    }, { limits });
  }));

Deno.test("SqliteEventLog keeps to the bounds of ops over a restart", () =>
  inTempDir(async (path) => {
    const limits = { roomOps: 3, opBytes: 4 * 513 };
    const kinds: string[] = [];
    for (let life = 0; life < 3; life++) {
      await withLog(path, (log) => {
        for (const room of ["room/a", "room/b"]) {
          kinds.push(log.append(event(room, life, { kind: "op" })).kind);
        }
        log.commit();
      }, { limits });
    }
    assertEquals(kinds, ["placed", "placed", "placed", "placed", "opsFull", "opsFull"]);
    await withLog(path, (log) => {
      assertEquals([log.append(event("room/a", 9, { kind: "op" })).kind], ["placed"]);
      assertEquals([log.append(event("room/a", 10, { kind: "op" })).kind], ["opsFull"]);
    }, { limits: { roomOps: 3 } });
  }));

Deno.test("SqliteEventLog.commit() undoes ops with the events of their turn when the file is full", () =>
  inTempDir((path) =>
    withLog(path, (log) => {
      log.append(event("room/a", 1, { kind: "op", body: opLike(4) }));
      assertEquals(log.commit().kind, "stored");
      const append = (id: number) => log.append(event("room/a", id, { kind: "op", body: BODY })).kind;
      const kinds = [log.append(event("room/b", 1, { kind: "op", body: opLike(4) })).kind];
      for (let id = 2; id < 200; id++) kinds.push(append(id));
      assert(kinds.includes("placed") && kinds.at(-1) === "failed");
      assertEquals(log.commit(), { kind: "failed", reason: "diskFull" });
      assertEquals([log.epoch("a"), log.epoch("b"), log.departure("a", 0), log.departure("b", 0)], [1, 0, 1, 0]);
      assertEquals([log.ops("a", 0, ALL).length, log.ops("b", 0, ALL).length, seqs(log, "room/a")], [1, 0, [1]]);
      const placed = log.append(event("room/a", 2, { kind: "op" }));
      assertEquals(placed, { kind: "placed", seq: 2, at: 1000, epoch: 2, isRepeat: false });
      assertEquals(log.commit().kind, "stored");
    }, { maxFileBytes: 140_000 })
  ));

Deno.test("SqliteEventLog.ops() says that the file is damaged when an op is missing in between", () =>
  inTempDir(async (path) => {
    await withLog(path, (log) => {
      for (let id = 1; id <= 3; id++) log.append(event("room/a", id, { kind: "op" }));
      log.commit();
    });
    peek(path, "DELETE FROM ops WHERE epoch = 2 RETURNING epoch");
    await withLog(path, (log) => {
      let message = "";
      try {
        log.ops("a", 0, ALL);
      } catch (error) {
        message = String(error);
      }
      assertStringIncludes(message, "is damaged");
    });
  }));

Deno.test("Relay.handleTurn() tells nobody of ops that the file has no room for", () =>
  inTempDir((path) =>
    withLog(path, (log) => {
      const bench = new RelayBench({ log });
      const [ada, ben] = [bench.join("ada"), bench.join("ben")];
      bench.take(ada);
      const large = new Uint8Array(2_000);
      bench.turn(Array.from({ length: 100 }, (_, i): RelayInput => {
        const message = { t: "publish", stream: LOBBY_STREAM, kind: "op", id: idOf(i + 1) } as const;
        return { kind: "message", link: ada, packet: { message, body: large }, nowMs: bench.nowMs };
      }));
      const codes = bench.heard(ada).map((said) => said.t === "refused" ? said.code : said.t);
      assertEquals([codes, bench.heard(ben), log.epoch(LOBBY)], [Array(100).fill("notStored"), [], 0]);
    }, { maxFileBytes: 140_000 })
  ));

/** Fills the share of a publisher in the inbox of somebody who is away, and gives what the last event was answered. */
function overfill(log: EventLog, names: NameBook, count: number): string | undefined {
  const bench = new RelayBench({ log, names });
  const ada = bench.join("ada");
  bench.take(ada);
  // Other ids than those of another bench.
  for (let i = 0; i < count; i++) bench.publish(ada, inboxOf("ben"), BODY, idOf(log.head(inboxOf("ben")) + 1_000));
  const last = bench.heard(ada).at(-1);
  return last?.t === "refused" ? last.code : last?.t;
}

Deno.test("a relay that was started again counts what waits in an inbox, and not what was handed", () =>
  inTempDir(async (path) => {
    const names = new NameBook();
    const most = INBOX_PUBLISHER_MAX_EVENTS;
    await withLog(path, (log) => {
      const bench = new RelayBench({ log, names });
      const [ada, ben] = [bench.join("ada"), bench.join("ben")];
      for (let i = 0; i < 10; i++) bench.publish(ada, inboxOf("ben"), BODY, idOf(i + 1));
      assertEquals(bench.drainAll(ben).length, 10);
      bench.end(ben);
      bench.end(ada);
      assertEquals(overfill(log, names, most - 1), "accepted");
    });
    await withLog(path, (log) => {
      assertEquals(log.handed(inboxOf("ben")), 10);
      assertEquals([overfill(log, names, 1), overfill(log, names, 1)], ["accepted", "inboxFull"]);
      const bench = new RelayBench({ log, names });
      const ben = bench.open("ben");
      bench.say(ben, { t: "subscribe", stream: inboxOf("ben"), after: { generation: GENERATION, seq: 10 } });
      const heard = bench.drainAll(ben).filter(({ message }) => message.t === "event");
      assertEquals(heard.length, most, "nothing of it is lost");
      bench.end(ben);
      assertEquals(overfill(log, names, 1), "accepted");
    });
  }));

Deno.test("SqliteEventLog.hand() keeps places with the next commit, and loses nothing else without one", () =>
  inTempDir(async (path) => {
    await fill(path);
    await withLog(path, (log) => {
      log.append(event("inbox/a", 1));
      log.append(event("inbox/a", 2));
      log.commit();
      log.hand("inbox/a", 1);
      log.trim(1000);
      assertEquals(log.commit().kind, "stored");
      log.hand("inbox/a", 2);
    });
    await withLog(path, (log) => assertEquals([log.handed("inbox/a"), log.head("inbox/a")], [1, 2]));
  }));
