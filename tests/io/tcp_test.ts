// Aim: whatever the peer does on a real socket, the owner hears of the end exactly once, `finished` resolves, and
// nothing of the connection stays behind (the sanitizers of `deno test` look for it).
import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { DecodeError, UserError } from "../../lib/bytes/errors.ts";
import { type Bytes, utf8 } from "../../lib/bytes/writer.ts";
import { TcpLink } from "../../lib/io/tcp.ts";
import type { LinkEnd } from "../../lib/link/link.ts";
import type { Remote } from "../../lib/link/link_handshake.ts";
import { encodeLinkMessage } from "../../lib/wire/messages.ts";
import type { RawPacket } from "../../lib/wire/packet.ts";
import { type EndOptions, LinkEndpoint, numbersOf, post, type Side, START_MS } from "../support/link_pair.ts";

/** What a test does instead of only noting what it hears. */
interface Doings {
  readonly arrived?: (packets: readonly RawPacket[]) => void;
  readonly packet?: (packet: RawPacket) => void | Promise<void>;
  readonly drained?: () => void;
}

/** The owner of one end: notes what the hooks say and lets a test wait for it. */
class Owner {
  readonly tcp: TcpLink<Remote>;
  readonly delivered: RawPacket[] = [];
  readonly ends: LinkEnd[] = [];
  openedCount = 0;
  #changed = Promise.withResolvers<void>();

  constructor(conn: Deno.TcpConn, side: Side, options: EndOptions = {}, doings: Doings = {}) {
    this.tcp = new TcpLink(conn, new LinkEndpoint(side, options).link, {
      opened: () => {
        this.openedCount++;
        this.#change();
      },
      packet: (packet) => {
        this.delivered.push(packet);
        this.#change();
        return doings.packet?.(packet);
      },
      ...(doings.arrived === undefined ? {} : { arrived: doings.arrived }),
      ...(doings.drained === undefined ? {} : { drained: doings.drained }),
      ended: (end) => {
        this.ends.push(end);
        this.#change();
      },
    });
  }

  /** Waits until something holds. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await this.#changed.promise;
  }

  /** Waits until it is all over; answers the one end that was told. */
  async over(): Promise<LinkEnd> {
    await this.tcp.finished;
    assertEquals(this.ends.length, 1);
    assert(!this.tcp.isOpen);
    assert(!this.tcp.send(post(0)));
    this.tcp.close("again", "changes nothing");
    assertEquals(this.ends.length, 1);
    return this.ends[0] as LinkEnd;
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

/** Two ends of a connection over the loopback. */
async function connections(): Promise<{ near: Deno.TcpConn; far: Deno.TcpConn }> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const [far, near] = await Promise.all([
    listener.accept(),
    Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port }),
  ]);
  listener.close();
  for (const conn of [near, far]) conn.setNoDelay(true); // as both hosts do
  return { near, far };
}

/** Two owners whose links are open. */
async function owners(
  options: { caller?: EndOptions; relay?: EndOptions; callerDoes?: Doings; relayDoes?: Doings } = {},
): Promise<{ caller: Owner; relay: Owner }> {
  const { near, far } = await connections();
  const caller = new Owner(near, "initiator", options.caller, options.callerDoes);
  const relay = new Owner(far, "responder", options.relay, options.relayDoes);
  await relay.until(() => relay.openedCount + relay.ends.length > 0);
  await caller.until(() => caller.openedCount + caller.ends.length > 0);
  return { caller, relay };
}

/** An owner, and a caller that shook hands with it by hand and then does only what a test makes it do. */
async function ownerAndRawCaller(options: EndOptions = {}, doings: Doings = {}) {
  const { near, far } = await connections();
  const relay = new Owner(far, "responder", options, doings);
  const raw = new LinkEndpoint("initiator");
  await raw.handle({ kind: "start", nowMs: START_MS });
  const buffer = new Uint8Array(4_096);
  await write(near, await raw.pull());
  while (raw.link.state === "handshaking") {
    const lengthBytes = await near.read(buffer);
    assert(lengthBytes !== null);
    await raw.handle({ kind: "received", bytes: buffer.slice(0, lengthBytes), nowMs: START_MS });
  }
  await write(near, await raw.pull());
  await relay.until(() => relay.openedCount > 0);
  return { relay, raw, conn: near };
}

async function write(conn: Deno.TcpConn, frames: readonly Bytes[]): Promise<void> {
  for (const frame of frames) {
    for (let offset = 0; offset < frame.length;) offset += await conn.write(frame.subarray(offset));
  }
}

