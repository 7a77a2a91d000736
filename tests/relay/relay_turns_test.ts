// Aim: what a turn publishes is stored by one commit and told after it, and told as if each event had come alone.
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { RelayInput } from "../../lib/relay/effects.ts";
import type { AppendResult, CommitResult, NewEvent } from "../../lib/relay/event_log.ts";
import { INBOX_PUBLISHER_MAX_EVENTS } from "../../lib/relay/inbox_quotas.ts";
import { MemoryEventLog } from "../../lib/relay/memory_event_log.ts";
import { LIVE_BACKLOG_MAX_BYTES } from "../../lib/relay/streams.ts";
import type { ClientMessage, RelayMessage } from "../../lib/wire/messages.ts";
import { encodeMany } from "../../lib/wire/bodies.ts";
import { opLike } from "./_event_log_suite.ts";
import { fingerprintOf, GENERATION, idOf, inboxOf, LOBBY_STREAM, RelayBench, START_MS } from "./_workbench.ts";

const BODY = Uint8Array.of(1);

/** A log that tells what was asked of it. */
class ToldLog extends MemoryEventLog {
  readonly calls: string[] = [];

  constructor() {
    super({ generation: GENERATION });
  }

  override append(event: NewEvent): AppendResult {
    this.calls.push("append");
    return super.append(event);
  }

  override commit(): CommitResult {
    this.calls.push("commit");
    return super.commit();
  }
}

function publishing(link: number, id: number, stream = LOBBY_STREAM, body: Uint8Array<ArrayBuffer> = BODY): RelayInput {
  return message(link, { t: "publish", stream, kind: "message", id: idOf(id) }, body);
}

function message(link: number, said: ClientMessage, body: Uint8Array<ArrayBuffer> = new Uint8Array(0)): RelayInput {
  return { kind: "message", link, packet: { message: said, body }, nowMs: START_MS };
}

function told(messages: readonly RelayMessage[]): string[] {
  return messages.map((said) => said.t === "accepted" || said.t === "event" ? `${said.t} ${said.seq}` : said.t);
}

Deno.test("Relay.handleTurn() stores all events of a turn with one commit", () => {
  const log = new ToldLog();
  const bench = new RelayBench({ log });
  const [ada, ben] = [bench.join("ada"), bench.join("ben")];
  bench.take(ada);
  bench.turn([
    publishing(ada, 1),
    publishing(ben, 2),
    { kind: "drained", link: ada, nowMs: START_MS },
    publishing(ada, 3),
  ]);
  assertEquals(log.calls, ["append", "append", "append", "commit"]);
  assertEquals(told(bench.heard(ada)), ["accepted 1", "event 2", "accepted 3"]);
  assertEquals(told(bench.heard(ben)), ["event 1", "accepted 2", "event 3"]);
  bench.turn([publishing(ada, 1)]);
  assertEquals(log.calls.length, 4, "a repeat alone is no reason to wait for the disk");
  assertEquals(told(bench.heard(ada)), ["accepted 1"]);
});

Deno.test("Relay.handleTurn() gives an event that comes twice in a turn one place", () => {
  const bench = new RelayBench();
  const [ada, ben] = [bench.join("ada"), bench.join("ben")];
  bench.take(ada);
  bench.turn([publishing(ada, 1), publishing(ada, 1), publishing(ada, 2)]);
  assertEquals(told(bench.heard(ada)), ["accepted 1", "accepted 1", "accepted 2"]);
  assertEquals(told(bench.heard(ben)), ["event 1", "event 2"]);
});

Deno.test("Relay.handleTurn() tells what somebody published before it tells that they left or were replaced", () => {
  const bench = new RelayBench();
  const [ada, ben, carol] = [bench.join("ada"), bench.join("ben"), bench.join("carol")];
  for (const link of [ada, ben, carol]) bench.take(link);
  bench.turn([publishing(ada, 1), { kind: "ended", link: ada, reason: "quit", nowMs: START_MS }]);
  assertEquals(told(bench.heard(carol)), ["event 1", "left"]);
  bench.take(ben);
  bench.turn([publishing(ben, 2), message(ben, { t: "subscribe", stream: inboxOf("carol"), after: null })]);
  assertEquals(told(bench.heard(carol)), ["event 2", "left"]);
  assertEquals([told(bench.heard(ben)), bench.closed.get(ben)?.code], [["accepted 2"], "protocol"]);
  bench.turn([publishing(carol, 3), { kind: "shutdown", nowMs: START_MS }]);
  assertEquals([told(bench.heard(carol)), bench.closed.get(carol)?.code], [["accepted 3"], "shutdown"]);
});

