// Aim: every reader of a stream sees the log, in its order, without a gap or a repeat, however it catches up.
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { utf8 } from "../../lib/bytes/writer.ts";
import type { RelayMessage } from "../../lib/wire/messages.ts";
import { EVENT_MAX_AGE_MS, EVENT_OVERHEAD_BYTES } from "../../lib/relay/event_log.ts";
import {
  INBOX_MAX_BYTES,
  INBOX_PUBLISHER_MAX_BYTES,
  INBOX_PUBLISHER_MAX_EVENTS,
  InboxQuotas,
} from "../../lib/relay/inbox_quotas.ts";
import { MemoryEventLog } from "../../lib/relay/memory_event_log.ts";
import { EPHEMERAL_NAME_TTL_MS, NAME_TTL_MS } from "../../lib/relay/names.ts";
import { EVENT_BODY_MAX_BYTES, WAITING_ACCEPTS_MAX } from "../../lib/relay/placing.ts";
import { CATCH_UP_MAX_BYTES, CATCH_UP_MAX_EVENTS, LIVE_BACKLOG_MAX_BYTES } from "../../lib/relay/streams.ts";
import { fingerprintOf, GENERATION, idOf, inboxOf, LOBBY, LOBBY_STREAM, RelayBench, START_MS } from "./_workbench.ts";

/** The places that a list of messages tells about a stream, events and `accepted` alike. */
function placesOf(messages: readonly RelayMessage[], stream: string): number[] {
  return messages.flatMap((said) =>
    (said.t === "event" || said.t === "accepted") && said.stream === stream ? [said.seq] : []
  );
}

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

/** Links a person that enters the lobby and hears it after a place. */
function joinAfter(bench: RelayBench, name: string, seq: number, generation = GENERATION): number {
  const link = bench.open(name);
  bench.say(link, { t: "enter", room: LOBBY });
  bench.take(link);
  bench.say(link, { t: "subscribe", stream: LOBBY_STREAM, after: { generation, seq } });
  return link;
}

Deno.test("Relay.handle() sends an event once to all who hear the room, and accepted to its publisher alone", () => {
  const bench = new RelayBench();
  const [alice, bob, carol] = [bench.join("alice"), bench.join("bob"), bench.join("carol")];
  for (const link of [alice, bob]) bench.take(link);
  const before = bench.count("send");
  const id = bench.publish(alice, LOBBY_STREAM, utf8("sealed"));
  assertEquals(bench.count("send") - before, 2);
  assertEquals(bench.heard(alice), [{ t: "accepted", stream: LOBBY_STREAM, id, seq: 1, at: START_MS }]);
  const from = fingerprintOf("alice");
  const event = { t: "event", stream: LOBBY_STREAM, seq: 1, at: START_MS, from, kind: "message", id };
  for (const link of [bob, carol]) {
    assertEquals(bench.take(link), [{ message: event as RelayMessage, body: utf8("sealed") }]);
  }
});

Deno.test("Relay.handle() answers a repeat with the first place and tells nobody again, even when it would now refuse", () => {
  const bench = new RelayBench();
  const [alice, bob] = [bench.join("alice"), bench.join("bob")];
  const id = bench.publish(alice, inboxOf("bob"));
  bench.take(bob);
  bench.take(alice);
  bench.end(bob, "lost");
  bench.take(alice);
  bench.pass(1000);
  bench.publish(alice, inboxOf("bob"), utf8("other bytes"), id);
  assertEquals(bench.heard(alice), [{ t: "accepted", stream: inboxOf("bob"), id, seq: 1, at: START_MS }]);
  assertEquals(bench.log.head(inboxOf("bob")), 1);
});

