// Aim: nobody gets in who should not, and a caller shows itself only to a listener that it has judged.
import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { AuthError, DecodeError, ProtocolError, UserError } from "../../lib/bytes/errors.ts";
import { type Bytes, concat, utf8 } from "../../lib/bytes/writer.ts";
import { encodeHello, PROTOCOL_VERSION } from "../../lib/link/hello.ts";
import { HANDSHAKE_TIMEOUT_MS, Link, type LinkEnd } from "../../lib/link/link.ts";
import type { Remote } from "../../lib/link/link_handshake.ts";
import { encodeFrame, HANDSHAKE_FRAME_MAX_BYTES } from "../../lib/wire/frame.ts";
import { CARDS, KEYS, LinkEndpoint, LinkPair, type LinkPairOptions, post, START_MS } from "../support/link_pair.ts";
import { RawPeer } from "./_raw_peer.ts";

/** The error of an end that was refused in the handshake. */
function refusal(end: LinkEnd | undefined): Error {
  assert(end?.kind === "refused", `ended as ${end?.kind}`);
  assertEquals(end.stage, "handshake");
  return end.error;
}

/** Shakes hands and cuts the line; answers how both sides ended, which must be before anything was delivered. */
async function endsOf(options: LinkPairOptions): Promise<{ initiator: LinkEnd; responder: LinkEnd; pair: LinkPair }> {
  const pair = await LinkPair.opened(options);
  pair.initiator.link.enqueue(post(1));
  pair.responder.link.enqueue(post(2));
  await pair.pump();
  await pair.cut();
  assertEquals([...pair.initiator.delivered, ...pair.responder.delivered], []);
  return { initiator: pair.initiator.end as LinkEnd, responder: pair.responder.end as LinkEnd, pair };
}

for (const stepBytes of [1, 2, 3, undefined]) {
  Deno.test(`Link opens on both sides when bytes arrive in steps of ${stepBytes ?? "everything"}`, async () => {
    const pair = await LinkPair.opened(stepBytes === undefined ? {} : { stepBytes });
    assertEquals(pair.initiator.link.state, "open");
    assertEquals(pair.responder.link.state, "open");
    const version = PROTOCOL_VERSION;
    assertEquals(pair.initiator.opened, {
      staticPublic: KEYS.responder.publicBytes,
      hello: { version, card: CARDS.responder },
    });
    assertEquals(pair.responder.opened, {
      staticPublic: KEYS.initiator.publicBytes,
      hello: { version, card: CARDS.initiator },
    });
  });
}

Deno.test("Link gives what authenticate answers as the peer", async () => {
  const seen: Remote[] = [];
  const link = new Link<string>({
    role: "responder",
    listener: "relay",
    staticKeyPair: KEYS.responder,
    card: CARDS.responder,
    authenticate: (remote) => Promise.resolve(`guest ${seen.push(remote)}`),
  });
  const caller = new LinkEndpoint("initiator");
  await caller.handle({ kind: "start", nowMs: START_MS });
  await link.handle({ kind: "start", nowMs: START_MS });
  const effects = [];
  for (let i = 0; i < 3; i++) {
    for (const bytes of await caller.pull()) {
      effects.push(...await link.handle({ kind: "received", bytes, nowMs: START_MS }));
    }
    for (let next = link.nextWrite(); next !== undefined; next = link.nextWrite()) {
      await caller.handle({ kind: "received", bytes: await next, nowMs: START_MS });
    }
  }
  assertEquals(effects.filter(({ kind }) => kind === "opened"), [{ kind: "opened", peer: "guest 1" }]);
  assertEquals(seen.length, 1);
});

Deno.test("Link asks the initiator's authenticate when message 2 is read and message 3 is not written", async () => {
  let writtenThen: number | undefined;
  const pair = new LinkPair({
    initiator: {
      authenticate: async (remote) => {
        await pair.initiator.pull();
        writtenThen = pair.initiator.written.length;
        return remote;
      },
    },
  });
  await pair.start();
  await pair.pump();
  assertEquals(writtenThen, 1);
  assertEquals(pair.initiator.written.length, 2);
});

for (const error of [new UserError("relayChanged", "no"), new AuthError("no"), new DecodeError("no")]) {
  Deno.test(`Link of an initiator never writes message 3 when authenticate throws ${error.name}`, async () => {
    const card = utf8("nobody but the right relay may read this");
    const sent: Bytes[] = [];
    const pair = await LinkPair.opened({
      initiator: { card, authenticate: () => Promise.reject(error) },
      tamper: (bytes, from) => {
        if (from === "initiator") sent.push(bytes);
        return bytes;
      },
    });
    await pair.pump();
    assertEquals(refusal(pair.initiator.end), error);
    assertEquals(pair.initiator.link.nextWrite(), undefined);
    // All that the listener ever saw: an ephemeral key.
    assertEquals(concat(...sent).length, 4 + 32);
    assertEquals(pair.responder.opened, undefined);
    await pair.cut();
    assertEquals(pair.responder.end, { kind: "lost", stage: "handshake", cause: "ended" });
  });
}

