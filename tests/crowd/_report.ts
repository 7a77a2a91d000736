/**
 * What a run of the crowd prints: what happened when, what came of it and what it cost. Nothing of it is asserted.
 * @module
 */

import type { RoomLog } from "./_room_log.ts";
import { cpuSecondsOfChildren, type Memory, memoryOfChildren } from "./_usage.ts";
import type { Verdict } from "./_verdict.ts";

/** Gathers and prints. */
export class Report {
  readonly #startMs = performance.now();
  readonly #memory: Memory[] = [];
  readonly #cpu: { readonly of: string; readonly seconds: number }[] = [];

  /**
   * Says what has happened.
   * @param what a few words
   */
  tell(what: string): void {
    console.log(`${((performance.now() - this.#startMs) / 1_000).toFixed(1).padStart(7)} s  ${what}`);
  }

  /** Looks at the memory of the processes that run. */
  async look(): Promise<void> {
    const memory = await memoryOfChildren();
    if (memory !== undefined) this.#memory.push(memory);
  }

  /**
   * Looks at the CPU time of the processes that have ended since this was called last.
   * @param of which they were
   */
  async count(of: string): Promise<void> {
    const seconds = await cpuSecondsOfChildren();
    if (seconds === undefined) return;
    this.#cpu.push({ of, seconds: seconds - this.#cpu.reduce((sum, earlier) => sum + earlier.seconds, 0) });
  }

  /**
   * Prints what came of it.
   * @param verdict what everybody read
   * @param log what the relay placed
   */
  print(verdict: Verdict, log: RoomLog): void {
    const { placed, deliveries, due, free, shownAgain, acceptedElsewhere, leftBehind, odd, faults } = verdict;
    this.tell("judged");
    row("messages", `${placed} placed by the relay`);
    row("deliveries", `${deliveries}: ${due} had to be, ${free} could be or not`);
    row(
      "shown again",
      `${shownAgain} that a killed client could not note as shown, and marked when it showed them once more`,
    );
    row("out of place", `${acceptedElsewhere} own lines, told as accepted after what was placed behind them`);
    row("left behind", `${leftBehind} ephemeral clients that have ended and are still members`);
    row("ops", `${log.ops}, ${log.voidOps} of them void`);
    row("odd lines", odd.length === 0 ? "none" : `${odd.length}, of which the first of each kind and part:`);
    const first = new Map(odd.toReversed().map((line) => [`${line.kind} ${line.by.part}`, line]));
    for (const { by: { name, part }, kind, text } of first.values()) {
      const count = odd.filter((line) => line.kind === kind && line.by.part === part).length;
      row("", `${count} × ${kind} of those whose part is "${part}": ${name} was told ${JSON.stringify(text)}`);
    }
    row("faults", String(faults.length));
    for (const { processes, sharedBytes, largestBytes } of this.#memory) {
      row("memory", `${processes} processes ${mb(sharedBytes)}, the largest by itself ${mb(largestBytes)}`);
    }
    for (const { of, seconds } of this.#cpu) row("CPU", `${of} ${seconds.toFixed(1)} s`);
  }
}

function row(name: string, what: string): void {
  console.log(`  ${name.padEnd(14)}${what}`);
}

function mb(bytes: number): string {
  return `${Math.round(bytes / 1_000_000).toLocaleString("en-US")} MB`;
}
