// Aim: in a room, who may read what follows from the log alone; what is dropped, forged, replayed, hidden or invented is
// refused or shown, at the cost of whoever did it; and the room goes on.
import { assert, assertEquals } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import { secureRandom } from "../../lib/crypto/random.ts";
import { idOf } from "../../lib/e2ee/identity.ts";
import { joinOp } from "../../lib/e2ee/membership_make.ts";
import { OPEN_ROTATION_MS } from "../../lib/e2ee/room_speaker.ts";
import { HELD_KEEP_MS, HELD_PER_SENDER_MAX, OPEN_SLACK } from "../../lib/e2ee/room_listener.ts";
import { parseRoomMessage } from "../../lib/e2ee/room_message.ts";
import { SenderChain } from "../../lib/e2ee/sender_chain.ts";
import { encodeSenderKey } from "../../lib/e2ee/sender_key.ts";
import { Room } from "../../lib/e2ee/room.ts";
import { renewed } from "./_membership.ts";
import { Peer, person, World } from "./_room_world.ts";

Deno.test("Room: everybody reads everything once, and only the first message costs keys", async () => {
  const world = await World.open("ada", "ben", "cleo");
  const [ada, ben, cleo] = [world.of("ada"), world.of("ben"), world.of("cleo")];
  for (const [peer, text] of [[ada, "one"], [ben, "two"], [ada, "three"], [ada, "four"]] as const) {
    await peer.say(text);
    await world.settle();
  }
  assertEquals(cleo.seen, ["ada: one", "ben: two", "ada: three", "ada: four"]);
  assertEquals([ada.seen, ben.seen], [["ben: two"], ["ada: one", "ada: three", "ada: four"]]);
  assertEquals([ada.boxes, ben.boxes, cleo.boxes], [2, 2, 0]);
});

for (const kind of ["open", "invite"] as const) {
  Deno.test(`Room: a newcomer of an ${kind} room reads nothing from before, with all keys that they are ever given`, async () => {
    const world = await World[kind]("ada", "ben");
    const [ada, ben] = [world.of("ada"), world.of("ben")];
    for (const text of ["one", "two"]) await ada.say(text);
    await world.settle();
    const eve = kind === "open" ? await world.join("eve") : await world.add(ada, "eve");
    await ada.say("three");
    await world.settle();
    assertEquals([eve.seen, ben.texts.length], [["ada: three"], 3]);
    // From the outside: the key that she holds, tried on what came before.
    const old = world.log.filter((placed) => placed.kind === "message").slice(0, 2);
    for (const placed of old) {
      const heard = await eve.room.message(placed.bytes, { seq: 99, atMs: world.nowMs, nowMs: world.nowMs });
      assert(heard.kind !== "opened", heard.kind);
    }
  });
}

Deno.test("Room: one who was removed reads nothing that comes after, though they hold every key from before", async () => {
  const world = await World.invite("ada", "ben", "eve");
  const [ada, ben, eve] = [world.of("ada"), world.of("ben"), world.of("eve")];
  for (const peer of [ada, ben]) await peer.say("before");
  await world.settle();
  const [keyId, spy] = [ada.room.keyId, new Map(eve.rows)];
  await world.remove(ada, eve);
  for (const peer of [ada, ben]) await peer.say("after");
  await world.settle();
  assertEquals([eve.texts, ben.texts], [["ada: before", "ben: before"], ["ada: before", "ada: after"]]);
  assert(ada.room.keyId !== keyId);
  // From the outside: the state that she had as a member, which never hears of her removal.
  await eve.restart(spy);
  for (const placed of world.log.filter(({ seq }) => seq > eve.at - 3)) {
    if (placed.kind === "message") {
      const heard = await eve.room.message(placed.bytes, { seq: 99, atMs: world.nowMs, nowMs: world.nowMs });
      assert(heard.kind !== "opened", heard.kind);
    }
  }
  await eve.readInbox();
  assertEquals(eve.texts.includes("ada: after"), false);
});

Deno.test("Room: a message before its key, and a key before its place, both find their place", async () => {
  const world = await World.open("ada", "ben");
  const [ada, ben] = [world.of("ada"), world.of("ben")];
  await ada.say("one");
  await ada.say("two");
  const letters = ben.inbox.splice(0);
  await ben.catchUp();
  assertEquals(ben.seen, []);
  ben.inbox.push(...letters);
  await ben.readInbox();
  assertEquals(ben.seen, ["ada: one", "ada: two"]);

  const joined = world.place("op", await joinOp(await person("cleo"), ada.room.membership.context(world.nowMs)), ada);
  await ada.catchUp();
  world.nowMs += 25 * 3_600_000; // her chain is old by now: the next one is made under the new head
  await ada.say("three");
  await ben.readInbox(); // the key, whose head ben has not reached
  ben.keep();
  assert([...ben.rows.keys()].some((name) => name.startsWith("late/")));
  await ben.restart();
  await ben.hear(joined);
  await ben.catchUp();
  assertEquals(ben.texts, ["ada: one", "ada: two", "ada: three"]);
  assertEquals([...ben.rows.keys()].filter((name) => name.startsWith("late/") || name.startsWith("held/")), []);
});

