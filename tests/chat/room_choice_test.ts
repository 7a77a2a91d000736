// Aim: each room of a client has one name that no other has, whatever those who invite call theirs, and a line is for the
// room that its name means.
import { assert, assertEquals } from "@std/assert";
import { encodeContent } from "../../lib/chat/content.ts";
import type { Effects } from "../../lib/chat/effects.ts";
import { Keyring } from "../../lib/chat/keyring.ts";
import { People } from "../../lib/chat/people.ts";
import { noSuchRoom } from "../../lib/chat/room_choice.ts";
import { INVITATIONS_EACH_MAX, INVITATIONS_MAX } from "../../lib/chat/room_invitations.ts";
import { ADD_TIMEOUT_MS } from "../../lib/chat/room_stay.ts";
import { ROOMS_MAX } from "../../lib/chat/rooms.ts";
import { secureRandom } from "../../lib/crypto/random.ts";
import { fingerprintOf } from "../../lib/e2ee/identity.ts";
import type { Bytes } from "../../lib/bytes/writer.ts";
import { NAME_MAX_CODE_POINTS } from "../../lib/wire/handle.ts";
import { decodeClientMessage, encodeClientMessage } from "../../lib/wire/messages.ts";
import { decodePacket } from "../../lib/wire/packet.ts";
import { type FakeClient, FakeNet } from "../support/fake_net.ts";
import { HostileRelay } from "../support/hostile_relay.ts";

/** An inviter whose client sends whatever it likes as the name of a room. */
class Inviter {
  readonly #client: FakeClient;
  readonly #keyring: Keyring;

  private constructor(client: FakeClient, keyring: Keyring) {
    this.#client = client;
    this.#keyring = keyring;
  }

  static async start(client: FakeClient, to: FakeClient): Promise<Inviter> {
    const { net, identity, certificate } = client;
    const keyring = await Keyring.create({ identity, certificate }, { nowMs: net.nowMs, random: secureRandom });
    const inviter = new Inviter(client, keyring);
    const relay = new HostileRelay(net);
    relay.once(client, "bundle", () => []); // it is for us, not for the honest core
    const effects: Effects = [];
    keyring.request(to.fingerprint, { nowMs: net.nowMs, effects });
    for (const effect of effects) if (effect.kind === "send") inviter.#send(effect.packet);
    await net.settle();
    const { message, body } = relay.last(client, "bundle");
    await keyring.answered(message, body, { nowMs: net.nowMs, effects: [], people: new People() });
    return inviter;
  }

  /** Invites somebody to a room that nobody has. */
  async invite(to: FakeClient, text: string): Promise<void> {
    const { net } = this.#client;
    const id = this.#keyring.newEventId();
    const room = fingerprintOf(secureRandom(32));
    const content = { kind: "invitation", id, room: null, sentAtMs: net.nowMs, text, to: room, topic: "" } as const;
    const box = await this.#keyring.seal(to.fingerprint, encodeContent(content), net.nowMs);
    this.#send(encodeClientMessage({ t: "publish", stream: to.inbox, kind: "message", id }, box));
    await net.settle();
  }

  #send(packet: Bytes): void {
    const { net, link } = this.#client;
    const message = decodeClientMessage(decodePacket(packet));
    net.relayInput({ kind: "message", link, packet: message, nowMs: net.nowMs });
  }
}

/** Alice, and people who may invite her: each to few rooms, before she has answered. */
async function stage(inviters: number, room = "lobby") {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  const made: Inviter[] = [];
  for (let i = 0; i < inviters; i++) made.push(await Inviter.start(await net.join(`mallory${i}`, { room }), alice));
  const invite = async (names: readonly string[]) => {
    for (const [i, name] of names.entries()) await made[i % inviters]?.invite(alice, name);
  };
  return { net, alice, invite };
}

function invitedTo(client: FakeClient): string[] {
  return client.all("invited").map(({ room }) => room);
}

Deno.test("freeNameOf() numbers a room whose name another of ours has, in whatever spelling", async () => {
  const { net, alice, invite } = await stage(2);
  await invite(["den", "den", "DEN", "lobby", "l0bby", "den-2", "1obby"]);
  assertEquals(invitedTo(alice), ["den", "den-2", "DEN-3", "lobby-2", "l0bby-3", "den-2-2", "1obby-4"]);
  await alice.type("/leave den-2");
  await alice.type("/leave den");
  await net.advance(ADD_TIMEOUT_MS); // nobody adds alice, so there is nothing to leave: names and numbers are free again
  await invite(["Den", "DEN"]);
  assertEquals(invitedTo(alice).slice(-2), ["Den", "DEN-2"]);
  await alice.type("/rooms");
  const names = alice.all("rooms")[0]?.rooms.map(({ room }) => room) ?? [];
  assertEquals(new Set(names).size, 8);
});

