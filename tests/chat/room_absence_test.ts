// Aim: who is quiet says in time that they are here; who is gone for longer than the grace is taken out, by no more
// clients at once than need be; and nobody is where people are invited. Over a real relay core and real logs.
import { assert, assertEquals } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import fc from "fast-check";
import type { Bytes } from "../../lib/bytes/writer.ts";
import { Keyring } from "../../lib/chat/keyring.ts";
import { People } from "../../lib/chat/people.ts";
import { HERE_AFTER_OPS, REMOVE_DELAY_MAX_MS, RoomAbsence, TRY_AGAIN_MS } from "../../lib/chat/room_absence.ts";
import { RoomChannel } from "../../lib/chat/room_channel.ts";
import type { Turn } from "../../lib/chat/turn.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { createCertificate } from "../../lib/e2ee/certificate.ts";
import { fingerprintOf, generateIdentity, idOf } from "../../lib/e2ee/identity.ts";
import type { Life } from "../../lib/e2ee/life.ts";
import { addOp, createRoomOp, joinOp } from "../../lib/e2ee/membership_make.ts";
import { DEFAULT_GRACE } from "../../lib/e2ee/membership_op.ts";
import { inviteRoomId } from "../../lib/e2ee/room_id.ts";
import { makeStranger } from "../support/hostile_relay.ts";
import { type Member, ROOM, RoomNet } from "./_room_net.ts";

const { lastingMs: GRACE_MS, ephemeralMs: SHORT_MS } = DEFAULT_GRACE;
const START_MS = Date.UTC(2026, 0, 1);

/** Draws the same two bytes every time: a delay from 0 up to, not including, 65,536/65,536 of the longest. */
function drawing(share: number): (lengthBytes: number) => Bytes {
  return (lengthBytes) => {
    assertEquals(lengthBytes, 2);
    return Uint8Array.of(share >> 8, share & 0xff);
  };
}

function absenceOf(member: Member, share = 0): RoomAbsence {
  const { channel, people, who: self } = member;
  return new RoomAbsence({ channel, people, self, random: drawing(share) });
}

/** Somebody whose certificate is meant to live as long as given. */
async function joinFor(net: RoomNet, handle: string, life: Life): Promise<Member> {
  net.nowMs += 1;
  const identity = await generateIdentity({ life, nowMs: net.nowMs });
  const certificate = await createCertificate(identity, { handle, createdMs: net.nowMs });
  const sessions = { peers: new Map<string, Bytes>() };
  return await net.start({ identity, certificate, rows: new Map(), sessions, cursors: new Map() });
}

async function tick(absence: RoomAbsence, member: Member): Promise<number> {
  const before = member.net.sent.length;
  await member.act((turn) => absence.tick(turn));
  await member.net.settle();
  return member.net.sent.length - before;
}

function handles(member: Member): string[] {
  return member.others().map(({ handle }) => handle);
}

function lastActiveMs(member: Member, of: Member = member): number {
  return member.channel.membership.memberOf(of.who)?.lastActiveMs as number;
}

/** After this nothing of their own is due for a while. */
async function sayHere(member: Member): Promise<void> {
  await member.act((turn) => member.channel.change({ kind: "here" }, turn));
  await member.net.settle();
}

Deno.test("RoomAbsence.nextDueMs() says `here` a quarter of the grace after our last sign of life, and tick() does", async () => {
  const net = new RoomNet();
  const ada = await net.join("ada");
  const absence = absenceOf(ada, 0xffff); // of ourselves nothing is drawn
  const dueMs = lastActiveMs(ada) + GRACE_MS / 4;
  assertEquals([absence.nextDueMs(net.nowMs), absence.nextDueMs(dueMs)], [dueMs, dueMs]);
  net.nowMs = dueMs - 1;
  assertEquals(await tick(absence, ada), 0);
  net.nowMs = dueMs;
  assertEquals(await tick(absence, ada), 1);
  assertEquals(lastActiveMs(ada), dueMs); // placed, and valid
  assertEquals(absence.nextDueMs(net.nowMs), dueMs + GRACE_MS / 4);
  assertEquals(await tick(absence, ada), 0);
});

Deno.test("RoomAbsence: nobody needs to say `here` who was active, by whatever op", async () => {
  const net = new RoomNet();
  const ada = await net.join("ada");
  const absence = absenceOf(ada);
  net.nowMs += GRACE_MS / 4 - 1;
  await sayHere(ada);
  net.nowMs += 1;
  assertEquals(await tick(absence, ada), 0);
  assertEquals(absence.nextDueMs(net.nowMs), net.nowMs - 1 + GRACE_MS / 4);
});