Deno.test("Relay.handle() keeps an inbox's event for an owner who is away, and refuses it for one it does not know", () => {
  const bench = new RelayBench();
  const alice = bench.join("alice");
  const answers = () =>
    bench.heard(alice).flatMap((said) => "id" in said ? [said.t === "refused" ? said.code : said.t] : []);
  bench.publish(alice, inboxOf("bob"));
  assertEquals(answers(), ["offline"], "nobody of that key was ever here");
  const bob = bench.join("bob");
  bench.publish(alice, inboxOf("bob"));
  assertEquals(placesOf(bench.heard(bob), inboxOf("bob")), [1]);
  bench.end(bob);
  bench.publish(alice, inboxOf("bob"));
  bench.pass(NAME_TTL_MS - 1);
  bench.publish(alice, inboxOf("bob"));
  assertEquals(answers(), ["accepted", "accepted", "accepted"]);
  bench.pass(1);
  bench.publish(alice, inboxOf("bob"));
  assertEquals(answers(), ["offline"], "the relay gave the name away");
  const again = bench.open("bob");
  bench.say(again, { t: "subscribe", stream: inboxOf("bob"), after: { generation: GENERATION, seq: 1 } });
  assertEquals(placesOf(bench.drainAll(again).map((packet) => packet.message), inboxOf("bob")), [2, 3]);
});

Deno.test("Relay.handle() keeps nothing for an ephemeral identity that is gone, not even while its name waits", () => {
  const bench = new RelayBench();
  const alice = bench.join("alice");
  const bob = bench.join("bob", { life: "ephemeral" });
  bench.take(alice);
  bench.publish(alice, inboxOf("bob"));
  bench.end(bob, "lost");
  bench.pass(EPHEMERAL_NAME_TTL_MS / 2);
  bench.publish(alice, inboxOf("bob"));
  const again = bench.join("bob", { life: "ephemeral" });
  bench.publish(alice, inboxOf("bob"));
  const answers = bench.heard(alice).flatMap((said) => "id" in said ? [said.t === "refused" ? said.code : said.t] : []);
  assertEquals(answers, ["accepted", "offline", "accepted"]);
  assertEquals(placesOf(bench.heard(again), inboxOf("bob")), [2]);
});

Deno.test("Relay.handle() bounds what one publisher puts into the inbox of somebody who is away", () => {
  const bench = new RelayBench();
  const [alice, carol, bob] = [bench.join("alice"), bench.join("carol"), bench.join("bob")];
  bench.end(bob);
  for (const link of [alice, carol]) bench.take(link);
  for (let number = 0; number <= INBOX_PUBLISHER_MAX_EVENTS; number++) bench.publish(alice, inboxOf("bob"));
  bench.publish(carol, inboxOf("bob"));
  const codes = bench.heard(alice).map((said) => said.t === "refused" ? said.code : said.t);
  assertEquals([codes.indexOf("inboxFull"), codes.length], [
    INBOX_PUBLISHER_MAX_EVENTS,
    INBOX_PUBLISHER_MAX_EVENTS + 1,
  ]);
  assertEquals(bench.heard(carol).map((said) => said.t), ["accepted"]);
});

Deno.test("Relay.handle() closes a link that hears or publishes where it may not", () => {
  for (const stream of [inboxOf("alice"), LOBBY_STREAM]) {
    const bench = new RelayBench();
    bench.join("alice");
    const stranger = bench.open("stranger");
    bench.say(stranger, { t: "subscribe", stream, after: null });
    assertEquals(bench.closed.get(stranger)?.code, "protocol");
  }
  const bench = new RelayBench();
  bench.join("alice");
  const stranger = bench.open("stranger");
  bench.publish(stranger, LOBBY_STREAM);
  assertEquals(bench.closed.get(stranger)?.code, "protocol");
  assertEquals(bench.log.head(LOBBY_STREAM), 0);
});

Deno.test("Relay.handle() lets one publish to a room without hearing it", () => {
  const bench = new RelayBench();
  const alice = bench.open("alice");
  bench.say(alice, { t: "enter", room: LOBBY });
  bench.take(alice);
  bench.publish(alice, LOBBY_STREAM);
  assertEquals(bench.heard(alice).map((said) => said.t), ["accepted"]);
});

