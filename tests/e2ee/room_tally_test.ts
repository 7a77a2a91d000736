// Aim: claims about what was read are compared at their own count, and memory is bounded.
import { assertEquals } from "@std/assert";
import { secureRandom } from "../../lib/crypto/random.ts";
import { RoomTally, TALLY_COUNTS_MAX, TALLY_HEADS_MAX } from "../../lib/e2ee/room_tally.ts";
import { emptyTally } from "../../lib/e2ee/tally.ts";

Deno.test("RoomTally.compare() tells same, behind, differs and unknown apart", async () => {
  const [head, other] = [secureRandom(32), secureRandom(32)];
  const [ours, theirs] = [new RoomTally(emptyTally(head)), new RoomTally(emptyTally(head))];
  const hash = secureRandom(32);
  for (const tally of [ours, theirs]) await tally.add(hash);
  const early = theirs.state;
  assertEquals(ours.compare(head, early), { kind: "same" });
  await ours.add(hash);
  assertEquals(ours.compare(head, early), { kind: "same" }, "at its own count");
  await theirs.add(secureRandom(32));
  assertEquals(ours.compare(head, theirs.state), { kind: "differs" });
  await theirs.add(secureRandom(32));
  assertEquals(ours.compare(head, theirs.state), { kind: "behind", missing: 1 });
  assertEquals(ours.compare(head, early, 0), { kind: "behind", missing: 1 });
  assertEquals(ours.compare(other, early), { kind: "unknown" });
  await ours.reset(other);
  assertEquals(ours.compare(head, early), { kind: "same" }, "an earlier head is still known");
});

Deno.test("RoomTally forgets the oldest heads, and the oldest counts of a head that never ends", async () => {
  const [head, hash] = [secureRandom(32), secureRandom(32)];
  const tally = new RoomTally(emptyTally(head));
  const first = tally.state;
  for (let i = 0; i < TALLY_HEADS_MAX; i++) await tally.reset(secureRandom(32));
  assertEquals(tally.compare(head, first), { kind: "unknown" });
  const last = secureRandom(32);
  await tally.reset(last);
  const begin = tally.state;
  for (let i = 0; i < TALLY_COUNTS_MAX; i++) await tally.add(hash);
  assertEquals(tally.compare(last, begin), { kind: "unknown" });
  assertEquals(tally.compare(last, tally.state), { kind: "same" });
});

Deno.test("RoomTally.break() compares nothing with the head whose messages are missing, and claims none of them", async () => {
  const [head, next] = [secureRandom(32), secureRandom(32)];
  const [ours, theirs] = [new RoomTally(emptyTally(head)), new RoomTally(emptyTally(head))];
  for (let i = 0; i < 3; i++) await theirs.add(secureRandom(32));
  ours.break();
  await ours.add(secureRandom(32));
  assertEquals(ours.compare(head, theirs.claim), { kind: "unknown" });
  assertEquals(theirs.compare(head, ours.claim), { kind: "same" });
  const restored = new RoomTally(ours.state, ours.isBroken);
  assertEquals(restored.compare(head, theirs.claim), { kind: "unknown" });
  assertEquals(restored.claim, ours.claim);
  for (const tally of [ours, theirs]) await tally.reset(next);
  await theirs.add(secureRandom(32));
  assertEquals(ours.compare(next, theirs.claim), { kind: "behind", missing: 1 }, "the next head is whole again");
});
