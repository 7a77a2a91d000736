/**
 * What a client keeps in its data directory, all of it in sealed rows (PROTOCOL §7): who it is, the relays it knows, the
 * people it met, its prekeys and ratchets, and how far it has read. It is read once, at the start, and written by
 * `commit()` alone.
 *
 * | table      | key                          | value                                              |
 * | ---------- | ---------------------------- | -------------------------------------------------- |
 * | `identity` | `identity`                   | the key file, see e2ee/identity.ts                 |
 * | `identity` | `certificate`                | the newest certificate of it                       |
 * | `identity` | `name`                       | the name that a relay accepted last                |
 * | `keys`     | `prekeys`, `forgotten`       | see e2ee/prekeys_codec.ts, e2ee/peer_codec.ts      |
 * | `sessions` | the peer's id                | all sessions with it, see e2ee/peer_codec.ts       |
 * | `peers`    | the peer's id                | how well it is known, see chat/peer_record.ts      |
 * | `relays`   | `HOST:PORT` as it was dialled | which relay that is, see relay_pin.ts             |
 * | `cursors`  | `<relay>/<stream>`           | how far it was read, see cursor_codec.ts           |
 * | `rooms`    | `<relay>/<room>/<row>`       | see chat/room_record.ts and e2ee/room.ts           |
 * | `outbox`   | `<relay>/<id of the event>`  | see chat/outbox_line.ts                            |
 * | `receipts` | `<peer>/<id of the event>`   | see chat/receipt_record.ts                         |
 * | `held`     | `<relay>/<hash of its box>`  | see chat/held_record.ts                            |
 * | `codes`    | a code that was used up      | until when it is remembered (ms) 8                 |
 *
 * The history has rows and a table of its own, see history_rows.ts and sealed_entries.ts.
 *
 * @module
 */

import { DecodeError, UserError } from "../bytes/errors.ts";
import { equalBytes } from "../bytes/equal.ts";
import { ByteReader, fromUtf8 } from "../bytes/reader.ts";
import { type Bytes, u64be, utf8 } from "../bytes/writer.ts";
import type { BurntCode } from "../chat/burnt_codes.ts";
import { decodePeerRecord, encodePeerRecord } from "../chat/peer_record.ts";
import type {
  ChatChanges,
  ChatState,
  StoredHeldRow,
  StoredLine,
  StoredReceiptRow,
  StoredRoomRow,
  StoredSessions,
} from "../chat/state.ts";
import { type Certificate, verifyCertificate } from "../e2ee/certificate.ts";
import type { WrapOptions } from "../e2ee/data_key.ts";
import { decodeIdentity, encodeIdentity, type Identity, idOf } from "../e2ee/identity.ts";
import { encodeForgotten } from "../e2ee/peer_codec.ts";
import { orDamaged } from "../e2ee/state_fields.ts";
import { cursorKey, decodeCursor, encodeCursor } from "./cursor_codec.ts";
import type { DataDir } from "./data_dir.ts";
import { decodeRelayPin, encodeRelayPin, type RelayPin } from "./relay_pin.ts";
import { CONVERSATIONS, HISTORY } from "./history_rows.ts";
import { HistoryStore, type HistoryStoreOptions } from "./history_store.ts";
import type { Protection, Unlock } from "./sealed_key.ts";
import { type RowChange, SealedStore, STORE_FILE_NAME } from "./sealed_store.ts";

/** Where earlier releases kept the identity; it moves into the store and the file goes. */
const OLD_KEY_FILE = "identity.key";

const IDENTITY = utf8("identity");
const CERTIFICATE = utf8("certificate");
const NAME = utf8("name");
const PREKEYS = utf8("prekeys");
const FORGOTTEN = utf8("forgotten");

/** Which relay answers at an address. */
export interface KnownRelayEntry extends RelayPin {
  /** `HOST:PORT` as it was dialled. */
  readonly address: string;
}

