import { assertEquals } from "@std/assert";
import type { Fingerprint } from "../../lib/e2ee/identity.ts";
import { ToldLosses } from "../../lib/e2ee/told_losses.ts";

const [ada, ben] = ["ada", "ben"] as Fingerprint[] as [Fingerprint, Fingerprint];

Deno.test("ToldLosses.open() gives what was told as lost since the author's last message, once", () => {
  const told = new ToldLosses();
  assertEquals(told.open(ada, 3), 0);
  told.tell(ada, 4);
  told.tell(ada, 5);
  told.tell(ben, 6);
  assertEquals([told.open(ada, 7), told.open(ada, 8), told.open(ben, 9)], [2, 0, 1]);
});

Deno.test("ToldLosses.open() leaves out what still waited when a later message was opened", () => {
  const told = new ToldLosses();
  assertEquals(told.open(ada, 7), 0);
  told.tell(ada, 4);
  assertEquals(told.open(ada, 9), 0, "three messages that are missing before it must not be hidden");
});
