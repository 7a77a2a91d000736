// Aim: what was told is kept with its step, shown by a later run if need be, and gone when it is old, too much, or
// forgotten, to the last byte; a row that was tampered with is named and costs no other.
import { assert, assertEquals } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import { utf8 } from "../../lib/bytes/writer.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { createCertificate } from "../../lib/e2ee/certificate.ts";
import { fingerprintOf, generateIdentity } from "../../lib/e2ee/identity.ts";
import {
  BEN,
  DAY,
  fromBen,
  inLobby,
  LOBBY,
  NOW,
  OTHER_RELAY,
  recent,
  RELAY,
  textsOf,
  WITH_BEN,
  withHistory,
} from "./_history.ts";
import { inTempDir, peek, tamper } from "./_sealed_dir.ts";

/** Opens the history as the next run does, and gives what it is to show first. */
async function unshown(path: string, relay = RELAY) {
  return await withHistory(path, ({ unshown }) => Promise.resolve(unshown), { relay });
}

/** All bytes of all files, as one text of hexadecimal. */
async function hexOf(path: string): Promise<string> {
  const files = (await Array.fromAsync(Deno.readDir(path))).filter(({ isFile }) => isFile);
  const all = await Promise.all(files.map(async ({ name }) => encodeHex(await Deno.readFile(`${path}/${name}`))));
  return all.join("|");
}

/** The sealed bytes of entries and of the row of each conversation. */
function sealedRows(path: string): string[] {
  const rows = [
    ...peek(path, "SELECT value FROM entries"),
    ...peek(path, "SELECT value FROM rows WHERE tbl = 'conversations'"),
  ];
  return rows.map(({ value }) => encodeHex(value as Uint8Array));
}

Deno.test("HistoryStore.recent() gives the newest of one conversation, in order, over runs", () =>
  inTempDir(async (path) => {
    await withHistory(path, async ({ show }) => {
      await show(inLobby("one"), fromBen("psst"), inLobby("two"));
      await show(inLobby("three"));
    });
    await withHistory(path, async ({ history }) => {
      assertEquals(await recent(history, LOBBY), ["one", "two", "three"]);
      assertEquals(await recent(history, LOBBY, 2), ["two", "three"]);
      assertEquals(await recent(history, WITH_BEN), ["psst"]);
      assertEquals(await recent(history, `inbox/${RELAY.fingerprint}`), []);
      assertEquals(history.named({ name: "#Lobby" }).map(({ stream }) => stream), [LOBBY]);
      assertEquals(history.named({ name: "BEN" }).map(({ stream }) => stream), [WITH_BEN]);
      assertEquals(history.named({ name: BEN.toLowerCase() }).map(({ stream }) => stream), [WITH_BEN]);
      assertEquals(history.named({ name: "ben", kind: "room" }), []);
    });
  }));

Deno.test("HistoryStore.begin() gives what was kept and not noted as shown, once it may have been", () =>
  inTempDir(async (path) => {
    await withHistory(path, async ({ show, keep }) => {
      await show(inLobby("seen"));
      await keep(inLobby("one"), fromBen("two"));
      await keep(inLobby("three"));
    });
    for (let again = 0; again < 2; again++) {
      const { entries, mayBeShown, damaged } = await unshown(path);
      assertEquals([textsOf(entries), mayBeShown, damaged], [["one", "two", "three"], true, 0]);
    }
    await withHistory(path, async ({ history }) => {
      history.noteShown(history.last - 1);
      await history.saveShown(true);
    });
    const { entries, mayBeShown } = await unshown(path);
    assertEquals([textsOf(entries), mayBeShown], [["three"], false]);
    assertEquals((await unshown(path)).mayBeShown, true); // that run may have shown it
  }));

Deno.test("HistoryStore.begin() gives what another relay's run left to that relay alone", () =>
  inTempDir(async (path) => {
    await withHistory(path, ({ keep }) => keep(inLobby("office")));
    assertEquals((await unshown(path, OTHER_RELAY)).entries, []);
    await withHistory(path, ({ show }) => show(inLobby("home")), { relay: OTHER_RELAY });
    assertEquals(textsOf((await unshown(path)).entries), ["office"]);
    await withHistory(path, async ({ history }) => {
      const page = await history.page(Infinity);
      assertEquals(page?.entries.map(({ relay }) => relay), ["home", undefined]);
      assertEquals(await recent(history, LOBBY), ["office"]);
    });
  }));

