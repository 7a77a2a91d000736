// Aim: a link that works is never given up, one that fell silent always is; the clock moves by hand.
import { assert, assertEquals } from "@std/assert";
import { concat } from "../../lib/bytes/writer.ts";
import { IDLE_TIMEOUT_MS, PING_AFTER_MS } from "../../lib/link/link.ts";
import { LinkPair, numbersOf, post, START_MS, tick } from "../support/link_pair.ts";

/** A pair whose responder no longer hears or says anything. */
function isolate(pair: LinkPair): void {
  pair.carry = () => Promise.resolve(0);
}

/** How many records each side has written after the handshake. */
function recordCounts({ initiator, responder }: LinkPair): [number, number] {
  return [initiator.written.length - 2, responder.written.length - 1];
}

Deno.test("Link asks for its first tick when it would ping", async () => {
  const pair = await LinkPair.opened();
  assertEquals(pair.initiator.wakeAtMs, START_MS + PING_AFTER_MS);
  assertEquals(pair.responder.wakeAtMs, START_MS + PING_AFTER_MS);
});

Deno.test("Link does not ping before it has heard nothing for fifteen seconds", async () => {
  const pair = await LinkPair.opened();
  await pair.advance(PING_AFTER_MS - 1);
  assertEquals(recordCounts(pair), [0, 0]);
  await pair.advance(1);
  assert(recordCounts(pair)[0] > 0);
  assertEquals([pair.initiator.link.state, pair.responder.link.state], ["open", "open"]);
});

Deno.test("Link stays open for an hour in which nobody writes, with a ping or so each fifteen seconds", async () => {
  const pair = await LinkPair.opened();
  await pair.advance(3_600_000);
  assertEquals([pair.initiator.link.state, pair.responder.link.state], ["open", "open"]);
  const due = 3_600_000 / PING_AFTER_MS;
  for (const count of recordCounts(pair)) assert(count >= due / 2 && count <= 2 * due, `${count} records`);
});

Deno.test("Link pings again fifteen seconds after the answer, not forty-five", async () => {
  const pair = await LinkPair.opened();
  await tick(pair.initiator, START_MS + PING_AFTER_MS);
  pair.nowMs = START_MS + PING_AFTER_MS + 10;
  await pair.pump();
  assertEquals(pair.initiator.wakeAtMs, START_MS + 2 * PING_AFTER_MS + 10);
});

Deno.test("Link sends no ping while packets keep coming", async () => {
  const pair = await LinkPair.opened();
  for (let i = 0; i < 20; i++) {
    await pair.advance(PING_AFTER_MS / 3);
    pair.responder.link.enqueue(post(i));
    pair.initiator.link.enqueue(post(i));
    await pair.pump();
  }
  assertEquals(recordCounts(pair), [20, 20]);
});

Deno.test("Link ends as lost after forty-five seconds without a word, not a moment earlier", async () => {
  const pair = await LinkPair.opened();
  isolate(pair);
  await pair.advance(IDLE_TIMEOUT_MS - 1);
  assertEquals(pair.initiator.link.state, "open");
  await pair.advance(1);
  for (const end of [pair.initiator, pair.responder]) {
    assertEquals(end.end, { kind: "lost", stage: "open", cause: "silence" });
    assertEquals(await end.pull(), [], "nobody is there who would take it in");
  }
});

Deno.test("Link asks for a word before it gives up after a long sleep of the machine", async () => {
  const pair = await LinkPair.opened();
  pair.nowMs = START_MS + 8 * 3_600_000;
  await tick(pair.initiator, pair.nowMs);
  assertEquals(pair.initiator.link.state, "open");
  await pair.pump();
  await tick(pair.initiator, pair.nowMs + 1);
  assertEquals(pair.initiator.link.state, "open");
});

Deno.test("Link is not kept alive by half a frame", async () => {
  const pair = await LinkPair.opened();
  pair.responder.link.enqueue(post(1, new Uint8Array(1_000)));
  const frame = concat(...await pair.responder.pull());
  isolate(pair);
  for (let i = 0; i < IDLE_TIMEOUT_MS / 1_000; i++) {
    await pair.feed("initiator", frame.subarray(i, i + 1));
    await pair.advance(1_000);
  }
  assertEquals(pair.initiator.end, { kind: "lost", stage: "open", cause: "silence" });
});

Deno.test("Link that was pinged out of its silence delivers what comes", async () => {
  const pair = await LinkPair.opened();
  await pair.advance(PING_AFTER_MS + 1);
  pair.responder.link.enqueue(post(5));
  await pair.pump();
  assertEquals(numbersOf(pair.initiator.delivered), [5]);
});

Deno.test("Link ends as lost when the stream ends without a bye", async () => {
  const pair = await LinkPair.opened();
  await pair.cut();
  for (const end of [pair.initiator, pair.responder]) {
    assertEquals(end.end, { kind: "lost", stage: "open", cause: "ended" });
    assertEquals(await end.handle({ kind: "ended", nowMs: START_MS }), []);
  }
});
