// Aim: whoever puts an old copy of their client's state back is told of what cannot be opened, and after some lines of
// everybody all read each other again, in private and in rooms: no session and no chain stays dead.
import { assertEquals } from "@std/assert";
import { type FakeClient, FakeNet } from "../support/fake_net.ts";

/** What each of two writes, in the room and in private, until both have read a line of the other everywhere. */
async function rounds(alice: FakeClient, bob: FakeClient, most: number): Promise<number> {
  for (let round = 1; round <= most; round++) {
    const before = [alice.texts.length, bob.texts.length];
    for (const [who, other] of [[alice, "bob"], [bob, "alice"]] as const) {
      await who.type(`room ${round}`);
      await who.type(`/pm ${other} private ${round}`);
    }
    const read = [alice.texts.slice(before[0]), bob.texts.slice(before[1])];
    if (read.every((texts) => [`room ${round}`, `private ${round}`].every((text) => texts.includes(text)))) {
      return round;
    }
  }
  return Infinity;
}

for (const [name, turns] of [["a few turns", 2], ["many turns", 8]] as const) {
  for (const isNew of [false, true]) {
    Deno.test(`a copy from before ${name}${isNew ? " and a new session" : ""} talks again after some lines`, async () => {
      const net = await FakeNet.create();
      const [first, bob] = [await net.join("alice"), await net.join("bob")];
      await rounds(first, bob, 1);
      const old = bob.kept.copy();
      await first.drop();
      const alice = await net.restart(first); // on a new chain, which the copy does not have
      let newest = bob;
      for (let turn = 0; turn < turns; turn++) {
        await alice.type("/pm bob again");
        await newest.type("/pm alice again");
        await alice.type("again");
        await newest.type("again");
      }
      if (isNew) {
        await newest.drop();
        newest = await net.join("bob", { identity: bob.identity, kept: bob.kept }); // a newer certificate
        await alice.type("/pm bob on a new session");
        await newest.type("/pm alice on a new session");
      }
      await newest.drop();
      const again = await net.restart(newest, old);
      const took = await rounds(alice, again, 4);
      assertEquals(took <= 4, true, `both read both: after ${took} rounds`);
      assertEquals(again.notices.includes("cannotOpen") || alice.notices.includes("cannotOpen") || took === 1, true);
    });
  }
}

Deno.test("a copy from before a session that both use is written to on another one", async () => {
  const net = await FakeNet.create();
  const [alice, bob] = [await net.join("alice"), await net.join("bob")];
  await rounds(alice, bob, 1);
  const old = bob.kept.copy();
  await bob.drop();
  const newer = await net.join("bob", { identity: bob.identity, kept: bob.kept }); // with a newer certificate
  await alice.type("/pm bob on a new session");
  await newer.type("/pm alice on it as well");
  await newer.drop();
  const again = await net.restart(newer, old);
  const took = await rounds(alice, again, 4);
  assertEquals(took <= 4, true, `both read both: after ${took} rounds`);
  assertEquals(again.notices.includes("cannotOpen"), true);
});