/** All that a client kept when it was read. */
export interface ClientState extends ChatState {
  /** Who it is; `undefined` before the first start. */
  readonly identity: Identity | undefined;
  /** The newest certificate of it, perhaps one that no relay has accepted. */
  readonly certificate: Certificate | undefined;
  /** The name under which a relay accepted it last. */
  readonly name: string | undefined;
  /** The relays that it knows, in the order in which they were met. */
  readonly relays: readonly KnownRelayEntry[];
}

/** What is to be kept, all or nothing. */
export interface ClientChanges {
  /** Becomes this identity. With another one than before, prekeys, ratchets, cursors and the certificate go. */
  readonly identity?: Identity;
  /** The newest certificate; keep it before anybody sees it, or an older one could come after it. */
  readonly certificate?: Certificate;
  /** The name that a relay accepted. */
  readonly name?: string;
  /** Relays to know, and by `undefined` to forget. */
  readonly relays?: readonly { readonly address: string; readonly pin: RelayPin | undefined }[];
  /** What the chat changed. */
  readonly chat?: ChatChanges;
}

/** The kept things of one client, for this process alone. */
export class ClientStore {
  readonly #dir: DataDir;
  readonly #sealed: SealedStore;
  #history: HistoryStore | undefined;

  private constructor(dir: DataDir, sealed: SealedStore) {
    this.#dir = dir;
    this.#sealed = sealed;
  }

  /**
   * Opens the store of a data directory, and makes it at the first start.
   * @param dir the directory; it stays the caller's to close, after the store
   * @param unlock gives the passphrase, if there is one
   * @param options where randomness comes from
   * @returns the store
   * @throws {UserError} `dataDirUnusable` or `dataDirBusy`, as `SealedStore.open()`; nothing is overwritten
   */
  static async open(dir: DataDir, unlock: Unlock, options: WrapOptions = {}): Promise<ClientStore> {
    return new ClientStore(dir, await SealedStore.open(dir, unlock, options));
  }

  /** What protects it: a passphrase, or a key file that protects nothing from whoever reads the whole directory. */
  get protection(): Protection {
    return this.#sealed.protection;
  }

