// Aim: people of different rooms find each other by /users and talk in private; nobody else hears it.
import { assertEquals } from "@std/assert";
import { FakeNet } from "../support/fake_net.ts";

Deno.test("a private message reaches somebody of another room once /users has shown them", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice", { room: "lobby" });
  const bob = await net.join("bob", { room: "attic" });
  const carol = await net.join("carol", { room: "attic" });
  await alice.type("/pm bob too early");
  assertEquals(alice.all("error").map((error) => error.code), ["noSuchPerson"]);
  await alice.type("/users");
  const [users] = alice.all("users");
  assertEquals(users?.members, []);
  assertEquals(users?.elsewhere.map((member) => member.handle), ["bob", "carol"]);
  await alice.type("/pm bob hello over there");
  assertEquals(bob.all("message").map(({ text, place }) => [text, place]), [["hello over there", { to: "bob" }]]);
  assertEquals(carol.texts, []);
});

Deno.test("whoever got a private message can answer it without /users", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice", { room: "lobby" });
  const bob = await net.join("bob", { room: "attic" });
  await alice.type("/users");
  await alice.type("/pm bob hello");
  await bob.type("/pm alice hello yourself");
  assertEquals(alice.texts, ["hello yourself"]);
});

Deno.test("people of different rooms do not hear each other's room", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice", { room: "lobby" });
  const bob = await net.join("bob", { room: "attic" });
  const carol = await net.join("carol", { room: "Lobby" }); // the same room, for names are folded
  await alice.type("in the lobby");
  assertEquals(bob.events.map((event) => event.type), ["ready"]);
  assertEquals(carol.texts, ["in the lobby"]);
});

Deno.test("/users forgets whoever has left the relay", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice", { room: "lobby" });
  const bob = await net.join("bob", { room: "attic", life: "ephemeral" });
  await alice.type("/users");
  await alice.type("/pm bob hello");
  await bob.drop();
  await alice.type("/pm bob are you there");
  assertEquals(alice.all("error").map((error) => error.code), ["noSuchPerson"]);
  await net.advance(1_000);
  await alice.type("/users");
  assertEquals(alice.all("users").map(({ elsewhere }) => elsewhere.length), [1, 0]);
});

Deno.test("many /users at once are all answered, with few questions to the relay", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  await net.join("bob");
  for (let i = 0; i < 300; i++) {
    await alice.enter("/users", `ref ${i}`);
    if (!alice.chat.takesInput) await net.settle();
  }
  await net.settle();
  await net.advance(100);
  assertEquals(alice.all("users").map(({ ref }) => ref), Array.from({ length: 300 }, (_, i) => `ref ${i}`));
  assertEquals(alice.closed, undefined);
  assertEquals(net.sent.filter(({ packet }) => packet.message.t === "who").length <= 4, true);
});
