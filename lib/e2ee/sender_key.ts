/**
 * A sender key on its way to one member, pairwise over the ratchet (PROTOCOL 3.14). It is the plaintext of a box:
 *
 * ```
 * label("sender key") 19 | suite 1 | room 32 | head 32 | key id 16 | ck 32 | n 4 | sig public 32
 *                        | sender id 32 | recipient id 32
 * ```
 *
 * 232 bytes. Every field has one length, so none stands in front of it: with lengths it would not fit into a padded
 * plaintext of 256 bytes any more, and a room of 1,000 would cost three times as much. Nothing signs it: the session it
 * comes through says who sent it, which is why it is taken only when its sender is that session's peer. The first two
 * bytes read as the length of a head would be too long for one, so that no plaintext of `plaintext.ts` is one of these.
 * @module
 */

import { equalBytes } from "../bytes/equal.ts";
import { AuthError, DecodeError } from "../bytes/errors.ts";
import { ByteReader } from "../bytes/reader.ts";
import { type Bytes, concat, label, u32be, u8 } from "../bytes/writer.ts";
import { SHA256_BYTES } from "../crypto/hash.ts";
import { assertSignPublicKey, SIGN_KEY_BYTES } from "../crypto/sign.ts";
import { CHAIN_KEY_BYTES, type ChainPosition } from "./chain_key.ts";
import { ReceiverChain } from "./receiver_chain.ts";
import { type ChainIds, KEY_ID_BYTES } from "./room_message.ts";
import { SUITE } from "./signed.ts";

/** Bytes of an encoded sender key. */
export const SENDER_KEY_BYTES = 232;

const LABEL = label("sender key");

/** A sender key for one member. Secret. */
export interface SenderKey extends ChainIds, ChainPosition {
  /** The room's head when the chain was made, 32 bytes. */
  readonly head: Bytes;
  /** What messages of the chain are signed under, 32 bytes. */
  readonly signPublic: Bytes;
  /** The id of the member it is for, 32 bytes. */
  readonly recipient: Bytes;
}

/** Who a sender key may be from and for. */
export interface AcceptSenderKeyOptions {
  /** The id of the session's peer, 32 bytes. */
  readonly peerId: Bytes;
  /** Our id, 32 bytes. */
  readonly selfId: Bytes;
  /** The room that it should be for, 32 bytes; left out when any will do. */
  readonly room?: Bytes;
}

/**
 * Encodes a sender key.
 * @param key its fields
 * @returns 232 secret bytes, to be sealed for its recipient alone
 * @throws {RangeError} when a field has another length
 */
export function encodeSenderKey(key: SenderKey): Bytes {
  const { room, head, keyId, chainKey, n, signPublic, sender, recipient } = key;
  const hasLengths = [room, head, sender, recipient].every((id) => id.length === SHA256_BYTES) &&
    keyId.length === KEY_ID_BYTES && chainKey.length === CHAIN_KEY_BYTES && signPublic.length === SIGN_KEY_BYTES;
  if (!hasLengths) throw new RangeError("Cannot encode sender key: a field has another length");
  return concat(LABEL, u8(SUITE), room, head, keyId, chainKey, u32be(n), signPublic, sender, recipient);
}

/**
 * Tells a sender key from the plaintext of a message.
 * @param plaintext what was opened
 * @returns whether it is to be given to {@linkcode acceptSenderKey}
 */
export function isSenderKey(plaintext: Bytes): boolean {
  return equalBytes(plaintext.subarray(0, LABEL.length), LABEL);
}

/**
 * Decodes a sender key; whether it may be taken is for {@linkcode acceptSenderKey} to say.
 * @param bytes what was opened
 * @returns its fields, as its sender claims them. Secret
 * @throws {DecodeError} when it is malformed
 * @throws {AuthError} when the signature key has a small order or is not canonical
 */
export function decodeSenderKey(bytes: Bytes): SenderKey {
  if (!isSenderKey(bytes)) throw new DecodeError("Cannot decode sender key: it is something else");
  const reader = new ByteReader(bytes.subarray(LABEL.length), "sender key");
  const suite = reader.u8();
  if (suite !== SUITE) throw new DecodeError(`Cannot decode sender key: suite ${suite} is unknown`);
  const room = reader.take(SHA256_BYTES);
  const head = reader.take(SHA256_BYTES);
  const keyId = reader.take(KEY_ID_BYTES);
  const chainKey = reader.take(CHAIN_KEY_BYTES);
  const n = reader.u32();
  const signPublic = reader.take(SIGN_KEY_BYTES);
  const sender = reader.take(SHA256_BYTES);
  const recipient = reader.take(SHA256_BYTES);
  reader.end();
  assertSignPublicKey(signPublic);
  return { room, head, keyId, chainKey, n, signPublic, sender, recipient };
}

/**
 * Takes a sender key that came through a session. A second one for the same room, sender and key id must not take the
 * place of the first: its numbers would start again.
 * @param bytes what was opened
 * @param options the session's peer, and we
 * @returns a chain that opens the sender's messages from that number on
 * @throws {DecodeError} when it is malformed
 * @throws {AuthError} when its sender is not the peer, its recipient not we, its room another, or its signature key one
 * that no honest party has
 */
export function acceptSenderKey(bytes: Bytes, options: AcceptSenderKeyOptions): ReceiverChain {
  const key = decodeSenderKey(bytes);
  const { peerId, selfId, room = key.room } = options;
  if (!equalBytes(key.sender, peerId)) throw new AuthError("Cannot take sender key: its sender is not the peer");
  if (!equalBytes(key.recipient, selfId)) throw new AuthError("Cannot take sender key: it is for somebody else");
  if (!equalBytes(key.room, room)) throw new AuthError("Cannot take sender key: it is for another room");
  const { recipient: _, ...start } = key;
  return new ReceiverChain({ ...start, skipped: [], hashes: [] });
}
