// Aim: two people who write to each other through session books, in good order, in bad order and at the same time.
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import { compareBytes } from "../../lib/bytes/equal.ts";
import { type Bytes, utf8 } from "../../lib/bytes/writer.ts";
import { sha256 } from "../../lib/crypto/hash.ts";
import { decodeBox } from "../../lib/e2ee/box.ts";
import { AT, firstBox, hear, makePerson, type Person, say, sessionsWith, verifiedBundle } from "./_people.ts";

function sessionOf(box: Bytes): string {
  return encodeHex(decodeBox(box).header.sessionId);
}

function ephemeralOf(box: Bytes): Bytes {
  const decoded = decodeBox(box);
  if (decoded.kind !== "initial") throw new TypeError("Cannot read: the box is not initial");
  return decoded.x3dh.ephemeralPublic;
}

/** Two people of whom each has begun a session that the other has not seen; alice's EK sorts first or not. */
async function crossing(aliceSortsFirst: boolean): Promise<{ alice: Person; bob: Person; boxes: [Bytes, Bytes] }> {
  for (;;) {
    const [alice, bob] = [await makePerson("alice"), await makePerson("bob")];
    const boxes: [Bytes, Bytes] = [await firstBox(alice, bob, "from alice"), await firstBox(bob, alice, "from bob")];
    const order = compareBytes(ephemeralOf(boxes[0]), ephemeralOf(boxes[1]));
    if (order < 0 === aliceSortsFirst) return { alice, bob, boxes };
  }
}

Deno.test("PeerSessions.seal() repeats the X3DH header until the first answer was opened", async () => {
  const [alice, bob] = [await makePerson("alice"), await makePerson("bob")];
  const first = await firstBox(alice, bob, "one");
  const second = await say(alice, bob, "two");
  assertEquals([decodeBox(first).kind, decodeBox(second).kind], ["initial", "initial"]);
  assertEquals(await hear(bob, first), "alice: one");
  assertEquals(await hear(bob, second), "alice: two");
  const answer = await say(bob, alice, "three");
  assertEquals(decodeBox(answer).kind, "ratchet");
  assertEquals(sessionsWith(alice, bob).isAnswered, false);
  assertEquals(await hear(alice, answer), "bob: three");
  assertEquals(sessionsWith(alice, bob).isAnswered, true);
  const fourth = await say(alice, bob, "four");
  assertEquals(decodeBox(fourth).kind, "ratchet");
  assertEquals(await hear(bob, fourth), "alice: four");
});

Deno.test("PeerSessions.seal() throws when there is no session", async () => {
  const [alice, bob] = [await makePerson("alice"), await makePerson("bob")];
  assertEquals(sessionsWith(alice, bob).hasSession, false);
  assertEquals(alice.book.hasSessionWith(bob.certificate.fingerprint), false);
  await assertRejects(() => say(alice, bob, "hello"), TypeError);
  await firstBox(alice, bob, "hello");
  assertEquals(alice.book.hasSessionWith(bob.certificate.fingerprint), true);
  await assertRejects(() => sessionsWith(alice, bob).seal(new Uint8Array(32_765), AT), RangeError);
});

Deno.test("PeerSessions.startFrom() refuses another identity's bundle", async () => {
  const [alice, bob, carol] = [await makePerson("alice"), await makePerson("bob"), await makePerson("carol")];
  const bundle = await verifiedBundle(carol);
  assertThrows(() => sessionsWith(alice, bob).startFrom(bundle, AT), RangeError);
});

Deno.test("PeerSessions.seal() works without a one-time prekey", async () => {
  const [alice, bob] = [await makePerson("alice"), await makePerson("bob")];
  assertEquals(await hear(bob, await firstBox(alice, bob, "hello", false)), "alice: hello");
  assertEquals(await hear(alice, await say(bob, alice, "hello too")), "bob: hello too");
});

Deno.test("PeerSessions.seal() gives each of many concurrent calls a number and a key of its own", async () => {
  const [alice, bob] = [await makePerson("alice"), await makePerson("bob")];
  await firstBox(alice, bob, "first");
  const texts = Array.from({ length: 50 }, (_, i) => `text ${i}`);
  const boxes = await Promise.all(texts.map((text) => say(alice, bob, text)));
  assertEquals(boxes.map((box) => decodeBox(box).header.n), texts.map((_, i) => i + 1), "in the order of the calls");
  const commitments = boxes.map((box) => encodeHex(decodeBox(box).message.slice(72, 104)));
  assertEquals(new Set(commitments).size, boxes.length);
  assertEquals(await Promise.all(boxes.map((box) => hear(bob, box))), texts.map((text) => `alice: ${text}`));
});

Deno.test("SessionBook.open() takes concurrent boxes of one new session, repeats among them", async () => {
  const [alice, bob] = [await makePerson("alice"), await makePerson("bob")];
  const boxes = [await firstBox(alice, bob, "0"), await say(alice, bob, "1"), await say(alice, bob, "2")];
  const heard = await Promise.all([2, 0, 1, 0, 2].map((i) => hear(bob, boxes[i] as Bytes)));
  assertEquals(heard, ["alice: 2", "alice: 0", "alice: 1", "repeat", "repeat"]);
  assertEquals(bob.book.prekeys.oneTime, []);
});

