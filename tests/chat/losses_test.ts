import { assertEquals, assertNotEquals } from "@std/assert";
import { Losses } from "../../lib/chat/losses.ts";

Deno.test("Losses.count() changes the number of one person alone", () => {
  const losses = new Losses();
  assertEquals(losses.of("ada"), 0);
  for (const who of ["ada", "ada", "ben"]) losses.count(who);
  assertEquals([losses.of("ada"), losses.of("ben"), losses.of("cyd")], [2, 1, 0]);
});

Deno.test("Losses.count() remembers 8,192 people, and another number of whoever was forgotten", () => {
  const losses = new Losses();
  for (let i = 0; i < 8_192; i++) losses.count(`p${i}`);
  assertEquals(losses.of("p0"), 1);
  losses.count("p1"); // counted lately, so it stays
  losses.count("one more");
  assertNotEquals(losses.of("p0"), 1);
  assertEquals([losses.of("p1"), losses.of("p2"), losses.of("one more")], [2, 1, 1]);
});