Deno.test("freeNameOf() cuts a name that is too long for its number, and gives one that can be typed", async () => {
  const { net, alice, invite } = await stage(3);
  for (const letter of ["x", "𝒶", "語"]) {
    const name = letter.repeat(NAME_MAX_CODE_POINTS);
    const before = invitedTo(alice).length;
    await invite(Array.from({ length: 11 }, () => name));
    const made = invitedTo(alice).slice(before);
    assertEquals(made, [name, ...made.slice(1).map((_, i) => `${letter.repeat(28)}-${i + 2}`)]);
    assertEquals(made.length, 11);
    for (const one of made) await alice.type(`/leave ${one}`);
    await net.advance(ADD_TIMEOUT_MS);
    assertEquals(alice.all("roomLeft").slice(before).map(({ room, reason }) => [room, reason]), [
      ...made.map((one) => [one, "declined"]),
    ]);
  }
});

Deno.test("an invitation under a name that is none takes no place, and the client goes on", async () => {
  const { net, alice, invite } = await stage(1);
  await invite(["a/b", "", "x".repeat(33), "two words", "\x1b[2J", "den\nlobby"]);
  assertEquals([invitedTo(alice), alice.failure, net.clients.has(alice.link)], [[], undefined, true]);
  await invite(["den"]);
  assertEquals(invitedTo(alice), ["den"]);
});

Deno.test("an invitation of somebody in no room of ours, under a name that is none, ends nothing either", async () => {
  const { net, alice, invite } = await stage(1, "attic");
  await invite(["a/b"]);
  await net.advance(1_000); // alice's client asks the relay who that is
  assertEquals([invitedTo(alice), alice.failure, net.clients.has(alice.link)], [[], undefined, true]);
  await invite(["den"]);
  await net.advance(1_000);
  assertEquals(invitedTo(alice), ["den"]);
});

Deno.test("an invitation too many is told and takes no place, and crowds out no room that one wants to go to", async () => {
  const { net, alice, invite } = await stage(1);
  await invite(Array.from({ length: INVITATIONS_EACH_MAX + 2 }, (_, i) => `den${i}`));
  assertEquals(invitedTo(alice).length, INVITATIONS_EACH_MAX);
  assertEquals(alice.notices, ["roomInvitation", "roomInvitation"]);
  await alice.type("/leave den0");
  await net.advance(ADD_TIMEOUT_MS);
  await invite(["attic"]);
  assertEquals(invitedTo(alice).at(-1), "attic");
  const crowd = await stage(INVITATIONS_MAX / INVITATIONS_EACH_MAX + 1);
  await crowd.invite(Array.from({ length: INVITATIONS_MAX + 1 }, (_, i) => `den${i}`));
  assertEquals([invitedTo(crowd.alice).length, crowd.alice.notices], [INVITATIONS_MAX, ["roomInvitation"]]);
  assert(INVITATIONS_MAX < ROOMS_MAX);
  await crowd.alice.type("/join attic");
  assertEquals(crowd.alice.all("roomJoined").map(({ room }) => room), ["attic"]);
});

Deno.test("placeOf() finds a room by any spelling of its name, with its # or without, and the current one without", async () => {
  const net = await FakeNet.create();
  const alice = await net.join("alice");
  await alice.type("/join Den");
  for (const line of ["/switch den", "/switch #DEN", "/join dEn"]) await alice.type(line);
  assertEquals(alice.all("switched").map(({ room }) => room), ["Den", "Den", "Den"]);
  await alice.command({ kind: "members", room: "#lobby" });
  await alice.command({ kind: "members" });
  assertEquals(alice.all("members").map(({ room }) => room), ["lobby", "Den"]);
  assertEquals(alice.all("roomJoined").length, 1);
});

Deno.test("noSuchRoom() says where the names of one's rooms are", () => {
  const { code, hint } = noSuchRoom("den");
  assertEquals([code, hint], ["noSuchRoom", "/rooms shows your rooms."]);
});
