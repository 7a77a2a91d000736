import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import fc from "fast-check";
import { AuthError, DecodeError, ProtocolError } from "../../lib/bytes/errors.ts";
import { type Bytes, concat, u8, utf8 } from "../../lib/bytes/writer.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { generateSignKeyPair } from "../../lib/crypto/sign.ts";
import { ChainAhead } from "../../lib/e2ee/chain_ahead.ts";
import { CHAIN_HASHES_MAX, CHAIN_SKIPPED_MAX, ReceiverChain } from "../../lib/e2ee/receiver_chain.ts";
import {
  encodeRoomHeader,
  parseRoomMessage,
  ROOM_HEADER_BYTES,
  type RoomHeader,
  roomMessageHash,
  signRoomMessage,
} from "../../lib/e2ee/room_message.ts";
import { seal } from "../../lib/e2ee/seal.ts";
import { decodeReceiverChain, encodeReceiverChain } from "../../lib/e2ee/receiver_chain_codec.ts";
import { SenderChain } from "../../lib/e2ee/sender_chain.ts";
import { SKIPPED_KEEP_MS } from "../../lib/e2ee/skipped_keys.ts";
import { BOB, hear, isOurs, makeChain, makePair, messageKeyAt, outcomeOf, say, taken, withHmac } from "./_chains.ts";
import { flipped, NOW_MS } from "./_people.ts";

/** Where H begins in a message. */
const HEADER_START = 4;

/** What the owner of a chain can make of any header and key, honestly or not. */
async function forge(chain: SenderChain, part: Partial<RoomHeader>, messageKey: Bytes, text: string): Promise<Bytes> {
  const { room, sender, keyId, head, n, sign } = chain.state;
  const aad = encodeRoomHeader({ room, sender, keyId, head, n, ...part });
  return await signRoomMessage(sign, aad, await seal(messageKey, utf8(text), { aad }));
}

Deno.test("ReceiverChain.open() opens what was sealed, and says its header and hash", async () => {
  const { sender, receiver } = await makePair();
  const otherHead = secureRandom(32);
  for (const [n, text] of ["one", "", "x".repeat(16_000)].entries()) {
    const message = await sender.seal({ head: otherHead, plaintext: utf8(text) });
    const opened = await receiver.open(message, { nowMs: NOW_MS });
    assert(opened.kind === "opened");
    assertEquals(opened.plaintext, utf8(text));
    assertEquals([opened.header.head, opened.header.n], [otherHead, n]);
    assertEquals(opened.hash, await roomMessageHash(message));
  }
});

Deno.test("ReceiverChain.open() takes messages in any order, each once, drops included", async () => {
  const plans = fc.array(fc.record({ delay: fc.nat(12), dropped: fc.boolean() }), { minLength: 1, maxLength: 25 });
  await fc.assert(
    fc.asyncProperty(plans, async (plan) => {
      const { sender, receiver } = await makePair();
      const messages = await Promise.all(plan.map((_, i) => say(sender, `text ${i}`)));
      const arrivals = messages.map((message, i) => ({ message, i, at: i + (plan[i]?.delay ?? 0) }))
        .filter(({ i }) => !plan[i]?.dropped).toSorted((a, b) => a.at - b.at);
      for (const { message, i } of arrivals) {
        assertEquals(await hear(receiver, message), `text ${i}`);
        assertEquals(await hear(receiver, message), "repeat");
      }
      const reached = Math.max(-1, ...arrivals.map(({ i }) => i)) + 1;
      assertEquals(receiver.state.n, reached);
      assertEquals(receiver.state.skipped.length, reached - arrivals.length);
    }),
    { numRuns: 30 },
  );
});

