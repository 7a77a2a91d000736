/**
 * Several steps beside each other, none of which goes on after the answer.
 * @module
 */

/**
 * Waits for all, also when one fails: what is left running would outlive whoever asked.
 * @param promises the steps
 * @returns what they gave, in order
 * @throws {unknown} what the first of them threw, in order
 */
export async function allOf<T>(promises: Iterable<Promise<T>>): Promise<T[]> {
  const settled = await Promise.allSettled(promises);
  return settled.map((one) => {
    if (one.status === "rejected") throw one.reason;
    return one.value;
  });
}
