// Aim: every member of a room hears every message once, and all hear them in the same order.
import { assertEquals } from "@std/assert";
import { FakeNet } from "../support/fake_net.ts";

for (const count of [3, 12]) {
  Deno.test(`a room of ${count} hears everything once and in one order`, async () => {
    const net = await FakeNet.create();
    const people = [];
    for (let i = 0; i < count; i++) people.push(await net.join(`person-${i}`));
    const written: string[] = [];
    for (let round = 0; round < 4; round++) {
      for (const [i, person] of people.entries()) {
        written.push(`round ${round} from ${i}`);
        await person.enter(`round ${round} from ${i}`);
      }
      await net.settle();
    }
    const order = people[0]?.ids ?? [];
    assertEquals(order.length, written.length);
    assertEquals(new Set(order).size, order.length);
    for (const [i, person] of people.entries()) {
      assertEquals(person.ids, order);
      assertEquals(person.texts.toSorted(), written.filter((text) => !text.endsWith(` from ${i}`)).toSorted());
      assertEquals(person.all("accepted").map((event) => event.text), written.filter((t) => t.endsWith(` from ${i}`)));
      assertEquals(person.notices, []);
    }
  });
}

Deno.test("two exchange 500 messages in order while a third joins and leaves", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  const bob = await net.join("bob");
  const fromAlice: string[] = [];
  const fromBob: string[] = [];
  for (let i = 0; i < 50; i++) {
    const carol = await net.join("carol", i > 0 ? { identity: carolIdentity(net) } : {});
    for (let j = 0; j < 5; j++) {
      fromAlice.push(`a${i}.${j}`);
      fromBob.push(`b${i}.${j}`);
      await alice.enter(`a${i}.${j}`);
      await bob.enter(`b${i}.${j}`);
    }
    if (i % 2 === 0) await net.settle();
    await carol.drop(i % 3 === 0 ? "quit" : "lost");
    net.nowMs += 60;
  }
  await net.settle();
  assertEquals(alice.texts, fromBob);
  assertEquals(bob.texts, fromAlice);
  assertEquals(alice.all("accepted").length, fromAlice.length);
});

function carolIdentity(net: FakeNet) {
  const before = net.everybody.find((client) => client.certificate.handle === "carol");
  if (before === undefined) throw new Error("carol was never here");
  return before.identity;
}
