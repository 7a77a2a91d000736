/**
 * What is kept about the history in sealed rows:
 *
 *     conversations  `<relay>/<stream>`   version 1 | lv(id 16) | lv(key 32) | lv(name) | lv(what the relay calls itself)
 *     history        `shown/<relay>`      version 1 | lv(last place that was shown 8) | lv(whether the run ended 1)
 *     history        `clock`              see chat/history_clock.ts
 *
 * The id of a conversation is random and stands in the open beside its entries; the key opens them, and goes with the
 * conversation.
 * @module
 */

import { DecodeError } from "../bytes/errors.ts";
import { ByteReader, fromUtf8 } from "../bytes/reader.ts";
import { type Bytes, concat, lvCat, u64be, u8, utf8 } from "../bytes/writer.ts";
import { readFlag, readVersion, STATE_VERSION } from "../e2ee/state_fields.ts";
import { type ClockState, decodeClock } from "../chat/history_clock.ts";
import type { Fingerprint, StreamName } from "../wire/messages.ts";
import type { RowChange, SealedStore } from "./sealed_store.ts";

/** A conversation of which something is kept. */
export interface KeptConversation {
  /** The relay that it is on. */
  readonly relay: Fingerprint;
  /** `room/<id>`, or `inbox/<fingerprint>` of the other. */
  readonly stream: StreamName;
  /** 16 random bytes. */
  readonly id: Bytes;
  /** 32 random bytes, secret. */
  readonly key: Bytes;
  /** The name of the room, or of the other, when something was kept last. */
  readonly name: string;
  /** What the relay called itself then. */
  readonly relayName: string;
}

/** How far what is kept was shown on a relay. */
export interface ShownMark {
  /** The last place. */
  readonly seq: number;
  /** Whether the run ended by itself, so that nothing after that place was shown. */
  readonly isOver: boolean;
}

/** All rows about the history. */
export interface HistoryRows {
  /** The conversations, on all relays. */
  readonly conversations: readonly KeptConversation[];
  /** Where its time stood. */
  readonly clock: ClockState | undefined;
  /** How far it was shown on each relay. */
  readonly marks: readonly { readonly relay: Fingerprint; readonly mark: ShownMark }[];
  /** How many rows could not be read; they are left alone. */
  readonly damaged: number;
}

/** The table of conversations. */
export const CONVERSATIONS = "conversations";
/** The table of what is known of the whole. */
export const HISTORY = "history";
/** What is known of texts of ours that nobody has read yet, see client_store.ts. */
const RECEIPTS = "receipts";
/** The key of the clock. */
export const CLOCK_KEY: Bytes = utf8("clock");

const ID_BYTES = 16;
const KEY_BYTES = 32;
const NAME_MAX_BYTES = 256;
const CONVERSATION_KEY = /^(?<relay>[A-Z2-7]{51}[AQ])\/(?<stream>(room|inbox)\/[A-Z2-7]{51}[AQ])$/;
const SHOWN_KEY = /^shown\/(?<relay>[A-Z2-7]{51}[AQ])$/;

/**
 * Gives the key of a conversation's row.
 * @param conversation which
 * @returns the key
 */
export function conversationKey({ relay, stream }: Pick<KeptConversation, "relay" | "stream">): Bytes {
  return utf8(`${relay}/${stream}`);
}

/**
 * Encodes a conversation.
 * @param conversation which
 * @returns secret bytes
 */
export function encodeConversation({ id, key, name, relayName }: KeptConversation): Bytes {
  return concat(u8(STATE_VERSION), lvCat(id, key, utf8(name), utf8(relayName)));
}

/**
 * Decodes a conversation.
 * @param key what {@linkcode conversationKey} gave
 * @param value what {@linkcode encodeConversation} gave
 * @returns the conversation
 * @throws {DecodeError} when they are anything else
 */
