/**
 * One session as bytes, to be stored (PROTOCOL §0.6). Secret as a whole, and not sealed here:
 *
 * ```
 * version 1 | lv(suite 1) | lv(id 16) | lv(X3DH header, see x3dh.ts, or empty) | lv(started by 1) | lv(answered 1)
 *           | lv(box hashes, 32 each, oldest first, at most 1,000) | lv(ratchet)
 *
 * ratchet = lv(AD 32) | lv(RK 32) | lv(DHs private 32)
 *         | lv(empty, or CKs 32 | Ns 8)
 *         | lv(empty, or DHr 32 | CKr 32 | Nr 8)
 *         | lv(PN 8) | lv(DHr of earlier chains, 32 each, oldest first, at most 5)
 *         | lv(skipped keys, oldest first, at most 2,000: DHr 32 | n 4 | mk 32 | since 8)
 * ```
 *
 * Started by: 1 us, 2 the peer; answered: 0 or 1. A session made by a code has no X3DH header and is answered. `EK_a` is
 * the one of the X3DH header, `DHs` public is computed. The
 * counters Ns, Nr and PN name the message that comes next, so that they reach 2^32 and do not fit four bytes. There is
 * one spelling: what decodes encodes to the same bytes again.
 * @module
 */

import { decodeHex, encodeHex } from "@std/encoding/hex";
import { equalBytes } from "../bytes/equal.ts";
import { DecodeError } from "../bytes/errors.ts";
import { ByteReader } from "../bytes/reader.ts";
import { type Bytes, concat, lvCat, u32be, u64be, u8 } from "../bytes/writer.ts";
import { assertDhPublicKey, DH_BYTES, dhKeyPairFrom } from "../crypto/dh.ts";
import { SHA256_BYTES } from "../crypto/hash.ts";
import { CERTIFICATE_MAX_BYTES } from "./certificate.ts";
import type { RatchetState, ReceivingChain, SendingChain } from "./ratchet_state.ts";
import { MESSAGE_KEY_BYTES } from "./seal.ts";
import { BOX_HASHES_MAX, type Session } from "./session.ts";
import { readSuite, suiteField } from "./signed.ts";
import { OLD_CHAINS_MAX, SKIPPED_MAX, type SkippedKey } from "./skipped_keys.ts";
import { orDamaged, readFlag, readHexItems, readItems, readVersion, STATE_VERSION } from "./state_fields.ts";
import { readX3dhHeader, SESSION_ID_BYTES } from "./x3dh.ts";

const KEY_BYTES = 32;
const COUNTER_BYTES = 8;
/** Beside the certificate: its length, EK, the id of the signed prekey, whether there is a one-time one, its id. */
const X3DH_HEADER_MAX_BYTES = 4 + CERTIFICATE_MAX_BYTES + DH_BYTES + 4 + 1 + 4;
const SENDING_BYTES = KEY_BYTES + COUNTER_BYTES;
const RECEIVING_BYTES = DH_BYTES + KEY_BYTES + COUNTER_BYTES;
const SKIPPED_BYTES = DH_BYTES + 4 + MESSAGE_KEY_BYTES + 8;
const NEXT_MAX = 2 ** 32;
const RATCHET_MAX_BYTES = 8 * 4 + 2 * KEY_BYTES + DH_BYTES + SENDING_BYTES + RECEIVING_BYTES + COUNTER_BYTES +
  OLD_CHAINS_MAX * DH_BYTES + SKIPPED_MAX * SKIPPED_BYTES;

/** The longest encoded session. */
export const SESSION_ENCODED_MAX_BYTES: number = 1 + 7 * 4 + 1 + SESSION_ID_BYTES + X3DH_HEADER_MAX_BYTES + 1 + 1 +
  BOX_HASHES_MAX * SHA256_BYTES + RATCHET_MAX_BYTES;

const STARTED_BY_BYTES = { us: 1, peer: 2 } as const satisfies Record<Session["startedBy"], number>;

/**
 * Encodes a session.
 * @param session the session
 * @returns secret bytes, at most {@linkcode SESSION_ENCODED_MAX_BYTES}
 * @throws {RangeError} when its ratchet is another session's, which no function makes
 */
export function encodeSession(session: Session): Bytes {
  if (!equalBytes(session.id, session.ratchet.sessionId)) {
    throw new RangeError("Cannot encode session: its ratchet is another session's");
  }
  return concat(
    u8(STATE_VERSION),
    lvCat(
      suiteField(),
      session.id,
      session.x3dhBytes,
      u8(STARTED_BY_BYTES[session.startedBy]),
      u8(session.isAnswered ? 1 : 0),
      decodeHex(session.boxHashes.join("")),
      encodeRatchet(session.ratchet),
    ),
  );
}

/**
 * Decodes a session.
 * @param bytes what {@linkcode encodeSession} gave
 * @returns the session
 * @throws {DecodeError} when it is anything else
 */
