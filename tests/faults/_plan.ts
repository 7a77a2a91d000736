/**
 * What is done to everybody, drawn from the seed: the same seed gives the same faults in the same order. When they strike
 * is decided by what goes on meanwhile, which no seed can repeat.
 * @module
 */

import type { Chance } from "./_chance.ts";
import type { Direction } from "./_proxy.ts";

/** One fault. */
export type Fault =
  | { readonly kind: "killClients"; readonly who: readonly string[]; readonly backAfterMs: number }
  | { readonly kind: "killRelay"; readonly with: readonly string[]; readonly backAfterMs: number }
  | { readonly kind: "cut" | "blackhole" | "dark"; readonly who: string; readonly forMs: number }
  | { readonly kind: "stall" | "halfClose"; readonly who: string; readonly way: Direction; readonly forMs: number }
  | { readonly kind: "split" | "delay"; readonly who: string; readonly forMs: number; readonly byMs: number }
  | { readonly kind: "clock"; readonly who: string; readonly byMs: number }
  | { readonly kind: "diskFull"; readonly forMs: number }
  | { readonly kind: "copy" | "putBack"; readonly who: string };

/** A fault and when it strikes. */
export interface Strike {
  /** Only after so many further messages were shown, so that it meets people who talk. */
  readonly afterShown: number;
  /** At the latest after this long. */
  readonly atMostMs: number;
  /** What is done. */
  readonly fault: Fault;
}

/** What is to be drawn. */
export interface PlanOptions {
  /** The clients. */
  readonly names: readonly string[];
  /** How many processes are to be killed in all. */
  readonly kills: number;
  /** How many old copies are put back. */
  readonly putBacks: number;
  /** Whether a line may be left dead until its two ends find out, which takes a minute. */
  readonly mayBeDark: boolean;
}

/** By how much a clock may go wrong. */
const JUMPS_MS = [5_000, 400_000, 3_600_000, 86_400_000, 3_000_000_000].flatMap((ms) => [-ms, 0, ms]);

/** How often each comes beside the others. */
const WEIGHTS = {
  killClients: 44,
  killRelay: 9,
  cut: 9,
  stall: 5,
  split: 4,
  delay: 4,
  halfClose: 5,
  blackhole: 4,
  dark: 1,
  clock: 5,
  diskFull: 3,
} as const satisfies Partial<Record<Fault["kind"], number>>;

/**
 * Draws all faults of a run.
 * @param chance where they are drawn from
 * @param options how many
 * @returns the faults, in the order in which they strike
 */
export function drawPlan(chance: Chance, { names, kills, putBacks, mayBeDark }: PlanOptions): Strike[] {
  const plan: Strike[] = [];
  let left = kills - 2 * putBacks; // a copy is made of who was killed, and put back at another kill
  while (left > 0) {
    const fault = drawFault(chance, names, left);
    if (fault.kind === "dark" && !mayBeDark) continue;
    left -= killsOf(fault);
    plan.push(strike(chance, fault));
  }
  // Late, and each of another: of what passes between these and the others, some may be told as missing.
  for (const who of names.slice(names.length - putBacks)) {
    const at = chance.between(Math.floor(plan.length / 2), plan.length);
    plan.splice(at, 0, strike(chance, { kind: "copy", who }));
    plan.splice(chance.between(at + 1, plan.length), 0, strike(chance, { kind: "putBack", who }));
  }
  return plan;
}

/**
 * Tells how many processes a fault kills.
 * @param fault which one
 * @returns how many
 */
export function killsOf(fault: Fault): number {
  switch (fault.kind) {
    case "killClients":
      return fault.who.length;
    case "killRelay":
      return fault.with.length + 1;
    case "copy":
    case "putBack":
      return 1;
    default:
      return 0;
  }
}

function strike(chance: Chance, fault: Fault): Strike {
  return { afterShown: chance.between(0, 40), atMostMs: chance.between(200, 2_500), fault };
}

function drawFault(chance: Chance, names: readonly string[], killsLeft: number): Fault {
  const who = chance.one(names);
  const kind = chance.weighted(WEIGHTS);
  const forMs = chance.between(50, 1_500);
  const backAfterMs = chance.one([0, 0, chance.between(1, 400), chance.between(400, 2_000)]);
  switch (kind) {
    case "killClients":
      return {
        kind,
        who: some(chance, names, Math.min(killsLeft, chance.one([1, 1, 1, 2, names.length]))),
        backAfterMs,
      };
    case "killRelay":
      return { kind, with: some(chance, names, Math.min(killsLeft - 1, chance.one([0, 0, 1, 2]))), backAfterMs };
    case "cut":
    case "blackhole":
    case "dark":
      return { kind, who, forMs };
    case "stall":
    case "halfClose":
      return { kind, who, way: chance.one(["toRelay", "toClient"] as const), forMs };
    case "split":
    case "delay":
      return { kind, who, forMs: forMs * 2, byMs: chance.between(5, 120) };
    case "clock":
      return { kind, who: chance.one([...names, "relay"]), byMs: chance.one(JUMPS_MS) };
    case "diskFull":
      return { kind, forMs: forMs * 2 };
  }
}

function some(chance: Chance, names: readonly string[], count: number): string[] {
  const left = [...names];
  return Array.from(
    { length: Math.max(0, count) },
    () => left.splice(chance.between(0, left.length - 1), 1)[0] as string,
  );
}
