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
  assertEquals(bob.all("notice").map(({ code, text }) => [code, text.includes("alice")]), [["cannotOpen", true]]);
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
