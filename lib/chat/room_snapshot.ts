/**
 * The snapshot of a room on its way from the relay (PROTOCOL 4.4): its parts are put together within a bound, and the log
 * goes on from it if members bear it out.
 * @module
 */

import { AuthError, ProtocolError } from "../bytes/errors.ts";
import { type Bytes, concat } from "../bytes/writer.ts";
import { MEMBERSHIP_ENCODED_MAX_BYTES } from "../e2ee/membership_codec.ts";
import { OP_MAX_BYTES } from "../e2ee/membership_op.ts";
import type { Room } from "../e2ee/room.ts";
import type { RoomHeard } from "../e2ee/room_heard.ts";
import { decodeSnapshot, SNAPSHOT_PART_BYTES } from "../wire/bodies.ts";
import type { RelayMessage } from "../wire/messages.ts";

/** The longest snapshot: a full room, and the op that bears it out. */
export const SNAPSHOT_MAX_BYTES: number = 4 + OP_MAX_BYTES + 4 + MEMBERSHIP_ENCODED_MAX_BYTES;

/** Where a part stands. */
export type SnapshotPart = Pick<Extract<RelayMessage, { t: "snapshot" }>, "epoch" | "offset" | "more">;

/** The parts of one snapshot. */
export class SnapshotParts {
  #parts: Bytes[] = [];
  #epoch = 0;
  #lengthBytes = 0;

  /**
   * Takes the next part.
   * @param part where it stands; one at 0 begins anew, for a later place
   * @param body the bytes
   * @returns the whole snapshot, `undefined` while parts are missing
   * @throws {ProtocolError} when it does not follow those before it, or is too short or too long
   */
  take({ epoch, offset, more }: SnapshotPart, body: Bytes): Bytes | undefined {
    if (offset === 0 && epoch > this.#epoch) this.#begin(epoch);
    if (epoch !== this.#epoch || offset !== this.#lengthBytes) throw refused("a part is not the next one");
    // So that the bound is one on their number, too.
    if (more && body.length !== SNAPSHOT_PART_BYTES) throw refused("a part has another length");
    this.#lengthBytes += body.length;
    if (this.#lengthBytes > SNAPSHOT_MAX_BYTES) throw refused("it is too long");
    this.#parts.push(body);
    if (more) return undefined;
    const whole = concat(...this.#parts);
    this.#begin(epoch);
    return whole;
  }

  #begin(epoch: number): void {
    this.#parts = [];
    this.#epoch = epoch;
    this.#lengthBytes = 0;
  }
}

/**
 * Lets a room go on from a snapshot. What does not fit is the relay's doing, whoever signed it.
 * @param room the room
 * @param snapshot all of it, and the place that the relay says it has
 * @param nowMs the time now
 * @returns what became of messages that waited
 * @throws {DecodeError} when it is malformed; nothing changes then
 * @throws {ProtocolError} when it does not fit, or nobody bears it out; nothing changes then
 */
export async function startFrom(
  room: Room,
  { whole, epoch }: { readonly whole: Bytes; readonly epoch: number },
  nowMs: number,
): Promise<readonly RoomHeard[]> {
  const { op, membership: snapshot } = decodeSnapshot(whole);
  try {
    return await room.skipTo({ snapshot, op, epoch }, nowMs);
  } catch (cause) {
    if (!(cause instanceof AuthError)) throw cause;
    throw new ProtocolError("Cannot take snapshot: nobody bears it out", { cause });
  }
}

function refused(why: string): ProtocolError {
  return new ProtocolError(`Cannot take snapshot: ${why}`);
}
