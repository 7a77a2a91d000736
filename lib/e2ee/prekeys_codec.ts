/**
 * All prekeys of one identity as bytes, to be stored (PROTOCOL §0.6). Secret as a whole, and not sealed here:
 *
 * ```
 * version 1 | lv(suite 1) | lv(next id 4) | lv(current) | lv(replaced) || lv(replaced) || … | lv(one-time) || …
 *
 * current    id 4 | private 32 | created 8                    (44 bytes)
 * replaced   id 4 | private 32 | created 8 | replaced at 8    (52 bytes each, newest first, at most 31)
 * one-time   id 4 | private 32 | use 1                        (37 bytes each, oldest first; use: 1 published, 2 live)
 * ```
 *
 * Each of the two lists is one `lv` of its entries. Public keys are computed from the private ones, so that bytes that
 * decode never hold a pair that does not fit. There is one spelling: what decodes encodes to the same bytes again.
 * @module
 */

import { allOf } from "../bytes/all_of.ts";
import { DecodeError } from "../bytes/errors.ts";
import { ByteReader } from "../bytes/reader.ts";
import { type Bytes, concat, lvCat, u32be, u64be, u8 } from "../bytes/writer.ts";
import { DH_BYTES, dhKeyPairFrom } from "../crypto/dh.ts";
import {
  LIVE_PRIVATE_MAX,
  type OneTimePrekey,
  type PrekeyStore,
  PUBLISHED_PRIVATE_MAX,
  SIGNED_PREKEYS_MAX,
  type SignedPrekey,
} from "./prekeys.ts";
import { readSuite, suiteField } from "./signed.ts";
import { readItems, readVersion, STATE_VERSION } from "./state_fields.ts";

const ID_BYTES = 4;
const TIME_BYTES = 8;
const CURRENT_BYTES = ID_BYTES + DH_BYTES + TIME_BYTES;
const REPLACED_BYTES = CURRENT_BYTES + TIME_BYTES;
const ONE_TIME_BYTES = ID_BYTES + DH_BYTES + 1;

const USE_BYTES = { published: 1, live: 2 } as const satisfies Record<OneTimePrekey["use"], number>;

/**
 * Encodes a store.
 * @param store the prekeys
 * @returns secret bytes
 * @throws {RangeError} when it is none that the functions of `prekeys.ts` make
 */
export function encodePrekeyStore(store: PrekeyStore): Bytes {
  const [current, ...replaced] = store.signed;
  if (current.replacedMs !== undefined) throw new RangeError("Cannot encode prekeys: the current one is replaced");
  return concat(
    u8(STATE_VERSION),
    lvCat(
      suiteField(),
      u32be(store.nextId),
      encodeSigned(current),
      concat(...replaced.map(encodeReplaced)),
      concat(...store.oneTime.map(encodeOneTime)),
    ),
  );
}

/**
 * Decodes a store.
 * @param bytes what {@linkcode encodePrekeyStore} gave
 * @returns the prekeys
 * @throws {DecodeError} when it is anything else
 */
export async function decodePrekeyStore(bytes: Bytes): Promise<PrekeyStore> {
  const reader = new ByteReader(bytes, "prekeys");
  readVersion(reader, "prekeys");
  readSuite(reader);
  const nextId = new ByteReader(reader.lvExactly(ID_BYTES), "prekeys").u32();
  const current = new ByteReader(reader.lvExactly(CURRENT_BYTES), "prekeys");
  const replaced = readItems(reader, REPLACED_BYTES, SIGNED_PREKEYS_MAX - 1);
  const oneTime = readItems(reader, ONE_TIME_BYTES, PUBLISHED_PRIVATE_MAX + LIVE_PRIVATE_MAX);
  reader.end();

  const store: PrekeyStore = {
    nextId,
    signed: [await readCurrent(current), ...await allOf(replaced.map(readReplaced))],
    oneTime: await allOf(oneTime.map(readOneTime)),
  };
  assertIds(store);
  return store;
}

function encodeSigned(prekey: SignedPrekey): Bytes {
  return concat(u32be(prekey.id), prekey.pair.privateBytes, u64be(prekey.createdMs));
}

async function readCurrent(reader: ByteReader): Promise<SignedPrekey> {
  const id = reader.u32();
  const pair = await dhKeyPairFrom(reader.take(DH_BYTES));
  return { id, pair, createdMs: reader.u64(), replacedMs: undefined };
}

function encodeReplaced(prekey: SignedPrekey): Bytes {
  if (prekey.replacedMs === undefined) throw new RangeError("Cannot encode prekeys: two are current");
  return concat(encodeSigned(prekey), u64be(prekey.replacedMs));
}

async function readReplaced(reader: ByteReader): Promise<SignedPrekey> {
  return { ...await readCurrent(reader), replacedMs: reader.u64() };
}

function encodeOneTime(prekey: OneTimePrekey): Bytes {
  return concat(u32be(prekey.id), prekey.pair.privateBytes, u8(USE_BYTES[prekey.use]));
}

async function readOneTime(reader: ByteReader): Promise<OneTimePrekey> {
  const id = reader.u32();
  const privateBytes = reader.take(DH_BYTES);
  const use = readUse(reader.u8());
  return { id, pair: await dhKeyPairFrom(privateBytes), use };
}

function readUse(byte: number): OneTimePrekey["use"] {
  if (byte === USE_BYTES.published) return "published";
  if (byte === USE_BYTES.live) return "live";
  throw new DecodeError(`Cannot decode prekeys: use ${byte} is unknown`);
}

/** An id names one prekey, now and later: first messages say nothing else of the key that they were made with. */
function assertIds(store: PrekeyStore): void {
  const ids = [...store.signed, ...store.oneTime].map((prekey) => prekey.id);
  if (new Set(ids).size !== ids.length) throw new DecodeError("Cannot decode prekeys: an id is there twice");
  if (ids.some((id) => id === 0 || id >= store.nextId)) {
    throw new DecodeError("Cannot decode prekeys: an id is 0 or was not given out yet");
  }
}
