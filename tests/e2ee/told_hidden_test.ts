// Aim: what an author claims to have read is told once, and changes nothing for anybody else.
import { assertEquals } from "@std/assert";
import { secureRandom } from "../../lib/crypto/random.ts";
import { ToldHidden } from "../../lib/e2ee/told_hidden.ts";

const [head, next] = [secureRandom(32), secureRandom(32)];
const UNKNOWN = { kind: "unknown" } as const;

function behind(missing: number): { readonly kind: "behind"; readonly missing: number } {
  return { kind: "behind", missing };
}

Deno.test("ToldHidden.news() tells what somebody claims more than before, and anew under another head", () => {
  const told = new ToldHidden();
  assertEquals(told.news("ada", head, behind(2)), behind(2));
  assertEquals(told.news("ada", head, behind(2)), UNKNOWN);
  assertEquals(told.news("ada", head, behind(5)), behind(3));
  assertEquals(told.news("ada", head, behind(4)), UNKNOWN);
  assertEquals(told.news("ada", next, behind(1)), behind(1));
});

Deno.test("ToldHidden.news() lets another digest of one of whom it was told count for nothing, and of nobody else", () => {
  const told = new ToldHidden();
  told.news("ada", head, behind(1));
  for (const kind of ["differs", "same", "unknown"] as const) {
    assertEquals(told.news("ada", head, { kind }), { kind: kind === "same" ? "same" : "unknown" });
    assertEquals(told.news("ada", next, { kind }), { kind });
    assertEquals(told.news("ben", head, { kind }), { kind });
  }
  assertEquals(told.news("ben", head, behind(1)), behind(1));
});
