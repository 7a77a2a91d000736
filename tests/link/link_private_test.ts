// Aim: without the token of a private relay nobody gets past the handshake, and nobody learns its name; who has it talks
// to the one relay that its invitation names, and shows itself to no other.
import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { AuthError, ProtocolError, UserError } from "../../lib/bytes/errors.ts";
import { type Bytes, concat, utf8 } from "../../lib/bytes/writer.ts";
import { hkdf } from "../../lib/crypto/kdf.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { encodeHello, linkPrologue, PROTOCOL_VERSION } from "../../lib/link/hello.ts";
import { invitePsk } from "../../lib/link/invite_psk.ts";
import { HANDSHAKE_TIMEOUT_MS, type LinkEnd } from "../../lib/link/link.ts";
import { HandshakeState } from "../../lib/noise/handshake_state.ts";
import { XX, XX_PSK3 } from "../../lib/noise/patterns.ts";
import { encodeFrame, FRAME_HEAD_BYTES } from "../../lib/wire/frame.ts";
import { encodeRun } from "../../lib/wire/packet.ts";
import {
  CARDS,
  type EndOptions,
  KEYS,
  LinkEndpoint,
  LinkPair,
  numbersOf,
  post,
  type Side,
  START_MS,
} from "../support/link_pair.ts";

const PSK = new Uint8Array(32).fill(9);
const EMPTY = new Uint8Array(0);
const VERSION = PROTOCOL_VERSION;
const pin = () => Promise.resolve();
const INVITED = { initiator: { psk: PSK, pin }, responder: { psk: PSK } } as const;

/** The error of an end that was refused. */
function refusal(end: LinkEnd | undefined): Error {
  assert(end?.kind === "refused", `ended as ${end?.kind}`);
  return end.error;
}

/** One side played by hand, with a psk or in plain XX. */
async function byHand(side: Side, psk: Bytes | undefined): Promise<HandshakeState> {
  return await HandshakeState.create({
    pattern: psk === undefined ? XX : XX_PSK3,
    role: side,
    prologue: linkPrologue("relay"),
    staticKeyPair: KEYS[side],
    random: secureRandom,
    ...(psk === undefined ? {} : { psk }),
  });
}

async function started(side: Side, options: EndOptions): Promise<LinkEndpoint> {
  const end = new LinkEndpoint(side, options);
  await end.handle({ kind: "start", nowMs: START_MS });
  return end;
}

async function feed(end: LinkEndpoint, body: Uint8Array): Promise<void> {
  await end.handle({ kind: "received", bytes: encodeFrame(body), nowMs: START_MS });
}

async function pullBodies(end: LinkEndpoint): Promise<Bytes[]> {
  return (await end.pull()).map((frame) => frame.slice(FRAME_HEAD_BYTES));
}

Deno.test("invitePsk() is HKDF of the token under its label, and refuses other lengths", async () => {
  const token = new Uint8Array(16).fill(3);
  const info = utf8("sotto/1 invite\0");
  assertEquals(await invitePsk(token), await hkdf(token, { salt: new Uint8Array(32), info, lengthBytes: 32 }));
  for (const lengthBytes of [0, 15, 17, 32]) {
    await assertRejects(() => invitePsk(new Uint8Array(lengthBytes)), RangeError);
  }
});

for (const stepBytes of [1, 2, 3, undefined]) {
  const how = stepBytes ?? "everything";
  Deno.test(`Link opens for both who hold the psk, and carries packets, in steps of ${how}`, async () => {
    const pair = await LinkPair.opened({ ...INVITED, ...(stepBytes === undefined ? {} : { stepBytes }) });
    assertEquals([pair.initiator.link.state, pair.responder.link.state], ["open", "open"]);
    const { initiator, responder } = pair;
    assertEquals(initiator.opened, {
      staticPublic: KEYS.responder.publicBytes,
      hello: { version: VERSION, card: CARDS.responder },
    });
    assertEquals(responder.opened, {
      staticPublic: KEYS.initiator.publicBytes,
      hello: { version: VERSION, card: CARDS.initiator },
    });
    initiator.link.enqueue(post(1));
    responder.link.enqueue(post(2));
    await pair.pump();
    assertEquals([numbersOf(responder.delivered), numbersOf(initiator.delivered)], [[1], [2]]);
  });
}

