// Aim: every message round-trips, everything else is refused, and no input makes a decoder throw another error.
import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import fc from "fast-check";
import { DecodeError } from "../../lib/bytes/errors.ts";
import { mailboxFrom } from "../../lib/bytes/mailbox.ts";
import {
  type ClientMessage,
  decodeClientMessage,
  decodeLinkMessage,
  decodeRelayMessage,
  encodeClientMessage,
  encodeLinkMessage,
  encodeRelayMessage,
  type LinkMessage,
  type RelayMessage,
  SLACK_MAX,
} from "../../lib/wire/messages.ts";
import { decodePacket, encodePacket, type RawPacket } from "../../lib/wire/packet.ts";

const BASE32 = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"];
const id32 = fc.tuple(
  fc.string({ unit: fc.constantFrom(...BASE32), minLength: 51, maxLength: 51 }),
  fc.constantFrom("A", "Q"),
).map(([body, last]) => body + last);
const hex16 = fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: 32, maxLength: 32 });
const count = fc.nat(Number.MAX_SAFE_INTEGER);
const ref = fc.nat(0xffffffff);
const code = fc.string({ unit: fc.constantFrom(..."abcXYZ"), minLength: 1, maxLength: 32 });
const sentence = fc.string({ unit: "grapheme", maxLength: 100 });
const stream = fc.tuple(fc.constantFrom("room/", "inbox/"), id32).map(([kind, id]) => kind + id);
const at = count;
const mailbox = fc.uint8Array({ minLength: 4, maxLength: 4 }).map(mailboxFrom);
const roomStream = id32.map((id) => `room/${id}`);
const kind = fc.constant("message" as const);
const opKind = fc.constant("op" as const);
const slack = fc.nat(SLACK_MAX);
const body = fc.uint8Array({ maxLength: 50 });

const linkMessages: fc.Arbitrary<LinkMessage> = fc.oneof(
  bare("ping"),
  bare("pong"),
  fc.record({ t: fc.constant("bye" as const), code, message: sentence }, { noNullPrototype: true }),
);

function message<T extends string, Fields extends object>(
  t: T,
  fields: { [K in keyof Fields]: fc.Arbitrary<Fields[K]> },
) {
  return fc.record({ t: fc.constant(t), ...fields }, { noNullPrototype: true }) as unknown as fc.Arbitrary<
    { t: T } & Fields
  >;
}

function bare<T extends string>(t: T): fc.Arbitrary<{ t: T }> {
  return fc.record({ t: fc.constant(t) }, { noNullPrototype: true });
}

const after = fc.option(fc.record({ generation: hex16, seq: count }, { noNullPrototype: true }), { nil: null });
// One entry a kind, by name, so that a new kind does not compile until it is tested here.
const CLIENT: { [K in ClientMessage["t"]]: fc.Arbitrary<Extract<ClientMessage, { t: K }>> } = {
  enter: message("enter", { room: id32 }),
  exit: message("exit", { room: id32 }),
  subscribe: message("subscribe", { stream, after }),
  publish: fc.oneof(
    message("publish", { stream, kind, id: hex16 }),
    message("publish", { stream, kind, id: hex16, epoch: count, slack }),
    message("publish", { stream: roomStream, kind: opKind, id: hex16 }),
  ),
  publishMany: message("publishMany", { ref }),
  getOps: message("getOps", { ref, room: id32, after: count }),
  putBundle: bare("putBundle"),
  putOneTimePrekeys: bare("putOneTimePrekeys"),
  getBundle: message("getBundle", { ref, of: id32, nonce: hex16 }),
  liveBundle: message("liveBundle", { ref }),
  who: message("who", { ref }),
  aboutMe: message("aboutMe", { ref }),
  createMailbox: message("createMailbox", { ref }),
  joinMailbox: message("joinMailbox", { ref, mailbox }),
  mail: message("mail", { mailbox }),
  leaveMailbox: message("leaveMailbox", { mailbox }),
};
const RELAY: { [K in RelayMessage["t"]]: fc.Arbitrary<Extract<RelayMessage, { t: K }>> } = {
  welcome: message("welcome", { at, generation: hex16 }),
  roster: message("roster", { room: id32, more: fc.boolean() }),
  joined: message("joined", { room: id32, at }),
  left: message("left", { room: id32, who: id32, at, reason: fc.constantFrom("quit", "lost", "removed") }),
  subscribed: fc.oneof(
    message("subscribed", { stream, generation: hex16, head: count }),
    message("subscribed", { stream, generation: hex16, head: count, oldest: count }),
  ),
  reset: message("reset", { stream, generation: hex16, head: count }),
  event: fc.oneof(
    message("event", { stream, seq: count, at, from: id32, kind, id: hex16 }),
    message("event", { stream: roomStream, seq: count, at, from: id32, kind: opKind, id: hex16, epoch: count }),
  ),
  accepted: fc.oneof(
    message("accepted", { stream, id: hex16, seq: count, at }),
    message("accepted", { stream, id: hex16, seq: count, at, epoch: count }),
  ),
  acceptedMany: fc.oneof(
    message("acceptedMany", { ref }),
    message("acceptedMany", { ref, code: fc.constant("notStored") }),
  ),
  ops: message("ops", { ref, room: id32, first: count, more: fc.boolean(), epoch: count }),
  snapshot: message("snapshot", {
    ref,
    room: id32,
    epoch: count.map((epoch) => Math.max(1, epoch)),
    offset: count,
    more: fc.boolean(),
  }),
  refused: message("refused", { id: hex16, code, message: sentence }),
  bundle: message("bundle", { ref, kind: fc.constantFrom("live", "stored", "none") }),
  bundleWanted: message("bundleWanted", { ref, by: id32, nonce: hex16 }),
  prekeysLow: message("prekeysLow", { left: count }),
  people: message("people", { ref, more: fc.boolean() }),
  aboutYou: message("aboutYou", { ref }),
  mailboxCreated: message("mailboxCreated", { ref, mailbox }),
  mailboxJoined: message("mailboxJoined", { ref, mailbox }),
  mailboxRefused: message("mailboxRefused", {
    ref,
    code: fc.constantFrom("unknown", "taken", "expired", "busy", "full"),
  }),
  mailboxPeer: message("mailboxPeer", { mailbox }),
  mail: message("mail", { mailbox }),
  mailboxEnded: message("mailboxEnded", { mailbox, reason: fc.constantFrom("left", "lost", "expired") }),
};
const clientMessages: fc.Arbitrary<ClientMessage> = fc.oneof(...Object.values(CLIENT));
const relayMessages: fc.Arbitrary<RelayMessage> = fc.oneof(...Object.values(RELAY));

