/**
 * How the stream of one room is followed without a hole in its log (PROTOCOL 4.1, 4.4): ops that may be missing are
 * fetched before anything after them is taken.
 *
 *     never read before    enter, getOps from the first     -> subscribe from now on
 *     ops are gone         a snapshot comes before the ops  -> subscribe from now on
 *     read before          enter, subscribe after our place
 *     places are missing   getOps after the last that we know  -> subscribe after our place once more
 *
 * What is missing after that is missing.
 * @module
 */

import { ProtocolError } from "../bytes/errors.ts";
import type { Bytes } from "../bytes/writer.ts";
import {
  type ClientMessage,
  type Cursor,
  encodeClientMessage,
  type Fingerprint,
  type RelayMessage,
  type StreamName,
} from "../wire/messages.ts";
import { RoomHoles } from "./room_holes.ts";
import { type SnapshotPart, SnapshotParts } from "./room_snapshot.ts";
import type { Turn } from "./turn.ts";

/** Of which room, and how requests are told apart. */
export interface RoomFollowingOptions {
  /** The room's id. */
  readonly room: Fingerprint;
  /** Its stream. */
  readonly stream: StreamName;
  /** Draws the number of a request; of all rooms of a client, none twice. */
  readonly nextRef: () => number;
}

/** Where we stand in one room's stream. */
export class RoomFollowing {
  readonly #options: RoomFollowingOptions;
  #isOn = false;
  /** Whether no event was taken since all ops were fetched. */
  #isSynced = false;
  /** What is missing in the stream. */
  readonly holes = new RoomHoles();
  /** The number of the `getOps` under way. */
  #opsRef: number | undefined;
  /** What came of a snapshot in answer to it. */
  #parts = new SnapshotParts();

  /**
   * Starts with nothing heard.
   * @param options the room
   */
  constructor(options: RoomFollowingOptions) {
    this.#options = options;
  }

  /** Whether events of the stream are to be taken: not while ops may be missing. */
  get isOn(): boolean {
    return this.#isOn;
  }

  /**
   * Goes into the room, and hears what we do not know yet.
   * @param cursor where our reading stands; `null` when it was never read
   * @param epoch the last op that we know
   * @param turn time and effects
   */
  start(cursor: Cursor | null, epoch: number, turn: Turn): void {
    this.#send({ t: "enter", room: this.#options.room }, turn);
    if (cursor === null || cursor.seq === 0) this.fetchOps(epoch, turn);
    else this.#subscribe(cursor, turn);
  }

  /** Notes that the link is gone. */
  unlink(): void {
    this.#isOn = false;
    this.#isSynced = false;
    this.#opsRef = undefined;
  }

  /** Takes in that the stream is heard from our place on. */
  subscribed(): void {
    this.#isOn = true;
  }

  /**
   * Fetches ops.
   * @param epoch the last op that we know
   * @param turn time and effects
   */
  fetchOps(epoch: number, turn: Turn): void {
    if (epoch === 0) this.holes.forget(); // another log, or the first that we hear of it
    this.#isOn = false;
    this.#opsRef = this.#options.nextRef();
    this.#parts = new SnapshotParts();
    this.#send({ t: "getOps", ref: this.#opsRef, room: this.#options.room, after: epoch }, turn);
  }

  /**
   * Takes in that places were left out before an event.
   * @param epoch the last op that we know
   * @param turn time and effects
   * @returns `false` when ops were fetched just now: then what is missing is missing
   */
  resync(epoch: number, turn: Turn): boolean {
    if (this.#isSynced) return false;
    this.fetchOps(epoch, turn);
    return true;
  }

  /**
   * Takes in that places were passed, and maybe an event behind them: what is missing after that was not looked for yet.
   * @param missing how many places were left out
   * @param epoch the number of the event behind them, if it is an op
   * @returns how many messages are missing for certain that were not told before
   */
  took(missing: number, epoch?: number): number {
    this.#isSynced = false;
    return this.holes.took(missing, epoch);
  }

  /**
   * Tells whether a page of ops is the one that was asked for.
   * @param page the page
   * @param epoch the last op that we know
   * @returns `false` for an answer to another request
   * @throws {ProtocolError} when it begins elsewhere than after what we know
   */
  expects(page: Pick<Extract<RelayMessage, { t: "ops" }>, "ref" | "first">, epoch: number): boolean {
    if (page.ref !== this.#opsRef) return false;
    if (page.first === epoch + 1) return true;
    throw new ProtocolError("Cannot take ops: the relay begins elsewhere than after those that are known");
  }

  /**
   * Takes a part of the snapshot that comes before the ops that were asked for.
   * @param part which request it answers, and where it stands
   * @param body the bytes
   * @returns all of it; `undefined` while parts are missing, or for an answer to another request
   * @throws {ProtocolError} when it does not follow the parts before it, or there is too much of it
   */
  snapshot(part: SnapshotPart & { readonly ref: number }, body: Bytes): Bytes | undefined {
    return part.ref === this.#opsRef ? this.#parts.take(part, body) : undefined;
  }

  /**
   * Takes in that all ops are there.
   * @param cursor where our reading of the stream stands
   * @param turn time and effects
   */
  fetched(cursor: Cursor | null, turn: Turn): void {
    this.#opsRef = undefined;
    this.#isSynced = true;
    if (cursor === null) this.holes.forget(); // heard from now on, with nothing left out
    this.#subscribe(cursor, turn);
  }

  /**
   * Is in the room no more, as far as the relay knows.
   * @param turn time and effects
   */
  exit(turn: Turn): void {
    this.#isOn = false;
    this.#send({ t: "exit", room: this.#options.room }, turn);
  }

  #subscribe(after: Cursor | null, turn: Turn): void {
    this.#send({ t: "subscribe", stream: this.#options.stream, after }, turn);
  }

  #send(message: ClientMessage, turn: Turn): void {
    turn.effects.push({ kind: "send", packet: encodeClientMessage(message) });
  }
}
