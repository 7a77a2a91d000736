/**
 * Codes by which two people meet (PROTOCOL §5): `<mailbox>-<word>-<word>-<word>`, as `7KQ2-able-sunset-violin`. The relay
 * draws the mailbox; the three words, 33 bits, are drawn here and the relay never sees them. A code serves one try.
 *
 * The words come from a list that the caller hands in, the English one of BIP-39.
 * @module
 */

import { closestString } from "@std/text/closest-string";
import { isMailbox, type Mailbox, MAILBOX_ALPHABET, MAILBOX_CHARS } from "../bytes/mailbox.ts";
import { type Bytes, utf8 } from "../bytes/writer.ts";
import type { RandomBytes } from "../crypto/random.ts";

export { type Mailbox, MAILBOX_ALPHABET, MAILBOX_CHARS };
/** Words of a code. */
export const CODE_WORDS = 3;
/** Words of the list: eleven bits a word. */
export const WORD_LIST_WORDS = 2_048;
/** The longest text that may be a code; a written one has at most 31 characters, people add spaces. */
export const CODE_TEXT_MAX_CHARS = 128;

/** Letters that tell every word of the list from the others. */
const START_LETTERS = 4;
const MAILBOX_TYPED_PATTERN = /^[\dA-Za-z]{4}$/;
const WORD_PATTERN = /^[a-z]{3,8}$/;
/** What people and telephones put between parts: spaces, every sort of dash, underscores. */
const SEPARATORS = /[\s\p{Pd}_]+/u;

/** The words of a code, lower case and in the list; secret. */
export type CodeWords = readonly [string, string, string] & { readonly brand: "CodeWords" };

/** A code, read or drawn. */
export interface Code {
  /** Where to meet; the relay knows it. */
  readonly mailbox: Mailbox;
  /** What proves that it is us; secret. */
  readonly words: CodeWords;
}

/** What a text was read as; it never holds what was typed. */
export type ParsedCode =
  | { readonly kind: "code"; readonly code: Code }
  /** Longer than any code. */
  | { readonly kind: "tooLong" }
  /** Not a mailbox and three words; `parts` is how many there are. */
  | { readonly kind: "wrongCount"; readonly parts: number }
  /** The first part is no mailbox. */
  | { readonly kind: "badMailbox" }
  /** A word that is not in the list: its place, 1 to 3, and the word that is nearest to it. */
  | { readonly kind: "unknownWord"; readonly place: number; readonly suggestion: string };

/** A list of words, checked once. */
export class WordList {
  readonly #words: readonly string[];
  readonly #known: ReadonlySet<string>;

  /**
   * Checks a list.
   * @param words 2,048 different words of 3 to 8 letters, a to z
   * @throws {RangeError} when it is another list
   */
  constructor(words: readonly string[]) {
    this.#words = [...words];
    this.#known = new Set(words);
    const isFit = words.length === WORD_LIST_WORDS && this.#known.size === WORD_LIST_WORDS &&
      words.every((word) => WORD_PATTERN.test(word));
    if (!isFit) {
      throw new RangeError(`Cannot use word list: ${this.#known.size} words, not ${WORD_LIST_WORDS} fit ones`);
    }
  }

  /**
   * Draws the words of a code: three times eleven bits, so that each word is equally likely.
   * @param random where they come from
   * @returns three words, secret
   */
  draw(random: RandomBytes): CodeWords {
    const bytes = random(2 * CODE_WORDS);
    const words = Array.from({ length: CODE_WORDS }, (_, i) => {
      const index = ((bytes[2 * i] as number) << 8 | (bytes[2 * i + 1] as number)) & (WORD_LIST_WORDS - 1);
      return this.#words[index] as string;
    });
    return words as unknown as CodeWords;
  }

  /**
   * Tells whether a word is in the list.
   * @param word in lower case
   */
  has(word: string): boolean {
    return this.#known.has(word);
  }

  /**
   * Finds the word that somebody most likely meant: one that begins alike, else one that takes the fewest changes.
   * @param word in lower case, not in the list, at most {@linkcode CODE_TEXT_MAX_CHARS} long
   * @returns a word of the list
   */
  nearest(word: string): string {
    const start = word.slice(0, START_LETTERS);
    return this.#words.find((listed) => listed.slice(0, START_LETTERS) === start) ?? closestString(word, this.#words);
  }
}

/**
 * Reads a mailbox, in any case, with the letters that are misread taken for the digits they look like.
 * @param text what the relay gave or somebody typed
 * @returns the mailbox, `undefined` when it is none
 */
export function parseMailbox(text: string): Mailbox | undefined {
  if (!MAILBOX_TYPED_PATTERN.test(text)) return undefined; // or an upper case that is two letters would count
  const mailbox = text.toUpperCase().replace(/[IL]/g, "1").replaceAll("O", "0");
  return isMailbox(mailbox) ? mailbox : undefined;
}

/**
 * Writes a code.
 * @param code the code
 * @returns such as `7KQ2-able-sunset-violin`, secret
 */
export function formatCode({ mailbox, words }: Code): string {
  return [mailbox, ...words].join("-");
}

/**
 * Reads a code as people type it: in any case, with spaces or dashes of any sort between its parts.
 * @param text what was typed
 * @param list the words there are
 * @returns the code, or what is wrong with it
 */
export function parseCode(text: string, list: WordList): ParsedCode {
  if (text.length > CODE_TEXT_MAX_CHARS) return { kind: "tooLong" };
  const [first = "", ...typed] = text.split(SEPARATORS).filter((part) => part !== "");
  if (typed.length !== CODE_WORDS) return { kind: "wrongCount", parts: typed.length + (first === "" ? 0 : 1) };
  const mailbox = parseMailbox(first);
  if (mailbox === undefined) return { kind: "badMailbox" };
  const words = typed.map((word) => word.toLowerCase());
  const unknown = words.findIndex((word) => !list.has(word));
  if (unknown >= 0) {
    return { kind: "unknownWord", place: unknown + 1, suggestion: list.nearest(words[unknown] as string) };
  }
  return { kind: "code", code: { mailbox, words: words as unknown as CodeWords } };
}

/**
 * Gives what CPace takes as the password-related string.
 * @param words of a code
 * @returns the words, joined by `-`, as UTF-8; secret
 */
export function codePrs(words: CodeWords): Bytes {
  return utf8(words.join("-"));
}