Deno.test("ReceiverChain.open() refuses every flipped byte and every truncation, and still opens the honest message", async () => {
  const { sender, receiver } = await makePair();
  const late = await say(sender, "late");
  await hear(receiver, await say(sender, "in between"));
  const inOrder = await say(sender, "in order");
  for (const honest of [late, inOrder]) {
    const before = receiver.state;
    for (let i = 0; i < honest.length; i++) {
      for (const forged of [flipped(honest, i), flipped(honest, i, 0x80), honest.slice(0, i)]) {
        const outcome = await outcomeOf(() => hear(receiver, forged));
        assert(outcome instanceof DecodeError || outcome instanceof AuthError, `byte ${i}: ${outcome}`);
        assertEquals(receiver.state, before);
      }
    }
    assertEquals(await hear(receiver, concat(honest, u8(0))).catch((error) => error.name), "DecodeError");
    assertNotEquals(await hear(receiver, honest), "used");
  }
  assertEquals(receiver.state.skipped, []);
});

Deno.test("ReceiverChain.open() refuses another header over the same body, even signed by the chain's owner", async () => {
  const { sender, receiver } = await makePair();
  const { headerBytes, body } = parseRoomMessage(await say(sender, "hello"));
  const before = receiver.state;
  for (let i = 0; i < ROOM_HEADER_BYTES; i++) {
    const message = await signRoomMessage(sender.state.sign, flipped(headerBytes, i), body);
    const outcome = await outcomeOf(() => hear(receiver, message));
    assert(isOurs(outcome), `byte ${i}: ${outcome}`);
    assertEquals(receiver.state, before);
  }
  assertEquals(await hear(receiver, await signRoomMessage(sender.state.sign, headerBytes, body)), "hello");
});

Deno.test("ReceiverChain.open() refuses a forged signature before any key is derived", async () => {
  const { sender, receiver } = await makePair();
  const messages = await Promise.all(["one", "two", "three"].map((text) => say(sender, text)));
  const last = messages[2] as Bytes;
  const forged = [flipped(last, last.length - 1), flipped(last, HEADER_START + ROOM_HEADER_BYTES + 4 + 100)];
  let derived = 0;
  const count = () => void derived++;
  await withHmac(count, async () => {
    for (const message of forged) await assertRejects(() => hear(receiver, message), AuthError, "signature");
  });
  assertEquals(derived, 0);
  await withHmac(count, () => hear(receiver, last));
  assertEquals(derived, 6, "the honest one takes two for each step");
});

Deno.test("ReceiverChain.open() refuses what a member seals who has the chain key but not the pair", async () => {
  const { sender, receiver } = await makePair();
  const mallory = await taken(sender); // has all that is handed over
  const own = await generateSignKeyPair();
  const { room, sender: alice, keyId, head, chainKey } = mallory.state;
  const aad = encodeRoomHeader({ room, sender: alice, keyId, head, n: 0 });
  const body = await seal(messageKeyAt(chainKey, 0), utf8("from alice, honestly"), { aad });
  const before = receiver.state;
  await assertRejects(async () => await hear(receiver, await signRoomMessage(own, aad, body)), AuthError);
  const honest = await say(sender, "hello");
  const borrowed = concat((await signRoomMessage(own, aad, body)).slice(0, -64), honest.slice(-64));
  await assertRejects(() => hear(receiver, borrowed), AuthError);
  assertEquals(receiver.state, before);
  assertEquals(await hear(receiver, honest), "hello");
});

Deno.test("ReceiverChain.open() answers repeat for the same H and body, used for other bytes under their number", async () => {
  const { sender, receiver } = await makePair();
  const { chainKey } = sender.state;
  const first = await say(sender, "first");
  assertEquals(await hear(receiver, first), "first");
  const before = receiver.state;
  assertEquals(await hear(receiver, first), "repeat");
  assertEquals(await hear(receiver, await forge(sender, { n: 0 }, messageKeyAt(chainKey, 0), "other")), "used");
  assertEquals(await hear(receiver, await forge(sender, { n: 0 }, messageKeyAt(chainKey, 0), "first")), "used");
  assertEquals(receiver.state, before);

  const late = await say(sender, "late");
  await hear(receiver, await say(sender, "in time"));
  const wrongKey = await forge(sender, { n: 1 }, secureRandom(32), "junk");
  await assertRejects(() => hear(receiver, wrongKey), AuthError);
  assertEquals(await hear(receiver, late), "late", "junk under its number did not cost it its key");
});

