// Aim: never more messages are told as missing than are, and none twice; all are once it is known which ops were left out.
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { RoomHoles } from "../../lib/chat/room_holes.ts";

Deno.test("RoomHoles tells at once what is missing where no op is ahead", () => {
  const holes = new RoomHoles();
  assertEquals([holes.took(3), holes.took(0), holes.took(2, 7), holes.caughtUp()], [3, 0, 2, 0]);
});

Deno.test("RoomHoles counts an op that passes by later as one that was not left out", () => {
  const holes = new RoomHoles();
  for (const epoch of [4, 5]) holes.fetched(epoch);
  assertEquals([holes.took(2), holes.took(0, 5), holes.took(1)], [0, 1, 1], "4 was left out, 5 was not");
});

Deno.test("RoomHoles.caughtUp() counts the ops that never passed by as left out", () => {
  const holes = new RoomHoles();
  for (const epoch of [4, 5]) holes.fetched(epoch);
  assertEquals([holes.took(3), holes.caughtUp(), holes.caughtUp(), holes.took(1)], [1, 0, 0, 1]);
});

Deno.test("RoomHoles.toldOf() keeps what an author told from being told once more", () => {
  const holes = new RoomHoles();
  holes.fetched(4);
  assertEquals(holes.took(1), 0);
  holes.toldOf(1);
  assertEquals(holes.took(0, 4), 0);
  holes.fetched(5);
  holes.toldOf(1); // nothing is left out, so this is about something else
  assertEquals([holes.took(1), holes.took(0, 5)], [0, 1]);
});

Deno.test("RoomHoles.forget() leaves nothing to be told", () => {
  const holes = new RoomHoles();
  holes.fetched(4);
  holes.took(1);
  holes.forget();
  assertEquals([holes.took(0, 9), holes.caughtUp()], [0, 0]);
});

Deno.test("RoomHoles tells in the end just the messages that were left out, and never more on the way", () => {
  const place = fc.record({ isOp: fc.boolean(), isLost: fc.boolean() });
  fc.assert(fc.property(fc.array(place, { maxLength: 40 }), (stream) => {
    const holes = new RoomHoles();
    const ops = stream.filter(({ isOp }) => isOp).length;
    for (let epoch = 1; epoch <= ops; epoch++) holes.fetched(epoch);
    let [left, epoch, lost, told] = [0, 0, 0, 0];
    for (const { isOp, isLost } of stream) {
      if (isOp) epoch++;
      if (isLost) {
        left++;
        if (!isOp) lost++;
        continue;
      }
      told += isOp ? holes.took(left, epoch) : holes.took(left);
      left = 0;
      assertEquals(told <= lost, true);
      if (isOp) assertEquals(told, lost);
    }
    assertEquals(told + holes.took(left) + holes.caughtUp(), lost);
  }));
});
