// Aim: Tab adds what can only follow, and nothing else; what is shown is safe and fits.
import { assert, assertEquals } from "@std/assert";
import { wordlist } from "@scure/bip39/wordlists/english";
import fc from "fast-check";
import { CodeEditor } from "../../lib/cli/code_editor.ts";
import { safeText } from "../../lib/cli/safe_text.ts";

/** Types text, with `\t` for Tab, and gives what is shown. */
function typed(text: string): string {
  const editor = new CodeEditor(wordlist);
  type(editor, text);
  return editor.view(200);
}

function type(editor: CodeEditor, text: string): string[] {
  return [...text].flatMap((char) =>
    editor.handle(char === "\t" ? { kind: "press", key: "tab" } : { kind: "text", text: char }).map(({ kind }) => kind)
  );
}

for (
  const [keys, shown] of [
    ["7KQ2-sunse\t", "7KQ2-sunset-"],
    ["7KQ2-suns\tvioli\t", "7KQ2-sunset-violin-"],
    ["7KQ2 SUNSE\t", "7KQ2 SUNSEt-"],
    ["7KQ2-abil\t", "7KQ2-ability-"],
    ["7KQ2-ab\t", "7KQ2-ab"], // abandon, ability, able, …
    ["7KQ2-abs\t", "7KQ2-abs"], // absent, absorb, …
    ["7KQ2-accid\t", "7KQ2-accident-"],
    ["7KQ2-acces\t", "7KQ2-access-"],
    ["7KQ2-s\t", "7KQ2-s"],
    ["7KQ2-\t", "7KQ2-"],
    ["\t", ""],
    ["7KQ2-qqq\t", "7KQ2-qqq"],
  ] as const
) {
  Deno.test(`CodeEditor.handle() makes ${JSON.stringify(shown)} of ${JSON.stringify(keys)}`, () => {
    assertEquals(typed(keys), shown);
  });
}

Deno.test("CodeEditor.handle() rings when Tab adds nothing, and adds as far as the words agree", () => {
  const editor = new CodeEditor(["violet", "violin", "zoo"]);
  assertEquals(type(editor, "vi\t"), ["changed", "changed", "changed"]);
  assertEquals(editor.view(80), "viol");
  assertEquals(type(editor, "\t"), ["full"]);
  assertEquals(type(editor, "i\t"), ["changed", "changed"]);
  assertEquals(editor.view(80), "violin-");
});

Deno.test("CodeEditor.handle() gives the line at Enter and is empty then", () => {
  const editor = new CodeEditor(wordlist);
  type(editor, "7KQ2-able");
  assertEquals(editor.handle({ kind: "press", key: "enter" }), [{ kind: "line", text: "7KQ2-able" }]);
  assertEquals(editor.view(80), "");
});

Deno.test("CodeEditor: Tab after any start leaves the start of a word, in the list or about to be", () => {
  fc.assert(fc.property(fc.constantFrom(...wordlist), fc.nat(8), (word, cut) => {
    const start = word.slice(0, cut);
    const shown = typed(`${start}\t`);
    assert(shown.startsWith(start));
    assert(wordlist.some((listed) => `${listed}-`.startsWith(shown)), shown);
  }));
});

Deno.test("CodeEditor.view() shows the end of what was typed, safely", () => {
  const editor = new CodeEditor(wordlist);
  editor.handle({ kind: "paste", text: "\x1b[31m7KQ2-able-sunset\u202e", isCut: false });
  for (const columns of [0, -1, 3, 80]) {
    const view = editor.view(columns);
    assertEquals(view, safeText(view));
    assert(view.length <= Math.max(0, columns) + 8);
  }
  assertEquals(editor.view(0), "");
});
