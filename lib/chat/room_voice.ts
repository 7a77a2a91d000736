/**
 * How we speak in one room (PROTOCOL 5.2, 3.14, Chain): only members that the person was shown, and whose key is not held back,
 * are given our keys, and a message leaves once the relay has stored these.
 * @module
 */

import type { Bytes } from "../bytes/writer.ts";
import type { Room } from "../e2ee/room.ts";
import type { RoomClaims, SealedForRoom } from "../e2ee/room_types.ts";
import type { Fingerprint } from "../wire/messages.ts";
import { type AcceptedMany, KeyHandover } from "./key_handover.ts";
import type { Keyring } from "./keyring.ts";
import type { People } from "./people.ts";
import type { Turn } from "./turn.ts";

/** What a voice works with. */
export interface RoomVoiceOptions {
  /** Gives the room, which is another once it began anew. */
  readonly room: () => Room;
  /** Tells whether messages can be sealed now. */
  readonly isReady: () => boolean;
  /** Who was met. */
  readonly people: People;
  /** Sessions with members. */
  readonly keyring: Keyring;
  /** Draws the number of a request; of all rooms of a client, none twice. */
  readonly nextRef: () => number;
}

/** We, as one who speaks in a room. */
export class RoomVoice {
  readonly #options: RoomVoiceOptions;
  readonly #handover: KeyHandover;
  /** Members that the person was shown. */
  readonly #shown = new Set<Fingerprint>();

  /**
   * Starts with nobody shown.
   * @param options the room and who is in it
   */
  constructor(options: RoomVoiceOptions) {
    this.#options = options;
    this.#handover = new KeyHandover(options);
  }

  /**
   * Notes that the person was shown a member: what is written from now on is for them.
   * @param who by fingerprint
   */
  show(who: Fingerprint): void {
    if (this.#isMember(who)) this.#shown.add(who);
  }

  /**
   * Notes that somebody is to be shown again before anything is for them.
   * @param who by fingerprint
   */
  hide(who: Fingerprint): void {
    this.#shown.delete(who);
  }

  /** Notes that everybody is to be shown again. */
  forget(): void {
    this.#shown.clear();
  }

  /**
   * Tells for whom a line is that is written now.
   * @returns members whom the person was shown
   */
  audience(): Fingerprint[] {
    return [...this.#shown].filter((who) => this.#isMember(who));
  }

  /**
   * Sees to it that those who are to read the next message can.
   * @param audience for whom it was written; whose key is held back by now is left out
   * @param turn time and effects
   * @returns whether it may be sealed now
   */
  async prepare(audience: readonly Fingerprint[], turn: Turn): Promise<boolean> {
    const { isReady, people } = this.#options;
    if (!isReady()) return false;
    const to = audience.filter((who) => {
      const person = people.get(who);
      return person !== undefined && people.trust(person) !== "changed";
    });
    return await this.#handover.prepare(new Set(to), turn);
  }

  /**
   * Numbers a message and tells what we have read, for its plaintext.
   * @param m its number if it is sealed again; a new one without
   * @returns what it says of itself
   */
  claims(m?: number): RoomClaims {
    return this.#options.room().claims(m);
  }

  /**
   * Seals a message.
   * @param plaintext claims included
   * @returns what to publish
   */
  seal(plaintext: Bytes): Promise<SealedForRoom> {
    return this.#options.room().seal(plaintext);
  }

  /**
   * Tells whether a message that is with the relay would be refused by now; what is written after it must wait then.
   * @param sealed what was published
   * @returns whether more were removed since than it may miss
   */
  isStale({ epoch, slack }: Pick<SealedForRoom, "epoch" | "slack">): boolean {
    return (this.#options.room().membership.removalsSince(epoch) ?? Infinity) > slack;
  }

  /**
   * Takes in the answer to a packet of keys.
   * @param answer its number, and whether the relay cannot store at all now
   * @param refused ids of what was not stored
   * @param turn time and effects
   * @returns what became of the keys, `undefined` when they are none of ours
   * @throws {DecodeError} when the list is malformed
   */
  handedOver(answer: AcceptedMany, refused: Bytes, turn: Turn): "stored" | "failed" | undefined {
    return this.#handover.answered(answer, refused, turn);
  }

  /** Notes that the link is gone. */
  unlink(): void {
    this.#handover.unlink();
  }

  #isMember(who: Fingerprint): boolean {
    return this.#options.room().membership.memberOf(who) !== undefined;
  }
}
