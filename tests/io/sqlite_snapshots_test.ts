// Aim: snapshots, and what was dropped before them, outlast the relay, all or nothing with the events of their turn; a file
// of the second schema is taken over as it is.
import { assert, assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { OPS_TRIMMED_AT_ONCE } from "../../lib/relay/op_ledger.ts";
import { peek, withLog } from "../relay/_event_file.ts";
import { ALL, event, opLike } from "../relay/_event_log_suite.ts";
import { kept, place, testSnapshots, upTo } from "../relay/_snapshot_suite.ts";
import { inTempDir } from "./_sealed_dir.ts";

testSnapshots(
  "SqliteEventLog",
  (limits, use) => inTempDir((path) => withLog(path, use, { limits })),
  { numRuns: 15 },
);

const BODY = new Uint8Array(720 * 1024).fill(7);
const LIMITS = { limits: { roomOps: 100, opsKept: 10, ageMs: 1000 } };

Deno.test("SqliteEventLog.snapshots are there after a restart, and ops that were dropped are not", () =>
  inTempDir(async (path) => {
    await withLog(path, (log) => {
      place(log, "a", upTo(1, 100));
      log.snapshots.keep("a", 50, BODY);
      assertEquals([place(log, "a", [101]), log.commit().kind], ["placed", "stored"]);
    }, LIMITS);
    await withLog(path, (log) => {
      assertEquals(log.snapshots.of("a"), { epoch: 50, lengthBytes: BODY.length });
      assertEquals(log.snapshots.readPart("a", BODY.length - 2, 9), BODY.subarray(0, 2));
      assertEquals([kept(log, "a"), log.epoch("a")], [upTo(51, 101), 101]);
      log.snapshots.keep("a", 90, BODY.subarray(0, 10));
      do log.trim(9000); while (hasMore(log));
      assertEquals(kept(log, "a"), upTo(91, 101));
    }, LIMITS);
    const [row] = peek(path, "SELECT count(*) AS ops, min(epoch) AS oldest FROM ops");
    assertEquals(row, { ops: 11, oldest: 91 });
    const [room] = peek(path, "SELECT bytes, oldest, oldest_at FROM rooms");
    assertEquals(room, { bytes: 11 * (512 + opLike(4).length) + 512 + 10, oldest: 91, oldest_at: 1000 });
  }));

Deno.test("SqliteEventLog.trim() drops a bounded number of ops at once, and says that there are more", () =>
  inTempDir((path) =>
    withLog(path, (log) => {
      place(log, "a", upTo(1, 1300));
      log.snapshots.keep("a", 1300, BODY.subarray(0, 9));
      log.commit();
      const left: number[] = [];
      do {
        log.trim(9000);
        left.push(kept(log, "a").length);
      } while (hasMore(log));
      assertEquals(left, [1300 - OPS_TRIMMED_AT_ONCE, 1300 - 2 * OPS_TRIMMED_AT_ONCE, 1]);
    }, { limits: { ageMs: 100, opsKept: 1 } })
  ));

Deno.test("SqliteEventLog.commit() undoes a snapshot, and what it let go, when the file is full", () =>
  inTempDir((path) =>
    withLog(path, (log) => {
      place(log, "a", upTo(1, 100));
      log.snapshots.keep("a", 20, BODY.subarray(0, 100));
      assertEquals([log.commit().kind, kept(log, "a").length], ["stored", 100]);
      log.snapshots.keep("a", 60, new Uint8Array(4_000_000));
      assertEquals(log.append(event("room/a", 101, { kind: "op" })).kind, "failed");
      assertEquals(log.commit(), { kind: "failed", reason: "diskFull" });
      assertEquals(log.snapshots.of("a"), { epoch: 20, lengthBytes: 100 });
      assertEquals([kept(log, "a"), log.snapshots.oldestOp("a")], [upTo(1, 100), 1]);
      assertEquals([place(log, "a", [101]), log.commit().kind, kept(log, "a")], ["placed", "stored", upTo(21, 101)]);
    }, { ...LIMITS, maxFileBytes: 400_000 })
  ));

Deno.test("SqliteEventLog.append() drops nothing in a turn that is not stored", () =>
  inTempDir((path) =>
    withLog(path, (log) => {
      place(log, "a", upTo(1, 100));
      log.snapshots.keep("a", 50, BODY.subarray(0, 10));
      log.commit();
      assertEquals([place(log, "a", [101]), kept(log, "a")], ["placed", upTo(51, 101)]);
      log.append(event("room/b", 1, { body: new Uint8Array(4_000_000) }));
      assertEquals(log.commit().kind, "failed");
      assertEquals([kept(log, "a"), log.epoch("a"), log.snapshots.oldestOp("a")], [upTo(1, 100), 100, 1]);
    }, { ...LIMITS, maxFileBytes: 400_000 })
  ));

Deno.test("SqliteEventLog.open() takes over a file of schema 2: all ops stay, and snapshots begin", () =>
  inTempDir(async (path) => {
    await withLog(path, (log) => {
      place(log, "a", [1, 2, 3], 5000);
      log.commit();
    });
    const fresh = peek(path, "SELECT name FROM sqlite_schema ORDER BY name");
    // As the second schema was.
    const db = new DatabaseSync(`${path}/events.db`);
    db.exec("DROP TABLE snapshots; ALTER TABLE rooms DROP COLUMN oldest_at; ALTER TABLE rooms DROP COLUMN oldest");
    db.exec("PRAGMA user_version = 2");
    db.close();
    await withLog(path, (log) => {
      assertEquals(log.ops("a", 0, ALL).map(({ epoch, at }) => [epoch, at]), [[1, 5000], [2, 5000], [3, 5000]]);
      assertEquals([log.snapshots.oldestOp("a"), log.snapshots.of("a")], [1, undefined]);
      log.snapshots.keep("a", 2, BODY.subarray(0, 9));
      assertEquals([place(log, "a", [4]), log.commit().kind], ["placed", "stored"]);
    });
    assertEquals(peek(path, "PRAGMA user_version"), [{ user_version: 3 }]);
    assertEquals(peek(path, "SELECT name FROM sqlite_schema ORDER BY name"), fresh);
    assertEquals(peek(path, "SELECT oldest, oldest_at FROM rooms"), [{ oldest: 1, oldest_at: 5000 }]);
  }));

function hasMore(log: Parameters<typeof kept>[0]): boolean {
  const result = log.commit();
  assert(result.kind === "stored");
  return result.hasMore;
}
