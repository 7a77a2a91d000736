/**
 * Makes the snapshots from which newcomers of old open rooms start (PROTOCOL 4.4). The relay's rules see nothing in an op;
 * this part beside them replays a room's ops as any member does, for all that stands in them is public and signed. It
 * hands out nothing by its own word: a snapshot counts for a client only if a member signed the place and the members
 * there, and every member their own join. So it looks for an op that does: a valid one of a member that names a place,
 * with a roster that fits. First all ops are judged as they come, then those up to the best such place once more.
 *
 * It works in the background, a few ops at a time, between the relay's turns.
 * @module
 */

import { AuthError, DecodeError, ProtocolError } from "../bytes/errors.ts";
import type { Bytes } from "../bytes/writer.ts";
import { bearsOut } from "../e2ee/bearing.ts";
import { type Fingerprint, fingerprintOf, idOf } from "../e2ee/identity.ts";
import { Membership } from "../e2ee/membership.ts";
import { unsafeSeenOf } from "../e2ee/membership_op.ts";
import { inviteRoomId } from "../e2ee/room_id.ts";
import type { EventLog } from "../relay/event_log.ts";
import { decodeSnapshot, encodeSnapshot } from "../wire/bodies.ts";

/** Ops of an open room since its last snapshot, or since it began, that are worth one: some seconds of a newcomer. */
export const SNAPSHOT_AFTER_OPS = 2_048;
/** How much later its place must be than that of the former, and after how many ops one is looked for again. */
export const SNAPSHOT_STEP_OPS = 1_024;
/** Ops that are judged before others have their turn: some ten milliseconds' work. */
export const ARCHIVE_LOT_OPS = 16;
/** Between two lots, so that a relay with much to judge gives less than half of a core to it. */
export const ARCHIVE_REST_MS = 50;
/** How often it is looked whether a room has many new ops. */
export const ARCHIVE_LOOK_MS = 10_000;
/** Rooms whose members are kept in memory so that no op is judged twice in search of a place; of more, it begins anew. */
const REPLAYS_MAX = 8;
/** An op is a few hundred bytes long. */
const LOT_LIMITS = { maxEvents: ARCHIVE_LOT_OPS, maxBytes: Infinity };

/** What it works with. */
export interface RoomArchiveOptions {
  /** Where ops are, and snapshots go. */
  readonly log: EventLog;
  /** Other bounds than the real ones, for tests. */
  readonly limits?: { readonly afterOps: number; readonly stepOps: number };
  /** Is told what happened, for the operator. */
  readonly told: (event: "snapshotStored" | "snapshotNotStored", fields: Readonly<Record<string, number>>) => void;
}

/** A room that is judged op by op. */
interface Replay {
  readonly membership: Membership;
  /** The latest place that an op bears out, and that op. */
  place: { readonly epoch: number; readonly op: Bytes } | undefined;
}

/** The snapshots of a relay's rooms. */
export class RoomArchive {
  readonly #options: RoomArchiveOptions;
  readonly #limits: NonNullable<RoomArchiveOptions["limits"]>;
  /** The one used longest ago first. */
  readonly #replays = new Map<Fingerprint, Replay>();
  /** How far each room was looked at; they are as few as rooms can have so many ops. */
  readonly #lookedAt = new Map<Fingerprint, number>();
  readonly #inviteRooms = new Set<Fingerprint>();
  #work: AsyncGenerator<void, void, undefined> | undefined;

  /**
   * Starts with nothing judged.
   * @param options the log
   */
  constructor(options: RoomArchiveOptions) {
    this.#options = options;
    this.#limits = options.limits ?? { afterOps: SNAPSHOT_AFTER_OPS, stepOps: SNAPSHOT_STEP_OPS };
  }

  /**
   * Does a little of what is to be done; calls must not overlap, and nothing in the log may be uncommitted.
   * @returns whether there is more to do now
   * @throws {UserError} `dataDirUnusable`, when the log cannot be read any more
   */
  async step(): Promise<boolean> {
    const room = this.#work === undefined ? this.#nextRoom() : undefined;
    if (room !== undefined) this.#work = this.#archive(room);
    if (this.#work === undefined) return false;
    const { done } = await this.#work.next();
    if (done) this.#work = undefined;
    return true;
  }

  #nextRoom(): Fingerprint | undefined {
    const { log } = this.#options;
    const { afterOps, stepOps } = this.#limits;
    return log.snapshots.due(afterOps).find((room) => {
      const looked = this.#lookedAt.get(room);
      return !this.#inviteRooms.has(room) && (looked === undefined || log.epoch(room) >= looked + stepOps);
    });
  }

