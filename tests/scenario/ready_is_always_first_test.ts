// Aim: a script may wait for `ready` and will have missed nothing: whatever comes earlier is told right after it.
import { assertEquals } from "@std/assert";
import { ProtocolError } from "../../lib/bytes/errors.ts";
import { FakeNet } from "../support/fake_net.ts";
import { flipped, HostileRelay } from "../support/hostile_relay.ts";

Deno.test("a private message that comes before the room is entered is shown after ready", async () => {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  const bob = await net.join("bob", { room: "attic" });
  const alice = await net.link("alice");
  let isHeld = true;
  relay.always(alice, "subscribed", (packet) => {
    if (packet.message.stream === alice.inbox || !isHeld) return [packet];
    held = () => net.inject(alice, packet);
    return [];
  });
  let held = () => {};
  await net.settle();
  await bob.type("/users");
  await bob.type("/pm alice early");
  assertEquals(alice.events, []);
  assertEquals(alice.chat.takesInput, false);
  isHeld = false;
  held();
  await net.settle();
  assertEquals(alice.events.map((event) => event.type), ["ready", "message"]);
});

Deno.test("a warning about the roster comes after ready", async () => {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  await net.join("bob");
  const alice = await net.link("alice");
  relay.once(alice, "roster", ({ message, body }) => [{ message, body: flipped(body, -1) }]);
  await net.settle();
  assertEquals(alice.events.map((event) => event.type), ["ready", "notice"]);
  assertEquals(alice.all("ready")[0]?.members.map(({ handle, isHere }) => [handle, isHere]), [["bob", false]]);
});

Deno.test("a relay that talks without end before the room is entered is refused", async () => {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  const alice = await net.link("alice");
  relay.always(alice, "subscribed", () => []);
  relay.always(alice, "roster", () => []);
  await net.settle();
  const room = net.sent.flatMap(({ packet: { message } }) => message.t === "enter" ? [message.room] : [])[0] ?? "";
  for (let i = 0; i < 300; i++) {
    await relay.say(alice, { t: "joined", room, at: net.nowMs }, Uint8Array.of(1));
    if (alice.failure !== undefined) break;
  }
  assertEquals(alice.failure instanceof ProtocolError, true);
  assertEquals(alice.events, []);
});
