import { assertEquals, assertRejects } from "@std/assert";
import fc from "fast-check";
import { Mutex } from "../../lib/crypto/mutex.ts";

/** Lets other tasks run `count` times. */
async function yieldTimes(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await Promise.resolve();
}

Deno.test("Mutex.run() never lets two tasks overlap and keeps the order of the calls", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ steps: fc.nat(20), fails: fc.boolean() }), { maxLength: 30 }),
      async (plan) => {
        const mutex = new Mutex();
        const log: string[] = [];
        const runs = plan.map(({ steps, fails }, i) =>
          mutex.run(async () => {
            log.push(`start ${i}`);
            await yieldTimes(steps);
            log.push(`end ${i}`);
            if (fails) throw new Error(`task ${i}`);
            return i;
          })
        );
        const results = await Promise.allSettled(runs);
        assertEquals(log, plan.flatMap((_, i) => [`start ${i}`, `end ${i}`]));
        assertEquals(results.map(({ status }) => status === "rejected"), plan.map(({ fails }) => fails));
      },
    ),
  );
});

Deno.test("Mutex.run() gives the task's value, or its error to that caller alone", async () => {
  const mutex = new Mutex();
  const failing = mutex.run(() => Promise.reject(new TypeError("broken")));
  const next = mutex.run(() => Promise.resolve(7));
  await assertRejects(() => failing, TypeError, "broken");
  assertEquals(await next, 7);
});

Deno.test("Mutex.run() survives a task that throws before its first await", async () => {
  const mutex = new Mutex();
  await assertRejects(
    () =>
      mutex.run(() => {
        throw new RangeError("at once");
      }),
    RangeError,
  );
  assertEquals(await mutex.run(() => Promise.resolve("still here")), "still here");
});

Deno.test("Mutex.run() keeps read, await, write whole", async () => {
  const mutex = new Mutex();
  let counter = 0;
  await Promise.all(Array.from({ length: 50 }, (_, i) =>
    mutex.run(async () => {
      const seen = counter;
      await yieldTimes(i % 7);
      counter = seen + 1;
    })));
  assertEquals(counter, 50);
});
