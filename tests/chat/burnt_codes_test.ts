// Aim: a used code stays used for as long as it could be believed in, and no longer; memory is bounded.
import { assertEquals } from "@std/assert";
import { BURNT_KEEP_MS, BURNT_MAX, BurntCodes } from "../../lib/chat/burnt_codes.ts";

Deno.test("BurntCodes.isBurnt() holds for twenty minutes, also in the next run", () => {
  const codes = new BurntCodes();
  codes.burn("A", 1_000);
  assertEquals([codes.isBurnt("A", 1_000), codes.isBurnt("B", 1_000)], [true, false]);
  const changes = codes.takeChanges();
  assertEquals([changes, codes.takeChanges()], [[{ code: "A", untilMs: 1_000 + BURNT_KEEP_MS }], []]);
  const next = new BurntCodes(changes);
  assertEquals([next.isBurnt("A", BURNT_KEEP_MS), next.isBurnt("A", 1_000 + BURNT_KEEP_MS)], [true, false]);
});

Deno.test("BurntCodes.burn() forgets what is over, and the oldest at the bound, and tells the store", () => {
  const codes = new BurntCodes([{ code: "old", untilMs: 5 }]);
  codes.burn("A", 10);
  assertEquals(codes.takeChanges().toSorted((a, b) => a.untilMs - b.untilMs)[0], { code: "old", untilMs: 0 });
  for (let i = 0; i < BURNT_MAX; i++) codes.burn(`code ${i}`, 11);
  assertEquals([codes.isBurnt("A", 12), codes.isBurnt(`code ${BURNT_MAX - 1}`, 12)], [false, true]);
});
