// Aim: an entry counts as shown when the output has its last byte and not before, questions are answered in order and say
// what they cannot do, and nobody who does not read holds up the end.
import { assert, assertEquals } from "@std/assert";
import type { ChatEvent } from "../../lib/chat/events.ts";
import type { Front, FrontInput } from "../../lib/io/front.ts";
import { HistoryDesk, QUESTIONS_MAX } from "../../lib/io/history_desk.ts";
import { MEMORY_MAX_ENTRIES, MemoryHistory } from "../../lib/io/history_memory.ts";
import { foldedText, SEARCH_MAX_RESULTS, searchHistory } from "../../lib/io/history_search.ts";
import { fromBen, inLobby, LOBBY, NOW, type OpenHistory, RELAY, textsOf, WITH_BEN, withHistory } from "./_history.ts";
import { inTempDir, tamper } from "./_sealed_dir.ts";

/** Ten bytes an event; the test says how many of them were written. */
class CountingFront implements Front {
  readonly events: ChatEvent[] = [];
  readonly broken = new Promise<never>(() => {});
  readonly progress = {
    queuedBytesEver: 0,
    writtenBytesEver: 0,
    drain: () => Promise.resolve(this.progress.writtenBytesEver === this.progress.queuedBytesEver),
  };
  /** Whether every event is written at once. */
  isRead = true;
  /** Whether there is room. */
  isReady = true;
  show(event: ChatEvent): void {
    this.events.push(event);
    this.progress.queuedBytesEver += 10;
    if (this.isRead) this.progress.writtenBytesEver += 10;
  }
  async *inputs(): AsyncGenerator<FrontInput, void, undefined> {}
  takeUnread(): string[] {
    return [];
  }
  ready(): Promise<void> {
    return this.isReady ? Promise.resolve() : new Promise(() => {});
  }
  close(): Promise<void> {
    return Promise.resolve();
  }
}

interface Desk extends OpenHistory {
  readonly desk: HistoryDesk;
  readonly front: CountingFront;
}

async function withDesk<T>(path: string, use: (desk: Desk) => Promise<T>): Promise<T> {
  return await withHistory(path, async (open) => {
    const front = new CountingFront();
    const failed = (error: unknown) => {
      throw error;
    };
    const desk = new HistoryDesk({ log: open.history, front, nowMs: () => NOW, failed });
    await desk.begin(RELAY);
    try {
      return await use({ ...open, desk, front });
    } finally {
      desk.leave(true);
      await desk.close(false);
    }
  });
}

/** What the next run would show first. */
async function unshown(path: string): Promise<[string[], boolean]> {
  return await withHistory(path, ({ unshown: { entries, mayBeShown } }) => {
    return Promise.resolve([textsOf(entries), mayBeShown]);
  });
}

/** Keeps and shows entries as the host does. */
async function tell({ keep, desk }: Desk, from: number, ...texts: string[]): Promise<void> {
  const entries = texts.map((text) => inLobby(text));
  await keep(...entries);
  for (const [i, { event }] of entries.entries()) desk.showEntry(event, from + i);
}

Deno.test("HistoryDesk.note() counts as shown what was written to the last byte", () =>
  inTempDir(async (path) => {
    await withDesk(path, async (open) => {
      const { front, desk, history } = open;
      front.isRead = false;
      await tell(open, 1, "one", "two", "three");
      for (const [writtenBytes, left] of [[0, 3], [9, 3], [10, 2], [29, 1]] as const) {
        front.progress.writtenBytesEver = writtenBytes;
        desk.note();
        await history.saveShown(false);
        const { entries } = await history.begin(RELAY, NOW);
        assertEquals(entries.length, left, `${writtenBytes} bytes`);
      }
    });
    assertEquals(await unshown(path), [["three"], true]);
  }));

Deno.test("HistoryDesk.close() leaves no doubt after an end of its own, and says so where a reader was behind", () =>
  inTempDir(async (path) => {
    await withDesk(path, async (open) => {
      await tell(open, 1, "one");
      open.desk.leave(false);
      await open.desk.close(true);
    });
    assertEquals(await unshown(path), [[], false]);
    await withDesk(path, async (open) => {
      await tell(open, 1, "two");
      open.front.isRead = false;
      await tell(open, 2, "three");
      open.desk.leave(true);
      await open.desk.close(true);
    });
    assertEquals(await unshown(path), [["three"], true]);
  }));

Deno.test("HistoryDesk.showUnshown() shows what the last run left, late, and again where that is not known", () =>
  inTempDir(async (path) => {
    await withHistory(path, ({ keep }) => keep(inLobby("one"), fromBen("two")));
    await withDesk(path, async ({ desk, front, history }) => {
      await desk.showUnshown();
      const [notice, ...shown] = front.events;
      assertEquals(notice?.type === "notice" && notice.code, "unshown");
      const marks = shown.map((event) => event.type === "message" && [event.text, event.late, event.again]);
      assertEquals(marks, [["one", true, true], ["two", true, true]]);
      desk.leave(false);
      await desk.close(true);
      assertEquals(history.hasNews, false);
    });
    assertEquals(await unshown(path), [[], false]);
    await withDesk(path, async ({ desk, front }) => {
      await desk.showUnshown();
      assertEquals(front.events, []);
    });
  }));

Deno.test("HistoryDesk.showUnshown() ends with the run when nobody reads, and what was not shown stays", () =>
  inTempDir(async (path) => {
    await withHistory(path, ({ keep }) => keep(inLobby("one"), inLobby("two"), inLobby("three")));
    await withDesk(path, async ({ desk, front }) => {
      front.isReady = false;
      const showing = desk.showUnshown();
      desk.leave(true);
      await showing;
      assertEquals(front.events.length, 2); // the notice and the first
      await desk.close(true);
    });
    assertEquals(await unshown(path), [["two", "three"], true]);
  }));

