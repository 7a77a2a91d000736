/**
 * What a log keeps of rooms beside their ops: of each at most one snapshot, from which newcomers start when the ops before
 * it are gone (PROTOCOL 4.4). To the relay it is opaque; who makes it is no part of these rules.
 * @module
 */

import type { Bytes } from "../bytes/writer.ts";
import type { Fingerprint } from "../wire/messages.ts";

/** A snapshot that is kept. */
export interface SnapshotMark {
  /** The op after which it was taken. */
  readonly epoch: number;
  /** Its length. */
  readonly lengthBytes: number;
}

/** The snapshots of a log, and how far back its ops reach. */
export interface Snapshots {
  /**
   * Tells the oldest op of a room that is kept. Ops are dropped only where there is a snapshot of a later place.
   * @param room the room
   * @returns its place; 1 when none was dropped
   */
  oldestOp(room: Fingerprint): number;

  /**
   * Tells the snapshot of a room.
   * @param room the room
   * @returns where it stands; `undefined` without one
   */
  of(room: Fingerprint): SnapshotMark | undefined;

  /**
   * Reads a part of a snapshot.
   * @param room the room
   * @param offset where it begins
   * @param maxBytes how much at once
   * @returns the bytes, none at its end or without a snapshot
   */
  readPart(room: Fingerprint, offset: number, maxBytes: number): Bytes;

  /**
   * Keeps a snapshot in the place of the former; `commit` stores it. All ops after it are there and stay.
   * @param room the room
   * @param epoch the op after which it was taken, later than that of the former
   * @param body the snapshot; the caller must not change it afterwards
   * @throws {RangeError} when the place is not a later one, or not there yet
   */
  keep(room: Fingerprint, epoch: number, body: Bytes): void;

  /**
   * Finds rooms that have many ops since their snapshot, or since they began.
   * @param moreThan how many
   * @returns the rooms
   */
  due(moreThan: number): Fingerprint[];
}
