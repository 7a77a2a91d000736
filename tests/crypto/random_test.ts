import { assertEquals, assertNotEquals } from "@std/assert";
import { secureRandom } from "../../lib/crypto/random.ts";

Deno.test("secureRandom() gives the length asked for, up to 65,536, and something else each time", () => {
  for (const lengthBytes of [0, 1, 16, 32, 65_536]) assertEquals(secureRandom(lengthBytes).length, lengthBytes);
  assertNotEquals(secureRandom(32), secureRandom(32));
});
