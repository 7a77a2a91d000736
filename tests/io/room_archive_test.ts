// Aim: the archive makes snapshots of open rooms that members bear out, and of no others; it judges each op a bounded
// number of times, whoever writes them, and goes on where it stood after a restart.
import { assert, assertEquals } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import { UserError } from "../../lib/bytes/errors.ts";
import type { Bytes } from "../../lib/bytes/writer.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { fingerprintOf } from "../../lib/e2ee/identity.ts";
import { Membership } from "../../lib/e2ee/membership.ts";
import { addOp, createRoomOp, hereOp, joinOp, leaveOp } from "../../lib/e2ee/membership_make.ts";
import { inviteRoomId } from "../../lib/e2ee/room_id.ts";
import { PLACES_KEPT } from "../../lib/e2ee/membership_state.ts";
import { ArchiveLoop, RoomArchive } from "../../lib/io/room_archive.ts";
import { type EventLog, type EventLogLimits, OPS_KEPT_MIN, type StoredOp } from "../../lib/relay/event_log.ts";
import { MemoryEventLog } from "../../lib/relay/memory_event_log.ts";
import { decodeSnapshot } from "../../lib/wire/bodies.ts";
import { type Author, makeAuthor } from "../e2ee/_membership.ts";
import { withLog } from "../relay/_event_file.ts";
import { ALL } from "../relay/_event_log_suite.ts";
import { GENERATION } from "../relay/_workbench.ts";
import { archive } from "../support/archived.ts";
import { inTempDir } from "./_sealed_dir.ts";

const LIMITS = { afterOps: 40, stepOps: 20 };
const [ann, bob, cy] = await Promise.all(["ann", "bob", "cy"].map((handle) => makeAuthor(handle))) as [
  Author,
  Author,
  Author,
];

/** Ops of one room, made once and put into as many logs as it takes. */
class Script {
  readonly ops: { readonly op: Bytes; readonly atMs: number }[] = [];

  private constructor(readonly membership: Membership) {}

  static async open(): Promise<Script> {
    return new Script(await Membership.begin("open", secureRandom(32)));
  }

  static async invite(owner: Author): Promise<Script> {
    const op = await createRoomOp(owner, { room: undefined, atMs: 1 });
    const script = new Script(await Membership.begin("invite", await inviteRoomId(op)));
    await script.add(op);
    return script;
  }

  get room(): string {
    return fingerprintOf(this.membership.room);
  }

  get context() {
    return this.membership.context(this.ops.length);
  }

  async add(op: Bytes): Promise<void> {
    const atMs = 1000 + this.ops.length;
    this.ops.push({ op, atMs });
    await this.membership.apply(op, { epoch: this.ops.length, atMs });
  }

  async junk(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await this.add(secureRandom(30));
  }

  /** Places what a log does not have yet. */
  placeIn(log: EventLog): void {
    for (const { op, atMs } of this.ops.slice(log.epoch(this.room))) {
      const id = encodeHex(secureRandom(16));
      const placed = log.append({ stream: `room/${this.room}`, publisher: "P", kind: "op", id, body: op, atMs });
      assertEquals(placed.kind, "placed");
    }
    log.commit();
  }
}

function memoryLog(): MemoryEventLog {
  return new MemoryEventLog({ generation: GENERATION });
}

/** Counts how many ops are read. */
class CountingLog extends MemoryEventLog {
  read_ = 0;

  override ops(...args: Parameters<EventLog["ops"]>): readonly StoredOp[] {
    const ops = super.ops(...args);
    this.read_ += ops.length;
    return ops;
  }
}

async function busyRoom(): Promise<Script> {
  const script = await Script.open();
  await script.add(await joinOp(ann, script.context));
  await script.add(await joinOp(bob, script.context));
  await script.junk(50);
  await script.add(await hereOp(ann, script.context));
  await script.junk(3);
  return script;
}

/** What newcomers are handed, as they take it. */
async function takeSnapshot(log: EventLog, script: Script): Promise<Membership> {
  const { lengthBytes = 0, epoch = 0 } = log.snapshots.of(script.room) ?? {};
  const { op, membership: snapshot } = decodeSnapshot(log.snapshots.readPart(script.room, 0, lengthBytes));
  const taken = await Membership.fromRoster({ room: script.membership.room, snapshot, op });
  assertEquals(taken.epoch, epoch);
  return taken;
}

