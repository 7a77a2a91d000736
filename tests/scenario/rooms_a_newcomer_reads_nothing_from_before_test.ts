// Aim: who comes into a room reads what is written from then on and nothing from before, in open rooms and in rooms
// that people are invited to, and also when the relay hands them every byte that it ever had.
import { assert, assertEquals } from "@std/assert";
import { OPEN_ROTATION_MS } from "../../lib/e2ee/room_speaker.ts";
import { type FakeClient, FakeNet } from "../support/fake_net.ts";
import { HostileRelay } from "../support/hostile_relay.ts";

/** Gives one client every message, and every box for another, that the other was ever given. */
async function handOver(relay: HostileRelay, { of, to }: Record<"of" | "to", FakeClient>): Promise<number> {
  const events = relay.passed.flatMap(({ to: reader, packet: { message, body } }) =>
    reader === of && message.t === "event" && message.kind === "message" ? [{ message, body }] : []
  );
  for (const { message, body } of events) {
    const stream = message.stream === of.inbox ? to.inbox : message.stream;
    await relay.insert(to, { ...message, stream, at: to.net.nowMs }, body);
  }
  return events.length;
}

Deno.test("a newcomer of an open room reads nothing from before, with all that the relay has", async () => {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  const alice = await net.join("alice", { room: "garden" });
  const bob = await net.join("bob", { room: "garden" });
  await alice.type("before");
  await bob.type("also before");
  const carol = await net.join("carol", { room: "garden" });
  assert(await handOver(relay, { of: bob, to: carol }) >= 2); // a message, and the key that opens it
  await alice.type("after");
  await handOver(relay, { of: bob, to: carol }); // once more: she has alice's chain by now
  await bob.type("also after");
  assertEquals([alice.texts, carol.texts], [["also before", "also after"], ["after", "also after"]]);
  assertEquals([carol.failure, carol.all("gap")], [undefined, []]);
});

Deno.test("somebody invited reads from when they were added, with all that the relay has", async () => {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  const [alice, bob, carol] = [await net.join("alice"), await net.join("bob"), await net.join("carol")];
  await alice.type("/room create den --invite-only");
  await alice.type("/invite bob");
  await bob.type("/join den");
  await alice.type("before");
  await bob.type("also before");
  await alice.type("/invite carol");
  await alice.type("once added");
  assertEquals(carol.texts, []); // she has not said yes
  await carol.type("/join den");
  await handOver(relay, { of: bob, to: carol });
  await alice.type("after");
  await handOver(relay, { of: bob, to: carol });
  await bob.type("also after");
  assertEquals(bob.texts, ["before", "once added", "after"]);
  assertEquals(carol.texts, ["once added", "after", "also after"]);
  assertEquals([carol.failure, carol.all("gap")], [undefined, []]);
});

Deno.test("one who leaves and comes back reads nothing of the time between", async () => {
  const net = await FakeNet.create();
  const [alice, bob] = [await net.join("alice", { room: "garden" }), await net.join("bob", { room: "garden" })];
  await net.join("carol", { room: "garden" }); // so that somebody reads it
  await alice.type("before");
  await bob.type("/leave garden");
  await alice.type("between");
  await net.advance(OPEN_ROTATION_MS);
  await bob.type("/join garden");
  await alice.type("after");
  assertEquals([bob.texts, bob.all("gap")], [["before", "after"], []]);
});
