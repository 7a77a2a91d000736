import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import { decodeHex } from "@std/encoding/hex";
import { createHash, createHmac, hkdfSync } from "node:crypto";
import fc from "fast-check";
import { AuthError, DecodeError, ProtocolError } from "../../lib/bytes/errors.ts";
import { type Bytes, concat, u8, utf8 } from "../../lib/bytes/writer.ts";
import { generateDhKeyPair } from "../../lib/crypto/dh.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { initiateRatchet, ratchetOpen, ratchetSeal, respondRatchet } from "../../lib/e2ee/double_ratchet.ts";
import { decodeRatchetHeader, encodeRatchetHeader } from "../../lib/e2ee/ratchet_header.ts";
import type { RatchetState } from "../../lib/e2ee/ratchet_state.ts";
import { SKIPPED_KEEP_MS } from "../../lib/e2ee/skipped_keys.ts";
import { AT, flipped, NOW_MS } from "./_people.ts";
import { SMALL_ORDER_X25519 } from "./_small_order.ts";

/** One side whose state moves on as it seals and opens. */
class Side {
  constructor(public state: RatchetState) {}

  async seal(text: string): Promise<Bytes> {
    const { state, message } = await ratchetSeal(this.state, utf8(text), AT);
    this.state = state;
    return message;
  }

  async open(message: Bytes, nowMs = NOW_MS): Promise<string> {
    const opened = await ratchetOpen(this.state, message, { nowMs });
    if (opened.kind === "used") return "used";
    this.state = opened.state;
    return new TextDecoder().decode(opened.plaintext);
  }
}

async function makePair(): Promise<{ alice: Side; bob: Side }> {
  const start = { rootKey: secureRandom(32), ad: secureRandom(32), sessionId: secureRandom(16) };
  const bobPair = await generateDhKeyPair();
  const alice = await initiateRatchet(start, await generateDhKeyPair(), bobPair.publicBytes);
  return { alice: new Side(alice), bob: new Side(respondRatchet(start, bobPair)) };
}

Deno.test("ratchetSeal() and ratchetOpen() carry a conversation", async () => {
  const { alice, bob } = await makePair();
  for (let turn = 0; turn < 20; turn++) {
    const [from, to] = turn % 3 === 0 ? [alice, bob] : [bob, alice];
    for (let i = 0; i <= turn % 4; i++) assertEquals(await to.open(await from.seal(`${turn} ${i}`)), `${turn} ${i}`);
  }
});

Deno.test("ratchetSeal() refuses the responder until it has received", async () => {
  const { alice, bob } = await makePair();
  await assertRejects(() => bob.seal("too early"), ProtocolError);
  await bob.open(await alice.seal("hello"));
  assertEquals(await alice.open(await bob.seal("hello too")), "hello too");
});

Deno.test("ratchetSeal() derives keys as PROTOCOL §3 says, by node:crypto", async () => {
  const { alice } = await makePair();
  const { chainKey } = alice.state.sending as { chainKey: Bytes };
  const message = await alice.seal("hello");
  const messageKey = createHmac("sha256", chainKey).update(u8(1)).digest();
  const nextChainKey = new Uint8Array(createHmac("sha256", chainKey).update(u8(2)).digest());
  const both = new Uint8Array(hkdfSync("sha256", messageKey, message.slice(56, 72), utf8("sotto/1 msg\0"), 64));
  assertEquals(message.slice(72, 104), both.slice(32), "the commitment is that of the message key");
  assertEquals(alice.state.sending, { chainKey: nextChainKey, n: 1 });
});

