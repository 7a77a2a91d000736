// Aim: the line is always what a person would expect to see, and the view always fits its row.
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import stringWidth from "string-width";
import type { Key, KeyName } from "../../lib/cli/keys.ts";
import { HISTORY_MAX_LINES, LINE_MAX_BYTES, LineEditor } from "../../lib/cli/line_editor.ts";

const text = (text: string): Key => ({ kind: "text", text });
const press = (key: KeyName): Key => ({ kind: "press", key });
const paste = (text: string): Key => ({ kind: "paste", text, isCut: false });

/** Types, presses, and shows the line with `|` where the cursor is. */
function after(...keys: readonly (string | Key)[]): string {
  const editor = new LineEditor();
  for (const key of keys) editor.handle(typeof key === "string" ? text(key) : key);
  editor.handle(text("|"));
  return editor.text;
}

const LEFT = press("left");

Deno.test("LineEditor.handle() edits by whole characters", () => {
  assertEquals(after("ab", LEFT, "c"), "ac|b");
  assertEquals(after("a👩‍👩‍👧b", LEFT, press("backspace")), "a|b");
  assertEquals(after("a👩‍👩‍👧b", LEFT, LEFT, press("delete")), "a|b");
  assertEquals(after("ae\u0301", LEFT), "a|e\u0301");
  assertEquals(after("🇩🇪🇫🇷", LEFT), "🇩🇪|🇫🇷");
  assertEquals(after("e", "\u0301", press("backspace")), "|");
});

Deno.test("LineEditor.handle() joins characters across an edit and keeps the cursor between them", () => {
  // The accent typed before "b" settles on "a"; the cursor stays behind both.
  assertEquals(after("ab", LEFT, "\u0301"), "a\u0301|b");
  // Removing "x" lets the accent join "a".
  assertEquals(after("ax\u0301", LEFT, "y", press("backspace")), "a|x\u0301");
});

Deno.test("LineEditor.handle() moves to the ends and over words", () => {
  assertEquals(after("ab", press("ctrl-a"), "x", press("end"), "y"), "xaby|");
  assertEquals(after("one  two-three", press("alt-b")), "one  two-|three");
  assertEquals(after("one  two", press("alt-b"), press("ctrl-left")), "|one  two");
  assertEquals(after("one  two", press("home"), press("alt-f")), "one|  two");
  assertEquals(after("one  two", press("home"), press("ctrl-right"), press("alt-right")), "one  two|");
});

Deno.test("LineEditor.handle() removes words and ends", () => {
  assertEquals(after("/pm bob-x  ", press("ctrl-w")), "/pm |");
  assertEquals(after("bob-x", press("alt-backspace")), "bob-|");
  assertEquals(after("one two", press("home"), press("alt-d")), "| two");
  assertEquals(after("abcd", LEFT, LEFT, press("ctrl-u")), "|cd");
  assertEquals(after("abcd", LEFT, LEFT, press("ctrl-k")), "ab|");
  assertEquals(after("ab", LEFT, press("ctrl-d")), "a|");
});

Deno.test("LineEditor.handle() submits on Enter and is empty again", () => {
  const editor = new LineEditor();
  editor.handle(text("hi"));
  assertEquals(editor.handle(press("enter")), [{ kind: "line", text: "hi" }]);
  assertEquals(editor.handle(press("enter")), [{ kind: "line", text: "" }]);
  assertEquals(editor.text, "");
});

Deno.test("LineEditor.handle() tells interrupt, end and redraw", () => {
  const editor = new LineEditor();
  assertEquals(editor.handle(press("ctrl-d")), [{ kind: "end" }]);
  assertEquals(editor.handle(press("ctrl-c")), [{ kind: "interrupt" }]);
  assertEquals(editor.handle(press("ctrl-l")), [{ kind: "redraw" }]);
  editor.handle(text("a"));
  assertEquals(editor.handle(press("ctrl-d")), []);
  assertEquals(editor.handle(press("tab")), []);
});

Deno.test("LineEditor.handle() takes a paste without submitting it", () => {
  assertEquals(after(paste("a\r\nb\nc\td\x1b[0m\x07\r\n\n")), "a b c d[0m|");
  assertEquals(after(paste("\n")), "|");
});