  /**
   * Reads everything. An identity that an earlier release kept in a file of its own is taken over.
   * @returns what is kept
   * @throws {UserError} `dataDirUnusable` when something is damaged; it is left alone
   */
  async load(): Promise<ClientState> {
    return await this.#orDamaged(async () => {
      const identity = await this.#loadIdentity();
      const name = await this.#sealed.read("identity", NAME);
      const certificateBytes = await this.#sealed.read("identity", CERTIFICATE);
      const certificate = certificateBytes && await orDamaged(() => verifyCertificate(certificateBytes));
      return {
        identity,
        certificate,
        name: name && fromUtf8(name),
        relays: await this.#all("relays", (key, value) => ({ address: fromUtf8(key), ...decodeRelayPin(value) })),
        sessions: await this.#loadSessions(),
        peers: await this.#all("peers", (_, value) => decodePeerRecord(value)),
        cursors: await this.#all("cursors", decodeCursor),
        codes: await this.#all("codes", decodeBurntCode),
        rooms: await this.#all("rooms", decodeRoomRow),
        outbox: await this.#all("outbox", decodeOutboxRow),
        receipts: await this.#all("receipts", decodeReceiptRow),
        held: await this.#all("held", decodeHeldRow),
      };
    });
  }

  /**
   * Opens the history; from then on what the chat tells is kept in it.
   * @param options how long it is kept, and whether
   * @returns the history
   */
  async openHistory(options: HistoryStoreOptions): Promise<HistoryStore> {
    this.#history = await HistoryStore.open(this.#sealed, options);
    return this.#history;
  }

  /**
   * Keeps changes: when it resolves they survive a `kill -9`; when it throws, none of them is there. Commits are done in
   * the order in which they are called.
   * @param changes what is to be kept
   * @throws {UserError} `dataDirUnusable` when they cannot be written
   */
  async commit(changes: ClientChanges): Promise<void> {
    const { identity, certificate, name, relays = [], chat } = changes;
    const rows: RowChange[] = [];
    if (identity !== undefined) rows.push(...await this.#becoming(identity));
    if (certificate !== undefined) {
      rows.push({ table: "identity", key: CERTIFICATE, value: certificate.encoded });
    }
    if (name !== undefined) rows.push({ table: "identity", key: NAME, value: utf8(name) });
    for (const { address, pin } of relays) {
      rows.push({ table: "relays", key: utf8(address), value: pin && encodeRelayPin(pin) });
    }
    if (chat !== undefined) rows.push(...chatRows(chat));
    const isOther = rows.some(({ table }) => table === CONVERSATIONS);
    // From here to the commit without a wait: places of entries are given in the order of the commits.
    const writes = isOther ? undefined : this.#history?.writes(chat?.history ?? []);
    const all = writes === undefined ? rows : [...rows, ...writes.rows];
    if (all.length === 0) return;
    const tally = await this.#sealed.commit(all, isOther ? { removeAll: true } : writes?.entries);
    this.#history?.committed(tally);
  }

  /**
   * Changes what protects the store.
   * @param passphrase what `encodePassphrase()` gave, `undefined` for a key file
   * @throws {UserError} `dataDirUnusable` when it cannot be written; what protected it before still does
   */
  changePassphrase(passphrase: Bytes | undefined): Promise<void> {
    return this.#sealed.changePassphrase(passphrase);
  }

  /** Empties the log of what was replaced and deleted; to be called hourly. */
  truncateLog(): Promise<void> {
    return this.#sealed.truncateLog();
  }

  /** Closes the store after the commits that were called before. Calling it again does nothing. */
  close(): Promise<void> {
    return this.#sealed.close();
  }

  async #loadIdentity(): Promise<Identity | undefined> {
    const kept = await this.#sealed.read("identity", IDENTITY);
    const old = await this.#dir.readSecret(OLD_KEY_FILE);
    if (old === undefined) return kept && await decodeIdentity(kept);
    if (kept !== undefined && !equalBytes(kept, old)) {
      throw new UserError(
        "dataDirUnusable",
        `Cannot use ${this.#dir.path}: it holds ${OLD_KEY_FILE} beside another identity in ${STORE_FILE_NAME}`,
        `Move ${OLD_KEY_FILE} away. To become that identity: sotto identity import FILE.`,
      );
    }
    const identity = await decodeIdentity(old);
    if (kept === undefined) await this.commit({ identity });
    await this.#dir.remove(OLD_KEY_FILE);
    return identity;
  }

  async #loadSessions(): Promise<StoredSessions | undefined> {
    const prekeys = await this.#sealed.read("keys", PREKEYS);
    if (prekeys === undefined) return undefined;
    const forgotten = await this.#sealed.read("keys", FORGOTTEN) ?? encodeForgotten([]);
    return { prekeys, forgotten, peers: await this.#all("sessions", (_, value) => value) };
  }

  async #all<T>(table: string, decode: (key: Bytes, value: Bytes) => T | Promise<T>): Promise<T[]> {
    const found: T[] = [];
    for await (const { key, value } of this.#sealed.list(table)) found.push(await decode(key, value));
    return found;
  }

  /** What is another identity's is of no use to this one, and its ratchets must never go on under this name. */
  async #becoming(identity: Identity): Promise<RowChange[]> {
    const encoded = await encodeIdentity(identity);
    const before = await this.#sealed.read("identity", IDENTITY);
    const rows: RowChange[] = [{ table: "identity", key: IDENTITY, value: encoded }];
    if (before === undefined || equalBytes(before, encoded)) return rows;
    for (const key of [CERTIFICATE, NAME]) rows.push({ table: "identity", key, value: undefined });
    for (
      const table of ["keys", "sessions", "cursors", "rooms", "outbox", "receipts", "held", CONVERSATIONS, HISTORY]
    ) {
      for await (const { key } of this.#sealed.list(table)) rows.push({ table, key, value: undefined });
    }
    return rows;
  }

  async #orDamaged<T>(load: () => Promise<T>): Promise<T> {
    try {
      return await load();
    } catch (cause) {
      if (!(cause instanceof DecodeError)) throw cause;
      throw new UserError(
        "dataDirUnusable",
        `Cannot read what ${this.#dir.path} holds: it is damaged, or of a later release; it was left alone`,
        "Restore the directory from a backup, or move it away to start as somebody new.",
        { cause },
      );
    }
  }
}