Deno.test("ratchetOpen() takes messages in any order, drops included", async () => {
  const messages = fc.array(fc.record({ byAlice: fc.boolean(), delay: fc.nat(8), dropped: fc.boolean() }), {
    minLength: 1,
    maxLength: 40,
    size: "max",
  });
  await fc.assert(
    fc.asyncProperty(messages, async (plan) => {
      const { alice, bob } = await makePair();
      await bob.open(await alice.seal("first"));
      const due: { at: number; to: Side; message: Bytes; text: string }[] = [];
      const deliver = async (now: number) => {
        for (const one of due.filter(({ at }) => at <= now)) {
          assertEquals(await one.to.open(one.message), one.text);
          assertEquals(await one.to.open(one.message), "used");
          due.splice(due.indexOf(one), 1);
        }
      };
      for (const [i, step] of plan.entries()) {
        const [from, to] = step.byAlice ? [alice, bob] : [bob, alice];
        const message = await from.seal(`text ${i}`);
        if (!step.dropped) due.push({ at: i + step.delay, to, message, text: `text ${i}` });
        await deliver(i);
      }
      // A dropped message may be followed by five chains at most; beyond that its late neighbours may be gone.
      const chains = plan.filter((step, i) => step.byAlice !== plan[i - 1]?.byAlice).length;
      if (chains <= 5) await deliver(Infinity);
    }),
    { numRuns: 60 },
  );
});

Deno.test("ratchetOpen() refuses every flipped byte and every truncation, and still opens the honest message", async () => {
  const { alice, bob } = await makePair();
  await bob.open(await alice.seal("first"));
  await alice.open(await bob.seal("answer"));
  const late = await alice.seal("late");
  await bob.open(await alice.seal("in between"));
  const inStep = await alice.seal("in step");
  await alice.open(await bob.seal("a step"));
  const nextStep = await alice.seal("next step");
  for (const honest of [late, inStep, nextStep]) {
    const before = bob.state;
    for (let i = 0; i < honest.length; i++) {
      for (const forged of [flipped(honest, i), honest.slice(0, i)]) {
        const outcome = await bob.open(forged).catch((error) => error);
        const isRefused = outcome === "used" || outcome instanceof AuthError || outcome instanceof ProtocolError ||
          outcome instanceof DecodeError;
        assert(isRefused, `byte ${i}: ${outcome}`);
        assertEquals(bob.state, before);
      }
    }
    await bob.open(honest);
  }
  assertEquals(await alice.open(await bob.seal("all is well")), "all is well");
});

Deno.test("ratchetOpen() opens what a step left behind in the last chain", async () => {
  const { alice, bob } = await makePair();
  await bob.open(await alice.seal("first"));
  const behind = [await alice.seal("behind 1"), await alice.seal("behind 2")];
  await alice.open(await bob.seal("answer"));
  const skipped = await alice.seal("skipped");
  assertEquals(await bob.open(await alice.seal("in the next chain")), "in the next chain");
  assertEquals(await bob.open(behind[1] as Bytes), "behind 2");
  assertEquals(await bob.open(skipped), "skipped");
  assertEquals(await bob.open(behind[0] as Bytes), "behind 1");
  assertEquals(bob.state.skipped, []);
});

Deno.test("ratchetOpen() answers used for a number that is gone, in the current and in an old chain", async () => {
  const { alice, bob } = await makePair();
  const first = await alice.seal("first");
  assertEquals(await bob.open(first), "first");
  assertEquals(await bob.open(first), "used");
  await alice.open(await bob.seal("answer"));
  await bob.open(await alice.seal("new chain"));
  assertEquals(await bob.open(first), "used");
});

Deno.test("ratchetOpen() skips 1,000 messages of a chain and no more", async () => {
  const { alice, bob } = await makePair();
  const held: Bytes[] = [];
  for (let i = 0; i < 1_001; i++) held.push(await alice.seal(`${i}`));
  const tooFar = await alice.seal("1001");
  await assertRejects(() => bob.open(tooFar), ProtocolError);
  assertEquals(await bob.open(held[1_000] as Bytes), "1000");
  assertEquals(bob.state.skipped.length, 1_000);
  assertEquals(await bob.open(tooFar), "1001");
  assertEquals(await bob.open(held[0] as Bytes), "0");
});

Deno.test("ratchetOpen() refuses a step that leaves over 1,000 messages of the last chain behind", async () => {
  const { alice, bob } = await makePair();
  await bob.open(await alice.seal("first"));
  const answer = await bob.seal("answer");
  for (let i = 0; i < 1_001; i++) await alice.seal("lost");
  await alice.open(answer);
  const tooFar = await alice.seal("too far");
  await assertRejects(() => bob.open(tooFar), ProtocolError);
});