Deno.test("LineEditor.handle() bounds the line and says so", () => {
  const editor = new LineEditor();
  editor.handle(text("é".repeat(LINE_MAX_BYTES / 2 - 1)));
  assertEquals(editor.handle(text("ab👩‍👩‍👧")), [{ kind: "changed" }, { kind: "full" }]);
  assertEquals(editor.handle(text("c")), [{ kind: "full" }]);
  assertEquals(editor.handle({ kind: "paste", text: "", isCut: true }), [{ kind: "full" }]);
  assertEquals(new TextEncoder().encode(editor.text).length, LINE_MAX_BYTES);
});

Deno.test("LineEditor.handle() walks the history and comes back to the draft", () => {
  const editor = new LineEditor();
  for (const line of ["one", "two", "two", "  "]) {
    editor.handle(text(line));
    editor.handle(press("enter"));
  }
  editor.handle(text("draft"));
  const seen = (["up", "up", "up", "down", "down", "down"] as const).map((key) => {
    editor.handle(press(key));
    return editor.text;
  });
  assertEquals(seen, ["two", "one", "one", "two", "draft", "draft"]);
});

Deno.test("LineEditor.handle() bounds the history", () => {
  const editor = new LineEditor();
  for (let i = 0; i < HISTORY_MAX_LINES + 10; i++) {
    editor.handle(text(`line ${i}`));
    editor.handle(press("enter"));
  }
  for (let i = 0; i < 2 * HISTORY_MAX_LINES; i++) editor.handle(press("up"));
  assertEquals(editor.text, "line 10");
});

Deno.test("LineEditor.view() shows a short line whole and a long one around the cursor", () => {
  const editor = new LineEditor();
  editor.handle(text("hello"));
  assertEquals(editor.view(80), { text: "hello", cursorColumn: 5 });
  editor.handle(text(" world"));
  assertEquals(editor.view(6), { text: "world", cursorColumn: 5 });
  editor.handle(press("home"));
  assertEquals(editor.view(6), { text: "hello", cursorColumn: 0 });
  for (let i = 0; i < 5; i++) editor.handle(press("right"));
  assertEquals(editor.view(7), { text: "ello w", cursorColumn: 4 });
});

Deno.test("LineEditor.view() shows what it cannot print as something harmless", () => {
  const editor = new LineEditor();
  editor.handle(text("a\u202eb\ue000"));
  assertEquals(editor.view(80), { text: "ab\ufffd", cursorColumn: 3 });
});

const anyText = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 20 }),
  fc.string({ unit: "binary", maxLength: 5 }),
  fc.constantFrom("👩‍👩‍👧", "中文", "🇩🇪", "e\u0301", "\u0301", "\u200d", "한글", "नमस्ते", " "),
);
const anyKey: fc.Arbitrary<Key> = fc.oneof(
  anyText.map(text),
  anyText.map(paste),
  fc.constantFrom<KeyName>(
    "left",
    "right",
    "home",
    "end",
    "up",
    "down",
    "enter",
    "backspace",
    "delete",
    "ctrl-w",
    "ctrl-k",
    "ctrl-u",
    "alt-b",
    "alt-f",
    "alt-d",
  ).map(press),
);

Deno.test("LineEditor.view() fits its row with the cursor on it, for any keys and width", () => {
  fc.assert(
    fc.property(
      fc.array(anyKey, { size: "max", maxLength: 40 }),
      fc.integer({ min: -1, max: 30 }),
      (keys, width) => {
        const editor = new LineEditor();
        for (const key of keys) editor.handle(key);
        const view = editor.view(width);
        assert(stringWidth(view.text) <= Math.max(0, width - 1), JSON.stringify(view));
        assert(view.cursorColumn >= 0 && view.cursorColumn <= Math.max(0, width - 1), JSON.stringify(view));
        assert(!/\p{Cc}/u.test(view.text));
        assert(!/[\n\r]/.test(editor.text));
      },
    ),
    { numRuns: 3_000 },
  );
});

Deno.test("LineEditor.handle() gives what was typed, for any text of any pieces", () => {
  fc.assert(fc.property(fc.array(fc.string({ unit: "grapheme" }), { size: "max", maxLength: 20 }), (pieces) => {
    const editor = new LineEditor();
    for (const piece of pieces) editor.handle(text(piece));
    // A line separator would be a second row: it is typed as a space.
    assertEquals(editor.text, pieces.join("").replace(/[\u2028\u2029]/g, " "));
    const left = pieces.join("").length + 1;
    for (let i = 0; i < left; i++) editor.handle(LEFT);
    editor.handle(press("ctrl-k"));
    assertEquals(editor.text, "");
  }));
});
