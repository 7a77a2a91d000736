// Aim: what no event can hold is refused before anything is sealed, so that no ratchet number is ever lost by it.
import { assertEquals } from "@std/assert";
import { TEXT_MAX_BYTES } from "../../lib/e2ee/plaintext.ts";
import { SKIP_MAX_PER_JUMP } from "../../lib/e2ee/skipped_keys.ts";
import { FakeNet } from "../support/fake_net.ts";

Deno.test("the longest text passes in a room of two and in private, one byte more is refused", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  const bob = await net.join("bob");
  const longest = "x".repeat(TEXT_MAX_BYTES);
  await alice.type(longest);
  await alice.type(`/pm bob ${longest}`);
  assertEquals(bob.texts, [longest, longest]);
  await alice.type(longest + "x", "r1");
  await alice.type(`/pm bob ${longest}x`, "r2");
  assertEquals(alice.all("error").map(({ code, ref }) => [code, ref]), [["tooLong", "r1"], ["tooLong", "r2"]]);
  assertEquals(bob.texts.length, 2);
});

Deno.test("bytes count, not characters", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  const bob = await net.join("bob");
  await alice.type("é".repeat(TEXT_MAX_BYTES / 2));
  await alice.type("é".repeat(TEXT_MAX_BYTES / 2 + 1));
  assertEquals([bob.texts.length, alice.all("error").length], [1, 1]);
});

Deno.test("thousands of refused messages never break a session", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  const bob = await net.join("bob");
  await alice.type("first");
  const tooLong = "x".repeat(TEXT_MAX_BYTES + 1);
  const bodies = net.bodies.length;
  for (let i = 0; i <= SKIP_MAX_PER_JUMP; i++) await alice.enter(tooLong);
  assertEquals(net.bodies.length, bodies);
  await alice.type("second");
  await alice.type("/pm bob third");
  assertEquals(bob.texts, ["first", "second", "third"]);
  assertEquals(bob.notices, []);
});

Deno.test("what a room can hold does not depend on its size", async () => {
  const net = await FakeNet.create();
  const people = [];
  for (let i = 0; i < 12; i++) people.push(await net.join(`person-${i}`));
  const [writer, ...readers] = people;
  await writer?.type("y".repeat(TEXT_MAX_BYTES));
  assertEquals(readers.map(({ texts }) => texts.map((text) => text.length)), readers.map(() => [TEXT_MAX_BYTES]));
});
