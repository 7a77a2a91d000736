/**
 * A fingerprint as 24 words, for comparing aloud: 264 bits, eleven a word from the English list of BIP-39 (2,048 words,
 * no two with the same first four letters), cut off the front:
 *
 * ```
 * id 32 || the first byte of SHA-256(id)
 * ```
 *
 * which is how BIP-39 spells 32 bytes. The last byte tells a misheard word from another identity; it is no security.
 * @module
 */

import { wordlist } from "@scure/bip39/wordlists/english";
import { UserError } from "../bytes/errors.ts";
import { type Bytes, concat } from "../bytes/writer.ts";
import { sha256 } from "../crypto/hash.ts";
import { type Fingerprint, fingerprintOf, idOf } from "../e2ee/identity.ts";

/** Words of a fingerprint. */
export const FINGERPRINT_WORDS = 24;

const WORD_BITS = 11;
const ID_BYTES = 32;
/** Letters that tell every word of the list from the others. */
const START_LETTERS = 4;
const WORDS_PER_ROW = 6;
const WORD_MAX_LETTERS = 8;
const ALL_WORDS: readonly string[] = wordlist;

/**
 * Spells a fingerprint as words.
 * @param fingerprint 52 characters, an identity's or a relay's
 * @returns 24 lower-case words
 * @throws {DecodeError} when it is no fingerprint
 */
export async function fingerprintWords(fingerprint: Fingerprint): Promise<string[]> {
  const id = idOf(fingerprint);
  let bits = toBits(concat(id, await checkByte(id)));
  const words: string[] = [];
  while (words.length < FINGERPRINT_WORDS) {
    words.unshift(ALL_WORDS[Number(bits & 0x7ffn)] as string);
    bits >>= BigInt(WORD_BITS);
  }
  return words;
}

/**
 * Reads the words back.
 * @param words 24 words, in any case
 * @returns the fingerprint
 * @throws {UserError} `badLine` when the count is another, a word is not in the list, or the words do not belong
 * together
 */
export async function wordsToFingerprint(words: readonly string[]): Promise<Fingerprint> {
  if (words.length !== FINGERPRINT_WORDS) {
    throw badWords(`A fingerprint has ${FINGERPRINT_WORDS} words, not ${words.length}`, "Give all of them, in order.");
  }
  let bits = 0n;
  for (const [index, word] of words.entries()) bits = (bits << BigInt(WORD_BITS)) | BigInt(placeOf(word, index + 1));
  const bytes = fromBits(bits);
  const id = bytes.slice(0, ID_BYTES);
  if (bytes[ID_BYTES] !== (await checkByte(id))[0]) {
    throw badWords("These words are no fingerprint", "A word is wrong or two changed places: compare them again.");
  }
  return fingerprintOf(id);
}

/**
 * Tells whether a text may be a code that two people share: three words of the list, perhaps behind four characters.
 * @param text what was typed
 * @returns whether it must be kept out of names, errors and logs
 */
export function mayBeCode(text: string): boolean {
  const parts = text.toLowerCase().split(/[\s_.,:-]+/).filter((part) => part !== "");
  const words = parts.length === 4 && parts[0]?.length === 4 ? parts.slice(1) : parts;
  return words.length === 3 && words.every((word) => ALL_WORDS.includes(word));
}

/**
 * Lays words out for people: six in a row, one below the other.
 * @param words 24 words
 * @returns four rows
 */
export function spellWords(words: readonly string[]): string[] {
  const padded = words.map((word) => word.padEnd(WORD_MAX_LETTERS));
  const rows: string[] = [];
  for (let at = 0; at < padded.length; at += WORDS_PER_ROW) {
    rows.push(padded.slice(at, at + WORDS_PER_ROW).join("  ").trimEnd());
  }
  return rows;
}

/** The message names the word by its number: what somebody typed may hold anything, and never goes back to a screen. */
function placeOf(given: string, number: number): number {
  const word = given.trim().toLowerCase();
  const place = ALL_WORDS.indexOf(word);
  if (place >= 0) return place;
  const start = word.slice(0, START_LETTERS);
  const near = ALL_WORDS.find((listed) => listed.slice(0, START_LETTERS) === start);
  const hint = near === undefined ? "Compare it with what was read to you." : `Did you mean "${near}"?`;
  throw badWords(`Word ${number} is not in the list`, hint);
}

function badWords(message: string, hint: string): UserError {
  return new UserError("badLine", message, hint);
}

async function checkByte(id: Bytes): Promise<Bytes> {
  return (await sha256(id)).slice(0, 1);
}

function toBits(bytes: Bytes): bigint {
  return bytes.reduce((bits, byte) => (bits << 8n) | BigInt(byte), 0n);
}

function fromBits(bits: bigint): Bytes {
  const bytes = new Uint8Array(ID_BYTES + 1);
  let rest = bits;
  for (let i = bytes.length - 1; i >= 0; i--) {
    bytes[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}
