import { assertEquals } from "@std/assert";
import { BUDGETS_MAX, KeyedBudgets } from "../../lib/relay/keyed_budgets.ts";

Deno.test("KeyedBudgets.take() counts for each key alone", () => {
  const budgets = new KeyedBudgets({ burst: 2, perSecond: 1 });
  assertEquals([budgets.take("a", 0), budgets.take("a", 0), budgets.take("a", 0)], [true, true, false]);
  assertEquals([budgets.take("b", 0), budgets.take("a", 1_000), budgets.take("a", 1_000)], [true, true, false]);
});

Deno.test("KeyedBudgets.take() forgets the key that was used longest ago, at a bound", () => {
  const budgets = new KeyedBudgets({ burst: 1, perSecond: 0 });
  budgets.take("early", 0);
  budgets.take("later", 0);
  for (let i = 0; i < BUDGETS_MAX - 2; i++) budgets.take(`key ${i}`, 0);
  assertEquals(budgets.take("later", 0), false); // used again: it is the newest now
  budgets.take("one more", 0);
  assertEquals([budgets.take("later", 0), budgets.take("early", 0)], [false, true]);
});

Deno.test("KeyedBudgets.take() forgets those that are whole again first: whoever uses many keys gets no more by it", () => {
  const budgets = new KeyedBudgets({ burst: 2, perSecond: 0.001 });
  for (let i = 0; i < 2; i++) assertEquals(budgets.take("spent", 0), true);
  for (let i = 1; i < BUDGETS_MAX; i++) budgets.take(`early ${i}`, 0);
  const laterMs = 1_500_000; // one and a half have come back: all are whole again but for the first
  for (let i = 0; i < BUDGETS_MAX / 2; i++) budgets.take(`later ${i}`, laterMs);
  assertEquals([budgets.take("spent", laterMs), budgets.take("spent", laterMs)], [true, false]);
});
