/**
 * What the relay placed, read from its own log after it has ended: the one order that all members must agree on, and who
 * was a member at which place of it.
 * @module
 */

import { Membership } from "../../lib/e2ee/membership.ts";
import { fingerprintOf, openRoomId } from "../../lib/e2ee/identity.ts";
import { openDataDir } from "../../lib/io/data_dir.ts";
import { loadRelayKey } from "../../lib/io/relay_store.ts";
import { SqliteEventLog } from "../../lib/io/sqlite_event_log.ts";

/** A message as the relay placed it. */
export interface PlacedMessage {
  /** Its place in the room's stream. */
  readonly seq: number;
  /** Its id, which readers are told as well. */
  readonly id: string;
  /** Who wrote it, by fingerprint. */
  readonly by: string;
}

/** A stay of one member: places after `from` and before `to` are theirs to read. */
export interface Stay {
  /** The place of the op that let them in. */
  readonly from: number;
  /** The place of the op by which they left, `Infinity` for those who never did. */
  readonly to: number;
}

/** A room's stream. */
export interface RoomLog {
  /** Its messages, in order. */
  readonly messages: readonly PlacedMessage[];
  /** How many ops were placed among them. */
  readonly ops: number;
  /** How many of these were void. */
  readonly voidOps: number;
  /** Who was in it when, by fingerprint; each of them once. */
  readonly stays: ReadonlyMap<string, Stay>;
}

/**
 * Reads the stream of an open room.
 * @param path the data directory of a relay that has ended
 * @param name the room's name
 * @returns what was placed
 */
export async function readRoomLog(path: string, name: string): Promise<RoomLog> {
  const dir = await openDataDir(path, { what: "relay" });
  try {
    const { publicBytes } = await loadRelayKey(dir);
    const room = await openRoomId(publicBytes, name);
    const log = await SqliteEventLog.open(dir, { makeGeneration: noLog });
    try {
      return await follow(log, room);
    } finally {
      log.close();
    }
  } finally {
    dir.close();
  }
}

function noLog(): string {
  throw new Error("The relay left no log");
}

async function follow(log: SqliteEventLog, room: Uint8Array<ArrayBuffer>): Promise<RoomLog> {
  const stream = `room/${fingerprintOf(room)}`;
  const membership = await Membership.begin("open", room);
  const messages: PlacedMessage[] = [];
  const stays = new Map<string, Stay>();
  let voidOps = 0;
  let after = 0;
  while (after < log.head(stream)) {
    for (const event of log.read(stream, after, { maxEvents: 512, maxBytes: 1 << 20 })) {
      after = event.seq;
      if (event.kind === "message") messages.push({ seq: event.seq, id: event.id, by: event.publisher });
      if (event.epoch === undefined) continue;
      const applied = await membership.apply(event.body, { epoch: event.epoch, atMs: event.at });
      if (!applied.valid) voidOps++;
      else note(stays, applied.change, event.seq);
    }
  }
  return { messages, stays, voidOps, ops: membership.epoch };
}

type Change = Extract<Awaited<ReturnType<Membership["apply"]>>, { valid: true }>["change"];

function note(stays: Map<string, Stay>, change: Change, seq: number): void {
  if (change.kind !== "joined" && change.kind !== "left" && change.kind !== "removed") return;
  const { fingerprint } = change.member.certificate;
  const stay = stays.get(fingerprint);
  if (change.kind === "joined") {
    if (stay !== undefined) throw new Error("Somebody who was in the room joined it again");
    stays.set(fingerprint, { from: seq, to: Infinity });
  } else if (stay !== undefined) stays.set(fingerprint, { ...stay, to: seq });
}
