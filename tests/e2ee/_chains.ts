/** Chains of rooms to test with, and the checks that every codec of theirs must stand. */

import { assert, assertEquals } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import { createHmac, hkdfSync } from "node:crypto";
import fc from "fast-check";
import { AuthError, DecodeError, ProtocolError } from "../../lib/bytes/errors.ts";
import { type Bytes, concat, u8, utf8 } from "../../lib/bytes/writer.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { SenderChain } from "../../lib/e2ee/sender_chain.ts";
import { acceptSenderKey, encodeSenderKey } from "../../lib/e2ee/sender_key.ts";
import { ReceiverChain } from "../../lib/e2ee/receiver_chain.ts";
import { parseRoomMessage } from "../../lib/e2ee/room_message.ts";
import { flipped, NOW_MS } from "./_people.ts";

export const ROOM = secureRandom(32);
export const HEAD = secureRandom(32);
export const ALICE = secureRandom(32);
export const BOB = secureRandom(32);

export function makeChain(sender = ALICE): Promise<SenderChain> {
  return SenderChain.create({ room: ROOM, sender, head: HEAD, nowMs: NOW_MS });
}

/** Hands a chain over as its bytes would go, and takes it. */
export async function taken(chain: SenderChain): Promise<ReceiverChain> {
  const bytes = encodeSenderKey(await chain.handOver(BOB));
  return acceptSenderKey(bytes, { peerId: chain.state.sender, selfId: BOB, room: ROOM });
}

export async function makePair(): Promise<{ sender: SenderChain; receiver: ReceiverChain }> {
  const sender = await makeChain();
  return { sender, receiver: await taken(sender) };
}

export function say(chain: SenderChain, text: string): Promise<Bytes> {
  return chain.seal({ head: HEAD, plaintext: utf8(text) });
}

/** What became of a message, in one word. */
export async function hear(chain: ReceiverChain, message: Bytes, nowMs = NOW_MS): Promise<string> {
  const opened = await chain.open(message, { nowMs });
  return opened.kind === "opened" ? new TextDecoder().decode(opened.plaintext) : opened.kind;
}

/** By node:crypto, so that the chain is checked against something else. */
export function messageKeyAt(chainKey: Bytes, n: number): Bytes {
  let key = chainKey;
  for (let i = 0; i < n; i++) key = new Uint8Array(createHmac("sha256", key).update(u8(2)).digest());
  return new Uint8Array(createHmac("sha256", key).update(u8(1)).digest());
}

/** K and C of a message, in hexadecimal. */
export function keysOf(messageKey: Bytes, message: Bytes): { key: string; commitment: string } {
  const salt = parseRoomMessage(message).body.slice(0, 16);
  const both = new Uint8Array(hkdfSync("sha256", messageKey, salt, utf8("sotto/1 msg\0"), 64));
  return { key: encodeHex(both.slice(0, 32)), commitment: encodeHex(both.slice(32)) };
}

export function isOurs(error: unknown): boolean {
  return error instanceof DecodeError || error instanceof AuthError || error instanceof ProtocolError;
}

/** Every truncation and a byte more are a DecodeError. */
export async function refusesOtherLengths(decode: (bytes: Bytes) => unknown, honest: Bytes): Promise<void> {
  const lengths = Array.from({ length: honest.length }, (_, i) => honest.slice(0, i));
  for (const wrong of [...lengths, concat(honest, u8(0))]) {
    const outcome = await outcomeOf(() => decode(wrong));
    assert(outcome instanceof DecodeError, `length ${wrong.length}: ${outcome}`);
  }
}

/** Every single flip, and all else, is refused with an error of ours or encodes to the same bytes again. */
export async function recodes(recode: (bytes: Bytes) => Bytes | Promise<Bytes>, honest: Bytes): Promise<void> {
  const check = async (bytes: Bytes) => {
    const outcome = await outcomeOf(() => recode(bytes));
    if (!isOurs(outcome)) assertEquals(outcome, bytes);
  };
  assertEquals(await recode(honest), honest);
  for (let i = 0; i < honest.length; i++) await check(flipped(honest, i));
  const random = fc.uint8Array({ maxLength: honest.length + 40, size: "max" }).map((all) => new Uint8Array(all));
  const spliced = fc.tuple(fc.nat(honest.length), fc.nat(honest.length), random).map(([from, to, middle]) =>
    concat(honest.slice(0, from), middle, honest.slice(to))
  );
  const edits = fc.array(fc.tuple(fc.nat(honest.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
  const edited = edits.map((list) => {
    const copy = honest.slice();
    for (const [index, value] of list) copy[index] = value;
    return copy;
  });
  await fc.assert(fc.asyncProperty(fc.oneof(random, spliced, edited), check), { numRuns: 300 });
}

export async function outcomeOf(work: () => unknown): Promise<unknown> {
  try {
    return await work();
  } catch (error) {
    return error;
  }
}

/** Runs work while `crypto.subtle.sign` for HMAC goes through `hmac`, which gets the number of the call. */
export async function withHmac<T>(hmac: (call: number) => void, work: () => Promise<T>): Promise<T> {
  const { sign } = SubtleCrypto.prototype;
  let calls = 0;
  SubtleCrypto.prototype.sign = async function (this: SubtleCrypto, ...args: Parameters<SubtleCrypto["sign"]>) {
    if (args[0] === "HMAC") hmac(calls++);
    return await sign.apply(this, args);
  };
  try {
    return await work();
  } finally {
    SubtleCrypto.prototype.sign = sign;
  }
}