Deno.test("Link of a listener with a psk says its name first of all, before what was enqueued at once", async () => {
  const pair = new LinkPair(INVITED);
  await pair.start();
  await pair.carry("initiator");
  await pair.carry("responder");
  assertEquals([pair.initiator.link.state, pair.initiator.opened], ["greeting", undefined]);
  assertEquals(pair.initiator.link.enqueue(post(1)), false, "nothing is said to a listener that has not greeted");
  await pair.carry("initiator");
  assertEquals(pair.responder.link.state, "open");
  assertEquals(pair.responder.link.isDrained, false);
  assert(pair.responder.link.enqueue(post(7)));
  await pair.carry("responder");
  assertEquals(pair.initiator.effects.map(({ kind }) => kind).slice(-3), ["opened", "wakeAt", "deliver"]);
});

Deno.test("Link with a psk writes message 2 of the key alone, of one length whatever the name", async () => {
  const lengths = await Promise.all(["", "a relay with a long name"].map(async (name) => {
    const end = await started("responder", { psk: PSK, card: utf8(name) });
    const caller = await byHand("initiator", new Uint8Array(32)); // another token: message 2 is open to all
    await feed(end, await caller.writeMessage(EMPTY));
    const [reply, ...more] = await pullBodies(end);
    assert(reply !== undefined);
    assertEquals([more, await caller.readMessage(reply)], [[], EMPTY]);
    return reply.length;
  }));
  assertEquals(lengths, [32 + 48 + 16, 32 + 48 + 16]);
});

Deno.test("Link of a listener lets nobody in who holds another psk, and tells it nothing more", async () => {
  const pair = await LinkPair.opened({ initiator: { psk: new Uint8Array(32), pin }, responder: { psk: PSK } });
  assertInstanceOf(refusal(pair.responder.end), AuthError);
  assertEquals([pair.responder.opened, pair.responder.written.length], [undefined, 1]);
  assertEquals([pair.initiator.opened, pair.initiator.link.state], [undefined, "greeting"]);
  await pair.cut();
  assertEquals(pair.initiator.end, { kind: "lost", stage: "greeting", cause: "ended" });
});

Deno.test("Link of a listener with a psk tells a caller without one that it is private, and goes no further", async () => {
  const pair = await LinkPair.opened({ responder: { psk: PSK } });
  // The caller's owner decides; if it goes on all the same, it is alone.
  assertEquals(pair.initiator.opened?.hello, { version: VERSION, card: EMPTY });
  assertInstanceOf(refusal(pair.responder.end), ProtocolError);
  assertEquals([pair.responder.opened, pair.responder.written.length], [undefined, 1]);
});

Deno.test("Link of a listener with a psk shows a caller without one no name and lets it repeat nothing", async () => {
  const end = await started("responder", { psk: PSK });
  const caller = await byHand("initiator", undefined);
  const first = await caller.writeMessage(EMPTY);
  await feed(end, first);
  const [reply] = await pullBodies(end);
  assertEquals(await caller.readMessage(reply as Bytes), encodeHello({ version: VERSION, card: EMPTY }));
  await feed(end, first);
  assertInstanceOf(refusal(end.end), ProtocolError);
  assertEquals(await end.pull(), []);
});

Deno.test("Link of a caller with a psk is not understood by a listener without one", async () => {
  const pair = await LinkPair.opened({ initiator: { psk: PSK, pin } });
  refusal(pair.responder.end);
  await pair.cut();
  assertEquals(pair.initiator.end, { kind: "lost", stage: "handshake", cause: "ended" });
  assertEquals([pair.initiator.opened, pair.responder.opened, pair.responder.written], [undefined, undefined, []]);
});

