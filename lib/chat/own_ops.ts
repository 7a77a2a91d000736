/**
 * Our own ops of a room on their way (PROTOCOL §4): we join unless we are a member already, and leave when the person
 * says so. An op that was void is made again under the newest head, a few times.
 * @module
 */

import { ProtocolError } from "../bytes/errors.ts";
import type { Bytes } from "../bytes/writer.ts";
import { joinOp, leaveOp, type OpAuthor, type OpContext } from "../e2ee/membership_make.ts";
import type { Member } from "../e2ee/roster.ts";
import { encodeClientMessage, type EventId, type StreamName } from "../wire/messages.ts";
import type { Turn } from "./turn.ts";

/** How often a join that was void is tried again: others joined at the same moment, or a hostile relay plays with us. */
export const JOINS_MAX = 8;

/** What ops are made with. */
export interface OwnOpsOptions {
  /** Our keys and certificate. */
  readonly author: OpAuthor;
  /** The stream of the room. */
  readonly stream: StreamName;
  /** Draws the id of an event. */
  readonly newEventId: () => EventId;
}

/** The ops of one client in one room. */
export class OwnOps {
  readonly #options: OwnOpsOptions;
  /** Those that the relay has not answered. */
  readonly #underWay = new Map<EventId, Bytes>();
  #joinsLeft = JOINS_MAX;

  /**
   * Starts with none.
   * @param options who we are, and where
   */
  constructor(options: OwnOpsOptions) {
    this.#options = options;
  }

  /**
   * Takes an op out that the relay has answered.
   * @param id its event's id
   * @returns the op, `undefined` when it is none of ours
   */
  take(id: EventId): Bytes | undefined {
    const op = this.#underWay.get(id);
    this.#underWay.delete(id);
    return op;
  }

  /**
   * Joins, or shows our newest certificate, unless the log has it already or an op of ours is under way.
   * @param own how the log knows us, `undefined` if it does not
   * @param context the newest place in the log
   * @param turn time and effects
   * @throws {ProtocolError} when every join was void
   */
  async join(own: Member | undefined, context: OpContext, turn: Turn): Promise<void> {
    const { author } = this.#options;
    const isCurrent = own !== undefined && own.certificate.createdMs >= author.certificate.createdMs;
    if (isCurrent || this.#underWay.size > 0 || (this.#joinsLeft === 0 && own !== undefined)) return;
    if (this.#joinsLeft < 0) return; // left for good
    if (this.#joinsLeft === 0) throw new ProtocolError("Cannot join the room: every join of ours is void");
    this.#joinsLeft--;
    this.#publish(await joinOp(author, context), turn);
  }

  /**
   * Leaves for good.
   * @param context the newest place in the log
   * @param turn time and effects
   */
  async leave(context: OpContext, turn: Turn): Promise<void> {
    this.#joinsLeft = -1;
    this.#publish(await leaveOp(this.#options.author, context), turn);
  }

  /** Forgets what is under way: the log is another. */
  restart(): void {
    this.#underWay.clear();
    if (this.#joinsLeft >= 0) this.#joinsLeft = JOINS_MAX;
  }

  #publish(op: Bytes, turn: Turn): void {
    const { stream, newEventId } = this.#options;
    const id = newEventId();
    this.#underWay.set(id, op);
    turn.effects.push({
      kind: "send",
      packet: encodeClientMessage({ t: "publish", stream, kind: "op", id }, op),
    });
  }
}