export function decodeConversation(key: Bytes, value: Bytes): KeptConversation {
  const { relay, stream } = CONVERSATION_KEY.exec(fromUtf8(key))?.groups ?? {};
  if (relay === undefined || stream === undefined) {
    throw new DecodeError("Cannot decode conversation: its key is malformed");
  }
  const reader = new ByteReader(value, "conversation");
  readVersion(reader, "conversation");
  const [id, secret] = [reader.lvExactly(ID_BYTES), reader.lvExactly(KEY_BYTES)];
  const [name, relayName] = [fromUtf8(reader.lv(NAME_MAX_BYTES)), fromUtf8(reader.lv(NAME_MAX_BYTES))];
  reader.end();
  return { relay, stream, id, key: secret, name, relayName };
}

/**
 * Gives the key of a mark's row.
 * @param relay whose
 * @returns the key
 */
export function shownKey(relay: Fingerprint): Bytes {
  return utf8(`shown/${relay}`);
}

/**
 * Finds out whose mark a row is.
 * @param key the row's
 * @returns the relay; `undefined` when it is no mark
 */
function relayOfShown(key: Bytes): Fingerprint | undefined {
  return SHOWN_KEY.exec(fromUtf8(key))?.groups?.["relay"];
}

/**
 * Encodes a mark.
 * @param mark how far
 * @returns bytes
 */
export function encodeShown({ seq, isOver }: ShownMark): Bytes {
  return concat(u8(STATE_VERSION), lvCat(u64be(seq), u8(isOver ? 1 : 0)));
}

/**
 * Decodes a mark.
 * @param value what {@linkcode encodeShown} gave
 * @returns the mark
 * @throws {DecodeError} when it is anything else
 */
export function decodeShown(value: Bytes): ShownMark {
  const reader = new ByteReader(value, "mark");
  readVersion(reader, "mark");
  const seq = new ByteReader(reader.lvExactly(8), "mark").u64();
  const isOver = readFlag(reader);
  reader.end();
  return { seq, isOver };
}

/**
 * Reads all rows about the history.
 * @param sealed where they are
 * @returns the rows; those that are damaged are counted
 */
export async function readHistoryRows(sealed: SealedStore): Promise<HistoryRows> {
  const damaged = { rows: 0 };
  const conversations = await decoded(sealed, CONVERSATIONS, decodeConversation, damaged);
  const others = await decoded(sealed, HISTORY, decodeOther, damaged);
  const clock = others.flatMap((row) => "clock" in row ? [row.clock] : [])[0];
  const marks = others.flatMap((row) => "mark" in row ? [row] : []);
  return { conversations, clock, marks, damaged: damaged.rows };
}

/**
 * Finds what is kept of texts of ours to somebody beside the history. The chat forgets it for whom it knows; by a name
 * that means nobody now, a conversation is found in the history alone.
 * @param sealed where it is
 * @param stream the conversation
 * @returns changes that delete it; none for a room
 */
export async function receiptRows(sealed: SealedStore, stream: StreamName): Promise<RowChange[]> {
  const [kind, peer] = stream.split("/");
  if (kind !== "inbox") return [];
  const rows: RowChange[] = [];
  for await (const { key } of sealed.list(RECEIPTS, () => {})) {
    if (fromUtf8(key).startsWith(`${peer}/`)) rows.push({ table: RECEIPTS, key, value: undefined });
  }
  return rows;
}

type OtherRow = { readonly clock: ClockState } | { readonly relay: Fingerprint; readonly mark: ShownMark };

function decodeOther(key: Bytes, value: Bytes): OtherRow {
  const relay = relayOfShown(key);
  return relay === undefined ? { clock: decodeClock(value) } : { relay, mark: decodeShown(value) };
}

async function decoded<T>(
  sealed: SealedStore,
  table: string,
  decode: (key: Bytes, value: Bytes) => T,
  damaged: { rows: number },
): Promise<T[]> {
  const found: T[] = [];
  for await (const { key, value } of sealed.list(table, () => damaged.rows++)) {
    try {
      found.push(decode(key, value));
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      damaged.rows++;
    }
  }
  return found;
}