Deno.test("Room: speakers of an invite room rotate at once when somebody goes or comes, and not without a reason", async () => {
  const world = await World.invite("ada", "ben", "cleo");
  const ada = world.of("ada");
  await ada.say("one");
  const ids = [ada.room.keyId];
  await ada.say("two");
  ids.push(ada.room.keyId);
  await world.remove(ada, world.of("cleo"));
  await ada.say("three");
  ids.push(ada.room.keyId);
  await world.add(ada, "dan");
  await ada.say("four");
  ids.push(ada.room.keyId);
  assertEquals(new Set(ids).size, 3);
  assertEquals(ids[0], ids[1]);
  await world.settle();
  assertEquals([world.of("dan").texts, world.of("ben").texts.length], [["ada: four"], 4]);
});

Deno.test("Room: speakers of an open room rotate at most once a minute, and hand newcomers the chain as it stands", async () => {
  const world = await World.open("ada", "ben", "cleo");
  const ada = world.of("ada");
  await ada.say("one");
  const first = ada.room.keyId;
  await world.leave(world.of("cleo"));
  await ada.say("two");
  assertEquals(ada.room.keyId, first);
  const dan = await world.join("dan");
  await ada.say("three");
  assertEquals(ada.room.keyId, first);
  world.nowMs += OPEN_ROTATION_MS;
  await ada.say("four");
  assert(ada.room.keyId !== first);
  await world.settle();
  assertEquals([dan.texts, world.of("ben").texts.length], [["ada: three", "ada: four"], 4]);
  assertEquals(world.of("cleo").texts.includes("ada: two"), false);
});

Deno.test("Room: a chain is replaced after 100 messages, a day, and a clock that was set back", async () => {
  const world = await World.open("ada", "ben");
  const ada = world.of("ada");
  const ids = new Set<string | undefined>();
  for (let i = 0; i < 101; i++) {
    await ada.seal(String(i));
    ids.add(ada.room.keyId);
  }
  assertEquals(ids.size, 2);
  for (const step of [() => world.nowMs += 24 * 3_600_000, () => world.nowMs -= 3_600_000]) {
    step();
    await ada.seal("more");
    ids.add(ada.room.keyId);
    await ada.seal("again");
    ids.add(ada.room.keyId);
  }
  assertEquals(ids.size, 4);
});

Deno.test("Room: keys go only to members, and only to those who were named", async () => {
  const world = await World.open("ada", "ben", "cleo");
  const ada = world.of("ada");
  const stranger = await person("eve");
  const { who } = stranger;
  assertEquals(await ada.room.prepare(new Set([who, world.of("ben").who]), world.nowMs), [world.of("ben").who]);
  await ada.say("for ben and cleo");
  assertEquals([...ada.room.holders].toSorted(), [world.of("ben").who, world.of("cleo").who].toSorted());
});

Deno.test("Room: a message under a head that misses a removal is refused where the room is invited, and sealed again", async () => {
  const world = await World.invite("ada", "ben", "cleo", "dan");
  const [ada, ben, cleo] = [world.of("ada"), world.of("ben"), world.of("cleo")];
  await ben.say("one");
  await world.settle();
  const stale = await ben.seal("two");
  await world.remove(ada, world.of("dan"));
  world.place("message", stale.message, ben); // a relay that should have answered stale
  await world.settle();
  assertEquals(cleo.notices, ["! stale (ben)"]);
  const again = await ben.seal("two", { m: 2 });
  assertEquals([stale.slack, again.epoch > stale.epoch], [0, true]);
  world.place("message", again.message, ben);
  await world.settle();
  assertEquals(cleo.texts, ["ben: one", "ben: two"]);
  assertEquals(cleo.notices.length, 1, "its number is not missed");
});

Deno.test("Room: an open room takes messages that miss up to 64 removals, and no more", async () => {
  const world = await World.open("ada", "ben");
  const [ada, ben] = [world.of("ada"), world.of("ben")];
  const [early, late] = [await ada.seal("one"), await ada.seal("two")];
  assertEquals(early.slack, OPEN_SLACK);
  const guest = await world.join("eve");
  for (let i = 0; i < OPEN_SLACK; i++) {
    if (i > 0) await world.join("eve");
    await world.leave(guest);
  }
  world.place("message", early.message, ada);
  await world.settle();
  assertEquals(ben.seen, ["ada: one"]);
  await world.join("eve");
  await world.leave(guest);
  world.place("message", late.message, ada);
  await world.settle();
  assertEquals(ben.seen, ["ada: one", "! stale (ada)"]);
});