Deno.test("Relay.handle() passes the longest body on and refuses one byte more", () => {
  const bench = new RelayBench();
  const [alice, bob] = [bench.join("alice"), bench.join("bob")];
  bench.take(alice);
  bench.publish(alice, LOBBY_STREAM, new Uint8Array(EVENT_BODY_MAX_BYTES));
  bench.publish(alice, LOBBY_STREAM, new Uint8Array(EVENT_BODY_MAX_BYTES + 1));
  assertEquals(bench.heard(alice).map((said) => said.t === "refused" ? said.code : said.t), ["accepted", "tooLong"]);
  assertEquals(bench.take(bob).map((packet) => packet.body.length), [EVENT_BODY_MAX_BYTES]);
});

Deno.test("Relay.handle() keeps the time of a stream from decreasing when the clock is set back", () => {
  const bench = new RelayBench();
  const alice = bench.join("alice");
  bench.publish(alice, LOBBY_STREAM);
  bench.nowMs -= 10_000;
  bench.publish(alice, LOBBY_STREAM);
  assertEquals(bench.heard(alice).map((said) => said.t === "accepted" && said.at), [START_MS, START_MS]);
});

Deno.test("Relay.handle() starts after a cursor with subscribed, from the oldest with reset, from now with null", () => {
  const bench = new RelayBench();
  const alice = bench.join("alice");
  for (let number = 0; number < 5; number++) bench.publish(alice, LOBBY_STREAM);
  const head = { stream: LOBBY_STREAM, generation: GENERATION, head: 5 };
  const cases = [
    { name: "bob", seq: 3, generation: GENERATION, first: { t: "subscribed", ...head }, places: [4, 5] },
    { name: "carol", seq: 5, generation: GENERATION, first: { t: "subscribed", ...head }, places: [] },
    { name: "bob2", seq: 6, generation: GENERATION, first: { t: "reset", ...head }, places: [1, 2, 3, 4, 5] },
    { name: "carol2", seq: 3, generation: idOf(77), first: { t: "reset", ...head }, places: [1, 2, 3, 4, 5] },
  ];
  for (const { name, seq, generation, first, places } of cases) {
    const link = joinAfter(bench, name, seq, generation);
    const heard = bench.drainAll(link).map((packet) => packet.message);
    assertEquals(heard[0], first as RelayMessage);
    assertEquals(placesOf(heard, LOBBY_STREAM), places);
  }
  const late = bench.join("late");
  bench.publish(alice, LOBBY_STREAM);
  assertEquals(placesOf(bench.heard(late), LOBBY_STREAM), [6]);
});

Deno.test("Relay.handle() sends a reader what is left when the events after its cursor were trimmed", () => {
  const bench = new RelayBench({ limits: { streamEvents: 4 } });
  const alice = bench.join("alice");
  for (let number = 0; number < 10; number++) bench.publish(alice, LOBBY_STREAM);
  const bob = joinAfter(bench, "bob", 2);
  assertEquals(placesOf(bench.drainAll(bob).map((packet) => packet.message), LOBBY_STREAM), [7, 8, 9, 10]);
});

Deno.test("Relay.handle() says at once where a stream begins that was trimmed behind a cursor, and not otherwise", () => {
  const bench = new RelayBench({ limits: { streamEvents: 4, ageMs: 120_000 } });
  const alice = bench.join("alice");
  for (let number = 0; number < 10; number++) bench.publish(alice, LOBBY_STREAM);
  const begins = (name: string, seq: number) => {
    const first = bench.drainAll(joinAfter(bench, name, seq))[0]?.message;
    return first?.t === "subscribed" ? first.oldest : first?.t;
  };
  assertEquals([5, 6, 10, 11].map((seq) => begins(`p${seq}`, seq)), [7, undefined, undefined, "reset"]);
  bench.pass(300_000);
  assertEquals([5, 9, 10].map((seq) => begins(`q${seq}`, seq)), [11, 11, undefined], "nothing is left");
});