Deno.test("HistoryStore never gives a place twice, though all entries are gone", () =>
  inTempDir(async (path) => {
    const policy = { keeps: false, days: 30 };
    const last = await withHistory(path, async ({ show, history }) => {
      await show(inLobby("one"), inLobby("two"));
      return history.last;
    }, { policy });
    assertEquals(peek(path, "SELECT * FROM entries"), []);
    await withHistory(path, async ({ keep, history }) => {
      assertEquals(history.last, last);
      await keep(inLobby("three"));
    }, { policy });
    assertEquals(textsOf((await unshown(path)).entries), ["three"]);
  }));

Deno.test("HistoryStore without a history leaves no byte of what was shown, and keeps what was before", () =>
  inTempDir(async (path) => {
    await withHistory(path, ({ show }) => show(inLobby("before")));
    const policy = { keeps: false, days: 30 };
    await withHistory(path, ({ keep }) => keep(inLobby("secret")), { policy });
    const secret = sealedRows(path)[1] as string;
    await withHistory(path, async ({ history }) => {
      assert((await hexOf(path)).includes(secret));
      history.noteShown(history.last);
      await history.saveShown(false);
      assert(!(await hexOf(path)).includes(secret), "while it runs");
      assertEquals(await recent(history, LOBBY), ["before"]);
    }, { policy });
    assert(!(await hexOf(path)).includes(secret));
  }));

Deno.test("HistoryStore keeps a conversation with somebody who is forgotten only until it was shown", () =>
  inTempDir(async (path) => {
    await withHistory(path, async ({ keep, history }) => {
      await keep({ ...fromBen("brief"), isLasting: false }, fromBen("lasting"));
      assertEquals(await recent(history, WITH_BEN), ["brief", "lasting"]);
      history.noteShown(history.last);
      await history.saveShown(false);
      assertEquals(await recent(history, WITH_BEN), ["lasting"]);
    });
  }));

Deno.test("HistoryStore.forget() leaves no byte of the rows and of their key in any file", () =>
  inTempDir(async (path) => {
    await withHistory(path, async ({ show }) => {
      for (let i = 0; i < 60; i++) await show(inLobby(`line ${i}`));
    });
    const gone = sealedRows(path);
    assertEquals(gone.length, 61);
    await withHistory(path, async ({ show, history }) => {
      await show(fromBen("stays"));
      const before = await hexOf(path);
      assert(gone.slice(0, 60).every((row) => before.includes(row)), "or this test sees nothing");
      assertEquals(await history.forget(LOBBY), 60);
      const after = await hexOf(path);
      assertEquals(gone.filter((row) => after.includes(row)), []);
      assertEquals([await recent(history, LOBBY), await recent(history, WITH_BEN)], [[], ["stays"]]);
      assertEquals([await history.forget(LOBBY), history.size.entries], [0, 1]);
    });
    const after = await hexOf(path);
    assertEquals(gone.filter((row) => after.includes(row)), []);
  }));

Deno.test("HistoryStore.forget() of a person deletes what waits for their receipts, and nobody else's", () =>
  inTempDir(async (path) => {
    await withHistory(path, async ({ show, history, store }) => {
      await show(inLobby("one"), fromBen("two"));
      const other = fingerprintOf(secureRandom(32));
      const receipts = [BEN, other].map((peer) => ({ peer, id: "ab".repeat(16), value: utf8("opaque") }));
      await store.commit({ chat: { sessions: { peers: [] }, peers: [], cursors: [], receipts } });
      const waiting = async () => (await store.load()).receipts?.map(({ peer }) => peer);
      assertEquals([await history.forget(LOBBY), (await waiting())?.length], [1, 2]);
      assertEquals([await history.forget(WITH_BEN), await waiting()], [1, [other]]);
      assertEquals(history.size.entries, 0);
    });
  }));