Deno.test("SessionBook.open() and PeerSessions.seal() may overlap", async () => {
  const [alice, bob] = [await makePerson("alice"), await makePerson("bob")];
  await hear(bob, await firstBox(alice, bob, "first"));
  await hear(alice, await say(bob, alice, "answer"));
  for (let round = 0; round < 10; round++) {
    const waiting = await Promise.all([say(alice, bob, "a1"), say(alice, bob, "a2"), say(alice, bob, "a3")]);
    const [heard, answers] = await Promise.all([
      Promise.all(waiting.map((box) => hear(bob, box))),
      Promise.all([say(bob, alice, "b1"), say(bob, alice, "b2")]),
    ]);
    assertEquals(heard, ["alice: a1", "alice: a2", "alice: a3"]);
    assertEquals(await Promise.all(answers.map((box) => hear(alice, box))), ["bob: b1", "bob: b2"]);
  }
});

Deno.test("PeerSessions.seal() of both sides chooses the EK that sorts first when first messages crossed", async () => {
  for (const aliceSortsFirst of [true, false]) {
    const { alice, bob, boxes } = await crossing(aliceSortsFirst);
    assertEquals(await hear(bob, boxes[0]), "alice: from alice");
    assertEquals(await hear(alice, boxes[1]), "bob: from bob");
    const chosen = sessionOf(boxes[aliceSortsFirst ? 0 : 1]);
    const [next, answer] = [await say(alice, bob, "next"), await say(bob, alice, "answer")];
    assertEquals([sessionOf(next), sessionOf(answer)], [chosen, chosen]);
    assertEquals(await hear(alice, answer), "bob: answer");
    assertEquals(await hear(bob, next), "alice: next");
    const last = await say(alice, bob, "last");
    assertEquals(decodeBox(last).kind, "ratchet");
    assertEquals(sessionOf(last), chosen);
    assertEquals(await hear(bob, last), "alice: last");
  }
});

Deno.test("PeerSessions.seal() moves to the newest session that the peer started", async () => {
  const [alice, bob] = [await makePerson("alice"), await makePerson("bob")];
  await hear(bob, await firstBox(alice, bob, "first"));
  await hear(alice, await say(bob, alice, "answer"));
  const restart = await firstBox(bob, alice, "starting again");
  const late = await say(alice, bob, "on the old session");
  assertEquals(await hear(alice, restart), "bob: starting again");
  assertEquals(sessionOf(await say(alice, bob, "next")), sessionOf(restart));
  assertEquals(await hear(bob, late), "alice: on the old session");
  assertEquals(sessionOf(await say(bob, alice, "next")), sessionOf(restart), "a late box changes nothing");
});

Deno.test("PeerSessions.seal() prefers the session of ours that was answered to one that was not", async () => {
  const [alice, bob] = [await makePerson("alice"), await makePerson("bob")];
  const first = await firstBox(alice, bob, "first");
  await hear(bob, first);
  const answer = await say(bob, alice, "answer");
  await firstBox(alice, bob, "lost on the way");
  assertEquals(await hear(alice, answer), "bob: answer");
  assertEquals(sessionOf(await say(alice, bob, "next")), sessionOf(first));
});

Deno.test("PeerSessions.useSession() leaves a session that the peer cannot open", async () => {
  const { alice, bob, boxes } = await crossing(true);
  // Bob has lost what he needs for alice's first message, so he never answers on the session that sorts first.
  assertEquals(await hear(alice, boxes[1]), "bob: from bob");
  assertEquals(sessionOf(await say(alice, bob, "lost")), sessionOf(boxes[0]));
  sessionsWith(alice, bob).useSession(decodeBox(boxes[1]).header.sessionId);
  const next = await say(alice, bob, "next");
  assertEquals(sessionOf(next), sessionOf(boxes[1]));
  assertEquals(await hear(bob, next), "alice: next");
  assertThrows(() => sessionsWith(alice, bob).useSession(new Uint8Array(16)), RangeError);
});

Deno.test("PeerSessions.startFrom() keeps five sessions and retires the last in order", async () => {
  const [alice, bob] = [await makePerson("alice"), await makePerson("bob")];
  const boxes: Bytes[] = [];
  const later: Bytes[] = [];
  for (let i = 0; i < 6; i++) {
    boxes.push(await firstBox(alice, bob, `session ${i}`, false));
    later.push(await say(alice, bob, `later ${i}`));
  }
  for (const [i, box] of boxes.entries()) assertEquals(await hear(bob, box), `alice: session ${i}`);
  assertEquals(await hear(bob, later[0] as Bytes), "unopenable: retired");
  assertEquals(await hear(bob, boxes[0] as Bytes), "unopenable: retired", "it cannot begin a second time");
  for (let i = 1; i < 6; i++) assertEquals(await hear(bob, later[i] as Bytes), `alice: later ${i}`);
});

Deno.test("SessionBook.open() names the session, the number and the box", async () => {
  const [alice, bob] = [await makePerson("alice"), await makePerson("bob")];
  const first = await firstBox(alice, bob, "first");
  const second = await say(alice, bob, "second");
  const opened = await bob.book.open(second, AT);
  assertEquals(opened, {
    kind: "opened",
    peer: alice.certificate,
    plaintext: utf8("second"),
    n: 1,
    sessionId: decodeBox(first).header.sessionId,
    boxHash: await sha256(second),
  });
});