async function assertGoesOn(taken: Membership, log: EventLog, script: Script): Promise<void> {
  for (const { epoch, at, op } of log.ops(script.room, taken.epoch, ALL)) await taken.apply(op, { epoch, atMs: at });
  assertEquals(taken.encode(), script.membership.encode());
}

Deno.test("RoomArchive makes a snapshot at the latest place that a member's op bears out", async () => {
  const [log, script] = [memoryLog(), await busyRoom()];
  script.placeIn(log);
  assertEquals((await archive(log, LIMITS)).told, ["snapshotStored"]);
  const taken = await takeSnapshot(log, script);
  assertEquals([taken.epoch, taken.members().length], [52, 2]);
  await assertGoesOn(taken, log, script);
  assertEquals((await archive(log, LIMITS)).told, [], "a few ops are worth none");
});

Deno.test("RoomArchive takes leaves, absences and newer certificates for what they bear out, and joins for nothing", async () => {
  const script = await busyRoom();
  await script.junk(30);
  await script.add(await joinOp(cy, script.context));
  const log = memoryLog();
  script.placeIn(log);
  await archive(log, LIMITS);
  assertEquals(log.snapshots.of(script.room)?.epoch, 52);
  await script.add(await leaveOp(cy, script.context));
  await script.junk(20);
  script.placeIn(log);
  await archive(log, LIMITS);
  assertEquals(log.snapshots.of(script.room)?.epoch, 52 + 4 + 30 + 1);
  await assertGoesOn(await takeSnapshot(log, script), log, script);
});

Deno.test("RoomArchive makes none of a room that nobody bears out, and does not judge it over and over", async () => {
  const script = await Script.open();
  const log = new CountingLog({ generation: GENERATION });
  await script.add(await joinOp(ann, script.context));
  await script.junk(60);
  script.placeIn(log);
  const told: string[] = [];
  const same = new RoomArchive({ log, limits: LIMITS, told: (event) => told.push(event) });
  await archive(log, LIMITS, same);
  const once = log.read_;
  assert(once <= 61 + 2);
  for (let i = 0; i < 5; i++) assertEquals((await archive(log, LIMITS, same)).steps, 0);
  await script.junk(19);
  script.placeIn(log);
  assertEquals((await archive(log, LIMITS, same)).steps, 0, "not before many came");
  await script.junk(21);
  script.placeIn(log);
  await archive(log, LIMITS, same);
  assertEquals(log.read_, once + 40, "no op is judged twice in search of a place");
  assertEquals([told, log.snapshots.of(script.room)], [[], undefined]);
  await script.add(await hereOp(ann, script.context));
  await script.junk(20);
  script.placeIn(log);
  await archive(log, LIMITS, same);
  assertEquals([told, log.snapshots.of(script.room)?.epoch], [["snapshotStored"], 101]);
});

Deno.test("RoomArchive takes no void op, and none whose roster does not fit, for what bears a place out", async () => {
  const script = await Script.open();
  await script.add(await joinOp(ann, script.context));
  await script.junk(45);
  await script.add(await hereOp(bob, script.context)); // no member
  const { roster: _roster, ...rest } = script.context;
  await script.add(await hereOp(ann, { ...rest, roster: new Uint8Array(32) })); // valid, and of another story
  const log = memoryLog();
  script.placeIn(log);
  assertEquals([(await archive(log, LIMITS)).told, log.snapshots.of(script.room)], [[], undefined]);
});

Deno.test("RoomArchive never touches an invite room", async () => {
  const script = await Script.invite(ann);
  await script.add(await addOp(ann, script.context, bob.certificate));
  await script.junk(60);
  await script.add(await leaveOp(bob, script.context));
  const log = new CountingLog({ generation: GENERATION });
  script.placeIn(log);
  const same = new RoomArchive({ log, limits: LIMITS, told: () => {} });
  await archive(log, LIMITS, same);
  await script.junk(60);
  script.placeIn(log);
  await archive(log, LIMITS, same);
  assertEquals([log.snapshots.of(script.room), log.read_], [undefined, 1], "its first op says what it is");
  log.trim(Number.MAX_SAFE_INTEGER);
  assertEquals(log.ops(script.room, 0, ALL).length, script.ops.length);
});

