import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import { createHash } from "node:crypto";
import { DecodeError } from "../../lib/bytes/errors.ts";
import { type Bytes, concat, label, lvCat, u32be, u8, utf8 } from "../../lib/bytes/writer.ts";
import { verify } from "../../lib/crypto/sign.ts";
import {
  encodeRoomHeader,
  parseRoomMessage,
  ROOM_MESSAGE_MAX_BYTES,
  ROOM_MESSAGE_OVERHEAD_BYTES,
  ROOM_N_MAX,
  roomMessageHash,
} from "../../lib/e2ee/room_message.ts";
import { SEAL_PLAINTEXT_MAX_BYTES } from "../../lib/e2ee/seal.ts";
import { SenderChain } from "../../lib/e2ee/sender_chain.ts";
import {
  ALICE,
  HEAD,
  hear,
  keysOf,
  makeChain,
  makePair,
  messageKeyAt,
  recodes,
  refusesOtherLengths,
  ROOM,
  say,
  taken,
  withHmac,
} from "./_chains.ts";
import { NOW_MS } from "./_people.ts";

Deno.test("SenderChain.seal() makes the bytes of PROTOCOL §4, by node:crypto", async () => {
  const chain = await makeChain();
  const { keyId, chainKey, sign } = chain.state;
  for (let n = 0; n < 3; n++) {
    const message = await say(chain, "hello");
    const header = lvCat(u8(1), ROOM, HEAD, ALICE, keyId, u32be(n));
    const { body } = parseRoomMessage(message);
    const signed = lvCat(header, body);
    assertEquals(message.slice(0, -64), signed);
    await verify(sign.publicBytes, concat(label("room msg"), signed), message.slice(-64));
    assertEquals(encodeHex(body.slice(16, 48)), keysOf(messageKeyAt(chainKey, n), message).commitment);
    assertEquals(message.length, ROOM_MESSAGE_OVERHEAD_BYTES + 64);
    const hash = createHash("sha256").update(header).update(body).digest();
    assertEquals(await roomMessageHash(message), new Uint8Array(hash));
  }
});

Deno.test("SenderChain.create() draws a key id, a chain key and a pair of its own, and starts at 0", async () => {
  const [one, other] = [await makeChain(), await makeChain()];
  assertEquals([one.n, one.createdMs, one.state.head], [0, NOW_MS, HEAD]);
  assertNotEquals(one.state.keyId, other.state.keyId);
  assertNotEquals(one.state.chainKey, other.state.chainKey);
  assertNotEquals(one.state.sign.publicBytes, other.state.sign.publicBytes);
  for (const length of [0, 31, 33]) {
    const wrong = new Uint8Array(length);
    const right = { room: ROOM, sender: ALICE, head: HEAD, nowMs: NOW_MS };
    for (const part of [{ room: wrong }, { sender: wrong }, { head: wrong }]) {
      await assertRejects(() => SenderChain.create({ ...right, ...part }), RangeError);
    }
  }
});

Deno.test("SenderChain.seal() gives overlapping calls numbers and keys of their own, and answers in their order", async () => {
  const { sender, receiver } = await makePair();
  const { chainKey } = sender.state;
  const order: number[] = [];
  const messages = await Promise.all(Array.from({ length: 40 }, async (_, i) => {
    // The long ones take longer: without turns the short ones would pass them.
    const plaintext = i % 4 === 0 ? new Uint8Array(30_000) : utf8("same text");
    const message = await sender.seal({ head: HEAD, plaintext });
    order.push(i);
    assert(sender.state.n > i, "what came back is in the state");
    return message;
  }));
  assertEquals(order, messages.map((_, i) => i));
  assertEquals(messages.map((message) => parseRoomMessage(message).header.n), order);
  const keys = messages.map((message, n) => keysOf(messageKeyAt(chainKey, n), message));
  assertEquals(new Set(keys.map(({ key }) => key)).size, 40);
  const commitments = messages.map((message) => encodeHex(parseRoomMessage(message).body.slice(16, 48)));
  assertEquals(commitments, keys.map(({ commitment }) => commitment));
  for (const message of messages) assertEquals((await receiver.open(message, { nowMs: NOW_MS })).kind, "opened");
});

