/**
 * Which rows of one room's state a store has, so that a room that begins anew (PROTOCOL 4.4) leaves none of its former
 * life behind: who holds that state knows only the rows that it made itself.
 * @module
 */

import type { RoomRow } from "../e2ee/room_types.ts";

/** The rows of one room in a store. */
export class RoomKeptRows {
  readonly #names: Set<string>;
  /** Whether those that there are belong to a former life. */
  #isFormer = false;

  /**
   * Starts with what a store has.
   * @param names of the rows that were stored
   */
  constructor(names: Iterable<string>) {
    this.#names = new Set(names);
  }

  /** Notes that the room begins anew: what is not written again is to be deleted. */
  beginAnew(): void {
    this.#isFormer = true;
  }

  /**
   * Takes in which rows change.
   * @param changes rows to write or, without a value, to delete
   * @returns all that a store is to do in one transaction
   */
  take(changes: readonly RoomRow[]): RoomRow[] {
    const written = new Set(changes.map(({ name }) => name));
    const former = this.#isFormer ? [...this.#names].filter((name) => !written.has(name)) : [];
    this.#isFormer = false;
    const rows = [...former.map((name) => ({ name, value: undefined })), ...changes];
    for (const { name, value } of rows) {
      if (value === undefined) this.#names.delete(name);
      else this.#names.add(name);
    }
    return rows;
  }
}