Deno.test("Relay.handleTurn() shows a subscriber of the same turn no event twice and leaves none out", () => {
  const bench = new RelayBench();
  const [ada, ben] = [bench.join("ada"), bench.join("ben")];
  bench.publish(ada, LOBBY_STREAM);
  bench.take(ben);
  const after = { generation: GENERATION, seq: 0 };
  bench.turn([
    publishing(ada, 11),
    message(ben, { t: "subscribe", stream: LOBBY_STREAM, after }),
    publishing(ada, 12),
    publishing(ben, 13),
  ]);
  const heard = bench.drainAll(ben).map((packet) => packet.message);
  assertEquals(told(heard), ["subscribed", "event 1", "event 2", "event 3", "accepted 4"]);
});

Deno.test("Relay.handleTurn() counts what one turn puts into an inbox against its quota", () => {
  const bench = new RelayBench();
  const [ada, ben] = [bench.join("ada"), bench.join("ben")];
  const inbox = inboxOf("ben");
  // Ben reads nothing until he is behind: from then on everything waits.
  const large = new Uint8Array(40_000);
  for (let sent = 0, id = 1; sent <= LIVE_BACKLOG_MAX_BYTES; sent += large.length) {
    bench.turn([publishing(ada, id++, inbox, large)]);
  }
  bench.take(ada);
  const inputs = Array.from({ length: INBOX_PUBLISHER_MAX_EVENTS + 5 }, (_, i) => publishing(ada, 1000 + i, inbox));
  bench.turn(inputs);
  const refused = bench.heard(ada).filter((said) => said.t === "refused" && said.code === "inboxFull");
  assert(refused.length >= 5 && refused.length < 10, `${refused.length} were refused`);
  assert(bench.closed.size === 0 && bench.outboxes.has(ben));
});

Deno.test("Relay.handleTurn() tells each link of each stream what it would have heard one input at a time", () => {
  const to = fc.constantFrom("room", "inbox", "op", "epoch", "many");
  const publish = fc.record({ by: fc.nat(2), id: fc.nat(20), to });
  const input = (link: number, id: number, to: string): RelayInput => {
    const room = { t: "publish", stream: LOBBY_STREAM, id: idOf(id) } as const;
    if (to === "op") return message(link, { ...room, kind: "op" }, opLike(id % 2 === 0 ? 4 : 7));
    // An epoch that is yet to come ends the link.
    if (to === "epoch") return message(link, { ...room, kind: "message", epoch: id % 4, slack: id % 3 }, BODY);
    if (to === "room") return publishing(link, id);
    if (to === "inbox") return publishing(link, id, inboxOf("ada"));
    const items = ["ada", "ben"].map((name, i) => ({ to: fingerprintOf(name), id: idOf(id + i), box: BODY }));
    return message(link, { t: "publishMany", ref: id }, encodeMany(items));
  };
  fc.assert(
    fc.property(fc.array(fc.array(publish, { maxLength: 12 }), { maxLength: 8 }), (turns) => {
      const run = (isWhole: boolean): Record<string, string[]>[] => {
        const bench = new RelayBench();
        const links = ["ada", "ben", "carol"].map((name) => bench.join(name));
        for (const link of links) bench.take(link);
        for (const turn of turns) {
          const inputs = turn.map(({ by, id, to }) => input(links[by] as number, id, to));
          if (isWhole) bench.turn(inputs);
          else for (const input of inputs) bench.turn([input]);
        }
        return links.map((link) =>
          Object.groupBy(bench.heard(link).map((said) => JSON.stringify(said)), streamOf)
        ) as Record<string, string[]>[];
      };
      assertEquals(run(true), run(false));
    }),
    { numRuns: 200 },
  );
});

function streamOf(json: string): string {
  return String(JSON.parse(json)["stream"]);
}