Deno.test("Link of an initiator never writes message 3 when it is closed while authenticate decides", async () => {
  const pair = new LinkPair({
    initiator: {
      authenticate: (remote) => {
        pair.initiator.link.close("quit", "changed its mind");
        return Promise.resolve(remote);
      },
    },
  });
  await pair.start();
  await pair.pump();
  assertEquals(pair.initiator.link.state, "closed");
  assertEquals(pair.initiator.written.length, 1);
  assertEquals(pair.initiator.effects.map(({ kind }) => kind), ["writable", "wakeAt"]);
  assertEquals(pair.responder.opened, undefined);
});

Deno.test("Link of a responder opens for nobody when it is closed while authenticate decides", async () => {
  const pair = new LinkPair({
    responder: {
      authenticate: (remote) => {
        pair.responder.link.close("shutdown", "the relay was stopped");
        return Promise.resolve(remote);
      },
    },
  });
  await pair.start();
  await pair.pump();
  assertEquals(pair.responder.link.state, "closed");
  assertEquals(pair.responder.opened, undefined);
  assertEquals(pair.responder.end, undefined);
});

Deno.test("Link.close() before or during the handshake writes nothing and nothing follows", async () => {
  const initiator = new LinkEndpoint("initiator");
  initiator.link.close("quit", "at once");
  assertEquals(await initiator.handle({ kind: "start", nowMs: START_MS }), []);
  assertEquals(await initiator.pull(), []);

  const pair = new LinkPair();
  const starting = pair.initiator.handle({ kind: "start", nowMs: START_MS });
  pair.initiator.link.close("quit", "while the handshake state is made");
  assertEquals(await starting, []);
  assertEquals(await pair.initiator.pull(), []);

  const late = new LinkPair();
  await late.start();
  late.initiator.link.close("quit", "before message 1 was pulled");
  assertEquals(await late.initiator.pull(), []);
  assertEquals(late.initiator.link.state, "closed");
});

Deno.test("Link of a responder tells the caller in a bye why authenticate refused it", async () => {
  const error = new UserError("nameTaken", "the name ann is taken", "choose another");
  const pair = await LinkPair.opened({ responder: { authenticate: () => Promise.reject(error) } });
  assertEquals(refusal(pair.responder.end), error);
  assertEquals(pair.initiator.end, { kind: "bye", code: "nameTaken", message: "the name ann is taken" });
  assertEquals(pair.responder.opened, undefined);
  assertEquals(pair.responder.link.state, "closed");
});

for (
  const error of [new AuthError("inner reason"), new DecodeError("inner reason"), new ProtocolError("inner reason")]
) {
  Deno.test(`Link of a responder gives no inner reason when authenticate throws ${error.name}`, async () => {
    const pair = await LinkPair.opened({ responder: { authenticate: () => Promise.reject(error) } });
    assertEquals(refusal(pair.responder.end), error);
    assertEquals(pair.initiator.end, {
      kind: "bye",
      code: "refusedCertificate",
      message: "the certificate is refused",
    });
  });
}

Deno.test("Link of a responder delivers nothing that a refused caller sends behind message 3", async () => {
  const refused = new UserError("nameTaken", "taken");
  const pair = new LinkPair({ responder: { authenticate: () => Promise.reject(refused) } });
  await pair.start();
  await pair.carry("initiator");
  await pair.carry("responder");
  assert(pair.initiator.link.enqueue(post(1)));
  await pair.carry("initiator"); // message 3 and a record in one read
  await pair.feed("responder", utf8("and garbage that nobody looks at"));
  assertEquals(pair.responder.delivered, []);
  assertEquals(pair.responder.effects.filter(({ kind }) => kind === "ended").length, 1);
});

Deno.test("Link.handle() throws what authenticate throws when it is a bug of ours", async () => {
  const bug = new TypeError("a bug");
  const pair = new LinkPair({ initiator: { authenticate: () => Promise.reject(bug) } });
  await pair.start();
  await assertRejects(() => pair.pump(), TypeError, "a bug");
});

Deno.test("Link of an initiator refuses another version before it shows itself", async () => {
  const payload = encodeHello({ version: PROTOCOL_VERSION + 1, card: CARDS.responder });
  const peer = await RawPeer.shake("responder", { payloads: [, payload] });
  const error = refusal(peer.end.end);
  assertInstanceOf(error, UserError);
  assertEquals(error.code, "wrongVersion");
  assertEquals(await peer.end.pull(), []);
  assertEquals(peer.end.written.length, 1);
});

