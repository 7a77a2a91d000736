// Aim: time for the history goes on with the machine's clock, and no jump of that clock ages what is kept before it was
// believed for a day.
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { DecodeError } from "../../lib/bytes/errors.ts";
import {
  CLOCK_HOLD_MS,
  CLOCK_STEP_MAX_MS,
  type ClockState,
  decodeClock,
  encodeClock,
  HistoryClock,
} from "../../lib/chat/history_clock.ts";

const NOW = 1_767_225_600_000;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;

/** What a clock says after each of some steps of the machine's. */
function after(...steps: number[]): number {
  const clock = new HistoryClock(NOW);
  let now = NOW;
  for (const step of steps) clock.note(now += step);
  return clock.state.countedMs - NOW;
}

Deno.test("HistoryClock.note() follows a clock that goes on", () => {
  assertEquals(after(), 0);
  assertEquals(after(HOUR, 5, DAY, HOUR), DAY + 2 * HOUR + 5);
});

Deno.test("HistoryClock.note() does not believe a clock that is a year ahead, before it has held for a day", () => {
  assertEquals(after(YEAR), 0);
  assertEquals(after(YEAR, HOUR, HOUR), 2 * HOUR);
  assertEquals(after(YEAR, HOUR, -YEAR), HOUR);
  assertEquals(after(YEAR, HOUR, -YEAR, HOUR), 2 * HOUR);
  assertEquals(after(YEAR, DAY), YEAR + DAY);
});

Deno.test("HistoryClock.note() loses nothing to a clock that begins in 1970 and is set right", () => {
  const back = -56 * YEAR;
  assertEquals(after(back), 0);
  assertEquals(after(back, HOUR, -back), HOUR);
  assertEquals(after(back, HOUR, -back + HOUR, HOUR), 3 * HOUR);
  // One that stays there is the clock from then on, until it is set right, which must hold for a day.
  assertEquals(after(back, DAY, HOUR), DAY + HOUR);
  assertEquals(after(back, DAY, -back), DAY);
});

Deno.test("HistoryClock.note() counts what went by while nothing ran, a day late", () => {
  assertEquals(after(90 * DAY), 0);
  assertEquals(after(90 * DAY, HOUR, 23 * HOUR), 91 * DAY);
  assertEquals(after(7 * DAY, 7 * DAY, 7 * DAY), 14 * DAY); // somebody who starts once a week
});

Deno.test("HistoryClock goes on from its state as if it had never stopped", () => {
  const step = fc.oneof(fc.integer({ min: -YEAR, max: YEAR }), fc.integer({ min: 0, max: DAY }));
  fc.assert(fc.property(fc.array(step, { maxLength: 20 }), fc.nat(20), (steps, at) => {
    let clock = new HistoryClock(NOW);
    let now = NOW;
    for (const [i, one] of steps.entries()) {
      now = Math.max(0, now + one);
      if (i === at) clock = new HistoryClock(now, decodeClock(encodeClock(clock.state)));
      else clock.note(now);
    }
    const whole = new HistoryClock(NOW);
    now = NOW;
    for (const one of steps) whole.note(now = Math.max(0, now + one));
    assertEquals(clock.state, whole.state);
  }));
});

Deno.test("HistoryClock.note() never goes back, and never on by more than a day without a day between", () => {
  const step = fc.oneof(fc.integer({ min: -2 * YEAR, max: 2 * YEAR }), fc.integer({ min: 0, max: HOUR }));
  fc.assert(fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
    const clock = new HistoryClock(NOW);
    let now = NOW;
    for (const one of steps) {
      const { countedMs: before, heldMs } = clock.state;
      now = Math.max(0, now + one);
      const heldNow = heldMs + Math.max(0, one);
      const went = clock.note(now) - before;
      assert(went >= 0);
      assert(went <= CLOCK_STEP_MAX_MS || heldNow >= CLOCK_HOLD_MS, `${went} after ${heldNow}`);
    }
  }));
});

Deno.test("decodeClock() refuses what is none", () => {
  const whole = encodeClock({ countedMs: NOW, wallMs: 5, waitingMs: -7, heldMs: 3 });
  assertEquals(decodeClock(whole), { countedMs: NOW, wallMs: 5, waitingMs: -7, heldMs: 3 } satisfies ClockState);
  for (let length = 0; length < whole.length; length++) {
    assertThrows(() => decodeClock(whole.slice(0, length)), DecodeError);
  }
  assertThrows(() => decodeClock(Uint8Array.of(...whole, 0)), DecodeError);
  assertThrows(() => decodeClock(whole.map((byte, i) => i === 0 ? 9 : byte)), DecodeError);
  const both = whole.slice();
  both[36] = 1; // ahead as well as back
  assertThrows(() => decodeClock(both), DecodeError);
});
