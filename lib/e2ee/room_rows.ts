/**
 * What is stored of listening in a room, each a row of its own. Secret as a whole:
 *
 * ```
 * chain  version 1 | lv(suite 1) | lv(epoch of its head 8) | lv(chain, see receiver_chain_codec.ts)
 * held   version 1 | lv(suite 1) | lv(seq 8) | lv(at 8) | lv(epoch of its head 8) | lv(since 8)
 *                  | lv(certificate of its author) | lv(message, as it was published)
 * late   version 1 | lv(suite 1) | lv(peer's id 32) | lv(since 8) | lv(sender key 232)
 * ```
 *
 * There is one spelling: what decodes encodes to the same bytes again.
 * @module
 */

import { DecodeError } from "../bytes/errors.ts";
import { ByteReader } from "../bytes/reader.ts";
import { type Bytes, concat, lvCat, u64be, u8 } from "../bytes/writer.ts";
import { SHA256_BYTES } from "../crypto/hash.ts";
import { type Certificate, CERTIFICATE_MAX_BYTES, verifyCertificate } from "./certificate.ts";
import { type Fingerprint, fingerprintOf, idOf } from "./identity.ts";
import { CHAIN_HASHES_MAX, CHAIN_SKIPPED_MAX, ReceiverChain } from "./receiver_chain.ts";
import { parseRoomMessage, ROOM_MESSAGE_MAX_BYTES } from "./room_message.ts";
import { decodeReceiverChain, encodeReceiverChain } from "./receiver_chain_codec.ts";
import { decodeSenderKey, SENDER_KEY_BYTES } from "./sender_key.ts";
import { readSuite, suiteField } from "./signed.ts";
import { orDamaged, readVersion, STATE_VERSION } from "./state_fields.ts";

/** The longest stored chain: its fields, a whole jump of skipped keys, and the hashes. */
const CHAIN_MAX_BYTES = 512 + 44 * CHAIN_SKIPPED_MAX + SHA256_BYTES * CHAIN_HASHES_MAX;

/** A chain of another member, and where it was made. */
export interface KnownChain {
  /** The chain. */
  readonly chain: ReceiverChain;
  /** The epoch of the head that it was made under. */
  readonly headEpoch: number;
}

/** A message that waits for its key. */
export interface HeldMessage {
  /** Its place in the stream. */
  readonly seq: number;
  /** The relay's time of it. */
  readonly atMs: number;
  /** The epoch of its head. */
  readonly headEpoch: number;
  /** Since when it waits. */
  readonly sinceMs: number;
  /** Its author, as the log knew them then. */
  readonly certificate: Certificate;
  /** What was published. */
  readonly message: Bytes;
}

/** A sender key for a place that we have not reached. */
export interface LateKey {
  /** Whose session it came through. */
  readonly peer: Fingerprint;
  /** Since when it waits. */
  readonly sinceMs: number;
  /** The key, as it was opened. Secret. */
  readonly key: Bytes;
  /** The head that it waits for, 32 bytes. */
  readonly head: Bytes;
}

/**
 * Encodes a chain.
 * @param known the chain and its place
 * @returns secret bytes
 */
export function encodeKnownChain({ chain, headEpoch }: KnownChain): Bytes {
  return concat(u8(STATE_VERSION), lvCat(suiteField(), u64be(headEpoch), encodeReceiverChain(chain.state)));
}

/**
 * Decodes a chain.
 * @param bytes what {@linkcode encodeKnownChain} gave
 * @returns the chain and its place
 * @throws {DecodeError} when it is anything else
 */
export async function decodeKnownChain(bytes: Bytes): Promise<KnownChain> {
  const reader = begun(bytes, "room chain");
  const headEpoch = readNumber(reader);
  const state = reader.lv(CHAIN_MAX_BYTES);
  reader.end();
  return { chain: new ReceiverChain(await decodeReceiverChain(state)), headEpoch };
}

/**
 * Encodes a message that waits.
 * @param held the message and its place
 * @returns its bytes
 */
export function encodeHeldMessage(held: HeldMessage): Bytes {
  const numbers = [held.seq, held.atMs, held.headEpoch, held.sinceMs].map(u64be);
  return concat(u8(STATE_VERSION), lvCat(suiteField(), ...numbers, held.certificate.encoded, held.message));
}

/**
 * Decodes a message that waits.
 * @param bytes what {@linkcode encodeHeldMessage} gave
 * @returns the message and its place
 * @throws {DecodeError} when it is anything else
 */
export async function decodeHeldMessage(bytes: Bytes): Promise<HeldMessage> {
  const reader = begun(bytes, "held message");
  const [seq, atMs, headEpoch, sinceMs] = [1, 2, 3, 4].map(() => readNumber(reader)) as [
    number,
    number,
    number,
    number,
  ];
  const certificateBytes = reader.lv(CERTIFICATE_MAX_BYTES);
  const message = reader.lv(ROOM_MESSAGE_MAX_BYTES);
  reader.end();
  const certificate = await orDamaged(() => verifyCertificate(certificateBytes));
  if (fingerprintOf(parseRoomMessage(message).header.sender) !== certificate.fingerprint) {
    throw new DecodeError("Cannot decode held message: the certificate is another's");
  }
  return { seq, atMs, headEpoch, sinceMs, certificate, message };
}

/**
 * Encodes a key that waits.
 * @param late the key, and whose session it came through
 * @returns secret bytes
 */
export function encodeLateKey({ peer, sinceMs, key }: Omit<LateKey, "head">): Bytes {
  return concat(u8(STATE_VERSION), lvCat(suiteField(), idOf(peer), u64be(sinceMs), key));
}

/**
 * Decodes a key that waits.
 * @param bytes what {@linkcode encodeLateKey} gave
 * @returns the key
 * @throws {DecodeError} when it is anything else
 */
export async function decodeLateKey(bytes: Bytes): Promise<LateKey> {
  const reader = begun(bytes, "late key");
  const peer = fingerprintOf(reader.lvExactly(SHA256_BYTES));
  const sinceMs = readNumber(reader);
  const key = reader.lvExactly(SENDER_KEY_BYTES);
  reader.end();
  const { head } = await orDamaged(() => decodeSenderKey(key));
  return { peer, sinceMs, key, head };
}

function begun(bytes: Bytes, what: string): ByteReader {
  const reader = new ByteReader(bytes, what);
  readVersion(reader, what);
  readSuite(reader);
  return reader;
}

function readNumber(reader: ByteReader): number {
  return new ByteReader(reader.lvExactly(8), "number").u64();
}
