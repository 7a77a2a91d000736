// Aim: a relay may want somebody of its own in a room. Its word alone makes nobody a member; a ghost that signs its own
// join is shown to the person before any key leaves for it, and what was written before never reaches it.
import { assertEquals } from "@std/assert";
import { lvCat } from "../../lib/bytes/writer.ts";
import { joinOp } from "../../lib/e2ee/membership_make.ts";
import { decodeMany } from "../../lib/wire/bodies.ts";
import { FakeNet } from "../support/fake_net.ts";
import { HostileRelay, makeStranger } from "../support/hostile_relay.ts";
import { firstRoom, membershipOf, RawMember } from "../support/raw_member.ts";

async function stage() {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  const alice = await net.join("alice");
  const bob = await net.join("bob");
  await alice.type("before");
  return { net, relay, alice, bob, room: firstRoom(net) };
}

/** How often keys left for somebody. */
function keysFor(net: FakeNet, who: string): number {
  return net.sent.flatMap(({ packet: { message, body } }) => message.t === "publishMany" ? decodeMany(body) : [])
    .filter(({ to }) => to === who).length;
}

for (const way of ["joined", "roster"] as const) {
  Deno.test(`a ghost in the relay's ${way} is no member: nothing is shown in the room, nothing is sealed for it`, async () => {
    const { net, relay, alice, bob, room } = await stage();
    const { certificate } = await makeStranger("ghost", net.nowMs);
    const shown = alice.events.length;
    const message = way === "joined"
      ? { t: "joined", room, at: net.nowMs } as const
      : { t: "roster", room, more: false } as const;
    await relay.say(alice, message, way === "joined" ? certificate.encoded : lvCat(certificate.encoded));
    assertEquals(alice.events.length, shown);
    await alice.type("after");
    assertEquals([keysFor(net, certificate.fingerprint), bob.texts], [0, ["before", "after"]]);
  });
}

Deno.test("a ghost that signs its own join is shown before keys leave for it, and reads nothing from before", async () => {
  const { net, alice, bob, room } = await stage();
  const ghost = await RawMember.open(net, "ghost");
  await ghost.say({ t: "enter", room });
  await alice.enter("written before the ghost was shown");
  await ghost.place(room, joinOp);
  assertEquals(keysFor(net, ghost.fingerprint), 0);
  for (const person of [alice, bob]) {
    assertEquals(person.all("joined").at(-1)?.handle, "ghost");
    assertEquals(person.all("joined").at(-1)?.trust, "new");
  }
  assertEquals(bob.texts.at(-1), "written before the ghost was shown");
});

Deno.test("a ghost whom the relay shows to one member alone gets nothing of the others, and they find out", async () => {
  const { net, relay, alice, bob, room } = await stage();
  const ghost = await makeStranger("ghost", net.nowMs);
  const membership = await membershipOf(net, room);
  const author = { sign: ghost.identity.sign, certificate: ghost.certificate };
  const body = await joinOp(author, membership.context(net.nowMs));
  const from = ghost.certificate.fingerprint;
  await relay.insertOp(alice, { room, epoch: membership.epoch + 1, from, body });
  assertEquals(alice.all("memberAdded").map(({ handle, by }) => [handle, by]), [["ghost", "ghost"]]);
  await bob.type("is anybody else here?");
  assertEquals(keysFor(net, ghost.certificate.fingerprint), 0);
  await alice.type("I see a ghost");
  assertEquals(bob.all("fork"), [{ type: "fork", room: "lobby", from: "alice" }]);
  assertEquals(bob.texts.includes("I see a ghost"), false);
});

Deno.test("a ghost among the people of the relay gets no private message before /users has shown it", async () => {
  const { net, relay, alice } = await stage();
  const ghost = await makeStranger("ghost", net.nowMs);
  relay.once(alice, "people", ({ message, body }) => {
    const listed = lvCat(ghost.certificate.encoded);
    return [{ message: { ...message, more: true }, body: new Uint8Array([...body, ...listed]) }];
  });
  await alice.type("/users");
  assertEquals(alice.all("users").length, 0);
  await alice.type("/pm ghost are you there");
  assertEquals(alice.all("error").map(({ code }) => code), ["noSuchPerson"]);
  const pages = net.sent.flatMap(({ packet: { message } }) => message.t === "who" ? [message.ref] : []);
  await relay.say(alice, { t: "people", ref: pages.at(-1) ?? 0, more: false });
  assertEquals(alice.all("users")[0]?.elsewhere.map(({ handle }) => handle), ["ghost"]);
});

Deno.test("an answer to /users that nobody asked for ends the link", async () => {
  const { net, relay, alice } = await stage();
  const ghost = await makeStranger("ghost", net.nowMs);
  await relay.say(alice, { t: "people", ref: 1, more: false }, lvCat(ghost.certificate.encoded));
  assertEquals(alice.failure?.name, "ProtocolError");
  assertEquals(alice.all("users"), []);
});
