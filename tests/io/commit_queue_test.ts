// Aim: no effect is done before what its turn changed is kept, in order, and none after a transaction failed.
import { assertEquals } from "@std/assert";
import type { ChatEffect } from "../../lib/chat/effects.ts";
import type { ChatChanges } from "../../lib/chat/state.ts";
import { Mutex } from "../../lib/crypto/mutex.ts";
import { CommitQueue, EFFECTS_WAITING_MAX } from "../../lib/io/commit_queue.ts";

const CHANGES: ChatChanges = { sessions: { peers: [] }, peers: [], cursors: [] };

function wake(atMs: number): ChatEffect {
  return { kind: "wakeAt", atMs };
}

/** A queue whose transactions end when the test says so. */
class Bench {
  readonly log: string[] = [];
  readonly turns = new Mutex();
  readonly commits: PromiseWithResolvers<void>[] = [];
  hasChanges = true;
  readonly queue = new CommitQueue({
    betweenTurns: (atOnce) => this.turns.run(() => Promise.resolve(atOnce())),
    takeChanges: () => {
      this.log.push("take");
      return this.hasChanges ? CHANGES : undefined;
    },
    commit: async () => {
      const commit = Promise.withResolvers<void>();
      this.commits.push(commit);
      await commit.promise;
      this.log.push("kept");
    },
    perform: (effect) => void this.log.push(effect.kind === "wakeAt" ? `do ${effect.atMs}` : effect.kind),
    failed: (error) => this.log.push(`failed ${(error as Error).message}`),
  });

  turn(...effects: ChatEffect[]): Promise<void> {
    return this.turns.run(() => Promise.resolve(this.queue.add(effects)));
  }

  /** A turn that another follows at once. */
  turnOfLot(...effects: ChatEffect[]): Promise<void> {
    return this.turns.run(() => Promise.resolve(this.queue.add(effects, true)));
  }

  async settle(): Promise<void> {
    for (let i = 0; i < 20; i++) await Promise.resolve();
  }
}

Deno.test("CommitQueue.add() does effects after their changes are kept, and what came meanwhile together", async () => {
  const bench = new Bench();
  await bench.turn(wake(1));
  await bench.settle();
  assertEquals(bench.log, ["take"]);
  await bench.turn(wake(2));
  await bench.turn(wake(3));
  await bench.settle();
  assertEquals(bench.log, ["take"], "nothing is done while the transaction is written");
  bench.commits[0]?.resolve();
  await bench.settle();
  assertEquals(bench.log, ["take", "kept", "do 1", "take"]);
  bench.commits[1]?.resolve();
  await bench.queue.settled();
  assertEquals(bench.log, ["take", "kept", "do 1", "take", "kept", "do 2", "do 3"]);
});

Deno.test("CommitQueue.add() takes changes only between two turns", async () => {
  const bench = new Bench();
  const slow = Promise.withResolvers<void>();
  const first = bench.turn(wake(1));
  const second = bench.turns.run(async () => {
    bench.log.push("begun");
    await slow.promise;
    bench.log.push("ended");
  });
  await first;
  await bench.settle();
  assertEquals(bench.log, ["begun"]);
  slow.resolve();
  await second;
  await bench.settle();
  assertEquals(bench.log, ["begun", "ended", "take"]);
  bench.commits[0]?.resolve();
  await bench.queue.settled();
});

Deno.test("CommitQueue.add() keeps changes that have no effect", async () => {
  const bench = new Bench();
  await bench.turn();
  await bench.settle();
  assertEquals([bench.log, bench.commits.length], [["take"], 1]);
  bench.commits[0]?.resolve();
  await bench.queue.settled();
});

Deno.test("CommitQueue.add() does effects at once when nothing has changed", async () => {
  const bench = new Bench();
  bench.hasChanges = false;
  await bench.turn(wake(1));
  await bench.queue.settled();
  assertEquals([bench.log, bench.commits.length], [["take", "do 1"], 0]);
});

Deno.test("CommitQueue does nothing more once a transaction failed, but shows what the relay has accepted", async () => {
  const bench = new Bench();
  const accepted: ChatEffect = {
    kind: "show",
    event: { type: "accepted", id: "id", place: { room: "lobby" }, at: 1, sentAt: 1, text: "hi" },
  };
  await bench.turn(wake(1), { kind: "send", packet: new Uint8Array() }, accepted);
  await bench.settle();
  await bench.turn(wake(2));
  bench.commits[0]?.reject(new Error("disk full"));
  await bench.queue.settled();
  await bench.turn(wake(3));
  await bench.queue.settled();
  assertEquals(bench.log, ["take", "show", "failed disk full"]);
});

Deno.test("CommitQueue tells what the relay answered, before, during and after a transaction that failed", async () => {
  const bench = new Bench();
  const refused: ChatEffect = { kind: "show", event: { type: "error", code: "unsent", message: "", hint: "" } };
  await bench.turn(refused, wake(1));
  await bench.settle();
  await bench.turn(refused, wake(2)); // gathers while the disk works
  bench.commits[0]?.reject(new Error("disk full"));
  await bench.queue.settled();
  await bench.turn(refused, wake(3)); // the link is not closed yet
  assertEquals(bench.log, ["take", "show", "show", "failed disk full", "show"]);
});

Deno.test("CommitQueue.settled() keeps what a turn without effects changed while another was written", async () => {
  const bench = new Bench();
  await bench.turn(wake(1));
  await bench.settle();
  await bench.turn();
  bench.commits[0]?.resolve();
  await bench.settle();
  assertEquals([bench.log.filter((entry) => entry === "take").length, bench.commits.length], [2, 2]);
  bench.commits[1]?.resolve();
  await bench.queue.settled();
});

Deno.test("CommitQueue.ready() waits while too much is waiting", async () => {
  const bench = new Bench();
  await bench.turn(wake(0));
  await bench.settle();
  await bench.turn(...Array.from({ length: EFFECTS_WAITING_MAX }, () => wake(1)));
  let isReady = false;
  const ready = bench.queue.ready().then(() => isReady = true);
  await bench.settle();
  assertEquals(isReady, false);
  bench.commits[0]?.resolve();
  await bench.settle();
  bench.commits[1]?.resolve();
  await ready;
  assertEquals(bench.log.filter((entry) => entry === "do 1").length, EFFECTS_WAITING_MAX);
});

Deno.test("CommitQueue.add() keeps turns that follow each other at once in one transaction", async () => {
  const bench = new Bench();
  await bench.turnOfLot(wake(1));
  await bench.turnOfLot(wake(2));
  await bench.settle();
  assertEquals(bench.log, [], "the lot is not over");
  await bench.turn(wake(3));
  await bench.settle();
  await bench.turnOfLot(wake(4));
  bench.commits[0]?.resolve();
  await bench.settle();
  assertEquals(bench.log, ["take", "kept", "do 1", "do 2", "do 3"], "the next lot waits for its end again");
  const settled = bench.queue.settled(); // and for nothing else, if that never comes
  await bench.settle();
  bench.commits[1]?.resolve();
  await settled;
  assertEquals(bench.log.slice(5), ["take", "kept", "do 4"]);
});

Deno.test("CommitQueue.add() waits for no end of a lot whose effects are too many", async () => {
  const bench = new Bench();
  for (let i = 0; i < EFFECTS_WAITING_MAX; i++) await bench.turnOfLot(wake(i));
  const ready = bench.queue.ready();
  await bench.settle();
  bench.commits[0]?.resolve();
  await ready;
  assertEquals(bench.log.length, 2 + EFFECTS_WAITING_MAX);
});