  async *#archive(room: Fingerprint): AsyncGenerator<void, void, undefined> {
    const { log } = this.#options;
    const before = log.snapshots.of(room)?.epoch ?? 0;
    // What people are invited to lives in its whole log: such a room is never touched.
    if (before === 0 && !this.#replays.has(room) && await this.#isInviteRoom(room)) {
      this.#inviteRooms.add(room);
      return;
    }
    const replay = await this.#replayOf(room);
    for await (const _lot of this.#judge(room, replay, Infinity)) yield;
    this.#lookedAt.set(room, replay.membership.epoch);
    const { place } = replay;
    if (place === undefined || place.epoch < before + this.#limits.stepOps) return;
    const again = await this.#begin(room);
    for await (const _lot of this.#judge(room, again, place.epoch)) yield;
    await this.#keep(room, again.membership, place.op);
  }

  /** Judges the ops of a room up to a place, or to the last. */
  async *#judge(room: Fingerprint, replay: Replay, until: number): AsyncGenerator<void, void, undefined> {
    const { membership } = replay;
    while (membership.epoch < until) {
      const ops = this.#options.log.ops(room, membership.epoch, LOT_LIMITS);
      if (ops.length === 0) return;
      for (const { epoch, at, op } of ops) {
        if (epoch > until) return;
        const applied = await membership.apply(op, { epoch, atMs: at });
        const seen = bearsOut(applied) ? unsafeSeenOf(op)?.epoch ?? 0 : 0;
        if (seen > (replay.place?.epoch ?? 0)) replay.place = { epoch: seen, op };
      }
      yield;
    }
  }

  /** Keeps a snapshot, if it is one that clients take. */
  async #keep(room: Fingerprint, membership: Membership, op: Bytes): Promise<void> {
    const { log, told } = this.#options;
    const snapshot = membership.encode();
    const isTaken = await Membership.fromRoster({ room: membership.room, snapshot, op }).then(() => true, onlyOfPeers);
    // From here on nothing is awaited: what is stored is of one turn.
    if (isTaken) log.snapshots.keep(room, membership.epoch, encodeSnapshot({ op, membership: snapshot }));
    const isStored = isTaken && log.commit().kind === "stored";
    told(isStored ? "snapshotStored" : "snapshotNotStored", { epoch: membership.epoch, bytes: snapshot.length });
  }

  async #isInviteRoom(room: Fingerprint): Promise<boolean> {
    const [first] = this.#options.log.ops(room, 0, { maxEvents: 1, maxBytes: Infinity });
    return first?.epoch === 1 && fingerprintOf(await inviteRoomId(first.op)) === room;
  }

  async #replayOf(room: Fingerprint): Promise<Replay> {
    const replay = this.#replays.get(room) ?? await this.#begin(room);
    this.#replays.delete(room);
    this.#replays.set(room, replay);
    for (const longest of this.#replays.keys()) {
      if (this.#replays.size <= REPLAYS_MAX) break;
      this.#replays.delete(longest);
    }
    return replay;
  }

  /** Begins at the room's snapshot, or where its log does. */
  async #begin(room: Fingerprint): Promise<Replay> {
    const { snapshots } = this.#options.log;
    const kept = snapshots.of(room);
    if (kept === undefined) return { membership: await Membership.begin("open", idOf(room)), place: undefined };
    const { membership } = decodeSnapshot(snapshots.readPart(room, 0, kept.lengthBytes));
    return { membership: await Membership.decode(membership), place: undefined };
  }
}

/** How an archive is driven. */
export interface ArchiveLoopOptions {
  /** Called once when it can go on no more, such as when the log cannot be read. */
  readonly failed: (error: unknown) => void;
  /** Other times than the real ones, for tests. */
  readonly times?: { readonly restMs: number; readonly lookMs: number };
}

/** The archive at work, in the background. */
export class ArchiveLoop {
  readonly #archive: RoomArchive;
  readonly #options: ArchiveLoopOptions;
  readonly #times: NonNullable<ArchiveLoopOptions["times"]>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #running: Promise<void> = Promise.resolve();
  #isClosed = false;

  /**
   * Begins.
   * @param archive what it drives
   * @param options what to do when that fails, and times for tests
   */
  constructor(archive: RoomArchive, options: ArchiveLoopOptions) {
    this.#archive = archive;
    this.#options = options;
    this.#times = options.times ?? { restMs: ARCHIVE_REST_MS, lookMs: ARCHIVE_LOOK_MS };
    this.#wait(this.#times.lookMs);
  }

  /** Ends it; what is half done is begun anew by the next life. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  #wait(ms: number): void {
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => this.#running = this.#run(), ms);
  }

  async #run(): Promise<void> {
    const { restMs, lookMs } = this.#times;
    try {
      this.#wait(await this.#archive.step() ? restMs : lookMs);
    } catch (error) {
      this.#options.failed(error);
    }
  }
}

function onlyOfPeers(error: unknown): false {
  if (error instanceof AuthError || error instanceof DecodeError || error instanceof ProtocolError) return false;
  throw error;
}
