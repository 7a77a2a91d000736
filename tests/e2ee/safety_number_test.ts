// Aim: two programs written apart show the same number for the same keys, and another for any other key.
import { assertEquals, assertMatch, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { AuthError } from "../../lib/bytes/errors.ts";
import type { Bytes } from "../../lib/bytes/writer.ts";
import { dhKeyPairFrom, generateDhKeyPair } from "../../lib/crypto/dh.ts";
import { generateSignKeyPair, signKeyPairFrom } from "../../lib/crypto/sign.ts";
import {
  joinSafetyHalves,
  safetyHalf,
  type SafetyKeys,
  safetyNumber,
  spellSafetyNumber,
} from "../../lib/e2ee/safety_number.ts";
import { flipped, makePerson } from "./_people.ts";

const IDENTITIES = 46;

async function randomKeys(): Promise<SafetyKeys> {
  const [sign, dh] = [await generateSignKeyPair(), await generateDhKeyPair()];
  return { signPublic: sign.publicBytes, dhPublic: dh.publicBytes };
}

/**
 * PROTOCOL §1 once more, from its text alone and with another library:
 * id = SHA-256("id" || IDs || IDd), labels and fields as in "Conventions"; K = IDs || IDd; h0 = u16be 0 || K || id;
 * h = SHA-512(h || K), 5,200 rounds; the first 30 bytes as 6 groups of (u40be mod 100,000).
 */
function halfFromTheText({ signPublic, dhPublic }: SafetyKeys): string {
  const lengthOf32 = Buffer.from([0, 0, 0, 32]);
  const fields = Buffer.concat([lengthOf32, signPublic, lengthOf32, dhPublic]);
  const id = createHash("sha256").update("sotto/1 id\0", "latin1").update(fields).digest();
  const k = Buffer.concat([signPublic, dhPublic]);
  let h: Uint8Array = Buffer.concat([Buffer.from([0, 0]), k, id]);
  for (let i = 0; i < 5200; i++) h = createHash("sha512").update(h).update(k).digest();
  const groups = [0, 5, 10, 15, 20, 25].map((at) => Buffer.from(h).readUIntBE(at, 5) % 100_000);
  return groups.map((group) => String(group).padStart(5, "0")).join("");
}

Deno.test("safetyHalf() agrees with an implementation from the text for all 1,035 pairs of 46 identities", async () => {
  const people = await Promise.all(Array.from({ length: IDENTITIES }, randomKeys));
  const ours = await Promise.all(people.map(safetyHalf));
  const theirs = people.map(halfFromTheText);
  const numbers = new Set<string>();
  for (let a = 0; a < IDENTITIES; a++) {
    for (let b = a + 1; b < IDENTITIES; b++) {
      const [first, second] = [theirs[a] as string, theirs[b] as string].toSorted();
      const number = joinSafetyHalves(ours[a] as string, ours[b] as string);
      assertEquals(number, `${first}${second}`);
      assertEquals(joinSafetyHalves(ours[b] as string, ours[a] as string), number);
      numbers.add(number);
    }
  }
  assertEquals(numbers.size, 1_035);
});

Deno.test("safetyNumber() is the same on both sides and joins the halves of both", async () => {
  const [alice, bob] = [await makePerson("alice"), await makePerson("bob")];
  const [seenByAlice, seenByBob] = await Promise.all([
    safetyNumber(alice.certificate, bob.certificate),
    safetyNumber(bob.certificate, alice.certificate),
  ]);
  assertEquals(seenByAlice, seenByBob);
  assertMatch(seenByAlice, /^\d{60}$/);
  const halves = [halfFromTheText(alice.certificate), halfFromTheText(bob.certificate)].toSorted();
  assertEquals(seenByAlice, halves.join(""));
});

Deno.test("safetyNumber() of fixed keys is the recorded one", async () => {
  const keys = async (byte: number) => ({
    signPublic: (await signKeyPairFrom(new Uint8Array(32).fill(byte))).publicBytes,
    dhPublic: (await dhKeyPairFrom(new Uint8Array(32).fill(byte + 1))).publicBytes,
  });
  assertEquals(
    await safetyNumber(await keys(1), await keys(4)),
    "402352081683179938247094118232933533891865210018527002213933",
  );
});

Deno.test("safetyHalf() changes with either key", async () => {
  const keys = await randomKeys();
  const half = await safetyHalf(keys);
  assertNotEquals(await safetyHalf({ ...keys, signPublic: (await randomKeys()).signPublic }), half);
  assertNotEquals(await safetyHalf({ ...keys, dhPublic: (await randomKeys()).dhPublic }), half);
  assertNotEquals(await safetyHalf({ ...keys, dhPublic: flipped(keys.dhPublic, 7) }), half);
});

Deno.test("safetyHalf() refuses keys that no honest party has", async () => {
  const keys = await randomKeys();
  const bad: Bytes[] = [new Uint8Array(0), new Uint8Array(31), new Uint8Array(33), new Uint8Array(32)];
  for (const key of bad) {
    await assertRejects(() => safetyHalf({ ...keys, signPublic: key }), AuthError);
    await assertRejects(() => safetyHalf({ ...keys, dhPublic: key }), AuthError);
  }
});

Deno.test("joinSafetyHalves() sorts, and refuses what is no half", () => {
  const [low, high] = ["0".repeat(30), "9".repeat(30)];
  assertEquals(joinSafetyHalves(high, low), low + high);
  assertEquals(joinSafetyHalves(low, high), low + high);
  for (const bad of ["", "1".repeat(29), "1".repeat(31), `${"1".repeat(29)}x`, `${low}\n`]) {
    assertThrows(() => joinSafetyHalves(bad, low), RangeError);
  }
});

Deno.test("spellSafetyNumber() gives three rows of four groups of five", () => {
  const digits = Array.from({ length: 12 }, (_, i) => `${i}`.padStart(5, "0")).join("");
  assertEquals(spellSafetyNumber(digits), [
    "00000 00001 00002 00003",
    "00004 00005 00006 00007",
    "00008 00009 00010 00011",
  ]);
  for (const bad of ["", digits.slice(1), `${digits}0`, digits.replace("1", "x")]) {
    assertThrows(() => spellSafetyNumber(bad), RangeError);
  }
});
