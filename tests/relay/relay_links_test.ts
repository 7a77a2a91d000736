// Aim: who may link, who is told what when links begin and end, and that no input breaks the relay.
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import fc from "fast-check";
import { utf8 } from "../../lib/bytes/writer.ts";
import type { ClientMessage } from "../../lib/wire/messages.ts";
import { CERTIFICATE_MAX_BYTES, LINKS_MAX, PAGED_REQUESTS_BURST } from "../../lib/relay/links.ts";
import { EPHEMERAL_NAME_TTL_MS } from "../../lib/relay/names.ts";
import { WAITING_PEOPLE_MAX } from "../../lib/relay/people_pages.ts";
import { HOUSEKEEPING_MS, NAMES_SAVE_MS } from "../../lib/relay/relay.ts";
import { ROOM_MEMBERS_MAX, ROOMS_PER_LINK_MAX } from "../../lib/relay/rooms.ts";
import {
  callerOf,
  fingerprintOf,
  GENERATION,
  idOf,
  inboxOf,
  LOBBY,
  LOBBY_STREAM,
  readPage,
  RelayBench,
  START_MS,
} from "./_workbench.ts";

Deno.test("Relay.handle() welcomes a link with the time and the generation of the log", () => {
  const bench = new RelayBench();
  const caller = callerOf("alice");
  const effects = bench.relay.handle({ kind: "opened", link: 7, caller, nowMs: START_MS });
  const sent = effects.find((effect) => effect.kind === "send");
  assertEquals(sent?.links, [7]);
  assertMatch(new TextDecoder().decode(sent?.packet), new RegExp(`welcome.*${START_MS}.*${GENERATION}`));
  assertEquals(effects.filter((effect) => effect.kind === "namesChanged").length, 1);
  assertEquals(effects.find((effect) => effect.kind === "wakeAt"), {
    kind: "wakeAt",
    atMs: START_MS + HOUSEKEEPING_MS,
  });
});

Deno.test("Relay.handle() refuses a malformed name, one that is not NFC, and a certificate that is too long", () => {
  const bench = new RelayBench();
  for (const handle of ["a b", "", "al\u0456ce", "x".repeat(33), "Cafe\u0301", "a\u202eb"]) {
    assertEquals(bench.closed.get(bench.open("alice", { handle }))?.code, "nameInvalid");
  }
  const certificate = new Uint8Array(CERTIFICATE_MAX_BYTES + 1);
  assertEquals(bench.closed.get(bench.open("alice", { certificate }))?.code, "protocol");
  assertEquals(bench.count("send"), 0);
  assert(!bench.closed.has(bench.open("alice")));
});

Deno.test("Relay.handle() refuses a taken or look-alike name and says why, and leaves its owner alone", () => {
  const bench = new RelayBench();
  const alice = bench.join("alice");
  for (const handle of ["alice", "Alice", "a1ice"]) {
    const closed = bench.closed.get(bench.open(`x${handle}`, { handle }));
    assertEquals(closed?.code, "nameTaken");
    assertMatch(closed?.message ?? "", /taken on this relay/);
  }
  assertEquals(bench.heard(alice), []);
  bench.publish(alice, LOBBY_STREAM);
  assertEquals(bench.heard(alice).map((said) => said.t), ["accepted"]);
});

Deno.test("Relay.handle() frees an ephemeral name 60 s after its link ended", () => {
  const bench = new RelayBench();
  bench.end(bench.open("alice", { life: "ephemeral" }), "lost");
  bench.pass(EPHEMERAL_NAME_TTL_MS - 1);
  assertEquals(bench.closed.get(bench.open("other", { handle: "alice" }))?.code, "nameTaken");
  bench.pass(1);
  assert(!bench.closed.has(bench.open("other", { handle: "alice" })));
});

Deno.test("Relay.handle() refuses a certificate older than the newest it has seen", () => {
  const bench = new RelayBench();
  bench.end(bench.open("alice", { createdMs: 10 }));
  assertEquals(bench.closed.get(bench.open("alice", { createdMs: 9 }))?.code, "olderCertificate");
});

