// Aim: who has read nothing of a room, or asks for ops that are gone, is told its snapshot in parts and then the ops after
// it; who asks for ops that are there gets these; a message of a place that nobody knows any more is stale.
import { assert, assertEquals } from "@std/assert";
import { type Bytes, concat, lv, u8 } from "../../lib/bytes/writer.ts";
import { OPS_KEPT_MIN } from "../../lib/relay/event_log.ts";
import { OP_KIND, SNAPSHOT_PART_BYTES } from "../../lib/wire/bodies.ts";
import type { Packet, RelayMessage } from "../../lib/wire/messages.ts";
import { idOf, LOBBY, LOBBY_STREAM, RelayBench } from "./_workbench.ts";

const OP = concat(lv(u8(1)), lv(new Uint8Array(32)), lv(u8(OP_KIND.here)), lv(new Uint8Array(0)));
const BODY: Bytes = new Uint8Array(2 * SNAPSHOT_PART_BYTES + 100).map((_, i) => i % 251);

class SnapshotBench extends RelayBench {
  constructor(limits = { roomOps: 50, opsKept: 5 }) {
    super({ limits });
  }

  /** Puts ops into the lobby's log. */
  place(count: number): void {
    for (let i = 0; i < count; i++) {
      const id = idOf(this.log.epoch(LOBBY) + 1);
      const event = { stream: LOBBY_STREAM, publisher: "P", kind: "op", id, body: OP, atMs: this.nowMs } as const;
      assertEquals(this.log.append(event).kind, "placed");
    }
    this.log.commit();
  }

  ask(link: number, after: number): void {
    this.take(link);
    this.say(link, { t: "getOps", ref: 9, room: LOBBY, after });
  }

  /** Reads the whole answer, in short. */
  answer(link: number, after: number): string[] {
    this.ask(link, after);
    return this.drainAll(link).map(inShort);
  }
}

function inShort({ message, body }: Packet<RelayMessage>): string {
  const more = "more" in message && message.more ? " more" : "";
  if (message.t === "ops") return `ops from ${message.first} of ${message.epoch}${more}`;
  if (message.t !== "snapshot") return message.t;
  return `snapshot ${message.epoch} at ${message.offset}, ${body.length}${more}`;
}

const PARTS = (epoch: number) => [
  `snapshot ${epoch} at 0, ${SNAPSHOT_PART_BYTES} more`,
  `snapshot ${epoch} at ${SNAPSHOT_PART_BYTES}, ${SNAPSHOT_PART_BYTES} more`,
  `snapshot ${epoch} at ${2 * SNAPSHOT_PART_BYTES}, 100`,
];

Deno.test("Relay.handle() answers getOps after 0 with the snapshot in parts, and the ops after it", () => {
  const bench = new SnapshotBench();
  const alice = bench.join("alice");
  bench.place(30);
  assertEquals(bench.answer(alice, 0), ["ops from 1 of 30"]);
  bench.log.snapshots.keep(LOBBY, 20, BODY);
  assertEquals(bench.answer(alice, 0), [...PARTS(20), "ops from 21 of 30"]);
  bench.ask(alice, 0);
  const parts = bench.drainAll(alice).flatMap(({ message, body }) => message.t === "snapshot" ? [message, body] : []);
  assertEquals(parts[0], { t: "snapshot", ref: 9, room: LOBBY, epoch: 20, offset: 0, more: true });
  assertEquals(concat(...parts.filter((part) => part instanceof Uint8Array) as Bytes[]), BODY);
});

Deno.test("Relay.handle() answers getOps after a place that is there with ops, and after one that is gone with the snapshot", () => {
  const bench = new SnapshotBench();
  const alice = bench.join("alice");
  bench.place(50);
  bench.log.snapshots.keep(LOBBY, 20, BODY);
  assertEquals(bench.answer(alice, 1), ["ops from 2 of 50"], "nothing is gone yet");
  bench.place(5);
  assertEquals(bench.log.snapshots.oldestOp(LOBBY), 21);
  assertEquals(bench.answer(alice, 20), ["ops from 21 of 55"]);
  assertEquals(bench.answer(alice, 55), ["ops from 56 of 55"]);
  assertEquals(bench.answer(alice, 99), ["ops from 56 of 55"]);
  assertEquals(bench.answer(alice, 19), [...PARTS(20), "ops from 21 of 55"]);
});

Deno.test("Relay.handle() begins anew with a snapshot that took the place of the one that it was telling", () => {
  const bench = new SnapshotBench();
  const alice = bench.join("alice");
  bench.place(30);
  // More than what is sent before the link must be empty again.
  const long = new Uint8Array(300 * 1024);
  bench.log.snapshots.keep(LOBBY, 20, long);
  bench.ask(alice, 0);
  const first = bench.take(alice).map(inShort);
  assert(first.length > 1 && first.every((part) => part.startsWith("snapshot 20")));
  bench.log.snapshots.keep(LOBBY, 28, BODY);
  assertEquals(bench.drainAll(alice).map(inShort), [...PARTS(28), "ops from 29 of 30"]);
});

Deno.test("Relay.handle() goes on with the snapshot when the next op was dropped while they were told", () => {
  const bench = new SnapshotBench({ roomOps: 400, opsKept: 5 });
  const alice = bench.join("alice");
  bench.place(400);
  bench.log.snapshots.keep(LOBBY, 10, BODY);
  bench.ask(alice, 11);
  bench.take(alice);
  // All of it fits one lot here, so that it is asked for once more, as one that waits.
  bench.say(alice, { t: "getOps", ref: 9, room: LOBBY, after: 12 });
  bench.log.snapshots.keep(LOBBY, 390, BODY);
  bench.place(1);
  assert(bench.log.snapshots.oldestOp(LOBBY) > 13);
  assertEquals(bench.drainAll(alice).map(inShort), [...PARTS(390), "ops from 391 of 401"]);
});

Deno.test("Relay.handle() answers stale for a message of a place that members do not know any more", () => {
  const bench = new SnapshotBench({ roomOps: 3000, opsKept: OPS_KEPT_MIN });
  const alice = bench.join("alice");
  bench.place(OPS_KEPT_MIN + 1);
  const said = (epoch: number) => {
    bench.take(alice);
    const id = idOf(0x9000 + epoch);
    bench.say(alice, { t: "publish", stream: LOBBY_STREAM, kind: "message", id, epoch, slack: 64 }, u8(1));
    return bench.heard(alice).map((answer) => answer.t === "refused" ? answer.code : answer.t);
  };
  assertEquals([said(0), said(1), said(2)], [["stale"], ["stale"], ["accepted"]]);
});
