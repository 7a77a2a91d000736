// Aim: a relay that plays with a room's log adds nobody, removes nobody, hides nothing for long and wedges nothing: junk is
// void alike for all, and who is told another story than the others finds out.
import { assert, assertEquals } from "@std/assert";
import type { Bytes } from "../../lib/bytes/writer.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { addOp, leaveOp, removeOp } from "../../lib/e2ee/membership_make.ts";
import { encodeOps } from "../../lib/wire/bodies.ts";
import type { Fingerprint } from "../../lib/wire/messages.ts";
import { type FakeClient, FakeNet } from "../support/fake_net.ts";
import { flipped, HostileRelay } from "../support/hostile_relay.ts";
import { firstRoom, membershipOf, RawMember } from "../support/raw_member.ts";

interface Stage {
  readonly net: FakeNet;
  readonly relay: HostileRelay;
  readonly alice: FakeClient;
  readonly bob: FakeClient;
  readonly carol: FakeClient;
  readonly room: Fingerprint;
}

async function stage(): Promise<Stage> {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  const [alice, bob, carol] = [await net.join("alice"), await net.join("bob"), await net.join("carol")];
  await alice.type("hello");
  return { net, relay, alice, bob, carol, room: firstRoom(net) };
}

/** An invite-only room of alice's with bob in it, and its id. */
async function inviteStage(): Promise<Stage> {
  const { net, relay, alice, bob, carol } = await stage();
  await alice.type("/room create den --invite-only");
  for (const person of [bob, carol]) {
    await alice.type(`/invite ${person.certificate.handle}`);
    await person.type("/join den");
  }
  await alice.type("hello den");
  assertEquals([bob.texts.at(-1), carol.texts.at(-1)], ["hello den", "hello den"]);
  const rooms = net.sent.flatMap(({ from, packet: { message } }) =>
    from === alice && message.t === "enter" ? [message.room] : []
  );
  return { net, relay, alice, bob, carol, room: rooms.at(-1) ?? "" };
}

function fork(from: string) {
  return { type: "fork", room: "den", from } as const;
}

async function talk(...people: FakeClient[]): Promise<void> {
  for (const person of people) await person.type(`${person.certificate.handle} speaks`);
  for (const person of people) {
    const heard = person.texts.slice(1 - people.length);
    assertEquals(heard.length, people.length - 1, `${person.certificate.handle} heard ${heard}`);
    assertEquals([person.failure, person.all("fork")], [undefined, []]);
  }
}

Deno.test("junk ops of every kind are void for all, say nothing, and wedge no room", async () => {
  const { net, alice, bob, carol, room } = await stage();
  const eve = await RawMember.open(net, "eve");
  await eve.say({ t: "enter", room });
  const shown = [alice, bob, carol].map(({ events }) => events.length);
  const real = net.log.ops(room, 0, { maxEvents: 10, maxBytes: 10_000 }).map(({ op }) => op);
  const [first = new Uint8Array(1)] = real;
  const junk: Bytes[] = [
    secureRandom(40),
    Uint8Array.of(0),
    new Uint8Array(2_000),
    first.slice(0, 60),
    flipped(first, -1),
  ];
  for (const body of junk) {
    net.nowMs += 30_000; // within what a relay takes of one identity
    await eve.publish(room, "op", body);
  }
  assertEquals([alice, bob, carol].map(({ events }) => events.length), shown);
  await talk(alice, bob, carol);
});

Deno.test("ops that eve signs for others are void: nobody leaves, comes or goes by them", async () => {
  const { net, alice, bob, carol, room } = await stage();
  const eve = await RawMember.open(net, "eve");
  await eve.say({ t: "enter", room });
  const before = (await membershipOf(net, room)).members().length;
  await eve.place(room, (author, context) => leaveOp({ ...author, certificate: bob.certificate }, context));
  await eve.place(room, (author, context) => addOp(author, context, eve.stranger.certificate));
  await eve.place(
    room,
    (author, context) => addOp({ ...author, certificate: alice.certificate }, context, carol.certificate),
  );
  await eve.place(
    room,
    (author, context) => removeOp(author, context, { subject: bob.fingerprint, reason: "removed" }),
  );
  assertEquals((await membershipOf(net, room)).members().length, before);
  for (const person of [alice, bob, carol]) {
    assertEquals([person.all("left"), person.all("memberRemoved"), person.all("memberAdded")], [[], [], []]);
  }
  await talk(alice, bob, carol);
});