function decodeBurntCode(key: Bytes, value: Bytes): BurntCode {
  const reader = new ByteReader(value, "used code");
  const untilMs = reader.u64();
  reader.end();
  return { code: fromUtf8(key), untilMs };
}

const OUTBOX_KEY = /^([A-Z2-7]{51}[AQ])\/[0-9a-f]{32}$/;
const RECEIPT_KEY = /^([A-Z2-7]{51}[AQ])\/([0-9a-f]{32})$/;
const HELD_KEY = /^([A-Z2-7]{51}[AQ])\/([0-9a-f]{64})$/;
const ROOM_KEY = /^(?<relay>[A-Z2-7]{51}[AQ])\/(?<room>[A-Z2-7]{51}[AQ])\/(?<name>[a-z0-9/]{1,120})$/;

function decodeRoomRow(key: Bytes, value: Bytes): StoredRoomRow {
  const { relay, room, name } = ROOM_KEY.exec(fromUtf8(key))?.groups ?? {};
  if (relay === undefined || room === undefined || name === undefined) {
    throw new DecodeError("Cannot decode row of a room: its key is malformed");
  }
  return { relay, room, name, value };
}

function decodeOutboxRow(key: Bytes, value: Bytes): StoredLine {
  const [, relay] = OUTBOX_KEY.exec(fromUtf8(key)) ?? [];
  if (relay === undefined) throw new DecodeError("Cannot decode row of a line: its key is malformed");
  return { relay, value };
}

function decodeReceiptRow(key: Bytes, value: Bytes): StoredReceiptRow {
  const [, peer, id] = RECEIPT_KEY.exec(fromUtf8(key)) ?? [];
  if (peer === undefined || id === undefined) {
    throw new DecodeError("Cannot decode row of a receipt: its key is malformed");
  }
  return { peer, id, value };
}

function decodeHeldRow(key: Bytes, value: Bytes): StoredHeldRow {
  const [, relay, box] = HELD_KEY.exec(fromUtf8(key)) ?? [];
  if (relay === undefined || box === undefined) {
    throw new DecodeError("Cannot decode row of a held message: its key is malformed");
  }
  return { relay, box, value };
}

function chatRows(changes: ChatChanges): RowChange[] {
  const { sessions, peers, cursors, codes = [], rooms = [], outbox = [], receipts = [], held = [] } = changes;
  const rows: RowChange[] = [];
  if (sessions.prekeys !== undefined) rows.push({ table: "keys", key: PREKEYS, value: sessions.prekeys });
  if (sessions.forgotten !== undefined) rows.push({ table: "keys", key: FORGOTTEN, value: sessions.forgotten });
  for (const { fingerprint, encoded } of sessions.peers) {
    rows.push({ table: "sessions", key: idOf(fingerprint), value: encoded });
  }
  for (const { fingerprint, record } of peers) {
    rows.push({ table: "peers", key: idOf(fingerprint), value: record && encodePeerRecord(record) });
  }
  for (const { code, untilMs } of codes) {
    rows.push({ table: "codes", key: utf8(code), value: untilMs === 0 ? undefined : u64be(untilMs) });
  }
  for (const cursor of cursors) {
    const value = "isForgotten" in cursor ? undefined : encodeCursor(cursor);
    rows.push({ table: "cursors", key: cursorKey(cursor), value });
  }
  for (const { relay, room, name, value } of rooms) {
    rows.push({ table: "rooms", key: utf8(`${relay}/${room}/${name}`), value });
  }
  for (const { peer, id, value } of receipts) rows.push({ table: "receipts", key: utf8(`${peer}/${id}`), value });
  for (const { relay, box, value } of held) rows.push({ table: "held", key: utf8(`${relay}/${box}`), value });
  for (const { relay, id, value } of outbox) rows.push({ table: "outbox", key: utf8(`${relay}/${id}`), value });
  return rows;
}
