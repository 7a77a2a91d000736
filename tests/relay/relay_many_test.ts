// Aim: events for many inboxes in one packet are judged, stored and handed one by one, and answered once, after the commit.
import { assert, assertEquals } from "@std/assert";
import type { RelayInput } from "../../lib/relay/effects.ts";
import { INBOX_PUBLISHER_MAX_EVENTS } from "../../lib/relay/inbox_quotas.ts";
import { MemoryEventLog } from "../../lib/relay/memory_event_log.ts";
import { EVENT_BODY_MAX_BYTES } from "../../lib/relay/placing.ts";
import { decodeEventIds, encodeMany, MANY_MAX_EVENTS, type ManyItem } from "../../lib/wire/bodies.ts";
import type { RelayMessage } from "../../lib/wire/messages.ts";
import { fingerprintOf, GENERATION, idOf, inboxOf, RelayBench, START_MS } from "./_workbench.ts";

function item(name: string, id: number, box: Uint8Array<ArrayBuffer> = Uint8Array.of(id & 255)): ManyItem {
  return { to: fingerprintOf(name), id: idOf(id), box };
}

/** Publishes and gives the ids that were not stored. */
function many(bench: RelayBench, link: number, items: readonly ManyItem[], ref = 7): string[] {
  bench.take(link);
  bench.say(link, { t: "publishMany", ref }, encodeMany(items));
  const answers = bench.take(link).filter(({ message }) => message.t === "acceptedMany");
  assertEquals(answers.map(({ message }) => message), [{ t: "acceptedMany", ref }]);
  return decodeEventIds(answers[0]?.body as Uint8Array<ArrayBuffer>);
}

function eventsOf(messages: readonly RelayMessage[]): string[] {
  return messages.flatMap((said) => said.t === "event" ? [`${said.seq} ${said.id}`] : []);
}

Deno.test("Relay.handle() puts the events of one packet into many inboxes and answers once", () => {
  const bench = new RelayBench();
  const [alice, bob, carol] = [bench.join("alice"), bench.join("bob"), bench.join("carol")];
  bench.end(carol);
  assertEquals(many(bench, alice, [item("bob", 1), item("carol", 2), item("bob", 3)]), []);
  const from = fingerprintOf("alice");
  const event = { t: "event", stream: inboxOf("bob"), at: START_MS, from, kind: "message" } as const;
  assertEquals(bench.take(bob).filter(({ message }) => message.t === "event"), [
    { message: { ...event, seq: 1, id: idOf(1) }, body: Uint8Array.of(1) },
    { message: { ...event, seq: 2, id: idOf(3) }, body: Uint8Array.of(3) },
  ]);
  assertEquals(bench.log.head(inboxOf("carol")), 1, "she is away and will read it");
});

Deno.test("Relay.handle() names the events of a packet that it did not store, and stores the others", () => {
  const bench = new RelayBench();
  const [alice, bob, carol] = [bench.join("alice"), bench.join("bob"), bench.join("carol")];
  bench.end(carol);
  for (let number = 0; number < INBOX_PUBLISHER_MAX_EVENTS; number++) bench.publish(alice, inboxOf("carol"));
  const refused = many(bench, alice, [item("nobody", 1), item("bob", 2), item("carol", 5003), item("bob", 4)]);
  assertEquals(refused, [idOf(1), idOf(5003)]);
  assertEquals(many(bench, alice, [item("bob", 5, new Uint8Array(EVENT_BODY_MAX_BYTES + 1))]), [idOf(5)]);
  assertEquals(eventsOf(bench.heard(bob)), [`1 ${idOf(2)}`, `2 ${idOf(4)}`]);
});

Deno.test("Relay.handle() stores an event of many once, whichever way it comes again", () => {
  const bench = new RelayBench();
  const [alice, bob] = [bench.join("alice"), bench.join("bob")];
  assertEquals(many(bench, alice, [item("bob", 1)]), []);
  assertEquals(many(bench, alice, [item("bob", 1), item("bob", 2)]), []);
  bench.publish(alice, inboxOf("bob"), Uint8Array.of(9), idOf(2));
  assertEquals(bench.heard(alice), [
    { t: "accepted", stream: inboxOf("bob"), id: idOf(2), seq: 2, at: START_MS },
  ]);
  bench.publish(alice, inboxOf("bob"), Uint8Array.of(9), idOf(3));
  assertEquals(many(bench, alice, [item("bob", 3)]), []);
  assertEquals(eventsOf(bench.heard(bob)), [1, 2, 3].map((id) => `${id} ${idOf(id)}`));
});

Deno.test("Relay.handle() hands a publisher its own event of many, for its answer names no place", () => {
  const bench = new RelayBench();
  const alice = bench.join("alice");
  bench.say(alice, { t: "publishMany", ref: 1 }, encodeMany([item("alice", 1)]));
  bench.publish(alice, inboxOf("alice"));
  assertEquals(bench.heard(alice).map(({ t }) => t), ["event", "acceptedMany", "accepted"]);
});

Deno.test("Relay.handle() closes a link whose events for many are malformed, and stores none of them", () => {
  const good = encodeMany([item("bob", 1), item("bob", 2)]);
  const tooMany = Array.from({ length: MANY_MAX_EVENTS + 1 }, (_, id) => item("bob", id));
  for (const body of [good.subarray(0, 0), good.slice(0, -1), encodeMany([item("bob", 1), item("bob", 1)])]) {
    const bench = new RelayBench();
    const [alice] = [bench.join("alice"), bench.join("bob")];
    bench.say(alice, { t: "publishMany", ref: 1 }, body);
    assertEquals([bench.closed.get(alice)?.code, bench.log.head(inboxOf("bob"))], ["protocol", 0]);
  }
  const bench = new RelayBench();
  const [alice] = [bench.join("alice"), bench.join("bob")];
  bench.say(alice, { t: "publishMany", ref: 1 }, encodeMany(tooMany));
  assertEquals(bench.closed.get(alice)?.code, "protocol");
});

Deno.test("Relay.handleTurn() answers for many only after the commit, and names those that it undid", () => {
  const calls: string[] = [];
  let isFailing = false;
  class ToldLog extends MemoryEventLog {
    override commit() {
      calls.push("commit");
      return isFailing ? { kind: "failed", reason: "diskFull" } as const : super.commit();
    }
  }
  const bench = new RelayBench({ log: new ToldLog({ generation: GENERATION }) });
  const [alice, bob] = [bench.join("alice"), bench.join("bob")];
  const publish = (ids: readonly number[]): RelayInput => {
    const body = encodeMany(ids.map((id) => item("bob", id)));
    return { kind: "message", link: alice, packet: { message: { t: "publishMany", ref: 1 }, body }, nowMs: START_MS };
  };
  bench.turn([publish([1, 2]), publish([3])]);
  assertEquals(calls.length, 1, "all that a turn publishes is stored at once");
  bench.take(alice);
  bench.take(bob);
  isFailing = true;
  bench.turn([publish([2, 4, 5])]);
  const [answer] = bench.take(alice);
  assert(answer !== undefined);
  assertEquals(answer.message, { t: "acceptedMany", ref: 1, code: "notStored" });
  assertEquals(decodeEventIds(answer.body), [idOf(4), idOf(5)], "what was stored before is stored");
  assertEquals(bench.heard(bob), []);
});
