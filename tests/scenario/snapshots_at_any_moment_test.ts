// Aim: whenever ops go, snapshots are made, lines are lost and clients end, all who are there at the end are in one room:
// the same members and head, no other history, and everybody reads everybody.
import { assertEquals } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import fc from "fast-check";
import type { Bytes } from "../../lib/bytes/writer.ts";
import { MembershipRows } from "../../lib/e2ee/membership_rows.ts";
import { archive, flood, LIMITS, smallNet } from "../support/archived.ts";
import type { FakeClient, FakeNet } from "../support/fake_net.ts";
import { firstRoom } from "../support/raw_member.ts";

const PEOPLE = 4;
const DAY_MS = 24 * 3600 * 1000;

const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constant("flood" as const), count: fc.integer({ min: 5, max: 60 }) }) },
  { weight: 3, arbitrary: fc.constant({ do: "archive" as const }) },
  { weight: 2, arbitrary: fc.constant({ do: "comeAndGo" as const }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("end" as const), who: fc.nat(PEOPLE - 1) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("unlink" as const), who: fc.nat(PEOPLE - 1) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant("back" as const), who: fc.nat(PEOPLE - 1) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("say" as const), who: fc.nat(PEOPLE - 1) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("pass" as const), days: fc.constantFrom(0.01, 2, 8, 31) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

type Seat = { client: FakeClient; is: "here" | "unlinked" | "ended" };

/** So long away that the ops after one's place are gone. */
const MUST_SKIP: Step[] = [
  { do: "end", who: 0 },
  { do: "unlink", who: 1 },
  { do: "flood", count: 60 },
  { do: "comeAndGo" },
  { do: "archive" },
  { do: "flood", count: 60 },
  { do: "flood", count: 60 },
  { do: "back", who: 0 },
];

function opsSinceSnapshot(net: FakeNet): number {
  const { log } = net;
  const room = firstRoom(net);
  return log.epoch(room) - (log.snapshots.of(room)?.epoch ?? 0);
}

/** A member comes and goes, so that an op bears out where the room stands. */
async function comeAndGo(net: FakeNet): Promise<void> {
  const passer = await net.join(`passer${net.everybody.length}`, { life: "ephemeral" });
  await passer.type("/quit");
}

/** The log of their room as a client has it stored, whole. */
async function logOf({ kept }: FakeClient): Promise<string> {
  const valueOf = (of: string) => kept.state.rooms?.find(({ name }) => name === of)?.value;
  const { membership } = await MembershipRows.restore(valueOf("members") as Bytes, valueOf("ops"));
  return encodeHex(membership.encode());
}

async function back(net: FakeNet, seat: Seat): Promise<void> {
  if (seat.is === "ended") seat.client = await net.restart(seat.client);
  else if (seat.is === "unlinked") await net.relink(seat.client);
  seat.is = "here";
}

async function take(net: FakeNet, seats: readonly Seat[], next: Step): Promise<void> {
  const seat = "who" in next ? seats[next.who] as Seat : undefined;
  switch (next.do) {
    case "flood":
      // A real relay makes a snapshot long before a room is full; here it takes few ops.
      if (opsSinceSnapshot(net) + next.count > LIMITS.roomOps - 20) {
        await comeAndGo(net);
        await archive(net.log, { afterOps: 0, stepOps: 1 });
      }
      return await flood(net, firstRoom(net), next.count);
    case "archive":
      await archive(net.log);
      return;
    case "comeAndGo":
      return await comeAndGo(net);
    case "end":
      if (seat?.is === "here") await seat.client.drop();
      if (seat?.is === "here") seat.is = "ended";
      return;
    case "unlink":
      if (seat?.is === "here") await net.unlink(seat.client);
      if (seat?.is === "here") seat.is = "unlinked";
      return;
    case "back":
      return await back(net, seat as Seat);
    case "say":
      if (seat?.is === "here") await seat.client.type("something");
      return;
    case "pass":
      // Names stay bound, so that everybody can come back under theirs.
      await net.advance(next.days * DAY_MS);
      await net.advance(61_000);
  }
}

Deno.test("snapshots at any moment leave all who are there in one room", async () => {
  let skips = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40, size: "max" }), async (steps) => {
      const net = await smallNet();
      const seats: Seat[] = [];
      for (let i = 0; i < PEOPLE; i++) seats.push({ client: await net.join(`p${i}`), is: "here" });
      for (const next of steps) {
        await take(net, seats, next);
        for (const { client } of seats) assertEquals([client.failure, client.closed?.code], [undefined, undefined]);
      }
      for (const seat of seats) await back(net, seat);
      await net.advance(61_000);
      const clients = seats.map(({ client }) => client);
      // A first round, in which what is missing is told.
      for (const client of clients) await client.type("first");
      const gaps = clients.map((client) => client.all("gap").length);
      for (const [i, client] of clients.entries()) await client.type(`${i} speaks`);
      for (const [i, client] of clients.entries()) {
        const expected = clients.map((_, other) => `${other} speaks`).filter((_, other) => other !== i);
        assertEquals(client.texts.slice(1 - PEOPLE), expected, client.certificate.handle);
        assertEquals([client.all("fork"), client.all("gap").length], [[], gaps[i]]);
      }
      skips += net.everybody.filter(({ notices }) => notices.includes("skipped")).length;
      const logs = await Promise.all(clients.map(logOf));
      assertEquals(new Set(logs).size, 1, "the same log, to the byte");
    }),
    { numRuns: 12, examples: [[MUST_SKIP]] },
  );
  assertEquals(skips > 0, true, "some started from a snapshot");
});