Deno.test("Relay.handle() replaces the first link when an identity links again", () => {
  const bench = new RelayBench();
  const [first, bob] = [bench.join("alice"), bench.join("bob")];
  bench.take(first);
  const second = bench.open("alice", { handle: "alice2", createdMs: 2 });
  assertEquals(bench.closed.get(first)?.code, "replaced");
  assertEquals(bench.heard(bob), [
    { t: "left", room: LOBBY, who: fingerprintOf("alice"), at: START_MS, reason: "lost" },
  ]);
  // What the driver still has of the first link changes nothing.
  bench.say(first, { t: "enter", room: LOBBY });
  bench.end(first, "lost");
  bench.say(second, { t: "enter", room: LOBBY });
  assertEquals(bench.heard(bob).map((said) => said.t), ["joined"]);
  assertEquals(bench.heard(second).map((said) => said.t), ["roster"]);
  // Its name is in use still: the end of the first link did not set it free.
  bench.pass(100 * 24 * 3600 * 1000);
  assertEquals(bench.closed.get(bench.open("other", { handle: "alice2" }))?.code, "nameTaken");
});

Deno.test("Relay.handle() keeps the present link when the same identity is refused", () => {
  const bench = new RelayBench();
  const alice = bench.open("alice", { createdMs: 5 });
  bench.open("alice", { createdMs: 4 });
  bench.open("alice", { handle: "not a name", createdMs: 6 });
  bench.say(alice, { t: "who", ref: 1 });
  assertEquals(bench.heard(alice).map((said) => said.t), ["people"]);
});

Deno.test("Relay.handle() refuses links above the bound, but not those that replace one", () => {
  const bench = new RelayBench();
  for (let number = 0; number < LINKS_MAX; number++) bench.open(`p${number}`);
  assertEquals(bench.closed.size, 0);
  assertEquals(bench.closed.get(bench.open("late"))?.code, "relayFull");
  const again = bench.open("p7");
  assert(!bench.closed.has(again));
});

Deno.test("Relay.handle() tells a room who enters and who leaves, with time and reason", () => {
  const bench = new RelayBench();
  const alice = bench.join("alice");
  bench.pass(500);
  const bob = bench.open("bob");
  bench.say(bob, { t: "enter", room: LOBBY });
  const [roster] = bench.take(bob);
  assertEquals(roster?.message, { t: "roster", room: LOBBY, more: false });
  assertEquals(readPage(roster?.body ?? new Uint8Array(0)), ["certificate of alice"]);
  const [joined] = bench.take(alice);
  assertEquals(joined?.message, { t: "joined", room: LOBBY, at: START_MS + 500 });
  assertEquals(joined?.body, utf8("certificate of bob"));
  bench.end(bob, "quit");
  assertEquals(bench.heard(alice), [
    { t: "left", room: LOBBY, who: fingerprintOf("bob"), at: START_MS + 500, reason: "quit" },
  ]);
});

Deno.test("Relay.handle() gives the roster again when a link enters again, and tells the others once", () => {
  const bench = new RelayBench();
  const [alice, bob] = [bench.join("alice"), bench.join("bob")];
  bench.take(alice);
  bench.say(bob, { t: "enter", room: LOBBY });
  assertEquals(bench.heard(bob).map((said) => said.t), ["roster"]);
  assertEquals(bench.heard(alice), []);
});

Deno.test("Relay.handle() pages a long roster, each page within 32 KiB, nobody twice or missing", () => {
  const bench = new RelayBench();
  const certificate = new Uint8Array(400);
  for (let number = 0; number < 300; number++) {
    bench.say(bench.open(`p${number}`, { certificate: certificate.fill(number & 255).slice() }), {
      t: "enter",
      room: LOBBY,
    });
  }
  const late = bench.open("late");
  bench.say(late, { t: "enter", room: LOBBY });
  const pages = bench.take(late);
  assertEquals(pages.map(({ message }) => message.t === "roster" && message.more), [true, true, true, false]);
  for (const page of pages) assert(page.body.length <= 32 * 1024);
  assertEquals(pages.flatMap((page) => readPage(page.body)).length, 300);
});

Deno.test("Relay.handle() answers who with everybody else, page by page as the link drains", () => {
  const bench = new RelayBench();
  const certificate = new Uint8Array(1000);
  for (let number = 0; number < 600; number++) bench.open(`p${number}`, { certificate });
  const alice = bench.open("alice");
  bench.say(alice, { t: "who", ref: 9 });
  const first = bench.outboxes.get(alice)?.length ?? 0;
  const pages = bench.drainAll(alice);
  assert(first < pages.length && first > 0);
  assertEquals(pages.flatMap((page) => readPage(page.body)).length, 600);
  const more = pages.map(({ message }) => message.t === "people" && message.ref === 9 && message.more);
  assertEquals(more, [...pages.slice(1).map(() => true), false]);
});

