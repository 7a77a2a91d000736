/**
 * What was told of each author because they say to have read messages that we were not given (PROTOCOL 3.17). It is told
 * once for each head, and concludes nothing about anybody else: one who invents a number harms only themselves. Kept in
 * memory alone.
 * @module
 */

import { encodeHex } from "@std/encoding/hex";
import type { Bytes } from "../bytes/writer.ts";
import type { Fingerprint } from "./identity.ts";
import { SENDERS_MAX } from "./room_counters.ts";
import type { TallyVerdict } from "./room_tally.ts";

/** What was told of one author. */
interface Told {
  /** The head since which they count, in hexadecimal. */
  readonly headKey: string;
  /** How many messages were told as hidden from us since then. */
  readonly count: number;
}

/** What was told of all authors. */
export class ToldHidden {
  readonly #authors = new Map<Fingerprint, Told>();

  /**
   * Takes in how a claim compares with what we read.
   * @param author whose claim
   * @param head since which it counts, 32 bytes
   * @param verdict how it compares
   * @returns the part that is new: of one who read messages that we were not given, more of them alone
   */
  news(author: Fingerprint, head: Bytes, verdict: TallyVerdict): TallyVerdict {
    const headKey = encodeHex(head);
    const known = this.#authors.get(author);
    const told = known?.headKey === headKey ? known.count : 0;
    if (verdict.kind !== "behind") return verdict.kind === "differs" && told > 0 ? { kind: "unknown" } : verdict;
    if (verdict.missing <= told) return { kind: "unknown" };
    this.#authors.delete(author); // the one that was told longest ago goes first
    this.#authors.set(author, { headKey, count: verdict.missing });
    for (const oldest of this.#authors.keys()) {
      if (this.#authors.size <= SENDERS_MAX) break;
      this.#authors.delete(oldest);
    }
    return { kind: "behind", missing: verdict.missing - told };
  }
}