Deno.test("ReceiverChain.open() refuses another room's, sender's and key id's messages, whoever uses the key id again", async () => {
  const { sender, receiver } = await makePair();
  const { chainKey, keyId } = sender.state;
  const key = messageKeyAt(chainKey, 0);
  for (const part of [{ room: secureRandom(32) }, { sender: BOB }, { keyId: secureRandom(16) }]) {
    const message = await forge(sender, part, key, "elsewhere");
    await assertRejects(() => hear(receiver, message), AuthError, "another chain");
  }
  const bobs = new SenderChain({ ...(await makeChain(BOB)).state, keyId });
  const bobsReceiver = await taken(bobs);
  const fromBob = await say(bobs, "same key id");
  await assertRejects(() => hear(receiver, fromBob), AuthError, "another chain");
  assertEquals(await hear(bobsReceiver, fromBob), "same key id");
  assertEquals(await hear(receiver, await say(sender, "hello")), "hello");
});

Deno.test("ReceiverChain.open() of a forwarded chain opens nothing that was sealed before it was handed over", async () => {
  const { sender, receiver } = await makePair();
  const before = [await say(sender, "before 0"), await say(sender, "before 1")];
  const newcomer = await taken(sender);
  const after = await say(sender, "after");
  for (const message of before) assertEquals(await hear(newcomer, message), "used");
  assertEquals(await hear(newcomer, after), "after");
  const keys = [0, 1].map((n) => encodeHex(messageKeyAt(receiver.state.chainKey, n)));
  const { chainKey } = (await taken(sender)).state;
  for (let n = 0; n < 4; n++) assert(!keys.includes(encodeHex(messageKeyAt(chainKey, n))));
});

Deno.test("ReceiverChain.open() skips 1,000 messages and no more, and derives nothing for what is too far", async () => {
  const { sender, receiver } = await makePair();
  const held = await say(sender, "0");
  const { chainKey } = receiver.state;
  const reached = await forge(sender, { n: 1_000 }, messageKeyAt(chainKey, 1_000), "1000");
  const tooFar = await forge(sender, { n: 1_001 }, messageKeyAt(chainKey, 1_001), "1001");
  const derives = () => {
    throw new Error("derived");
  };
  await withHmac(derives, () => assertRejects(() => hear(receiver, tooFar), ProtocolError));
  assertEquals(await hear(receiver, reached), "1000");
  assertEquals(receiver.state.skipped.length, 1_000);
  assertEquals(await hear(receiver, tooFar), "1001");
  assertEquals(await hear(receiver, held), "0");
});

Deno.test("ReceiverChain.open() keeps 1,000 skipped keys, for 7 days, and 1,000 hashes", async () => {
  const { sender, receiver } = await makePair();
  const { chainKey } = receiver.state;
  const at = (n: number) => forge(sender, { n }, messageKeyAt(chainKey, n), `${n}`);
  await hear(receiver, await at(900));
  await hear(receiver, await at(1_101));
  assertEquals(receiver.state.skipped.length, CHAIN_SKIPPED_MAX);
  assertEquals(await hear(receiver, await at(99)), "used", "the oldest went");
  assertEquals(await hear(receiver, await at(100)), "100");
  assertEquals(await hear(receiver, await at(101), NOW_MS + SKIPPED_KEEP_MS), "101");
  assertEquals(await hear(receiver, await at(1_102), NOW_MS + SKIPPED_KEEP_MS + 1), "1102");
  assertEquals(receiver.state.skipped, []);

  const filled = new ReceiverChain({
    ...receiver.state,
    hashes: Array.from({ length: CHAIN_HASHES_MAX }, (_, i) => `${i}`.padStart(64, "0")),
  });
  const next = await at(1_103);
  assertEquals(await hear(filled, next), "1103");
  assertEquals(filled.state.hashes.length, CHAIN_HASHES_MAX);
  assertEquals(filled.state.hashes.at(-1), encodeHex(await roomMessageHash(next)));
  assertEquals(filled.state.hashes[0], "1".padStart(64, "0"));
});