Deno.test("Relay.handle() closes a link that floods with enter, subscribe or who, and only that one", () => {
  const floods: ClientMessage[] = [
    { t: "enter", room: LOBBY },
    { t: "subscribe", stream: inboxOf("stranger"), after: null },
    { t: "who", ref: 1 },
  ];
  for (const message of floods) {
    const bench = new RelayBench();
    const [bob, stranger] = [bench.join("bob"), bench.open("stranger")];
    let said = 0;
    for (; said <= PAGED_REQUESTS_BURST + 1 && !bench.closed.has(stranger); said++) {
      bench.say(stranger, message);
      bench.drain(stranger);
    }
    assertEquals(bench.closed.get(stranger)?.code, "protocol");
    assertEquals(said, PAGED_REQUESTS_BURST + 1);
    assert(!bench.closed.has(bob));
  }
});

Deno.test("Relay.handle() lets a link ask again after a while", () => {
  const bench = new RelayBench();
  const alice = bench.open("alice");
  for (let round = 0; round < 20; round++) {
    for (let number = 0; number < 20; number++) bench.say(alice, { t: "enter", room: LOBBY });
    bench.pass(1000);
  }
  assert(!bench.closed.has(alice));
});

Deno.test("Relay.handle() closes a link that lets answers to who pile up", () => {
  const bench = new RelayBench();
  for (let number = 0; number < 600; number++) bench.open(`p${number}`, { certificate: new Uint8Array(1000) });
  const stranger = bench.open("stranger");
  for (let ref = 0; ref < WAITING_PEOPLE_MAX + 1; ref++) bench.say(stranger, { t: "who", ref });
  assertEquals(bench.closed.get(stranger)?.code, "protocol");
});

Deno.test("Relay.handle() bounds the rooms of a link and the members of a room", () => {
  const bench = new RelayBench();
  const stranger = bench.open("stranger");
  for (let number = 0; number <= ROOMS_PER_LINK_MAX; number++) {
    assert(!bench.closed.has(stranger));
    bench.say(stranger, { t: "enter", room: fingerprintOf(`room${number}`) });
  }
  assertEquals(bench.closed.get(stranger)?.code, "protocol");
  for (let number = 0; number < ROOM_MEMBERS_MAX; number++) {
    bench.say(bench.open(`p${number}`), { t: "enter", room: LOBBY });
  }
  const late = bench.open("late");
  bench.say(late, { t: "enter", room: LOBBY });
  assertEquals(bench.closed.get(late)?.code, "relayFull");
});

Deno.test("Relay.handle() says left to the others when it closes a link itself", () => {
  const bench = new RelayBench();
  const [alice, stranger] = [bench.join("alice"), bench.join("stranger")];
  bench.take(alice);
  bench.say(stranger, { t: "subscribe", stream: inboxOf("alice"), after: null });
  assertEquals(bench.closed.get(stranger)?.code, "protocol");
  assertEquals(bench.heard(alice).map((said) => said.t === "left" && said.reason), ["lost"]);
});

Deno.test("Relay.handle() closes every link at shutdown, saves the names, and takes nothing after it", () => {
  const bench = new RelayBench();
  const [alice, bob] = [bench.join("alice"), bench.join("bob")];
  bench.shutdown();
  assertEquals([bench.closed.get(alice)?.code, bench.closed.get(bob)?.code], ["shutdown", "shutdown"]);
  assertEquals(bench.effects.at(-1), { kind: "namesChanged" });
  const before = bench.effects.length;
  bench.shutdown();
  bench.say(alice, { t: "who", ref: 1 });
  bench.end(bob);
  assertEquals(bench.effects.length, before);
  assertEquals(bench.closed.get(bench.open("carol"))?.code, "shutdown");
});