Deno.test("Link of a caller with a psk never writes message 3 when the key is not the pinned one", async () => {
  const error = new UserError("relayChanged", "another relay");
  const sent: Bytes[] = [];
  const pinned: Bytes[] = [];
  const pair = await LinkPair.opened({
    initiator: {
      psk: PSK,
      pin: (staticPublic) => {
        pinned.push(staticPublic);
        return Promise.reject(error);
      },
    },
    responder: { psk: PSK },
    tamper: (bytes, from) => {
      if (from === "initiator") sent.push(bytes);
      return bytes;
    },
  });
  assertEquals([refusal(pair.initiator.end), pinned], [error, [KEYS.responder.publicBytes]]);
  assertEquals(concat(...sent).length, 4 + 32 + 16, "an ephemeral key and its tag");
});

Deno.test("Link of a caller with a psk and no pin does not begin", async () => {
  const end = new LinkEndpoint("initiator", { psk: PSK });
  await assertRejects(() => end.handle({ kind: "start", nowMs: START_MS }), TypeError, "without a pin");
});

Deno.test("Link of a caller with a psk refuses a payload in message 2 before it shows itself", async () => {
  const end = await started("initiator", { psk: PSK, pin });
  const listener = await byHand("responder", PSK);
  const [first] = await pullBodies(end);
  await listener.readMessage(first as Bytes);
  await feed(end, await listener.writeMessage(utf8("early")));
  assertInstanceOf(refusal(end.end), ProtocolError);
  assertEquals(await end.pull(), []);
});

const BAD_GREETINGS: readonly [what: string, greeting: Bytes, error: string][] = [
  ["that is malformed", utf8("no hello"), "DecodeError"],
  ["that is a run of packets", encodeRun([post(1)]), "DecodeError"],
  ["of another version", encodeHello({ version: VERSION + 1, card: CARDS.responder }), "UserError"],
];

for (const [what, greeting, name] of BAD_GREETINGS) {
  Deno.test(`Link of a caller with a psk refuses a greeting ${what}`, async () => {
    const end = await started("initiator", { psk: PSK, pin });
    const listener = await byHand("responder", PSK);
    const [first] = await pullBodies(end);
    await listener.readMessage(first as Bytes);
    await feed(end, await listener.writeMessage(EMPTY));
    const [third] = await pullBodies(end);
    await listener.readMessage(third as Bytes);
    const { sending } = await listener.split();
    await feed(end, await sending.encryptWithAd(EMPTY, greeting));
    assertEquals(refusal(end.end).name, name);
    assertEquals(end.opened, undefined);
  });
}

Deno.test("Link of a caller with a psk refuses a greeting that does not verify, without a word", async () => {
  let count = 0;
  const pair = await LinkPair.opened({
    ...INVITED,
    tamper: (bytes, from) => {
      if (from === "initiator" || ++count !== 2) return bytes;
      const changed = bytes.slice();
      changed[10] = (changed[10] as number) ^ 1;
      return changed;
    },
  });
  assertInstanceOf(refusal(pair.initiator.end), AuthError);
  assertEquals([pair.initiator.opened, await pair.initiator.pull()], [undefined, []]);
});

Deno.test("Link of a listener with a psk greets a caller that it refuses, then says why", async () => {
  const error = new UserError("nameTaken", "the name ann is taken");
  const pair = await LinkPair.opened({
    initiator: INVITED.initiator,
    responder: { psk: PSK, authenticate: () => Promise.reject(error) },
  });
  assertEquals(refusal(pair.responder.end), error);
  assertEquals(pair.initiator.end, { kind: "bye", code: "nameTaken", message: "the name ann is taken" });
});

Deno.test("Link gives the greeting no more time than the handshake, and can be closed while it waits", async () => {
  const pair = new LinkPair(INVITED);
  await pair.start();
  await pair.carry("initiator");
  await pair.carry("responder");
  await pair.initiator.handle({ kind: "tick", nowMs: START_MS + HANDSHAKE_TIMEOUT_MS });
  assertEquals(pair.initiator.end, { kind: "lost", stage: "greeting", cause: "silence" });

  const left = new LinkPair(INVITED);
  await left.start();
  await left.carry("initiator");
  await left.carry("responder");
  left.initiator.link.close("quit", "changed its mind");
  await left.carry("initiator");
  assertEquals(left.responder.end, { kind: "bye", code: "quit", message: "changed its mind" });
  assertEquals([left.initiator.link.state, left.responder.delivered], ["closed", []]);
});
