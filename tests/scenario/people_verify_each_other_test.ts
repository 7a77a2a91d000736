// Aim: two people see one number when nobody sits between them, and what they said about a key holds for that key alone.
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { lvCat } from "../../lib/bytes/writer.ts";
import { safetyNumber, spellSafetyNumber } from "../../lib/e2ee/safety_number.ts";
import { type FakeClient, FakeNet } from "../support/fake_net.ts";
import { forgeBundle, HostileRelay, makeStranger } from "../support/hostile_relay.ts";

/** What `/verify` shows: three rows of digits. */
async function numberAt(client: FakeClient, name: string): Promise<string[]> {
  await client.type(`/verify ${name}`);
  const notice = client.all("notice").at(-1);
  assertEquals(notice?.code, "safetyNumber", client.all("error").at(-1)?.message ?? "");
  return (notice?.text ?? "").split("\n").slice(1, 4);
}

async function verify(client: FakeClient, name: string): Promise<void> {
  await numberAt(client, name);
  await client.type(`/verify ${name} yes`);
  assertEquals(client.notices.at(-1), "verified");
}

async function trustOf(client: FakeClient, handle: string): Promise<string | undefined> {
  await client.type("/peers");
  const peers = client.all("peers").at(-1)?.peers ?? [];
  return peers.find((peer) => peer.isHere && peer.handle === handle)?.trust;
}

/** Alice verified bob, who is gone; somebody else has his name. */
async function stageOfTakenName() {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  const carol = await net.join("carol");
  const bob = await net.join("bob");
  await verify(alice, "bob");
  await bob.drop();
  await net.advance(61_000); // a name is free again after a minute here
  const other = await net.join("bob");
  return { net, alice, carol, bob, other };
}

Deno.test("/verify shows both people the same number, that of the keys of both", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  const bob = await net.join("bob");
  const seenByAlice = await numberAt(alice, "bob");
  assertEquals(await numberAt(bob, "alice"), seenByAlice);
  assertEquals(seenByAlice, spellSafetyNumber(await safetyNumber(alice.certificate, bob.certificate)));
  await alice.type("text changes nothing");
  await bob.type("in either direction");
  assertEquals(await numberAt(alice, "bob"), seenByAlice);
  const text = alice.all("notice").at(-1)?.text ?? "";
  for (const words of ["in person or by phone", "/verify bob yes", "/distrust bob"]) {
    assert(text.includes(words), words);
  }
});

Deno.test("/verify yes marks every line of that key, wherever it comes back in this run", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  const bob = await net.join("bob");
  await bob.type("before");
  await verify(alice, "bob");
  await bob.type("in the room");
  await bob.type("/pm alice in private");
  await bob.drop();
  const again = await net.join("bob", { identity: bob.identity });
  await again.type("after a restart");
  assertEquals(alice.all("message").map(({ text, trust }) => [text, trust]), [
    ["before", "new"],
    ["in the room", "verified"],
    ["in private", "verified"],
    ["after a restart", "verified"],
  ]);
  assertEquals(alice.all("joined").at(-1)?.trust, "verified");
  await again.drop();
  const robert = await net.join("robert", { identity: bob.identity });
  assertEquals([alice.all("joined").at(-1)?.handle, alice.all("joined").at(-1)?.trust], ["robert", "verified"]);
  await alice.type("hello robert");
  assertEquals(robert.texts, ["hello robert"]);
});

Deno.test("/verify yes is refused before the number of that very key was shown", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  const bob = await net.join("bob");
  await alice.type("/verify bob yes", "r1");
  assertEquals(alice.all("error").map(({ ref }) => ref), ["r1"]);
  await numberAt(alice, "bob");
  await bob.drop();
  await net.advance(61_000);
  await net.join("bob");
  await alice.type("/verify bob yes"); // the number on her screen is that of the key before
  assertEquals(alice.all("error").length, 2);
  assertEquals(await trustOf(alice, "bob"), "changed");
});

