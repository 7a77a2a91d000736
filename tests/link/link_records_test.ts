// Aim: what was enqueued arrives once, whole and in order, and after the end nothing does.
import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import fc from "fast-check";
import { DecodeError, ProtocolError } from "../../lib/bytes/errors.ts";
import { type Bytes, concat, utf8 } from "../../lib/bytes/writer.ts";
import type { LinkEnd } from "../../lib/link/link.ts";
import { OUTBOX_MAX_BYTES } from "../../lib/link/outbox.ts";
import { encodeLinkMessage } from "../../lib/wire/messages.ts";
import { encodePacket, PACKET_MAX_BYTES } from "../../lib/wire/packet.ts";
import { LinkPair, numbersOf, post, START_MS } from "../support/link_pair.ts";
import { RawPeer } from "./_raw_peer.ts";

const PING = encodeLinkMessage({ t: "ping" });

/** Numbers from 0 up. */
function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/** Says what is wrong with an end that must have been refused after the handshake. */
function refusal(end: LinkEnd | undefined): Error {
  assert(end?.kind === "refused", `ended as ${end?.kind}`);
  assertEquals(end.stage, "open");
  return end.error;
}

for (const stepBytes of [1, 2, 3, undefined]) {
  Deno.test(`Link delivers header and body both ways in steps of ${stepBytes ?? "everything"}`, async () => {
    const pair = await LinkPair.opened(stepBytes === undefined ? {} : { stepBytes });
    const body = new Uint8Array(3_000).map((_, i) => i);
    assert(pair.initiator.link.enqueue(post(1, body)));
    assert(pair.initiator.link.enqueue(post(2)));
    assert(pair.responder.link.enqueue(post(3, body)));
    await pair.pump();
    assertEquals(pair.responder.delivered, [
      { header: { t: "post", number: 1 }, body },
      { header: { t: "post", number: 2 }, body: new Uint8Array(0) },
    ]);
    assertEquals(pair.initiator.delivered, [{ header: { t: "post", number: 3 }, body }]);
    assert(pair.initiator.link.isDrained && pair.responder.link.isDrained);
  });
}

Deno.test("Link.enqueue() says false until the link is open and after it is closed", async () => {
  const pair = new LinkPair();
  assert(!pair.initiator.link.enqueue(post(1)));
  await pair.start();
  assert(!pair.initiator.link.enqueue(post(1)));
  await pair.pump();
  assert(pair.initiator.link.enqueue(post(1)));
  pair.initiator.link.close("quit", "");
  assert(!pair.initiator.link.enqueue(post(2)));
});

Deno.test("Link.enqueue() says false when the outbox is full, and what was taken arrives", async () => {
  const pair = await LinkPair.opened({ initiator: { outboxMaxBytes: 1_000 } });
  const packet = post(1, new Uint8Array(400));
  assert(pair.initiator.link.enqueue(packet));
  assert(pair.initiator.link.enqueue(packet));
  assert(!pair.initiator.link.enqueue(packet));
  await pair.pump();
  assertEquals(pair.responder.delivered.length, 2);
  assert(pair.initiator.link.enqueue(packet));
});

Deno.test("Link.enqueue() throws on a packet that is longer than any may be", async () => {
  const pair = await LinkPair.opened();
  assertThrows(() => pair.initiator.link.enqueue(new Uint8Array(PACKET_MAX_BYTES + 1)), RangeError);
  assertEquals(await pair.initiator.pull(), []);
});

Deno.test("Link.nextWrite() puts packets that wait together into one record", async () => {
  const pair = await LinkPair.opened();
  for (const number of range(100)) assert(pair.initiator.link.enqueue(post(number)));
  const frames = await pair.initiator.pull();
  assertEquals(frames.length, 1);
  await pair.feed("responder", concat(...frames));
  assertEquals(numbersOf(pair.responder.delivered), range(100));
});

Deno.test("Link.nextWrite() never puts more into a record than one holds", async () => {
  const pair = await LinkPair.opened();
  const body = new Uint8Array(PACKET_MAX_BYTES - post(0).length);
  for (const number of range(3)) assert(pair.initiator.link.enqueue(post(number, body)));
  const frames = await pair.initiator.pull();
  assertEquals(frames.length, 3);
  await pair.feed("responder", concat(...frames));
  assertEquals(numbersOf(pair.responder.delivered), range(3));
});

