/**
 * Chains of other members as bytes, to be stored (PROTOCOL §0.6); our own are never. Secret as a whole, and not sealed
 * here:
 *
 * ```
 * version 1 | lv(suite 1) | lv(room 32) | lv(sender 32) | lv(key id 16) | lv(head 32) | lv(ck 32) | lv(n 4)
 *           | lv(signing public 32)
 *           | lv(skipped keys, by ascending number, at most 1,000: n 4 | mk 32 | since 8)
 *           | lv(hashes of opened messages, 32 each, oldest first, at most 1,000)
 * ```
 *
 * `n` is the number of the next message, above those of all skipped keys. There is one spelling: what decodes encodes to
 * the same bytes again.
 * @module
 */

import { decodeHex } from "@std/encoding/hex";
import { DecodeError } from "../bytes/errors.ts";
import { ByteReader } from "../bytes/reader.ts";
import { type Bytes, concat, lvCat, u32be, u64be, u8 } from "../bytes/writer.ts";
import { SHA256_BYTES } from "../crypto/hash.ts";
import { assertSignPublicKey, SIGN_KEY_BYTES } from "../crypto/sign.ts";
import { CHAIN_KEY_BYTES } from "./chain_key.ts";
import { CHAIN_HASHES_MAX, CHAIN_SKIPPED_MAX, type ReceiverChainState } from "./receiver_chain.ts";
import { KEY_ID_BYTES } from "./room_message.ts";
import { MESSAGE_KEY_BYTES } from "./seal.ts";
import { readSuite, suiteField } from "./signed.ts";
import type { SkippedMessageKey } from "./skipped_keys.ts";
import { orDamaged, readHexItems, readItems, readVersion, STATE_VERSION } from "./state_fields.ts";

const SKIPPED_BYTES = 4 + MESSAGE_KEY_BYTES + 8;

/**
 * Encodes a chain of another member.
 * @param state the chain
 * @returns secret bytes
 */
export function encodeReceiverChain(state: ReceiverChainState): Bytes {
  const { room, sender, keyId, head, chainKey, n, signPublic } = state;
  const skipped = concat(...state.skipped.map(encodeSkipped));
  const hashes = decodeHex(state.hashes.join(""));
  const fields = lvCat(suiteField(), room, sender, keyId, head, chainKey, u32be(n), signPublic, skipped, hashes);
  return concat(u8(STATE_VERSION), fields);
}

/**
 * Decodes a chain of another member.
 * @param bytes what {@linkcode encodeReceiverChain} gave
 * @returns the chain
 * @throws {DecodeError} when it is anything else
 */
export async function decodeReceiverChain(bytes: Bytes): Promise<ReceiverChainState> {
  const reader = new ByteReader(bytes, "receiver chain");
  readVersion(reader, "receiver chain");
  readSuite(reader);
  const room = reader.lvExactly(SHA256_BYTES);
  const sender = reader.lvExactly(SHA256_BYTES);
  const keyId = reader.lvExactly(KEY_ID_BYTES);
  const head = reader.lvExactly(SHA256_BYTES);
  const chainKey = reader.lvExactly(CHAIN_KEY_BYTES);
  const n = new ByteReader(reader.lvExactly(4), "receiver chain").u32();
  const signPublic = reader.lvExactly(SIGN_KEY_BYTES);
  const skipped = readItems(reader, SKIPPED_BYTES, CHAIN_SKIPPED_MAX).map(readSkipped);
  const hashes = readHexItems(reader, SHA256_BYTES, CHAIN_HASHES_MAX);
  reader.end();

  await orDamaged(() => assertSignPublicKey(signPublic));
  const isInOrder = skipped.every((one, i) => one.n < (skipped[i + 1]?.n ?? n));
  if (!isInOrder) throw new DecodeError("Cannot decode receiver chain: its skipped keys are out of order");
  return { room, sender, keyId, head, chainKey, n, signPublic, skipped, hashes };
}

function encodeSkipped(key: SkippedMessageKey): Bytes {
  return concat(u32be(key.n), key.messageKey, u64be(key.sinceMs));
}

function readSkipped(reader: ByteReader): SkippedMessageKey {
  const n = reader.u32();
  const messageKey = reader.take(MESSAGE_KEY_BYTES);
  return { n, messageKey, sinceMs: reader.u64() };
}
