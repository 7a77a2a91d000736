import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { decodeHex } from "@std/encoding/hex";
import { AuthError, DecodeError } from "../../lib/bytes/errors.ts";
import { concat, label, u32be, u8, utf8 } from "../../lib/bytes/writer.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { pad } from "../../lib/e2ee/padding.ts";
import { decodePlaintext, encodePlaintext } from "../../lib/e2ee/plaintext.ts";
import {
  acceptSenderKey,
  decodeSenderKey,
  encodeSenderKey,
  isSenderKey,
  SENDER_KEY_BYTES,
  type SenderKey,
} from "../../lib/e2ee/sender_key.ts";
import { ALICE, BOB, HEAD, hear, makeChain, recodes, refusesOtherLengths, ROOM, say } from "./_chains.ts";
import { flipped } from "./_people.ts";
import { SMALL_ORDER_ED25519 } from "./_small_order.ts";

const CAROL = secureRandom(32);
const BOB_FROM_ALICE = { peerId: ALICE, selfId: BOB, room: ROOM };

Deno.test("encodeSenderKey() makes 232 bytes in the order of PROTOCOL §4, which fit into a padded 256", async () => {
  const chain = await makeChain();
  await say(chain, "before");
  const { keyId, chainKey, sign } = chain.state;
  const encoded = encodeSenderKey(await chain.handOver(BOB));
  const fields = [ROOM, HEAD, keyId, chainKey, u32be(1), sign.publicBytes, ALICE, BOB];
  assertEquals(encoded, concat(label("sender key"), u8(1), ...fields));
  assertEquals(encoded.length, SENDER_KEY_BYTES);
  assertEquals(pad(encoded).length, 256);
});

Deno.test("acceptSenderKey() gives a chain that opens from its number on", async () => {
  const chain = await makeChain();
  await say(chain, "before");
  const bytes = encodeSenderKey(await chain.handOver(BOB));
  for (const options of [BOB_FROM_ALICE, { peerId: ALICE, selfId: BOB }]) {
    const receiver = acceptSenderKey(bytes, options);
    const { room, sender, keyId, head, n, skipped, hashes } = receiver.state;
    assertEquals({ room, sender, keyId, head }, { room: ROOM, sender: ALICE, keyId: chain.state.keyId, head: HEAD });
    assertEquals([n, skipped, hashes], [1, [], []]);
  }
  assertEquals(await hear(acceptSenderKey(bytes, BOB_FROM_ALICE), await say(chain, "hello")), "hello");
});

Deno.test("acceptSenderKey() refuses a key for somebody else, from somebody else, for another room", async () => {
  const chain = await makeChain();
  const forBob = encodeSenderKey(await chain.handOver(BOB));
  const forCarol = encodeSenderKey(await chain.handOver(CAROL));
  // Carol passes on, through her own session with bob, what alice gave her.
  assertThrows(() => acceptSenderKey(forCarol, { ...BOB_FROM_ALICE, peerId: CAROL }), AuthError, "sender");
  assertThrows(() => acceptSenderKey(forCarol, BOB_FROM_ALICE), AuthError, "somebody else");
  assertThrows(() => acceptSenderKey(forBob, { ...BOB_FROM_ALICE, peerId: CAROL }), AuthError, "sender");
  assertThrows(() => acceptSenderKey(forBob, { ...BOB_FROM_ALICE, room: HEAD }), AuthError, "another room");
  // Every byte of the two ids counts.
  for (let i = SENDER_KEY_BYTES - 64; i < SENDER_KEY_BYTES; i++) {
    assertThrows(() => acceptSenderKey(flipped(forBob, i), BOB_FROM_ALICE), AuthError);
  }
});

Deno.test("acceptSenderKey() refuses every signature key of small order", async () => {
  const key = await (await makeChain()).handOver(BOB);
  for (const hex of SMALL_ORDER_ED25519) {
    const bytes = encodeSenderKey({ ...key, signPublic: decodeHex(hex) });
    assertThrows(() => acceptSenderKey(bytes, BOB_FROM_ALICE), AuthError);
  }
});

Deno.test("decodeSenderKey() gives back every field, and refuses what encodeSenderKey() does not make", async () => {
  const key = await (await makeChain()).handOver(BOB);
  const encoded = encodeSenderKey(key);
  assertEquals(decodeSenderKey(encoded), key);
  for (const n of [0, 2 ** 32 - 1]) assertEquals(decodeSenderKey(encodeSenderKey({ ...key, n })).n, n);
  await refusesOtherLengths(decodeSenderKey, encoded);
  await recodes((bytes) => encodeSenderKey(decodeSenderKey(bytes)), encoded);
  const labelBytes = label("sender key").length;
  for (let i = 0; i <= labelBytes; i++) {
    await assertRejects(async () => await decodeSenderKey(flipped(encoded, i)), DecodeError);
  }
});

Deno.test("encodeSenderKey() refuses fields of another length", async () => {
  const key = await (await makeChain()).handOver(BOB);
  const fields = [
    "room",
    "head",
    "sender",
    "recipient",
    "keyId",
    "chainKey",
    "signPublic",
  ] as const satisfies readonly (
    keyof SenderKey
  )[];
  for (const field of fields) {
    for (const length of [0, 31, 33]) {
      assertThrows(() => encodeSenderKey({ ...key, [field]: new Uint8Array(length) }), RangeError);
    }
  }
});

Deno.test("isSenderKey() tells a key from a message: no bytes are both", async () => {
  const key = encodeSenderKey(await (await makeChain()).handOver(BOB));
  assert(isSenderKey(key));
  assertThrows(() => decodePlaintext(key), DecodeError);
  const text = new TextDecoder().decode(label("sender key"));
  const messages = [{ head: {}, text }, { head: text, text: "" }].map(encodePlaintext);
  for (const other of [...messages, utf8(""), key.slice(0, 18)]) assert(!isSenderKey(other));
  // Whatever follows the label, its first two bytes are no length of a head.
  assertThrows(() => decodePlaintext(concat(label("sender key"), new Uint8Array(32_000))), DecodeError, "above");
});
