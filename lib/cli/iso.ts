/**
 * Times as people and scripts read them: ISO 8601, UTC. Inside they are milliseconds since 1970; text is made at the
 * edge alone.
 * @module
 */

/**
 * Spells a time.
 * @param atMs milliseconds since 1970
 * @returns such as `2026-01-31T08:05:09.120Z`; a claim beyond the calendar becomes its nearest end
 */
export function isoTime(atMs: number): string {
  return new Date(Math.min(Math.max(atMs, 0), LAST_MS)).toISOString();
}

/**
 * Spells a time to the second, as lines of chat show it.
 * @param atMs milliseconds since 1970
 * @returns such as `2026-01-31T08:05:09Z`
 */
export function isoSeconds(atMs: number): string {
  return isoTime(atMs).replace(/\.\d+Z$/, "Z");
}

/** 9999-12-31T23:59:59.999Z: later years would no longer have four digits. */
const LAST_MS = 253_402_300_799_999;