Deno.test("RoomAbsence: a `here` that comes to nothing is said again after a while, and not before", async () => {
  const net = new RoomNet();
  const ada = await net.join("ada");
  const absence = absenceOf(ada);
  net.nowMs = lastActiveMs(ada) + GRACE_MS / 4;
  await ada.act(async ({ nowMs }) => await absence.tick({ nowMs, effects: [] })); // lost on its way
  assertEquals(absence.nextDueMs(net.nowMs), net.nowMs + TRY_AGAIN_MS);
  net.nowMs += TRY_AGAIN_MS - 1;
  assertEquals(await tick(absence, ada), 0);
  net.nowMs += 1;
  assertEquals(await tick(absence, ada), 1);
  assertEquals(lastActiveMs(ada), net.nowMs);
});

Deno.test("RoomAbsence: after many ops that bear nothing out we say `here` after a random while, and again if it is lost", async () => {
  const net = new RoomNet();
  const place = (count: number) => {
    for (let i = 0; i < count; i++) {
      const event = { stream: `room/${ROOM.id}`, publisher: "P", kind: "op", atMs: net.nowMs } as const;
      net.log.append({ ...event, id: encodeHex(secureRandom(16)), body: secureRandom(20) });
    }
  };
  place(HERE_AFTER_OPS - 2);
  const [early, usualMs] = [await net.join("early"), GRACE_MS / 4];
  assertEquals([early.channel.opsUnborne, absenceOf(early).nextDueMs(net.nowMs)], [
    HERE_AFTER_OPS - 1,
    lastActiveMs(early) + usualMs,
  ]);
  const ada = await net.join("ada"); // who joins bears nothing out
  const absence = absenceOf(ada, 0x8000);
  const dueMs = net.nowMs + REMOVE_DELAY_MAX_MS / 2;
  assertEquals([absence.nextDueMs(net.nowMs), absence.nextDueMs(net.nowMs + 1)], [dueMs, dueMs]);
  net.nowMs = dueMs - 1;
  assertEquals(await tick(absence, ada), 0);
  net.nowMs = dueMs;
  await ada.act(async ({ nowMs }) => await absence.tick({ nowMs, effects: [] })); // lost on its way
  assertEquals(absence.nextDueMs(net.nowMs), dueMs + TRY_AGAIN_MS);
  net.nowMs = dueMs + TRY_AGAIN_MS;
  assertEquals(await tick(absence, ada), 1);
  assertEquals([ada.channel.opsUnborne, early.channel.opsUnborne], [0, 0], "it counts for all");
  assertEquals(absence.nextDueMs(net.nowMs), lastActiveMs(ada) + usualMs);
  assertEquals(absenceOf(early).nextDueMs(net.nowMs), lastActiveMs(early) + usualMs);
});

Deno.test("RoomAbsence: one with an ephemeral certificate says `here` a quarter of the short grace after each", async () => {
  const net = new RoomNet();
  const ada = await joinFor(net, "ada", "ephemeral");
  const absence = absenceOf(ada);
  for (let i = 0; i < 2; i++) {
    const dueMs = lastActiveMs(ada) + SHORT_MS / 4;
    assertEquals(absence.nextDueMs(net.nowMs) - net.nowMs, SHORT_MS / 4);
    net.nowMs = dueMs;
    assertEquals([await tick(absence, ada), lastActiveMs(ada)], [1, dueMs]);
  }
});

Deno.test("RoomAbsence: who is silent for longer than the grace is taken out after a random while", async () => {
  for (const life of ["lasting", "ephemeral"] as const) {
    const net = new RoomNet();
    const ada = await net.join("ada");
    const ben = await joinFor(net, "ben", life);
    await net.drop(ben);
    const absence = absenceOf(ada, 0x8000);
    const silentMs = lastActiveMs(ada, ben) + (life === "lasting" ? GRACE_MS : SHORT_MS);
    net.nowMs = silentMs - 1;
    await sayHere(ada);
    net.nowMs = silentMs;
    assertEquals([absence.nextDueMs(net.nowMs), await tick(absence, ada)], [silentMs + 1, 0]);
    net.nowMs = silentMs + 1;
    const dueMs = net.nowMs + REMOVE_DELAY_MAX_MS / 2;
    assertEquals([await tick(absence, ada), absence.nextDueMs(net.nowMs)], [0, dueMs]);
    net.nowMs = dueMs - 1;
    assertEquals([await tick(absence, ada), handles(ada)], [0, ["ben"]]);
    net.nowMs = dueMs;
    assertEquals([await tick(absence, ada), handles(ada), ada.seen.at(-1)], [1, [], "- ben"]);
  }
});

