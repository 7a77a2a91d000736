/**
 * An open room whose old ops are gone: the archive at work beside a relay in memory, with bounds that a test can reach.
 */
import { RoomArchive } from "../../lib/io/room_archive.ts";
import type { EventLog } from "../../lib/relay/event_log.ts";
import type { Fingerprint } from "../../lib/wire/messages.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { FakeNet } from "./fake_net.ts";
import { RawMember } from "./raw_member.ts";

/** Ops of a room that are kept here, so many of them always; and events of its stream, fewer as on a real relay. */
export const LIMITS = { roomOps: 120, opsKept: 20, streamEvents: 60 };

/** A relay that keeps few ops. */
export function smallNet(): Promise<FakeNet> {
  return FakeNet.create(undefined, undefined, LIMITS);
}

/** What an archive said, and how often it had something to do. */
export interface Archived {
  readonly told: string[];
  readonly steps: number;
}

/** Lets an archive do all that there is to do. */
export async function archive(
  log: EventLog,
  limits = { afterOps: 40, stepOps: 20 },
  by?: RoomArchive,
): Promise<Archived> {
  const told: string[] = [];
  const archive = by ?? new RoomArchive({ log, limits, told: (event) => told.push(event) });
  let steps = 0;
  while (await archive.step()) if (++steps > 10_000) throw new Error("the archive never ends");
  return { told, steps };
}

/** Fills a room with junk, of whom one machine can be; gives what became of the last op. */
export async function flood(net: FakeNet, room: Fingerprint, count: number): Promise<void> {
  let left = count;
  for (let i = 0; left > 0; i++) {
    const eve = await RawMember.open(net, `eve${net.everybody.length}x${i}x${net.log.epoch(room)}`);
    await eve.say({ t: "enter", room });
    for (let op = 0; op < 200 && left > 0; op++, left--) await eve.publish(room, "op", secureRandom(40));
    net.relayInput({ kind: "ended", link: eve.link, reason: "lost", nowMs: net.nowMs });
    await net.settle();
  }
}
