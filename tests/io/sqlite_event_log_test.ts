// Aim: the log in a file does what every log must do, and goes on after a restart, a kill, or a full disk as if nothing
// had been.
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { CLEAR_MAX_ROWS } from "../../lib/io/sqlite_event_clearing.ts";
import { TRUNCATE_EVERY_MS } from "../../lib/io/sqlite_event_log.ts";
import type { RelayInput } from "../../lib/relay/effects.ts";
import { NameBook } from "../../lib/relay/names.ts";
import { BODY, IS_POSIX, peek, startLoop, withLog } from "../relay/_event_file.ts";
import { ALL, event, NaiveLog, seqs, step, takeStep, testEventLog } from "../relay/_event_log_suite.ts";
import { fingerprintOf, GENERATION, idOf, LOBBY, LOBBY_STREAM, RelayBench } from "../relay/_workbench.ts";
import { inTempDir } from "./_sealed_dir.ts";

testEventLog(
  "SqliteEventLog",
  (limits, use) => inTempDir((path) => withLog(path, use, { limits })),
  { numRuns: 40 },
);

Deno.test("SqliteEventLog does what a naive model does when it is closed and opened after every commit", async () => {
  const limits = { streamEvents: 7, streamIds: 12, ageMs: 200 };
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(step, { maxLength: 40 }), { maxLength: 8 }),
      (lives) =>
        inTempDir(async (path) => {
          const model = new NaiveLog(limits);
          const clock = { nowMs: 1000 };
          for (const steps of lives) {
            await withLog(path, (log) => {
              for (const next of steps) takeStep(log, model, next, clock);
              assertEquals(log.commit().kind, "stored");
            }, { limits });
          }
        }),
    ),
    { numRuns: 25 },
  );
});

Deno.test("SqliteEventLog keeps events, places, ids and its generation over a restart", () =>
  inTempDir(async (path) => {
    const body = Uint8Array.of(0, 1, 255);
    await withLog(path, (log) => {
      assertEquals(log.generation, GENERATION);
      log.append(event("room/a", 1, { body, atMs: 5 }));
      log.append(event("room/a", 2, { body: new Uint8Array(0), atMs: 7 }));
      log.append(event("inbox/b", 1, { publisher: "Q" }));
      log.commit();
      log.append(event("room/a", 3));
    });
    await withLog(path, (log) => {
      assertEquals(log.generation, GENERATION);
      assertEquals([log.head("room/a"), log.oldest("room/a"), log.head("inbox/b")], [2, 1, 1], "3 was not committed");
      const { publisher, kind } = event("room/a", 1);
      assertEquals(log.read("room/a", 0, ALL), [
        { stream: "room/a", seq: 1, at: 5, publisher, kind, id: idOf(1), body },
        { stream: "room/a", seq: 2, at: 7, publisher, kind, id: idOf(2), body: new Uint8Array(0) },
      ]);
      assertEquals(log.append(event("room/a", 2)), { kind: "placed", seq: 2, at: 7, isRepeat: true });
      assertEquals(log.append(event("room/a", 4)), { kind: "placed", seq: 3, at: 1000, isRepeat: false });
    }, { makeGeneration: () => "f".repeat(32) });
    await Deno.remove(`${path}/events.db`);
    await withLog(path, (log) => assertEquals([log.generation, log.head("room/a")], ["f".repeat(32), 0]), {
      makeGeneration: () => "f".repeat(32),
    });
  }));

Deno.test("SqliteEventLog gives no place twice after a restart when a forgotten stream starts again", () =>
  inTempDir(async (path) => {
    const limits = { streams: 1 };
    await withLog(path, (log) => {
      for (let id = 1; id <= 3; id++) log.append(event("room/a", id));
      log.append(event("room/b", 1));
      assertEquals(seqs(log, "room/b"), [4]);
      log.commit();
    }, { limits });
    await withLog(path, (log) => {
      assertEquals([log.head("room/a"), log.find("room/a", "P", idOf(1))], [3, undefined]);
      log.append(event("room/a", 1));
      assertEquals(seqs(log, "room/a"), [5]);
      assertEquals(log.commit(), { kind: "stored", hasMore: false });
    }, { limits });
    assertEquals(peek(path, "SELECT name FROM streams"), [{ name: "room/a" }]);
    assertEquals(peek(path, "SELECT seq FROM records"), [{ seq: 5 }]);
  }));

