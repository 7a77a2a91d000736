// Aim: nobody is shown, and nothing is sealed for anybody, on the strength of a certificate that is not what it seems.
import { joinOp } from "../../lib/e2ee/membership_make.ts";
import { membershipOf } from "../support/raw_member.ts";
import { assertEquals } from "@std/assert";
import { decodeHex } from "@std/encoding/hex";
import { type Bytes, lvCat } from "../../lib/bytes/writer.ts";
import { SMALL_ORDER_ED25519, SMALL_ORDER_X25519 } from "../e2ee/_small_order.ts";
import { type FakeClient, FakeNet } from "../support/fake_net.ts";
import { flipped, forgeCertificate, HostileRelay, makeStranger } from "../support/hostile_relay.ts";

async function stage() {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  const alice = await net.join("alice");
  const bob = await net.join("bob");
  const room = net.sent.flatMap(({ packet: { message } }) => message.t === "enter" ? [message.room] : [])[0] ?? "";
  return { net, relay, alice, bob, room };
}

async function stillTalk(alice: FakeClient, bob: FakeClient): Promise<void> {
  await alice.type("still here");
  await bob.type("me too");
  assertEquals([alice.texts.at(-1), bob.texts.at(-1)], ["me too", "still here"]);
  assertEquals([alice.failure, bob.failure], [undefined, undefined]);
}

for (const way of ["joined", "roster", "people"] as const) {
  Deno.test(`a certificate with a flipped byte in ${way} shows nobody and is told`, async () => {
    const { net, relay, alice, bob, room } = await stage();
    const { certificate } = await makeStranger("carol", net.nowMs);
    const { encoded } = certificate;
    for (let index = 4; index < encoded.length; index += 13) {
      await tell(relay, alice, { way, room, certificates: [flipped(encoded, index)] });
    }
    assertEquals(new Set(alice.notices), new Set(["badCertificate"]));
    assertEquals(alice.all("joined").map(({ handle }) => handle), ["bob"]);
    assertEquals(alice.all("users").every(({ elsewhere }) => elsewhere.length === 0), true);
    await stillTalk(alice, bob);
  });
}

async function tell(
  relay: HostileRelay,
  to: FakeClient,
  what: { way: "joined" | "roster" | "people"; room: string; certificates: Bytes[] },
): Promise<void> {
  const { way, room, certificates } = what;
  if (way === "people") {
    relay.once(to, "people", ({ message }) => [{ message, body: lvCat(...certificates) }]);
    await to.net.advance(100);
    await to.type("/users");
  } else if (way === "roster") {
    await relay.say(to, { t: "roster", room, more: false }, lvCat(...certificates));
  } else {
    await relay.say(to, { t: "joined", room, at: to.net.nowMs }, certificates[0]);
  }
}

Deno.test("keys of small order in a certificate are refused, whoever signed it", async () => {
  const { net, relay, alice, bob, room } = await stage();
  const { identity } = await makeStranger("carol", net.nowMs);
  const fields = { handle: "carol", createdMs: net.nowMs };
  for (const hex of SMALL_ORDER_ED25519) {
    const forged = await forgeCertificate(identity, { ...fields, signPublic: decodeHex(hex) });
    await tell(relay, alice, { way: "joined", room, certificates: [forged] });
  }
  for (const hex of SMALL_ORDER_X25519) {
    for (const field of ["dhPublic", "noisePublic"] as const) {
      const forged = await forgeCertificate(identity, { ...fields, [field]: decodeHex(hex) });
      await tell(relay, alice, { way: "roster", room, certificates: [forged] });
    }
  }
  assertEquals(alice.all("joined").length, 1);
  assertEquals(alice.notices.length, SMALL_ORDER_ED25519.length + 2 * SMALL_ORDER_X25519.length);
  await stillTalk(alice, bob);
});

Deno.test("handles that no honest client has are refused", async () => {
  const { net, relay, alice, bob, room } = await stage();
  const { identity } = await makeStranger("x", net.nowMs);
  const handles = [
    "bob smith",
    "bo\u202eb",
    "\x1b[31mred",
    "b\u043eb",
    "a".repeat(33),
    "e\u0301mile",
    "\u200bbob",
    "...",
  ];
  for (const handle of handles) {
    const forged = await forgeCertificate(identity, { handle, createdMs: net.nowMs });
    await tell(relay, alice, { way: "joined", room, certificates: [forged] });
  }
  assertEquals(alice.notices, handles.map(() => "badCertificate"));
  assertEquals(alice.all("joined").length, 1);
  await stillTalk(alice, bob);
});

Deno.test("somebody who takes alice's own name, or the name of a friend, is shown as what they are", async () => {
  const { net, relay, alice, bob, room } = await stage();
  const fake = await makeStranger("bob", net.nowMs + 5);
  const membership = await membershipOf(net, room);
  const author = { sign: fake.identity.sign, certificate: fake.certificate };
  const body = await joinOp(author, membership.context(net.nowMs));
  await relay.insertOp(alice, { room, epoch: membership.epoch + 1, from: fake.certificate.fingerprint, body });
  assertEquals(alice.all("memberAdded").at(-1)?.trust, "changed");
  assertEquals(alice.notices, ["keyChanged"]);
  const before = net.sent.length;
  await alice.type("/pm bob for the real one");
  assertEquals([alice.all("error"), bob.texts], [[], ["for the real one"]]); // he is here, and was met first
  const askedFor = net.sent.slice(before).flatMap(({ packet: { message } }) =>
    message.t === "getBundle" ? [message.of] : []
  );
  assertEquals(askedFor, [bob.fingerprint]);
});

Deno.test("one's own certificate, told as somebody else's arrival, shows nobody", async () => {
  const { relay, alice, bob, room } = await stage();
  await tell(relay, alice, { way: "joined", room, certificates: [alice.certificate.encoded] });
  await tell(relay, alice, { way: "roster", room, certificates: [alice.certificate.encoded] });
  assertEquals(alice.all("joined").length, 1);
  await stillTalk(alice, bob);
});

Deno.test("an older certificate does not bring an old name back, nor end a session", async () => {
  const { net, relay, alice, bob, room } = await stage();
  const old = bob.certificate.encoded;
  await bob.drop();
  const robert = await net.join("robert", { identity: bob.identity });
  await alice.type("hello robert");
  await tell(relay, alice, { way: "joined", room, certificates: [old] });
  await tell(relay, alice, { way: "roster", room, certificates: [old] });
  await tell(relay, alice, { way: "people", room, certificates: [old] });
  assertEquals(alice.all("users").at(-1)?.members.map(({ handle }) => handle), ["robert"]);
  assertEquals(alice.all("joined").map(({ handle }) => handle), ["bob", "robert"]);
  await stillTalk(alice, robert);
});

Deno.test("a roster, a page or an arrival that is no list of certificates ends the link or is told", async () => {
  for (const body of [Uint8Array.of(0, 0, 0, 9, 1), Uint8Array.of(0xff, 0xff, 0xff, 0xff), Uint8Array.of(1)]) {
    const { relay, alice, room } = await stage();
    await relay.say(alice, { t: "roster", room, more: false }, body);
    assertEquals(alice.failure?.name, "DecodeError");
    const next = await stage();
    await next.relay.say(next.alice, { t: "joined", room: next.room, at: 1 }, body);
    assertEquals(next.alice.notices, ["badCertificate"]);
    await stillTalk(next.alice, next.bob);
  }
});
