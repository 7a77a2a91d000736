/**
 * Receipts between two people (PROTOCOL 6.6): a client says of a private text that it keeps it, and that its person has
 * seen it. Nothing is said of rooms, of receipts, or to a key that is held back. Whoever turns receipts off says nothing
 * and is shown nothing.
 * @module
 */

import { encodeHex } from "@std/encoding/hex";
import type { Bytes } from "../bytes/writer.ts";
import { boxHashOf } from "../e2ee/direct_link.ts";
import { encodeClientMessage, type EventId, type Fingerprint } from "../wire/messages.ts";
import { encodeContent, type Receipt } from "./content.ts";
import type { Delivery } from "./delivery.ts";
import type { Keyring } from "./keyring.ts";
import { canBeReached, type People, type Person } from "./people.ts";
import { AwaitedReceipts } from "./receipts_awaited.ts";
import { OwedReceipts } from "./receipts_owed.ts";
import type { ReceiptRowChange, StoredReceiptRow } from "./state.ts";
import type { Turn } from "./turn.ts";

/** How long somebody waits whose keys are asked for. */
const KEYS_WAIT_MS = 5_000;
/** Receipts that may be with the relay; none is handed to it while so many are. */
const ON_THEIR_WAY_MAX = 64;

/** What `Receipts` is made from. */
export interface ReceiptsOptions {
  /** Whether they are said and shown. */
  readonly isOn: boolean;
  /** Who was shown. */
  readonly people: People;
  /** Who can be sealed for. */
  readonly keyring: Keyring;
  /** Counts what is said. */
  readonly delivery: Delivery;
  /** What earlier runs kept of texts that nobody has read. */
  readonly stored: readonly StoredReceiptRow[];
  /** The time now. */
  readonly nowMs: number;
}

/** The receipts of one client, both ways. */
export class Receipts {
  readonly #options: ReceiptsOptions;
  readonly #awaited: AwaitedReceipts;
  readonly #owed = new OwedReceipts();
  /** What is with the relay, by the ids of their events. */
  readonly #onTheirWay = new Map<EventId, { readonly peer: Fingerprint; readonly said: Omit<Receipt, "kind"> }>();
  #isLinked = true;

  /**
   * Starts with what earlier runs kept.
   * @param options who was shown, and what was kept
   * @throws {DecodeError} when what was kept is damaged
   */
  constructor(options: ReceiptsOptions) {
    this.#options = options;
    this.#awaited = new AwaitedReceipts(options.stored, options.nowMs);
  }