Deno.test("SqliteEventLog leaves nothing behind of streams that begin, end and begin again within one turn", () =>
  inTempDir(async (path) => {
    await withLog(path, (log) => {
      for (let id = 1; id <= 40; id++) log.append(event(`room/${id % 5}`, id, { atMs: id }));
      assertEquals(log.commit(), { kind: "stored", hasMore: false });
      log.append(event("inbox/x", 1));
      log.trim(1e9);
      log.commit();
      log.append(event("room/9", 9, { atMs: 1e9 }));
      assertEquals(log.commit(), { kind: "stored", hasMore: false });
      assertEquals(seqs(log, "room/9").length, 1);
    }, { limits: { streams: 2, ageMs: 1000 } });
    assertEquals(peek(path, "SELECT name FROM streams"), [{ name: "room/9" }]);
    assertEquals(peek(path, "SELECT count(*) AS n FROM records"), [{ n: 1 }]);
  }));

Deno.test("SqliteEventLog.commit() clears away a bounded number of rows, and goes on after a restart", () =>
  inTempDir(async (path) => {
    const count = 3 * CLEAR_MAX_ROWS;
    const limits = { ageMs: 100 };
    const rows = () => Number(peek(path, "SELECT count(*) AS n FROM records")[0]?.["n"]);
    await withLog(path, (log) => {
      for (let id = 1; id <= count; id++) log.append(event("room/a", id));
      log.commit();
      log.trim(5000);
      assertEquals([seqs(log, "room/a").length, log.oldest("room/a")], [0, count + 1], "what is gone is gone at once");
      assertEquals(log.commit(), { kind: "stored", hasMore: true });
    }, { limits });
    assertEquals(rows(), count - CLEAR_MAX_ROWS);
    await withLog(path, (log) => {
      assertEquals([seqs(log, "room/a").length, log.head("room/a")], [0, count]);
      assertEquals(log.append(event("room/a", 1, { atMs: 5000 })).kind, "placed");
      for (let rounds = 0; rounds < 2; rounds++) {
        log.trim(5000);
        log.commit();
      }
      log.trim(5000);
      assertEquals(log.commit(), { kind: "stored", hasMore: false });
      assertEquals(seqs(log, "room/a"), [count + 1]);
    }, { limits });
    assertEquals(rows(), 1);
  }));

Deno.test("SqliteEventLog.commit() clears away a bounded number of bytes", () =>
  inTempDir((path) =>
    withLog(path, (log) => {
      for (let id = 1; id <= 60; id++) log.append(event("room/a", id, { body: new Uint8Array(48_000) }));
      assertEquals(log.commit(), { kind: "stored", hasMore: false });
      log.trim(5000);
      assertEquals(log.commit(), { kind: "stored", hasMore: true });
      log.trim(5000);
      assertEquals(log.commit(), { kind: "stored", hasMore: true });
      log.trim(5000);
      assertEquals(log.commit(), { kind: "stored", hasMore: false });
    }, { limits: { ageMs: 100 } })
  ));

Deno.test("SqliteEventLog forgets the bodies that it does not keep and remembers their ids", () =>
  inTempDir(async (path) => {
    await withLog(path, (log) => {
      for (let id = 1; id <= 10; id++) log.append(event("room/a", id));
      log.commit();
    }, { limits: { streamEvents: 3, streamIds: 6 } });
    assertEquals(peek(path, "SELECT seq, body IS NULL AS isGone FROM records"), [
      { seq: 5, isGone: 1 },
      { seq: 6, isGone: 1 },
      { seq: 7, isGone: 1 },
      { seq: 8, isGone: 0 },
      { seq: 9, isGone: 0 },
      { seq: 10, isGone: 0 },
    ]);
  }));

