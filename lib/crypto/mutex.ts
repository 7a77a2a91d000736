/**
 * One at a time (PROTOCOL §0.4): `crypto.subtle` completes out of order, so everything that reads a state, awaits and
 * writes the state back must hold its mutex for the whole of it.
 * @module
 */

/** Runs tasks strictly one after the other, in the order in which they were given. */
export class Mutex {
  #last: Promise<unknown> = Promise.resolve();

  /**
   * Runs a task when all earlier ones have ended, whether well or not.
   * @param task what to run; it must not call `run` of the same mutex and wait for it
   * @returns what the task returns
   */
  run<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#last.then(task);
    this.#last = result.catch(() => {});
    return result;
  }
}