Deno.test("Relay.handle() sends one lot a drain, within its bounds, while new events wait for their turn", () => {
  const bench = new RelayBench();
  const alice = bench.join("alice");
  for (let number = 0; number < 2000; number++) bench.publish(alice, LOBBY_STREAM);
  const bob = joinAfter(bench, "bob", 0);
  const lots: number[][] = [];
  while (bench.relay.isWaitingForDrain(bob)) {
    bench.publish(alice, LOBBY_STREAM);
    lots.push(placesOf(bench.drain(bob).map((packet) => packet.message), LOBBY_STREAM));
  }
  for (const lot of lots) assert(lot.length <= CATCH_UP_MAX_BYTES / EVENT_OVERHEAD_BYTES);
  assert(lots.length >= 4);
  bench.publish(alice, LOBBY_STREAM);
  const places = [...lots.flat(), ...placesOf(bench.heard(bob), LOBBY_STREAM)];
  assertEquals(places, range(1, bench.log.head(LOBBY_STREAM)));
});

Deno.test("Relay.handle() bounds a lot by bytes", () => {
  const bench = new RelayBench();
  const alice = bench.join("alice");
  for (let number = 0; number < 30; number++) bench.publish(alice, LOBBY_STREAM, new Uint8Array(40_000));
  const bob = joinAfter(bench, "bob", 0);
  const lot = bench.take(bob).reduce((sum, packet) => sum + packet.body.length, 0);
  assert(lot > 0 && lot <= CATCH_UP_MAX_BYTES + 40_000 + EVENT_OVERHEAD_BYTES);
});

Deno.test("Relay.handle() lets accepted wait for its place while its publisher is behind", () => {
  const bench = new RelayBench();
  const alice = bench.join("alice");
  for (let number = 0; number < 700; number++) bench.publish(alice, LOBBY_STREAM);
  const bob = joinAfter(bench, "bob", 0);
  const own = bench.publish(bob, LOBBY_STREAM);
  bench.publish(alice, LOBBY_STREAM);
  const heard = bench.drainAll(bob).map((packet) => packet.message);
  assertEquals(placesOf(heard, LOBBY_STREAM), range(1, 702));
  assertEquals(heard.filter((said) => said.t === "accepted").map((said) => [said.id, said.seq]), [[own, 701]]);
  assertEquals(heard.filter((said) => said.t === "event" && said.id === own), []);
});

Deno.test("Relay.handle() gives a link its own events of an earlier life when it catches up", () => {
  const bench = new RelayBench();
  const alice = bench.join("alice");
  const id = bench.publish(alice, LOBBY_STREAM);
  bench.end(alice, "lost");
  const again = joinAfter(bench, "alice", 0);
  assertEquals(bench.drainAll(again).flatMap(({ message }) => message.t === "event" ? [message.id] : []), [id]);
});

Deno.test("Relay.handle() still answers accepted for an event that was trimmed before its publisher caught up", () => {
  const bench = new RelayBench({ limits: { streamEvents: 1000 } });
  const alice = bench.join("alice");
  for (let number = 0; number < 1000; number++) bench.publish(alice, LOBBY_STREAM);
  const bob = joinAfter(bench, "bob", 0);
  const own = bench.publish(bob, LOBBY_STREAM);
  for (let number = 0; number < 1200; number++) bench.publish(alice, LOBBY_STREAM);
  assert(bench.log.oldest(LOBBY_STREAM) > 1001);
  const heard = bench.drainAll(bob).map((packet) => packet.message);
  assertEquals(heard.flatMap((said) => said.t === "accepted" ? [[said.id, said.seq]] : []), [[own, 1001]]);
  const places = placesOf(heard, LOBBY_STREAM);
  assertEquals(places, [...places].sort((a, b) => a - b));
  assertEquals(places.at(-1), 2201);
});