export async function decodeSession(bytes: Bytes): Promise<Session> {
  const reader = new ByteReader(bytes, "session");
  readVersion(reader, "session");
  readSuite(reader);
  const id = reader.lvExactly(SESSION_ID_BYTES);
  const x3dhBytes = reader.lv(X3DH_HEADER_MAX_BYTES);
  const startedBy = readStartedBy(reader);
  const isAnswered = readFlag(reader);
  const boxHashes = readHexItems(reader, SHA256_BYTES, BOX_HASHES_MAX);
  const ratchetBytes = reader.lv(RATCHET_MAX_BYTES);
  reader.end();

  if (x3dhBytes.length === 0 && !isAnswered) {
    throw new DecodeError("Cannot decode session: it was made by a code and is not answered");
  }
  const ephemeralPublic = await orDamaged(() => x3dhBytes.length === 0 ? x3dhBytes : ephemeralOf(x3dhBytes));
  const ratchet = await decodeRatchet(ratchetBytes, id);
  return { id, key: encodeHex(id), startedBy, ephemeralPublic, x3dhBytes, isAnswered, ratchet, boxHashes };
}

function encodeRatchet(state: RatchetState): Bytes {
  return lvCat(
    state.ad,
    state.rootKey,
    state.own.privateBytes,
    encodeSending(state.sending),
    encodeReceiving(state.receiving),
    u64be(state.previousN),
    concat(...state.oldPublics),
    concat(...state.skipped.map(encodeSkipped)),
  );
}

async function decodeRatchet(bytes: Bytes, sessionId: Bytes): Promise<RatchetState> {
  const reader = new ByteReader(bytes, "ratchet");
  const ad = reader.lvExactly(KEY_BYTES);
  const rootKey = reader.lvExactly(KEY_BYTES);
  const ownPrivate = reader.lvExactly(DH_BYTES);
  const sending = readSending(reader.lv(SENDING_BYTES));
  const receiving = readReceiving(reader.lv(RECEIVING_BYTES));
  const previousN = readCounter(new ByteReader(reader.lvExactly(COUNTER_BYTES), "ratchet"));
  const oldPublics = readItems(reader, DH_BYTES, OLD_CHAINS_MAX).map((key) => key.rest());
  const skipped = readItems(reader, SKIPPED_BYTES, SKIPPED_MAX).map(readSkipped);
  reader.end();

  const current = receiving === undefined ? [] : [receiving.ratchetPublic];
  await orDamaged(() => [...oldPublics, ...current].forEach(assertDhPublicKey));
  const own = await dhKeyPairFrom(ownPrivate);
  return { sessionId, ad, rootKey, own, sending, receiving, previousN, oldPublics, skipped };
}

function encodeSending(chain: SendingChain | undefined): Bytes {
  return chain === undefined ? new Uint8Array(0) : concat(chain.chainKey, u64be(chain.n));
}

function readSending(bytes: Bytes): SendingChain | undefined {
  if (bytes.length === 0) return undefined;
  const reader = new ByteReader(bytes, "sending chain");
  const chain = { chainKey: reader.take(KEY_BYTES), n: readCounter(reader) };
  reader.end();
  return chain;
}

function encodeReceiving(chain: ReceivingChain | undefined): Bytes {
  return chain === undefined ? new Uint8Array(0) : concat(chain.ratchetPublic, chain.chainKey, u64be(chain.n));
}

function readReceiving(bytes: Bytes): ReceivingChain | undefined {
  if (bytes.length === 0) return undefined;
  const reader = new ByteReader(bytes, "receiving chain");
  const ratchetPublic = reader.take(DH_BYTES);
  const chain = { ratchetPublic, chainKey: reader.take(KEY_BYTES), n: readCounter(reader) };
  reader.end();
  return chain;
}

function encodeSkipped(key: SkippedKey): Bytes {
  return concat(key.ratchetPublic, u32be(key.n), key.messageKey, u64be(key.sinceMs));
}

function readSkipped(reader: ByteReader): SkippedKey {
  const ratchetPublic = reader.take(DH_BYTES);
  const n = reader.u32();
  const messageKey = reader.take(MESSAGE_KEY_BYTES);
  return { ratchetPublic, n, messageKey, sinceMs: reader.u64() };
}

function readCounter(reader: ByteReader): number {
  const next = reader.u64();
  if (next > NEXT_MAX) throw new DecodeError("Cannot decode ratchet: a counter is above 2^32");
  return next;
}

function readStartedBy(reader: ByteReader): Session["startedBy"] {
  const byte = reader.lvExactly(1)[0];
  if (byte === STARTED_BY_BYTES.us) return "us";
  if (byte === STARTED_BY_BYTES.peer) return "peer";
  throw new DecodeError(`Cannot decode session: starter ${byte} is unknown`);
}

function ephemeralOf(x3dhBytes: Bytes): Bytes {
  const reader = new ByteReader(x3dhBytes, "X3DH header");
  const { ephemeralPublic } = readX3dhHeader(reader);
  reader.end();
  return ephemeralPublic;
}
