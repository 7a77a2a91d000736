import { assertEquals } from "@std/assert";
import denoJson from "../../deno.json" with { type: "json" };
import { VERSION } from "../../lib/cli/version.ts";

Deno.test("VERSION is the one of deno.json", () => {
  assertEquals(VERSION, denoJson.version);
});