Deno.test("Room: one who invents a head harms only itself", async () => {
  const world = await World.open("ada", "ben", "eve");
  const [ada, ben, eve] = [world.of("ada"), world.of("ben"), world.of("eve")];
  const chain = await SenderChain.create({
    room: world.roomId,
    sender: idOf(eve.who),
    head: eve.room.membership.head,
    nowMs: world.nowMs,
  });
  for (const peer of [ada, ben]) {
    peer.inbox.push({ from: eve.who, key: encodeSenderKey(await chain.handOver(idOf(peer.who))) });
  }
  const plaintext = new TextEncoder().encode("junk");
  world.place("message", await chain.seal({ head: secureRandom(32), plaintext }), eve);
  await ada.say("fine");
  await world.settle();
  assertEquals([ben.seen, ada.seen], [["! otherHistory (eve)", "ada: fine"], ["! otherHistory (eve)"]]);
});

Deno.test("Room: nobody can speak on another's chain, hand out another's key, or begin a chain a second time", async () => {
  const world = await World.open("ada", "ben", "eve");
  const [ada, ben, eve] = [world.of("ada"), world.of("ben"), world.of("eve")];
  const { message } = await ada.seal("one");
  const adaKey = ben.inbox[0]?.key as Uint8Array<ArrayBuffer>;
  // Eve hands ada's key on as if it were hers, and under ada's name.
  ben.inbox.push({ from: eve.who, key: adaKey });
  // Eve has ada's chain key, and not what it is signed with: she signs with a pair of her own.
  const forged = message.slice();
  forged[forged.length - 1] = (forged.at(-1) as number) ^ 1;
  world.place("message", forged, eve);
  world.place("message", message, ada);
  await world.settle();
  assertEquals(ben.seen, ["! key refused", "! forged (ada)", "ada: one"]);
  // The same key again must not set the chain back: "one" would open a second time.
  ben.inbox.push({ from: ada.who, key: adaKey });
  world.place("message", message, eve);
  await world.settle();
  assertEquals(ben.texts, ["ada: one"]);
});

Deno.test("Room: what a relay plays again under a new place is not shown again", async () => {
  const world = await World.open("ada", "ben");
  const [ada, ben] = [world.of("ada"), world.of("ben")];
  const { bytes } = await ada.say("one");
  await world.settle();
  world.place("message", bytes, ada);
  await ben.catchUp();
  assertEquals(ben.seen, ["ada: one"]);
});

Deno.test("Room: what a relay leaves out shows as missing, with the number", async () => {
  const world = await World.open("ada", "ben", "cleo");
  const [ada, ben] = [world.of("ada"), world.of("ben")];
  await ada.say("one");
  await world.settle();
  const lost = [await ada.say("two"), await ada.say("three")];
  world.log.splice(world.log.indexOf(lost[0] as (typeof lost)[0]), 2); // ben and cleo are never given these
  await ada.say("four");
  await ben.catchUp();
  assertEquals(ben.seen, ["ada: one", "! 2 missing", "ada: four"]);
});

Deno.test("Room: two members who were told different stories find out at the next message", async () => {
  const world = await World.open("ada", "ben", "cleo");
  const [ada, ben, cleo] = [world.of("ada"), world.of("ben"), world.of("cleo")];
  for (const peer of [ada, ben, cleo]) await peer.say("hello");
  await world.settle();
  // Ben hears "yes" and cleo hears "no" at the same place: the relay has both, and shows each of them one.
  const [yes, no] = [await ada.seal("yes"), await ada.seal("no")];
  const place = world.place("message", yes.message, ada);
  await ada.catchUp();
  await ben.catchUp();
  await cleo.hear({ ...place, bytes: no.message });
  await ben.say("so be it");
  await cleo.catchUp();
  assertEquals(cleo.notices, ["! 1 missing", "! another story"]);
  // And ben hears something that cleo was never given.
  const hidden = world.place("message", (await ada.seal("psst")).message, ada);
  await ben.catchUp();
  world.log.splice(world.log.indexOf(hidden), 1);
  await ben.say("heard");
  await cleo.catchUp();
  assertEquals(cleo.notices.slice(2), ["! 1 hidden"]);
});

