/**
 * Handing our chain of a room to its members before a message that they are to read (PROTOCOL 3.14): sealed for each
 * of them over the session with them, many in one packet, and accepted by the relay before the message leaves. Whoever
 * cannot be given it now is left out and named, and gets it before a later message.
 * @module
 */

import type { Bytes } from "../bytes/writer.ts";
import type { Room } from "../e2ee/room.ts";
import { decodeEventIds, encodeMany, MANY_MAX_EVENTS, type ManyItem } from "../wire/bodies.ts";
import { encodeClientMessage, type Fingerprint, type RelayMessage } from "../wire/messages.ts";
import { PACKET_HEADER_MAX_BYTES, PACKET_MAX_BYTES } from "../wire/packet.ts";
import type { Keyring } from "./keyring.ts";
import { canBeReached, type People } from "./people.ts";
import type { Turn } from "./turn.ts";

/** How long somebody who could not be given our keys is left out before it is tried again. */
export const LEFT_OUT_MS = 30_000;
/** Boxes of one packet together: what it holds beside its header. */
const LETTERS_MAX_BYTES: number = PACKET_MAX_BYTES - PACKET_HEADER_MAX_BYTES - 64;
/** What a box costs in such a packet beside itself: recipient, id, length. */
const LETTER_OVERHEAD_BYTES = 52;

/** The relay's answer to a packet of keys. */
export type AcceptedMany = Extract<RelayMessage, { t: "acceptedMany" }>;

/** One member's box on its way. */
interface Letter {
  readonly item: ManyItem;
  readonly keyId: string;
}

/** What a handover works with. */
export interface HandoverOptions {
  /** Gives the room, which is another once it began anew. */
  readonly room: () => Room;
  /** Names, for what people are told. */
  readonly people: People;
  /** Sessions, and where ids come from. */
  readonly keyring: Keyring;
  /** Draws the number of a packet; of all rooms of a client, none twice. */
  readonly nextRef: () => number;
}

/** The keys of one room on their way out. */
export class KeyHandover {
  readonly #options: HandoverOptions;
  /** Packets that the relay has not answered, by their number. */
  readonly #underWay = new Map<number, readonly Letter[]>();
  /** Until when somebody is left out. */
  readonly #leftOut = new Map<Fingerprint, number>();
  /** How often somebody had lost what they were given, when that was last looked at. */
  readonly #losses = new Map<Fingerprint, number>();

  /**
   * Starts with nothing under way.
   * @param options the room and who is in it
   */
  constructor(options: HandoverOptions) {
    this.#options = options;
  }

  /** Whether the relay has yet to store keys: a message must not leave before. */
  get isUnderWay(): boolean {
    return this.#underWay.size > 0;
  }

