/**
 * When a client whose link was lost calls again: soon and ever less often, and at once when something says that it may
 * work now, such as a typed line, a machine that wakes from sleep, or another network.
 * @module
 */

import { nowMs, steadyMs } from "./clock.ts";

/** The first wait, and what it doubles up to in the first minute. */
const FIRST_MS = 100;
const SOON_MAX_MS = 800;
/** How long the first minute is, and the longest wait after it. */
const SOON_FOR_MS = 60_000;
const LATER_MAX_MS = 15_000;
/** How often the clock and the network are looked at while waiting. */
const LOOK_EVERY_MS = 500;
/** A look that comes so much later than it should was slept through. */
const SLEPT_MS = 3_000;

/**
 * Tells how long to wait before the next call.
 * @param tries how many calls have failed since the link was lost
 * @param passedMs how long ago that was
 * @param random from 0 to below 1: clients that lost the same relay must not all call at once
 * @returns the wait, in milliseconds: half of it is fixed
 */
export function waitMs(tries: number, passedMs: number, random: number): number {
  const soon = Math.min(FIRST_MS * 2 ** Math.min(tries, 10), SOON_MAX_MS);
  const over = Math.max(0, passedMs - SOON_FOR_MS);
  const most = passedMs < SOON_FOR_MS ? soon : Math.min(LATER_MAX_MS, SOON_MAX_MS + over / 4);
  return most * (0.5 + random / 2);
}

/** One outage, from the loss of a link until there is one again. */
export class Reconnect {
  readonly #lostAtMs = steadyMs();
  #tries = 0;
  #network = networkNow();
  #poke: () => void = () => {};

  /** How many calls have failed. */
  get tries(): number {
    return this.#tries;
  }

  /** Waits until it is time to call. */
  async next(): Promise<void> {
    const untilMs = steadyMs() + waitMs(this.#tries, steadyMs() - this.#lostAtMs, Math.random());
    this.#tries++;
    let isPoked = false;
    const poked = new Promise<void>((resolve) =>
      this.#poke = () => {
        isPoked = true;
        resolve();
      }
    );
    for (let leftMs = untilMs - steadyMs(); leftMs > 0 && !isPoked; leftMs = untilMs - steadyMs()) {
      const shouldMs = Math.min(leftMs, LOOK_EVERY_MS);
      const beganMs = nowMs();
      await sleepOr(shouldMs, poked);
      if (nowMs() - beganMs > shouldMs + SLEPT_MS || this.#hasOtherNetwork()) return this.#again();
    }
    if (isPoked) this.#again();
  }

  /** Something says that it may work now: calls at once, and soon again after that. */
  poke(): void {
    this.#poke();
  }

  #again(): void {
    this.#tries = 0;
  }

  #hasOtherNetwork(): boolean {
    const now = networkNow();
    const isOther = now !== this.#network;
    this.#network = now;
    return isOther;
  }
}

async function sleepOr(ms: number, poked: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const slept = new Promise<void>((resolve) => timer = setTimeout(resolve, ms));
  await Promise.race([slept, poked]);
  clearTimeout(timer);
}

/** The addresses that this machine has, as one text. */
function networkNow(): string {
  try {
    return Deno.networkInterfaces().map(({ name, address }) => `${name} ${address}`).toSorted().join("\n");
  } catch {
    return ""; // not allowed, or not to be had: then time alone tells
  }
}
