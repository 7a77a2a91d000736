// Aim: a relay may add somebody of its own to a room, with a valid certificate. The person is shown them before any
// message is sealed for them, and what was written before never reaches them.
import { assert, assertEquals } from "@std/assert";
import { type Bytes, lvCat } from "../../lib/bytes/writer.ts";
import { decodeRoomCopies } from "../../lib/chat/room_copies.ts";
import { equalBytes } from "../../lib/bytes/equal.ts";
import { encodeBundle } from "../../lib/e2ee/bundle.ts";
import { createPrekeyStore } from "../../lib/e2ee/prekeys.ts";
import { type FakeClient, FakeNet } from "../support/fake_net.ts";
import { HostileRelay, makeStranger, type Stranger } from "../support/hostile_relay.ts";

async function stage() {
  const net = await FakeNet.create();
  const relay = new HostileRelay(net);
  const alice = await net.join("alice");
  const bob = await net.join("bob");
  const ghost = await makeStranger("ghost", net.nowMs);
  const bundle = await encodeBundle(ghost, await createPrekeyStore({ nowMs: net.nowMs }));
  const keys = lvCat(bundle, new Uint8Array(0));
  const room = net.sent.flatMap(({ packet: { message } }) => message.t === "enter" ? [message.room] : [])[0] ?? "";
  return { net, relay, alice, bob, ghost, keys, room };
}

/** The bodies of messages that hold a copy for somebody. */
function copiesFor(net: FakeNet, who: Stranger): number {
  return net.sent.filter(({ packet: { message, body } }) =>
    message.t === "publish" && message.stream.startsWith("room/") &&
    decodeRoomCopies(body).some(({ recipientId }) => equalBytes(recipientId, who.certificate.id))
  ).length;
}

/** Answers alice's question for the ghost's keys, as the relay that made the ghost can. */
function giveKeys(relay: HostileRelay, alice: FakeClient, keys: Bytes): void {
  relay.always(
    alice,
    "bundle",
    (packet) =>
      packet.message.kind === "none" ? [{ message: { ...packet.message, kind: "stored" }, body: keys }] : [packet],
  );
}

for (const way of ["joined", "roster", "roster at the start"] as const) {
  Deno.test(`a ghost in ${way} is shown before anything is sealed for it`, async () => {
    const { net, relay, alice: first, bob, ghost, keys, room } = await stage();
    let alice = first;
    const { encoded } = ghost.certificate;
    if (way === "roster at the start") {
      await alice.drop();
      alice = await net.link("alice", { identity: first.identity });
      relay.once(
        alice,
        "roster",
        ({ message, body }) => [{ message, body: lvCat(encoded).length ? join(body, encoded) : body }],
      );
      await net.settle();
      assert(alice.all("ready")[0]?.members.some(({ handle }) => handle === "ghost"));
    } else {
      await alice.type("before");
      const message = way === "joined"
        ? { t: "joined", room, at: net.nowMs } as const
        : { t: "roster", room, more: false } as const;
      await relay.say(alice, message, way === "joined" ? encoded : lvCat(encoded));
      const shown = alice.events.at(-1);
      assert(shown?.type === "joined" && shown.handle === "ghost" && shown.trust === "new");
    }
    assertEquals(copiesFor(net, ghost), 0);
    giveKeys(relay, alice, keys);
    await alice.type("after");
    assertEquals(copiesFor(net, ghost), 1);
    assertEquals(bob.texts.at(-1), "after");
  });
}

Deno.test("lines that wait while a ghost arrives are not sealed for it", async () => {
  const { net, relay, alice, bob, ghost, keys, room } = await stage();
  let release = () => {};
  relay.once(alice, "bundle", (packet) => {
    release = () => net.inject(alice, packet);
    return [];
  });
  await alice.type("written before");
  await relay.say(alice, { t: "joined", room, at: net.nowMs }, ghost.certificate.encoded);
  giveKeys(relay, alice, keys);
  await alice.type("written after");
  release();
  await net.settle();
  assertEquals(bob.texts, ["written before", "written after"]);
  assertEquals(copiesFor(net, ghost), 1);
});

Deno.test("a ghost among the people of the relay gets no private message before /users has shown it", async () => {
  const { relay, alice, ghost } = await stage();
  relay.once(alice, "people", ({ message, body }) => [{
    message: { ...message, more: true },
    body: join(body, ghost.certificate.encoded),
  }]);
  await alice.type("/users");
  assertEquals(alice.all("users").length, 0);
  await alice.type("/pm ghost are you there");
  assertEquals(alice.all("error").map(({ code }) => code), ["noSuchPerson"]);
  const pages = alice.net.sent.flatMap(({ packet: { message } }) => message.t === "who" ? [message.ref] : []);
  await relay.say(alice, { t: "people", ref: pages.at(-1) ?? 0, more: false });
  assertEquals(alice.all("users")[0]?.elsewhere.map(({ handle }) => handle), ["ghost"]);
});

Deno.test("an answer to /users that nobody asked for ends the link", async () => {
  const { relay, alice, ghost } = await stage();
  await relay.say(alice, { t: "people", ref: 1, more: false }, lvCat(ghost.certificate.encoded));
  assertEquals(alice.failure?.name, "ProtocolError");
  assertEquals(alice.all("users"), []);
});

function join(list: Bytes, certificate: Bytes): Bytes {
  const more = lvCat(certificate);
  const joined = new Uint8Array(list.length + more.length);
  joined.set(list);
  joined.set(more, list.length);
  return joined;
}