  /**
   * Sees to it that everybody who is to read the next message has our chain.
   * @param to members that the person was shown, and whose key is not held back
   * @param turn time and effects
   * @returns whether the message may leave; else it waits, for keys of theirs or for the relay
   */
  async prepare(to: ReadonlySet<Fingerprint>, turn: Turn): Promise<boolean> {
    if (this.isUnderWay) return false;
    const { room, keyring } = this.#options;
    for (const who of to) this.#handAgainAfterLoss(who);
    const lacking = (await room().prepare(to, turn.nowMs))
      .filter((who) => this.#canBeReached(who) && !this.#isLeftOut(who, turn.nowMs));
    let mayLeave = true;
    const ready: Fingerprint[] = [];
    for (const who of lacking) {
      if (keyring.hasSession(who)) ready.push(who);
      else if (keyring.request(who, turn)) mayLeave = false;
      else this.#tell(who, "the relay has no keys for them", turn);
    }
    // First everybody's keys, then one packet for all: whose keys come later would hold up the others twice.
    if (!mayLeave) return false;
    await this.#send(ready, turn);
    return !this.isUnderWay;
  }

  /**
   * Takes in that the relay has answered a packet.
   * @param answer its number, and whether the relay cannot store at all now
   * @param refused ids of what was not stored, 16 bytes each
   * @param turn time and effects
   * @returns what became of the keys, `undefined` when they are none of ours; `failed`: the message that they are for must
   * not leave, as nobody whose keys are not stored was left out
   * @throws {DecodeError} when the list is malformed
   */
  answered({ ref, code }: AcceptedMany, refused: Bytes, turn: Turn): "stored" | "failed" | undefined {
    const letters = this.#underWay.get(ref);
    if (letters === undefined) return undefined;
    this.#underWay.delete(ref);
    const ids = new Set(decodeEventIds(refused));
    const isFailing = code === "notStored" && letters.some(({ item }) => ids.has(item.id));
    for (const { item, keyId } of letters) {
      if (ids.has(item.id)) {
        if (!isFailing) this.#leaveOut(item.to, turn);
      } else {
        this.#options.room().handed(item.to, keyId);
        this.#options.keyring.reached(item.to);
      }
    }
    return isFailing ? "failed" : "stored";
  }

  /** Notes that the link is gone: keys that were on their way are handed over again. */
  unlink(): void {
    this.#underWay.clear();
    this.#leftOut.clear();
  }

  async #send(ready: readonly Fingerprint[], turn: Turn): Promise<void> {
    const { keyring, nextRef } = this.#options;
    const room = this.#options.room();
    const { keyId } = room;
    if (keyId === undefined || ready.length === 0) return;
    // Together, so that `subtle` works on all of them at once; each session has its own mutex.
    const letters = await Promise.all(ready.map(async (to): Promise<Letter> => {
      const box = await keyring.seal(to, await room.handOver(to), turn.nowMs);
      return { item: { to, id: keyring.newEventId(), box }, keyId };
    }));
    for (const page of pagesOf(letters)) {
      const ref = nextRef();
      this.#underWay.set(ref, page);
      const body = encodeMany(page.map(({ item }) => item));
      turn.effects.push({ kind: "send", packet: encodeClientMessage({ t: "publishMany", ref }, body) });
    }
  }

  #handAgainAfterLoss(who: Fingerprint): void {
    const losses = this.#options.keyring.losses.of(who);
    if (losses === (this.#losses.get(who) ?? 0)) return;
    this.#losses.set(who, losses);
    this.#options.room().lost(who);
  }

  #isLeftOut(who: Fingerprint, nowMs: number): boolean {
    const untilMs = this.#leftOut.get(who);
    if (untilMs === undefined) return false;
    // A clock that was set back must not leave anybody out for ever.
    if (nowMs < untilMs && nowMs >= untilMs - LEFT_OUT_MS) return true;
    this.#leftOut.delete(who);
    return false;
  }

  /** Who is gone and keeps nothing never comes back, though the log still has them. */
  #canBeReached(who: Fingerprint): boolean {
    const person = this.#options.people.get(who);
    return person !== undefined && canBeReached(person);
  }

  #leaveOut(who: Fingerprint, turn: Turn): void {
    this.#leftOut.set(who, turn.nowMs + LEFT_OUT_MS);
    // Who keeps nothing and was not given them has just gone, and the log says so in a moment.
    if (this.#options.people.get(who)?.certificate.life === "ephemeral") return;
    this.#tell(who, "the relay does not keep your keys for them", turn);
  }

  #tell(who: Fingerprint, why: string, turn: Turn): void {
    const { keyring, people } = this.#options;
    keyring.tellUnreached(who, { handle: people.get(who)?.certificate.handle ?? "somebody", why }, turn);
  }
}

function pagesOf(letters: readonly Letter[]): Letter[][] {
  const pages: Letter[][] = [];
  let bytes = Infinity;
  for (const letter of letters) {
    const letterBytes = letter.item.box.length + LETTER_OVERHEAD_BYTES;
    if (bytes + letterBytes > LETTERS_MAX_BYTES || pages.at(-1)?.length === MANY_MAX_EVENTS) {
      pages.push([]);
      bytes = 0;
    }
    pages.at(-1)?.push(letter);
    bytes += letterBytes;
  }
  return pages;
}
