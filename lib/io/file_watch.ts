/**
 * Noticing that a file has changed, by looking at it every two seconds. Not by `Deno.watchFs`: that loses a file which
 * an editor replaces by a rename, and sees nothing on network file systems.
 *
 * A change is told only when the file has been the same for two looks: half of a file that somebody is writing is never
 * taken for the whole, and a clock of whole seconds hides no second write.
 * @module
 */

import { Mutex } from "../crypto/mutex.ts";

/** How often a file is looked at. */
export const FILE_LOOK_MS = 2_000;

/** How a file is watched. */
export interface FileWatchOptions {
  /** The file; it may come and go. */
  readonly path: string;
  /** Reads it again; never called twice at once. Its errors are its own affair: it must not throw. */
  readonly read: () => Promise<void>;
  /** Stands in for `FILE_LOOK_MS`. */
  readonly testOnlyLookMs?: number;
}

/** A file that is looked at until `close()`. */
export class FileWatch {
  readonly #options: FileWatchOptions;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #turns = new Mutex();
  #isLooking = false;
  /** What the last look saw. */
  #seen: string | undefined;
  /** What was there when it was read last; unknown at first, so that a change beside the first reading is found. */
  #read: string | undefined;

  /**
   * Begins to look; the timer keeps no process alive.
   * @param options which file, and what to call
   */
  constructor(options: FileWatchOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.#look(), options.testOnlyLookMs ?? FILE_LOOK_MS);
    Deno.unrefTimer(this.#timer);
  }

  /** Reads the file now, whether or not it has changed. */
  async readNow(): Promise<void> {
    await this.#turns.run(this.#options.read);
  }

  /** Looks no more, and waits for a reading that is under way. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#turns.run(() => Promise.resolve());
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return; // a slow disk: one look at a time is enough
    this.#isLooking = true;
    try {
      await this.#turns.run(async () => {
        const now = await stampOf(this.#options.path);
        const rests = now === this.#seen;
        this.#seen = now;
        if (!rests || now === this.#read) return;
        this.#read = now;
        await this.#options.read();
      });
    } finally {
      this.#isLooking = false;
    }
  }
}

/** What tells one state of a file from another; the same text for every way of not being there. */
async function stampOf(path: string): Promise<string> {
  try {
    const { ino, mode, mtime, size } = await Deno.stat(path);
    return [ino, mode, mtime?.getTime(), size].join(" ");
  } catch {
    return "none";
  }
}
