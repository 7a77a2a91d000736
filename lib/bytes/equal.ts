/**
 * Comparing bytes.
 * @module
 */

/**
 * Compares two byte arrays in a time that depends on their lengths alone, so that it may be used on secrets.
 * @param a one array
 * @param b the other
 * @returns whether they hold the same bytes
 */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= (a[i] as number) ^ (b[i] as number);
  return difference === 0;
}

/**
 * Orders two byte arrays as unsigned big-endian strings; for public values only, its time tells where they differ.
 * @param a one array
 * @param b the other
 * @returns below 0 when `a` sorts first, 0 when they are equal, above 0 otherwise
 */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