Deno.test("Link keeps the order of 1,000 packets of random sizes, both ways at once", async () => {
  const sizes = fc.sample(fc.oneof(fc.nat(100), fc.nat(3_000), fc.constant(49_000)), { numRuns: 1_000, seed: 7 });
  const pair = await LinkPair.opened();
  for (const [number, size] of sizes.entries()) {
    for (const end of [pair.initiator, pair.responder]) {
      while (!end.link.enqueue(post(number, new Uint8Array(size)))) await pair.pump();
    }
    if (size % 7 === 0) await pair.pump();
  }
  await pair.pump();
  for (const { delivered } of [pair.initiator, pair.responder]) {
    assertEquals(numbersOf(delivered), range(1_000));
    assertEquals(delivered.map(({ body }) => body.length), sizes);
  }
});

Deno.test("Link.nextWrite() gives frames in the order of the calls, however late they are awaited", async () => {
  const pair = await LinkPair.opened();
  const pending: Promise<Bytes>[] = [];
  for (const number of range(60)) {
    // A long record in front of short ones, which `subtle` may finish first.
    assert(pair.initiator.link.enqueue(post(number, new Uint8Array(number % 5 === 0 ? 49_000 : 1))));
    pending.push(pair.initiator.link.nextWrite() as Promise<Bytes>);
  }
  const frames: Bytes[] = [];
  for (const i of range(60).reverse()) frames[i] = await (pending[i] as Promise<Bytes>);
  await pair.feed("responder", concat(...frames));
  assertEquals(numbersOf(pair.responder.delivered), range(60));
});

Deno.test("Link.close() lets all that waits out, then a bye, and the peer hears both", async () => {
  const pair = await LinkPair.opened();
  for (const number of range(200)) assert(pair.initiator.link.enqueue(post(number, new Uint8Array(1_000))));
  pair.initiator.link.close("quit", "the client ends");
  pair.initiator.link.close("again", "changes nothing");
  assertEquals(pair.initiator.link.state, "closing");
  await pair.pump();
  assertEquals(pair.initiator.link.state, "closed");
  assertEquals(numbersOf(pair.responder.delivered), range(200));
  assertEquals(pair.responder.end, { kind: "bye", code: "quit", message: "the client ends" });
  assertEquals(pair.initiator.end, undefined);
});

Deno.test("Link.close() says its bye even when the outbox is full", async () => {
  const pair = await LinkPair.opened({ initiator: { outboxMaxBytes: 100 } });
  while (pair.initiator.link.enqueue(post(1)));
  pair.initiator.link.close("tooSlow", "read faster");
  await pair.pump();
  assertEquals(pair.responder.end, { kind: "bye", code: "tooSlow", message: "read faster" });
});

Deno.test("Link answers nothing more after its own close(), whatever arrives", async () => {
  const pair = await LinkPair.opened();
  for (const number of range(3)) pair.responder.link.enqueue(post(number));
  pair.initiator.link.close("quit", "");
  await pair.pump();
  await pair.feed("initiator", utf8("garbage"));
  await pair.cut();
  assertEquals(await pair.initiator.handle({ kind: "tick", nowMs: START_MS + 1e9 }), []);
  assertEquals(pair.initiator.delivered, []);
  assertEquals(pair.initiator.end, undefined);
});

Deno.test("Link gives no effect of a handle() during which it was closed", async () => {
  const pair = await LinkPair.opened();
  const frames: Bytes[] = [];
  for (const number of range(5)) {
    pair.responder.link.enqueue(post(number));
    frames.push(...await pair.responder.pull());
  }
  const handling = pair.initiator.handle({ kind: "received", bytes: concat(...frames), nowMs: START_MS });
  pair.initiator.link.close("quit", "");
  assertEquals(await handling, []);
});

Deno.test("Link delivers nothing that comes after a bye, in the same record or later", async () => {
  const peer = await RawPeer.shake("initiator");
  const bye = encodeLinkMessage({ t: "bye", code: "quit", message: "gone" });
  const late = await peer.seal([post(1), bye, post(2), PING]);
  await peer.feed(concat(late, await peer.seal([post(3)])));
  await peer.feed(await peer.seal([post(4)]));
  assertEquals(numbersOf(peer.end.delivered), [1]);
  assertEquals(peer.end.effects.at(-1), { kind: "ended", end: { kind: "bye", code: "quit", message: "gone" } });
  assertEquals(peer.end.link.state, "closed");
});

Deno.test("Link writes nothing to a peer that said bye", async () => {
  const peer = await RawPeer.shake("initiator");
  assert(peer.end.link.enqueue(post(1)));
  await peer.feed(await peer.seal([encodeLinkMessage({ t: "bye", code: "quit", message: "" })]));
  assert(peer.end.link.isDrained);
  assertEquals(await peer.hear(), []);
});

Deno.test("Link answers a ping with a pong and delivers neither", async () => {
  const peer = await RawPeer.shake("initiator");
  await peer.feed(await peer.seal([PING, encodeLinkMessage({ t: "pong" })]));
  assertEquals((await peer.hear()).map(({ header }) => header), [{ t: "pong" }]);
  assertEquals(peer.end.delivered, []);
});

