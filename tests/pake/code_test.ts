// Aim: a code that is drawn can be said, written and typed back in any way people do; a wrong one is told kindly.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { wordlist } from "@scure/bip39/wordlists/english";
import fc from "fast-check";
import { utf8 } from "../../lib/bytes/writer.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import {
  type Code,
  CODE_TEXT_MAX_CHARS,
  codePrs,
  formatCode,
  MAILBOX_ALPHABET,
  parseCode,
  type ParsedCode,
  parseMailbox,
  WordList,
} from "../../lib/pake/code.ts";

const list = new WordList(wordlist);

function codeOf(text: string): Code {
  const parsed = parseCode(text, list);
  assert(parsed.kind === "code", parsed.kind);
  return parsed.code;
}

/** Two bytes for each word, as `draw()` takes them. */
function bytesOf(...numbers: number[]) {
  return Uint8Array.from(numbers.flatMap((number) => [number >> 8, number & 0xff]));
}

Deno.test("WordList.draw() takes eleven bits for each word, so that each is equally likely", () => {
  const seen = new Map<string, number>();
  for (let number = 0; number < 0x10000; number++) {
    const words = list.draw(() => bytesOf(number, number ^ 0x7ff, 0));
    assertEquals([words[1], words[2]], [wordlist[(number ^ 0x7ff) & 0x7ff], wordlist[0]]);
    seen.set(words[0], (seen.get(words[0]) ?? 0) + 1);
  }
  assertEquals(seen.size, 2_048);
  assertEquals(new Set(seen.values()), new Set([32])); // 65,536 draws, each word exactly 32 times
});

Deno.test("WordList.draw() draws once, six bytes, from the given source", () => {
  const drawn: number[] = [];
  list.draw((lengthBytes) => {
    drawn.push(lengthBytes);
    return secureRandom(lengthBytes);
  });
  assertEquals(drawn, [6]);
});

Deno.test("new WordList() refuses another list", () => {
  const words = wordlist.slice();
  assertThrows(() => new WordList(words.slice(1)), RangeError);
  assertThrows(() => new WordList([...words, "extra"]), RangeError);
  assertThrows(() => new WordList([...words.slice(1), words[1] as string]), RangeError);
  for (const bad of ["Able", "ab", "a-b-c", "été", "toolongword"]) {
    assertThrows(() => new WordList([...words.slice(1), bad]), RangeError);
  }
});

Deno.test("parseCode() reads what formatCode() writes, for any code", () => {
  const mailbox = fc.array(fc.constantFrom(...MAILBOX_ALPHABET), { minLength: 4, maxLength: 4 });
  const number = fc.nat(2_047);
  fc.assert(fc.property(mailbox, number, number, number, (chars, a, b, c) => {
    const words = list.draw(() => bytesOf(a, b, c));
    const parsedMailbox = parseMailbox(chars.join(""));
    assert(parsedMailbox !== undefined);
    const code = { mailbox: parsedMailbox, words };
    assertEquals(parseCode(formatCode(code), list), { kind: "code", code });
    assert(formatCode(code).length <= 31);
  }));
});

Deno.test("formatCode() and codePrs() write the example of PROTOCOL §5", () => {
  const code = codeOf("7KQ2-able-sunset-violin");
  assertEquals(formatCode(code), "7KQ2-able-sunset-violin");
  assertEquals(codePrs(code.words), utf8("able-sunset-violin"));
});

for (
  const typed of [
    "7kq2-able-sunset-violin",
    "7KQ2-ABLE-SUNSET-VIOLIN",
    "  7kq2 able  Sunset\tviolin \n",
    "7kq2 - able - sunset - violin",
    "7kq2–able—sunset‑violin",
    "7kq2_able_sunset_violin",
    "-7kq2--able-sunset-violin-",
    "7kq2\u00a0able\u3000sunset\u2003violin",
  ]
) {
  Deno.test(`parseCode() reads ${JSON.stringify(typed)}`, () => {
    assertEquals(formatCode(codeOf(typed)), "7KQ2-able-sunset-violin");
  });
}

Deno.test("parseMailbox() takes letters that are misread for the digits that they look like", () => {
  assertEquals(parseMailbox("oOiI"), "0011" as ReturnType<typeof parseMailbox>);
  assertEquals(parseMailbox("lL0z"), "110Z" as ReturnType<typeof parseMailbox>);
  for (const none of ["", "7KQ", "7KQ22", "7KQU", "7KQu", "7KQ-", "7KQé", "7Kß", "7KQſ", "7KQ٣", "7KQ2\n"]) {
    assertEquals(parseMailbox(none), undefined, none);
  }
});

const WRONG: readonly (readonly [typed: string, parsed: ParsedCode])[] = [
  ["", { kind: "wrongCount", parts: 0 }],
  [" - - ", { kind: "wrongCount", parts: 0 }],
  ["7KQ2", { kind: "wrongCount", parts: 1 }],
  ["7KQ2-able-sunset", { kind: "wrongCount", parts: 3 }],
  ["7KQ2-able-sunset-violin-zoo", { kind: "wrongCount", parts: 5 }],
  ["able-sunset-violin-7KQ2", { kind: "unknownWord", place: 3, suggestion: "key" }],
  ["7KU2-able-sunset-violin", { kind: "badMailbox" }],
  ["7KQ-able-sunset-violin", { kind: "badMailbox" }],
  ["7KQ2-abel-sunset-violin", { kind: "unknownWord", place: 1, suggestion: "label" }],
  ["7KQ2-able-sunsets-violin", { kind: "unknownWord", place: 2, suggestion: "sunset" }],
  ["7KQ2-able-sunset-violine", { kind: "unknownWord", place: 3, suggestion: "violin" }],
  ["7KQ2-able-suns-violin", { kind: "unknownWord", place: 2, suggestion: "sunset" }],
  ["7KQ2-able-sunset-viloin", { kind: "unknownWord", place: 3, suggestion: "violin" }],
  ["7KQ2-able-constructor-violin", { kind: "unknownWord", place: 2, suggestion: "consider" }],
  ["x".repeat(CODE_TEXT_MAX_CHARS + 1), { kind: "tooLong" }],
];

for (const [typed, expected] of WRONG) {
  Deno.test(`parseCode() of ${JSON.stringify(typed.slice(0, 40))} says ${expected.kind}`, () => {
    assertEquals(parseCode(typed, list), expected);
  });
}

Deno.test("parseCode() never throws and never gives back what was typed", () => {
  fc.assert(fc.property(fc.string({ maxLength: 160, unit: "binary" }), (typed) => {
    const parsed = parseCode(typed, list);
    if (parsed.kind === "unknownWord") assert(wordlist.includes(parsed.suggestion));
    else if (parsed.kind === "code") assertEquals(codeOf(formatCode(parsed.code)), parsed.code);
    else assertEquals(Object.values(parsed).filter((value) => typeof value === "string"), [parsed.kind]);
  }));
});
