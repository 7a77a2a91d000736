// Aim: packets have their turns in the order in which they came, and the first of a lot says what follows.
import { assertEquals, assertThrows } from "@std/assert";
import { DecodeError } from "../../lib/bytes/errors.ts";
import { Arrivals } from "../../lib/io/arrivals.ts";
import type { RawPacket } from "../../lib/wire/packet.ts";

const NOW_MS = 1;

function low(left: number): RawPacket {
  return { header: { t: "prekeysLow", left }, body: new Uint8Array(0) };
}

function next(arrivals: Arrivals) {
  const input = arrivals.next(NOW_MS);
  if (input.kind !== "packet") throw new TypeError("not a packet");
  const left = ({ message }: typeof input.packet) => message.t === "prekeysLow" ? message.left : undefined;
  return { left: left(input.packet), coming: input.coming?.map(left), packets: [input.packet, ...input.coming ?? []] };
}

Deno.test("Arrivals.next() gives the packets in order, and with the first those that follow, the very same", () => {
  const arrivals = new Arrivals();
  arrivals.take([low(1), low(2), low(3)]);
  const first = next(arrivals);
  assertEquals([first.left, first.coming, arrivals.isMoreComing], [1, [2, 3], true]);
  const second = next(arrivals);
  assertEquals([second.left, second.coming, arrivals.isMoreComing], [2, [], true]);
  assertEquals(second.packets[0] === first.packets[1], true);
  assertEquals([next(arrivals).left, arrivals.isMoreComing], [3, false]);
  arrivals.take([low(4)]);
  assertEquals([next(arrivals).left, arrivals.isMoreComing], [4, false]);
});

Deno.test("Arrivals.next() says that a packet is malformed in its turn, and not before", () => {
  const arrivals = new Arrivals();
  arrivals.take([low(1), { header: { t: "prekeysLow" }, body: new Uint8Array(0) }, low(3)]);
  assertEquals(next(arrivals).coming, [3]);
  assertThrows(() => arrivals.next(NOW_MS), DecodeError);
  assertEquals(next(arrivals).left, 3);
});

Deno.test("Arrivals.take() forgets what had no turn before a link ended", () => {
  const arrivals = new Arrivals();
  arrivals.take([low(1), low(2)]);
  next(arrivals);
  arrivals.take([]);
  assertEquals(arrivals.isMoreComing, false);
  assertThrows(() => arrivals.next(NOW_MS), TypeError);
});
