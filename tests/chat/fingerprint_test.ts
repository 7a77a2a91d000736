// Aim: a fingerprint is read whole or not at all, however people copy it.
import { assertEquals } from "@std/assert";
import { readFingerprint, spellFingerprint } from "../../lib/chat/fingerprint.ts";

const KEY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567ABCDEFGHIJKLMNOPQRSA";

Deno.test("readFingerprint() reads what spellFingerprint() spells, in either case, with spaces or dashes", () => {
  const spelled = spellFingerprint(KEY);
  assertEquals(spelled.split(" ").length, 13);
  for (const text of [KEY, spelled, spelled.toLowerCase(), spelled.replaceAll(" ", "-"), ` ${spelled}\t`]) {
    assertEquals(readFingerprint(text), KEY);
  }
});

Deno.test("readFingerprint() answers undefined for anything shorter, longer or of other letters", () => {
  for (const text of ["", "bob", KEY.slice(1), `${KEY}A`, KEY.replace("A", "1"), KEY.replace("B", "é"), `x ${KEY}`]) {
    assertEquals(readFingerprint(text), undefined);
  }
});
