// Aim: what a room is about reaches its members at once, whoever is invited with the invitation, and whoever comes by
// themselves with the next line of whoever said it; it is sealed like any line, and told once.
import { assertEquals } from "@std/assert";
import { type FakeClient, FakeNet } from "../support/fake_net.ts";

function topics(reader: FakeClient): (readonly [string, string, string | undefined])[] {
  return reader.all("topic").map(({ room, topic, by }) => [room, topic, by] as const);
}

Deno.test("a topic reaches those in an open room at once, and newcomers with the next line of whoever said it", async () => {
  const net = await FakeNet.create();
  const [alice, bob] = [await net.join("alice", { room: "garden" }), await net.join("bob", { room: "garden" })];
  await alice.type("/topic roses");
  assertEquals(topics(bob), [["garden", "roses", "alice"]]);
  const carol = await net.join("carol", { room: "garden" });
  await bob.type("hello carol");
  assertEquals([carol.texts, topics(carol)], [["hello carol"], []]);
  await alice.type("hello");
  const types = carol.events.map(({ type }) => type).filter((type) => type === "message" || type === "topic");
  assertEquals([types, topics(carol)], [["message", "topic", "message"], [["garden", "roses", "alice"]]]);
  await alice.type("hello again");
  await carol.type("/topic");
  assertEquals(topics(carol).slice(1), [["garden", "roses", undefined]]);
  assertEquals([topics(bob).length, topics(alice).length], [1, 1], "told once to those who know it");
});

Deno.test("a topic that was taken back or changed before somebody came is not told to them", async () => {
  const net = await FakeNet.create();
  const [alice, bob] = [await net.join("alice", { room: "garden" }), await net.join("bob", { room: "garden" })];
  await alice.type("/topic roses");
  await bob.type("/topic tulips");
  const carol = await net.join("carol", { room: "garden" });
  await alice.type("from alice");
  await bob.type("from bob");
  assertEquals(topics(carol), [["garden", "tulips", "bob"]]);
  await bob.type("/topic none");
  const dave = await net.join("dave", { room: "garden" });
  await alice.type("from alice");
  await bob.type("from bob");
  assertEquals([topics(dave).map(([, topic]) => topic).join(), topics(carol).at(-1)], ["", ["garden", "", "bob"]]);
});

Deno.test("somebody invited knows the topic when they come in, and still after a restart", async () => {
  const net = await FakeNet.create();
  const [alice, bob] = [await net.join("alice"), await net.join("bob")];
  await alice.type("/room create den --invite-only");
  await alice.type("/topic the plan");
  await alice.type("/invite bob");
  await bob.type("/join den");
  assertEquals(bob.all("roomJoined").map(({ room, topic }) => [room, topic]), [["den", "the plan"]]);
  await bob.drop();
  assertEquals((await net.restart(bob)).all("ready").map(({ room, topic }) => [room, topic]), [["den", "the plan"]]);
  assertEquals(net.bodies.some((body) => new TextDecoder().decode(body).includes("the plan")), false);
});