Deno.test("HistoryDesk.showUnshown() names rows that are damaged, and shows the others", () =>
  inTempDir(async (path) => {
    await withHistory(path, ({ keep }) => keep(inLobby("one"), inLobby("two")));
    tamper(path, "UPDATE entries SET value = zeroblob(200) WHERE seq = 1");
    await withDesk(path, async ({ desk, front }) => {
      await desk.showUnshown();
      assertEquals(front.events.map((event) => event.type === "notice" ? event.code : event.type), [
        "historyDamaged",
        "unshown",
        "message",
      ]);
    });
  }));

Deno.test("HistoryDesk.ask() answers in order, with the ref, and says what it does not find", () =>
  inTempDir(async (path) => {
    await withDesk(path, async ({ desk, front, show }) => {
      await show(inLobby("one"), fromBen("ONE more"), inLobby("two"));
      desk.ask({ kind: "search", text: "one" }, 1);
      desk.ask({ kind: "history", count: 1, of: { stream: LOBBY, name: "lobby", kind: "room" } }, 2);
      desk.ask({ kind: "forget", of: { name: "Ben" } }, 3);
      desk.ask({ kind: "history", count: 5, of: { stream: WITH_BEN, name: "ben", kind: "person" } }, 4);
      desk.ask({ kind: "forget", of: { name: "carol" } }, 5);
      desk.ask({ kind: "history", count: 5, of: { name: "ben", kind: "room" } }, 6);
      desk.leave(false);
      await desk.close(true);
      const told = front.events.map((event) => {
        const ref = "ref" in event ? event.ref : undefined;
        const what = event.type === "entry"
          ? textsOf([{ event: event.entry }])[0]
          : event.type === "error" && event.code;
        return [ref, event.type, what || ("count" in event ? event.count : undefined)];
      });
      assertEquals(
        told,
        [
          [1, "search", 2],
          [1, "entry", "one"],
          [1, "entry", "ONE more"],
          [2, "history", 1],
          [2, "entry", "two"],
          [3, "forgotten", 1],
          [4, "history", undefined],
          [5, "error", "noSuchPerson"],
          [6, "error", "noSuchRoom"],
        ].map(([ref, type, what]) => [ref, type, type === "history" && what === undefined ? 0 : what]),
      );
    });
  }));

Deno.test("HistoryDesk.ask() refuses more questions than may wait", () =>
  inTempDir(async (path) => {
    await withDesk(path, async ({ desk, front }) => {
      for (let i = 0; i <= QUESTIONS_MAX; i++) desk.ask({ kind: "search", text: "x" }, i);
      desk.leave(false);
      await desk.close(true);
      const errors = front.events.filter(({ type }) => type === "error");
      assertEquals([errors.length, front.events.length], [1, QUESTIONS_MAX + 1]);
    });
  }));

Deno.test("searchHistory() gives the newest, whatever case and form, and says that there are more", () =>
  inTempDir(async (path) => {
    await withHistory(path, async ({ history, show }) => {
      for (let i = 0; i < 300; i++) await show(inLobby(`${i} ${i % 2 === 0 ? "Straße" : "ﬁn"}`));
      const streets = await searchHistory(history, "STRASSE", () => true);
      assertEquals([streets.entries.length, streets.hasMore], [SEARCH_MAX_RESULTS, true]);
      assertEquals(textsOf(streets.entries).at(-1), "298 Straße");
      assertEquals(textsOf(streets.entries)[0], "200 Straße");
      assertEquals(textsOf((await searchHistory(history, "7 FIN", () => true)).entries).slice(-2), [
        "287 ﬁn",
        "297 ﬁn",
      ]);
      assertEquals(await searchHistory(history, "nowhere", () => true), { entries: [], damaged: 0, hasMore: false });
      let pages = 0;
      assertEquals((await searchHistory(history, "nowhere", () => pages++ < 1)).entries, []);
      assertEquals(pages, 2);
    });
  }));

Deno.test("foldedText() makes letters of one kind the same", () => {
  for (const [a, b] of [["ΟΔΟΣ", "οδος"], ["Ａ", "a"], ["e\u0301", "É"], ["ß", "SS"], ["²", "2"]] as const) {
    assertEquals(foldedText(a), foldedText(b));
  }
  assert(foldedText("a") !== foldedText("b"));
});

Deno.test("MemoryHistory has the last entries, and none where nothing is kept", async () => {
  const memory = new MemoryHistory({ keeps: true, days: 30 });
  memory.add(Array.from({ length: MEMORY_MAX_ENTRIES + 5 }, (_, i) => inLobby(String(i))));
  memory.add([fromBen("psst")]);
  const { entries } = await memory.recent(LOBBY, MEMORY_MAX_ENTRIES + 5);
  assertEquals([entries.length, textsOf(entries)[0]], [MEMORY_MAX_ENTRIES - 1, "6"]);
  assertEquals(memory.named({ name: "BEN" }), [{ stream: WITH_BEN, name: "ben" }]);
  assertEquals((await searchHistory(memory, "100", () => true)).entries.length, 6);
  assertEquals([await memory.forget(WITH_BEN), await memory.forget(WITH_BEN)], [1, 0]);
  const none = new MemoryHistory({ keeps: false, days: 30 });
  none.add([inLobby("one")]);
  assertEquals([none.last, (await none.recent(LOBBY, 5)).entries], [1, []]);
});