Deno.test("RoomArchive works on other rooms while one gives nothing", async () => {
  const barren = await Script.open();
  await barren.junk(60);
  const script = await busyRoom();
  const log = memoryLog();
  barren.placeIn(log);
  script.placeIn(log);
  assertEquals((await archive(log, LIMITS)).told, ["snapshotStored"]);
  assertEquals(log.snapshots.of(script.room)?.epoch, 52);
});

Deno.test("RoomArchive goes on from the stored snapshot after a restart, when the ops before it are gone", () =>
  inTempDir(async (path) => {
    const limits = { roomOps: 80, opsKept: 10 };
    const script = await busyRoom();
    await archiveFile(path, limits, script, ["snapshotStored"]);
    await script.junk(40);
    await script.add(await hereOp(bob, script.context));
    await archiveFile(path, limits, script, ["snapshotStored"]);
    await withLog(path, async (log) => {
      assertEquals(log.snapshots.of(script.room)?.epoch, 96);
      assert(log.snapshots.oldestOp(script.room) > 50);
      await assertGoesOn(await takeSnapshot(log, script), log, script);
    }, { limits });
  }));

async function archiveFile(
  path: string,
  limits: Partial<EventLogLimits>,
  script: Script,
  expected: readonly string[],
): Promise<void> {
  await withLog(path, async (log) => {
    script.placeIn(log);
    assertEquals((await archive(log, LIMITS)).told, expected);
  }, { limits });
}

Deno.test("RoomArchive says that a snapshot was not stored when the file is full, and the room stays as it was", () =>
  inTempDir(async (path) => {
    const script = await busyRoom();
    await withLog(path, async (log) => {
      script.placeIn(log);
      // What is left of the file is filled.
      for (let id = 0; log.commit().kind === "stored"; id++) {
        const rest = { publisher: "P", kind: "message", body: new Uint8Array(4000), atMs: 1000 } as const;
        log.append({ stream: "inbox/a", id: id.toString(16).padStart(32, "0"), ...rest });
      }
      assertEquals((await archive(log, LIMITS)).told, ["snapshotNotStored"]);
      assertEquals([log.snapshots.of(script.room), log.ops(script.room, 0, ALL).length], [undefined, 56]);
    }, { maxFileBytes: 200_000 });
  }));

Deno.test("ArchiveLoop drives the archive by itself, and what comes later too, until it is closed", async () => {
  const [log, script] = [memoryLog(), await busyRoom()];
  const [stored, failed] = [Promise.withResolvers<void>(), Promise.withResolvers<never>()];
  const archive = new RoomArchive({ log, limits: LIMITS, told: () => stored.resolve() });
  const loop = new ArchiveLoop(archive, { failed: failed.reject, times: { restMs: 0, lookMs: 1 } });
  script.placeIn(log);
  await Promise.race([stored.promise, failed.promise]);
  await loop.close();
  assertEquals(log.snapshots.of(script.room)?.epoch, 52);
});

Deno.test("ArchiveLoop tells once when the log cannot be read, and rests", async () => {
  class UnreadableLog extends MemoryEventLog {
    override ops(): readonly StoredOp[] {
      throw new UserError("dataDirUnusable", "it is gone");
    }
  }
  const [log, script] = [new UnreadableLog({ generation: GENERATION }), await busyRoom()];
  script.placeIn(log);
  const failed = Promise.withResolvers<unknown>();
  let count = 0;
  const archive = new RoomArchive({ log, limits: LIMITS, told: () => {} });
  const loop = new ArchiveLoop(archive, {
    failed: (error) => failed.resolve(error instanceof UserError && [error.code, ++count]),
    times: { restMs: 0, lookMs: 0 },
  });
  assertEquals(await failed.promise, ["dataDirUnusable", 1]);
  await loop.close();
  assertEquals(count, 1);
});

Deno.test("ArchiveLoop ends at once, and leaves no timer behind", async () => {
  const loop = new ArchiveLoop(new RoomArchive({ log: memoryLog(), told: () => {} }), {
    failed: (error) => {
      throw error;
    },
  });
  await loop.close();
});

Deno.test("the ops that a relay always keeps are the places that members know", () => {
  assertEquals(OPS_KEPT_MIN, PLACES_KEPT);
});
