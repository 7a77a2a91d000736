import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { UserError } from "../../lib/bytes/errors.ts";
import { utf8 } from "../../lib/bytes/writer.ts";
import { RELAY_NAME_MAX_BYTES, relayName } from "../../lib/cli/relay_name.ts";
import { safeText } from "../../lib/cli/safe_text.ts";

Deno.test("relayName() takes plain text of up to 64 bytes", () => {
  for (const name of ["office", "our office", "Büro 3", "x".repeat(64), "é".repeat(32)]) {
    assertEquals(relayName(name, { isChosen: true }), name);
  }
  assertEquals(relayName("  office \n", { isChosen: true }), "office");
});

Deno.test("relayName() refuses a chosen name that is empty, too long or cannot be shown", () => {
  for (const name of ["", "  ", "x".repeat(65), "é".repeat(33), "a\x1b[31mb", "a\nb", "a\u202eb", "a\u200bb"]) {
    assertEquals(assertThrows(() => relayName(name, { isChosen: true }), UserError).code, "nameInvalid");
  }
});

Deno.test("relayName() makes the machine's name fit", () => {
  assertEquals(relayName("", { isChosen: false }), "relay");
  assertEquals(relayName("\x1b[31m", { isChosen: false }), "31m");
  assertEquals(relayName("host".repeat(40), { isChosen: false }).length, RELAY_NAME_MAX_BYTES);
  fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
    const name = relayName(text, { isChosen: false });
    assertEquals(name, safeText(name));
    assertEquals(name !== "" && utf8(name).length <= RELAY_NAME_MAX_BYTES, true);
  }));
});