Deno.test("Link of a responder refuses another version and says so", async () => {
  const payload = encodeHello({ version: PROTOCOL_VERSION + 1, card: CARDS.initiator });
  const peer = await RawPeer.shake("initiator", { payloads: [, , payload] });
  const error = refusal(peer.end.end);
  assertInstanceOf(error, UserError);
  assertEquals(error.code, "wrongVersion");
  const [bye, ...more] = await peer.hear();
  assertEquals(bye?.header, { t: "bye", code: "wrongVersion", message: error.message });
  assertEquals(more, []);
});

Deno.test("Link refuses a hello that is malformed, on each side", async () => {
  const listener = await RawPeer.shake("responder", { payloads: [, utf8("no hello")] });
  assertInstanceOf(refusal(listener.end.end), DecodeError);
  const caller = await RawPeer.shake("initiator", { payloads: [, , utf8("no hello")] });
  assertInstanceOf(refusal(caller.end.end), DecodeError);
  assertEquals((await caller.hear()).length, 1);
});

Deno.test("Link of a responder refuses a payload in message 1", async () => {
  const peer = await RawPeer.shake("initiator", { payloads: [utf8("early")] });
  assertInstanceOf(refusal(peer.end.end), ProtocolError);
  assertEquals(await peer.end.pull(), []);
});

Deno.test("Link refuses a listener of another role", async () => {
  const { initiator, responder } = await endsOf({ initiator: { listener: "peer" } });
  assertInstanceOf(refusal(initiator), AuthError);
  assertEquals(responder, { kind: "lost", stage: "handshake", cause: "ended" });
});

Deno.test("Link gives a handshake five seconds and then ends as lost, not a moment earlier", async () => {
  const pair = new LinkPair();
  await pair.start();
  await pair.advance(HANDSHAKE_TIMEOUT_MS - 1);
  // A tick that comes early changes nothing.
  assertEquals(await pair.initiator.handle({ kind: "tick", nowMs: pair.nowMs }), [
    { kind: "wakeAt", atMs: START_MS + HANDSHAKE_TIMEOUT_MS },
  ]);
  const silent = new LinkPair();
  await silent.start();
  for (const end of [silent.initiator, silent.responder]) {
    assertEquals(end.wakeAtMs, START_MS + HANDSHAKE_TIMEOUT_MS);
    await end.handle({ kind: "tick", nowMs: START_MS + HANDSHAKE_TIMEOUT_MS });
    assertEquals(end.end, { kind: "lost", stage: "handshake", cause: "silence" });
  }
  assertEquals(await silent.initiator.pull(), []);
});

Deno.test("Link gives a handshake five seconds in all, however finely it is dripped", async () => {
  const end = new LinkEndpoint("responder");
  await end.handle({ kind: "start", nowMs: START_MS });
  const frame = encodeFrame(new Uint8Array(32).fill(5));
  for (const [i, byte] of frame.entries()) {
    await end.handle({ kind: "received", bytes: Uint8Array.of(byte), nowMs: START_MS + i * 100 });
  }
  assertEquals((await end.pull()).length, 1);
  await end.handle({ kind: "tick", nowMs: START_MS + HANDSHAKE_TIMEOUT_MS });
  assertEquals(end.end, { kind: "lost", stage: "handshake", cause: "silence" });
});

const OVERSIZED = Uint8Array.of(0, 0, (HANDSHAKE_FRAME_MAX_BYTES + 1) >> 8, (HANDSHAKE_FRAME_MAX_BYTES + 1) & 0xff);
const STRANGERS: Readonly<Record<string, Uint8Array>> = {
  "an empty frame": new Uint8Array(4),
  "a frame that is too long": OVERSIZED,
  "an HTTP request": utf8("GET / HTTP/1.1\r\nHost: relay\r\n\r\n"),
  "a TLS hello": Uint8Array.of(0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3),
  "an SSH banner": utf8("SSH-2.0-OpenSSH_9.7\r\n"),
  "a message that is too short": encodeFrame(new Uint8Array(31)),
  "a small-order ephemeral key": encodeFrame(new Uint8Array(32)),
};

for (const [what, bytes] of Object.entries(STRANGERS)) {
  for (const side of ["initiator", "responder"] as const) {
    Deno.test(`Link of a ${side} refuses ${what} in the handshake`, async () => {
      const end = new LinkEndpoint(side);
      await end.handle({ kind: "start", nowMs: START_MS });
      await end.handle({ kind: "received", bytes, nowMs: START_MS });
      const error = refusal(end.end);
      assert(error instanceof DecodeError || error instanceof AuthError, error.name);
      assertEquals(await end.pull(), [], "nothing is said to a stranger");
      assertEquals(await end.handle({ kind: "received", bytes, nowMs: START_MS }), []);
    });
  }
}
