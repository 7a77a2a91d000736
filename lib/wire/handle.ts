/**
 * Which names people and rooms may have, and which two names are the same name (PROTOCOL 1). Relay and client use the
 * same functions: the relay to bind a handle, the client for `--name`, for names typed in commands, and to refuse a
 * peer's certificate whose handle is malformed. Does no I/O.
 *
 * A name is NFC, 1 to 32 code points: letters, digits, marks on them, `_`, `-` and `.`, with at least one letter or
 * digit. Its letters come from one script of everyday use (the recommended scripts of Unicode's UAX #31, table 5), so
 * that a Cyrillic `а` cannot hide in a Latin name; Japanese, Korean and Chinese count Han and their own letters as one.
 * Code points that show nothing (fillers, variation selectors, joiners) and towers of marks are refused.
 *
 * `folded` is what is compared: two names with the same `folded` cannot both exist. It joins
 * - what compatibility and case make equal: `ﬁ` and `fi`, `Ａ` and `a`, `ẞ`, `ß` and `ss`, final and other sigma;
 * - `1`, `l`, `i` and `0`, `o`: alike in most fonts in one case or the other;
 * - names all of Cyrillic, Greek or Armenian letters that look Latin (`сосо`, `ΝΑΤ`), which one script alone allows;
 * - Latin letters made to look like others: small capitals, dotless and script forms; a modifier letter adds nothing;
 * - kana that look like Han (`ロ` and `口`), and Arabic digits, yeh and kaf that differ by keyboard alone.
 *
 * Not joined: `rn` and `m`, `vv` and `w`, `5` and `s`, which a terminal's fixed-width font keeps apart, and which would
 * forbid honest names (`corner`, `comer`); accents (`cafe`, `café`), which people read; a small Greek `ν`, which joins
 * `n` after its capital although it looks like `v` as well. The fold guards against mistakes; whoever must be sure
 * compares fingerprints.
 * @module
 */

import { UserError } from "../bytes/errors.ts";

/** The longest name in code points: room for any real name, and a list of people stays readable. */
export const NAME_MAX_CODE_POINTS = 32;
/** The most marks in a row: Thai, Hebrew and Tibetan need up to four; more is a tower that covers other lines. */
export const NAME_MARKS_IN_A_ROW_MAX = 4;

/** A handle as it is shown, and as it is compared. */
export interface CheckedHandle {
  /** The handle in NFC. */
  readonly handle: string;
  /** What no two handles on a relay may share. */
  readonly folded: string;
}

/** A room's name as it is shown, and as it is compared. */
export interface CheckedRoomName {
  /** The name in NFC, without the `#` that screens put before it. */
  readonly name: string;
  /** What makes two names the same room. */
  readonly folded: string;
}

/**
 * Checks a handle. Whoever checks a handle out of a certificate must also refuse it when `handle` differs from what
 * was given: a certificate is signed over the NFC form alone.
 * @param text what was typed or received
 * @returns the handle in NFC, and its folded form
 * @throws {UserError} `nameInvalid` when it breaks a rule; the message names the rule
 */
export function checkHandle(text: string): CheckedHandle {
  const handle = checkName(text, "name");
  return { handle, folded: fold(handle) };
}

/**
 * Checks a room's name, by the rules for handles.
 * @param text what was typed or received, without `#`
 * @returns the name in NFC, and its folded form
 * @throws {UserError} `nameInvalid` when it breaks a rule; the message names the rule
 */
export function checkRoomName(text: string): CheckedRoomName {
  const name = checkName(text, "room name");
  return { name, folded: fold(name) };
}

/**
 * Gives the folded form of a room's name, from which the id of an open room is made.
 * @param text the name, without `#`
 * @returns the folded form
 * @throws {UserError} `nameInvalid` when the name breaks a rule
 */
export function foldRoomName(text: string): string {
  return checkRoomName(text).folded;
}

/** What a name may be made of. Ignorable code points are letters or marks by class, yet show nothing. */
const ALLOWED = /^(?!\p{Default_Ignorable_Code_Point})[\p{L}\p{Nd}\p{Mn}\p{Mc}_.\-]$/u;
const HAS_LETTER_OR_DIGIT = /[\p{L}\p{Nd}]/u;
/** The block of spacing modifier letters; those that stand for another letter are decomposed before. */
const MODIFIER_LETTER = /[\u02b0-\u02ff]/;
const MARK_TOWER = new RegExp(`\\p{M}{${NAME_MARKS_IN_A_ROW_MAX + 1}}`, "u");

/** Scripts that may stand together in one name: one each, but for the three writing systems that mix. */
const WRITING_SYSTEMS: readonly (readonly string[])[] = [
  ["Latin"],
  ["Cyrillic"],
  ["Greek"],
  ["Han", "Hiragana", "Katakana"],
  ["Han", "Hangul"],
  ["Han", "Bopomofo"],
  ["Arabic"],
  ["Armenian"],
  ["Bengali"],
  ["Devanagari"],
  ["Ethiopic"],
  ["Georgian"],
  ["Gujarati"],
  ["Gurmukhi"],
  ["Hebrew"],
  ["Kannada"],
  ["Khmer"],
  ["Lao"],
  ["Malayalam"],
  ["Myanmar"],
  ["Oriya"],
  ["Sinhala"],
  ["Tamil"],
  ["Telugu"],
  ["Thaana"],
  ["Thai"],
  ["Tibetan"],
];

