// Aim: a message that was on its way while somebody was removed is sealed again for those who are left: it reaches them
// once, in its place among its author's lines and under its own id, and never the one who was removed.
import { assertEquals } from "@std/assert";
import { decodeKnownChain } from "../../lib/e2ee/room_rows.ts";
import { type FakeClient, FakeNet } from "../support/fake_net.ts";
import { HostileRelay } from "../support/hostile_relay.ts";

/** A room of four, in which alice rules and bob has spoken, so that his keys are with everybody. */
async function stage() {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  const alice = await net.join("alice");
  await alice.type("/room create den --invite-only");
  const others: FakeClient[] = [];
  for (const name of ["bob", "carol", "dave"]) {
    const person = await net.join(name);
    await alice.type("/users");
    await alice.type(`/invite ${name}`);
    await person.type("/join den");
    others.push(person);
  }
  const [bob, carol, dave] = others as [FakeClient, FakeClient, FakeClient];
  await bob.type("zero");
  return { net, relay, alice, bob, carol, dave };
}

Deno.test("what was on its way while somebody was removed is sealed again and reaches the others in order", async () => {
  const { net, relay, alice, bob, carol, dave } = await stage();
  net.hold(bob, "toClient"); // he does not hear of it
  await bob.type("one");
  await alice.type("/remove carol");
  for (const line of ["two", "three"]) await bob.type(line);
  assertEquals([alice.texts, dave.texts], [["zero", "one"], ["zero", "one"]]);
  net.release(bob);
  await net.settle();
  await bob.type("four");
  const codes = relay.passed.flatMap(({ to, packet: { message } }) =>
    to === bob && message.t === "refused" ? [message.code] : []
  );
  assertEquals(codes, ["stale", "stale"]);
  const all = ["zero", "one", "two", "three", "four"];
  assertEquals([alice.texts, dave.texts, carol.texts], [all, all, ["zero", "one"]]);
  assertEquals([alice.ids, dave.ids], [bob.ids, bob.ids]);
  for (const person of [alice, bob, dave]) {
    assertEquals([person.all("gap"), person.all("fork"), person.all("error")], [[], [], []]);
  }
});

Deno.test("what is sealed again cannot be opened with the keys of the one who was removed", async () => {
  const { net, alice, bob, carol, dave } = await stage();
  const copy = carol.kept.copy();
  net.hold(bob, "toClient");
  await alice.type("/remove carol");
  const before = net.sent.length;
  await bob.type("written before he heard of it");
  net.release(bob);
  await net.settle();
  assertEquals([alice.texts, dave.texts].map((texts) => texts.at(-1)), Array(2).fill("written before he heard of it"));
  const sealed = net.sent.slice(before).flatMap(({ packet: { message, body } }) =>
    message.t === "publish" && message.kind === "message" ? [{ id: message.id, body }] : []
  );
  const rows = (copy.state.rooms ?? []).filter(({ name }) => name.startsWith("chain/"));
  const chains = await Promise.all(rows.map(async ({ value }) => (await decodeKnownChain(value)).chain));
  const opened = await Promise.all(sealed.map(async ({ body }) => {
    const tries = await Promise.allSettled(chains.map((chain) => chain.open(body, { nowMs: 0 })));
    return tries.some((one) => one.status === "fulfilled" && one.value.kind === "opened");
  }));
  assertEquals([new Set(sealed.map(({ id }) => id)).size, opened], [1, [true, false]]); // the relay did not place the first
});

Deno.test("a line that is written once the removal was heard of does not overtake those from before", async () => {
  const { net, alice, bob, carol, dave } = await stage();
  net.hold(bob, "toRelay");
  for (const line of ["one", "two"]) await bob.enter(line);
  await alice.type("/remove carol");
  assertEquals(bob.all("memberRemoved").length, 1);
  await bob.enter("three");
  net.release(bob);
  await net.settle();
  const all = ["zero", "one", "two", "three"];
  assertEquals([alice.texts, dave.texts, carol.texts], [all, all, ["zero"]]);
});

Deno.test("lines of two authors that missed the same removal reach everybody in one order", async () => {
  const { net, alice, bob, carol, dave } = await stage();
  await dave.type("and I");
  for (const author of [bob, dave]) net.hold(author, "toClient");
  await alice.type("/remove carol");
  for (const line of ["b1", "b2"]) await bob.enter(line);
  for (const line of ["d1", "d2"]) await dave.enter(line);
  await net.settle();
  for (const author of [dave, bob]) net.release(author);
  await net.settle();
  assertEquals([carol.texts, alice.texts.length], [["zero", "and I"], 6]);
  assertEquals([alice.ids, dave.ids], [bob.ids, bob.ids]);
  assertEquals([bob.texts, dave.texts], [["and I", "d1", "d2"], ["zero", "b1", "b2"]]);
});

Deno.test("lines of the one who was removed that were on their way are told as not sent, and nobody reads them", async () => {
  const { net, alice, bob, carol, dave } = await stage();
  net.hold(bob, "toRelay");
  for (const line of ["one", "two"]) await bob.enter(line);
  await alice.type("/remove bob");
  net.release(bob);
  await net.settle();
  const errors = bob.all("error").map(({ code, message }) => [code, message]);
  assertEquals(errors, [["unsent", "Not sent: one"], ["unsent", "Not sent: two"]]);
  assertEquals(bob.all("roomLeft").map(({ reason, by, current }) => [reason, by, current]), [
    ["removed", "alice", "lobby"],
  ]);
  assertEquals([alice, carol, dave].map(({ texts }) => texts), Array(3).fill(["zero"]));
});

Deno.test("a message of an open room that missed one who left is taken as it is", async () => {
  const net = await FakeNet.create();
  const [alice, bob, carol] = [await net.join("alice"), await net.join("bob"), await net.join("carol")];
  await bob.type("zero");
  net.hold(bob, "toClient");
  await carol.type("/leave lobby");
  const before = net.sent.length;
  for (const line of ["one", "two"]) await bob.type(line);
  assertEquals([alice.texts, carol.texts], [["zero", "one", "two"], ["zero"]]);
  net.release(bob);
  await net.settle();
  const sealed = net.sent.slice(before).filter(({ packet: { message } }) => message.t === "publish");
  assertEquals([sealed.length, bob.all("accepted").length, alice.all("fork")], [2, 3, []]);
});
