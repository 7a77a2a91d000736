import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { decodeHex, encodeHex } from "@std/encoding/hex";
import fc from "fast-check";
import { DecodeError } from "../../lib/bytes/errors.ts";
import { ReceiverChain } from "../../lib/e2ee/receiver_chain.ts";
import { decodeReceiverChain, encodeReceiverChain } from "../../lib/e2ee/receiver_chain_codec.ts";
import { hear, makePair, recodes, refusesOtherLengths, say } from "./_chains.ts";
import { SMALL_ORDER_ED25519 } from "./_small_order.ts";

const bytes = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((all) => new Uint8Array(all));

Deno.test("decodeReceiverChain() gives back a chain that opens what the stored one would have, late ones included", async () => {
  const { sender, receiver } = await makePair();
  const late = await say(sender, "late");
  const heard = await say(sender, "heard");
  await hear(receiver, heard);
  const restored = new ReceiverChain(await decodeReceiverChain(encodeReceiverChain(receiver.state)));
  assertEquals(restored.state, receiver.state);
  const texts = [];
  for (const message of [heard, late, late, await say(sender, "next")]) texts.push(await hear(restored, message));
  assertEquals(texts, ["repeat", "late", "repeat", "next"]);
});

Deno.test("decodeReceiverChain() gives back every field, and refuses what encodeReceiverChain() does not make", async () => {
  const { sender, receiver } = await makePair();
  for (const text of ["lost", "also lost"]) await say(sender, text);
  await hear(receiver, await say(sender, "heard"));
  const { state } = receiver;
  const encoded = encodeReceiverChain(state);
  await refusesOtherLengths(decodeReceiverChain, encoded);
  await recodes(async (bytes) => encodeReceiverChain(await decodeReceiverChain(bytes)), encoded);

  const numbers = fc.uniqueArray(fc.nat(2 ** 32 - 2), { maxLength: 6 }).map((all) => all.toSorted((a, b) => a - b));
  const drawn = numbers.chain((ns) =>
    fc.record({
      room: bytes(32),
      sender: bytes(32),
      keyId: bytes(16),
      head: bytes(32),
      chainKey: bytes(32),
      n: fc.integer({ min: (ns.at(-1) ?? -1) + 1, max: 2 ** 32 - 1 }),
      signPublic: fc.constant(state.signPublic),
      skipped: fc.tuple(
        ...ns.map((n) => fc.record({ n: fc.constant(n), messageKey: bytes(32), sinceMs: fc.maxSafeNat() })),
      ),
      hashes: fc.array(bytes(32).map(encodeHex), { maxLength: 6 }),
    })
  );
  await fc.assert(
    fc.asyncProperty(drawn, async (one) => {
      assertEquals(await decodeReceiverChain(encodeReceiverChain(one)), one);
    }),
    { numRuns: 100 },
  );

  const [first, second] = state.skipped;
  assert(first !== undefined && second !== undefined);
  const many = Array.from({ length: 1_001 }, (_, n) => ({ ...first, n }));
  const full = { ...state, n: 5_000, skipped: many.slice(1), hashes: Array(1_000).fill("ab".repeat(32)) };
  assertEquals(await decodeReceiverChain(encodeReceiverChain(full)), full);
  const bad = [
    { ...full, skipped: many },
    { ...full, hashes: [...full.hashes, "00".repeat(32)] },
    { ...state, skipped: [second, first] },
    { ...state, skipped: [first, first] },
    { ...state, skipped: [{ ...first, n: state.n }] },
    ...SMALL_ORDER_ED25519.map((hex) => ({ ...state, signPublic: decodeHex(hex) })),
    ...[0, 31, 33].flatMap((length) => {
      const wrong = new Uint8Array(length).fill(9);
      return [{ room: wrong }, { sender: wrong }, { head: wrong }, { chainKey: wrong }, { signPublic: wrong }, {
        keyId: wrong,
      }].map((part) => ({ ...state, ...part }));
    }),
  ];
  for (const one of bad) await assertRejects(() => decodeReceiverChain(encodeReceiverChain(one)), DecodeError);
  assertThrows(() => encodeReceiverChain({ ...state, n: 2 ** 32 }), RangeError);
});
