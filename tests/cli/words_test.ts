import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { wordlist } from "@scure/bip39/wordlists/english";
import fc from "fast-check";
import { DecodeError, UserError } from "../../lib/bytes/errors.ts";
import { fingerprintWords, spellWords, wordsToFingerprint } from "../../lib/cli/words.ts";
import { fingerprintOf } from "../../lib/e2ee/identity.ts";

/** The words of 32 bytes of one value; those of 0, 0x7f, 0x80 and 0xff are BIP-39's own examples for 256 bits. */
const EXAMPLES: readonly (readonly [number, string])[] = [
  [0x00, `${"abandon ".repeat(23)}art`],
  [
    0x7f,
    "legal winner thank year wave sausage worth useful legal winner thank year wave sausage worth useful " +
    "legal winner thank year wave sausage worth title",
  ],
  [
    0x80,
    "letter advice cage absurd amount doctor acoustic avoid letter advice cage absurd amount doctor acoustic avoid " +
    "letter advice cage absurd amount doctor acoustic bless",
  ],
  [0xff, `${"zoo ".repeat(23)}vote`],
];

/** An id, its fingerprint and nothing else. */
const fingerprints = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((id) => fingerprintOf(new Uint8Array(id)));

async function refusal(words: readonly string[]): Promise<string> {
  const error = await assertRejects(() => wordsToFingerprint(words), UserError);
  assertEquals(error.code, "badLine");
  return `${error.message}. ${error.hint}`;
}

Deno.test("the list has 2,048 words, told apart by their first four letters", () => {
  assertEquals(wordlist.length, 2_048);
  assertEquals(new Set(wordlist.map((word) => word.slice(0, 4))).size, 2_048);
  assert(wordlist.every((word) => /^[a-z]{3,8}$/.test(word)));
});

Deno.test("fingerprintWords() gives the words of BIP-39's own examples", async () => {
  for (const [value, words] of EXAMPLES) {
    const fingerprint = fingerprintOf(new Uint8Array(32).fill(value));
    assertEquals((await fingerprintWords(fingerprint)).join(" "), words);
    assertEquals(await wordsToFingerprint(words.split(" ")), fingerprint);
  }
});

Deno.test("wordsToFingerprint() reads back what fingerprintWords() gives, in any case", async () => {
  await fc.assert(fc.asyncProperty(fingerprints, async (fingerprint) => {
    const words = await fingerprintWords(fingerprint);
    assertEquals(words.length, 24);
    assertEquals(await wordsToFingerprint(words), fingerprint);
    assertEquals(await wordsToFingerprint(words.map((word) => ` ${word.toUpperCase()} `)), fingerprint);
  }));
});

Deno.test("wordsToFingerprint() never takes changed words for the same fingerprint", async () => {
  const places = fc.tuple(fc.nat(23), fc.nat(2_047));
  await fc.assert(fc.asyncProperty(fingerprints, places, async (fingerprint, [at, place]) => {
    const words = await fingerprintWords(fingerprint);
    const changed = words.with(at, wordlist[place] as string);
    if (changed.join() === words.join()) return;
    // One in 256 changes fits the check byte; then it is another fingerprint, which is for people to see.
    const read = await wordsToFingerprint(changed).catch((error) => {
      assert(error instanceof UserError);
      return undefined;
    });
    if (read === undefined) return;
    assertNotEquals(read, fingerprint);
    assertEquals(await fingerprintWords(read), changed, "what parses is spelt the same again");
  }));
});

Deno.test("wordsToFingerprint() says which word is wrong, and which one it may be", async () => {
  const words = (EXAMPLES[0] as readonly [number, string])[1].split(" ");
  assertEquals(await refusal(words.with(6, "abandom")), 'Word 7 is not in the list. Did you mean "abandon"?');
  assertEquals(await refusal(words.with(23, "ABAN")), 'Word 24 is not in the list. Did you mean "abandon"?');
  const unknown = "Word 1 is not in the list. Compare it with what was read to you.";
  for (const word of ["xyzzy", "", "\u001b[2J", "aba", "__proto__", "wörter"]) {
    assertEquals(await refusal(words.with(0, word)), unknown);
  }
});

Deno.test("wordsToFingerprint() says when the words do not belong together", async () => {
  const words = (EXAMPLES[1] as readonly [number, string])[1].split(" ");
  const expected = "These words are no fingerprint. A word is wrong or two changed places: compare them again.";
  assertEquals(await refusal(words.with(0, "winner").with(1, "legal")), expected);
  assertEquals(await refusal(words.with(23, "art")), expected);
});

Deno.test("wordsToFingerprint() wants 24 words", async () => {
  const words = (EXAMPLES[0] as readonly [number, string])[1].split(" ");
  assertEquals(
    await refusal(words.slice(1)),
    "A fingerprint has 24 words, not 23. Give all of them, in order.",
  );
  assert((await refusal([...words, "art"])).includes("not 25"));
  assert((await refusal([])).includes("not 0"));
});

Deno.test("fingerprintWords() refuses what is no fingerprint", async () => {
  for (const bad of ["", "A".repeat(51), `${"A".repeat(51)}B`]) {
    await assertRejects(() => fingerprintWords(bad), DecodeError);
  }
});

Deno.test("spellWords() gives four rows of six", () => {
  const words = (EXAMPLES[1] as readonly [number, string])[1].split(" ");
  assertEquals(spellWords(words), [
    "legal     winner    thank     year      wave      sausage",
    "worth     useful    legal     winner    thank     year",
    "wave      sausage   worth     useful    legal     winner",
    "thank     year      wave      sausage   worth     title",
  ]);
});