Deno.test("Relay.handle() refuses as busy when too many accepted wait", () => {
  const bench = new RelayBench();
  const alice = bench.join("alice");
  for (let number = 0; number < 600; number++) bench.publish(alice, LOBBY_STREAM);
  const bob = joinAfter(bench, "bob", 0);
  bench.take(bob);
  for (let number = 0; number <= WAITING_ACCEPTS_MAX; number++) bench.publish(bob, LOBBY_STREAM);
  assertEquals(bench.heard(bob).map((said) => said.t === "refused" && said.code), ["busy"]);
  const places = placesOf(bench.drainAll(bob).map((packet) => packet.message), LOBBY_STREAM);
  assertEquals(places.at(-1), 600 + WAITING_ACCEPTS_MAX);
});

Deno.test("Relay.handle() starts over at the new place when a link subscribes again", () => {
  const bench = new RelayBench();
  const alice = bench.join("alice");
  for (let number = 0; number < 3; number++) bench.publish(alice, LOBBY_STREAM);
  const bob = joinAfter(bench, "bob", 3);
  bench.drainAll(bob);
  bench.say(bob, { t: "subscribe", stream: LOBBY_STREAM, after: { generation: GENERATION, seq: 1 } });
  assertEquals(placesOf(bench.drainAll(bob).map((packet) => packet.message), LOBBY_STREAM), [2, 3]);
  bench.publish(alice, LOBBY_STREAM);
  assertEquals(placesOf(bench.heard(bob), LOBBY_STREAM), [4]);
});

Deno.test("Relay.handle() hands over all of an inbox before it goes on with a room", () => {
  const bench = new RelayBench();
  const [alice, bob] = [bench.join("alice"), bench.join("bob")];
  bench.take(bob);
  bench.end(bob, "lost");
  for (let number = 0; number < 3 * CATCH_UP_MAX_EVENTS; number++) {
    for (const stream of [inboxOf("bob"), LOBBY_STREAM]) bench.publish(alice, stream);
  }
  const again = bench.open("bob");
  bench.say(again, { t: "enter", room: LOBBY });
  for (const stream of [inboxOf("bob"), LOBBY_STREAM]) {
    bench.say(again, { t: "subscribe", stream, after: { generation: GENERATION, seq: 0 } });
  }
  const streams = bench.drainAll(again).flatMap(({ message }) => message.t === "event" ? [message.stream] : []);
  assertEquals([streams.length, streams.indexOf(LOBBY_STREAM)], [6 * CATCH_UP_MAX_EVENTS, 3 * CATCH_UP_MAX_EVENTS]);
});

Deno.test("Relay.handle() refuses a publisher that has too much waiting in an inbox, and nobody else", () => {
  const bench = new RelayBench();
  const [alice, carol, bob] = [bench.join("alice"), bench.join("carol"), bench.join("bob")];
  for (const link of [alice, carol]) bench.take(link);
  for (let number = 0; number < 700; number++) bench.publish(carol, inboxOf("bob"));
  bench.end(bob, "lost");
  bench.take(carol);
  bench.take(alice);
  const again = bench.open("bob");
  bench.say(again, { t: "subscribe", stream: inboxOf("bob"), after: { generation: GENERATION, seq: 0 } });
  for (let number = 0; number <= INBOX_PUBLISHER_MAX_EVENTS; number++) bench.publish(alice, inboxOf("bob"));
  const codes = bench.heard(alice).map((said) => said.t === "refused" ? said.code : said.t);
  assertEquals([codes.filter((code) => code === "accepted").length, codes.at(-1)], [
    INBOX_PUBLISHER_MAX_EVENTS,
    "inboxFull",
  ]);
  bench.publish(carol, inboxOf("bob"));
  assertEquals(bench.heard(carol).map((said) => said.t), ["accepted"]);
  // Two lots are handed, and some of hers were among them: there is room again although the owner is still behind.
  const lots = [...bench.drain(again), ...bench.drain(again)];
  assert(bench.relay.isWaitingForDrain(again));
  bench.publish(alice, inboxOf("bob"));
  assertEquals(bench.heard(alice).map((said) => said.t), ["accepted"]);
  const heard = [...lots, ...bench.drainAll(again)].map((packet) => packet.message);
  assertEquals(placesOf(heard, inboxOf("bob")), range(1, 700 + INBOX_PUBLISHER_MAX_EVENTS + 2));
});

