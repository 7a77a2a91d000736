// Aim: a link that works is never given up, one that fell silent always is; the clock moves by hand.
import { assert, assertEquals } from "@std/assert";
import { concat } from "../../lib/bytes/writer.ts";
import { IDLE_TIMEOUT_MS, PING_AFTER_MS } from "../../lib/link/life_watch.ts";
import { LinkPair, numbersOf, post, type Side, START_MS, tick } from "../support/link_pair.ts";

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

/** What one side has to say passes one frame in so many seconds, both ways at once; ticks come when they are due. */
async function trickle(pair: LinkPair, { everyMs, frames }: { everyMs: number; frames: number }): Promise<void> {
  const sides: readonly Side[] = ["initiator", "responder"];
  for (let i = 0; i < frames; i++) {
    const untilMs = pair.nowMs + everyMs;
    for (let due = nextDue(pair); due <= untilMs; due = nextDue(pair)) {
      pair.nowMs = Math.max(pair.nowMs, due);
      for (const side of sides) if ((pair[side].wakeAtMs ?? Infinity) <= pair.nowMs) await tick(pair[side], pair.nowMs);
    }
    pair.nowMs = untilMs;
    for (const side of sides) {
      const frame = await pair[side].link.nextWrite();
      if (frame === undefined) continue;
      pair[side].written.push(frame);
      await pair.feed(side === "initiator" ? "responder" : "initiator", frame);
    }
  }
}

function nextDue({ initiator, responder }: LinkPair): number {
  return Math.min(initiator.wakeAtMs ?? Infinity, responder.wakeAtMs ?? Infinity);
}

for (const busy of ["initiator", "responder"] as const) {
  Deno.test(`Link lives while a ping waits behind all that the ${busy} has to say`, async () => {
    const pair = await LinkPair.opened();
    for (let i = 0; i < 60; i++) pair[busy].link.enqueue(post(i, new Uint8Array(40_000)));
    await trickle(pair, { everyMs: 5_000, frames: 60 });
    assertEquals([pair.initiator.end, pair.responder.end], [undefined, undefined]);
    const reader = busy === "initiator" ? pair.responder : pair.initiator;
    assertEquals(reader.delivered.length, 60);
    assert(reader.written.length < 30, `${reader.written.length} frames of one who has nothing to say`);
  });
}

Deno.test("Link lives while both sides have more to say than passes in an hour", async () => {
  const pair = await LinkPair.opened();
  for (const side of ["initiator", "responder"] as const) {
    for (let i = 0; i < 90; i++) pair[side].link.enqueue(post(i, new Uint8Array(40_000)));
  }
  await trickle(pair, { everyMs: 40_000, frames: 90 });
  assertEquals([pair.initiator.end, pair.responder.end], [undefined, undefined]);
});

Deno.test("Link gives a peer thirty seconds from its ping, however late that was", async () => {
  const pair = await LinkPair.opened();
  isolate(pair);
  const lateMs = START_MS + 10 * IDLE_TIMEOUT_MS; // what had come was long in the reading
  await tick(pair.initiator, lateMs);
  assertEquals(pair.initiator.wakeAtMs, lateMs + IDLE_TIMEOUT_MS - PING_AFTER_MS);
  await tick(pair.initiator, lateMs + IDLE_TIMEOUT_MS - PING_AFTER_MS - 1);
  assertEquals(pair.initiator.link.state, "open");
  await tick(pair.initiator, lateMs + IDLE_TIMEOUT_MS - PING_AFTER_MS);
  assertEquals(pair.initiator.end, { kind: "lost", stage: "open", cause: "silence" });
});