Deno.test("ratchetOpen() keeps 2,000 skipped keys, of the last 5 chains, for 7 days", async () => {
  const { alice, bob } = await makePair();
  const heldOf = async (count: number) => {
    const held: Bytes[] = [];
    for (let i = 0; i < count; i++) held.push(await alice.seal(`held ${i}`));
    await bob.open(await alice.seal("reached"));
    await alice.open(await bob.seal("step"));
    return held;
  };
  const firsts: Bytes[] = [];
  for (let chain = 0; chain < 3; chain++) firsts.push((await heldOf(900))[0] as Bytes);
  assertEquals(bob.state.skipped.length, 2_000);
  await bob.open(await alice.seal("in the next chain"));
  assertEquals(await bob.open(firsts[0] as Bytes), "used", "the 700 oldest went");
  assertEquals(await bob.open(firsts[1] as Bytes), "held 0");
  assertEquals(await bob.open(firsts[2] as Bytes), "held 0");

  const [old] = await heldOf(1);
  for (let chain = 0; chain < 5; chain++) await heldOf(0);
  assertEquals(bob.state.oldPublics.length, 5);
  assertEquals(await bob.open(old as Bytes), "held 0", "five chains later");
  const [older] = await heldOf(1);
  for (let chain = 0; chain < 6; chain++) await heldOf(0);
  await assertRejects(() => bob.open(older as Bytes), AuthError);

  const [week, weekAndMore] = await heldOf(2);
  assertEquals(await bob.open(week as Bytes, NOW_MS + SKIPPED_KEEP_MS), "held 0");
  await bob.open(await alice.seal("a commit"), NOW_MS + SKIPPED_KEEP_MS + 1);
  assertEquals(await bob.open(weekAndMore as Bytes), "used");
  assertEquals(bob.state.skipped, []);
});

Deno.test("ratchetSeal() of a rolled-back state never repeats (key, iv)", async () => {
  const { alice } = await makePair();
  const saved = alice.state;
  const { chainKey } = saved.sending as { chainKey: Bytes };
  const used = new Set<string>();
  const commitments = new Set<string>();
  for (let i = 0; i < 100; i++) {
    alice.state = saved;
    const message = await alice.seal("same text");
    assertEquals(decodeRatchetHeader(message).n, 0);
    const messageKey = createHmac("sha256", chainKey).update(u8(1)).digest();
    const both = new Uint8Array(hkdfSync("sha256", messageKey, message.slice(56, 72), utf8("sotto/1 msg\0"), 64));
    used.add(createHash("sha256").update(concat(both.slice(0, 32), new Uint8Array(12))).digest("hex"));
    commitments.add(encodeHex(message.slice(72, 104)));
  }
  assertEquals(used.size, 100);
  assertEquals(commitments.size, 100);
});

Deno.test("ratchetOpen() refuses messages of another session, reflected ones and bad ratchet keys", async () => {
  const [{ alice, bob }, other] = [await makePair(), await makePair()];
  const foreign = await other.alice.seal("foreign");
  await assertRejects(() => bob.open(foreign), AuthError);
  await bob.open(await alice.seal("first"));
  const own = await bob.seal("mine");
  await assertRejects(() => bob.open(own), AuthError);
  const message = await alice.seal("next");
  for (const hex of SMALL_ORDER_X25519) {
    const header = { ...decodeRatchetHeader(message), ratchetPublic: decodeHex(hex) };
    await assertRejects(() => bob.open(concat(encodeRatchetHeader(header), message.slice(56))), AuthError);
  }
  assertEquals(await bob.open(message), "next");
});

Deno.test("ratchetOpen() gives new ratchet keys with each turn", async () => {
  const { alice, bob } = await makePair();
  const before = alice.state.own.publicBytes;
  await bob.open(await alice.seal("first"));
  await alice.open(await bob.seal("answer"));
  assertNotEquals(alice.state.own.publicBytes, before);
  assertEquals(decodeRatchetHeader(await alice.seal("second")).pn, 1);
});