Deno.test("HistoryStore.forget() while messages arrive deletes those before it and keeps those after it", () =>
  inTempDir(async (path) => {
    await withHistory(path, async ({ keep, history }) => {
      const work = [keep(inLobby("one")), keep(inLobby("two"))];
      const forgotten = history.forget(LOBBY);
      work.push(keep(inLobby("three")), keep(inLobby("four")));
      await Promise.all(work);
      assertEquals([await forgotten, await recent(history, LOBBY)], [2, ["three", "four"]]);
    });
    await withHistory(path, async ({ history }) => {
      assertEquals(await recent(history, LOBBY), ["three", "four"]);
      assertEquals(history.size.entries, 2);
    });
  }));

Deno.test("HistoryStore removes what a kill in the middle of forget() left", () =>
  inTempDir(async (path) => {
    await withHistory(path, ({ show }) => show(inLobby("one"), fromBen("two")));
    const id = peek(path, "SELECT conversation FROM entries ORDER BY seq")[0]?.["conversation"];
    // The row of the key is the oldest of the two.
    tamper(path, "DELETE FROM rows WHERE seq = (SELECT min(seq) FROM rows WHERE tbl = 'conversations')");
    await withHistory(path, async ({ history, unshown: { damaged, damagedRows } }) => {
      assertEquals(damaged + damagedRows, 0);
      await history.expire(NOW);
      assertEquals([await recent(history, LOBBY), await recent(history, WITH_BEN)], [[], ["two"]]);
    });
    const left = peek(path, "SELECT conversation FROM entries");
    assertEquals([left.length, encodeHex(left[0]?.["conversation"] as Uint8Array) === encodeHex(id as Uint8Array)], [
      1,
      false,
    ]);
  }));

Deno.test("HistoryStore counts a flipped byte, a swap and a forged row, and gives all others", () =>
  inTempDir(async (path) => {
    const texts = ["one", "two", "three", "four", "five"];
    const fill = async (dir: string) => {
      await Deno.mkdir(dir, { mode: 0o700 });
      await withHistory(dir, ({ show }) => show(...texts.map((text) => inLobby(text)), fromBen("psst")));
    };
    const attacks: readonly (readonly [sql: string, left: readonly string[], damaged: number])[] = [
      ["UPDATE entries SET value = CAST(substr(value, 1, 90) || x'00' || substr(value, 92) AS BLOB) WHERE seq = 2", [
        "one",
        "three",
        "four",
        "five",
      ], 1],
      ["UPDATE entries SET value = zeroblob(5) WHERE seq = 1", ["two", "three", "four", "five"], 1],
      [
        "WITH old AS MATERIALIZED (SELECT seq, value FROM entries) UPDATE entries SET value = (SELECT value FROM old WHERE old.seq = 9 - entries.seq) WHERE seq IN (4, 5)",
        [
          "one",
          "two",
          "three",
        ],
        2,
      ],
      ["UPDATE entries SET value = (SELECT value FROM entries WHERE seq = 6) WHERE seq = 3", [
        "one",
        "two",
        "four",
        "five",
      ], 1],
      ["UPDATE entries SET conversation = (SELECT conversation FROM entries WHERE seq = 1) WHERE seq = 6", texts, 1],
      ["UPDATE entries SET seq = 70 WHERE seq = 1", ["two", "three", "four", "five"], 1],
    ];
    for (const [i, [sql, left, damaged]] of attacks.entries()) {
      const dir = `${path}/${i}`;
      await fill(dir);
      tamper(dir, sql);
      await withHistory(dir, async ({ history, show }) => {
        const found = await history.recent(LOBBY, 100);
        assertEquals([textsOf(found.entries), found.damaged], [left, damaged], sql);
        const page = await history.page(Infinity);
        assertEquals(page?.damaged, damaged, sql);
        await show(inLobby("goes on"));
        assertEquals((await recent(history, LOBBY)).at(-1), "goes on");
      });
    }
  }));

Deno.test("HistoryStore goes on when rows about it are damaged, says so, and deletes nothing", () =>
  inTempDir(async (path) => {
    await withHistory(path, ({ show }) => show(inLobby("one"), fromBen("two")));
    tamper(path, "UPDATE rows SET value = zeroblob(length(value)) WHERE tbl = 'history'");
    tamper(
      path,
      "UPDATE rows SET value = zeroblob(9) WHERE seq = (SELECT min(seq) FROM rows WHERE tbl = 'conversations')",
    );
    await withHistory(path, async ({ history, show, unshown: { entries, damagedRows } }) => {
      assertEquals([entries, damagedRows], [[], 3]);
      await history.expire(NOW + DAY);
      assertEquals([history.size.entries, await recent(history, LOBBY)], [2, []]);
      assertEquals(await recent(history, WITH_BEN), ["two"]);
      await show(inLobby("three"));
      assertEquals(await recent(history, LOBBY), ["three"]);
    });
    assertEquals((await unshown(path)).damagedRows, 0); // all of them were written anew
  }));

