/**
 * What a session by code derives around CPace (PROTOCOL §5):
 *
 * ```
 * CI     cpace_lv_cat(label("pake"), mailbox)
 * SK     HKDF(salt sid_output, ISK, label("pake sk"), 32)
 * AD     SHA-256(label("pake ad") || sid_output)
 * proof  label("pake id") || lv(role 1) || lv(sid_output 64)
 * ```
 * @module
 */

import { type Bytes, concat, label, lvCat } from "../bytes/writer.ts";
import { sha256 } from "../crypto/hash.ts";
import { hkdf } from "../crypto/kdf.ts";
import { type PakeRole, roleField } from "./code_messages.ts";
import { cpaceLvCat } from "./cpace.ts";

/** Bytes of the key that both derive. */
export const PAKE_KEY_BYTES = 32;

/**
 * Gives the channel identifier, `CI`.
 * @param mailbox where the two meet: the mailbox as UTF-8, or the hash of a link
 * @returns the identifier, with the draft's own length prefixes
 */
export function pakeChannel(mailbox: Bytes): Bytes {
  return cpaceLvCat(label("pake"), mailbox);
}

/**
 * Derives the key of the session, the ratchet's first root key.
 * @param isk `ISK`, 64 bytes, secret
 * @param sidOutput `sid_output`, 64 bytes
 * @returns `SK`, 32 bytes, secret
 */
export function pakeSharedKey(isk: Bytes, sidOutput: Bytes): Promise<Bytes> {
  return hkdf(isk, { salt: sidOutput, info: label("pake sk"), lengthBytes: PAKE_KEY_BYTES });
}

/**
 * Computes what the ratchet binds all messages of the session to.
 * @param sidOutput of the outcome, 64 bytes
 * @returns 32 bytes, the same for both
 */
export function pakeAssociatedData(sidOutput: Bytes): Promise<Bytes> {
  return sha256(concat(label("pake ad"), sidOutput));
}

/**
 * Gives what a party signs with its identity key to prove that the certificate it sent is its own: without that, who
 * holds a code could show another's. Nothing is to be sent or shown before both proofs verify.
 * @param role the role of the party that signs
 * @param sidOutput of the outcome, 64 bytes
 * @returns `label("pake id") || lv(role 1) || lv(sid_output 64)`, the label included
 */
export function pakeIdentityProof(role: PakeRole, sidOutput: Bytes): Bytes {
  return concat(label("pake id"), lvCat(roleField(role), sidOutput));
}