const decoders: readonly ((packet: RawPacket) => unknown)[] = [
  decodeLinkMessage,
  decodeClientMessage,
  decodeRelayMessage,
];

Deno.test("decodeClientMessage() gives back every kind that encodeClientMessage() took", () => {
  fc.assert(
    fc.property(clientMessages, body, (said, bytes) => {
      const packet = decodeClientMessage(decodePacket(encodeClientMessage(said, bytes)));
      assertEquals(packet.message, said);
      assertEquals([...packet.body], [...bytes]);
      assertEquals(decodeLinkMessage(decodePacket(encodeClientMessage(said))), undefined);
    }),
    { numRuns: 500 },
  );
});

Deno.test("decodeRelayMessage() gives back every kind that encodeRelayMessage() took", () => {
  fc.assert(
    fc.property(relayMessages, body, (said, bytes) => {
      const packet = decodeRelayMessage(decodePacket(encodeRelayMessage(said, bytes)));
      assertEquals(packet.message, said);
      assertEquals([...packet.body], [...bytes]);
      assertEquals(decodeLinkMessage(decodePacket(encodeRelayMessage(said))), undefined);
    }),
    { numRuns: 500 },
  );
});

Deno.test("decodeLinkMessage() gives back every kind that encodeLinkMessage() took", () => {
  fc.assert(fc.property(linkMessages, (said) => {
    assertEquals(decodeLinkMessage(decodePacket(encodeLinkMessage(said))), said);
  }));
});

Deno.test("encodeLinkMessage() cuts a long sentence so that the other end takes it", () => {
  const said = encodeLinkMessage({ t: "bye", code: "protocol", message: "x".repeat(2000) });
  assertEquals((decodeLinkMessage(decodePacket(said)) as { message: string }).message.length, 512);
});

Deno.test("decode*Message() throw nothing but DecodeError on any JSON, and what they take re-encodes to itself", () => {
  const near = fc.tuple(fc.oneof(clientMessages, relayMessages, linkMessages), fc.string(), fc.jsonValue()).map(
    ([said, key, value]) => ({ ...said, [key]: value }),
  );
  const spoiled = fc.tuple(fc.oneof(clientMessages, relayMessages, linkMessages), fc.nat(), fc.jsonValue()).map(
    ([said, index, value]) => ({ ...said, [Object.keys(said)[index % Object.keys(said).length] as string]: value }),
  );
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), near, spoiled), (header) => {
      for (const decode of decoders) {
        try {
          const taken = decode({ header, body: new Uint8Array(0) }) as { message?: object; t?: string } | undefined;
          if (taken === undefined) continue;
          const read = (typeof taken.t === "string" ? taken : taken.message) as object;
          const again = decode(decodePacket(encodePacket(read))) as { message?: object; t?: string };
          assertEquals(typeof taken.t === "string" ? again as object : again.message, read);
        } catch (error) {
          assertInstanceOf(error, DecodeError);
        }
      }
    }),
    { numRuns: 2000 },
  );
});

