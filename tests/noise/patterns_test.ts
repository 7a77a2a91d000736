import { assertEquals } from "@std/assert";
import { usesPsk, XX, XX_PSK3 } from "../../lib/noise/patterns.ts";

Deno.test("XX and XX_PSK3 are the patterns of Noise 7.5 and 9.4", () => {
  assertEquals(XX.messages.map((tokens) => tokens.join(", ")), ["e", "e, ee, s, es", "s, se"]);
  assertEquals(XX_PSK3.messages.map((tokens) => tokens.join(", ")), ["e", "e, ee, s, es", "s, se, psk"]);
});

Deno.test("usesPsk() finds the psk token", () => {
  assertEquals([usesPsk(XX), usesPsk(XX_PSK3)], [false, true]);
});
