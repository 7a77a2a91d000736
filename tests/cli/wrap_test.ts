// Aim: a long line is broken between words, and nothing of it is lost or changed by that.
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import stringWidth from "string-width";
import { type SafeText, safeText } from "../../lib/cli/safe_text.ts";
import { wrapLines } from "../../lib/cli/wrap.ts";

const line = (text: string) => safeText(text);

Deno.test("wrapLines() breaks a line between words and indents what follows", () => {
  assertEquals<string[]>(wrapLines([line("your fingerprint is YYK5 O7CD VRD4"), line("short")], 26), [
    "your fingerprint is YYK5",
    "  O7CD VRD4",
    "short",
  ]);
  assertEquals<string[]>(wrapLines([line("  already indented words go on")], 20), [
    "  already indented",
    "    words go on",
  ]);
});

Deno.test("wrapLines() counts columns, not characters, and no colours", () => {
  assertEquals<string[]>(wrapLines([line("日本語 日本語 日本語 日本語")], 21), ["日本語 日本語 日本語", "  日本語"]);
  const coloured = "\x1b[33m* twelve chars here\x1b[0m" as SafeText;
  assertEquals(wrapLines([coloured], 20), [coloured]);
});

Deno.test("wrapLines() leaves a word that is too wide, and everything on a screen that is too narrow", () => {
  const url = `see ${"x".repeat(60)} there`;
  assertEquals<string[]>(wrapLines([line(url)], 30), ["see", `  ${"x".repeat(60)}`, "  there"]);
  assertEquals<string[]>(wrapLines([line(url)], 19), [url]);
});

Deno.test("wrapLines() loses nothing, and makes no part wider than the screen but a single word", () => {
  const words = fc.array(fc.oneof(fc.string({ maxLength: 12 }), fc.string({ unit: "grapheme", maxLength: 8 })));
  fc.assert(fc.property(words, fc.integer({ min: 20, max: 60 }), (parts, columns) => {
    const whole = line(parts.join(" "));
    const indent = `${/^ */.exec(whole)?.[0] ?? ""}  `;
    const [first = "", ...rest] = wrapLines([whole], columns);
    assert(rest.every((part) => part.startsWith(indent)));
    assertEquals([first, ...rest.map((part) => part.slice(indent.length))].join(" "), whole);
    for (const part of [first, ...rest]) assert(stringWidth(part) <= columns || !part.trim().includes(" "));
  }));
});
