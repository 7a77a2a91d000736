/**
 * Private messages of authors whom the relay never showed, until it has said who they are. They are kept: the place of
 * our inbox and the keys that opened them are committed at once, so that a relay hands them over no second time. Each is
 * forgotten in the step in which it is shown, or told to be a stranger's.
 * @module
 */

import { encodeHex } from "@std/encoding/hex";
import { DecodeError } from "../bytes/errors.ts";
import type { Fingerprint, StreamName } from "../wire/messages.ts";
import { decodeHeldRecord, encodeHeldRecord, type HeldContent, type HeldRecord } from "./held_record.ts";
import type { HeldRowChange, StoredHeldRow } from "./state.ts";

/** How many messages of authors who were not introduced yet may wait; the answer is one question away. */
export const HELD_MAX = 64;

/** A message that waits. */
export interface HeldMessage extends HeldRecord {
  /** The stream that it came in: our inbox. */
  readonly stream: StreamName;
  /** What it says. */
  readonly content: HeldContent;
  /** Whether an earlier run opened it. */
  readonly isOfEarlierRun?: true;
}

/** What `HeldMessages` is made from. */
export interface HeldMessagesOptions {
  /** The relay that they come from. */
  readonly relay: Fingerprint;
  /** The stream of our inbox. */
  readonly inbox: StreamName;
  /** What earlier runs kept, on whatever relay. */
  readonly stored: readonly StoredHeldRow[];
}

/** The messages of one client that wait. */
export class HeldMessages {
  readonly #relay: Fingerprint;
  /** By the hash of the box, in the order in which they came. */
  readonly #messages = new Map<string, HeldMessage>();
  /** Which of them the store has, as far as it was told. */
  readonly #kept = new Set<string>();
  /** Which the store has and is to forget. */
  readonly #gone = new Set<string>();

  /**
   * Starts with what earlier runs kept of this relay.
   * @param options the relay, and what was kept
   * @throws {DecodeError} when what was kept is damaged
   */
  constructor({ relay, inbox, stored }: HeldMessagesOptions) {
    this.#relay = relay;
    const ours = stored.filter((row) => row.relay === relay).map(readRow);
    // In one log time never goes back; of two logs the later one begins with 1 again.
    for (const record of ours.toSorted((a, b) => a.at - b.at || a.seq - b.seq)) {
      const box = encodeHex(record.boxHash);
      this.#messages.set(box, { ...record, stream: inbox, isOfEarlierRun: true });
      this.#kept.add(box);
    }
  }

  /** Whether none waits. */
  get isEmpty(): boolean {
    return this.#messages.size === 0;
  }

  /**
   * Lists what waits.
   * @returns the messages, in the order in which they came
   */
  all(): HeldMessage[] {
    return [...this.#messages.values()];
  }

  /**
   * Lets a message wait.
   * @param message which
   * @returns `false` when too many do already
   */
  add(message: HeldMessage): boolean {
    if (this.#messages.size >= HELD_MAX) return false;
    this.#messages.set(encodeHex(message.boxHash), message);
    return true;
  }

  /**
   * Forgets a message: it was shown, or never will be.
   * @param message one that waits
   */
  remove({ boxHash }: Pick<HeldMessage, "boxHash">): void {
    const box = encodeHex(boxHash);
    this.#messages.delete(box);
    if (this.#kept.delete(box)) this.#gone.add(box);
  }

  /**
   * Tells what a store is to keep that was not told before.
   * @returns one change for each message; none for one that came and went meanwhile
   */
  takeChanges(): HeldRowChange[] {
    const relay = this.#relay;
    const changes: HeldRowChange[] = [...this.#gone].map((box) => ({ relay, box, value: undefined }));
    this.#gone.clear();
    for (const [box, message] of this.#messages) {
      if (this.#kept.has(box)) continue;
      this.#kept.add(box);
      changes.push({ relay, box, value: encodeHeldRecord(message) });
    }
    return changes;
  }
}

function readRow({ box, value }: StoredHeldRow): ReturnType<typeof decodeHeldRecord> {
  const record = decodeHeldRecord(value);
  if (encodeHex(record.boxHash) !== box) throw new DecodeError("Cannot decode held message: it is of another box");
  return record;
}