Deno.test("InboxQuotas.hasRoom() counts bytes of a publisher and of an inbox, and handed() gives them back", () => {
  const log = new MemoryEventLog({ generation: GENERATION });
  const quotas = new InboxQuotas(log);
  const bytes = INBOX_PUBLISHER_MAX_BYTES / 2;
  let seq = 0;
  for (let number = 0; number < INBOX_MAX_BYTES / bytes; number++) {
    const publisher = `P${number >> 1}`;
    assert(quotas.hasRoom("inbox/X", publisher, bytes));
    quotas.add("inbox/X", { seq: ++seq, publisher, bytes });
    if (number % 2 === 1) assert(!quotas.hasRoom("inbox/X", publisher, 1));
  }
  assert(!quotas.hasRoom("inbox/X", "new", 1));
  assert(quotas.hasRoom("inbox/Y", "new", 1));
  quotas.handed("inbox/X", 1);
  assert(quotas.hasRoom("inbox/X", "P0", bytes));
  // The log keeps nothing of all that.
  log.append({ stream: "inbox/X", publisher: "P", kind: "message", id: idOf(1), body: new Uint8Array(0), atMs: 0 });
  for (; log.head("inbox/X") <= seq;) {
    const id = idOf(2 + log.head("inbox/X"));
    log.append({ stream: "inbox/X", publisher: "P", kind: "message", id, body: new Uint8Array(0), atMs: 0 });
  }
  log.trim(2 * EVENT_MAX_AGE_MS);
  quotas.expire();
  assert(quotas.hasRoom("inbox/X", "P1", 2 * bytes));
});

Deno.test("Relay.handle() lets people talk on in a room whose stream was forgotten", () => {
  const bench = new RelayBench({ limits: { streams: 1 } });
  const [alice, bob] = [bench.join("alice"), bench.join("bob")];
  for (let i = 0; i < 3; i++) bench.publish(alice, LOBBY_STREAM);
  const other = fingerprintOf("other");
  bench.say(alice, { t: "enter", room: other });
  bench.publish(alice, `room/${other}`);
  bench.publish(alice, LOBBY_STREAM);
  assertEquals(placesOf(bench.heard(bob), LOBBY_STREAM), [1, 2, 3, 5]);
  assertEquals(bench.heard(alice).filter((said) => said.t === "accepted").length, 5);
});

Deno.test("Relay.handle() answers relayFull when the log has too many streams", () => {
  const bench = new RelayBench({ limits: { streams: 1 } });
  const alice = bench.join("alice");
  bench.end(bench.join("bob"));
  bench.heard(alice);
  bench.publish(alice, inboxOf("bob")); // what waits for somebody is never forgotten for something new
  bench.publish(alice, LOBBY_STREAM);
  assertEquals(bench.heard(alice).map((said) => said.t === "refused" ? said.code : said.t), ["accepted", "relayFull"]);
});

Deno.test("Relay.handle() forgets inboxes that were handed over, and of who never comes back, before any room", () => {
  const bench = new RelayBench({ limits: { streams: 8 } });
  const alice = bench.join("alice");
  bench.publish(alice, LOBBY_STREAM);
  for (let i = 0; i < 40; i++) {
    const passing = bench.open(`passing${i}`, { life: "ephemeral" }); // hears nothing of its own inbox
    bench.publish(passing, inboxOf(`passing${i}`));
    bench.end(passing);
  }
  bench.heard(alice);
  bench.publish(alice, LOBBY_STREAM);
  assertEquals(bench.heard(alice).map((said) => said.t === "accepted" ? said.seq : said.t), [2]);
});

