// Aim: who is away from an open room for longer than its grace is taken out by one of the others, and by nobody before;
// on return they are told, are in it again by themselves, and read what was written while they were a member.
import { assertEquals } from "@std/assert";
import { REMOVE_DELAY_MAX_MS } from "../../lib/chat/room_absence.ts";
import type { Life } from "../../lib/e2ee/life.ts";
import { DEFAULT_GRACE } from "../../lib/e2ee/membership_op.ts";
import { type FakeClient, FakeNet } from "../support/fake_net.ts";

const HOUR_MS = 60 * 60_000;
const GRACE_MS: Record<Life, number> = { lasting: DEFAULT_GRACE.lastingMs, ephemeral: DEFAULT_GRACE.ephemeralMs };

/** Carol comes with keys of some life, is silent from her coming on, and loses her line. */
async function stage(life: Life) {
  const net = await FakeNet.create();
  const [alice, bob] = [await net.join("alice"), await net.join("bob")];
  const carol = await net.join("carol", { life });
  const sinceMs = net.nowMs;
  await carol.drop();
  const wait = (untilMs: number) => net.advance(sinceMs + untilMs - net.nowMs);
  return { net, alice, bob, carol, wait };
}

function removals({ events }: FakeClient): string[] {
  return events.flatMap((event) => event.type === "memberRemoved" ? [`${event.handle}: ${event.reason}`] : []);
}

for (const life of ["lasting", "ephemeral"] as const) {
  Deno.test(`one with ${life} keys is a member for as long as the grace, and taken out after it by one of the others`, async () => {
    const { alice, bob, carol, wait } = await stage(life);
    await wait(GRACE_MS[life]);
    await wait(GRACE_MS[life] + 1);
    assertEquals([removals(alice), removals(bob)], [[], []]);
    await wait(GRACE_MS[life] + 1 + REMOVE_DELAY_MAX_MS);
    assertEquals([removals(alice), removals(bob)], [["carol: absent"], ["carol: absent"]]);
    const [removed] = alice.all("memberRemoved");
    assertEquals([removed?.by, removed?.fingerprint], [bob.all("memberRemoved")[0]?.by, carol.fingerprint]);
    await alice.type("/members");
    assertEquals(alice.all("members")[0]?.members.map(({ handle }) => handle), ["bob"]);
  });
}

Deno.test("one who was away too long is told, is in again, and reads what was written while they were a member", async () => {
  const { net, alice, bob, carol, wait } = await stage("lasting");
  await alice.type("carol reads this later");
  await wait(GRACE_MS.lasting + 1);
  await wait(GRACE_MS.lasting + 1 + REMOVE_DELAY_MAX_MS);
  await alice.type("carol reads this never");
  const again = await net.restart(carol);
  assertEquals(again.notices, ["rejoined"]);
  assertEquals([again.all("gap"), again.all("fork"), again.all("roomLeft")], [[], [], []]);
  await bob.type("welcome back");
  await again.type("it is good to be back");
  assertEquals(again.texts, ["carol reads this later", "welcome back"]);
  assertEquals([alice.texts.at(-1), bob.texts.at(-1)], ["it is good to be back", "it is good to be back"]);
  assertEquals(alice.all("joined").map(({ handle }) => handle), ["bob", "carol", "carol"]);
});

Deno.test("one who comes back within the grace is not taken out, and their silence begins anew", async () => {
  const { net, alice, bob, carol, wait } = await stage("lasting");
  await wait(GRACE_MS.lasting - HOUR_MS);
  const again = await net.restart(carol);
  await net.advance(1); // it says that it is here
  await again.drop();
  for (const laterMs of [HOUR_MS, 2 * HOUR_MS, GRACE_MS.lasting - 2 * HOUR_MS]) {
    await wait(GRACE_MS.lasting + laterMs);
    assertEquals([removals(alice), removals(bob)], [[], []]);
  }
  assertEquals(again.notices, []);
});

Deno.test("one who is here is not taken out however silent they are, nor anybody where people are invited", async () => {
  const net = await FakeNet.create();
  const [alice, bob, carol] = [await net.join("alice"), await net.join("bob"), await net.join("carol")];
  await alice.type("/room create den --invite-only");
  await alice.type("/invite carol");
  await carol.type("/join den");
  await carol.type("/leave lobby");
  await carol.drop();
  for (let days = 0; days < 30; days += 3) await net.advance(3 * 24 * HOUR_MS);
  await alice.type("/members");
  assertEquals(alice.all("members")[0]?.members.map(({ handle }) => handle), ["carol"]);
  await bob.type("still here");
  assertEquals([removals(alice), removals(bob), alice.texts], [[], [], ["still here"]]);
});
