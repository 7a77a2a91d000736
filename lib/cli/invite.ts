/**
 * An invitation to a private relay, as one string that people hand on (PROTOCOL 2.6):
 *
 *     "sotto-invite-" || base32, lower case, of: version 1 (u8) || relay's fingerprint (32) || token (16) || sum (4)
 *     sum = the first 4 bytes of SHA-256("sotto-invite-" || all before it)
 *
 * It is a secret: whoever has it gets in. No error repeats any of it.
 * @module
 */

import { decodeBase32, encodeBase32 } from "@std/encoding/base32";
import { UserError } from "../bytes/errors.ts";
import { equalBytes } from "../bytes/equal.ts";
import { type Bytes, concat, u8, utf8 } from "../bytes/writer.ts";
import { sha256 } from "../crypto/hash.ts";
import { type Fingerprint, fingerprintOf, idOf } from "../e2ee/identity.ts";

/** What an invitation carries. */
export interface Invite {
  /** Which relay: a client talks to no other. */
  readonly fingerprint: Fingerprint;
  /** What shows that somebody was invited, 16 bytes. */
  readonly token: Bytes;
}

/** The longest text that is looked at: an invitation with every letter on a line of its own. */
export const INVITE_TEXT_MAX_CHARS = 1_024;

const PREFIX = "sotto-invite-";
const VERSION = 1;
const ID_BYTES = 32;
const TOKEN_BYTES = 16;
const SUM_BYTES = 4;
const BODY_BYTES = 1 + ID_BYTES + TOKEN_BYTES;
/** 53 bytes; the last character carries four bits of them. */
const CHARS = 85;

/**
 * Spells an invitation.
 * @param invite what it carries
 * @returns one word of 98 characters
 * @throws {RangeError} when the token has another length than 16 bytes
 */
export async function encodeInvite(invite: Invite): Promise<string> {
  if (invite.token.length !== TOKEN_BYTES) {
    throw new RangeError(`Cannot spell invitation: a token of ${invite.token.length} bytes is not ${TOKEN_BYTES}`);
  }
  const body = concat(u8(VERSION), idOf(invite.fingerprint), invite.token);
  return PREFIX + encodeBase32(concat(body, await sumOf(body))).replace(/=+$/, "").toLowerCase();
}

/**
 * Reads an invitation as people paste it: in any case, broken into lines or not.
 * @param text what was pasted
 * @returns what it carries
 * @throws {UserError} `badFlag` when it is none, has a typing error, or comes from a later release
 */
export async function decodeInvite(text: string): Promise<Invite> {
  const letters = text.length > INVITE_TEXT_MAX_CHARS ? "" : text.replace(/[\s\uFEFF]/g, "");
  if (!/^sotto-invite-[a-z2-7]+$/.test(lowerAscii(letters))) {
    throw notOne("it does not read sotto-invite- and then letters and digits");
  }
  const code = lowerAscii(letters).slice(PREFIX.length);
  if (code.length !== CHARS) throw notOne(`it has ${code.length} characters after sotto-invite-, not ${CHARS}`);
  const padded = `${code.toUpperCase()}===`;
  const bytes = decodeBase32(padded);
  const body = bytes.slice(0, BODY_BYTES);
  // Compared as text too: the last character has a bit to spare, and an invitation has one spelling.
  if (!equalBytes(bytes.subarray(BODY_BYTES), await sumOf(body)) || encodeBase32(bytes) !== padded) {
    throw notOne("a character of it is wrong");
  }
  if (body[0] !== VERSION) {
    throw new UserError(
      "badFlag",
      `Cannot use this invitation: it is of version ${body[0]}, this program knows version ${VERSION}`,
      "Use the same release of Sotto as the relay.",
    );
  }
  return {
    fingerprint: fingerprintOf(body.slice(1, 1 + ID_BYTES)),
    token: body.slice(1 + ID_BYTES),
  };
}

async function sumOf(body: Bytes): Promise<Bytes> {
  return (await sha256(concat(utf8(PREFIX), body))).slice(0, SUM_BYTES);
}

/** `toLowerCase()` would make a `k` of the Kelvin sign. */
function lowerAscii(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

function notOne(why: string): UserError {
  return new UserError(
    "badFlag",
    `Cannot use this invitation: ${why}`,
    "Copy it whole, as sotto-server invite printed it.",
  );
}