Deno.test("an op that is played again is void, at once and after its subject came back", async () => {
  const { net, relay, alice, bob, carol, room } = await inviteStage();
  await alice.type("/remove carol");
  const removal = net.log.ops(room, 0, { maxEvents: 100, maxBytes: 100_000 }).at(-1);
  assert(removal !== undefined);
  assertEquals(carol.all("roomLeft").map(({ reason, by }) => [reason, by]), [["removed", "alice"]]);
  await alice.type("/invite carol");
  await carol.type("/join den");
  const { epoch } = await membershipOf(net, room, "invite");
  for (const to of [alice, bob, carol]) {
    await relay.insertOp(to, { room, epoch: epoch + 1, from: alice.fingerprint, body: removal.op });
  }
  assertEquals(carol.all("roomLeft").length, 1);
  await talk(alice, bob, carol);
});

Deno.test("an op that does not arrive is fetched before anything after it is shown", async () => {
  const { net, relay, alice, bob, carol } = await stage();
  relay.once(bob, "event", () => []);
  const dave = await net.join("dave"); // bob does not hear of the join
  await alice.type("welcome dave");
  await dave.type("thanks");
  await talk(alice, bob, carol, dave);
  assertEquals(bob.all("gap"), []);
  assertEquals(bob.all("joined").at(-1)?.handle, "dave");
});

Deno.test("a leave that the relay hides from one member shows by the next message of another", async () => {
  const { relay, alice, bob, carol } = await inviteStage();
  relay.always(alice, "event", ({ message, body }) => message.kind === "op" ? [] : [{ message, body }]);
  relay.always(alice, "ops", ({ message }) => [{ message: { ...message, more: false }, body: encodeOps([]) }]);
  await carol.type("/leave den");
  assertEquals(bob.all("left").map(({ handle }) => handle), ["carol"]);
  const told = alice.events.length;
  await bob.type("carol is gone");
  // Alice was not told: what bob seals under the newer head is not shown to her as said among all three.
  assertEquals(alice.texts.includes("carol is gone"), false);
  const news = alice.events.slice(told).map((event) => event.type);
  assert(alice.failure !== undefined || news.includes("fork"), `alice finds out: ${news}`);
});

Deno.test("ops in another order are another history: whoever is shown it finds out", async () => {
  const { net, relay, alice, bob } = await stage();
  const held: (() => void)[] = [];
  const isOp = (kind: string) => kind === "op";
  relay.always(bob, "event", (packet) => {
    if (!isOp(packet.message.kind)) return [packet];
    const { message, body } = packet;
    held.push(() => {
      // Both under the place of the other.
      const other = message.kind === "op"
        ? { ...message, epoch: message.epoch + (held.length === 2 ? 1 : -1) }
        : message;
      net.inject(bob, { message: other, body });
    });
    return [];
  });
  await net.join("dave");
  await net.join("erin");
  relay.behave();
  await alice.type("to everybody");
  const told = bob.events.map(({ type }) => type);
  assert(bob.texts.includes("to everybody") || bob.failure !== undefined || told.includes("fork"));
});

Deno.test("two members who are told different stories find out at the next message, and an invite room pauses", async () => {
  const { net, relay, alice, bob, carol, room } = await inviteStage();
  const { epoch } = await membershipOf(net, room, "invite");
  await relay.insertOp(bob, { room, epoch: epoch + 1, from: alice.fingerprint, body: secureRandom(50) });
  await bob.type("something else");
  for (const person of [alice, carol]) {
    assertEquals([person.all("fork"), person.texts.includes("something else")], [[fork("bob")], false]);
  }
  await alice.type("what do you see?");
  assertEquals([alice.all("error").at(-1)?.code, carol.texts.includes("what do you see?")], ["otherHistory", false]);
  await alice.type("what do you see?"); // said again: the person goes on
  assertEquals(carol.texts.includes("what do you see?"), true);
  await alice.type("/pm bob we can still talk");
  assertEquals(bob.texts.at(-1), "we can still talk");
});

Deno.test("a relay that serves an old log to somebody who knows a newer one is refused", async () => {
  const { net, relay, alice, bob } = await stage();
  await bob.drop();
  await net.join("dave");
  const again = await net.link("bob", { identity: bob.identity, certificate: bob.certificate, kept: bob.kept });
  relay.always(again, "subscribed", ({ message, body }) => [{ message: { ...message, head: 1 }, body }]);
  await net.settle();
  assertEquals(again.failure?.name, "ProtocolError");
  assertEquals(alice.failure, undefined);
});

Deno.test("a page of ops that leaves some out, or invents its place, is refused or fetched again", async () => {
  for (const first of [0, 2, 50]) {
    const { net, relay } = await stage();
    const dave = await net.link("dave");
    relay.always(dave, "ops", ({ message, body }) => [{ message: { ...message, first }, body }]);
    await net.settle();
    assertEquals([dave.failure?.name, dave.all("ready")], ["ProtocolError", []], String(first));
  }
});