/** One expression a writing system: everything in it, and what belongs to all. */
const IN_ONE_SYSTEM: readonly RegExp[] = WRITING_SYSTEMS.map((scripts) =>
  new RegExp(`^[\\p{scx=Common}\\p{scx=Inherited}${scripts.map((script) => `\\p{scx=${script}}`).join("")}]*$`, "u")
);

function checkName(text: string, what: "name" | "room name"): string {
  const name = text.normalize("NFC");
  // The compatibility form is checked as well: one code point of it may stand for a space or for another script.
  const plain = name.normalize("NFKC");
  const lengthCodePoints = countCodePoints(name);
  if (lengthCodePoints === 0) throw invalid(`A ${what} cannot be empty`);
  if (lengthCodePoints > NAME_MAX_CODE_POINTS) {
    throw invalid(`A ${what} has at most ${NAME_MAX_CODE_POINTS} characters, this one has ${lengthCodePoints}`);
  }
  for (const char of name + plain) {
    if (!ALLOWED.test(char)) throw invalid(`A ${what} cannot hold ${codePointName(char)}`);
  }
  if (!HAS_LETTER_OR_DIGIT.test(fold(name))) throw invalid(`A ${what} needs at least one letter or digit`);
  if (/^\p{M}/u.test(name)) throw invalid(`A ${what} cannot begin with a mark that belongs on a letter`);
  if (MARK_TOWER.test(plain.normalize("NFD"))) {
    throw invalid(`A ${what} cannot hold more than ${NAME_MARKS_IN_A_ROW_MAX} marks in a row`);
  }
  if (!IN_ONE_SYSTEM.some((system) => system.test(plain))) throw badScript(plain, what);
  return name;
}

function countCodePoints(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

function badScript(plain: string, what: string): UserError {
  for (const char of plain) {
    if (!IN_ONE_SYSTEM.some((system) => system.test(char))) {
      return invalid(`A ${what} cannot hold ${codePointName(char)}: its script is not among those that names can have`);
    }
  }
  return invalid(`A ${what} cannot mix scripts, such as Latin and Cyrillic letters`);
}

function invalid(message: string): UserError {
  return new UserError(
    "nameInvalid",
    `${message}.`,
    `Use 1 to ${NAME_MAX_CODE_POINTS} letters or digits of one script, and "_", "-" or ".".`,
  );
}

/** Names a code point by its number: the character itself might turn the line around or show nothing. */
function codePointName(char: string): string {
  if (char === " ") return "a space";
  const code = (char.codePointAt(0) as number).toString(16).toUpperCase().padStart(4, "0");
  return /^[!-~]$/.test(char) ? `"${char}"` : `the character U+${code}`;
}

/**
 * Look-alikes, as pairs of what is found after case folding and decomposition, and what it becomes. Where the two
 * cases of a letter look like different Latin letters, the capital decides: Greek capitals are the exact copies.
 */
const LOOK_ALIKES: readonly string[] = [
  // Cyrillic
  "аa б6 вb гr еe з3 кk мm нh оo пn рp сc тt уy хx ч4 ьb ѕs іl јj ѡw ѵv ԁd ԛq ԝw һh ӏl ԍg үy әə өɵ",
  // Greek
  "αa βb γy εe ζz ηh ιl κk μm νn οo ρp τt υy χx ωw ϳj",
  // Armenian
  "օo ոn սu հh գq զq յj ցg լl աw",
  // Latin: small capitals, script forms, dental click
  "ᴀa ʙb ᴄc ᴅd ᴇe ꜰf ɢg ʜh ɪl ᴊj ᴋk ʟl ᴍm ɴn ᴏo ᴘp ʀr ꜱs ᴛt ᴜu ᴠv ᴡw ʏy ᴢz ɑa ɡg ɩl ǀl ȷj",
  // One, el and i; zero and o
  "1l il 0o",
  // Kana and Han
  "ロ口 カ力 エ工 ト卜 ニ二 ハ八 タ夕 ー一 ヘへ",
  // Arabic: Persian and Urdu keyboards
  "کك یي ىي ہه ھه ەه ۰٠ ۱١ ۲٢ ۳٣ ۴٤ ۵٥ ۶٦ ۷٧ ۸٨ ۹٩",
];

const FOLD_OF: ReadonlyMap<string, string> = new Map(
  LOOK_ALIKES.flatMap((pairs) => pairs.split(" ").map((pair) => [...pair] as [string, string])),
);

function fold(name: string): string {
  const decomposed = foldCase(name.replace(/[\u03f2\u03f9]/g, "c").normalize("NFKD")).normalize("NFKD");
  let folded = "";
  for (const char of decomposed) {
    // An apostrophe-like letter that belongs to no script changes a name too little to make it another one.
    if (MODIFIER_LETTER.test(char)) continue;
    folded += FOLD_OF.get(char) ?? char;
  }
  // The dot that a Turkish capital keeps when it becomes small, on a letter that has one already.
  return folded.replace(/(?<=[lj])\u0307+/g, "").normalize("NFC");
}

/** Simple lower case leaves `ß` and `ẞ`, `ς` and `σ` apart; the way over upper case joins them. */
function foldCase(text: string): string {
  return text.toLowerCase().toUpperCase().toLowerCase().replaceAll("ς", "σ");
}
