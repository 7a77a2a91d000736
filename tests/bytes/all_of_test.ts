// Aim: nothing goes on after the answer, whatever it is.
import { assertEquals, assertRejects } from "@std/assert";
import { allOf } from "../../lib/bytes/all_of.ts";

Deno.test("allOf() gives what all gave, in order", async () => {
  assertEquals(await allOf([Promise.resolve(1), Promise.resolve(2)]), [1, 2]);
  assertEquals(await allOf([]), []);
});

Deno.test("allOf() waits for the others when one fails, and throws what the first threw", async () => {
  let isDone = false;
  const slow = new Promise<void>((resolve) => setTimeout(resolve, 1)).then(() => void (isDone = true));
  const failed = [Promise.reject(new TypeError("first")), Promise.reject(new RangeError("second"))];
  await assertRejects(() => allOf<unknown>([...failed, slow]), TypeError, "first");
  assertEquals(isDone, true);
});
