// Aim: a client that kept its state is the same one after a restart: sessions, names, trust and places go on, and what
// reached the relay meanwhile is read once. State put back from an old copy never uses a key twice.
import { assert, assertEquals } from "@std/assert";
import { encodeHex } from "@std/encoding/hex";
import { createCertificate } from "../../lib/e2ee/certificate.ts";
import { generateIdentity } from "../../lib/e2ee/identity.ts";
import type { Packet, RelayMessage } from "../../lib/wire/messages.ts";

import { FakeNet } from "../support/fake_net.ts";

Deno.test("a restarted client goes on in the sessions it had, without asking for keys", async () => {
  const net = await FakeNet.create();
  const [alice, bob] = [await net.join("alice"), await net.join("bob")];
  await alice.type("/pm bob one");
  await bob.type("/pm alice two");
  await bob.drop();
  const again = await net.restart(bob);
  net.sent.length = 0;
  await again.type("/pm alice three");
  await alice.type("/pm bob four");
  await alice.type("five");
  assertEquals([alice.texts, again.texts], [["two", "three"], ["four", "five"]]);
  assertEquals(net.sent.filter(({ packet }) => packet.message.t === "getBundle"), []);
});

Deno.test("whoever was met is known after a restart, verified stays verified, and distrust stays", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  for (const name of ["bob", "carol", "dave"]) await net.join(name);
  await alice.type("/verify carol");
  await alice.type("/verify carol yes");
  await alice.type("/distrust dave");
  await alice.drop();
  const again = await net.restart(alice);
  const members = again.all("ready")[0]?.members.map(({ handle, trust }) => [handle, trust]);
  assertEquals(members, [["bob", "known"], ["carol", "verified"], ["dave", "changed"]]);
});

Deno.test("a name that was met belongs to its key after a restart", async () => {
  const net = await FakeNet.create();
  const [alice, bob] = [await net.join("alice"), await net.join("bob")];
  await alice.drop();
  await bob.drop();
  await net.advance(3_600_000); // the relay gives the name away
  const mallory = await net.join("bob");
  const again = await net.restart(alice);
  assertEquals(again.all("ready")[0]?.members.map(({ trust }) => trust), ["known"]); // the bob who is away
  assertEquals(again.all("joined").map(({ handle, trust }) => [handle, trust]), [["bob", "changed"]]);
  await again.type("for the real bob");
  await again.type("/pm bob for the real bob");
  assertEquals(mallory.texts, []);
  assertEquals(again.all("error").map(({ code }) => code), ["keyChanged"]);
});

Deno.test("what was stored for a client and not handed over is read once after its restart", async () => {
  const net = await FakeNet.create();
  const [alice, bob] = [await net.join("alice"), await net.join("bob")];
  await alice.type("one");
  net.tamper = (packet, to) => to === bob && packet.message.t === "event" ? [] : [packet]; // the line is dying
  await alice.type("two");
  await alice.type("/pm bob three");
  net.tamper = (packet) => [packet];
  await bob.drop();
  const again = await net.restart(bob);
  assertEquals([bob.texts, again.texts.toSorted()], [["one"], ["three", "two"]]);
  await again.drop();
  assertEquals((await net.restart(again)).texts, []);
});

Deno.test("messages of somebody who has left meanwhile are shown under their name", async () => {
  const net = await FakeNet.create();
  const [alice, bob] = [await net.join("alice"), await net.join("bob")];
  net.tamper = (packet, to) => to === bob && packet.message.t === "event" ? [] : [packet];
  await alice.type("gone tomorrow");
  net.tamper = (packet) => [packet];
  await bob.drop();
  await alice.drop();
  const again = await net.restart(bob);
  assertEquals(again.all("message").map(({ from, trust, text }) => [from, trust, text]), [
    ["alice", "known", "gone tomorrow"],
  ]);
});

Deno.test("a relay that starts a new log is told, what is new is read, and nothing is shown twice", async () => {
  const net = await FakeNet.create();
  const [alice, bob] = [await net.join("alice"), await net.join("bob")];
  await alice.type("/pm bob one");
  const events = bob.all("message").length;
  // The same relay with an empty log: another log, under the same key.
  const fresh = await FakeNet.create(net.relayPublic);
  const [alice2, bob2] = [await fresh.restart(alice), await fresh.restart(bob)];
  await alice2.type("/pm bob two");
  assertEquals([events, bob2.texts, bob2.notices], [1, ["two"], ["reset", "reset"]]);
});

Deno.test("an old copy of a client's state put back seals nothing twice and can talk again", async () => {
  const net = await FakeNet.create();
  const [alice, bob] = [await net.join("alice"), await net.join("bob")];
  await alice.type("/pm bob one");
  await bob.type("/pm alice two");
  const old = alice.kept.copy();
  await alice.type("/pm bob three");
  await alice.drop();
  const again = await net.restart(alice, old);
  await again.type("/pm bob four");
  await again.type("/pm bob five");
  // Message key three was used for "three": "four" is sealed under it with another salt, and bob refuses the number.
  assertEquals(bob.texts, ["one", "three", "five"]);
  assertEquals(bob.notices.filter((code) => code === "cannotOpen").length, 1);
  const published = net.sent.filter(({ packet }) => packet.message.t === "publish");
  const bodies = published.map(({ packet }) => encodeHex(packet.body));
  assertEquals(new Set(bodies).size, bodies.length);
});

