// Aim: nothing that steers a terminal, hides or reorders comes through safeText(), and honest text does.
import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import {
  EMOJI_JOINED_MAX,
  joinSafe,
  MARKS_PER_BASE_MAX,
  paint,
  safe,
  SAFE_LINES_MAX,
  safeLines,
  type SafeText,
  safeText,
} from "../../lib/cli/safe_text.ts";

const FORBIDDEN = /(?![\u200d\ufe0e\ufe0f])[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/u;
const MISPLACED_JOINER =
  /(?<!\p{Extended_Pictographic}(?:[\ufe0e\ufe0f]|\p{Emoji_Modifier})?)\u200d|\u200d(?!\p{Extended_Pictographic})/u;
const MISPLACED_SELECTOR = /(?<![\p{Extended_Pictographic}0-9#*])[\ufe0e\ufe0f]/u;

/** Text in which the dangerous, the joining and the plain lie close together. */
const nasty = fc.array(
  fc.oneof(
    fc.string({ unit: "binary", maxLength: 3 }),
    fc.constantFrom(
      ..."\x00\x07\x08\t\n\v\f\r\x1b\x7f\x80\x85\x90\x9b\x9c\x9d\xa0\xad",
      ..."\u034f\u061c\u115f\u180e\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202e\u2060\u2066\u2069\u2800\u3000\u3164",
      ..."\ufe00\ufe0e\ufe0f\ufeff\ufff9\ufffc\uffff\u0301\u0e31\u20e3",
      "\ud800",
      "\udc00",
      "\u{e0001}",
      "\u{e0067}",
      "\u{e007f}",
      "\u{e0100}",
      "\u{f0000}",
      "\u{10ffff}",
      "👩",
      "❤",
      "👍",
      "🏽",
      "🏴",
      "🇩",
      "\x1b[31m",
      "\x1b]8;;x\x07",
      "[",
      "]",
      "m",
      "\\",
      "1",
      "#",
      "a",
      " ",
      "é",
      "中",
    ),
  ),
  { size: "max", maxLength: 60 },
).map((parts) => parts.join(""));

Deno.test("safeText() never gives a forbidden code point, for any text", () => {
  fc.assert(
    fc.property(nasty, (text) => {
      const clean = safeText(text);
      assert(!FORBIDDEN.test(clean), JSON.stringify(clean));
      assert(!MISPLACED_JOINER.test(clean), JSON.stringify(clean));
      assert(!MISPLACED_SELECTOR.test(clean), JSON.stringify(clean));
      assert(clean.isWellFormed());
      assert(!new RegExp(`\\p{M}{${MARKS_PER_BASE_MAX + 1}}|^\\p{M}`, "u").test(clean), JSON.stringify(clean));
    }),
    { numRuns: 3_000 },
  );
});

Deno.test("safeText() gives a fixed point of itself, for any text and bound", () => {
  fc.assert(
    fc.property(nasty, fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined }), (text, maxChars) => {
      const options = maxChars === undefined ? {} : { maxChars };
      const once = safeText(text, options);
      assertEquals(safeText(once, options), once);
      if (maxChars !== undefined) assert([...once].length <= maxChars);
    }),
    { numRuns: 3_000 },
  );
});

Deno.test("safeText() judges every code point alone", () => {
  for (let codePoint = 0; codePoint <= 0x10ffff; codePoint++) {
    const clean = safeText(String.fromCodePoint(codePoint));
    assert(!FORBIDDEN.test(clean) && !/[\u200d\ufe0e\ufe0f]/u.test(clean), codePoint.toString(16));
  }
});

Deno.test("safeText() keeps honest text as it is", () => {
  const texts = [
    "",
    "Grüße aus Köln!",
    "Tiếng Việt",
    "שלום",
    "مرحبا",
    "नमस्ते",
    "สวัสดี",
    "日本語　テスト",
    "👩‍👩‍👧‍👦 👍🏽 ❤️ 🇩🇪 1️⃣ ☎︎ 🏳️‍🌈 👩🏽‍❤️‍💋‍👩🏽 🧑‍💻",
    "a < b && c",
  ];
  for (const text of texts) assertEquals<string>(safeText(text), text);
});

Deno.test("safeText() removes escape sequences whole", () => {
  for (
    const sequence of [
      "\x1b[31m",
      "\x1b[2J",
      "\x1b[?1049h",
      "\x9b1;2H",
      "\x1b]0;title\x07",
      "\x1b]8;;http://x\x1b\\",
      "\x1bP1$r\x1b\\",
      "\x9dx\x9c",
      "\x1bc",
      "\x1b(B",
      "\x1b_Gpayload\x1b\\",
    ]
  ) assertEquals<string>(safeText(`a${sequence}b`), "ab", JSON.stringify(sequence));
});

Deno.test("safeText() disarms a sequence that another one parts, and one without an end", () => {
  assertEquals<string>(safeText("\x1b\x1b[0m[31mx"), "\ufffd[31mx");
  assertEquals<string>(safeText("\x1b]0;never ends"), "0;never ends");
  assertEquals<string>(safeText("\x1b["), "");
  assertEquals<string>(safeText("\x1b"), "\ufffd");
});

Deno.test("safeText() makes what hides or reorders harmless", () => {
  assertEquals<string>(safeText("a\u202eb\u2066c\u200fd"), "abcd");
  assertEquals<string>(safeText("ad\u200bmin\u00ad\ufeff\u2060"), "admin");
  assertEquals<string>(safeText("a\u{e0041}\u{e0042}"), "a");
  assertEquals<string>(safeText("a\r\nb\nc\u2028d"), "a⏎b⏎c⏎d");
  assertEquals<string>(safeText("a\tb\u00a0c"), "a b c");
  assertEquals<string>(safeText("\ue000\ud800\u0007"), "\ufffd\ufffd\ufffd");
});

Deno.test("safeText() bounds the marks on one base and gives a leading mark a base", () => {
  assertEquals<string>(safeText(`e${"\u0301".repeat(100)}x`), `e${"\u0301".repeat(MARKS_PER_BASE_MAX)}x`);
  assertEquals<string>(safeText("\u0301bob"), "\u25cc\u0301bob");
});

Deno.test("safeText() bounds a chain of joined emoji", () => {
  const chain = Array(50).fill("👩").join("\u200d");
  const longest = Math.max(...[...new Intl.Segmenter().segment(safeText(chain))].map((s) => [...s.segment].length));
  assertEquals(longest, 2 * EMOJI_JOINED_MAX - 1);
});

Deno.test("safeText() cuts between characters and says so", () => {
  assertEquals<string>(safeText("hello", { maxChars: 5 }), "hello");
  assertEquals<string>(safeText("hello!", { maxChars: 5 }), "hell…");
  assertEquals<string>(safeText("a👩‍👩‍👧b", { maxChars: 5 }), "a…");
  assertEquals<string>(safeText("ab", { maxChars: 1 }), "…");
  assertThrows(() => safeText("ab", { maxChars: 0 }), RangeError);
});

Deno.test("safeText() takes time in proportion to a hostile text", () => {
  for (const unit of ["\x1b]", "\x1b[", "\x1b[1", "👩\u200d", "\u0301", "\x1b[;", "\x1bP ", "1\ufe0f"]) {
    const start = performance.now();
    safeText(unit.repeat(200_000));
    assert(performance.now() - start < 2_000, JSON.stringify(unit));
  }
});

Deno.test("safeLines() gives one safe line for each line, and says what it leaves out", () => {
  assertEquals<string[]>(safeLines("a\r\nb\x1b[1m\n\nc"), ["a", "b", "", "c"]);
  assertEquals<string[]>(safeLines(""), [""]);
  const many = safeLines("x\n".repeat(16_384));
  assertEquals(many.length, SAFE_LINES_MAX);
  assertEquals<string | undefined>(many.at(-1), `… ${16_385 - (SAFE_LINES_MAX - 1)} more lines`);
});

Deno.test("safe and joinSafe() compose safe pieces", () => {
  const name = safeText("bob\x07");
  assertEquals<string>(safe`${name} has ${2} keys`, "bob\ufffd has 2 keys");
  assertEquals<string>(joinSafe([name, safe`x`], ", "), "bob\ufffd, x");
  // @ts-expect-error plain text must not pass as safe
  const refused: SafeText = "plain";
  assertEquals<string>(refused, "plain");
});

Deno.test("paint() wraps a line and safeText() takes the paint off again", () => {
  const painted = paint(safeText("hi"), "bold");
  assertEquals<string>(painted, "\x1b[1mhi\x1b[0m");
  assertEquals<string>(safeText(painted), "hi");
});
