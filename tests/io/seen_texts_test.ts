// Aim: what counts as seen was on the screen when a key was pressed; what had scrolled away was perhaps never read.
import { assertEquals } from "@std/assert";
import { safeText } from "../../lib/cli/safe_text.ts";
import { SeenTexts } from "../../lib/io/seen_texts.ts";

const LINE = [safeText("bob: hi")];

Deno.test("SeenTexts.seen() gives each text that stands on the screen once", () => {
  const texts = new SeenTexts();
  texts.printed(LINE, 80);
  texts.printed(LINE, 80, "a");
  texts.printed(LINE, 80, "b");
  assertEquals(texts.seen(24), ["a", "b"]);
  assertEquals(texts.seen(24), []);
});

Deno.test("SeenTexts.seen() leaves out what has scrolled away, long lines counted as the rows that they take", () => {
  const texts = new SeenTexts();
  texts.printed(LINE, 10, "a");
  texts.printed(LINE, 10, "b");
  texts.printed([safeText("1234567890123")], 10);
  assertEquals(texts.seen(5), ["a", "b"], "four rows above the one that is typed in");
  texts.printed(LINE, 10, "c");
  texts.printed(LINE, 10, "d");
  texts.printed([safeText("1234567890123")], 10);
  assertEquals(texts.seen(4), ["d"]);
});