Deno.test("SqliteEventLog.commit() undoes the whole turn when the file is full, and goes on when there is room", () =>
  inTempDir(async (path) => {
    const options = { maxFileBytes: 300_000, limits: { ageMs: 1000 } };
    let kept = 0;
    await withLog(path, (log) => {
      let result = log.commit();
      while (result.kind === "stored") {
        for (let i = 1; i <= 20; i++) log.append(event("room/a", kept + i, { body: BODY }));
        log.append(event("room/later", 1));
        log.append(event(`room/${kept}`, 1));
        result = log.commit();
        if (result.kind === "stored") kept += 20;
      }
      assertEquals(result.reason, "diskFull");
      assert(kept > 20);
      assertEquals(log.head("room/later"), 1, "the first turn made this room");
      assertEquals(log.append(event("room/a", 1, { body: BODY })), {
        kind: "placed",
        seq: 1,
        at: 1000,
        isRepeat: true,
      });
      assertEquals([log.head("room/a"), seqs(log, "room/a").length], [kept, kept]);
      assertEquals([log.find("room/a", "P", idOf(kept + 1)), log.head(`room/${kept}`)], [undefined, 0]);
      log.trim(5000);
      assertEquals(log.commit().kind, "stored", "clearing away needs no room");
      assertEquals(log.append(event("room/a", kept + 1, { body: BODY, atMs: 5000 })).kind, "placed");
      assertEquals(log.commit().kind, "stored");
      assertEquals(seqs(log, "room/a"), [kept + 1], "no place was used up by what failed");
    }, options);
  }));

Deno.test("SqliteEventLog.append() answers failed for the rest of a turn that cannot be stored", () =>
  inTempDir((path) =>
    withLog(path, (log) => {
      const kinds = Array.from({ length: 200 }, (_, id) => log.append(event("room/a", id, { body: BODY })).kind);
      const at = kinds.indexOf("failed");
      assert(at > 0);
      assertEquals(new Set(kinds.slice(at)), new Set(["failed"]));
      assertEquals(log.commit(), { kind: "failed", reason: "diskFull" });
      assertEquals([log.head("room/a"), seqs(log, "room/a")], [0, []]);
      assertEquals(log.append(event("room/a", 1)), { kind: "placed", seq: 1, at: 1000, isRepeat: false });
      assertEquals(log.commit(), { kind: "stored", hasMore: false });
    }, { maxFileBytes: 120_000 })
  ));

Deno.test("SqliteEventLog moves the log beside its file into it once in a while", () =>
  inTempDir((path) =>
    withLog(path, (log) => {
      const walBytes = () => Deno.statSync(`${path}/events.db-wal`).size;
      log.trim(1000);
      log.append(event("room/a", 1));
      log.commit();
      assert(walBytes() > 0);
      log.trim(1000 + TRUNCATE_EVERY_MS);
      log.commit();
      assertEquals(walBytes(), 0);
    })
  ));

Deno.test("SqliteEventLog loses nothing that was accepted when its process is killed", () =>
  inTempDir(async (path) => {
    const accepted: [seq: number, id: string][] = [];
    for (let round = 1; round <= 3; round++) {
      const child = startLoop(path);
      let text = "";
      for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
        text += chunk;
        if (text.length > round * 20_000) child.kill("SIGKILL");
      }
      await child.status;
      // The last line may be cut off.
      for (const line of text.split("\n").slice(0, -1)) {
        const [seq, id] = line.split(" ") as [string, string];
        accepted.push([Number(seq), id]);
      }
    }
    assert(accepted.length > 1000);
    await withLog(path, (log) => {
      const publishers = Array.from({ length: 16 }, (_, i) => fingerprintOf(`p${i + 1}`));
      for (const [seq, id] of accepted) {
        const found = publishers.map((publisher) => log.find(LOBBY_STREAM, publisher, id)?.seq)
          .filter((place) => place !== undefined);
        assertEquals(found, [seq]);
      }
      const kept = seqs(log, LOBBY_STREAM);
      assertEquals(kept.length, 200);
      assertEquals(kept.at(-1), log.head(LOBBY_STREAM));
    }, { limits: { streamEvents: 200, streamIds: 1_000_000, totalBytes: Infinity } });
  }));