Deno.test("HistoryStore.expire() deletes what is older than its days, and nothing that was not shown", () =>
  inTempDir(async (path) => {
    await withHistory(path, async ({ show, keep, history }) => {
      let now = NOW;
      const live = async (days: number) => {
        for (let i = 0; i < days; i++) await history.expire(now += DAY); // a client that runs
      };
      await show(inLobby("old"));
      await live(5);
      await show(inLobby("newer", now));
      await keep(fromBen("unseen", now));
      await live(25);
      assertEquals(await recent(history, LOBBY), ["old", "newer"]);
      await live(1);
      assertEquals(await recent(history, LOBBY), ["newer"]);
      await live(20);
      assertEquals([await recent(history, LOBBY), await recent(history, WITH_BEN)], [[], ["unseen"]]);
      history.noteShown(history.last);
      await live(1);
      assertEquals([history.size.entries, await recent(history, WITH_BEN)], [1, ["unseen"]]); // it is not noted yet
      await history.saveShown(false);
      await live(1);
      assertEquals([history.size.entries, history.size.bytes], [0, 0]);
    });
  }));

Deno.test("HistoryStore.expire() deletes nothing because a clock jumps", () =>
  inTempDir(async (path) => {
    await withHistory(path, ({ show }) => show(inLobby("one"), inLobby("two")));
    const year = 365 * DAY;
    for (const nowMs of [NOW + year, 1_000, NOW + year, NOW, NOW + year, NOW + DAY / 2]) {
      await withHistory(path, async ({ history, show }) => {
        await history.expire(nowMs);
        await show(fromBen("then", nowMs));
        assertEquals(await recent(history, LOBBY), ["one", "two"], String(nowMs));
      }, { nowMs });
    }
    await withHistory(path, async ({ history }) => {
      await history.expire(NOW + year);
      assertEquals((await recent(history, LOBBY)).length, 2);
      await history.expire(NOW + year + DAY); // it has held for a day: a year went by
      assertEquals(history.size.entries, 0);
    }, { nowMs: NOW + DAY / 2 });
  }));

Deno.test("HistoryStore lets the oldest go when there are too many or too much", () =>
  inTempDir(async (path) => {
    const testOnlyMax = { entries: 500, bytes: 1_000_000 };
    let size = { entries: 0, bytes: 0 };
    await withHistory(path, async ({ show, history }) => {
      for (let i = 0; i < 30; i++) await show(...Array.from({ length: 40 }, (_, j) => inLobby(`${40 * i + j}`)));
      assert(history.size.entries <= 500 && history.size.entries > 300, `${history.size.entries}`);
      const texts = await recent(history, LOBBY);
      assertEquals(texts, texts.map((_, i) => String(1_200 - texts.length + i)));
      for (let i = 0; i < 100; i++) await show(inLobby("x".repeat(16_000)));
      await history.expire(NOW);
      assert(history.size.bytes <= 1_000_000 && history.size.bytes > 100_000, `${history.size.bytes}`);
      size = history.size;
    }, { testOnlyMax });
    const [counted] = peek(path, "SELECT count(*) AS entries, sum(length(value)) AS bytes FROM entries");
    assertEquals(counted, { ...size });
  }));

Deno.test("ClientStore.commit() of another identity deletes the history of the former", () =>
  inTempDir(async (path) => {
    await withHistory(path, async ({ show, store }) => {
      const [ada, other] = await Promise.all([0, 0].map(() => generateIdentity({ life: "lasting", nowMs: NOW })));
      await store.commit({ identity: ada! });
      await store.commit({ certificate: await createCertificate(ada!, { handle: "ada", createdMs: NOW }) });
      await show(inLobby("one"));
      await store.commit({ identity: other! });
    });
    const left = "SELECT seq FROM rows WHERE tbl IN ('conversations', 'history') UNION ALL SELECT seq FROM entries";
    assertEquals(peek(path, left), []);
  }));
