// Aim: /quit loses nothing that can still be sent, and does not wait for ever for what cannot.
import { assertEquals } from "@std/assert";
import { LEAVE_TIMEOUT_MS } from "../../lib/chat/chat.ts";
import { KEY_REQUEST_TIMEOUT_MS } from "../../lib/chat/key_requests.ts";
import { FakeNet } from "../support/fake_net.ts";
import { HostileRelay } from "../support/hostile_relay.ts";

Deno.test("/quit with nothing pending ends at once", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  await alice.type("/quit");
  assertEquals(alice.hasFinished, true);
});

Deno.test("/quit waits until what was written is accepted", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  const bob = await net.join("bob");
  for (let i = 0; i < 20; i++) await alice.enter(`line ${i}`);
  await alice.enter("/pm bob the last");
  await alice.enter("/users");
  await alice.enter("/quit");
  assertEquals(alice.hasFinished, false);
  await net.settle();
  assertEquals(alice.hasFinished, true);
  assertEquals(bob.texts.length, 21);
  assertEquals(alice.all("accepted").length, 21);
  assertEquals(alice.all("users").length, 1);
  assertEquals(alice.chat.unsent(), []);
});

Deno.test("/quit takes no further input, and a second one changes nothing", async () => {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  const alice = await net.join("alice");
  await net.join("bob");
  relay.always(alice, "accepted", () => []);
  await alice.type("hello");
  await alice.type("/quit");
  assertEquals(alice.chat.takesInput, false);
  const dueMs = net.nowMs + LEAVE_TIMEOUT_MS;
  await net.advance(3_000);
  await alice.type("/quit");
  await net.advance(dueMs - net.nowMs - 1);
  assertEquals(alice.hasFinished, false);
  await net.advance(1);
  assertEquals(alice.hasFinished, true);
  assertEquals(alice.chat.unsent().map(({ text }) => text), ["hello"]);
});

Deno.test("/quit still leaves out whoever's keys do not come", async () => {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  const alice = await net.join("alice");
  await net.join("bob");
  relay.always(alice, "bundle", () => []);
  await alice.type("hello");
  await alice.type("/quit");
  assertEquals(alice.wakeAtMs, net.nowMs + KEY_REQUEST_TIMEOUT_MS);
  await net.advance(KEY_REQUEST_TIMEOUT_MS);
  assertEquals(alice.hasFinished, true);
  assertEquals(alice.notices, ["keysMissing"]);
});

Deno.test("a client that has finished asks for no further tick", async () => {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  const alice = await net.join("alice");
  await net.join("bob");
  relay.always(alice, "accepted", () => []);
  await alice.type("hello");
  await alice.type("/quit");
  await net.advance(LEAVE_TIMEOUT_MS);
  const effects = await alice.chat.handle({ kind: "tick", nowMs: net.nowMs });
  assertEquals(effects, []);
});
