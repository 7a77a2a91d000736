import { assertEquals } from "@std/assert";
import { isoSeconds, isoTime } from "../../lib/cli/iso.ts";

Deno.test("isoTime() spells milliseconds since 1970 as ISO 8601, UTC", () => {
  assertEquals(isoTime(0), "1970-01-01T00:00:00.000Z");
  assertEquals(isoTime(Date.UTC(2026, 0, 31, 8, 5, 9, 120)), "2026-01-31T08:05:09.120Z");
});

Deno.test("isoSeconds() leaves the milliseconds out", () => {
  assertEquals(isoSeconds(Date.UTC(2026, 0, 31, 8, 5, 9, 120)), "2026-01-31T08:05:09Z");
});

Deno.test("isoTime() gives the nearest end of the calendar for a claim beyond it", () => {
  assertEquals(isoTime(-1), "1970-01-01T00:00:00.000Z");
  assertEquals(isoTime(253_402_300_799_999), "9999-12-31T23:59:59.999Z");
  assertEquals(isoTime(Number.MAX_SAFE_INTEGER), "9999-12-31T23:59:59.999Z");
});
