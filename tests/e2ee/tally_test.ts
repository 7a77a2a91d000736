import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import { createHash } from "node:crypto";
import fc from "fast-check";
import { DecodeError } from "../../lib/bytes/errors.ts";
import { type Bytes, concat, label, lvCat, u64be, u8 } from "../../lib/bytes/writer.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { roomMessageHash } from "../../lib/e2ee/room_message.ts";
import { decodeTally, emptyTally, encodeTally, Tally } from "../../lib/e2ee/tally.ts";
import { HEAD, makeChain, recodes, refusesOtherLengths, say } from "./_chains.ts";

async function tallyOf(hashes: readonly Bytes[], head = HEAD): Promise<string> {
  const tally = new Tally(emptyTally(head));
  for (const hash of hashes) await tally.add(hash);
  return encodeHex(tally.state.digest);
}

Deno.test("Tally.add() makes T of PROTOCOL §4, by node:crypto", async () => {
  const chain = await makeChain();
  const tally = new Tally(emptyTally(HEAD));
  let digest = HEAD;
  for (let count = 1; count <= 3; count++) {
    const hash = await roomMessageHash(await say(chain, `${count}`));
    const input = concat(label("room tally"), lvCat(digest, hash));
    digest = new Uint8Array(createHash("sha256").update(input).digest());
    assertEquals(await tally.add(hash), { headKey: encodeHex(HEAD), count, digest });
    assertEquals(tally.state, { headKey: encodeHex(HEAD), count, digest });
  }
});

Deno.test("Tally.add() differs for another message, another order, a missing one and another head", async () => {
  const [a, b, c] = [secureRandom(32), secureRandom(32), secureRandom(32)];
  const honest = await tallyOf([a, b]);
  assertEquals(await tallyOf([a, b]), honest);
  for (const other of [[b, a], [a], [b], [a, c], [a, b, c], [a, a], []]) assertNotEquals(await tallyOf(other), honest);
  assertNotEquals(await tallyOf([a, b], secureRandom(32)), honest);
});

Deno.test("Tally.add() and reset() that overlap run in the order of the calls", async () => {
  const hashes = Array.from({ length: 20 }, () => secureRandom(32));
  const tally = new Tally(emptyTally(HEAD));
  const counts = await Promise.all(hashes.map(async (hash) => (await tally.add(hash)).count));
  assertEquals(counts, hashes.map((_, i) => i + 1));
  assertEquals(encodeHex(tally.state.digest), await tallyOf(hashes));

  const head = secureRandom(32);
  const steps = [tally.add(secureRandom(32)), tally.reset(head), tally.add(hashes[0] as Bytes)];
  assertEquals((await Promise.all(steps)).map(({ count }) => count), [21, 0, 1]);
  assertEquals(tally.state.headKey, encodeHex(head));
  assertEquals(encodeHex(tally.state.digest), await tallyOf(hashes.slice(0, 1), head));
});

Deno.test("Tally refuses hashes and heads of another length, and stays as it was", () => {
  const tally = new Tally(emptyTally(HEAD));
  for (const length of [0, 31, 33]) {
    const wrong = new Uint8Array(length);
    for (const call of [() => tally.add(wrong), () => tally.reset(wrong), () => emptyTally(wrong)]) {
      assertThrows(call, RangeError);
    }
  }
  assertEquals(tally.state, emptyTally(HEAD));
});

Deno.test("decodeTally() gives back every field, and refuses what encodeTally() does not make", async () => {
  const empty = emptyTally(HEAD);
  const tally = new Tally(empty);
  await tally.add(secureRandom(32));
  for (const state of [empty, tally.state]) {
    const encoded = encodeTally(state);
    assertEquals(decodeTally(encoded), state);
    await refusesOtherLengths(decodeTally, encoded);
    await recodes((bytes) => encodeTally(decodeTally(bytes)), encoded);
  }
  const hashes = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((all) => new Uint8Array(all));
  fc.assert(
    fc.property(hashes, hashes, fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), (head, digest, count) => {
      fc.pre(encodeHex(head) !== encodeHex(digest));
      const state = { headKey: encodeHex(head), count, digest };
      assertEquals(decodeTally(encodeTally(state)), state);
    }),
    { numRuns: 100 },
  );
  const bad = [
    { ...empty, count: 1 },
    { ...tally.state, count: 0 },
    { ...tally.state, digest: secureRandom(31) },
    { ...tally.state, headKey: "ab".repeat(31) },
  ];
  for (const state of bad) assertThrows(() => decodeTally(encodeTally(state)), DecodeError);
  const aboveSafe = concat(u8(1), lvCat(u8(1), HEAD, u64be(1).fill(255), secureRandom(32)));
  assertThrows(() => decodeTally(aboveSafe), DecodeError);
});