Deno.test({
  name: "SqliteEventLog.commit() undoes what the system refuses to write, and nobody is told that it is stored",
  ignore: !IS_POSIX,
  fn: () =>
    inTempDir(async (path) => {
      // Files may grow to 800 blocks of 512 bytes and no further; the signal that says so is ignored, as on a full disk.
      const child = startLoop(path, ["sh", "-c", `trap '' XFSZ; ulimit -f 800; exec "$@"`, "sh"]);
      const lines = (await new Response(child.stdout).text()).trim().split("\n").map((line) => line.split(" "));
      assertEquals((await child.status).code, 0);
      const accepted = lines.filter(([word]) => word !== "refused");
      const refused = lines.filter(([word]) => word === "refused");
      assert(accepted.length > 100 && refused.length > 0);
      assertEquals(new Set(refused.map(([, code]) => code)), new Set(["notStored"]));
      await withLog(path, (log) => {
        assertEquals(log.head(LOBBY_STREAM), accepted.length);
        const kept = log.read(LOBBY_STREAM, 0, ALL).map(({ seq, id }) => [String(seq), id]);
        assertEquals(kept, accepted.slice(-kept.length));
        log.append(event(LOBBY_STREAM, 1e9));
        assertEquals(log.commit().kind, "stored");
      }, { limits: { streamEvents: 200, streamIds: 1_000_000, totalBytes: Infinity } });
    }),
});

Deno.test("a client that comes back after a restart of the relay goes on after its cursor", () =>
  inTempDir(async (path) => {
    const names = new NameBook();
    await withLog(path, (log) => {
      const bench = new RelayBench({ log, names });
      const ada = bench.join("ada");
      bench.publish(ada, LOBBY_STREAM, Uint8Array.of(1), idOf(101));
      bench.publish(ada, LOBBY_STREAM, Uint8Array.of(2), idOf(102));
      assertEquals(bench.heard(ada).map((said) => said.t === "accepted" && said.seq), [1, 2]);
    });
    await withLog(path, (log) => {
      const bench = new RelayBench({ log, names });
      const ada = bench.join("ada");
      const ben = bench.open("ben");
      bench.say(ben, { t: "enter", room: LOBBY });
      bench.take(ben);
      bench.say(ben, { t: "subscribe", stream: LOBBY_STREAM, after: { generation: GENERATION, seq: 1 } });
      const heard = bench.drainAll(ben);
      assertEquals(heard.map(({ message }) => message.t), ["subscribed", "event"]);
      assertEquals(heard[1]?.body, Uint8Array.of(2));
      bench.publish(ada, LOBBY_STREAM, Uint8Array.of(2), idOf(102));
      bench.publish(ada, LOBBY_STREAM, Uint8Array.of(3), idOf(103));
      const places = bench.heard(ada).map((said) => said.t === "accepted" && said.seq);
      assertEquals(places, [false, 2, 3], "ben came; the repeat keeps its place");
      assertEquals(bench.drainAll(ben).map(({ message }) => message.t === "event" && message.seq), [3]);
    });
  }));

Deno.test("Relay.handleTurn() refuses every event of a turn that the file has no room for, and tells nobody of it", () =>
  inTempDir((path) =>
    withLog(path, (log) => {
      const bench = new RelayBench({ log });
      const [ada, ben] = [bench.join("ada"), bench.join("ben")];
      bench.take(ada);
      bench.publish(ada, LOBBY_STREAM, BODY, idOf(1));
      assertEquals([bench.heard(ada), bench.heard(ben)].map((heard) => heard.map(({ t }) => t)), [["accepted"], [
        "event",
      ]]);
      bench.turn(Array.from({ length: 300 }, (_, i): RelayInput => {
        const message = { t: "publish", stream: LOBBY_STREAM, kind: "message", id: idOf(i + 1) } as const;
        return { kind: "message", link: i % 2 === 0 ? ada : ben, packet: { message, body: BODY }, nowMs: bench.nowMs };
      }));
      const [first, ...others] = bench.heard(ada);
      assertEquals([first?.t, first?.t === "accepted" && first.seq], ["accepted", 1], "what was stored once is stored");
      assertEquals(others.map((said) => said.t === "refused" && said.code), Array(149).fill("notStored"));
      assertEquals(bench.heard(ben).map((said) => said.t === "refused" && said.code), Array(150).fill("notStored"));
      assertEquals(log.head(LOBBY_STREAM), 1);
      bench.publish(ada, LOBBY_STREAM, BODY, idOf(7));
      assertEquals(bench.heard(ada).map((said) => said.t === "accepted" && said.seq), [2]);
      assertEquals(bench.heard(ben).map((said) => said.t === "event" && said.seq), [2]);
      const told = bench.effects.flatMap((effect) => effect.kind === "log" ? [effect.event] : []);
      assertEquals(told.filter((name) => name.startsWith("events")), ["eventsNotStored", "eventsAreStoredAgain"]);
    }, { maxFileBytes: 150_000 })
  ));
