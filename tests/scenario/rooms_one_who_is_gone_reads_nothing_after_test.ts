// Aim: who left a room or was removed from it reads nothing that is written afterwards, whatever they kept: not with a
// copy of their state from before, not when the relay tells that copy nothing, and not by keeping no rule at all.
import { assert, assertEquals } from "@std/assert";
import { decodeKnownChain } from "../../lib/e2ee/room_rows.ts";
import { OPEN_ROTATION_MS } from "../../lib/e2ee/room_speaker.ts";
import { type FakeClient, FakeNet, type Kept } from "../support/fake_net.ts";
import { HostileRelay } from "../support/hostile_relay.ts";

const WAYS = {
  "was removed": ["den", "alice", "/remove carol"],
  "left a room of invited people": ["den", "carol", "/leave den"],
  "left an open room": ["garden", "carol", "/leave garden"],
} as const;

/** Everybody is in a room, and carol has copied her directory. */
async function stage(room: "den" | "garden") {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  const [alice, bob, carol] = [await net.join("alice"), await net.join("bob"), await net.join("carol")];
  await alice.type(room === "den" ? "/room create den --invite-only" : "/join garden");
  for (const person of [bob, carol]) {
    if (room === "den") await alice.type(`/invite ${person.certificate.handle}`);
    await person.type(`/join ${room}`);
  }
  await alice.type("first");
  await bob.type("second");
  assertEquals([carol.texts, carol.all("roomJoined").map((joined) => joined.room)], [["first", "second"], [room]]);
  return { net, relay, alice, bob, carol, copy: carol.kept.copy() };
}

/** Carol goes; then it is written on, once those who speak had time to change their keys. */
async function part(people: Record<"alice" | "bob" | "carol", FakeClient>, way: keyof typeof WAYS): Promise<void> {
  const { alice, bob, carol } = people;
  const [, who, line] = WAYS[way];
  await people[who].type(line);
  assertEquals(carol.all("roomLeft").length, 1);
  await alice.net.advance(OPEN_ROTATION_MS + 1);
  await alice.type("without carol");
  await bob.type("indeed");
  assertEquals([alice.texts.at(-1), bob.texts.at(-1)], ["indeed", "without carol"]);
}

/** Opens messages with the keys of a stored state alone, minding neither members nor heads. */
async function openWith(kept: Kept, messages: readonly Uint8Array<ArrayBuffer>[]): Promise<number> {
  const rows = (kept.state.rooms ?? []).filter(({ name }) => name.startsWith("chain/"));
  const chains = await Promise.all(rows.map(async ({ value }) => (await decodeKnownChain(value)).chain));
  assert(chains.length > 0);
  let opened = 0;
  for (const message of messages) {
    const tries = await Promise.allSettled(chains.map((chain) => chain.open(message, { nowMs: 0 })));
    opened += tries.filter((one) => one.status === "fulfilled" && one.value.kind === "opened").length;
  }
  return opened;
}

function roomMessages(net: FakeNet) {
  return net.sent.flatMap(({ packet: { message, body } }) =>
    message.t === "publish" && message.kind === "message" && message.stream.startsWith("room/") ? [body] : []
  );
}

for (const [way, [room]] of Object.entries(WAYS)) {
  const gone = way as keyof typeof WAYS;

  Deno.test(`one who ${way} reads nothing after it, and with a copy from before no more`, async () => {
    const { net, alice, bob, carol, copy } = await stage(room);
    await part({ alice, bob, carol }, gone);
    assertEquals(carol.texts, ["first", "second"]);
    await carol.drop();
    const again = await net.restart(carol, copy);
    assertEquals([again.texts, again.failure], [[], undefined]);
  });

  Deno.test(`one who ${way} reads nothing after it on a relay that tells their old copy nothing`, async () => {
    const { net, relay, alice, bob, carol, copy } = await stage(room);
    await part({ alice, bob, carol }, gone);
    await carol.drop();
    const { identity, certificate } = carol;
    const again = await net.link("carol", { identity, certificate, kept: copy });
    let hidden = 0;
    relay.always(again, "event", ({ message, body }) => {
      if (message.kind !== "op") return [{ message: { ...message, seq: message.seq - hidden }, body }];
      hidden++;
      return [];
    });
    await net.settle();
    await alice.type("still without carol");
    assertEquals([hidden, again.all("roomLeft"), again.texts], [1, [], []]);
    assertEquals(again.all("fork").map((fork) => fork.room), [room, room]); // alice and bob see another history
  });

  Deno.test(`one who ${way} and keeps no rule opens nothing after it with the keys from before`, async () => {
    const { net, alice, bob, carol, copy } = await stage(room);
    const before = roomMessages(net).length;
    await alice.type("for carol too");
    assertEquals(await openWith(copy, roomMessages(net).slice(before)), 1); // so they are the keys
    const last = roomMessages(net).length;
    await part({ alice, bob, carol }, gone);
    const after = roomMessages(net).slice(last);
    assertEquals([after.length, await openWith(copy, after)], [2, 0]);
  });
}
