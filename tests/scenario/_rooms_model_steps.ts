/**
 * What may happen in a run: who takes part, and one step after another. Whom and which room a step means is told by
 * numbers that are taken modulo what there is then; what makes no sense at that moment does nothing.
 */

import fc from "fast-check";

/** What people do, and what happens to them. */
export const KINDS = [
  "say",
  "topic",
  "come", // start, start again, or link again
  "join", // a room, or say yes to an invitation
  "leave", // a room for good, or say no to an invitation
  "create", // a room that people are invited to
  "invite",
  "remove",
  "promote",
  "lose", // their line breaks, and the client goes on
  "crash", // what was kept stays; what is on the line is lost
  "quit",
  "slow", // what the relay says does not arrive
  "stuck", // what the client says does not arrive: a crash now is one between keeping and sending
  "flow", // it does
  "minutes",
  "hour",
  "days",
] as const;

/** One thing that happens. */
export interface Step {
  readonly kind: (typeof KINDS)[number];
  readonly who: number;
  readonly whom: number;
  readonly room: number;
  /** How many packets arrive of what follows from it before the next step; `Infinity`, all. */
  readonly settled: number;
}

/** A whole run. */
export interface Plan {
  /** Who takes part, by their number in the cast. */
  readonly cast: readonly number[];
  /** How many of them are there from the start, one at least. */
  readonly early: number;
  /** Whether the first of them has a room already that they invited all others to who are there, and these said yes. */
  readonly den: "none" | "asked" | "full";
  readonly steps: readonly Step[];
}

/** Twelve people; the ephemeral ones keep nothing when they go. */
export const CAST = ["ada", "ben", "cleo", "dan", "eve", "fay", "gus", "hal", "ivy", "jon", "kim", "leo"] as const;
/** Their numbers. */
export const EPHEMERAL: readonly number[] = [3, 8];

const WEIGHTS: Record<Step["kind"], number> = {
  say: 24,
  topic: 1,
  come: 6,
  join: 8,
  leave: 5,
  create: 2,
  invite: 9,
  remove: 9,
  promote: 2,
  lose: 4,
  crash: 4,
  quit: 2,
  slow: 9,
  stuck: 4,
  flow: 6,
  minutes: 2,
  hour: 1,
  days: 1,
};

const number = fc.nat(11);
const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.oneof(...KINDS.map((kind) => ({ weight: WEIGHTS[kind], arbitrary: fc.constant(kind) }))),
  who: number,
  whom: number,
  room: fc.nat(3),
  settled: fc.oneof({ weight: 3, arbitrary: fc.constant(Infinity) }, { weight: 1, arbitrary: fc.nat(12) }),
});

function castOf(maxLength: number): fc.Arbitrary<number[]> {
  return fc.subarray(CAST.map((_, i) => i), { minLength: 2, maxLength });
}

/** Small rooms find most and cost least; now and then everybody is there. */
export const plans: fc.Arbitrary<Plan> = fc.record({
  cast: fc.oneof(
    { weight: 10, arbitrary: castOf(4) },
    { weight: 5, arbitrary: castOf(6) },
    { weight: 1, arbitrary: castOf(12) },
  ),
  early: fc.integer({ min: 1, max: CAST.length }),
  den: fc.constantFrom("none", "asked", "full"),
  steps: fc.array(step, { minLength: 1, maxLength: 24, size: "max" }),
});
