// Aim: whoever asks is told what the relay holds about them, and of nobody else; the numbers are those of the database.
import { assert, assertEquals } from "@std/assert";
import { lvCat, utf8 } from "../../lib/bytes/writer.ts";
import { openDataDir } from "../../lib/io/data_dir.ts";
import { SqliteEventLog } from "../../lib/io/sqlite_event_log.ts";
import { ABOUT_BURST } from "../../lib/relay/about.ts";
import { EVENT_MAX_AGE_MS } from "../../lib/relay/event_log.ts";
import { NAME_TTL_MS, NameBook } from "../../lib/relay/names.ts";
import { type About, ABOUT_LIST_MAX, decodeAbout } from "../../lib/wire/about.ts";
import { peek } from "./_event_file.ts";
import { fingerprintOf, GENERATION, inboxOf, LOBBY, LOBBY_STREAM, RelayBench, START_MS } from "./_workbench.ts";

/** Asks, and gives what came; `undefined` for an empty answer. */
function ask(bench: RelayBench, link: number): About | undefined {
  bench.take(link);
  bench.say(link, { t: "aboutMe", ref: 7 });
  const answers = bench.take(link).filter(({ message }) => message.t === "aboutYou");
  assertEquals(answers.map(({ message }) => message), [{ t: "aboutYou", ref: 7 }]);
  const body = answers[0]?.body ?? new Uint8Array(0);
  return body.length === 0 ? undefined : decodeAbout(body);
}

Deno.test("the relay tells who asks what it holds about them", () => {
  const bench = new RelayBench();
  const alice = bench.join("alice", { address: "192.0.2.7", createdMs: 5 });
  const bob = bench.join("bob");
  bench.publish(bob, inboxOf("alice"), utf8("four"));
  bench.publish(bob, inboxOf("alice"), utf8("four"));
  bench.nowMs += 1_000;
  bench.publish(alice, inboxOf("alice"), utf8("own"));
  bench.publish(alice, LOBBY_STREAM);
  bench.say(alice, { t: "putBundle" }, utf8("bundle"));
  bench.say(alice, { t: "putOneTimePrekeys" }, lvCat(utf8("one"), utf8("two")));
  bench.say(bob, { t: "getBundle", ref: 1, of: fingerprintOf("alice"), nonce: "0".repeat(32) });
  bench.say(alice, { t: "liveBundle", ref: 1 }); // an empty one: the stored ones go out
  bench.say(alice, { t: "createMailbox", ref: 1 }, new Uint8Array(16));
  assertEquals(ask(bench, alice), {
    names: [{ handle: "alice", life: "lasting", madeAt: 5, lastSeen: START_MS }],
    namesKeptForMs: NAME_TTL_MS,
    certificateBytes: "certificate of alice".length,
    address: "192.0.2.7",
    rooms: [{ room: LOBBY, ops: 0 }],
    heard: 2,
    received: {
      events: 3,
      bytes: 11,
      waiting: 0,
      authors: 2,
      from: [
        { publisher: fingerprintOf("bob"), events: 2, bytes: 8, firstAt: START_MS, lastAt: START_MS },
        { publisher: fingerprintOf("alice"), events: 1, bytes: 3, firstAt: START_MS + 1_000, lastAt: START_MS + 1_000 },
      ],
    },
    published: {
      events: 2,
      streams: 2,
      in: [
        { stream: inboxOf("alice"), events: 1, firstAt: START_MS + 1_000, lastAt: START_MS + 1_000 },
        { stream: LOBBY_STREAM, events: 1, firstAt: START_MS + 1_000, lastAt: START_MS + 1_000 },
      ],
    },
    eventsKeptForMs: EVENT_MAX_AGE_MS,
    bundle: { bytes: 6, putAt: START_MS + 1_000, oneTimePrekeys: 1 },
    keysGivenToYou: 0,
    keysGivenOfYou: 1,
    mailboxes: 1,
  });
  const ofBob = ask(bench, bob);
  assertEquals([ofBob?.keysGivenToYou, ofBob?.bundle, ofBob?.mailboxes, ofBob?.received.events], [1, null, 0, 0]);
  assertEquals(ofBob?.published.in.map(({ stream, events }) => [stream, events]), [[inboxOf("alice"), 2]]);
});