Deno.test("decode*Message() throw nothing but DecodeError on truncated, flipped and random packets", () => {
  const packets = fc.oneof(
    clientMessages.map((said) => encodeClientMessage(said, Uint8Array.of(1, 2))),
    relayMessages.map((said) => encodeRelayMessage(said, Uint8Array.of(1, 2))),
    linkMessages.map(encodeLinkMessage),
  );
  const spoiled = fc.tuple(packets, fc.nat(), fc.integer({ min: 0, max: 255 }), fc.boolean()).map(
    ([packet, place, mask, isCut]) => {
      const index = place % packet.length;
      packet[index] = (packet[index] as number) ^ mask;
      return isCut ? packet.slice(0, index) : packet;
    },
  );
  fc.assert(
    fc.property(fc.oneof(spoiled, fc.uint8Array({ maxLength: 80 })), (bytes) => {
      for (const decode of decoders) {
        try {
          decode(decodePacket(bytes));
        } catch (error) {
          assertInstanceOf(error, DecodeError);
        }
      }
    }),
    { numRuns: 2000 },
  );
});

Deno.test("decodeClientMessage() refuses what the other direction says, and ids of another shape", () => {
  const id = "A".repeat(52);
  const bad: readonly object[] = [
    { t: "welcome", at: 0, generation: "0".repeat(32) },
    { t: "enter", room: id.toLowerCase() },
    { t: "enter", room: "B".repeat(52) },
    { t: "enter", room: id + "A" },
    { t: "subscribe", stream: `mail/${id}`, after: null },
    { t: "subscribe", stream: `room/${id}` },
    { t: "subscribe", stream: `room/${id}`, after: { generation: "0".repeat(32), seq: -1 } },
    { t: "publish", stream: `room/${id}`, kind: "message", id: "0".repeat(31) },
    { t: "createMailbox" },
    { t: "joinMailbox", ref: 1 },
    { t: "joinMailbox", ref: 1, mailbox: "7kq2" },
    { t: "mail", mailbox: "7KQI" },
    { t: "leaveMailbox", mailbox: "7KQ22" },
    { t: "mailboxPeer", mailbox: "7KQ2" },
    { t: "publish", stream: `room/${id}`, kind: "other", id: "0".repeat(32) },
    { t: "publish", stream: `room/${id}`, id: "0".repeat(32) },
    { t: "publish", stream: `inbox/${id}`, kind: "op", id: "0".repeat(32) },
    { t: "publish", stream: `room/${id}`, kind: "message", id: "0".repeat(32), epoch: 1 },
    { t: "publish", stream: `room/${id}`, kind: "message", id: "0".repeat(32), slack: 0 },
    { t: "publish", stream: `room/${id}`, kind: "message", id: "0".repeat(32), epoch: 1, slack: SLACK_MAX + 1 },
    { t: "publish", stream: `room/${id}`, kind: "message", id: "0".repeat(32), epoch: 1, slack: -1 },
    { t: "publish", stream: `room/${id}`, kind: "message", id: "0".repeat(32), epoch: 0.5, slack: 0 },
    { t: "publish", stream: `room/${id}`, kind: "message", id: "0".repeat(32), epoch: null, slack: null },
    { t: "publishMany" },
    { t: "getOps", ref: 1, room: id, after: -1 },
    { t: "who", ref: 2 ** 32 },
    { t: "who", ref: 1.5 },
    {},
  ];
  for (const header of bad) {
    assertThrows(() => decodeClientMessage({ header, body: new Uint8Array(0) }), DecodeError, "shape");
  }
});

Deno.test("decodeRelayMessage() refuses an op without its epoch, and one that is not of a room", () => {
  const id = "A".repeat(52);
  const event = { t: "event", stream: `room/${id}`, seq: 1, at: 1, from: id, kind: "op", id: "0".repeat(32), epoch: 1 };
  decodeRelayMessage({ header: event, body: new Uint8Array(0) });
  for (const changes of [{ epoch: undefined }, { epoch: -1 }, { stream: `inbox/${id}` }]) {
    const header = { ...event, ...changes };
    assertThrows(() => decodeRelayMessage({ header, body: new Uint8Array(0) }), DecodeError, "shape");
  }
});