Deno.test("RoomAbsence: the random while lies from 0 to a minute, and is drawn once for each member", async () => {
  const net = new RoomNet();
  const [ada, ben, cleo] = [await net.join("ada"), await net.join("ben"), await net.join("cleo")];
  await net.drop(ben);
  await net.drop(cleo);
  net.nowMs += GRACE_MS + 1;
  await sayHere(ada);
  const delayMs = (share: number) => Math.floor(share / 65_536 * REMOVE_DELAY_MAX_MS);
  const check = (shares: readonly [number, number]) => {
    const drawn = [...shares];
    const random = () => drawing(drawn.shift() as number)(2); // fails when drawn from a third time
    const { channel, people, who: self } = ada;
    const absence = new RoomAbsence({ channel, people, self, random });
    const waitMs = absence.nextDueMs(net.nowMs) - net.nowMs;
    assertEquals(waitMs, Math.min(...shares.map(delayMs)));
    assertEquals([drawn, absence.nextDueMs(net.nowMs + 5) - net.nowMs], [[], waitMs]);
    assert(waitMs >= 0 && waitMs < REMOVE_DELAY_MAX_MS);
  };
  fc.assert(fc.property(fc.tuple(fc.nat(0xffff), fc.nat(0xffff)), check));
  check([0, 0]);
  check([0xffff, 0xffff]);
});

Deno.test("RoomAbsence: who comes back in time and is silent again is given a random while again", async () => {
  const net = new RoomNet();
  const [ada, ben] = [await net.join("ada"), await net.join("ben")];
  await net.drop(ben);
  const absence = absenceOf(ada, 0x8000);
  const hush = async (ms: number) => {
    net.nowMs += ms;
    await sayHere(ada);
  };
  await hush(GRACE_MS + 1);
  assertEquals(absence.nextDueMs(net.nowMs), net.nowMs + REMOVE_DELAY_MAX_MS / 2);
  const again = await net.start(ben.kept);
  await sayHere(again);
  await net.drop(again);
  await hush(GRACE_MS / 2);
  assertEquals(await tick(absence, ada), 0);
  await hush(GRACE_MS / 2 + 1);
  assertEquals(absence.nextDueMs(net.nowMs), net.nowMs + REMOVE_DELAY_MAX_MS / 2);
});

Deno.test("RoomAbsence: whoever the relay says is here is left alone, and taken out only after they are gone", async () => {
  const net = new RoomNet();
  const [ada, ben] = [await net.join("ada"), await net.join("ben")];
  const absence = absenceOf(ada);
  ada.people.meet(ben.kept.certificate, { nowMs: net.nowMs, room: ROOM.id });
  net.nowMs += GRACE_MS + 1;
  await sayHere(ada);
  assertEquals([absence.nextDueMs(net.nowMs), await tick(absence, ada)], [net.nowMs + GRACE_MS / 4, 0]);
  ada.people.leave(ben.who, ROOM.id);
  // The relay knows better than ada: ben is linked, so it does not place the op.
  assertEquals([await tick(absence, ada), ada.seen.at(-1), handles(ada)], [1, "! badOp", ["ben"]]);
  assertEquals([absence.nextDueMs(net.nowMs), await tick(absence, ada)], [net.nowMs + TRY_AGAIN_MS, 0]);
  await net.drop(ben);
  net.nowMs += TRY_AGAIN_MS;
  assertEquals([await tick(absence, ada), handles(ada)], [1, []]);
});

Deno.test("RoomAbsence.tick() takes out 8 at once, and the others when these are done", async () => {
  const net = new RoomNet();
  const ada = await net.join("ada");
  const others: Member[] = [];
  for (let i = 0; i < 10; i++) others.push(await net.join(`guest${i}`));
  for (const other of others) await net.drop(other);
  net.nowMs += GRACE_MS + 1;
  await sayHere(ada);
  const absence = absenceOf(ada);
  assertEquals([await tick(absence, ada), handles(ada)], [8, ["guest8", "guest9"]]);
  assertEquals(absence.nextDueMs(net.nowMs), net.nowMs);
  assertEquals([await tick(absence, ada), handles(ada)], [2, []]);
});