Deno.test("SenderChain.seal() of an old copy of the state never repeats (key, iv)", async () => {
  const chain = await makeChain();
  const saved = structuredClone(chain.state);
  const { chainKey } = chain.state;
  const keys = new Set<string>();
  for (let i = 0; i < 100; i++) {
    const restored = new SenderChain({ ...saved, sign: chain.state.sign });
    const message = await say(restored, "same text");
    assertEquals(parseRoomMessage(message).header.n, 0);
    const { key, commitment } = keysOf(messageKeyAt(chainKey, 0), message);
    assertEquals(encodeHex(parseRoomMessage(message).body.slice(16, 48)), commitment);
    keys.add(key);
  }
  assertEquals(keys.size, 100);
});

Deno.test("SenderChain.seal() never gives a number again that a failed step took", async () => {
  const { sender, receiver } = await makePair();
  const fails = (call: number) => {
    if (call < 2) throw new Error("broken");
  };
  const outcomes = await withHmac(
    fails,
    () => Promise.allSettled(["lost", "next", "last"].map((text) => say(sender, text))),
  );
  assertEquals(outcomes.map(({ status }) => status), ["rejected", "fulfilled", "fulfilled"]);
  const messages = outcomes.flatMap((one) => one.status === "fulfilled" ? [one.value] : []);
  assertEquals(messages.map((message) => parseRoomMessage(message).header.n), [1, 2]);
  for (const [i, text] of ["next", "last"].entries()) assertEquals(await hear(receiver, messages[i] as Bytes), text);
});

Deno.test("SenderChain.seal() takes no number for what cannot be sealed", async () => {
  const chain = await makeChain();
  const tooLong = new Uint8Array(SEAL_PLAINTEXT_MAX_BYTES + 1);
  await assertRejects(() => chain.seal({ head: HEAD, plaintext: tooLong }), RangeError);
  for (const length of [0, 31, 33]) {
    await assertRejects(() => chain.seal({ head: new Uint8Array(length), plaintext: utf8("hi") }), RangeError);
  }
  assertEquals(chain.n, 0);
  const longest = await chain.seal({ head: HEAD, plaintext: tooLong.slice(1) });
  assertEquals(longest.length, ROOM_MESSAGE_MAX_BYTES);
  const last = new SenderChain({ ...chain.state, n: ROOM_N_MAX });
  assertEquals(parseRoomMessage(await say(last, "last")).header.n, ROOM_N_MAX);
  await assertRejects(() => say(last, "one more"), RangeError);
});

Deno.test("SenderChain.handOver() gives the chain as it stands between the seals before and after the call", async () => {
  const chain = await makeChain();
  const before = [say(chain, "before 0"), say(chain, "before 1")];
  const handed = taken(chain);
  const after = [say(chain, "after 2"), say(chain, "after 3")];
  const newcomer = await handed;
  assertEquals(newcomer.state.n, 2);
  for (const message of await Promise.all(before)) assertEquals(await hear(newcomer, message), "used");
  const texts = [];
  for (const message of await Promise.all(after)) texts.push(await hear(newcomer, message));
  assertEquals(texts, ["after 2", "after 3"]);
});

Deno.test("parseRoomMessage() refuses other lengths, other suites and sizes that sealing does not make", async () => {
  const message = await say(await makeChain(), "hello");
  await refusesOtherLengths(parseRoomMessage, message);
  await recodes((bytes) => {
    const { header, body } = parseRoomMessage(bytes);
    return concat(lvCat(encodeRoomHeader(header), body), bytes.slice(-64));
  }, message);
  const { header, headerBytes, body } = parseRoomMessage(message);
  const signature = message.slice(-64);
  const made = (h: Bytes, b: Bytes) => concat(lvCat(h, b), signature);
  const lastN = encodeRoomHeader({ ...header, n: ROOM_N_MAX });
  assertEquals(parseRoomMessage(made(lastN, body)).header.n, ROOM_N_MAX);
  const aboveN = concat(lastN.slice(0, -4), u32be(2 ** 32 - 1));
  const otherSuite = concat(lvCat(u8(2)), headerBytes.slice(5));
  const bad = [
    made(aboveN, body),
    made(otherSuite, body),
    ...[0, 64, 127, 129, 32_833].map((length) => made(headerBytes, new Uint8Array(length))),
    new Uint8Array(ROOM_MESSAGE_MAX_BYTES + 1),
  ];
  for (const bytes of bad) await assertRejects(async () => await parseRoomMessage(bytes), DecodeError);
});
