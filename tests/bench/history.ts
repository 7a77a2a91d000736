/**
 * What a full history costs: keeping it, opening it, a search through all of it, how long such a search lets others wait,
 * and forgetting it.
 */

import { HISTORY_MAX_ENTRIES } from "../../lib/io/history_store.ts";
import { searchHistory } from "../../lib/io/history_search.ts";
import { fromBen, inLobby, LOBBY, NOW, withHistory } from "../io/_history.ts";

const COMMIT_ENTRIES = 500;
const ROOM = "the quick brown fox jumps over the lazy dog, and then some more of it, as people write";

/** Prints the table. */
export async function benchHistory(count: number = HISTORY_MAX_ENTRIES): Promise<void> {
  const path = await Deno.makeTempDir({ prefix: "sotto-bench-" });
  try {
    console.log(`History (${count.toLocaleString("en-US")} entries of some ${ROOM.length} bytes):`);
    await withHistory(path, async ({ show, history }) => {
      await timed(`kept, ${COMMIT_ENTRIES} a commit`, async () => {
        for (let i = 0; i < count; i += COMMIT_ENTRIES) {
          const some = Array.from({ length: COMMIT_ENTRIES }, (_, j) => {
            return j % 2 === 0 ? inLobby(`${i + j} ${ROOM}`) : fromBen(`${i + j} ${ROOM}`);
          });
          await show(...some);
        }
      });
      console.log(`  ${(history.size.bytes / 1_048_576).toFixed(0)} MiB sealed`);
    });
    const opened = performance.now();
    await withHistory(path, async ({ history }) => {
      console.log(`  opened after ${(performance.now() - opened).toFixed(0)} ms, the whole store with it`);
      await timed("the last 20 of a room", () => history.recent(LOBBY, 20));
      await timed("the last 1,000 of a room", () => history.recent(LOBBY, 1_000));
      const stalls = watchStalls();
      await timed("a search that finds nothing", () => searchHistory(history, "nowhere to be found", () => true));
      console.log(`  while it ran, others waited ${stalls().toFixed(0)} ms at most`);
      const others = watchStalls();
      await timed("a look for what is too old", () => history.expire(NOW));
      await timed("forgetting half of it", () => history.forget(LOBBY));
      console.log(`  while it ran, others waited ${others().toFixed(0)} ms at most`);
    });
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

async function timed(what: string, work: () => Promise<unknown>): Promise<void> {
  const before = performance.now();
  await work();
  console.log(`  ${what.padEnd(36)} ${(performance.now() - before).toFixed(0).padStart(8)} ms`);
}

/** Watches how late the loop comes to a timer; gives the longest wait and ends. */
function watchStalls(): () => number {
  let [last, longest] = [performance.now(), 0];
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 1);
  return () => {
    clearInterval(timer);
    return longest;
  };
}