Deno.test("Link ends a peer that floods it with pings and reads nothing", async () => {
  const peer = await RawPeer.shake("initiator", { link: { outboxMaxBytes: 20_000 } });
  const run = Array.from({ length: 500 }, () => PING);
  let rounds = 0;
  for (; peer.end.link.state === "open" && rounds < 1_000; rounds++) await peer.feed(await peer.seal(run));
  assertInstanceOf(refusal(peer.end.end), ProtocolError);
  assert(rounds < 5);
  const said = await peer.hear();
  assertEquals((said.at(-1)?.header as { t: string }).t, "bye");
});

Deno.test("Link goes on for a peer that pings a lot and reads the answers", async () => {
  const peer = await RawPeer.shake("initiator", { link: { outboxMaxBytes: 20_000 } });
  for (let i = 0; i < 50; i++) {
    await peer.feed(await peer.seal(Array.from({ length: 500 }, () => PING)));
    assertEquals((await peer.hear()).length, 500);
  }
  assertEquals(peer.end.link.state, "open");
});

const MISBEHAVIOUR: Readonly<Record<string, readonly Uint8Array[] | Bytes>> = {
  "a record without a packet": new Uint8Array(0),
  "a run that is cut short": utf8("\0\0\0\x09abc"),
  "a packet without a header": [new Uint8Array(0)],
  "a header that is not JSON": [utf8("\0\x03{t}")],
  "a bye of another shape": [encodePacket({ t: "bye", code: 5 })],
};

for (const [what, content] of Object.entries(MISBEHAVIOUR)) {
  Deno.test(`Link ends a peer that sends ${what}, and tells it`, async () => {
    const peer = await RawPeer.shake("initiator");
    await peer.feed(await peer.seal([post(1)]));
    await peer.feed(await peer.seal(content));
    assertInstanceOf(refusal(peer.end.end), DecodeError);
    assertEquals(numbersOf(peer.end.delivered), [1]);
    const [bye] = await peer.hear();
    assertEquals((bye?.header as { t: string; code: string }).code, "protocol");
    await peer.feed(await peer.seal([post(2)]));
    assertEquals(peer.end.effects.at(-1)?.kind, "ended");
    assertEquals(peer.end.effects.filter(({ kind }) => kind === "ended").length, 1);
  });
}

Deno.test("Link delivers packets whose header is any JSON, for the layer above to judge", async () => {
  const peer = await RawPeer.shake("initiator");
  await peer.feed(await peer.seal([utf8("\0\x04null"), utf8("\0\x015"), utf8('\0\x06"ping"'), utf8("\0\x02[]")]));
  assertEquals(peer.end.delivered.map(({ header }) => header), [null, 5, "ping", []]);
});

Deno.test("Link says renew when its keys have sealed enough records, after all that waits", async () => {
  const pair = await LinkPair.opened({ initiator: { testOnlyRecordsMax: 3 } });
  for (const number of range(3)) {
    assert(pair.initiator.link.enqueue(post(number)));
    await pair.pump();
  }
  assertEquals(pair.initiator.link.state, "open");
  assert(pair.initiator.link.enqueue(post(3)));
  await pair.initiator.handle({ kind: "tick", nowMs: START_MS });
  assertEquals(pair.initiator.effects.slice(-2), [
    { kind: "writable" },
    { kind: "ended", end: { kind: "closed" } },
  ]);
  await pair.pump();
  assertEquals(numbersOf(pair.responder.delivered), range(4));
  assert(pair.responder.end?.kind === "bye");
  assertEquals(pair.responder.end.code, "renew");
});

Deno.test("Link says renew on its own at the next thing that arrives or the next tick that it asked for", async () => {
  const arrival = await LinkPair.opened({ initiator: { testOnlyRecordsMax: 1 } });
  arrival.initiator.link.enqueue(post(1));
  await arrival.pump();
  arrival.responder.link.enqueue(post(2));
  await arrival.pump();
  assertEquals(numbersOf(arrival.initiator.delivered), [2]);
  assert(arrival.responder.end?.kind === "bye" && arrival.responder.end.code === "renew");

  const quiet = await LinkPair.opened({ initiator: { testOnlyRecordsMax: 1 } });
  quiet.initiator.link.enqueue(post(1));
  await quiet.pump();
  await quiet.advance(60_000);
  assert(quiet.responder.end?.kind === "bye" && quiet.responder.end.code === "renew");
});

Deno.test("Link has a bound on what waits by default", async () => {
  const pair = await LinkPair.opened();
  const packet = post(1, new Uint8Array(49_000));
  let taken = 0;
  while (pair.initiator.link.enqueue(packet)) taken++;
  assert(taken * packet.length <= OUTBOX_MAX_BYTES);
});
