import { assert } from "@std/assert";
import { nowMs, steadyMs } from "../../lib/io/clock.ts";

Deno.test("nowMs() gives whole milliseconds of this century", () => {
  assert(Number.isSafeInteger(nowMs()) && nowMs() > Date.UTC(2024) && nowMs() < Date.UTC(2100));
});

Deno.test("steadyMs() never runs backwards", () => {
  let last = steadyMs();
  for (let i = 0; i < 1_000; i++) {
    const next = steadyMs();
    assert(next >= last);
    last = next;
  }
});