/** Runs a test in which no timer ever fires: what works then waits for nobody. */
async function withoutTimers(test: () => Promise<void>): Promise<void> {
  const { setTimeout } = globalThis;
  globalThis.setTimeout = (() => 0) as unknown as typeof setTimeout;
  try {
    await test();
  } finally {
    globalThis.setTimeout = setTimeout;
  }
}

/** Reads until the other side has nothing more to say. */
async function drain(conn: Deno.TcpConn): Promise<number> {
  const buffer = new Uint8Array(65_536);
  let total = 0;
  for (let read = await conn.read(buffer); read !== null; read = await conn.read(buffer)) total += read;
  return total;
}

/** Sends until the outbox and all buffers on the way are full. */
async function stuff(owner: Owner): Promise<void> {
  const packet = post(0, new Uint8Array(40_000));
  for (let refusals = 0; refusals < 3;) {
    if (owner.tcp.send(packet)) refusals = 0;
    else refusals++;
    // The writer gets its turns; it is stuck when it took nothing in several of them.
    if (!owner.tcp.send(packet)) await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

Deno.test("TcpLink carries packets both ways in order, and a bye", async () => {
  const { caller, relay } = await owners();
  for (let number = 0; number < 300; number++) {
    assert(caller.tcp.send(post(number, new Uint8Array(number * 20))));
    assert(relay.tcp.send(post(number, new Uint8Array(number * 20))));
  }
  await relay.until(() => relay.delivered.length === 300);
  await caller.until(() => caller.delivered.length === 300);
  caller.tcp.close("quit", "the client ends");
  assertEquals(await caller.over(), { kind: "closed" });
  assertEquals(await relay.over(), { kind: "bye", code: "quit", message: "the client ends" });
  for (const { delivered } of [caller, relay]) {
    assertEquals(numbersOf(delivered), Array.from({ length: 300 }, (_, i) => i));
    assert(delivered.every(({ body }, i) => body.length === i * 20));
  }
});

Deno.test("TcpLink.close() flushes everything that waits before its bye", async () => {
  const { caller, relay } = await owners();
  let count = 0;
  while (caller.tcp.send(post(count, new Uint8Array(40_000)))) count++;
  assert(count > 90);
  caller.tcp.close("quit", "");
  assertEquals(caller.ends, [{ kind: "closed" }]);
  assertEquals(await relay.over(), { kind: "bye", code: "quit", message: "" });
  assertEquals(relay.delivered.length, count);
  await caller.over();
});

Deno.test("TcpLink.close() on both sides at once ends both", async () => {
  const { caller, relay } = await owners();
  caller.tcp.close("quit", "");
  relay.tcp.close("shutdown", "");
  assertEquals(await caller.over(), { kind: "closed" });
  assertEquals(await relay.over(), { kind: "closed" });
});

Deno.test("TcpLink.close() before anything happened ends both", async () => {
  const { near, far } = await connections();
  const caller = new Owner(near, "initiator");
  caller.tcp.close("quit", "");
  const relay = new Owner(far, "responder");
  assertEquals(await caller.over(), { kind: "closed" });
  assertEquals(await relay.over(), { kind: "lost", stage: "handshake", cause: "ended" });
  assertEquals([caller.openedCount, relay.openedCount], [0, 0]);
});

Deno.test("TcpLink.close() from the hook packet ends both, and nothing more is delivered", async () => {
  const { caller, relay } = await owners({ relayDoes: { packet: () => relay.tcp.close("enough", "") } });
  for (let number = 0; number < 50; number++) caller.tcp.send(post(number));
  assertEquals(await caller.over(), { kind: "bye", code: "enough", message: "" });
  assertEquals(await relay.over(), { kind: "closed" });
  assertEquals(numbersOf(relay.delivered), [0]);
});

Deno.test("TcpLink.close() from the hook drained still says its bye", async () => {
  let isDue = false;
  const { caller, relay } = await owners({
    relayDoes: {
      drained: () => {
        if (isDue) relay.tcp.close("enough", "");
      },
    },
  });
  isDue = true;
  relay.tcp.send(post(1));
  assertEquals(await caller.over(), { kind: "bye", code: "enough", message: "" });
  assertEquals(await relay.over(), { kind: "closed" });
  assertEquals(numbersOf(caller.delivered), [1]);
});

Deno.test("TcpLink calls drained when what waited is written, and what the hook sends goes out too", async () => {
  let next = 100;
  const { caller, relay } = await owners({
    relayDoes: {
      drained: () => {
        if (next < 100) relay.tcp.send(post(next++));
      },
    },
  });
  relay.tcp.send(post(0));
  next = 1;
  await caller.until(() => caller.delivered.length === 100);
  assertEquals(numbersOf(caller.delivered), Array.from({ length: 100 }, (_, i) => i));
  caller.tcp.close("quit", "");
  await caller.over();
  await relay.over();
});

Deno.test("TcpLink reads on only when the hook packet has returned", async () => {
  let running = 0;
  let most = 0;
  const { caller, relay } = await owners({
    relayDoes: {
      packet: async () => {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setTimeout(resolve));
        running--;
      },
    },
  });
  for (let number = 0; number < 30; number++) caller.tcp.send(post(number));
  caller.tcp.close("quit", "");
  assertEquals((await relay.over()).kind, "bye");
  assertEquals(most, 1);
  assertEquals(numbersOf(relay.delivered), Array.from({ length: 30 }, (_, i) => i));
  await caller.over();
});

Deno.test("TcpLink tells which packets arrived together before it gives the first, the very same", async () => {
  const lots: (readonly RawPacket[])[] = [];
  const given: { readonly packet: RawPacket; readonly lots: number }[] = [];
  const { caller, relay } = await owners({
    relayDoes: {
      arrived: (packets) => void (packets.length > 0 && lots.push(packets)),
      packet: (packet) => void given.push({ packet, lots: lots.length }),
    },
  });
  for (let i = 0; i < 20; i++) caller.tcp.send(post(i)); // all that waits leaves in one record
  await relay.until(() => relay.delivered.length === 20);
  caller.tcp.close("quit", "done");
  await Promise.all([caller.over(), relay.over()]);
  const all = lots.flat();
  assert(lots.length < all.length, `${lots.length} lots`);
  assertEquals(given.map(({ packet }) => all.indexOf(packet)), all.map((_, i) => i));
  for (const [i, { lots: heard }] of given.entries()) {
    assert(lots.slice(0, heard).flat().length > i, "its lot was told before");
  }
});

Deno.test("TcpLink ends a peer whose packet the owner cannot decode, and tells it", async () => {
  const error = new DecodeError("Cannot decode client message: the header has another shape");
  const { caller, relay } = await owners({ relayDoes: { packet: () => Promise.reject(error) } });
  caller.tcp.send(post(1));
  caller.tcp.send(post(2));
  assertEquals(await relay.over(), { kind: "refused", stage: "open", error });
  assertEquals(await caller.over(), { kind: "bye", code: "protocol", message: error.message });
  assertEquals(relay.delivered.length, 1);
});

Deno.test("TcpLink.finished rejects with what a hook throws when it is a bug of ours, and leaves nothing behind", async () => {
  const { caller, relay } = await owners({ relayDoes: { packet: () => Promise.reject(new TypeError("a bug")) } });
  caller.tcp.send(post(1));
  await assertRejects(() => relay.tcp.finished, TypeError, "a bug");
  assertEquals(relay.ends.length, 1);
  assertEquals((await caller.over()).kind, "lost");
});

Deno.test("TcpLink tells a caller in a bye why it is refused", async () => {
  const refused = new UserError("nameTaken", "the name ann is taken");
  const { caller, relay } = await owners({ relay: { authenticate: () => Promise.reject(refused) } });
  // It may write at once, before it hears that it is refused.
  caller.tcp.send(post(1, new Uint8Array(40_000)));
  assertEquals(await relay.over(), { kind: "refused", stage: "handshake", error: refused });
  assertEquals(await caller.over(), { kind: "bye", code: "nameTaken", message: "the name ann is taken" });
  assertEquals([relay.openedCount, relay.delivered.length], [0, 0]);
});

Deno.test("TcpLink of a caller that refuses the relay closes and gives the reason", async () => {
  const refused = new UserError("relayChanged", "another relay");
  const { caller, relay } = await owners({ caller: { authenticate: () => Promise.reject(refused) } });
  assertEquals(await caller.over(), { kind: "refused", stage: "handshake", error: refused });
  assertEquals(await relay.over(), { kind: "lost", stage: "handshake", cause: "ended" });
});

Deno.test("TcpLink says renew when its keys are used up", async () => {
  const { caller, relay } = await owners({
    relay: { testOnlyRecordsMax: 2 },
    relayDoes: { packet: () => void relay.tcp.send(post(9)) },
  });
  for (let number = 0; relay.ends.length === 0; number++) {
    caller.tcp.send(post(number));
    await relay.until(() => relay.delivered.length > number || relay.ends.length > 0);
    await caller.until(() => caller.delivered.length > number || caller.ends.length > 0);
  }
  assertEquals(await relay.over(), { kind: "closed" });
  const end = await caller.over();
  assert(end.kind === "bye" && end.code === "renew");
});

Deno.test("TcpLink notices a peer that hangs up without a bye", async () => {
  const { relay, conn } = await ownerAndRawCaller();
  conn.close();
  assertEquals(await relay.over(), { kind: "lost", stage: "open", cause: "ended" });
});

Deno.test("TcpLink notices a peer whose connection is reset while much is on its way", async () => {
  const { relay, conn } = await ownerAndRawCaller();
  for (let i = 0; i < 80; i++) relay.tcp.send(post(i, new Uint8Array(40_000)));
  await conn.read(new Uint8Array(10));
  conn.close(); // with bytes unread, which makes it a reset
  assertEquals(await relay.over(), { kind: "lost", stage: "open", cause: "ended" });
});

Deno.test("TcpLink notices a peer that hangs up in the middle of a frame", async () => {
  const { relay, raw, conn } = await ownerAndRawCaller();
  raw.link.enqueue(post(1));
  const [frame] = await raw.pull();
  await write(conn, [(frame as Bytes).slice(0, -1)]);
  conn.close();
  assertEquals(await relay.over(), { kind: "lost", stage: "open", cause: "ended" });
  assertEquals(relay.delivered, []);
});

Deno.test("TcpLink ends when the peer closes its half and reads nothing of what waits", async () => {
  const { relay, conn } = await ownerAndRawCaller();
  await stuff(relay);
  await conn.closeWrite();
  assertEquals(await relay.over(), { kind: "lost", stage: "open", cause: "ended" });
  conn.close();
});

Deno.test("TcpLink.send() says false for a peer that never reads, and close() still finishes", async () => {
  const { relay, conn } = await ownerAndRawCaller();
  await stuff(relay);
  assert(relay.tcp.isOpen);
  assert(!relay.tcp.send(post(0, new Uint8Array(40_000))));
  relay.tcp.close("tooSlow", "read faster");
  assertEquals(await relay.over(), { kind: "closed" });
  conn.close();
});

Deno.test("TcpLink hears the bye of a peer that reads nothing", async () => {
  const { relay, raw, conn } = await ownerAndRawCaller();
  await stuff(relay);
  raw.link.close("quit", "too much");
  await write(conn, await raw.pull());
  conn.close(); // with bytes unread, which makes it a reset
  assertEquals(await relay.over(), { kind: "bye", code: "quit", message: "too much" });
});

Deno.test("TcpLink ends a peer that pings without end and reads nothing", async () => {
  const { relay, raw, conn } = await ownerAndRawCaller({ outboxMaxBytes: 50_000 });
  const ping = encodeLinkMessage({ t: "ping" });
  while (relay.ends.length === 0) {
    for (let i = 0; i < 3_000; i++) raw.link.enqueue(ping);
    try {
      await write(conn, await raw.pull());
    } catch {
      break; // the link was closed under us
    }
  }
  assertEquals((await relay.over()).kind, "refused");
  conn.close();
});

Deno.test("TcpLink.close() is over soon when the peer neither hangs up nor stops to talk", async () => {
  const { relay, raw, conn } = await ownerAndRawCaller();
  relay.tcp.close("shutdown", "the relay was stopped");
  const talking = (async () => {
    try {
      while (true) {
        raw.link.enqueue(post(1));
        await write(conn, await raw.pull());
      }
    } catch {
      // The connection is closed at last.
    }
  })();
  assertEquals(await relay.over(), { kind: "closed" });
  await talking;
  assertEquals(relay.delivered, []);
  conn.close();
});

Deno.test("TcpLink refuses a peer that speaks HTTP and answers nothing", async () => {
  const { near, far } = await connections();
  const relay = new Owner(far, "responder");
  await write(near, [utf8("GET / HTTP/1.1\r\nHost: relay\r\n\r\n")]);
  assertEquals(await drain(near), 0);
  near.close();
  const end = await relay.over();
  assert(end.kind === "refused" && end.stage === "handshake");
  assertInstanceOf(end.error, DecodeError);
});

Deno.test("TcpLink of a caller refuses a server that speaks another protocol", async () => {
  const { near, far } = await connections();
  const caller = new Owner(near, "initiator");
  await write(far, [utf8("SSH-2.0-OpenSSH_9.7\r\n")]);
  await drain(far);
  far.close();
  const end = await caller.over();
  assert(end.kind === "refused" && end.stage === "handshake");
});

Deno.test("TcpLink gives up a peer that says nothing", async () => {
  const { near, far } = await connections();
  const relay = new Owner(far, "responder");
  assertEquals(await drain(near), 0);
  assertEquals(relay.ends, [{ kind: "lost", stage: "handshake", cause: "silence" }]);
  near.close();
  await relay.over();
});

Deno.test("TcpLink notices a peer that hangs up before it said anything", async () => {
  const { near, far } = await connections();
  const relay = new Owner(far, "responder");
  near.close();
  assertEquals(await relay.over(), { kind: "lost", stage: "handshake", cause: "ended" });
});

Deno.test("TcpLink ends on a connection that is closed under it", async () => {
  const { near, far } = await connections();
  const relay = new Owner(far, "responder");
  far.close();
  assertEquals(await relay.over(), { kind: "lost", stage: "handshake", cause: "ended" });
  near.close();
});

for (const closer of ["caller", "relay"] as const) {
  Deno.test(`TcpLink needs no timer to end when the ${closer} says bye and both behave`, async () => {
    await withoutTimers(async () => {
      const { caller, relay } = await owners();
      ({ caller, relay })[closer].tcp.close("quit", "");
      assertEquals([(await caller.over()).kind, (await relay.over()).kind].toSorted(), ["bye", "closed"]);
    });
  });

  Deno.test(`TcpLink needs no timer to end when the ${closer} refuses the other`, async () => {
    await withoutTimers(async () => {
      const authenticate = () => Promise.reject(new UserError("refusedCertificate", "no"));
      const { caller, relay } = await owners({ [closer]: { authenticate } });
      assertEquals((await ({ caller, relay })[closer].over()).kind, "refused");
      await caller.over();
      await relay.over();
    });
  });
}

Deno.test("TcpLink ends when writing fails and reading says nothing about it", async () => {
  const closed = Promise.withResolvers<never>();
  const conn = {
    read: () => closed.promise,
    write: () => Promise.reject(new Deno.errors.BrokenPipe("no way out")),
    closeWrite: () => Promise.reject(new Deno.errors.NotConnected("closed")),
    close: () => closed.reject(new Deno.errors.Interrupted("closed")),
  } as unknown as Deno.TcpConn;
  assertEquals(await new Owner(conn, "initiator").over(), { kind: "lost", stage: "handshake", cause: "ended" });
});

Deno.test("TcpLink serves many links at once, each of which ends by itself", async () => {
  const pairs = await Promise.all(Array.from({ length: 20 }, () => owners()));
  for (const [i, { caller, relay }] of pairs.entries()) {
    for (let number = 0; number < 20; number++) {
      caller.tcp.send(post(number, new Uint8Array(i * 100)));
      relay.tcp.send(post(number));
    }
    (i % 2 === 0 ? caller : relay).tcp.close("quit", "");
  }
  for (const [i, { caller, relay }] of pairs.entries()) {
    const [closer, other] = i % 2 === 0 ? [caller, relay] : [relay, caller];
    assertEquals(await closer.over(), { kind: "closed" });
    assertEquals((await other.over()).kind, "bye");
    assertEquals(other.delivered.length, 20);
  }
});

Deno.test("TcpLink.isAlive() tells whether the peer answers in time", async () => {
  const { caller, relay } = await owners();
  assertEquals(await relay.tcp.isAlive(10_000), true);
  assertEquals(await Promise.all([relay.tcp.isAlive(10_000), relay.tcp.isAlive(10_000)]), [true, true]);
  caller.tcp.close("quit", "gone");
  await Promise.all([caller.over(), relay.over()]);
  assertEquals(await relay.tcp.isAlive(10_000), false, "at once, for the link is over");
});

Deno.test("TcpLink.isAlive() is false for a peer that keeps the line open and says nothing", async () => {
  const { relay, conn } = await ownerAndRawCaller();
  assertEquals(await relay.tcp.isAlive(50), false);
  const asked = relay.tcp.isAlive(10_000);
  conn.close();
  assertEquals(await asked, false, "as soon as the line ends");
  await relay.over();
});
