/**
 * How we listen in a room (PROTOCOL 3.16): which message is judged by what the log said at its place, and opened when its
 * chain is here. One whose chain is missing waits, sealed, and a sender key for a place ahead of ours waits too; each
 * finds its place whichever comes first. Whatever a member sends, the room goes on.
 * Calls for one room must not overlap; the room's log, its messages and its ops are given in the order of the stream.
 * @module
 */

import { encodeHex } from "@std/encoding/hex";
import { AuthError, DecodeError, ProtocolError } from "../bytes/errors.ts";
import { equalBytes } from "../bytes/equal.ts";
import type { Bytes } from "../bytes/writer.ts";
import { sha256 } from "../crypto/hash.ts";
import { type Fingerprint, fingerprintOf, idOf } from "./identity.ts";
import { KeptChains } from "./kept_chains.ts";
import { LogPlace } from "./log_place.ts";
import type { AppliedOp, Membership } from "./membership.ts";
import { ReceiverChain } from "./receiver_chain.ts";
import { parseRoomMessage, type RoomMessage, roomPartsHash } from "./room_message.ts";
import type { KeyHeard, MessagePlace, RoomHeard, RoomRefusal } from "./room_heard.ts";
import {
  decodeHeldMessage,
  decodeKnownChain,
  decodeLateKey,
  encodeHeldMessage,
  encodeKnownChain,
  encodeLateKey,
  type HeldMessage,
  type KnownChain,
  type LateKey,
} from "./room_rows.ts";
import type { RoomTally } from "./room_tally.ts";
import { acceptSenderKey } from "./sender_key.ts";

/** Removals that a message of an open room may have missed; in an invite room it may have missed none. */
export const OPEN_SLACK = 64;
/** Messages of one sender that wait for a key: two chains' worth. */
export const HELD_PER_SENDER_MAX = 200;
/** Bytes of all that wait in one room. */
export const HELD_MAX_BYTES = 8 * 1024 * 1024;
/** How long anything waits; then its sender is long asked to send it again. */
export const HELD_KEEP_MS: number = 7 * 24 * 60 * 60 * 1_000;
/** Keys of one sender that wait for their place: one for each op that may lie ahead of us in a page of them. */
export const LATE_KEYS_PER_SENDER_MAX = 1_000;
/** Keys of all senders that wait; 300 bytes each. */
export const LATE_KEYS_MAX = 10_000;

/** What a listener works with. */
export interface ListenerOptions {
  /** The room's members, which the room moves on. */
  readonly membership: Membership;
  /** We. */
  readonly self: Fingerprint;
  /** Counts every message that is placed. */
  readonly tally: RoomTally;
}

/** We, as one who listens in a room. */
export class RoomListener {
  readonly #options: ListenerOptions;
  /** Where the stream stands. */
  readonly #place: LogPlace;
  readonly #chains = new KeptChains((name) => this.#changed.add(name));
  /** By place. */
  readonly #held = new Map<number, HeldMessage>();
  #heldBytes = 0;
  /** By the hash of the key, oldest first. */
  readonly #late = new Map<string, LateKey>();
  readonly #changed = new Set<string>();

