/**
 * What a mailbox is called: the part of a code that the relay draws and knows, four characters in one spelling.
 * @module
 */

/** What a mailbox is made of: digits and letters without I, L, O and U, which are misread. */
export const MAILBOX_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/** Characters of a mailbox. */
export const MAILBOX_CHARS = 4;

const MAILBOX_PATTERN = new RegExp(`^[${MAILBOX_ALPHABET}]{${MAILBOX_CHARS}}$`);

/** A mailbox that has the right form. */
export type Mailbox = string & { readonly brand: "Mailbox" };

/**
 * Tells whether a text is a mailbox, spelled as machines spell it.
 * @param text the text
 * @returns whether it is
 */
export function isMailbox(text: string): text is Mailbox {
  return MAILBOX_PATTERN.test(text);
}

/**
 * Makes a mailbox of random bytes, each character equally likely.
 * @param bytes at least {@linkcode MAILBOX_CHARS}, random
 * @returns the mailbox
 */
export function mailboxFrom(bytes: Uint8Array): Mailbox {
  // 256 is a multiple of 32: no character is favoured.
  const chars = Array.from(
    bytes.subarray(0, MAILBOX_CHARS),
    (byte) => MAILBOX_ALPHABET[byte % MAILBOX_ALPHABET.length],
  );
  const mailbox = chars.join("");
  if (!isMailbox(mailbox)) throw new RangeError(`Cannot make mailbox: ${bytes.length} bytes are too few`);
  return mailbox;
}
