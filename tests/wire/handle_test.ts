// Aim: names that a person would read as one name are one name; honest names of everyday scripts are taken.
import { assert, assertEquals, assertInstanceOf, assertNotEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { UserError } from "../../lib/bytes/errors.ts";
import { checkHandle, checkRoomName, foldRoomName, NAME_MAX_CODE_POINTS } from "../../lib/wire/handle.ts";

function folded(text: string): string {
  return checkHandle(text).folded;
}

function assertInvalid(text: string, says = ""): void {
  const error = assertThrows(() => checkHandle(text), UserError, says);
  assertEquals([error.code, error.hint.length > 0], ["nameInvalid", true]);
}

Deno.test("checkHandle() takes honest names of everyday scripts as they are", () => {
  const honest = [
    "alice",
    "Bob_2",
    "carol-ann",
    "a.b",
    "_x_",
    "7",
    "café",
    "Łódź",
    "Ёлка",
    "ήλιος",
    "ボブ",
    "漢字かな",
    "スター",
  ];
  const more = ["한국어", "韓國한글", "ㄅ漢", "नमस्ते", "สวัสดี", "عربي", "שלום", "ქართული", "հայերեն", "ሰላም", "தமிழ்"];
  for (const name of [...honest, ...more]) assertEquals(checkHandle(name).handle, name);
});

Deno.test("checkHandle() gives the NFC form", () => {
  assertEquals(checkHandle("Cafe\u0301").handle, "Caf\u00e9");
  assertEquals(folded("Cafe\u0301"), folded("caf\u00e9"));
});

Deno.test("checkHandle() counts code points, 1 to 32", () => {
  assertInvalid("", "empty");
  assertEquals(checkHandle("x".repeat(NAME_MAX_CODE_POINTS)).handle.length, 32);
  assertInvalid("x".repeat(NAME_MAX_CODE_POINTS + 1), "33");
  // 32 code points of two UTF-16 units each
  assertEquals(checkHandle("𠀀".repeat(32)).handle.length, 64);
});

Deno.test("checkHandle() refuses what is no letter, digit, mark or one of three signs", () => {
  for (const bad of ["a b", "a/b", "@alice", "#lobby", "a\n", "a\u0007", "a\u001b[31m", "💥", "①", "½", "a\ud800"]) {
    assertInvalid(bad, "cannot hold");
  }
  assertInvalid("...", "letter or digit");
  assertInvalid("_-_", "letter or digit");
});

Deno.test("checkHandle() refuses what shows nothing or turns the line around, and says its number only", () => {
  for (
    const hidden of ["\u200b", "\u200d", "\u2060", "\u202e", "\u2066", "\u00ad", "\u034f", "\ufe0f", "\u3164", "\u115f"]
  ) {
    assertInvalid(`a${hidden}b`, "U+");
    const error = assertThrows(() => checkHandle(`a${hidden}b`), UserError);
    assert(!error.message.includes(hidden));
  }
});

Deno.test("checkHandle() refuses marks at the beginning and towers of marks", () => {
  assertInvalid("\u0301a", "begin");
  assertInvalid("a\u0301\u0302\u0303\u0304\u0305", "in a row");
});

Deno.test("checkHandle() refuses mixed scripts, hidden behind compatibility forms too", () => {
  for (const mixed of ["al\u0456ce", "\u0391lice", "漢a", "ㄅかな", "한かな", "\u00b5bob", "bobー"]) {
    assertInvalid(mixed, "mix");
  }
  assertInvalid("ᏣᎳᎩ", "script");
});

Deno.test("checkHandle() refuses a code point that stands for a space", () => {
  assertInvalid("\u037a");
  assertInvalid("\ufdfa");
});

Deno.test("checkHandle() folds case, compatibility forms and look-alikes to one", () => {
  const same: readonly (readonly string[])[] = [
    ["alice", "Alice", "ALICE", "A1ice", "aIice", "a\u0131ice", "Ａｌｉｃｅ", "𝐀lice", "al\u026ace"],
    ["bob", "B0b", "BOB", "b\u1d0fb", "bobʼ"],
    ["coco", "\u0441\u043e\u0441\u043e", "COCO", "С0С0"],
    ["nat", "\u039d\u0391\u03a4"],
    ["beta", "\u0412\u0415\u0422\u0410"],
    ["strasse", "straße", "STRASSE", "STRAẞE"],
    ["οδυσσευς", "ΟΔΥΣΣΕΥΣ", "οδυσσευσ"],
    ["fin", "\ufb01n", "FIN"],
    ["istanbul", "İstanbul", "ISTANBUL"],
    ["ロ", "口"],
    ["عربي", "عربی"],
  ];
  for (const names of same) assertEquals(new Set(names.map(folded)).size, 1, names.join(" "));
});

Deno.test("checkHandle() keeps apart what people read apart", () => {
  const pairs = [["corner", "comer"], ["cafe", "café"], ["sun", "5un"], ["bob", "bob_"], ["кот", "код"], [
    "tea",
    "team",
  ]];
  for (const [a, b] of pairs as [string, string][]) assertNotEquals(folded(a), folded(b));
});

Deno.test("checkHandle() throws nothing but UserError, and its answer is stable", () => {
  const letters = fc.string({ unit: "grapheme", maxLength: 34 });
  const binary = fc.string({ unit: "binary", maxLength: 10 });
  const likely = fc.string({ unit: fc.constantFrom(..."aAiIlL1oO0_-.ßİıςΣéЁёа́ʼ"), maxLength: 12 });
  fc.assert(
    fc.property(fc.oneof(letters, binary, likely), (text) => {
      try {
        const { handle, folded: key } = checkHandle(text);
        assertEquals(checkHandle(handle), { handle, folded: key });
        assertEquals(handle, handle.normalize("NFC"));
      } catch (error) {
        assertInstanceOf(error, UserError);
      }
    }),
    { numRuns: 3000 },
  );
});

Deno.test("checkHandle() gives a folded form that case does not change and that folds to itself", () => {
  const scripts = ["abcxyzAIL0", "абвгАЁЙ", "αβγνΝΣς", "اكيی", "ロ口カかヘ", "Ճճև"];
  const names = fc.constantFrom(...scripts).chain((unit) =>
    fc.string({ unit: fc.constantFrom(...unit), minLength: 1, maxLength: 8 })
  );
  fc.assert(
    fc.property(names, (name) => {
      const key = folded(name);
      for (const other of [name.toLowerCase(), name.toUpperCase()]) assertEquals(folded(other), key);
      // Where the fold led to Latin alone it is a name again; a mix is not, and cannot be typed either.
      if (/^[a-z0-9]+$/.test(key)) assertEquals(folded(key), key);
    }),
    { numRuns: 1000 },
  );
});

Deno.test("checkRoomName() goes by the rules for handles and says that it is about a room", () => {
  assertEquals(checkRoomName("Lobby"), { name: "Lobby", folded: foldRoomName("LOBBY") });
  assertEquals(foldRoomName("1obby"), foldRoomName("lobby"));
  assertThrows(() => checkRoomName("#lobby"), UserError, "A room name cannot hold");
});