Deno.test("a relay that sits between two people from the start gives them different numbers", async () => {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  const alice = await net.join("alice");
  const [fakeBob, fakeAlice] = [await makeStranger("bob", net.nowMs), await makeStranger("alice", net.nowMs)];
  const bob = await net.link("bob");
  relay.once(alice, "joined", ({ message }) => [{ message, body: fakeBob.certificate.encoded }]);
  relay.once(bob, "roster", ({ message }) => [{ message, body: lvCat(fakeAlice.certificate.encoded) }]);
  await net.settle();
  const [seenByAlice, seenByBob] = [await numberAt(alice, "bob"), await numberAt(bob, "alice")];
  assertNotEquals(seenByAlice, seenByBob);
  const honest = spellSafetyNumber(await safetyNumber(alice.certificate, bob.certificate));
  assertNotEquals(seenByAlice, honest);
  assertNotEquals(seenByBob, honest);
});

Deno.test("a relay that swaps the keys of somebody verified is refused, and the mark and the number stay", async () => {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  const alice = await net.join("alice");
  const bob = await net.join("bob");
  await verify(alice, "bob");
  const number = await numberAt(alice, "bob");
  const mallory = await makeStranger("bob", net.nowMs);
  const body = await forgeBundle(mallory, { prekeyPublic: mallory.identity.dh.publicBytes, createdMs: net.nowMs });
  relay.once(alice, "bundle", ({ message }) => [{ message: { ...message, kind: "stored" }, body }]);
  await alice.type("for bob alone");
  assertEquals([alice.notices.at(-1), bob.texts], ["keysRefused", []]);
  assertEquals(await numberAt(alice, "bob"), number);
  assertEquals(await trustOf(alice, "bob"), "verified");
});

Deno.test("verified does not survive a key change: the other key is held back and the room says so", async () => {
  const { alice, carol, other } = await stageOfTakenName();
  assertEquals(alice.all("joined").at(-1)?.trust, "changed");
  const warning = alice.all("notice").at(-1);
  assertEquals(warning?.code, "keyChanged");
  assert(warning?.text.includes("you had verified another key"));
  await alice.type("for the real bob");
  await alice.type("/pm bob this too");
  assertEquals([other.texts, carol.texts], [[], ["for the real bob"]]);
  assertEquals([alice.notices.includes("keyChanged"), alice.all("error").at(-1)?.code], [true, "keyChanged"]);
  await other.type("it is me");
  assertEquals(alice.all("message").at(-1)?.trust, "changed");
});

Deno.test("under a changed key /trust gives known only, and /verify gives verified again", async () => {
  const { alice, other } = await stageOfTakenName();
  await alice.type("/trust bob");
  assertEquals(alice.notices.at(-1), "trusted");
  assertEquals(await trustOf(alice, "bob"), "known");
  await alice.type("you get this");
  await verify(alice, "bob");
  assertEquals(await trustOf(alice, "bob"), "verified");
  await alice.type("/trust bob"); // takes nothing away
  assertEquals(await trustOf(alice, "bob"), "verified");
  assertEquals(other.texts, ["you get this"]);
});

Deno.test("a changed key is let go by /verify alone, without /trust", async () => {
  const { alice, other } = await stageOfTakenName();
  await verify(alice, "bob");
  await alice.type("/pm bob now you are it");
  assertEquals(other.texts, ["now you are it"]);
});

Deno.test("the owner of a verified name comes back as verified after somebody had it meanwhile", async () => {
  const { net, alice, bob, other } = await stageOfTakenName();
  await other.drop();
  await net.advance(61_000);
  const back = await net.join("bob", { identity: bob.identity });
  assertEquals(alice.all("joined").at(-1)?.trust, "verified");
  await alice.type("welcome back");
  assertEquals(back.texts, ["welcome back"]);
});

Deno.test("the key that lost its verified name to another is held back, and /trust on it gives known only", async () => {
  const { net, alice, bob, other } = await stageOfTakenName();
  await verify(alice, "bob");
  await other.drop();
  await net.advance(61_000);
  await net.join("bob", { identity: bob.identity });
  assertEquals(await trustOf(alice, "bob"), "changed");
  await alice.type("/trust bob");
  assertEquals(await trustOf(alice, "bob"), "known");
});