  /**
   * Remembers a private text of ours that leaves.
   * @param peer whom it is for
   * @param id the id of its event
   * @param box what it was sealed in
   * @param nowMs the time now
   */
  async sealed(peer: Fingerprint, id: EventId, box: Bytes, nowMs: number): Promise<void> {
    if (this.#options.isOn) this.#awaited.add(peer, { id, box: encodeHex(await boxHashOf(box)) }, nowMs);
  }

  /**
   * Notes that a private text was opened, is kept with this turn, and shown.
   * @param peer who wrote it
   * @param text the id of its event, and the hash of its box
   * @param nowMs the time now
   */
  received(peer: Fingerprint, text: { readonly id: EventId; readonly boxHash: Bytes }, nowMs: number): void {
    if (!this.#options.isOn) return;
    this.#owed.received(peer, { id: text.id, box: encodeHex(text.boxHash) }, nowMs);
  }

  /**
   * Notes that the person has seen texts.
   * @param ids of their events; ids of anything else are ignored
   * @param nowMs the time now
   */
  read(ids: readonly EventId[], nowMs: number): void {
    if (this.#options.isOn) this.#owed.read(ids, nowMs);
  }

  /**
   * Forgets what is known of our texts to somebody.
   * @param peer whom they were for
   */
  forget(peer: Fingerprint): void {
    this.#awaited.forget(peer);
  }

  /**
   * Takes in what somebody says of our texts, and tells what is new of it.
   * @param person who says so
   * @param receipt what
   * @param turn time and effects, and the relay's time of it
   */
  take(person: Person, receipt: Receipt, turn: Turn & { readonly atMs: number }): void {
    if (!this.#options.isOn) return;
    const { people, delivery } = this.#options;
    const { fingerprint } = person.certificate;
    for (const { id, state } of this.#awaited.take(fingerprint, receipt)) {
      delivery.count(state, { stream: `inbox/${fingerprint}`, place: { to: person.certificate.handle } });
      const { handle: by, ...key } = people.show(person);
      turn.effects.push({ kind: "show", event: { type: state, id, by, ...key, at: turn.atMs } });
    }
  }

  /**
   * Says what is due, as far as the relay hears us.
   * @param turn time and effects
   */
  async pump(turn: Turn): Promise<void> {
    if (!this.#isLinked) return;
    for (const peer of this.#owed.due(turn.nowMs)) {
      if (this.#onTheirWay.size >= ON_THEIR_WAY_MAX) this.#owed.postpone(peer, turn.nowMs + KEYS_WAIT_MS);
      else if (this.#mayBeTold(peer, turn)) await this.#say(peer, turn);
    }
  }

  /**
   * Says at once all that waits, for we leave. Nobody waits for the answer.
   * @param turn time and effects
   */
  async flush(turn: Turn): Promise<void> {
    this.#owed.hurry();
    await this.pump(turn);
  }

  /**
   * Takes in that the relay has answered for an event: stored or refused, a receipt is done with.
   * @param id the event's id; one that is none of ours is ignored
   */
  answered(id: EventId): void {
    this.#onTheirWay.delete(id);
  }

  /**
   * Notes that the link is gone: what the relay has not answered for is said again.
   * @param nowMs the time now
   */
  unlink(nowMs: number): void {
    this.#isLinked = false;
    for (const { peer, said } of this.#onTheirWay.values()) this.#owed.putBack(peer, said, nowMs);
    this.#onTheirWay.clear();
  }

  /** Notes that the relay hears us again. */
  link(): void {
    this.#isLinked = true;
  }

  /**
   * Tells when the next receipt is to be said.
   * @returns the time, `Infinity` when none is or nobody hears us
   */
  nextDueMs(): number {
    return this.#isLinked ? this.#owed.nextDueMs() : Infinity;
  }

  /**
   * Tells what a store is to keep that was not told before.
   * @returns one change for each text of ours
   */
  takeChanges(): ReceiptRowChange[] {
    return this.#awaited.takeChanges();
  }

  /** Whether something can be sealed for somebody now; who must wait is given another time, who never can is given up. */
  #mayBeTold(peer: Fingerprint, turn: Turn): boolean {
    const { people, keyring } = this.#options;
    const person = people.get(peer);
    if (person === undefined || !canBeReached(person) || people.trust(person) === "changed") {
      this.#owed.drop(peer);
      return false;
    }
    if (keyring.hasSession(peer)) return true;
    if (keyring.request(peer, turn)) this.#owed.postpone(peer, turn.nowMs + KEYS_WAIT_MS);
    else this.#owed.drop(peer);
    return false;
  }

  async #say(peer: Fingerprint, turn: Turn): Promise<void> {
    const { keyring } = this.#options;
    const said = this.#owed.take(peer, turn.nowMs);
    if (said === undefined) return;
    const id = keyring.newEventId();
    const content = { kind: "receipt", id, sentAtMs: turn.nowMs, text: "", room: null, ...said } as const;
    const body = await keyring.seal(peer, encodeContent(content), turn.nowMs);
    this.#onTheirWay.set(id, { peer, said });
    const message = { t: "publish", stream: `inbox/${peer}`, kind: "message", id } as const;
    turn.effects.push({ kind: "send", packet: encodeClientMessage(message, body) });
  }
}
