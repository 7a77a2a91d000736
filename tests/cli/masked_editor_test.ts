import { assertEquals } from "@std/assert";
import fc from "fast-check";
import type { Key, KeyName } from "../../lib/cli/keys.ts";
import { LINE_MAX_BYTES } from "../../lib/cli/line_editor.ts";
import { MaskedEditor } from "../../lib/cli/masked_editor.ts";

const text = (text: string): Key => ({ kind: "text", text });
const press = (key: KeyName): Key => ({ kind: "press", key });
const paste = (text: string): Key => ({ kind: "paste", text, isCut: false });

/** Types and presses, and gives the dots and the line that Enter would give. */
function after(...keys: readonly (string | Key)[]): [string, string] {
  const editor = new MaskedEditor();
  for (const key of keys) editor.handle(typeof key === "string" ? text(key) : key);
  const shown = editor.view(80);
  const [event] = editor.handle(press("enter"));
  return [shown, event?.kind === "line" ? event.text : ""];
}

Deno.test("MaskedEditor.view() shows one dot for each character as people count them", () => {
  assertEquals(after("abc"), ["•••", "abc"]);
  assertEquals(after("é", "e\u0301", "👩‍👩‍👧", "🇩🇪", "漢"), ["•••••", "ée\u0301👩‍👩‍👧🇩🇪漢"]);
  assertEquals(after(), ["", ""]);
});

Deno.test("MaskedEditor.handle() removes one character at a time, a word, or all", () => {
  const backspace = press("backspace");
  assertEquals(after("aé", backspace), ["•", "a"]);
  assertEquals(after("ae\u0301", backspace), ["•", "a"]);
  assertEquals(after("a👩‍👩‍👧", backspace), ["•", "a"]);
  assertEquals(after("a", backspace, backspace, "b"), ["•", "b"]);
  assertEquals(after("correct horse", press("ctrl-w"), "x"), ["•".repeat(9), "correct x"]);
  assertEquals(after("correct horse", press("ctrl-u"), "x"), ["•", "x"]);
});

Deno.test("MaskedEditor.handle() takes a paste, spaces and all, without its last line end", () => {
  assertEquals(after(paste("two words\r\n")), ["•".repeat(9), "two words"]);
  assertEquals(after(" ", paste(" x "), " "), ["•".repeat(5), "  x  "]);
});

Deno.test("MaskedEditor.handle() ignores keys whose effect nobody could see, and remembers nothing", () => {
  const moves = ["left", "home", "up", "ctrl-p", "ctrl-a", "ctrl-k", "alt-d", "tab", "escape", "delete"] as const;
  for (const key of moves) assertEquals(after("ab", press(key), "c"), ["•••", "abc"], key);
  const editor = new MaskedEditor();
  editor.handle(text("secret"));
  assertEquals(editor.handle(press("enter")), [{ kind: "line", text: "secret" }]);
  editor.handle(press("up"));
  assertEquals(editor.handle(press("enter")), [{ kind: "line", text: "" }]);
});

Deno.test("MaskedEditor.handle() tells giving up and what does not fit", () => {
  const editor = new MaskedEditor();
  assertEquals(editor.handle(press("ctrl-d")), [{ kind: "givenUp" }]);
  assertEquals(editor.handle(text("a")), [{ kind: "changed" }]);
  assertEquals(editor.handle(press("ctrl-d")), []);
  assertEquals(editor.handle(press("ctrl-c")), [{ kind: "givenUp" }]);
  assertEquals(editor.handle(text("a".repeat(LINE_MAX_BYTES))), [{ kind: "changed" }, { kind: "full" }]);
});

Deno.test("MaskedEditor.view() never takes more than half of its columns and never shows what was typed", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", maxLength: 50 }), fc.integer({ min: -3, max: 90 }), (typed, columns) => {
      const editor = new MaskedEditor();
      editor.handle(paste(typed));
      const shown = editor.view(columns);
      assertEquals(shown.replaceAll("•", ""), "");
      assertEquals(shown.length <= Math.max(0, columns / 2), true);
    }),
  );
});
