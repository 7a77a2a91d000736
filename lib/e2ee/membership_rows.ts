/**
 * A room's log as two rows, so that an op costs no copy of all members: what it was some ops ago, and those ops, which
 * are applied again when the room is restored. Nobody is judged otherwise by that: the same ops leave the same members
 * (PROTOCOL 3.12). Both rows change in one transaction.
 *
 * ```
 * members   see membership_codec.ts
 * ops       version 1 | lv(epoch of `members` 8) | lv(lv(at 8 || op) || lv(at 8 || op) || …)     1 to 32, or no row
 * ```
 *
 * @module
 */

import { DecodeError } from "../bytes/errors.ts";
import { ByteReader } from "../bytes/reader.ts";
import { type Bytes, concat, lvCat, u64be, u8 } from "../bytes/writer.ts";
import { Membership } from "./membership.ts";
import { OP_MAX_BYTES } from "./membership_op.ts";
import { readVersion, STATE_VERSION } from "./state_fields.ts";

/** Ops after which all members are stored anew: about where both rows together cost least in a room of some hundred. */
export const OPS_KEPT_MAX = 32;

const NUMBER_BYTES = 8;

/** Somebody's name for the two rows. */
export type MembershipRow = "members" | "ops";

/** A placed op as it is applied again. */
export interface KeptOp {
  /** The relay's time of it, in milliseconds since 1970 (UTC). */
  readonly atMs: number;
  /** Whatever was placed. */
  readonly op: Bytes;
}

/** The rows of one log. */
export class MembershipRows {
  readonly #membership: Membership;
  /** Where the row `members` stands; `undefined` when it is to be written. */
  #baseEpoch: number | undefined;
  #ops: KeptOp[] = [];
  #isChanged = false;

  /**
   * Starts with rows that are to be written.
   * @param membership the log, which its owner moves on
   */
  constructor(membership: Membership) {
    this.#membership = membership;
    this.#isChanged = true;
  }

  /**
   * Takes up what was stored.
   * @param members the row
   * @param ops the row, if there is one
   * @returns the log after these ops, and its rows, which stand
   * @throws {DecodeError} when they are anything else
   */
  static async restore(
    members: Bytes,
    ops: Bytes | undefined,
  ): Promise<{ readonly membership: Membership; readonly rows: MembershipRows }> {
    const membership = await Membership.decode(members);
    const rows = new MembershipRows(membership);
    rows.#baseEpoch = membership.epoch;
    rows.#ops = ops === undefined ? [] : decodeKeptOps(ops, membership.epoch);
    rows.#isChanged = false;
    for (const { op, atMs } of rows.#ops) await membership.apply(op, { epoch: membership.epoch + 1, atMs });
    return { membership, rows };
  }

  /**
   * Notes that an op was placed, after it was applied.
   * @param op whatever the relay placed
   * @param atMs the relay's time
   */
  placed(op: Bytes, atMs: number): void {
    this.#isChanged = true;
    if (this.#baseEpoch === undefined) return; // all of it is written anyway
    this.#ops.push({ atMs, op: op.slice() });
    if (this.#ops.length <= OPS_KEPT_MAX && op.length <= OP_MAX_BYTES) return;
    this.skipped(); // one that is too long is junk, and not worth a row
  }

  /** Notes that the log went on at a later place: all of it is written anew. */
  skipped(): void {
    this.#isChanged = true;
    this.#baseEpoch = undefined;
    this.#ops = [];
  }

  /**
   * Gives the rows that are not as they were when this was called last.
   * @returns them; an `undefined` value deletes one
   */
  takeChanges(): { readonly name: MembershipRow; readonly value: Bytes | undefined }[] {
    if (!this.#isChanged) return [];
    this.#isChanged = false;
    if (this.#baseEpoch !== undefined) return [{ name: "ops", value: encodeKeptOps(this.#baseEpoch, this.#ops) }];
    this.#baseEpoch = this.#membership.epoch;
    this.#ops = [];
    return [{ name: "members", value: this.#membership.encode() }, { name: "ops", value: undefined }];
  }
}

/**
 * Encodes the row `ops`.
 * @param baseEpoch where the row `members` stands
 * @param ops what was placed after that, 1 to 32
 * @returns the row
 */
export function encodeKeptOps(baseEpoch: number, ops: readonly KeptOp[]): Bytes {
  const items = ops.map(({ atMs, op }) => concat(u64be(atMs), op));
  return concat(u8(STATE_VERSION), lvCat(u64be(baseEpoch), lvCat(...items)));
}

/**
 * Decodes the row `ops`; what the ops are worth shows when they are applied.
 * @param bytes what {@linkcode encodeKeptOps} gave
 * @param baseEpoch where the row `members` stands
 * @returns the ops, in order
 * @throws {DecodeError} when it is anything else, or of another place
 */
export function decodeKeptOps(bytes: Bytes, baseEpoch: number): KeptOp[] {
  const reader = new ByteReader(bytes, "placed ops");
  readVersion(reader, "placed ops");
  const epoch = new ByteReader(reader.lvExactly(NUMBER_BYTES), "placed ops").u64();
  if (epoch !== baseEpoch) throw new DecodeError("Cannot decode placed ops: they do not follow the members");
  const items = new ByteReader(reader.lv(OPS_KEPT_MAX * (4 + NUMBER_BYTES + OP_MAX_BYTES)), "placed ops");
  reader.end();
  const ops: KeptOp[] = [];
  while (items.remaining > 0) {
    if (ops.length === OPS_KEPT_MAX) throw new DecodeError(`Cannot decode placed ops: more than ${OPS_KEPT_MAX}`);
    const item = new ByteReader(items.lv(NUMBER_BYTES + OP_MAX_BYTES), "placed ops");
    ops.push({ atMs: item.u64(), op: item.rest() });
  }
  if (ops.length === 0) throw new DecodeError("Cannot decode placed ops: there is none");
  return ops;
}
