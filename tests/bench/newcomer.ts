/**
 * An open room that has had as many ops as a relay keeps of one: what somebody pays who comes into it, from the whole log
 * and from a snapshot, and what the relay's program pays for making snapshots.
 */
import process from "node:process";
import { encodeHex } from "@std/encoding/hex";
import type { Bytes } from "../../lib/bytes/writer.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { createCertificate } from "../../lib/e2ee/certificate.ts";
import { fingerprintOf, generateIdentity } from "../../lib/e2ee/identity.ts";
import { Membership } from "../../lib/e2ee/membership.ts";
import { hereOp, joinOp, leaveOp, type OpAuthor } from "../../lib/e2ee/membership_make.ts";
import { RoomArchive, SNAPSHOT_AFTER_OPS } from "../../lib/io/room_archive.ts";
import { ROOM_OPS_MAX } from "../../lib/relay/event_log.ts";
import { MemoryEventLog } from "../../lib/relay/memory_event_log.ts";
import { decodeSnapshot } from "../../lib/wire/bodies.ts";

const MEMBERS = 100;
const START_MS = Date.UTC(2026, 0, 1);
/** How many ops are placed before the archive has its turn. */
const LOT_OPS = 500;
const ALL = { maxEvents: Infinity, maxBytes: Infinity };

/** Somebody who comes, goes or says that they are here. */
async function makeAuthor(i: number): Promise<OpAuthor> {
  const identity = await generateIdentity({ life: "lasting", nowMs: START_MS });
  return {
    sign: identity.sign,
    certificate: await createCertificate(identity, { handle: `m${i}`, createdMs: START_MS }),
  };
}

/** CPU time of the process for some work that runs alone, in milliseconds. */
async function cpuMs(work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

/** What the relay keeps, the room as a member knows it, and what was spent. */
class OldRoom {
  readonly log = new MemoryEventLog({ generation: encodeHex(secureRandom(16)) });
  /** All ops, also those that a relay would have dropped. */
  readonly ops: Bytes[] = [];
  readonly #archive = new RoomArchive({ log: this.log, told: () => this.snapshots++ });
  snapshots = 0;
  archiveMs = 0;

  private constructor(readonly membership: Membership) {}

  static async of(): Promise<OldRoom> {
    const room = new OldRoom(await Membership.begin("open", secureRandom(32)));
    const authors = await Promise.all(Array.from({ length: 2 * MEMBERS }, (_, i) => makeAuthor(i)));
    for (const author of authors.slice(0, MEMBERS)) await room.#place(author, joinOp);
    for (let i = 0; room.ops.length < ROOM_OPS_MAX; i++) {
      const [out, at] = [authors[i % authors.length] as OpAuthor, authors[(i + MEMBERS) % authors.length] as OpAuthor];
      await room.#place(out, leaveOp);
      if (room.ops.length < ROOM_OPS_MAX) await room.#place(at, joinOp);
      if (room.ops.length < ROOM_OPS_MAX && i % 2 === 0) await room.#place(at, hereOp);
    }
    await room.#letArchive();
    return room;
  }

  get id(): string {
    return fingerprintOf(this.membership.room);
  }

  /** Reads what somebody reads who comes. */
  async enter(from: Membership, ops: readonly Bytes[]): Promise<void> {
    for (const op of ops) {
      const epoch = from.epoch + 1;
      await from.apply(op, { epoch, atMs: START_MS + epoch });
    }
    if (encodeHex(from.head) !== encodeHex(this.membership.head)) throw new TypeError("Cannot measure: another head");
  }

  async #place(author: OpAuthor, make: typeof hereOp): Promise<void> {
    const op = await make(author, this.membership.context(START_MS));
    const atMs = START_MS + this.ops.push(op);
    const applied = await this.membership.apply(op, { epoch: this.ops.length, atMs });
    if (!applied.valid) throw new TypeError("Cannot measure: an op is void");
    const id = encodeHex(secureRandom(16));
    this.log.append({ stream: `room/${this.id}`, publisher: "P", kind: "op", id, body: op, atMs });
    if (this.ops.length % LOT_OPS === 0) await this.#letArchive();
  }

  async #letArchive(): Promise<void> {
    this.archiveMs += await cpuMs(async () => {
      while (await this.#archive.step());
    });
  }
}

/** Prints the figures. */
export async function benchNewcomer(): Promise<void> {
  console.log(`An open room of ${MEMBERS} that has had ${ROOM_OPS_MAX} ops, all of them valid; CPU time:`);
  const room = await OldRoom.of();
  const { log, membership, ops, id } = room;
  const kept = log.snapshots.of(id);
  if (kept === undefined) throw new TypeError("Cannot measure: there is no snapshot");
  const wholeMs = await cpuMs(async () => await room.enter(await Membership.begin("open", membership.room), ops));
  let after = 0;
  const snapshotMs = await cpuMs(async () => {
    const { op, membership: snapshot } = decodeSnapshot(log.snapshots.readPart(id, 0, kept.lengthBytes));
    const from = await Membership.fromRoster({ room: membership.room, snapshot, op });
    const rest = log.ops(id, from.epoch, ALL).map((stored) => stored.op);
    after = rest.length;
    await room.enter(from, rest);
  });
  const worstMs = snapshotMs + (SNAPSHOT_AFTER_OPS - after) * wholeMs / ops.length;
  const bytes = (all: readonly Bytes[]) => (all.reduce((sum, { length }) => sum + length, 0) / 1_000_000).toFixed(1);
  const told = (kept.lengthBytes / 1_000).toFixed(0);
  const row = (what: string, ms: number, beside: string) =>
    console.log(`  ${what.padEnd(34)} ${ms.toFixed(ms < 10 ? 2 : 0).padStart(7)} ms  ${beside}`);
  row("a newcomer, from the whole log", wholeMs, `${bytes(ops)} MB of ops`);
  row("a newcomer, from a snapshot", snapshotMs, `${told} KB, and ${after} ops after it`);
  row("the same, before the next snapshot", worstMs, `${SNAPSHOT_AFTER_OPS} ops after it, computed`);
  row("the relay's program, for each op", room.archiveMs / ops.length, `${room.snapshots} snapshots were made`);
  console.log();
}