Deno.test("Relay.handle() shows every reader the log in its order, without gap or repeat, in any interleaving", () => {
  const step = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        do: fc.constant("publish" as const),
        by: fc.nat(3),
        many: fc.integer({ min: 1, max: 120 }),
      }),
    },
    { weight: 4, arbitrary: fc.record({ do: fc.constant("drain" as const), by: fc.nat(3), many: fc.constant(1) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant("relink" as const), by: fc.nat(3), many: fc.nat(400) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40, size: "max" }), (steps) => {
      const bench = new RelayBench();
      // Long enough that a lot holds about a hundred, so that readers are behind for a while.
      const body = new Uint8Array(2000);
      const names = ["alice", "bob", "carol", "bob2"];
      const readers = names.map((name) => ({ name, link: joinAfter(bench, name, 0), from: 0, seen: [] as number[] }));
      const check = (reader: typeof readers[number]) => {
        reader.seen.push(...placesOf(bench.drainAll(reader.link).map((packet) => packet.message), LOBBY_STREAM));
        assertEquals(reader.seen, range(reader.from + 1, bench.log.head(LOBBY_STREAM)));
      };
      for (const next of steps) {
        const reader = readers[next.by] as typeof readers[number];
        if (next.do === "publish") {
          for (let number = 0; number < next.many; number++) bench.publish(reader.link, LOBBY_STREAM, body);
        } else if (next.do === "drain") {
          reader.seen.push(...placesOf(bench.drain(reader.link).map((packet) => packet.message), LOBBY_STREAM));
        } else {
          // What was in its outbox is lost with the line; it starts again from what it has.
          bench.end(reader.link, "lost");
          reader.from = Math.max(0, bench.log.head(LOBBY_STREAM) - next.many);
          reader.seen = [];
          reader.link = joinAfter(bench, reader.name, reader.from);
        }
      }
      readers.forEach(check);
    }),
    { numRuns: 60 },
  );
});

Deno.test("Relay.handle() lets a live reader that does not drain fall behind, bounds what it is sent, and loses nothing", () => {
  const bench = new RelayBench();
  const [alice, bob] = [bench.join("alice"), bench.join("bob")];
  const body = new Uint8Array(8 * 1024);
  const count = 4 * Math.ceil(LIVE_BACKLOG_MAX_BYTES / body.length);
  for (let i = 0; i < count; i++) bench.publish(alice, LOBBY_STREAM, body);
  const atOnce = bench.take(bob);
  assert(atOnce.length * (body.length + EVENT_OVERHEAD_BYTES) <= LIVE_BACKLOG_MAX_BYTES);
  assert(bench.relay.isWaitingForDrain(bob));
  // What is placed while it reads comes behind what it missed.
  bench.publish(alice, LOBBY_STREAM, body);
  const all = [...atOnce, ...bench.drainAll(bob)].map((packet) => packet.message);
  assertEquals(placesOf(all, LOBBY_STREAM), range(1, count + 1));
  bench.publish(alice, LOBBY_STREAM);
  assertEquals(placesOf(bench.heard(bob), LOBBY_STREAM), [count + 2], "live again");
});

Deno.test("Relay.handle() counts an inbox that fell behind against its publishers, and never drops the reader", () => {
  const bench = new RelayBench();
  const [alice, bob] = [bench.join("alice"), bench.join("bob")];
  const body = new Uint8Array(40 * 1024);
  for (let i = 0; i < 200; i++) bench.publish(alice, inboxOf("bob"), body);
  const answers = bench.heard(alice);
  const refused = answers.filter((said) => said.t === "refused" && said.code === "inboxFull");
  const accepted = answers.filter((said) => said.t === "accepted");
  assert(refused.length > 0 && accepted.length > 0);
  assertEquals(refused.length + accepted.length, 200);
  assertEquals(bench.closed.size, 0);
  const places = placesOf(bench.drainAll(bob).map((packet) => packet.message), inboxOf("bob"));
  assertEquals(places, range(1, accepted.length));
});