Deno.test("somebody who comes under another name is still read, and written to on a new session", async () => {
  const net = await FakeNet.create();
  const [alice, bob] = [await net.join("alice"), await net.join("bob")];
  await alice.type("/pm bob one");
  await bob.type("/pm alice two");
  await bob.drop();
  const robert = await net.join("robert", { identity: bob.identity, kept: bob.kept });
  await robert.type("three");
  await alice.type("/pm robert four");
  await robert.type("/pm alice five");
  assertEquals([alice.texts, robert.texts], [["two", "three", "five"], ["four"]]);
  assertEquals(alice.all("error"), []);
});

Deno.test("a first message that the relay plays again after a restart begins nothing and shows nothing", async () => {
  const net = await FakeNet.create();
  const [alice, bob] = [await net.join("alice"), await net.join("bob")];
  let first: Packet<RelayMessage> | undefined;
  net.tamper = (packet, to) => {
    if (to === bob && packet.message.t === "event") first ??= packet;
    return [packet];
  };
  await alice.type("/pm bob one");
  await bob.type("/pm alice two");
  await bob.drop();
  const again = await net.restart(bob);
  assert(first?.message.t === "event");
  for (const id of [first.message.id, "ab".repeat(16)]) {
    const seq = 1_000 + again.events.length; // a place that was never given
    net.inject(again, { message: { ...first.message, id, seq }, body: first.body });
    await net.settle();
  }
  await alice.type("/pm bob three");
  assertEquals(again.texts, []); // its place is below the invented one, which the gap has told of
  assertEquals(again.all("gap").length, 1);
  await again.type("/pm alice four");
  assertEquals(alice.texts, ["two", "four"]);
});

Deno.test("two people talk again after one was put back to an earlier state, and each loses one message at most", async () => {
  const net = await FakeNet.create();
  const [alice, bob] = [await net.join("alice"), await net.join("bob")];
  await alice.type("/pm bob one");
  await bob.type("/pm alice two");
  const old = alice.kept.copy();
  for (const n of ["three", "four", "five"]) {
    await alice.type(`/pm bob ${n}`);
    await bob.type(`/pm alice ${n}`);
  }
  await alice.drop();
  const again = await net.restart(alice, old);
  for (let i = 0; i < 4; i++) {
    await again.type(`/pm bob a${i}`);
    await bob.type(`/pm alice b${i}`);
  }
  assertEquals(bob.texts.filter((text) => text.startsWith("a")).slice(-3), ["a1", "a2", "a3"]);
  assertEquals(again.texts.filter((text) => text.startsWith("b")).slice(-3), ["b1", "b2", "b3"]);
});

Deno.test("passers-by leave nothing behind, and a crowd of them keeps nobody from being written to", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  for (let i = 0; i < 3; i++) {
    const passing = await net.join(`guest-${i}`, { life: "ephemeral" });
    await passing.drop("quit");
  }
  assertEquals([alice.kept.state.peers, alice.kept.state.sessions?.peers], [[], []]);
});

Deno.test("a client whose prekey is old replaces it as it comes in, and asks for no tick before", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  await alice.drop();
  net.nowMs += 2 * 86_400_000;
  net.tamper = (packet) => packet.message.t === "subscribed" ? [] : [packet]; // a slow relay
  const again = await net.restart(alice);
  assertEquals(again.wakeAtMs ?? Infinity, Infinity);
  const bundles = net.sent.filter(({ from, packet }) => from === again && packet.message.t === "putBundle");
  assertEquals(bundles.length, 1);
});

Deno.test("a certificate from the future, seen on another relay, keeps no name from its owner", async () => {
  const net = await FakeNet.create();
  const [alice, bob] = [await net.join("alice"), await net.join("bob")];
  await alice.type("/verify bob");
  await alice.type("/verify bob yes");
  const evil = await FakeNet.create();
  evil.nowMs = net.nowMs;
  const mallory = await generateIdentity({ life: "lasting", nowMs: net.nowMs });
  const future = await createCertificate(mallory, { handle: "bob", createdMs: net.nowMs + 74 * 365 * 86_400_000 });
  const away = await evil.restart(alice);
  await evil.join("bob", { identity: mallory, certificate: future });
  assertEquals([away.all("joined"), away.notices], [[], ["badCertificate"]]);
  await alice.drop();
  await away.drop();
  const back = await net.restart(alice);
  await net.join("mallory", { identity: mallory });
  await back.type("/pm bob hello");
  assertEquals([bob.texts, back.all("error")], [["hello"], []]);
});
