/**
 * What is kept of the rooms of one relay: rows as they were stored, and rows as they are to be. A room that is over
 * leaves nothing behind.
 * @module
 */

import { DecodeError } from "../bytes/errors.ts";
import type { Bytes } from "../bytes/writer.ts";
import type { RoomRow } from "../e2ee/room_types.ts";
import type { Fingerprint } from "../wire/messages.ts";
import { decodeRoomRecord, encodeRoomRecord, type RoomRecord } from "./room_record.ts";
import type { RoomRowChange, StoredRoomRow } from "./state.ts";

/** The row that is not of e2ee/room.ts. */
const RECORD = "record";

/** A room as it was stored. */
export interface ShelvedRoom {
  /** Its id. */
  readonly room: Fingerprint;
  /** What it is. */
  readonly record: RoomRecord;
  /** Its log, keys and counters; `undefined` when nothing of them was stored yet. */
  readonly rows: readonly { readonly name: string; readonly value: Bytes }[] | undefined;
}

/** The rows of one relay's rooms. */
export class RoomShelf {
  readonly #relay: Fingerprint;
  readonly #stored: readonly StoredRoomRow[];
  /** The names of the rows that there are, by room. */
  readonly #names = new Map<Fingerprint, Set<string>>();
  readonly #changes = new Map<string, RoomRowChange>();

  /**
   * Starts with what was stored.
   * @param relay whose rooms
   * @param stored rows of rooms of every relay
   */
  constructor(relay: Fingerprint, stored: readonly StoredRoomRow[]) {
    this.#relay = relay;
    this.#stored = stored.filter((row) => row.relay === relay);
    for (const { room, name } of this.#stored) this.#namesOf(room).add(name);
  }

  /**
   * Lists what was stored.
   * @returns each room
   * @throws {DecodeError} when a record is damaged or missing
   */
  stored(): ShelvedRoom[] {
    const byRoom = Map.groupBy(this.#stored, ({ room }) => room);
    return [...byRoom].map(([room, all]) => {
      const record = all.find(({ name }) => name === RECORD);
      if (record === undefined) throw new DecodeError("Cannot restore room: its record is missing");
      const rows = all.filter(({ name }) => name !== RECORD);
      return { room, record: decodeRoomRecord(record.value), rows: rows.length === 0 ? undefined : rows };
    });
  }

  /**
   * Notes how rows of a room are to be.
   * @param room whose
   * @param record the record, if it changed
   * @param rows the others that changed
   */
  put(room: Fingerprint, record: RoomRecord | undefined, rows: readonly RoomRow[]): void {
    if (record !== undefined) this.#put(room, { name: RECORD, value: encodeRoomRecord(record) });
    for (const row of rows) this.#put(room, row);
  }

  /**
   * Notes that nothing of a room is to be kept.
   * @param room whose rows
   */
  forget(room: Fingerprint): void {
    for (const name of [...this.#namesOf(room)]) this.#put(room, { name, value: undefined });
    this.#names.delete(room);
  }

  /**
   * Gives the changes that were not given before.
   * @returns one for each row
   */
  takeChanges(): RoomRowChange[] {
    const changes = [...this.#changes.values()];
    this.#changes.clear();
    return changes;
  }

  #put(room: Fingerprint, { name, value }: RoomRow): void {
    if (value === undefined) this.#namesOf(room).delete(name);
    else this.#namesOf(room).add(name);
    this.#changes.set(`${room}/${name}`, { relay: this.#relay, room, name, value });
  }

  #namesOf(room: Fingerprint): Set<string> {
    const names = this.#names.get(room) ?? new Set();
    this.#names.set(room, names);
    return names;
  }
}
