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
