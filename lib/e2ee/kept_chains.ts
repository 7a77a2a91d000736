/**
 * Which chains of a sender a reader keeps (PROTOCOL 3.16). Keys come by another way than messages: whoever was away is
 * given the keys of all that was written meanwhile before the first message of it. So a chain of which nothing was
 * opened yet waits for its messages, and only once a later one is spoken on does it count as old.
 * @module
 */

import type { KnownChain } from "./room_rows.ts";

/** Chains of one sender that are kept up to the one spoken on last: that one and some before it, for what is in flight. */
export const CHAINS_PER_SENDER_MAX = 4;
/** Chains of one sender after that one: as many keys as a relay holds of one person for another who is away. */
export const CHAINS_AHEAD_MAX = 1_000;
/** Chains of all senders that wait for their first message, some 600 bytes each on the disk. */
export const CHAINS_WAITING_MAX = 10_000;

/** The chains of a room, by names that begin with what is the same for all chains of a sender. */
export class KeptChains {
  /** In the order in which they came. */
  readonly #chains = new Map<string, KnownChain>();
  readonly #changed: (name: string) => void;

  /**
   * Starts with none.
   * @param changed is told the name of each chain that came, moved on or went
   */
  constructor(changed: (name: string) => void) {
    this.#changed = changed;
  }

  /**
   * Finds a chain.
   * @param name its name
   * @returns the chain, `undefined` when there is none
   */
  get(name: string): KnownChain | undefined {
    return this.#chains.get(name);
  }

  /**
   * Takes up a stored chain.
   * @param name its name
   * @param known the chain
   */
  restore(name: string, known: KnownChain): void {
    this.#chains.set(name, known);
  }

  /**
   * Takes a chain that came; others may go for it.
   * @param name its name
   * @param known the chain
   */
  add(name: string, known: KnownChain): void {
    this.#chains.set(name, known);
    this.#changed(name);
    this.#dropSurplus(name);
    if (this.#chains.size <= CHAINS_WAITING_MAX) return;
    const surplus = surplusOfRoom(this.#ofSender(""), senderOf);
    if (surplus !== undefined) this.#drop(surplus);
  }

  /**
   * Notes that a message was opened.
   * @param name of its chain, which may be gone by now
   * @param isFirst whether none was opened on it before: then those before it are old
   */
  opened(name: string, isFirst: boolean): void {
    this.#changed(name);
    if (isFirst) this.#dropSurplus(name);
  }

  /**
   * Drops chains.
   * @param isOver tells which
   */
  dropWhere(isOver: (known: KnownChain) => boolean): void {
    for (const [name, known] of this.#chains) if (isOver(known)) this.#drop(name);
  }

  #dropSurplus(name: string): void {
    for (const surplus of surplusOfSender(this.#ofSender(senderOf(name)))) this.#drop(surplus);
  }

  #ofSender(sender: string): KeptChain[] {
    const kept: KeptChain[] = [];
    for (const [name, { chain }] of this.#chains) {
      if (name.startsWith(sender)) kept.push({ name, isUsed: chain.isUsed });
    }
    return kept;
  }

  #drop(name: string): void {
    this.#chains.delete(name);
    this.#changed(name);
  }
}

/** A chain, of which only this matters here. */
export interface KeptChain {
  /** By what it is dropped; it begins with what is the same for all chains of its sender. */
  readonly name: string;
  /** Whether a message was opened on it. */
  readonly isUsed: boolean;
}

/**
 * Tells which chains of one sender are too old, or too many.
 * @param chains of this sender, in the order in which they came
 * @returns the names of those that go
 */
export function surplusOfSender(chains: readonly KeptChain[]): string[] {
  const ahead = chains.findLastIndex(({ isUsed }) => isUsed) + 1;
  const old = chains.slice(0, Math.max(0, ahead - CHAINS_PER_SENDER_MAX));
  const tooFarAhead = chains.slice(ahead, Math.max(ahead, chains.length - CHAINS_AHEAD_MAX));
  return [...old, ...tooFarAhead].map(({ name }) => name);
}

/**
 * Tells which chain goes when too many wait in a room: the oldest that waits of whoever has most of them waiting, so that
 * nobody drives out the keys of others by handing out many.
 * @param chains of the whole room, in the order in which they came
 * @param sender gives what is the same for all chains of a sender
 * @returns its name; `undefined` while there are not too many
 */
export function surplusOfRoom(
  chains: readonly KeptChain[],
  sender: (name: string) => string,
): string | undefined {
  const waiting = chains.filter(({ isUsed }) => !isUsed);
  if (waiting.length <= CHAINS_WAITING_MAX) return undefined;
  const counts = new Map<string, number>();
  for (const { name } of waiting) counts.set(sender(name), (counts.get(sender(name)) ?? 0) + 1);
  const most = Math.max(...counts.values());
  return waiting.find(({ name }) => counts.get(sender(name)) === most)?.name;
}

/** Of `chain/<sender>/<key id>` all but the key id. */
function senderOf(name: string): string {
  return name.slice(0, name.lastIndexOf("/") + 1);
}