Deno.test("Relay.handle() says namesChanged for new lasting names, and once a day for those in use", () => {
  const bench = new RelayBench();
  bench.open("guest", { life: "ephemeral" });
  assertEquals(bench.count("namesChanged"), 0);
  bench.end(bench.open("alice"));
  bench.open("alice");
  assertEquals(bench.count("namesChanged"), 1);
  bench.pass(NAMES_SAVE_MS + HOUSEKEEPING_MS);
  assertEquals(bench.count("namesChanged"), 2);
  assert((bench.names.entries()[0]?.lastSeenMs ?? 0) >= START_MS + NAMES_SAVE_MS);
});

Deno.test("Relay.handle() asks for a tick again although the last one came early", () => {
  const bench = new RelayBench();
  bench.open("alice");
  const effects = bench.relay.handle({ kind: "tick", nowMs: bench.wakeAtMs - 1 });
  assertEquals(effects, [{ kind: "wakeAt", atMs: bench.wakeAtMs }]);
});

Deno.test("Relay.handle() names people in log lines at debug alone, and bodies nowhere", () => {
  const bench = new RelayBench();
  const [alice, bob] = [bench.join("alice"), bench.join("bob")];
  bench.publish(alice, LOBBY_STREAM, utf8("secret"));
  bench.say(bob, { t: "subscribe", stream: inboxOf("alice"), after: null });
  bench.end(alice);
  bench.shutdown();
  const lines = bench.effects.filter((effect) => effect.kind === "log");
  assert(lines.length >= 5);
  for (const line of lines) {
    const text = JSON.stringify(line.fields);
    assert(!text.includes("secret"));
    if (line.level === "info") assert(!/alice|bob/.test(text) && !text.includes(fingerprintOf("alice")));
  }
});

Deno.test("Relay.handle() throws TypeError when a link is opened twice, which only our driver could do", () => {
  const bench = new RelayBench();
  const link = bench.open("alice");
  const again = { kind: "opened", link, caller: callerOf("bob"), nowMs: START_MS } as const;
  assertThrows(() => bench.relay.handle(again), TypeError);
});

Deno.test("Relay.handle() never throws and never speaks to a closed link, whatever people say", () => {
  const people = ["alice", "bob", "carol"];
  const person = fc.constantFrom(...people);
  const room = fc.constantFrom(LOBBY, fingerprintOf("den"));
  const stream = fc.oneof(room.map((id) => `room/${id}`), person.map(inboxOf));
  const id = fc.nat(40).map(idOf);
  const ref = fc.nat(3);
  const cursor = fc.record({ generation: fc.constantFrom(GENERATION, idOf(9)), seq: fc.nat(60) });
  const message: fc.Arbitrary<ClientMessage> = fc.oneof(
    fc.record({ t: fc.constant("enter" as const), room }),
    fc.record({ t: fc.constant("exit" as const), room }),
    fc.record({ t: fc.constant("subscribe" as const), stream, after: fc.option(cursor, { nil: null }) }),
    fc.record({ t: fc.constant("publish" as const), stream, kind: fc.constant("message" as const), id }),
    fc.record({ t: fc.constant("putBundle" as const) }),
    fc.record({ t: fc.constant("putOneTimePrekeys" as const) }),
    fc.record({ t: fc.constant("getBundle" as const), ref, of: person.map(fingerprintOf), nonce: id }),
    fc.record({ t: fc.constant("liveBundle" as const), ref }),
    fc.record({ t: fc.constant("who" as const), ref }),
  );
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 20 }),
    fc.constantFrom(new Uint8Array(9000), new Uint8Array(40_000), new Uint8Array(48_500), Uint8Array.of(0, 0, 0, 1, 7)),
  );
  const step = fc.oneof(
    { weight: 2, arbitrary: fc.record({ do: fc.constant("open" as const), name: person }) },
    { weight: 12, arbitrary: fc.record({ do: fc.constant("say" as const), link: fc.nat(11), message, body }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("drain" as const), link: fc.nat(11) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("end" as const), link: fc.nat(11) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("pass" as const), ms: fc.nat(3_000_000) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 150, size: "max" }), (steps) => {
      const bench = new RelayBench({ limits: { streamEvents: 10, streamIds: 20, streams: 4 } });
      for (const name of people) bench.join(name);
      for (const next of steps) {
        if (next.do === "open") bench.open(next.name);
        else if (next.do === "say") bench.say(next.link, next.message, next.body);
        else if (next.do === "drain") bench.drain(next.link);
        else if (next.do === "end") bench.end(next.link);
        else bench.pass(next.ms);
      }
    }),
    { numRuns: 300 },
  );
});
