/**
 * Clearing away what a relay's log does not keep any more: records that are forgotten and bodies of which only the id is
 * remembered. A bounded amount with each commit, so that nobody waits long behind it.
 * @module
 */

import type { EventStatements } from "./sqlite_event_database.ts";

/** Rows cleared away with one commit beside those that it adds: a few milliseconds' work. */
export const CLEAR_MAX_ROWS = 500;
/** Bytes of bodies cleared away with one commit, for the same reason: a long body lies on many pages. */
export const CLEAR_MAX_BYTES = 1024 * 1024;

/**
 * Clears away some of it within a transaction, at least as much as one commit can add.
 * @param sql what asks the tables
 * @param addedRows how many rows the transaction adds
 * @returns whether more is left
 */
export function clearAway(sql: EventStatements, addedRows: number): boolean {
  let rows = CLEAR_MAX_ROWS + 2 * addedRows;
  let bytes = CLEAR_MAX_BYTES;
  for (let due = sql.toClear.get(); due !== undefined; due = sql.toClear.get()) {
    if (rows <= 0 || bytes <= 0) return true;
    const { id, name, first, oldest, kept_from: keptFrom, bodies_from: bodiesFrom } = due as unknown as StreamToClear;
    const isRecords = keptFrom < first;
    const [from, to] = isRecords ? [keptFrom, first] : [Math.max(bodiesFrom, first), oldest];
    const cleared = measure(sql, id, { from, to, rows, bytes });
    rows -= 1 + cleared.rows;
    bytes -= cleared.bytes;
    (isRecords ? sql.dropRecords : sql.dropBodies).run(id, from, cleared.to);
    if (name === null && cleared.to === oldest) sql.dropStream.run(id);
    else if (isRecords) sql.keptFrom.run(cleared.to, cleared.to, id);
    else sql.bodiesFrom.run(cleared.to, id);
  }
  return false;
}

/** Finds how far clearing may go. */
function measure(
  sql: EventStatements,
  id: number,
  most: { from: number; to: number; rows: number; bytes: number },
): Cleared {
  let rows = 0;
  let bytes = 0;
  for (const row of sql.sizes.iterate(id, most.from, most.to)) {
    if (rows >= most.rows || bytes >= most.bytes) return { rows, bytes, to: Number(row["seq"]) };
    rows++;
    bytes += Number(row["bytes"]);
  }
  return { rows, bytes, to: most.to };
}

interface Cleared {
  readonly rows: number;
  readonly bytes: number;
  /** The first place that stays for now. */
  readonly to: number;
}

interface StreamToClear {
  readonly id: number;
  readonly name: string | null;
  readonly first: number;
  readonly oldest: number;
  readonly kept_from: number;
  readonly bodies_from: number;
}