  /**
   * Starts without a chain.
   * @param options the room, and we
   */
  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#place = new LogPlace(options.membership);
  }

  /**
   * Takes up one stored row.
   * @param name its name: `chain/…`, `held/…` or `late/…`
   * @param value what {@linkcode row} gave
   * @throws {DecodeError} when it is anything else
   */
  async restore(name: string, value: Bytes): Promise<void> {
    if (name.startsWith("chain/")) this.#chains.restore(name, await decodeKnownChain(value));
    else if (name.startsWith("late/")) this.#late.set(name, await decodeLateKey(value));
    else if (name.startsWith("held/")) {
      const held = await decodeHeldMessage(value);
      this.#held.set(held.seq, held);
      this.#heldBytes += held.message.length;
    } else throw new DecodeError("Cannot restore room: a row is of no known kind");
  }

  /**
   * Tells which rows are not as they were when this was called last.
   * @returns their names
   */
  takeChanged(): string[] {
    const names = [...this.#changed];
    this.#changed.clear();
    return names;
  }

  /**
   * Encodes a row, to be stored.
   * @param name one of {@linkcode takeChanged}
   * @returns secret bytes; `undefined` when there is no such row any more
   */
  row(name: string): Bytes | undefined {
    const chain = this.#chains.get(name);
    if (chain !== undefined) return encodeKnownChain(chain);
    const late = this.#late.get(name);
    if (late !== undefined) return encodeLateKey(late);
    const held = this.#held.get(Number(name.slice("held/".length)));
    return held === undefined || !name.startsWith("held/") ? undefined : encodeHeldMessage(held);
  }

  /**
   * Begins to open a message that is placed soon, if its chain is known; see `ReceiverChain.foresee()`.
   * @param bytes what was published; {@linkcode take} this very array
   * @returns when that work is over
   */
  async foresee(bytes: Bytes): Promise<void> {
    const message = this.#parse(bytes);
    if (message !== undefined) await this.#chains.get(chainName(message))?.chain.foresee(bytes);
  }

  /**
   * Takes the next placed message.
   * @param bytes what was published
   * @param place where
   * @returns what became of it
   */
  async take(bytes: Bytes, place: MessagePlace): Promise<RoomHeard> {
    const message = this.#parse(bytes);
    if (message === undefined) return refused("malformed");
    const { membership, self, tally } = this.#options;
    const { count, headKey } = tally.state;
    const before = headKey === encodeHex(message.header.head) ? { before: count } : {};
    // Before anything is judged: everybody who was given this message counts it alike.
    const hash = await roomPartsHash(message);
    await tally.add(hash);
    const sender = fingerprintOf(message.header.sender);
    const headEpoch = membership.knowsHead(message.header.head);
    const epoch = this.#place.of(headEpoch ?? 0);
    const own = this.#place.memberAt(self, epoch);
    if (own === undefined || sender === self) return { kind: "skipped" };
    if (headEpoch === undefined) return refused("otherHistory", sender);
    if (headEpoch < own.joinedEpoch) return { kind: "skipped" }; // its author did not know of us yet
    const member = this.#place.memberAt(sender, epoch);
    if (member === undefined) return refused("stranger", sender);
    const missed = this.#place.missedSince(headEpoch);
    if (missed === undefined || missed > slackOf(membership)) return refused("stale", sender);
    const { seq, atMs } = place;
    const held = {
      seq,
      atMs,
      headEpoch,
      sinceMs: place.nowMs,
      certificate: member.certificate,
      message: bytes,
    };
    const chain = this.#chains.get(chainName(message));
    if (chain === undefined) {
      // No signature can be checked yet: what others publish in somebody's name must not take the place of their own.
      const mayBeTheirs = place.from === undefined || place.from === sender;
      return mayBeTheirs ? this.#hold({ ...held, message: bytes.slice() }) : refused("forged");
    }
    const heard = await this.#open(chain, held, { nowMs: place.nowMs, isLate: false, hash });
    return heard.kind === "opened" ? { ...heard, message: { ...heard.message, ...before } } : heard;
  }

  /**
   * Takes a sender key that came through a session.
   * @param bytes what was opened, an `isSenderKey`
   * @param peer whose session it came through
   * @param nowMs the time now, in milliseconds since 1970 (UTC)
   * @returns what became of it, and of what had waited for it
   */
  async takeKey(bytes: Bytes, peer: Fingerprint, nowMs: number): Promise<KeyHeard> {
    const { membership, self } = this.#options;
    let chain: ReceiverChain;
    try {
      chain = acceptSenderKey(bytes, { peerId: idOf(peer), selfId: idOf(self), room: membership.room });
    } catch (error) {
      if (!isPeersFault(error)) throw error;
      return { kind: "refused", released: [] };
    }
    const headEpoch = membership.knowsHead(chain.state.head);
    if (headEpoch === undefined) {
      return await this.#keepLate({ key: bytes, head: chain.state.head, peer, sinceMs: nowMs });
    }
    return await this.#install({ chain, headEpoch }, nowMs);
  }

  /**
   * Takes in that an op was placed: chains die with it, and keys that were ahead find their place.
   * @param applied what became of the op
   * @param nowMs the time now, in milliseconds since 1970 (UTC)
   * @param isAhead whether the stream has yet to pass it by
   * @returns what had waited
   */
  async opPlaced(applied: AppliedOp, nowMs: number, isAhead = false): Promise<RoomHeard[]> {
    const { membership } = this.#options;
    if (isAhead) this.#place.fetched(applied);
    else this.passed(membership.epoch);
    if (applied.valid && (applied.change.kind === "left" || applied.change.kind === "removed")) this.#dropDead();
    return await this.#releaseLate((head) => equalBytes(head, membership.head), nowMs);
  }

  /**
   * Takes in that the log went on at a later place: chains of those who are gone die, and keys that were ahead find
   * theirs.
   * @param nowMs the time now, in milliseconds since 1970 (UTC)
   * @returns what had waited for them
   */
  async skipped(nowMs: number): Promise<RoomHeard[]> {
    const { membership } = this.#options;
    this.#place.pass(membership.epoch);
    this.#dropDead();
    return await this.#releaseLate((head) => membership.knowsHead(head) !== undefined, nowMs);
  }

  /**
   * Takes in that the stream passed by an op that was known before, and all before it.
   * @param epoch which
   */
  passed(epoch: number): void {
    if (epoch <= this.#place.epoch) return;
    this.#place.pass(epoch);
    this.#dropDead();
  }

  /**
   * Forgets what waited too long.
   * @param nowMs the time now, in milliseconds since 1970 (UTC)
   * @returns who wrote what was forgotten, and its place, once for each message
   */
  expire(nowMs: number): { readonly sender: Fingerprint; readonly seq: number }[] {
    for (const [name, { sinceMs }] of this.#late) {
      if (nowMs - sinceMs <= HELD_KEEP_MS) continue;
      this.#late.delete(name);
      this.#changed.add(name);
    }
    const old = [...this.#held.values()].filter(({ sinceMs }) => nowMs - sinceMs > HELD_KEEP_MS);
    for (const held of old) this.#unhold(held);
    return old.map(({ certificate, seq }) => ({ sender: certificate.fingerprint, seq }));
  }

  /**
   * Tells how many messages of somebody wait for a key.
   * @param sender whose
   * @returns the number
   */
  waitingOf(sender: Fingerprint): number {
    return this.#heldOf(sender).length;
  }

  #parse(bytes: Bytes): RoomMessage | undefined {
    try {
      const message = parseRoomMessage(bytes);
      return equalBytes(message.header.room, this.#options.membership.room) ? message : undefined;
    } catch (error) {
      if (error instanceof DecodeError) return undefined;
      throw error;
    }
  }

  #hold(held: HeldMessage): RoomHeard {
    const sender = held.certificate.fingerprint;
    const isFull = this.#heldOf(sender).length >= HELD_PER_SENDER_MAX ||
      this.#heldBytes + held.message.length > HELD_MAX_BYTES;
    if (isFull) return refused("full", sender);
    this.#held.set(held.seq, held);
    this.#heldBytes += held.message.length;
    this.#changed.add(heldName(held));
    return { kind: "held", sender, atMs: held.atMs };
  }

  #unhold(held: HeldMessage): void {
    this.#held.delete(held.seq);
    this.#heldBytes -= held.message.length;
    this.#changed.add(heldName(held));
  }

  #heldOf(sender: Fingerprint): HeldMessage[] {
    return [...this.#held.values()].filter(({ certificate }) => certificate.fingerprint === sender);
  }

  async #open(
    { chain, headEpoch }: KnownChain,
    held: HeldMessage,
    options: { readonly nowMs: number; readonly isLate: boolean; readonly hash?: Bytes },
  ): Promise<RoomHeard> {
    const { membership } = this.#options;
    const sender = held.certificate.fingerprint;
    if (held.headEpoch < headEpoch) return refused("olderHead", sender);
    const isInvite = membership.kind === "invite";
    if (isInvite && membership.removalsSince(headEpoch, held.headEpoch) !== 0) return refused("stale", sender);
    const isFirst = !chain.isUsed;
    try {
      const opened = await chain.open(held.message, options);
      if (opened.kind === "repeat") return { kind: "repeat" };
      if (opened.kind === "used") return refused("used", sender);
      this.#chains.opened(chainNameOf(chain), isFirst);
      const { certificate, seq, atMs } = held;
      const { plaintext, hash, header: { head } } = opened;
      const message = { sender: certificate, plaintext, head, hash, seq, atMs, isLate: options.isLate };
      return { kind: "opened", message };
    } catch (error) {
      if (!isPeersFault(error)) throw error;
      return refused("forged", sender);
    }
  }

  async #install(known: KnownChain, nowMs: number): Promise<KeyHeard> {
    const name = chainNameOf(known.chain);
    if (this.#chains.get(name) !== undefined) return { kind: "known", released: [] };
    const waiting = [...this.#held.values()].filter(({ message }) => chainName(parseRoomMessage(message)) === name)
      .toSorted((a, b) => a.seq - b.seq);
    const isAlive = this.#isAlive(known);
    if (!isAlive && waiting.length === 0) return { kind: "dropped", released: [] };
    if (isAlive) this.#chains.add(name, known);
    const released: RoomHeard[] = [];
    for (const held of waiting) {
      this.#unhold(held);
      // Bound before its author was shown us, though sealed under a head that has us: not for us.
      const isBefore = parseRoomMessage(held.message).header.n < known.chain.state.n;
      released.push(isBefore ? { kind: "skipped" } : await this.#open(known, held, { nowMs, isLate: true }));
    }
    return { kind: "taken", released };
  }

  async #keepLate({ key, head, peer, sinceMs: nowMs }: LateKey): Promise<KeyHeard> {
    const ofPeer = [...this.#late.values()].filter((late) => late.peer === peer).length;
    if (ofPeer >= LATE_KEYS_PER_SENDER_MAX || this.#late.size >= LATE_KEYS_MAX) {
      return { kind: "dropped", released: [] };
    }
    const name = `late/${encodeHex(await sha256(key))}`;
    if (this.#late.has(name)) return { kind: "known", released: [] };
    this.#late.set(name, { peer, key: key.slice(), head, sinceMs: nowMs });
    this.#changed.add(name);
    return { kind: "held", released: [] };
  }

  async #releaseLate(isThere: (head: Bytes) => boolean, nowMs: number): Promise<RoomHeard[]> {
    const released: RoomHeard[] = [];
    for (const [name, { peer, key, head }] of this.#late) {
      if (!isThere(head)) continue;
      this.#late.delete(name);
      this.#changed.add(name);
      released.push(...(await this.takeKey(key, peer, nowMs)).released);
    }
    return released;
  }

  /** After a valid leave or remove: nothing that is placed from now on may be on a chain that the one gone has. */
  #dropDead(): void {
    this.#chains.dropWhere((known) => !this.#isAlive(known));
  }

  /** Whether what is placed next may be on a chain. */
  #isAlive({ chain, headEpoch }: KnownChain): boolean {
    const { membership } = this.#options;
    const who = fingerprintOf(chain.state.sender);
    if (this.#place.memberAt(who, this.#place.of(headEpoch)) === undefined) return false;
    return membership.kind === "open" || this.#place.missedSince(headEpoch) === 0;
  }
}

/**
 * Tells how many removals a message may have missed.
 * @param membership the room
 * @returns none in an invite room
 */
export function slackOf({ kind }: Pick<Membership, "kind">): number {
  return kind === "open" ? OPEN_SLACK : 0;
}

function refused(reason: RoomRefusal, sender?: Fingerprint): RoomHeard {
  return { kind: "refused", reason, sender };
}

function chainName({ header }: RoomMessage): string {
  return `chain/${encodeHex(header.sender)}/${encodeHex(header.keyId)}`;
}

function chainNameOf({ state }: ReceiverChain): string {
  return `chain/${encodeHex(state.sender)}/${encodeHex(state.keyId)}`;
}

function heldName({ seq }: HeldMessage): string {
  return `held/${seq}`;
}

function isPeersFault(error: unknown): boolean {
  return error instanceof AuthError || error instanceof DecodeError || error instanceof ProtocolError;
}
