import { assertEquals } from "@std/assert";
import { WakeTimer } from "../../lib/io/wake_timer.ts";

/** Replaces the clock and the timers of the system by some that are moved by hand. */
function stage() {
  const real = { now: Date.now, set: globalThis.setTimeout, clear: globalThis.clearTimeout };
  const state = { nowMs: 1_000_000, waits: [] as number[], fire: undefined as (() => void) | undefined };
  Date.now = () => state.nowMs;
  globalThis.setTimeout = ((fire: () => void, ms: number) => {
    state.waits.push(ms);
    state.fire = fire;
    return 1;
  }) as unknown as typeof setTimeout;
  globalThis.clearTimeout = () => void (state.fire = undefined);
  const restore = () => {
    Date.now = real.now;
    globalThis.setTimeout = real.set;
    globalThis.clearTimeout = real.clear;
  };
  return { state, [Symbol.dispose]: restore };
}

Deno.test("WakeTimer.set() fires once its moment has come, and at once for one that has passed", () => {
  for (const aheadMs of [-5, 0, 500]) {
    using clock = stage();
    let fired = 0;
    new WakeTimer().set(clock.state.nowMs + aheadMs, () => fired++);
    clock.state.nowMs += Math.max(0, aheadMs);
    clock.state.fire?.();
    assertEquals([fired, clock.state.waits], [1, [Math.max(0, aheadMs)]]);
  }
});

Deno.test("WakeTimer.set() never asks the system for more than a minute, however far the clock was set back", () => {
  using clock = stage();
  let fired = 0;
  new WakeTimer().set(clock.state.nowMs + 40 * 86_400_000, () => fired++);
  for (let look = 0; look < 3; look++) {
    clock.state.nowMs += 60_000;
    clock.state.fire?.();
  }
  assertEquals([fired, clock.state.waits], [0, [60_000, 60_000, 60_000, 60_000]]);
  clock.state.nowMs += 40 * 86_400_000; // it is right again
  clock.state.fire?.();
  assertEquals(fired, 1);
});

Deno.test("WakeTimer.clear() and a second set() forget what was set", () => {
  using clock = stage();
  const fired: string[] = [];
  const timer = new WakeTimer();
  timer.set(clock.state.nowMs + 10, () => fired.push("first"));
  timer.set(clock.state.nowMs + 10, () => fired.push("second"));
  clock.state.nowMs += 10;
  clock.state.fire?.();
  assertEquals(fired, ["second"]);
  timer.set(clock.state.nowMs + 10, () => fired.push("third"));
  timer.clear();
  assertEquals([clock.state.fire, fired], [undefined, ["second"]]);
});
