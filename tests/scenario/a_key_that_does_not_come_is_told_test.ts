// Aim: a relay that keeps a sender key back silences its author for one reader, and that reader is told.
import { assertEquals } from "@std/assert";
import { KEY_AWAITED_MS } from "../../lib/chat/room_reading.ts";
import { FakeNet } from "../support/fake_net.ts";
import { HostileRelay } from "../support/hostile_relay.ts";

Deno.test("messages whose key the relay keeps back are told once, and shown when it comes", async () => {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  const [alice, bob] = [await net.join("alice"), await net.join("bob")];
  let key = () => {};
  relay.once(bob, "event", (packet) => {
    assertEquals(packet.message.stream, bob.inbox);
    key = () => net.inject(bob, packet);
    return [];
  });
  for (const line of ["one", "two"]) await alice.type(line);
  assertEquals([bob.texts, bob.notices], [[], []]);
  await net.advance(KEY_AWAITED_MS - 1);
  await alice.type("and a half");
  assertEquals(bob.notices, []); // it may be for others alone, and its key on the way
  await net.advance(1);
  await alice.type("three");
  const text = "4 messages of alice in #lobby cannot be opened yet: their key has not come";
  assertEquals(bob.all("notice"), [{ type: "notice", code: "cannotOpen", text, room: "lobby" }]);
  await net.advance(10 * KEY_AWAITED_MS);
  await alice.type("later");
  assertEquals(bob.notices, ["cannotOpen"]);
  key();
  await net.settle();
  assertEquals(bob.texts, ["one", "two", "and a half", "three", "later"]);
  await alice.type("four");
  await net.advance(KEY_AWAITED_MS);
  assertEquals([bob.texts.at(-1), bob.notices], ["four", ["cannotOpen"]]);
});

Deno.test("messages whose key never comes are told once each: when they wait for long, or when they are given up", async () => {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  const [alice, bob] = [await net.join("alice"), await net.join("bob")];
  await alice.type("/room create den --invite-only");
  await alice.type("/invite bob");
  await bob.type("/join den");
  await alice.type("zero");
  await net.advance(25 * 60 * 60_000); // her next line is on another chain
  relay.once(bob, "event", (packet) => {
    assertEquals(packet.message.stream, bob.inbox);
    return [];
  });
  for (const line of ["one", "two"]) await alice.type(line);
  await net.advance(KEY_AWAITED_MS);
  await alice.type("three");
  await alice.type("four");
  await alice.type("five");
  assertEquals(bob.all("notice").map(({ text }) => text.slice(0, 10)), ["3 messages"]);
  for (let day = 0; day < 8; day++) await net.advance(24 * 60 * 60_000);
  const gaps = () => bob.all("gap").map(({ id: _, ...gap }) => gap);
  assertEquals(gaps(), [{ type: "gap", place: { room: "den" }, from: "alice", count: 2 }]);
  await alice.type("six");
  assertEquals([bob.texts, bob.all("fork")], [["zero", "six"], []]);
  const key = { type: "gap", place: { to: "bob" }, count: 1 } as const; // what else was lost, in private
  assertEquals(gaps().slice(1), [key]);
});