Deno.test("Room: what waits for a key is bounded, and forgotten after a week", async () => {
  const world = await World.open("ada", "ben");
  const [ada, ben] = [world.of("ada"), world.of("ben")];
  for (let i = 0; i <= HELD_PER_SENDER_MAX; i++) await ada.say(String(i));
  const letters = ben.inbox.splice(0);
  await ben.catchUp();
  assertEquals(ben.notices, ["! full (ada)"]);
  assertEquals([...ben.rows.keys()].filter((name) => name.startsWith("held/")).length, HELD_PER_SENDER_MAX);
  assertEquals(ben.room.expire(world.nowMs).length, 0);
  const gone = ben.room.expire(world.nowMs + HELD_KEEP_MS + HELD_PER_SENDER_MAX * 2_000);
  assertEquals([gone.length, new Set(gone)], [HELD_PER_SENDER_MAX, new Set([ada.who])]);
  ben.inbox.push(...letters);
  await ben.catchUp();
  ben.keep();
  assertEquals([ben.texts, [...ben.rows.keys()].some((name) => name.startsWith("held/"))], [[], false]);
});

Deno.test("Room: junk of every kind is refused or void, and the room goes on", async () => {
  const world = await World.open("ada", "ben");
  const [ada, ben] = [world.of("ada"), world.of("ben")];
  const eve = await world.enter(await person("eve"));
  for (const length of [0, 1, 100, 40_000]) {
    world.place("message", secureRandom(length), { who: "nobody" });
    world.place("op", secureRandom(Math.min(length, 2_000)), { who: "nobody" });
  }
  await eve.room.prepare(new Set(), world.nowMs);
  world.place("message", (await eve.seal("I am no member")).message, eve);
  await world.settle();
  await ada.say("fine");
  await world.settle();
  assertEquals(ben.texts, ["ada: fine"]);
  assertEquals(ben.notices, [...Array(4).fill("! malformed (somebody)"), "! stranger (eve)"]);
  assertEquals(encodeHex(ada.room.membership.head), encodeHex(ben.room.membership.head));
});

Deno.test("Room.restore() goes on where it stood, on a new chain: not even an old copy uses a key twice", async () => {
  const world = await World.open("ada", "ben");
  const [ada, ben] = [world.of("ada"), world.of("ben")];
  await ada.say("one");
  await world.settle();
  for (const peer of [ada, ben]) await peer.restart();
  await ada.say("two");
  await world.settle();
  assertEquals([ben.seen, ada.boxes], [["ada: one", "ada: two"], 2]);
  const old = new Map(ada.rows);
  const used = await ada.say("three");
  await ada.restart(old);
  const again = await ada.say("four");
  const [first, second] = [used, again].map(({ bytes }) => parseRoomMessage(bytes).header);
  assert(encodeHex(first!.keyId) !== encodeHex(second!.keyId));
  await world.settle();
  assertEquals(ben.texts, ["ada: one", "ada: two", "ada: three", "ada: four"]);
});

Deno.test("Room: a member who may not have our keys any more makes us speak on a chain that they do not have", async () => {
  const world = await World.open("ada", "ben", "eve");
  const [ada, ben, eve] = [world.of("ada"), world.of("ben"), world.of("eve")];
  await ada.say("one");
  const first = ada.room.keyId;
  const sealed = await ada.seal("not for eve", { to: [ada, ben] });
  assert(ada.room.keyId !== first);
  world.place("message", sealed.message, ada);
  await world.settle();
  assertEquals([ben.texts, eve.texts], [["ada: one", "ada: not for eve"], ["ada: one"]]);
  // It waits with eve for a key that never comes.
  assertEquals(eve.notices, []);
  assertEquals(eve.room.expire(world.nowMs + 2 * HELD_KEEP_MS), [ada.who]);
});

Deno.test("Room: one who comes back without a past, under a newer certificate, is handed the chain again", async () => {
  const world = await World.open("ada", "ben");
  const [ada, ben] = [world.of("ada"), world.of("ben")];
  await ada.say("one");
  await world.settle();
  const author = await renewed(ben.author, world.nowMs);
  const again = new Peer(world, author, await Room.begin("open", world.roomId, { self: ben.who }));
  world.peers.splice(world.peers.indexOf(ben), 1, again);
  await again.catchUp();
  world.place("op", await joinOp(author, again.room.membership.context(world.nowMs)), again);
  await world.settle();
  await ada.say("two");
  await world.settle();
  assertEquals([again.texts, ada.boxes], [["ada: two"], 2]);
});

Deno.test("Room: one who left and comes back misses nothing of what was written in between", async () => {
  const world = await World.open("ada", "ben");
  const [ada, ben] = [world.of("ada"), world.of("ben")];
  await ada.say("one");
  await world.settle();
  await world.leave(ben);
  await ada.say("two");
  await world.join("ben");
  await ada.say("three");
  await world.settle();
  assertEquals(ben.seen, ["ada: one", "ada: three"]);
});
