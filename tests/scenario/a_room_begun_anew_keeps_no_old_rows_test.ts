// Aim: when a relay has lost its log, an open room begins anew, and a store keeps nothing of what it was before.
import { assertEquals } from "@std/assert";
import { type FakeClient, FakeNet } from "../support/fake_net.ts";

/** The rows that somebody keeps of their rooms, by name. */
function rowsOf({ kept }: FakeClient): Map<string, string> {
  return new Map(kept.state.rooms?.map(({ name, value }) => [name, value.join()]));
}

/** Those that are of one life of a room. */
function livingRowsOf(client: FakeClient): string[] {
  return [...rowsOf(client).keys()].filter((name) => name.includes("/")).map((name) => name.split("/")[0] as string);
}

Deno.test("a room that begins anew leaves no chain and no waiting message of its former life in the store", async () => {
  const net = await FakeNet.create();
  const [alice, bob, carol] = [await net.join("alice"), await net.join("bob"), await net.join("carol")];
  await alice.type("with its key");
  net.tamper = (packet, to) =>
    to === bob && packet.message.t === "event" && packet.message.stream === bob.inbox ? [] : [packet];
  await carol.type("without its key");
  assertEquals(livingRowsOf(bob).toSorted(), ["chain", "held"]);
  const before = rowsOf(bob);
  // The same relay with an empty log: another log, under the same key.
  const fresh = await FakeNet.create(net.relayPublic);
  const again = await fresh.restart(bob);
  assertEquals([again.notices, livingRowsOf(again)], [["reset", "reset"], []]);
  const back = await fresh.restart(alice);
  await back.type("anew");
  assertEquals([again.texts, livingRowsOf(again)], [["anew"], ["chain"]]);
  const chain = [...rowsOf(again).keys()].find((name) => name.startsWith("chain/")) ?? "";
  assertEquals(before.has(chain), false);
  await again.drop();
  await back.type("once more");
  assertEquals((await fresh.restart(again)).texts, ["once more"]);
});
