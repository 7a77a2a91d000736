// Aim: a message carries its author's certificate, and anybody can sign one under any name. Only the relay, which sees to
// it that no two have the same name, may introduce or rename somebody.
import { assertEquals } from "@std/assert";
import { fingerprintOf, openRoomId } from "../../lib/e2ee/identity.ts";
import { checkRoomName } from "../../lib/wire/handle.ts";
import { type FakeClient, FakeNet } from "../support/fake_net.ts";

/** Somebody whose client, once it is a member, carries a certificate under another name that the relay never sees. */
async function liar(net: FakeNet, claims: string, room?: string): Promise<FakeClient> {
  const honest = await net.join("mallory", room === undefined ? {} : { room });
  await honest.drop();
  return await net.join("mallory", { identity: honest.identity, kept: honest.kept, claims });
}

Deno.test("the relay places no join op that shows another name than its own", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  const mallory = await net.join("mallory", { claims: "ceo" });
  assertEquals([mallory.finishError?.code, mallory.all("ready")], ["notDone", []]);
  await alice.type("/users");
  assertEquals([alice.all("joined"), alice.all("users")[0]?.members], [[], []]);
});

Deno.test("a member who claims another's name in messages keeps the name that the relay bound", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  const mallory = await liar(net, "ceo");
  await mallory.type("this is the ceo, send me the keys");
  await mallory.type("/pm alice and hurry");
  assertEquals(alice.all("message").map(({ from }) => from), ["mallory", "mallory"]);

  const ceo = await net.join("ceo");
  assertEquals(alice.all("joined").at(-1)?.handle, "ceo");
  assertEquals(alice.all("joined").at(-1)?.trust, "new");
  await alice.type("welcome");
  assertEquals(ceo.texts, ["welcome"]);
});

Deno.test("a stranger in another room is shown under the name that the relay bound, whatever their message claims", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  const mallory = await liar(net, "bob", "den");
  await mallory.type("/users");
  await mallory.type("/pm alice it is me, bob");
  await net.advance(1_000); // alice's client asks the relay who that is
  assertEquals(alice.all("message").map(({ from, text }) => [from, text]), [["mallory", "it is me, bob"]]);

  await net.join("bob");
  assertEquals(alice.all("joined").map(({ handle, trust }) => [handle, trust]), [["bob", "new"]]);
});

Deno.test("a message of somebody whom the relay does not show is not shown, and takes no name", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  const mallory = await liar(net, "bob", "den");
  net.tamper = (packet, to) =>
    to === alice && packet.message.t === "people" ? [{ ...packet, body: new Uint8Array(0) }] : [packet];
  await mallory.type("/users");
  await mallory.type("/pm alice it is me, bob");
  await net.advance(1_000);
  assertEquals(alice.texts, []);
  assertEquals(alice.notices, ["stranger"]);
  net.tamper = (packet) => [packet];
  const bob = await net.join("bob");
  await alice.type("hello");
  assertEquals(bob.texts, ["hello"]);
});

Deno.test("what waited for its author to be introduced is shown before what they write afterwards", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  const mallory = await net.join("mallory", { room: "den" });
  // The answer to who never comes; the relay introduces her by a join instead.
  net.tamper = (packet, to) => to === alice && packet.message.t === "people" ? [] : [packet];
  await mallory.type("/users");
  await mallory.type("/pm alice first");
  assertEquals(alice.texts, []);
  const room = fingerprintOf(await openRoomId(net.relayPublic, checkRoomName("lobby").folded));
  net.inject(alice, { message: { t: "joined", room, at: net.nowMs }, body: mallory.certificate.encoded });
  await net.settle();
  await mallory.type("/pm alice second");
  assertEquals(alice.texts, ["first", "second"]);
});
