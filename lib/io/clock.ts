/**
 * The one place that asks what time it is. Everything below gets its time as `nowMs`.
 * @module
 */

/**
 * Tells the time.
 * @returns whole milliseconds since 1970, by the system's clock, which can jump
 */
export function nowMs(): number {
  return Date.now();
}

/**
 * Tells how time passes, for waits and intervals: unlike the clock on the wall it never jumps.
 * @returns milliseconds since some moment of this run
 */
export function steadyMs(): number {
  return performance.now();
}