Deno.test("RoomAbsence: of many clients that wait a random while, one takes out and the others need not", async () => {
  const net = new RoomNet();
  const here = [await net.join("ada"), await net.join("ben"), await net.join("cleo")];
  const gone = await net.join("dan");
  await net.drop(gone);
  net.nowMs += GRACE_MS + 1;
  for (const member of here) {
    for (const { kept } of here) member.people.meet(kept.certificate, { nowMs: net.nowMs, room: ROOM.id });
    await member.act((turn) => member.channel.change({ kind: "here" }, turn));
  }
  await net.settle();
  const absences = here.map((member, i) => absenceOf(member, 1_000 * (i + 1)));
  const dueMs = absences.map((absence) => absence.nextDueMs(net.nowMs));
  assertEquals(new Set(dueMs).size, here.length);
  net.nowMs = dueMs[0] as number;
  assertEquals(await tick(absences[0] as RoomAbsence, here[0] as Member), 1);
  net.nowMs = dueMs[2] as number;
  for (const i of [1, 2]) assertEquals(await tick(absences[i] as RoomAbsence, here[i] as Member), 0);
});

Deno.test("RoomAbsence: nothing is due while ops are missing: whoever seems silent may have said something", async () => {
  const net = new RoomNet();
  const ada = await net.join("ada");
  const { channel } = ada;
  const absence = absenceOf(ada);
  const laterMs = net.nowMs + 10 * GRACE_MS;
  assertEquals(absence.nextDueMs(laterMs) <= laterMs, true);
  const ahead = { epoch: channel.membership.epoch + 2, atMs: laterMs };
  await channel.op(ahead, secureRandom(8), { nowMs: laterMs, effects: [] }); // the op before it is missing
  const turn: Turn = { nowMs: laterMs, effects: [] };
  await absence.tick(turn);
  assertEquals([channel.isReady, absence.nextDueMs(laterMs), turn.effects], [false, Infinity, []]);
});

/** A room of ada's with ben in it, fed by hand: the relay of `_room_net.ts` has open rooms alone. */
async function roomOf(kind: "open" | "invite") {
  const [ada, ben] = [await makeStranger("ada", START_MS), await makeStranger("ben", START_MS)];
  const author = { sign: ada.identity.sign, certificate: ada.certificate };
  const open = secureRandom(32);
  const create = await createRoomOp(author, { room: kind === "open" ? open : undefined, atMs: START_MS });
  const room = { id: fingerprintOf(kind === "open" ? open : await inviteRoomId(create)), name: "den" };
  const keyring = await Keyring.create(ada, { nowMs: START_MS, random: secureRandom });
  const people = new People();
  const channel = await RoomChannel.create({ room, kind, author, people, keyring, nextRef: () => 1 }, START_MS);
  const turn: Turn = { nowMs: START_MS, effects: [] };
  const place = (op: Bytes) => channel.op({ epoch: channel.membership.epoch + 1, atMs: START_MS }, op, turn);
  const benAuthor = { sign: ben.identity.sign, certificate: ben.certificate };
  const context = () => channel.membership.context(START_MS);
  await place(create);
  if (kind === "open") { for (const who of [author, benAuthor]) await place(await joinOp(who, context())); }
  else await place(await addOp(author, context(), ben.certificate));
  await channel.subscribed(turn);
  assert(channel.isReady && channel.membership.members().length === 2);
  return { place, channel, context, author, people, self: idOf(ada.certificate.fingerprint) };
}

Deno.test("RoomAbsence: where people are invited nobody says `here`, and nobody is taken out, however long they are gone", async () => {
  for (const kind of ["invite", "open"] as const) {
    const { channel, people, self } = await roomOf(kind);
    const absence = new RoomAbsence({ channel, people, self: fingerprintOf(self), random: drawing(0) });
    for (const afterMs of [0, GRACE_MS, 100 * GRACE_MS]) {
      const nowMs = START_MS + afterMs;
      const turn: Turn = { nowMs, effects: [] };
      const isOpen = kind === "open";
      assertEquals(absence.nextDueMs(nowMs) < Infinity, isOpen);
      await absence.tick(turn);
      assertEquals(turn.effects.length > 0, isOpen && afterMs > 0, `${kind} ${afterMs}`);
    }
  }
});