Deno.test("what waits in an inbox is counted, by whom, before its owner reads it", () => {
  const bench = new RelayBench();
  const bob = bench.join("bob");
  const alice = bench.open("alice");
  for (let i = 0; i < 3; i++) bench.publish(bob, inboxOf("alice"));
  assertEquals(ask(bench, alice)?.received.waiting, 3);
  bench.say(alice, { t: "subscribe", stream: inboxOf("alice"), after: null });
  assertEquals(ask(bench, alice)?.received, {
    events: 3,
    bytes: 3,
    waiting: 0,
    authors: 1,
    from: [{ publisher: fingerprintOf("bob"), events: 3, bytes: 3, firstAt: START_MS, lastAt: START_MS }],
  }, "read, and kept all the same");
});

Deno.test("long lists are cut at those with most events, and totals stand beside them", () => {
  const bench = new RelayBench();
  const alice = bench.join("alice");
  const people = Array.from({ length: ABOUT_LIST_MAX + 5 }, (_, i) => `p${i}`);
  for (const name of people) bench.publish(bench.open(name), inboxOf("alice"));
  for (const name of people) bench.publish(alice, inboxOf(name));
  bench.publish(alice, inboxOf("p68"));
  const about = ask(bench, alice);
  assertEquals([about?.received.authors, about?.received.from.length], [ABOUT_LIST_MAX + 5, ABOUT_LIST_MAX]);
  assertEquals([about?.published.streams, about?.published.in.length], [ABOUT_LIST_MAX + 5, ABOUT_LIST_MAX]);
  assertEquals([about?.published.in[0]?.stream, about?.published.events], [inboxOf("p68"), ABOUT_LIST_MAX + 6]);
});

Deno.test("who asks too often gets an empty answer, and so does everybody else for a moment", () => {
  const bench = new RelayBench();
  const [alice, bob] = [bench.join("alice"), bench.join("bob")];
  const answers = Array.from({ length: ABOUT_BURST + 3 }, () => ask(bench, alice) !== undefined);
  assertEquals(answers.filter((isTold) => isTold).length, ABOUT_BURST);
  assertEquals(ask(bench, bob), undefined);
  bench.nowMs += 1_000;
  assert(ask(bench, bob) !== undefined);
  assertEquals([...bench.closed], []);
});

Deno.test("the numbers are those of the database, over a restart of the relay", async () => {
  const path = await Deno.makeTempDir();
  const dir = await openDataDir(path, { what: "relay" });
  const names = new NameBook();
  const open = () => SqliteEventLog.open(dir, { makeGeneration: () => GENERATION, limits: { streamEvents: 4 } });
  try {
    let log = await open();
    const bench = new RelayBench({ log, names });
    const [alice, bob] = [bench.join("alice"), bench.join("bob")];
    for (let i = 0; i < 7; i++) bench.publish(bob, inboxOf("alice"), new Uint8Array(100 + i));
    bench.nowMs += 5_000;
    for (let i = 0; i < 3; i++) bench.publish(alice, LOBBY_STREAM, new Uint8Array(50));
    bench.publish(alice, inboxOf("bob"), new Uint8Array(60));
    const before = ask(bench, alice);
    log.close();
    log = await open();
    const later = new RelayBench({ log, names });
    const after = ask(later, later.join("alice"));
    log.close();
    const [stored] = peek(
      path,
      `SELECT count(*) AS events, sum(ifnull(length(body), 0)) AS bytes, min(at) AS firstAt, max(at) AS lastAt
        FROM records r JOIN streams s ON r.stream = s.id WHERE s.name = '${inboxOf("alice")}'`,
    );
    assertEquals(stored?.["events"], 7, "the ids of what was trimmed are still there");
    const { received, published } = after ?? {};
    assertEquals(
      received?.from,
      [{ publisher: fingerprintOf("bob"), ...stored }] as unknown as About["received"]["from"],
    );
    const rows = peek(
      path,
      `SELECT s.name AS stream, count(*) AS events, min(at) AS firstAt, max(at) AS lastAt FROM records r
        JOIN streams s ON r.stream = s.id WHERE publisher = '${fingerprintOf("alice")}'
        GROUP BY s.id ORDER BY events DESC`,
    );
    assertEquals(published?.in, rows as unknown as About["published"]["in"]);
    assertEquals([before?.received.from, before?.published.in], [received?.from, published?.in]);
  } finally {
    dir.close();
    await Deno.remove(path, { recursive: true });
  }
});