Deno.test("ReceiverChain.open() of many at once answers in their order, and a bad one costs no other", async () => {
  const { sender, receiver } = await makePair();
  const texts = Array.from({ length: 30 }, (_, i) => i % 5 === 0 ? "long ".repeat(3_000) : `text ${i}`);
  const honest = await Promise.all(texts.map((text) => say(sender, text)));
  const given = honest.flatMap((message, i) => i % 3 === 0 ? [flipped(message, message.length - 1), message] : message);
  const order: number[] = [];
  const outcomes = await Promise.all(given.map(async (message, i) => {
    const outcome = await hear(receiver, message).catch((error) => error.name);
    order.push(i);
    return outcome;
  }));
  assertEquals(order, given.map((_, i) => i));
  assertEquals(outcomes, texts.flatMap((text, i) => i % 3 === 0 ? ["AuthError", text] : text));
  const twice = await Promise.all([0, 0].map(async () => await hear(receiver, await say(sender, "different"))));
  assertEquals(twice, ["different", "different"]);
  const same = await say(sender, "same");
  assertEquals(await Promise.all([hear(receiver, same), hear(receiver, same)]), ["same", "repeat"]);
});

Deno.test("ReceiverChain.open() of many at once, in any order, with junk and repeats, ends like one by one", async () => {
  const kinds = fc.constantFrom("honest" as const, "junk" as const, "forged" as const);
  const plans = fc.array(fc.record({ n: fc.nat(15), kind: kinds }), { minLength: 1, maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(plans, async (plan) => {
      const { sender, receiver } = await makePair();
      const oneByOne = new ReceiverChain(receiver.state);
      const honest = await Promise.all(Array.from({ length: 16 }, (_, n) => say(sender, `text ${n}`)));
      const messages = await Promise.all(plan.map(async ({ n, kind }) => {
        if (kind === "junk") return await forge(sender, { n }, secureRandom(32), "junk"); // by the chain's owner
        const message = honest[n] as Bytes;
        return kind === "honest" ? message : flipped(message, message.length - 1);
      }));
      const answer = (chain: ReceiverChain, message: Bytes) => hear(chain, message).catch((error) => error.message);
      const expected = [];
      for (const message of messages) expected.push(await answer(oneByOne, message));
      assertEquals(await Promise.all(messages.map((message) => answer(receiver, message))), expected);
      assertEquals(receiver.state, oneByOne.state);
      const seen = new Set<number>();
      for (const [i, { n, kind }] of plan.entries()) {
        if (kind !== "honest") assertNotEquals(expected[i], `text ${n}`);
        else assertEquals(expected[i], seen.has(n) ? "repeat" : `text ${n}`);
        if (kind === "honest") seen.add(n);
      }
    }),
    { numRuns: 40 },
  );
});

Deno.test("ReceiverChain.open() walks to where a sender's junk points once, and forgets what the state has passed", async () => {
  const { sender, receiver } = await makePair();
  const { chainKey } = receiver.state;
  const before = receiver.state;
  let derived = 0;
  await withHmac(() => void derived++, async () => {
    for (let i = 0; i < 5; i++) {
      const junk = await forge(sender, { n: 1_000 }, secureRandom(32), "junk");
      await assertRejects(() => hear(receiver, junk), AuthError);
    }
  });
  assertEquals(derived, 2 * 1_001);
  assertEquals(receiver.state, before);
  for (const n of [0, 500, 1_500]) {
    assertEquals(await hear(receiver, await forge(sender, { n }, messageKeyAt(chainKey, n), `${n}`)), `${n}`);
    assertEquals(receiver.state.n, n + 1);
  }
  assertEquals(
    encodeHex(receiver.state.skipped.at(-1)?.messageKey ?? chainKey),
    encodeHex(messageKeyAt(chainKey, 1_499)),
  );

  const forgotten: number[] = [];
  const { forgetBelow } = ChainAhead.prototype;
  ChainAhead.prototype.forgetBelow = (n) => void forgotten.push(n);
  try {
    for (const n of [1_600, 1_550]) await hear(receiver, await forge(sender, { n }, messageKeyAt(chainKey, n), "text"));
  } finally {
    ChainAhead.prototype.forgetBelow = forgetBelow;
  }
  assertEquals(forgotten, [1_601, 1_601]);

  const ahead = new ChainAhead({ chainKey, n: 0 });
  assertEquals((await ahead.reach(2))?.messageKey, messageKeyAt(chainKey, 2));
  ahead.forgetBelow(2);
  assertEquals(await ahead.reach(1), undefined);
  assertThrows(() => ahead.at(1), TypeError);
  assertEquals(ahead.at(2).messageKey, messageKeyAt(chainKey, 2));
});

Deno.test("ReceiverChain.open() never says a secret or the text when it refuses", async () => {
  const { sender, receiver } = await makePair();
  const { chainKey } = receiver.state;
  const message = await say(sender, "the text");
  const wrongTag = await forge(sender, { n: 0 }, messageKeyAt(chainKey, 1), "the text");
  const errors = [
    await outcomeOf(() => hear(receiver, wrongTag)),
    await outcomeOf(() => hear(receiver, flipped(message, 200))),
    await outcomeOf(() => hear(receiver, message.slice(1))),
    await outcomeOf(() => decodeReceiverChain(encodeReceiverChain(receiver.state).slice(1))),
    await outcomeOf(() => decodeReceiverChain(encodeReceiverChain(receiver.state).slice(0, -1))),
  ];
  const secrets = [chainKey, messageKeyAt(chainKey, 0), messageKeyAt(chainKey, 1), message];
  for (const error of errors) {
    assert(error instanceof Error);
    const said = `${error.stack} ${error.cause instanceof Error ? error.cause.stack : error.cause}`;
    assert(!said.includes("the text"), said);
    // Spelt as hexadecimal or as a list of numbers, the two ways in which bytes get into a sentence by mistake.
    for (const secret of secrets) {
      assert(!said.includes(encodeHex(secret.subarray(0, 8))) && !said.includes(`${secret.subarray(0, 8)}`), said);
    }
  }
});

Deno.test("ReceiverChain.foresee() changes nothing, whatever it is given, and open() says what it would have said", async () => {
  const { sender, receiver } = await makePair();
  const honest = await Promise.all(["a", "b", "c"].map((text) => say(sender, text)));
  const [first, second, third] = honest as [Bytes, Bytes, Bytes];
  const signedJunk = await forge(sender, { n: 7 }, secureRandom(32), "junk");
  const stranger = await say(await makeChain(secureRandom(32)), "of another");
  const bad = [flipped(second, second.length - 1), second.slice(0, -1), signedJunk, stranger];
  const before = receiver.state;
  for (const message of [...bad, third, first, second]) receiver.foresee(message);
  for (const message of bad) assert(isOurs(await assertRejects(() => receiver.open(message, { nowMs: NOW_MS }))));
  assertEquals(receiver.state, before);
  assertEquals([await hear(receiver, third), await hear(receiver, first)], ["c", "a"]);
  receiver.foresee(first);
  assertEquals([await hear(receiver, second), await hear(receiver, first), await hear(receiver, third)], [
    "b",
    "repeat",
    "repeat",
  ]);
});

Deno.test("ReceiverChain.foresee() derives no key before the signature is checked", async () => {
  const { sender, receiver } = await makePair();
  const message = await say(sender, "one");
  let derived = 0;
  await withHmac(() => derived++, async () => {
    const forged = flipped(message, message.length - 1);
    receiver.foresee(forged);
    await assertRejects(() => receiver.open(forged, { nowMs: NOW_MS }), AuthError);
    assertEquals(derived, 0);
    receiver.foresee(message);
    assertEquals(await hear(receiver, message), "one");
  });
  assert(derived > 0);
});
