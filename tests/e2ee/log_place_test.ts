import { assertEquals } from "@std/assert";
import { type Peer, World } from "./_room_world.ts";

/** Lets somebody know every op, of which the stream has passed none by. */
async function fetchOps(peer: Peer): Promise<void> {
  const { room, world } = peer;
  for (const placed of world.log) {
    if (placed.kind !== "op" || placed.epoch <= room.membership.epoch) continue;
    const { epoch, atMs, bytes } = placed;
    await room.placeOp(bytes, { epoch, atMs, nowMs: world.nowMs, isAhead: true });
    room.miss();
  }
}

/** What becomes of the messages after a place, ops that were fetched passing by between them. */
async function read(peer: Peer): Promise<string[]> {
  const kinds: string[] = [];
  for (const placed of peer.world.log) {
    if (placed.seq <= peer.at) continue;
    peer.at = placed.seq;
    if (placed.kind === "op") await peer.room.passed(placed.epoch);
    else if (placed.from !== peer.who) {
      const heard = await peer.room.message(placed.bytes, { ...placed, nowMs: peer.world.nowMs });
      kinds.push(heard.kind === "refused" ? heard.reason : heard.kind);
    }
  }
  return kinds;
}

/** Ada, ben, cleo and dan, all of whom have spoken; dan reads nothing from now on. */
async function stage(): Promise<{ readonly world: World; readonly dan: Peer }> {
  const world = await World.invite("ada", "ben", "cleo", "dan");
  for (const name of ["ada", "ben", "cleo", "dan"]) await world.of(name).say("hello");
  await world.settle();
  return { world, dan: world.of("dan") };
}

/** Lets all but dan read everything. */
async function settle(world: World, dan: Peer): Promise<void> {
  for (const peer of world.peers) if (peer !== dan) await peer.catchUp();
}

async function remove(world: World, name: string, dan: Peer): Promise<void> {
  const { at } = dan;
  dan.at = Infinity; // `World.remove` lets everybody read
  await world.remove(world.of("ada"), world.of(name));
  dan.at = at;
}

Deno.test("Room.message() judges by the place of the stream when ops were fetched", async () => {
  const { world, dan } = await stage();
  await world.of("ben").say("one");
  await world.of("cleo").say("two");
  await settle(world, dan);
  await remove(world, "cleo", dan);
  await world.of("ben").say("three");
  await settle(world, dan);
  await fetchOps(dan);
  assertEquals(await read(dan), ["opened", "opened", "held"]); // the key of the third is in the inbox
  await dan.readInbox();
  assertEquals(dan.texts.at(-1), "ben: three");
});

Deno.test("Room.message() refuses what was placed after a removal that was fetched and has passed by", async () => {
  const { world, dan } = await stage();
  const late = await world.of("cleo").seal("I am still here");
  const missed = await world.of("ben").seal("I did not hear of it");
  await remove(world, "cleo", dan);
  world.place("message", late.message, world.of("cleo"));
  world.place("message", missed.message, world.of("ben"));
  await fetchOps(dan);
  assertEquals(await read(dan), ["stranger", "stale"]);
});

Deno.test("Room.caughtUp() judges by the newest op, whether or not it passed by", async () => {
  const { world, dan } = await stage();
  const late = await world.of("cleo").seal("I am still here");
  await remove(world, "cleo", dan);
  dan.at = world.log.length; // the stream has forgotten the op
  world.place("message", late.message, world.of("cleo"));
  await fetchOps(dan);
  dan.room.caughtUp();
  assertEquals(await read(dan), ["stranger"]);
});

Deno.test("Room.message() of a head that was fetched counts what came before that head", async () => {
  const { world, dan } = await stage();
  await remove(world, "cleo", dan);
  dan.at = world.log.length; // forgotten, and nothing passes by
  await world.of("ben").say("after it");
  await fetchOps(dan);
  await dan.readInbox();
  assertEquals(await read(dan), ["opened"]);
});

Deno.test("Room.passed() ends chains with the removal that passes by, and not when it is fetched", async () => {
  const { world, dan } = await stage();
  await remove(world, "cleo", dan);
  dan.at = world.log.length - 1;
  await settle(world, dan);
  await fetchOps(dan);
  const chains = () => [...dan.rows.keys()].filter((name) => name.startsWith("chain/")).length;
  dan.keep();
  assertEquals(chains(), 3);
  await read(dan);
  dan.keep();
  assertEquals(chains(), 0);
});
