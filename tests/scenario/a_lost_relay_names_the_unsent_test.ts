// Aim: nothing is dropped in silence: what a lost relay did not accept is named, in the order in which it was written.
import { assertEquals } from "@std/assert";
import { OUTGOING_MAX, PUBLISHED_MAX_BYTES } from "../../lib/chat/outgoing.ts";
import { FakeNet } from "../support/fake_net.ts";
import { HostileRelay } from "../support/hostile_relay.ts";

Deno.test("unsent() names lines in the order in which they were written, whatever became of them", async () => {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  const alice = await net.join("alice");
  await net.join("bob");
  await net.join("carol", { room: "attic" });
  await alice.type("/users");
  await alice.type("accepted");
  relay.always(alice, "accepted", () => []);
  relay.always(alice, "bundle", () => []);
  await alice.type("/pm carol waits for keys", "r1");
  await alice.type("is with the relay", "r2");
  await alice.type("/pm bob so is this");
  await alice.type("/pm carol waits too", "r4");
  assertEquals(alice.chat.unsent().map(({ text, ref }) => [text, ref]), [
    ["waits for keys", "r1"],
    ["is with the relay", "r2"],
    ["so is this", undefined],
    ["waits too", "r4"],
  ]);
});

Deno.test("while 256 lines are on their way no input is taken, and again once some are accepted", async () => {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  const alice = await net.join("alice");
  const bob = await net.join("bob");
  await alice.type("keys are here");
  relay.always(alice, "accepted", () => []);
  const held = relay.passed.length;
  for (let i = 1; i <= OUTGOING_MAX; i++) {
    assertEquals(alice.chat.takesInput, true);
    await alice.type(`line ${i}`);
  }
  assertEquals(alice.chat.takesInput, false);
  relay.behave();
  const accepts = relay.passed.slice(held).filter(({ to, packet }) => to === alice && packet.message.t === "accepted");
  for (const { packet } of accepts) net.inject(alice, packet);
  await net.settle();
  assertEquals(alice.chat.takesInput, true);
  assertEquals(alice.all("accepted").length, OUTGOING_MAX + 1);
  assertEquals(bob.texts.length, OUTGOING_MAX + 1);
});

Deno.test("lines that waited for keys are handed to the relay as it keeps up, not all at once", async () => {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  const alice = await net.join("alice");
  const bob = await net.join("bob");
  let held: (() => void) | undefined;
  relay.once(alice, "bundle", (packet) => {
    held = () => net.inject(alice, packet);
    return [];
  });
  const long = "z".repeat(16_000);
  for (let i = 0; i < OUTGOING_MAX - 1; i++) await alice.enter(`${i} ${long}`);
  await net.settle();
  held?.();
  const before = net.sent.length;
  relay.always(alice, "accepted", () => []);
  await net.settle();
  const burst = net.sent.slice(before).filter(({ from }) => from === alice);
  const burstBytes = burst.reduce((sum, { packet }) => sum + packet.body.length, 0);
  assertEquals(burstBytes >= PUBLISHED_MAX_BYTES && burstBytes < PUBLISHED_MAX_BYTES + 48 * 1024, true);
  const accepts = relay.passed.filter(({ to, packet }) => to === alice && packet.message.t === "accepted");
  relay.behave();
  for (const { packet } of accepts) net.inject(alice, packet);
  await net.settle();
  assertEquals(bob.texts.map((text) => text.split(" ")[0]), Array.from({ length: OUTGOING_MAX - 1 }, (_, i) => `${i}`));
});

Deno.test("what the relay refuses is named with its ref and not counted as on its way", async () => {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  const alice = await net.join("alice");
  const bob = await net.join("bob", { life: "ephemeral" }); // nothing waits for one who cannot come back
  await alice.type("/pm bob hello");
  relay.once(alice, "accepted", ({ message }) => [{
    message: { t: "refused", id: message.id, code: "inboxFull", message: "Too much waits." },
    body: new Uint8Array(),
  }]);
  await alice.type("/pm bob again", "r1");
  assertEquals(alice.all("error").map(({ code, ref }) => [code, ref]), [["unsent", "r1"]]);
  assertEquals(alice.chat.unsent(), []);
  relay.once(alice, "left", () => []);
  await bob.drop();
  await alice.type("/pm bob are you there", "r2");
  assertEquals(alice.all("error").map(({ code, ref }) => [code, ref]), [["unsent", "r1"], ["noSuchPerson", "r2"]]);
});