Deno.test("/distrust holds text back in the room and in private until /trust or /verify", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  const carol = await net.join("carol");
  const bob = await net.join("bob");
  await verify(alice, "bob");
  await alice.type("/distrust bob", "r1");
  const answer = alice.all("notice").at(-1);
  assertEquals([answer?.code, answer?.ref], ["distrusted", "r1"]);
  await alice.type("not for bob");
  assertEquals(alice.notices.at(-1), "distrusted");
  await alice.type("/pm bob nor this");
  assertEquals(alice.all("error").map(({ code, message }) => [code, message.includes("distrust")]), [
    ["keyChanged", true],
  ]);
  assertEquals([bob.texts, carol.texts], [[], ["not for bob"]]);
  await bob.type("can you hear me");
  const { trust, distrusted } = alice.all("message").at(-1) ?? {};
  assertEquals([trust, distrusted], ["changed", true]);

  await bob.drop();
  const again = await net.join("bob", { identity: bob.identity });
  assertEquals([alice.all("joined").at(-1)?.trust, alice.all("joined").at(-1)?.distrusted], ["changed", true]);
  await alice.type("still not");
  await alice.type("/verify bob yes"); // an old number counts no more
  assertEquals(alice.all("error").length, 2);
  await alice.type("/trust bob");
  await alice.type("welcome back");
  assertEquals(again.texts, ["welcome back"]);
  assertEquals(await trustOf(alice, "bob"), "known");
});

Deno.test("/distrust reaches a line that waits for keys, and a key whose owner is gone", async () => {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  const alice = await net.join("alice");
  const bob = await net.join("bob");
  relay.once(alice, "bundle", () => []);
  await alice.type("/pm bob wait");
  await alice.type("/distrust bob");
  assertEquals(alice.all("error").map(({ code }) => code), ["noSuchPerson"]);
  await bob.drop();
  await alice.type("/trust bob");
  await alice.type("/distrust bob");
  const again = await net.join("bob", { identity: bob.identity });
  await alice.type("for nobody");
  assertEquals(again.texts, []);
});

Deno.test("a whole fingerprint says which key is meant when two claim a name", async () => {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  const alice = await net.join("alice");
  const bob = await net.join("bob");
  const fake = await makeStranger("bob", net.nowMs);
  const room = net.sent.flatMap(({ packet: { message } }) => message.t === "enter" ? [message.room] : [])[0] ?? "";
  await relay.say(alice, { t: "joined", room, at: net.nowMs }, fake.certificate.encoded);
  for (const line of ["/verify bob", "/trust bob", "/distrust bob", "/fingerprint bob", "/pm bob hi"]) {
    await alice.type(line);
    const error = alice.all("error").at(-1);
    assert(error?.message.includes("different keys") && error.hint.includes("whole fingerprint"), line);
  }
  const spelled = bob.fingerprint.replace(/(.{4})(?=.)/g, "$1 ");
  await verify(alice, spelled);
  const shown = alice.all("notice").findLast(({ code }) => code === "safetyNumber")?.text ?? "";
  assert(shown.includes(`/verify ${bob.fingerprint} yes`)); // the name would be refused
  await alice.type(`/distrust ${fake.certificate.fingerprint.toLowerCase()}`);
  await alice.type(`/pm ${spelled.replaceAll(" ", "-")} only for you`);
  assertEquals(bob.texts, ["only for you"]);
  await alice.type(`/pm ${fake.certificate.fingerprint} not for you`);
  assertEquals(alice.all("error").at(-1)?.code, "keyChanged");
  await alice.type(`/pm ${"A".repeat(52)} hi`);
  assertEquals(alice.all("error").at(-1)?.code, "noSuchPerson");
  await alice.type("/peers");
  assertEquals(
    alice.all("peers")[0]?.peers.map(({ fingerprint, trust }) => [fingerprint, trust]).toSorted(),
    [
      [bob.fingerprint, "verified"],
      [fake.certificate.fingerprint, "changed"],
    ].toSorted(),
  );
});

Deno.test("/peers lists who was met, since when, and who is gone", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  await alice.type("/peers", "r0");
  assertEquals(alice.all("peers")[0], { type: "peers", peers: [], ref: "r0" });
  const bob = await net.join("bob");
  const metMs = net.nowMs;
  await bob.drop();
  await net.advance(5_000);
  const carol = await net.join("carol");
  await alice.type("/peers");
  assertEquals(alice.all("peers")[1]?.peers, [
    { handle: "bob", fingerprint: bob.fingerprint, trust: "new", firstSeen: metMs, isHere: false },
    { handle: "carol", fingerprint: carol.fingerprint, trust: "new", firstSeen: net.nowMs, isHere: true },
  ]);
  await numberAt(alice, "bob"); // a key stays what it is when its owner is gone
});
